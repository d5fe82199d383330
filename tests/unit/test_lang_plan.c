/*
 * test_lang_plan.c - rules compiled to a plan.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/model.h"

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

static struct fault_plan *plan_with(const char *rules,
                                    const struct plan_options *options)
{
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};
	void *plan = NULL;
	size_t len;
	const char *wrong;

	if (*rules && scenario_add_rules(s, rules, "-e", &diags))
		fail_msg("%s: %s", rules, diags.v[0].message);
	assert_int_equal(scenario_plan(s, options, &plan, &len, &diags), 0);
	wrong = plan_check(plan, len);
	if (wrong)
		fail_msg("%s: %s", rules, wrong);
	assert_int_equal(((struct fault_plan *)plan)->size, len);
	scenario_free(s);
	diag_list_release(&diags);
	return plan;
}

static struct fault_plan *plan_of(const char *rules)
{
	struct plan_options options = {0};

	return plan_with(rules, &options);
}

static void a_plan_without_rules_has_one_program(void **state)
{
	struct plan_options options = {
		.seed = 7, .trace = true, .stacks = true};
	struct fault_plan *p = plan_with("", &options);

	(void)state;
	assert_int_equal(p->n_rules, 0);
	assert_int_equal(p->n_classes, 0);
	assert_int_equal(p->n_programs, 1);
	assert_int_equal(p->seed, 7);
	assert_int_equal(p->flags, PLAN_TRACE | PLAN_STACKS);
	assert_string_equal(plan_string(p, plan_programs(p)[0].name_off), "");
	free(p);
}

static void rules_that_select_the_same_share_a_class(void **state)
{
	static const struct {
		const char *rules;
		unsigned n_classes;
	} cases[] = {
		{"recv:reset:nth=1; recv:reset:nth=2", 1},
		{"recv:reset:nth=1; recv:delay=1s:times=3:after=2s", 1},
		{"recv:reset; send:reset", 2},
		{"recv:reset; recv,send:reset", 2},
		{"recv:reset; recv:reset:port=80", 2},
		{"recv:reset; recv:reset:per=program", 2},
		{"recv:reset; recv:reset:per=connection", 1},
		{"recv:reset:process=a; recv:reset:process=a", 1},
		{"recv:reset:process=a; recv:reset:process=b", 2},
		{"recv:reset:peer=10.0.0.1/8; recv:reset:peer=10.9.9.9/8", 1},
		{"recv:reset:state=CLOSE_WAIT; recv:reset", 2},
		{"resolve:delay=1s:host=a; resolve:delay=2s:host=A.", 1},
		{"resolve:delay=1s:host=a; resolve:delay=2s:host=b", 2},
		{"recv:reset:caller=a!f; recv:reset:caller=a!f", 1},
		{"recv:reset:caller=a!f; recv:reset:caller=a", 2},
		{"recv:reset:caller=a!f; recv:reset:caller=a!g", 2},
		{"recv:reset:caller=a; recv:reset", 2},
		{"recv:reset:connection=10%; recv:reset:connection=1", 2},
		/* their cells keep a mark */
		{"recv:reset:turn=2; recv:reset:turn=2", 2},
		{"recv:reset:bytes=1B; recv:reset:bytes=1B; recv:reset", 3},
		{"recv:reset; recv:delay=1s; recv:reset", 1},
		{"recv:reset:turn=10%; recv:reset", 2},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault_plan *p = plan_of(cases[i].rules);

		if (p->n_classes != cases[i].n_classes)
			fail_msg("%s: %u classes", cases[i].rules,
			         p->n_classes);
		free(p);
	}
}

static const char *caller_text(const struct fault_plan *p, uint32_t caller,
                               char *buf, size_t size)
{
	const struct plan_caller *c = &plan_callers(p)[caller - 1];

	snprintf(buf, size, "%s!%s", plan_string(p, c->module_off),
	         plan_string(p, c->symbol_off));
	return buf;
}

static void callers_are_listed_once(void **state)
{
	struct fault_plan *p = plan_of(
		"recv:reset:caller=a!f; send:reset:caller=b; recv:reset; "
		"recv:reset:caller=b; recv:reset:caller=a!f:nth=2; "
		"recv:reset:caller=f!a");
	const struct plan_class *c = plan_classes(p);
	char buf[16];

	(void)state;
	assert_int_equal(p->n_callers, 3);
	assert_int_equal(p->n_classes, 5);
	assert_string_equal(caller_text(p, c[0].caller, buf, 16), "a!f");
	assert_string_equal(caller_text(p, c[1].caller, buf, 16), "b!");
	assert_int_equal(c[2].caller, 0);
	assert_int_equal(c[3].caller, c[1].caller);
	assert_string_equal(caller_text(p, c[4].caller, buf, 16), "f!a");
	free(p);
}

