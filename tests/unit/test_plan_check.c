/*
 * test_plan_check.c - plans from nowhere: refused, or harmless.
 *
 * The blob lies directly before a page that may not be touched, so that a
 * read behind its end is a crash.  What plan_check() lets pass is then used as
 * the engine would use it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/engine.h"
#include "engine/watch.h"
#include "plan_maker.h"

static struct plan_maker maker;

/* A copy that ends where the guard page begins (or up to 7 bytes before). */
struct guarded {
	unsigned char *map;
	size_t map_len;
	unsigned char *blob;
	size_t len;
};

static void guard(struct guarded *g, const void *blob, size_t len)
{
	size_t page = 4096, pages = (len + page - 1) / page + 1;

	g->map_len = (pages + 1) * page;
	g->map = mmap(NULL, g->map_len, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->map, MAP_FAILED);
	assert_int_equal(mprotect(g->map + pages * page, page, PROT_NONE), 0);
	g->len = len;
	g->blob = g->map + pages * page - (len + 7) / 8 * 8;
	memcpy(g->blob, blob, len);
}

static void unguard(struct guarded *g)
{
	munmap(g->map, g->map_len);
}

/* One of everything: 6 classes, 8 rules, strings last (no gap behind). */
static const struct fault_plan *rich_plan(void)
{
	struct plan_class *c;
	struct plan_rule *r;

	plan_maker_init(&maker, 2);
	maker.seed = 7;
	c = plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_select(c, FAULT_CALL_read);
	c->connection = PICK(1, 9, 2);
	c->peer = (struct plan_addr){
		.family = 4, .prefix_len = 8, .port = 80, .bytes = {127}};
	c->process_off = plan_maker_string(&maker, "nginx");
	c = plan_maker_class(&maker, FAULT_CALL_send, PER_PROGRAM);
	c->programs = 1;
	c->roles = ROLE_BIT(ROLE_CLIENT);
	c->states = STATE_BIT(STATE_ESTABLISHED);
	c = plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	c->port = 80;

	r = plan_maker_rule(&maker, 0);
	r->nth = PICK(3, 9, 2);
	r->name_off = plan_maker_string(&maker, "late");
	r = plan_maker_rule(&maker, 0);
	r->nth = PICK_PERCENT(10);
	r->actions[0].kind = ACTION_DELAY;
	r->actions[0].flags = PLAN_ACTION_INVERSE;
	r->actions[0].value = 1000;
	r->actions[0].jitter_ns = 100;
	r = plan_maker_rule(&maker, 1);
	r->times = 2;
	r->after_rule = 1;
	r->n_actions = 2;
	r->actions[0].kind = ACTION_SHORT;
	r->actions[0].value = 1;
	r->actions[1].kind = ACTION_ERROR;
	r->actions[1].err = 11;
	r = plan_maker_rule(&maker, 2);
	r->bytes = PICK_FROM(1);
	r->bytes_unit = 100;
	r->age_ns = 1;
	r = plan_maker_rule(&maker, 1);
	r->flags = PLAN_RULE_FORCE;

	plan_maker_class(&maker, FAULT_CALL_NONE, PER_CONNECTION);
	plan_maker_rule(&maker, 3)->idle_ns = 5;
	plan_maker_class(&maker, FAULT_CALL_NONE, PER_PROCESS);
	plan_maker_rule(&maker, 4)->actions[0].kind = ACTION_EXHAUST;

	c = plan_maker_class(&maker, FAULT_CALL_getaddrinfo, PER_PROGRAM);
	c->host_off = plan_maker_string(&maker, "api.test");
	r = plan_maker_rule(&maker, 5);
	r->actions[0].kind = ACTION_ANSWER;
	r->actions[0].value = 2;
	c->caller = 2;
	maker.callers[0].module_off = plan_maker_string(&maker, "libc.so.6");
	maker.callers[1].module_off = plan_maker_string(&maker, "libpq.so.5");
	maker.callers[1].symbol_off = plan_maker_string(&maker, "PQexec");
	maker.host.name_off = plan_maker_string(&maker, "host.test");
	maker.host.n_addrs = 2;
	maker.answers[0] = (struct plan_addr){.family = 4, .prefix_len = 32};
	maker.answers[1] = (struct plan_addr){.family = 6, .prefix_len = 128};
	return plan_maker_finish(&maker);
}

static void use_addresses(const struct fault_plan *plan, uint32_t off,
                          uint64_t n)
{
	const struct plan_addr *v = plan_at(plan, off);

	for (uint64_t i = 0; i < n; i++)
		assert_true(v[i].family == 4 || v[i].family == 6);
}

static void use_answer(const struct fault_plan *plan,
                       const struct plan_action *a)
{
	if (a->kind == ACTION_ANSWER)
		use_addresses(plan, a->table_off, a->value);
}

static void use_hosts(const struct fault_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_hosts; i++) {
		const struct plan_host *h = &plan_hosts(plan)[i];

		engine_host_matches(plan_string(plan, h->name_off),
		                    "host.test.");
		use_addresses(plan, h->addrs_off, h->n_addrs);
	}
}

static void use_callers(const struct fault_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_callers; i++) {
		const struct plan_caller *c = &plan_callers(plan)[i];

		assert_true(*plan_string(plan, c->module_off));
		assert_true(strlen(plan_string(plan, c->symbol_off)) <
		            plan->strings_len);
	}
}

static void use_self(const struct fault_plan *plan, struct fault_run *run,
                     const struct engine_call *connection)
{
	static const struct engine_facts facts;
	struct engine_call call = *connection;
	struct engine_choice choice;

	call.call = FAULT_CALL_NONE;
	engine_self_when(plan, run, &call);
	for (uint32_t i = 0; i < plan->n_rules; i++) {
		engine_self_take(plan, run, &call, &facts, &choice);
		engine_self_follows(plan, i);
		engine_arm(run, i, true);
	}
	engine_lasting_alive(plan, run, 0);
	engine_may_be_armed(plan, run, 0);
}

/* A plan that passed: use all of it.  Results do not matter, crashes do. */
static void use(const struct fault_plan *plan)
{
	static const struct fault_run_size small = {
		.n_processes = 1, .n_socks = 2, .n_watches = 16, .n_cells = 64};
	struct fault_run *run = plan_maker_run(plan, &small);
	struct engine_socket s = {
		.process = "nginx", .role = ROLE_CLIENT, .port = 80};
	struct engine_call call = {.call = FAULT_CALL_recv,
	                           .role = ROLE_CLIENT,
	                           .state = STATE_ESTABLISHED,
	                           .direction = DIRECTION_RX,
	                           .want = 150,
	                           .now_ns = 10,
	                           .opened_ns = 1};
	struct engine_facts facts = {.nonblocking = true};

	call.process_cells = engine_process_cells(plan, run);
	engine_watch(plan, run, &s, 1, &call.first_watch);
	for (int i = 0; i < 12; i++) {
		struct engine_choice choice;
		const struct plan_rule *r;

		call.call = i % 2 ? FAULT_CALL_recv : FAULT_CALL_send;
		call.host = NULL;
		if (i % 3 == 2) {
			call.call = FAULT_CALL_getaddrinfo;
			call.host = "api.test.";
		}
		call.offset += 150;
		engine_look(plan, run, &call, &choice);
		if (choice.rule < 0) {
			engine_count(plan, run, &call);
			continue;
		}
		r = &plan_rules(plan)[choice.rule];
		for (unsigned a = 0; a < r->n_actions; a++) {
			engine_gate(&call, r, &r->actions[a], &facts);
			engine_delay(plan, &r->actions[a], choice.draw);
			engine_short(&r->actions[a], call.want);
			use_answer(plan, &r->actions[a]);
		}
		engine_take(plan, run, &call, &choice);
	}
	use_self(plan, run, &call);
	use_hosts(plan);
	use_callers(plan);
	engine_unwatch(run, call.first_watch);
	plan_maker_free_run(run);
}

static void a_plan_of_the_maker_is_sound(void **state)
{
	(void)state;
	use(rich_plan());
}

static void a_plan_without_rules_is_sound(void **state)
{
	(void)state;
	plan_maker_init(&maker, 1);
	use(plan_maker_finish(&maker));
}