/* As many as there are bits; one more is refused, however they come. */
static void there_are_at_most_64_callers(void **state)
{
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};
	char rule[96];

	(void)state;
	for (int i = 1; i <= PLAN_MAX_CALLERS; i++) {
		snprintf(rule, sizeof(rule),
		         "recv:reset:caller=lib!f%d; send:reset:caller=lib!f%d",
		         i, i);
		assert_int_equal(scenario_add_rules(s, rule, "-e", &diags), 0);
	}
	assert_int_equal(
		scenario_add_rules(s, "recv:reset:caller=lib!f7", "-e", &diags),
		0);
	assert_int_equal(diags.n_errors, 0);
	scenario_add_rules(s, "recv:reset:caller=lib", "-e", &diags);
	assert_int_equal(diags.n_errors, 1);
	assert_string_equal(diags.v[0].message,
	                    "more than 64 different callers");
	diag_list_release(&diags);
	scenario_free(s);
}

static void a_class_has_at_most_32_rules(void **state)
{
	char rules[70 * 16] = "";
	struct fault_plan *p;

	(void)state;
	for (int i = 1; i <= 70; i++)
		strcat(rules, "recv:reset; ");
	p = plan_of(rules);
	assert_int_equal(p->n_classes, 3);
	assert_int_equal(plan_classes(p)[0].n_rules, 32);
	assert_int_equal(plan_classes(p)[1].n_rules, 32);
	assert_int_equal(plan_classes(p)[2].n_rules, 6);
	free(p);
}

static void per_is_the_default_of_the_family(void **state)
{
	static const struct {
		const char *rule;
		enum fault_per per;
	} cases[] = {
		{"recv:reset", PER_CONNECTION},
		{"send:reset", PER_CONNECTION},
		{"shutdown:reset", PER_CONNECTION},
		{"close:reset", PER_CONNECTION},
		{"accept:reset", PER_PROGRAM},
		{"connect:error=ECONNREFUSED", PER_PROGRAM},
		{"socket:error=ENOMEM", PER_PROGRAM},
		{"accept,recv:reset", PER_CONNECTION},
		{"recv:reset:per=run", PER_RUN},
		{"accept:reset:per=process", PER_PROCESS},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault_plan *p = plan_of(cases[i].rule);

		assert_int_equal(plan_classes(p)[0].per, cases[i].per);
		free(p);
	}
}

static void keys_go_where_the_plan_has_them(void **state)
{
	static const char rules[] =
		"recv:short=50%:name=a:role=client:port=80:peer=[::1]:81:"
		"connection=2+:state=CLOSE_WAIT:process=nginx:nth=3..9+2:"
		"seen=1KiB:age=1s:idle=2s:after=3s:for=4s:times=5:hits=1..5;"
		"send:kill=INT:armed=false:name=b:after=a:bytes=3+ of 2B";
	struct fault_plan *p = plan_of(rules);
	const struct plan_rule *r = plan_rules(p), *b = r + 1;
	const struct plan_class *c = &plan_classes(p)[r->class_index];

	(void)state;
	assert_string_equal(plan_string(p, r->name_off), "a");
	assert_int_equal(r->line, 1);
	assert_int_equal(r->column, 1);
	assert_int_equal(b->column, strchr(rules, ';') + 2 - rules);
	assert_int_equal(c->roles, ROLE_BIT(ROLE_CLIENT));
	assert_int_equal(c->port, 80);
	assert_int_equal(c->peer.family, 6);
	assert_int_equal(c->peer.port, 81);
	assert_int_equal(c->connection.first, 2);
	assert_true(c->connection.last == UINT32_MAX);
	assert_int_equal(c->states, STATE_BIT(STATE_CLOSE_WAIT));
	assert_string_equal(plan_string(p, c->process_off), "nginx");
	assert_int_equal(c->families, 1u << FAMILY_RECV | PLAN_CUTTING);
	assert_true(plan_class_has_call(c, FAULT_CALL_read));
	assert_false(plan_class_has_call(c, FAULT_CALL_write));
	assert_int_equal(r->nth.first, 3);
	assert_int_equal(r->nth.last, 9);
	assert_int_equal(r->nth.step, 2);
	assert_int_equal(r->seen, 1024);
	assert_true(r->age_ns == 1000000000 && r->idle_ns == 2000000000);
	assert_true(r->after_ns == 3000000000 && r->for_ns == 4000000000);
	assert_int_equal(r->times, 5);
	assert_int_equal(r->hits_min, 1);
	assert_int_equal(r->hits_max, 5);
	assert_int_equal(r->flags, PLAN_RULE_ARMED);
	assert_int_equal(r->actions[0].kind, ACTION_SHORT);
	assert_int_equal(r->actions[0].flags, PLAN_ACTION_RATIO);
	assert_true(r->actions[0].value == 1U << 31);
	assert_int_equal(b->flags, 0);
	assert_int_equal(b->after_rule, 1);
	assert_int_equal(b->actions[0].value, SIGINT);
	assert_int_equal(b->bytes.first, 3);
	assert_int_equal(b->bytes_unit, 2);
	assert_true(b->hits_max == UINT32_MAX);
	assert_int_equal(p->flags, PLAN_TIMED);
	free(p);
}