enum {
	N_SPOILT = 13
};

/* Each bit turned, then values at the edges. */
static unsigned char spoilt(unsigned char good, size_t way)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	if (way < 8)
		return (unsigned char)(good ^ 1u << way);
	return values[way - 8];
}

static void every_wrong_byte_is_refused_or_harmless(void **state)
{
	const struct fault_plan *plan = rich_plan();
	struct guarded g;
	size_t refused = 0;

	(void)state;
	guard(&g, plan, plan->size);
	for (size_t i = 0; i < g.len; i++) {
		unsigned char good = g.blob[i];

		for (size_t v = 0; v < N_SPOILT; v++) {
			g.blob[i] = spoilt(good, v);
			if (!plan_check(g.blob, g.len))
				use((const void *)g.blob);
			else
				refused++;
		}
		g.blob[i] = good;
	}
	assert_true(refused > g.len);
	assert_null(plan_check(g.blob, g.len));
	unguard(&g);
}

static void every_wrong_word_is_refused_or_harmless(void **state)
{
	static const uint32_t values[] = {
		0, 1, 64, 0x7ffffff8, 0x80000000, 0xfffffff8, UINT32_MAX};
	const struct fault_plan *plan = rich_plan();
	struct guarded g;

	(void)state;
	guard(&g, plan, plan->size);
	for (size_t i = 0; i + 4 <= g.len; i += 4) {
		uint32_t good;

		memcpy(&good, g.blob + i, 4);
		for (size_t v = 0; v < sizeof(values) / 4; v++) {
			memcpy(g.blob + i, &values[v], 4);
			if (!plan_check(g.blob, g.len))
				use((const void *)g.blob);
		}
		memcpy(g.blob + i, &good, 4);
	}
	unguard(&g);
}

static void every_plan_that_is_cut_short_is_refused(void **state)
{
	const struct fault_plan *plan = rich_plan();

	(void)state;
	for (uint32_t len = 0; len < plan->size; len++) {
		struct guarded g;

		guard(&g, plan, len);
		assert_non_null(plan_check(g.blob, len));
		unguard(&g);
	}
}

static void a_plan_at_an_odd_address_is_refused(void **state)
{
	const struct fault_plan *plan = rich_plan();
	unsigned char *copy = malloc(plan->size + 8);

	(void)state;
	assert_non_null(copy);
	memcpy(copy + 4, plan, plan->size);
	assert_string_equal(plan_check(copy + 4, plan->size),
	                    "the plan's memory is not aligned");
	free(copy);
}

/* --- what each refusal is for -------------------------------------------- */

struct wrong {
	const char *sentence;
	void (*spoil)(struct fault_plan *p, struct plan_class *c,
	              struct plan_rule *r);
};

#define SPOIL(name_, statement_)                                               \
	static void name_(struct fault_plan *p, struct plan_class *c,          \
	                  struct plan_rule *r)                                 \
	{                                                                      \
		(void)p;                                                       \
		(void)c;                                                       \
		(void)r;                                                       \
		statement_;                                                    \
	}
SPOIL(version, p->version++)
SPOIL(flags, p->flags |= 8)
SPOIL(no_program, p->n_programs = 0)
SPOIL(many_rules, p->n_rules = 10001)
SPOIL(lonely_rule, p->n_rules--)
SPOIL(string_end, ((char *)p)[p->strings_off + p->strings_len - 1] = 'x')
SPOIL(odd_rules, p->rules_off += 4)
SPOIL(far_rules, p->rules_off = p->size - 8)
SPOIL(program_hash,
      ((struct plan_program *)((char *)p + p->programs_off))->name_hash++)
SPOIL(call_book, c->calls[FAULT_CALL_dup / 64] |= 1ULL << FAULT_CALL_dup % 64)
SPOIL(call_none, c->calls[0] |= 1)
SPOIL(families, c->families = 0)
SPOIL(unsaid_lasting, c->families ^= PLAN_LASTING)
SPOIL(said_lasting, c[1].families |= PLAN_LASTING)
SPOIL(self_unsaid, c[3].families = 0)
SPOIL(self_per, c[3].per = PER_PROGRAM)
SPOIL(self_per_swapped, c[3].per = PER_PROCESS)
SPOIL(self_per_exhaust, c[4].per = PER_CONNECTION)
SPOIL(self_shared, memset(c[1].calls, 0, sizeof(c[1].calls));
      c[1].families = PLAN_LASTING)
SPOIL(self_action, r[5].actions[0].kind = ACTION_SHORT;
      r[5].actions[0].value = 1)
SPOIL(self_nth, r[5].nth = PICK_ONE(1))
SPOIL(self_turn, r[5].turn = PICK_ONE(1))
SPOIL(self_bytes, r[5].bytes_unit = 1)
SPOIL(program_bit, c->programs = 4)
SPOIL(connection, c->connection.step = 0)
SPOIL(peer_family, c->peer.family = 5)
SPOIL(peer_prefix, c->peer.prefix_len = 33)
SPOIL(states, c->states = STATE_BIT(N_STATES))
SPOIL(roles, c->roles = ROLE_BIT(ROLE_NONE))
SPOIL(per, c->per = PER_DEFAULT)
SPOIL(string, c->host_off = p->strings_len)
SPOIL(unlisted, c->n_rules = 1)
SPOIL(no_list, c->n_rules = 0)
SPOIL(long_list, c->n_rules = 33)
SPOIL(far_list, c->rules_off = p->size - 2)
SPOIL(odd_list, c->rules_off++)
SPOIL(list_order, c->rules_off -= 0;
      ((uint16_t *)((char *)p + c->rules_off))[1] = 0)
SPOIL(odd_buckets, p->buckets_off++)
SPOIL(far_buckets, p->buckets_off = p->size - PLAN_BUCKETS)
SPOIL(bucket_none, c->next = p->n_classes + 1)
SPOIL(bucket_round, c->next = 1)
SPOIL(bucket_other, c[1].port = 81)
SPOIL(bucket_short, c->next = 0)
SPOIL(other_class, r->class_index = 1)
SPOIL(after_self, r->after_rule = 1)
SPOIL(after_none, r->after_rule = 9)
SPOIL(rule_flags, r->flags |= 4)
SPOIL(hits, r->hits_min = 2; r->hits_max = 1)
SPOIL(no_action, r->n_actions = 0)
SPOIL(many_actions, r->n_actions = 5)
SPOIL(kind, r->actions[0].kind = N_ACTIONS)
SPOIL(action_flags, r->actions[0].flags = PLAN_ACTION_RATIO)
SPOIL(corrupt_part, r->actions[0].kind = ACTION_CORRUPT;
      r->actions[0].flags = PLAN_ACTION_RATIO; r->actions[0].value = 1)
SPOIL(rate_zero, r->actions[0].kind = ACTION_RATE)
SPOIL(backlog, r->actions[0].kind = ACTION_BACKLOG;
      r->actions[0].value = 1ULL << 31)
SPOIL(stall_long, r->actions[0].kind = ACTION_STALL;
      r->actions[0].value = 1ULL << 63)
SPOIL(half_reset, r->actions[0].flags = PLAN_ACTION_HALF)
SPOIL(err, r->actions[0].kind = ACTION_ERROR; r->actions[0].err = 41)
SPOIL(eai_unmarked, r->actions[0].kind = ACTION_ERROR; r->actions[0].err = -3)
SPOIL(eai_marked, r->actions[0].kind = ACTION_ERROR; r->actions[0].err = 11;
      r->actions[0].flags = PLAN_ACTION_EAI)
SPOIL(eai_unknown, r->actions[0].kind = ACTION_ERROR; r->actions[0].err = -99;
      r->actions[0].flags = PLAN_ACTION_EAI)
#define ADDR(i_)                                                               \
	((struct plan_addr *)((char *)p + r[7].actions[0].table_off))[i_]