static void the_clock_is_only_read_where_a_rule_needs_it(void **state)
{
	static const struct {
		const char *rules;
		uint32_t flags;
	} cases[] = {
		{"recv:reset:nth=3", 0},
		{"recv:delay=1s", 0},
		{"recv:reset:after=1s", PLAN_TIMED},
		{"recv:reset:for=1s", PLAN_TIMED},
		{"recv:reset:age=1s", PLAN_TIMED},
		{"send:reset; recv:reset:idle=1s", PLAN_TIMED},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault_plan *p = plan_of(cases[i].rules);

		assert_int_equal(p->flags, cases[i].flags);
		free(p);
	}
}

static const int32_t *inverse_of(const struct fault_plan *p, unsigned rule)
{
	const struct plan_action *a = &plan_rules(p)[rule].actions[0];

	assert_int_equal(a->flags, PLAN_ACTION_INVERSE);
	return plan_at(p, a->table_off);
}

static void distributions_are_tables(void **state)
{
	struct fault_plan *p =
		plan_of("recv:delay=1s:jitter=1ms;"
	                "recv:delay=1s:jitter=1ms:distribution=normal;"
	                "send:delay=1s:jitter=1ms:distribution=normal;"
	                "recv:delay=1s:jitter=1ms:distribution=pareto");
	const int32_t *normal = inverse_of(p, 1), *pareto = inverse_of(p, 3);
	int64_t sum = 0, squares = 0;

	(void)state;
	assert_int_equal(plan_rules(p)[0].actions[0].flags, 0);
	assert_ptr_equal(inverse_of(p, 2), normal);
	for (int i = 0; i < 256; i++) {
		assert_true(normal[i] < normal[i + 1]);
		assert_true(pareto[i] < pareto[i + 1]);
		assert_int_equal(normal[i], -normal[256 - i]);
		sum += (pareto[i] + pareto[i + 1]) / 2;
		squares += (int64_t)normal[i] * normal[i];
	}
	assert_int_equal(normal[128], 0);
	/* Means of 0 and a sigma of 1, within two per cent. */
	assert_true(sum / 256 > -1311 && sum / 256 < 1311);
	assert_true(squares / 256 > (int64_t)65536 * 65536 / 100 * 98);
	assert_true(squares / 256 < (int64_t)65536 * 65536 / 100 * 105);
	assert_true(pareto[0] > -65536 && pareto[256] > 10 * 65536);
	free(p);
}

static void an_errno_leaves_only_the_calls_that_can_fail_so(void **state)
{
	struct fault_plan *p = plan_of(
		"option:error=ENOPROTOOPT; option:error=EBADF:force=true");
	const struct plan_class *c = plan_classes(p);

	(void)state;
	assert_true(plan_class_has_call(c, FAULT_CALL_setsockopt));
	assert_false(plan_class_has_call(c, FAULT_CALL_getpeername));
	assert_true(plan_class_has_call(c + 1, FAULT_CALL_getpeername));
	free(p);
}

/* Each possible fault of the catalogue is a rule, each other one is none. */
static void every_row_of_the_catalogue_is_a_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_fault_errnos; i++) {
		const struct fault_errno_row *row = &fault_errnos[i];
		const char *word = *row->symbol
		                           ? row->symbol
		                           : fault_families[row->family].word;
		bool possible =
			row->tier != TIER_C && row->how != HOW_CONDITION;
		char plain[96], forced[128];

		snprintf(plain, sizeof(plain), "%s:error=%s", word,
		         fault_errno_name(row->err));
		snprintf(forced, sizeof(forced), "%s:force=true", plain);
		free(plan_of(possible ? plain : forced));
		if (!possible) {
			struct scenario *s = scenario_new();
			struct diag_list diags = {0};

			assert_int_equal(
				scenario_add_rules(s, plain, "-e", &diags),
				-EINVAL);
			assert_non_null(strstr(diags.v[0].hint, "force: true"));
			diag_list_release(&diags);
			scenario_free(s);
		}
	}
}

/* Every action with every call: a sound plan, or a reason. */
static void every_action_is_for_the_families_of_its_row(void **state)
{
	static const char *const values[N_ACTIONS] = {
		[ACTION_ANSWER] = "=[::1]",
		[ACTION_DELAY] = "=1ms",
		[ACTION_SHORT] = "=1B",
		[ACTION_RATE] = "=1B/s",
		[ACTION_CORRUPT] = "=1B",
		[ACTION_RESET] = "",
		[ACTION_EOF] = "",
		[ACTION_STALL] = "",
		[ACTION_EXHAUST] = "=descriptors:name=x",
		[ACTION_BACKLOG] = "=1",
		[ACTION_KILL] = "=TERM",
		[ACTION_PASS] = "",
	};

	(void)state;
	for (size_t a = 0; a < N_ACTIONS; a++) {
		for (unsigned c = 1; c < N_CALLS && values[a]; c++) {
			const struct fault_call_row *call = &fault_calls[c];
			struct scenario *s = scenario_new();
			struct diag_list diags = {0};
			char rule[96];
			int r;

			snprintf(rule, sizeof(rule), "%s:%s%s", call->symbol,
			         fault_actions[a].word, values[a]);
			r = scenario_add_rules(s, rule, "-e", &diags);
			assert_int_equal(r == 0,
			                 call->kind == FAULT_INJECT &&
			                         (fault_actions[a].families >>
			                                  call->family &
			                          1));
			diag_list_release(&diags);
			scenario_free(s);
		}
	}
}

static void an_answer_is_a_table_of_addresses(void **state)
{
	struct fault_plan *p =
		plan_of("resolve:answer=192.0.2.1,127.0.0.1:host=Api.Test.;"
	                "resolve:delay=1s:jitter=1ms:distribution=normal:"
	                "answer=[2001:db8::1]");
	const struct plan_action *a = plan_rules(p)[0].actions;
	const struct plan_action *b = plan_rules(p)[1].actions;
	const struct plan_addr *v = plan_at(p, a->table_off);

	(void)state;
	assert_string_equal(plan_string(p, plan_classes(p)[0].host_off),
	                    "api.test");
	assert_int_equal(plan_classes(p)[0].per, PER_PROGRAM);
	assert_int_equal(a->value, 2);
	assert_memory_equal(v[0].bytes, "\xc0\0\2\1", 4);
	assert_memory_equal(v[1].bytes, "\x7f\0\0\1", 4);
	assert_int_equal(b[0].flags, PLAN_ACTION_INVERSE);
	assert_int_equal(b[1].value, 1);
	v = plan_at(p, b[1].table_off);
	assert_int_equal(v->family, 6);
	assert_memory_equal(v->bytes, "\x20\x01\x0d\xb8", 4);
	free(p);
}

static void hosts_are_names_with_addresses_and_no_rules(void **state)
{
	static char name[] = "Api.Test.", other[] = "b";
	struct plan_addr addrs[] = {
		{.family = 4, .prefix_len = 32, .bytes = {192, 0, 2, 1}},
		{.family = 6, .prefix_len = 128, .bytes = {[15] = 1}},
	};
	struct host_entry hosts[] = {
		{.name = name, .addrs = addrs, .n_addrs = 2},
		{.name = other, .addrs = addrs + 1, .n_addrs = 1},
	};
	struct scenario s = {.hosts = hosts, .n_hosts = 2};
	struct plan_options options = {0};
	struct diag_list diags = {0};
	const struct plan_host *h;
	struct fault_plan *p;
	void *plan = NULL;
	size_t len;

	(void)state;
	assert_int_equal(scenario_plan(&s, &options, &plan, &len, &diags), 0);
	p = plan;
	assert_null(plan_check(p, len));
	assert_int_equal(p->n_rules, 0);
	assert_int_equal(p->n_hosts, 2);
	h = plan_hosts(p);
	assert_string_equal(plan_string(p, h[0].name_off), "api.test");
	assert_string_equal(plan_string(p, h[1].name_off), "b");
	assert_memory_equal(plan_at(p, h[0].addrs_off), addrs, sizeof(addrs));
	assert_memory_equal(plan_at(p, h[1].addrs_off), addrs + 1,
	                    sizeof(*addrs));
	free(p);
}