SPOIL(answer_none, r[7].actions[0].value = 0)
SPOIL(answer_many, r[7].actions[0].value = PLAN_MAX_ANSWERS + 1)
SPOIL(answer_far, r[7].actions[0].table_off = p->size - 20)
SPOIL(answer_odd, r[7].actions[0].table_off++)
SPOIL(answer_family, ADDR(1).family = 0)
SPOIL(answer_block, ADDR(0).prefix_len = 24)
SPOIL(answer_port, ADDR(1).port = 80)
#define HOST ((struct plan_host *)((char *)p + p->hosts_off))
SPOIL(hosts_many, p->n_hosts = PLAN_MAX_HOSTS + 1)
SPOIL(hosts_far, p->hosts_off = p->size - 8)
SPOIL(hosts_odd, p->hosts_off += 2)
SPOIL(host_nameless, HOST->name_off = 0)
SPOIL(host_name_far, HOST->name_off = p->strings_len)
SPOIL(host_without, HOST->n_addrs = 0)
SPOIL(host_addrs_far, HOST->addrs_off = p->size - 20)
#define CALLER ((struct plan_caller *)((char *)p + p->callers_off))
SPOIL(caller_none, c->caller = p->n_callers + 1)
SPOIL(callers_many, p->n_callers = PLAN_MAX_CALLERS + 1)
SPOIL(callers_far, p->callers_off = p->size - 4)
SPOIL(callers_odd, p->callers_off += 2)
SPOIL(caller_nameless, CALLER->module_off = 0)
SPOIL(caller_name_far, CALLER->module_off = p->strings_len)
SPOIL(caller_symbol_far, CALLER->symbol_off = p->strings_len)
SPOIL(self_caller, c[3].caller = 1)
SPOIL(signal_number, r->actions[0].kind = ACTION_KILL; r->actions[0].value = 65)
SPOIL(short_zero, r->actions[0].kind = ACTION_SHORT; r->actions[0].value = 0)
SPOIL(inverse, r->actions[0].kind = ACTION_DELAY;
      r->actions[0].flags = PLAN_ACTION_INVERSE;
      r->actions[0].table_off = p->size - 256 * 4)
SPOIL(pick_order, r->nth.last = 2)
SPOIL(pick_both, r->nth.ratio = 1)
SPOIL(no_unit, r->bytes = PICK_ONE(1))
SPOIL(shared_turn, r->turn = PICK_ONE(2))
SPOIL(no_clock, r->age_ns = 1; p->flags = 0)
#undef SPOIL

static const struct wrong wrongs[] = {
	{"the plan has another version", version},
	{"the plan has unknown flags", flags},
	{"the plan has an impossible number of programs", no_program},
	{"the plan has an impossible number of rules", many_rules},
	{"a class has a rule that is not there", lonely_rule},
	{"the plan's strings have no end", string_end},
	{"the plan's rules are outside of it", odd_rules},
	{"the plan's rules are outside of it", far_rules},
	{"a program's hash is not that of its name", program_hash},
	{"a class selects a call that takes no faults", call_book},
	{"a class selects a call that takes no faults", call_none},
	{"a class's families are not those of its calls", families},
	{"a class does not say whether its rules last", unsaid_lasting},
	{"a class does not say whether its rules last", said_lasting},
	{"a class does not say whether its rules last", self_unsaid},
	{"a rule without a call acts on nothing", self_per},
	{"a rule without a call acts on the wrong thing", self_per_swapped},
	{"a rule without a call acts on the wrong thing", self_per_exhaust},
	{"a rule without a call shares its class", self_shared},
	{"a rule without a call has an action that needs one", self_action},
	{"a rule without a call counts calls", self_nth},
	{"a rule without a call counts calls", self_turn},
	{"a rule without a call counts calls", self_bytes},
	{"a class is for a program that is not there", program_bit},
	{"a class has an impossible pick of connections", connection},
	{"a class has an impossible peer", peer_family},
	{"a class has an impossible peer", peer_prefix},
	{"a class has unknown states or roles", states},
	{"a class has unknown states or roles", roles},
	{"a class does not say what it counts over", per},
	{"a class names no string of the plan", string},
	{"a rule is in no class", unlisted},
	{"a class has no rule, or more than 32", no_list},
	{"a class has no rule, or more than 32", long_list},
	{"a class's rules are outside of the plan", far_list},
	{"a class's rules are outside of the plan", odd_list},
	{"a class's rules are not in file order", list_order},
	{"the plan's buckets are outside of it", odd_buckets},
	{"the plan's buckets are outside of it", far_buckets},
	{"a bucket has a class that is not there", bucket_none},
	{"a bucket has a class that is not there", bucket_round},
	{"a class is in another port's bucket", bucket_other},
	{"a class is in no bucket", bucket_short},
	{"a rule is in the list of another's class", other_class},
	{"a rule comes after one that is not there, or itself", after_self},
	{"a rule comes after one that is not there, or itself", after_none},
	{"a rule has unknown flags", rule_flags},
	{"a rule expects an impossible number of hits", hits},
	{"a rule has an impossible number of actions", no_action},
	{"a rule has an impossible number of actions", many_actions},
	{"a rule has an unknown action", kind},
	{"an action has flags that are not for it", action_flags},
	{"an action has flags that are not for it", corrupt_part},
	{"an action has flags that are not for it", half_reset},
	{"an action has an impossible value", rate_zero},
	{"an action has an impossible value", backlog},
	{"an action has an impossible value", stall_long},
	{"an action has an impossible value", err},
	{"an action has an impossible value", eai_unmarked},
	{"an action has an impossible value", eai_marked},
	{"an action has an impossible value", eai_unknown},
	{"an answer is no list of addresses of the plan", answer_none},
	{"an answer is no list of addresses of the plan", answer_many},
	{"an answer is no list of addresses of the plan", answer_far},
	{"an answer is no list of addresses of the plan", answer_odd},
	{"an answer is no list of addresses of the plan", answer_family},
	{"an answer is no list of addresses of the plan", answer_block},
	{"an answer is no list of addresses of the plan", answer_port},
	{"the plan has an impossible number of hosts", hosts_many},
	{"the plan's hosts are outside of it", hosts_far},
	{"the plan's hosts are outside of it", hosts_odd},
	{"a host's name is no string of the plan", host_nameless},
	{"a host's name is no string of the plan", host_name_far},
	{"a host has no list of addresses of the plan", host_without},
	{"a host has no list of addresses of the plan", host_addrs_far},
	{"a class has a caller that is not there", caller_none},
	{"the plan has an impossible number of callers", callers_many},
	{"the plan's callers are outside of it", callers_far},
	{"the plan's callers are outside of it", callers_odd},
	{"a caller's name is no string of the plan", caller_nameless},
	{"a caller's name is no string of the plan", caller_name_far},
	{"a caller's name is no string of the plan", caller_symbol_far},
	{"a rule without a call has a caller", self_caller},
	{"an action has an impossible value", signal_number},
	{"an action has an impossible value", short_zero},
	{"a distribution is outside of the plan", inverse},
	{"a rule has an impossible pick", pick_order},
	{"a rule has an impossible pick", pick_both},
	{"a rule picks from blocks of no size", no_unit},
	{"a rule with turn or bytes shares its class", shared_turn},
	{"a rule needs the clock, and the plan does not say so", no_clock},
};

static void each_mistake_is_refused_with_its_own_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct fault_plan *plan = rich_plan();
		uint32_t size = plan->size;
		char *blob = (char *)maker.blob;
		const char *said;

		wrongs[i].spoil((struct fault_plan *)(void *)blob,
		                (void *)(blob + plan->classes_off),
		                (void *)(blob + plan->rules_off));
		said = plan_check(blob, size);
		if (!said || strcmp(said, wrongs[i].sentence))
			print_error("mistake %zu: %s\n", i, said);
		assert_non_null(said);
		assert_string_equal(said, wrongs[i].sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_of_the_maker_is_sound),
		cmocka_unit_test(a_plan_without_rules_is_sound),
		cmocka_unit_test(every_wrong_byte_is_refused_or_harmless),
		cmocka_unit_test(every_wrong_word_is_refused_or_harmless),
		cmocka_unit_test(every_plan_that_is_cut_short_is_refused),
		cmocka_unit_test(a_plan_at_an_odd_address_is_refused),
		cmocka_unit_test(each_mistake_is_refused_with_its_own_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