static void what_the_resolver_says_is_marked_in_the_plan(void **state)
{
	struct fault_plan *p = plan_of("resolve:error=EAI_AGAIN:nth=1..2;"
	                               "resolve:error=ENFILE;"
	                               "resolve:error=EAI_ADDRFAMILY");
	const struct plan_rule *r = plan_rules(p);
	const struct plan_class *c = plan_classes(p);

	(void)state;
	assert_int_equal(r[0].actions[0].err, EAI_AGAIN);
	assert_int_equal(r[0].actions[0].flags, PLAN_ACTION_EAI);
	assert_int_equal(r[1].actions[0].err, ENFILE);
	assert_int_equal(r[1].actions[0].flags, 0);
	assert_true(plan_class_has_call(c, FAULT_CALL_gethostbyname_r));
	c += r[2].class_index;
	assert_true(plan_class_has_call(c, FAULT_CALL_getaddrinfo));
	assert_false(plan_class_has_call(c, FAULT_CALL_gethostbyname_r));
	free(p);
}

struct value_row {
	const char *rule;
	enum fault_action_kind kind;
	uint64_t value;
	uint8_t flags;
};

static const struct value_row value_rows[] = {
	{"send:rate=10KiB/s", ACTION_RATE, 10240, 0},
	{"recv:corrupt=3B", ACTION_CORRUPT, 3, 0},
	{"recv:eof", ACTION_EOF, 0, 0},
	{"recv:eof=half", ACTION_EOF, 0, PLAN_ACTION_HALF},
	{"recv:stall", ACTION_STALL, 0, 0},
	{"connect:stall=2s", ACTION_STALL, 2000000000, 0},
	{"accept:exhaust=descriptors:for=1s", ACTION_EXHAUST, 0, 0},
	{"listen:backlog=0", ACTION_BACKLOG, 0, 0},
	{"listen:backlog=2147483647", ACTION_BACKLOG, 2147483647, 0},
};

static void the_value_of_an_action_is_in_its_unit(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(value_rows); i++) {
		const struct value_row *row = &value_rows[i];
		struct fault_plan *p = plan_of(row->rule);
		const struct plan_action *a = plan_rules(p)[0].actions;

		assert_int_equal(plan_rules(p)[0].n_actions, 1);
		assert_int_equal(a->kind, row->kind);
		assert_int_equal(a->value, row->value);
		assert_int_equal(a->flags, row->flags);
		free(p);
	}
}

static void a_class_says_whether_a_rule_of_it_lasts(void **state)
{
	static const struct {
		const char *rules;
		uint32_t lasting; /* bit: class */
		unsigned n_classes;
	} cases[] = {
		{"recv:reset", 0, 1},
		{"recv:short=1B; recv:corrupt=1B; recv:eof; recv:kill=TERM", 0,
	         1},
		{"recv:reset; recv:delay=1s", 1, 1},
		{"recv:reset; send:rate=1B/s", 2, 2},
		{"recv:stall", 1, 1},
		{"accept:stall=1s", 1, 1},
		{"connect:delay=1s:error=ECONNREFUSED", 1, 1},
		/* no event loop waits for them */
		{"close:delay=1s; socket:delay=1s; listen:delay=1s", 0, 3},
		{"shutdown:delay=1s; bind:delay=1s", 0, 2},
		{"close,recv:delay=1s", 1, 1},
		{"socket:exhaust=descriptors:for=1s", 1, 1},
		{"listen:backlog=1", 0, 1},
		{"reset", 1, 1},
		{"reset; kill=TERM; exhaust=descriptors:for=1s; recv:reset", 7,
	         4},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault_plan *p = plan_of(cases[i].rules);
		uint32_t lasting = 0;

		assert_int_equal(p->n_classes, cases[i].n_classes);
		for (uint32_t c = 0; c < p->n_classes; c++)
			lasting |= (uint32_t) !!(plan_classes(p)[c].families &
			                         PLAN_LASTING)
			           << c;
		if (lasting != cases[i].lasting)
			fail_msg("%s: %x", cases[i].rules, lasting);
		free(p);
	}
}

static void a_class_that_may_cut_a_receive_says_so(void **state)
{
	static const struct {
		const char *rule;
		bool cuts;
	} cases[] = {
		{"recv:short=1B", true},          {"read:rate=1KB/s", true},
		{"recv:reset:bytes=1KiB", true},  {"recv,send:short=9B", true},
		{"recv:reset:nth=2", false},      {"send:short=1B", false},
		{"send:reset:bytes=1KiB", false}, {"recv:delay=1s", false},
		{"reset:idle=1s", false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault_plan *p = plan_of(cases[i].rule);
		bool cuts = plan_classes(p)[0].families & PLAN_CUTTING;

		if (cuts != cases[i].cuts)
			fail_msg("%s: %d", cases[i].rule, cuts);
		free(p);
	}
}

static void a_rule_without_call_has_a_class_of_its_own(void **state)
{
	struct fault_plan *p =
		plan_of("reset:port=80; reset:port=80; stall=1s:role=client;"
	                "exhaust=descriptors:for=1s; kill=TERM:per=connection");
	const struct plan_class *c = plan_classes(p);

	(void)state;
	assert_int_equal(p->n_classes, 5);
	for (uint32_t i = 0; i < p->n_classes; i++) {
		assert_true(plan_class_is_self(&c[i]));
		assert_int_equal(c[i].families, PLAN_LASTING);
		assert_int_equal(c[i].per,
		                 i == 3 ? PER_PROCESS : PER_CONNECTION);
	}
	assert_int_equal(c[1].port, 80);
	assert_int_equal(c[2].roles, ROLE_BIT(ROLE_CLIENT));
	free(p);
}

static void programs_are_bits(void **state)
{
	static const char text[] =
		"version: 1\n"
		"programs: {a: {run: x}, b: {run: y}, c: {run: z}}\n"
		"faults:\n"
		"  - {in: [a, c], call: recv, inject: reset}\n"
		"  - {call: recv, inject: reset}\n";
	struct plan_options options = {0};
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	struct scenario *s = NULL;
	struct fault_plan *p;
	void *plan = NULL;
	size_t len;

	(void)state;
	assert_int_equal(suite_parse(text, sizeof(text) - 1, "x.yaml", NULL,
	                             &suite, &diags),
	                 0);
	assert_int_equal(suite_bind(suite, 0, NULL, &s, &diags), 0);
	assert_int_equal(scenario_plan(s, &options, &plan, &len, &diags), 0);
	assert_null(plan_check(plan, len));
	p = plan;
	assert_int_equal(p->n_programs, 3);
	assert_string_equal(plan_string(p, plan_programs(p)[2].name_off), "c");
	assert_int_equal(plan_classes(p)[0].programs, 5);
	assert_true(plan_classes(p)[1].programs == UINT64_MAX);
	assert_string_equal(plan_string(p, p->source_off), "x.yaml");
	free(plan);
	scenario_free(s);
	suite_free(suite);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_without_rules_has_one_program),
		cmocka_unit_test(rules_that_select_the_same_share_a_class),
		cmocka_unit_test(a_class_has_at_most_32_rules),
		cmocka_unit_test(callers_are_listed_once),
		cmocka_unit_test(there_are_at_most_64_callers),
		cmocka_unit_test(per_is_the_default_of_the_family),
		cmocka_unit_test(keys_go_where_the_plan_has_them),
		cmocka_unit_test(the_clock_is_only_read_where_a_rule_needs_it),
		cmocka_unit_test(distributions_are_tables),
		cmocka_unit_test(
			an_errno_leaves_only_the_calls_that_can_fail_so),
		cmocka_unit_test(every_row_of_the_catalogue_is_a_rule),
		cmocka_unit_test(every_action_is_for_the_families_of_its_row),
		cmocka_unit_test(an_answer_is_a_table_of_addresses),
		cmocka_unit_test(hosts_are_names_with_addresses_and_no_rules),
		cmocka_unit_test(what_the_resolver_says_is_marked_in_the_plan),
		cmocka_unit_test(the_value_of_an_action_is_in_its_unit),
		cmocka_unit_test(a_class_says_whether_a_rule_of_it_lasts),
		cmocka_unit_test(a_class_that_may_cut_a_receive_says_so),
		cmocka_unit_test(a_rule_without_call_has_a_class_of_its_own),
		cmocka_unit_test(programs_are_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
