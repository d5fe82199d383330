/*
 * test_engine_calls.c - calls one after another: which rule acts, what is
 * counted, what stays due.  One thread; see test_engine_threads.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "call_maker.h"

/* --- nth ------------------------------------------------------------------ */

static void nth_acts_on_the_calls_of_its_pick(void **state)
{
	static const int rules[] = {NONE, NONE, 0, NONE, 0, NONE, 0, NONE};
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK(3, 7, 2);
	ready();
	call = connection(1);
	expect(&call, rules, LENGTH(rules));
	assert_int_equal(run_rules(run)[0].hits, 3);
	assert_int_equal(run_rules(run)[0].due, 3);
}

static void calls_of_other_symbols_and_states_are_not_counted(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->states =
		STATE_BIT(STATE_ESTABLISHED);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(2);
	ready();
	call = connection(1);
	assert_int_equal(make(&call), NONE);
	call.call = FAULT_CALL_read;
	assert_int_equal(make(&call), NONE);
	call.call = FAULT_CALL_recv;
	call.state = STATE_CLOSE_WAIT;
	assert_int_equal(make(&call), NONE);
	call.state = STATE_ESTABLISHED;
	assert_int_equal(make(&call), 0);
}

static void
each_connection_counts_for_itself_unless_told_otherwise(void **state)
{
	struct engine_call a, b;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_class(&maker, FAULT_CALL_send, PER_PROGRAM);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(2);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(2);
	ready();
	a = connection(1);
	b = connection(2);
	assert_int_equal(make(&a), NONE);
	assert_int_equal(make(&b), NONE);
	assert_int_equal(make(&a), 0);
	assert_int_equal(make(&b), 0);
	a.call = b.call = FAULT_CALL_send;
	assert_int_equal(make(&a), NONE);
	assert_int_equal(make(&b), 1);
	assert_int_equal(make(&a), NONE);
}

static void
a_rule_without_events_acts_on_every_call_but_times_often(void **state)
{
	static const int rules[] = {0, 0, NONE, NONE};
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->times = 2;
	ready();
	call = connection(1);
	expect(&call, rules, LENGTH(rules));
	/* A class of spent rules is never looked at again. */
	assert_int_equal(
		run_cells(run)[run_watch_cell(run, call.first_watch)].next_due,
		UINT32_MAX);
}

/* --- precedence ----------------------------------------------------------- */

static void the_first_due_rule_acts_and_the_others_are_spent(void **state)
{
	static const int rules[] = {NONE, NONE, 1, NONE, 2};
	struct engine_call call;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(9);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(3);
	plan_maker_rule(&maker, 0)->nth = PICK(3, 5, 2);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(5);
	ready();
	call = connection(1);
	expect(&call, rules, LENGTH(rules));
	assert_int_equal(run_rules(run)[2].shadowed, 1);
	assert_int_equal(run_rules(run)[2].hits, 1);
	assert_int_equal(run_rules(run)[3].shadowed, 1);
	assert_int_equal(run_rules(run)[3].hits, 0);
}

static void a_gated_rule_stays_due_until_the_gate_opens(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_ONE(2);
	ready();
	call = connection(1);
	assert_int_equal(make_gated(&call, 1), NONE);
	assert_int_equal(make_gated(&call, 1), NONE);
	assert_int_equal(make_gated(&call, 1), NONE);
	assert_int_equal(make(&call), 0);
	assert_int_equal(make(&call), NONE);
	assert_int_equal(run_rules(run)[0].gated[GATE_G2], 2);
	assert_int_equal(run_rules(run)[0].due, 3);
	assert_int_equal(run_rules(run)[0].hits, 1);
}

static void a_hit_that_came_to_nothing_is_taken_back(void **state)
{
	struct engine_choice choice = {.rule = 0};
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_ONE(1);
	ready();
	call = connection(1);
	assert_int_equal(make(&call), 0);
	engine_withdraw(run, &choice, GATE_LEVER);
	assert_int_equal(run_rules(run)[0].hits, 0);
	assert_int_equal(run_rules(run)[0].due, 1);
	assert_int_equal(run_rules(run)[0].gated[GATE_LEVER], 1);
	assert_int_equal(make(&call), NONE);
}

static void a_later_rule_acts_while_an_earlier_one_is_gated(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_ONE(1);
	plan_maker_rule(&maker, 0)->nth = PICK(1, 2, 1);
	ready();
	call = connection(1);
	assert_int_equal(make_gated(&call, 1), 1);
	assert_int_equal(make(&call), 0);
	assert_int_equal(run_rules(run)[1].shadowed, 1);
	assert_int_equal(make(&call), NONE);
}

static void a_held_rule_that_is_shadowed_is_spent(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_ONE(2);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(1);
	ready();
	call = connection(1);
	assert_int_equal(make_gated(&call, 2), NONE);
	assert_int_equal(make(&call), 0);
	assert_int_equal(run_rules(run)[1].shadowed, 1);
	assert_int_equal(make(&call), NONE);
}

/* --- conditions ----------------------------------------------------------- */

static void an_event_at_which_a_condition_fails_passes(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK(1, 3, 2);
	maker.rules[0].seen = 50;
	ready();
	call = connection(1);
	assert_int_equal(make(&call), NONE);
	call.seen = 50;
	assert_int_equal(make(&call), NONE);
	assert_int_equal(make(&call), 0);
}

static void a_disarmed_rule_counts_but_does_not_act(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_FROM(2);
	maker.rules[0].flags = 0;
	ready();
	call = connection(1);
	assert_int_equal(make(&call), NONE);
	assert_int_equal(make(&call), NONE);
	run_rules(run)[0].armed = 1;
	assert_int_equal(make(&call), 0);
	run_rules(run)[0].armed = 0;
	assert_int_equal(make(&call), NONE);
	run_rules(run)[0].armed = 1;
	assert_int_equal(make(&call), 0);
}

static void after_a_rule_means_after_its_first_hit(void **state)
{
	static const int rules[] = {NONE, 1, 0, 0};
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->after_rule = 2;
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(2);
	ready();
	call = connection(1);
	expect(&call, rules, LENGTH(rules));
}

struct clock_row {
	const char *text;
	uint64_t age_ns, idle_ns, after_ns, for_ns;
	uint64_t now_ns;
	int rule;
};

/* Program started at 100, connection opened at 200, last used at 300. */
static const struct clock_row clock_rows[] = {
	{"young", 50, 0, 0, 0, 249, NONE},
	{"old enough", 50, 0, 0, 0, 250, 0},
	{"busy", 0, 50, 0, 0, 349, NONE},
	{"idle", 0, 50, 0, 0, 350, 0},
	{"too early", 0, 0, 500, 0, 599, NONE},
	{"late enough", 0, 0, 500, 0, 600, 0},
	{"all but one", 50, 50, 500, 0, 599, NONE},
	{"all", 50, 50, 500, 0, 600, 0},
	{"no window yet", 0, 0, 0, 10, 1000, 0},
};

static void clocks_are_compared_with_what_they_belong_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(clock_rows); i++) {
		const struct clock_row *row = &clock_rows[i];
		struct engine_call call;
		struct plan_rule *r;

		r = begin_rule(FAULT_CALL_recv, PER_CONNECTION);
		r->age_ns = row->age_ns;
		r->idle_ns = row->idle_ns;
		r->after_ns = row->after_ns;
		r->for_ns = row->for_ns;
		ready();
		call = connection(1);
		call.program_started_ns = 100;
		call.opened_ns = 200;
		call.last_ns = 300;
		call.now_ns = row->now_ns;
		if (make(&call) != row->rule)
			fail_msg("%s", row->text);
		forget();
	}
}

static void a_window_begins_with_the_first_hit_and_ends(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->for_ns = 100;
	ready();
	call = connection(1);
	call.now_ns = 1000;
	assert_int_equal(make(&call), 0);
	call.now_ns = 1099;
	assert_int_equal(make(&call), 0);
	assert_int_equal(run_rules(run)[0].first_hit_ns, 1000);
	call.now_ns = 1100;
	assert_int_equal(make(&call), NONE);
}

/* --- per cent ------------------------------------------------------------- */

static uint64_t hits_of_64(uint64_t seed, uint32_t ordinal)
{
	struct engine_call call;
	uint64_t hits = 0;

	begin();
	maker.seed = seed;
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->nth = PICK_PERCENT(30);
	ready();
	call = connection(ordinal);
	for (int i = 0; i < 64; i++) {
		if (make(&call) == 0)
			hits |= 1ULL << i;
	}
	forget();
	return hits;
}

static void
the_same_seed_hits_the_same_calls_and_another_seed_others(void **state)
{
	(void)state;
	assert_true(hits_of_64(1, 1) == hits_of_64(1, 1));
	assert_true(hits_of_64(1, 1) != hits_of_64(2, 1));
	assert_true(hits_of_64(1, 1) != hits_of_64(1, 2));
}

static void looking_twice_does_not_draw_twice(void **state)
{
	struct engine_choice first, again;
	struct engine_call call;
	uint32_t hits = 0;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_PERCENT(10);
	ready();
	call = connection(1);
	for (int i = 0; i < 2000; i++) {
		engine_look(plan, run, &call, &first);
		engine_look(plan, run, &call, &again);
		assert_int_equal(first.rule, again.rule);
		assert_true(first.draw == again.draw);
		hits += make(&call) == 0;
	}
	assert_in_range(hits, 150, 250);
}

static void a_part_of_the_connections_is_drawn_once_for_each(void **state)
{
	uint32_t n = 0, again = 0;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->connection =
		PICK_PERCENT(20);
	plan_maker_rule(&maker, 0);
	ready();
	for (uint32_t i = 1; i <= 1000; i++) {
		struct engine_call call = connection(i);

		if (!call.first_watch)
			continue;
		n++;
		assert_int_equal(make(&call), 0);
		assert_int_equal(make(&call), 0);
		engine_unwatch(run, call.first_watch);
		call = connection(i);
		again += call.first_watch != 0;
		engine_unwatch(run, call.first_watch);
	}
	assert_in_range(n, 150, 250);
	assert_int_equal(again, n);
}

/* --- against a naive model ------------------------------------------------ */

struct model_rule {
	uint32_t hits, shadowed;
	bool held;
};

static uint32_t random_state = 12345;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

enum {
	MODEL_CLASSES = 5,
	MODEL_RULES = 20
};

static void random_plan(void)
{
	begin();
	for (uint32_t i = 0; i < MODEL_CLASSES; i++) {
		plan_maker_class(&maker, FAULT_CALL_recv,
		                 i % 2 ? PER_PROGRAM : PER_CONNECTION);
		if (i == 4)
			plan_maker_select(&maker.classes[i], FAULT_CALL_send);
	}
	for (uint32_t i = 0; i < MODEL_RULES; i++) {
		uint32_t class_index =
			i < MODEL_CLASSES ? i : random_below(MODEL_CLASSES);
		struct plan_rule *r = plan_maker_rule(&maker, class_index);
		uint32_t first = 1 + random_below(40);

		r->nth = PICK(first, first + random_below(60),
		              1 + random_below(9));
		if (random_below(10) == 0)
			r->nth = (struct plan_pick){0};
		r->times = random_below(5);
	}
	ready();
}

/* nth by trying each number. */
static bool model_pick(const struct plan_pick *p, uint32_t n)
{
	for (uint64_t i = p->first; i <= p->last; i += p->step) {
		if (i == n)
			return true;
	}
	return false;
}

static int model_call(struct model_rule *rules, uint32_t *counts,
                      enum fault_call call, uint64_t gates)
{
	int acted = NONE;

	for (uint32_t c = 0; c < MODEL_CLASSES; c++)
		counts[c] += plan_class_has_call(&maker.classes[c], call);
	for (int i = 0; i < MODEL_RULES; i++) {
		const struct plan_rule *r = &maker.rules[i];
		struct model_rule *m = &rules[i];
		bool has_nth = r->nth.first != 0;

		if (!plan_class_has_call(&maker.classes[r->class_index], call))
			continue;
		if (r->times && m->hits >= r->times)
			continue;
		if (has_nth && !m->held &&
		    !model_pick(&r->nth, counts[r->class_index]))
			continue;
		m->held = false;
		if (acted >= 0) {
			m->shadowed++;
		} else if (gates >> i & 1) {
			m->held = has_nth;
		} else {
			acted = i;
			m->hits++;
		}
	}
	return acted;
}

static void random_rules_and_gates_act_as_in_a_naive_model(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct model_rule rules[MODEL_RULES] = {0};
		uint32_t counts[MODEL_CLASSES] = {0};
		struct engine_call call;

		random_plan();
		call = connection(1);
		for (int i = 0; i < 120; i++) {
			uint64_t gates =
				random_below(1u << 20) & random_below(1u << 20);
			int want;

			call.call = random_below(3) ? FAULT_CALL_recv
			                            : FAULT_CALL_send;
			want = model_call(rules, counts, call.call, gates);
			if (make_gated(&call, gates) != want)
				fail_msg("round %d, call %d", round, i + 1);
		}
		for (int i = 0; i < MODEL_RULES; i++) {
			assert_int_equal(run_rules(run)[i].hits, rules[i].hits);
			assert_int_equal(run_rules(run)[i].shadowed,
			                 rules[i].shadowed);
		}
		forget();
	}
}

/* --- host ----------------------------------------------------------------- */

static void a_host_is_compared_as_names_are(void **state)
{
	static const struct {
		const char *host;
		bool same;
	} cases[] = {
		{"api.test", true},    {"API.Test", true}, {"api.test.", true},
		{"api.test..", false}, {"api.tes", false}, {"api.testx", false},
		{"xapi.test", false},  {"", false},        {".", false},
		{NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_int_equal(engine_host_matches("api.test", cases[i].host),
		                 cases[i].same);
}

static void names_are_counted_apart_by_the_hosts_of_rules(void **state)
{
	struct engine_socket nobody = {0};
	struct engine_call call = {.call = FAULT_CALL_getaddrinfo};

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_getaddrinfo, PER_PROGRAM)
		->host_off = plan_maker_string(&maker, "api.test");
	plan_maker_class(&maker, FAULT_CALL_getaddrinfo, PER_PROGRAM);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(2);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(4);
	ready();
	engine_watch(plan, run, &nobody, 0, &call.first_watch);
	call.host = "api.test";
	assert_int_equal(make(&call), NONE);
	call.host = "other.test";
	assert_int_equal(make(&call), NONE);
	call.host = "Api.Test.";
	assert_int_equal(make(&call), 0);
	assert_int_equal(make(&call), 1);
	call.host = NULL;
	assert_int_equal(make(&call), NONE);
}

static void calls_are_counted_apart_by_the_callers_of_rules(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	maker.callers[0].module_off = plan_maker_string(&maker, "a");
	maker.callers[1].module_off = plan_maker_string(&maker, "b");
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->caller = 2;
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(2);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(5);
	ready();
	call = connection(1);
	assert_int_equal(make(&call), NONE);
	call.callers = 1; /* of the other */
	assert_int_equal(make(&call), NONE);
	call.callers = 3;
	assert_int_equal(make(&call), NONE);
	call.callers = 2;
	assert_int_equal(make(&call), 0);
	assert_int_equal(make(&call), 1);
}

/* Nobody looks at a stack for a rule that cannot be due. */
static void only_callers_that_matter_are_asked_for(void **state)
{
	struct engine_call call, other;

	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		maker.callers[i].module_off = plan_maker_string(&maker, "a");
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->caller = 2;
	plan_maker_class(&maker, FAULT_CALL_send, PER_CONNECTION)->caller = 3;
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->roles =
		ROLE_BIT(ROLE_ACCEPTED);
	maker.classes[2].caller = 1;
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->nth = PICK_ONE(1);
	for (uint32_t i = 1; i < 4; i++)
		plan_maker_rule(&maker, i);
	ready();
	call = other = connection(1);
	assert_int_equal(engine_callers(plan, run, &call), 2);
	other.call = FAULT_CALL_read;
	assert_int_equal(engine_callers(plan, run, &other), 0);
	other.call = FAULT_CALL_send;
	assert_int_equal(engine_callers(plan, run, &other), 4);
	other.first_watch = RUN_NONE;
	assert_int_equal(engine_callers(plan, run, &other), 0);
	call.callers = 2;
	assert_int_equal(make(&call), 0);
	assert_int_equal(engine_callers(plan, run, &call), 0);
}

#define TEST(name_) cmocka_unit_test_teardown(name_, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_are_counted_apart_by_the_callers_of_rules),
		TEST(only_callers_that_matter_are_asked_for),
		TEST(nth_acts_on_the_calls_of_its_pick),
		TEST(calls_of_other_symbols_and_states_are_not_counted),
		TEST(each_connection_counts_for_itself_unless_told_otherwise),
		TEST(a_rule_without_events_acts_on_every_call_but_times_often),
		TEST(the_first_due_rule_acts_and_the_others_are_spent),
		TEST(a_gated_rule_stays_due_until_the_gate_opens),
		TEST(a_hit_that_came_to_nothing_is_taken_back),
		TEST(a_later_rule_acts_while_an_earlier_one_is_gated),
		TEST(a_held_rule_that_is_shadowed_is_spent),
		TEST(an_event_at_which_a_condition_fails_passes),
		TEST(a_disarmed_rule_counts_but_does_not_act),
		TEST(after_a_rule_means_after_its_first_hit),
		TEST(clocks_are_compared_with_what_they_belong_to),
		TEST(a_window_begins_with_the_first_hit_and_ends),
		TEST(the_same_seed_hits_the_same_calls_and_another_seed_others),
		TEST(looking_twice_does_not_draw_twice),
		TEST(a_part_of_the_connections_is_drawn_once_for_each),
		cmocka_unit_test(a_host_is_compared_as_names_are),
		TEST(names_are_counted_apart_by_the_hosts_of_rules),
		TEST(random_rules_and_gates_act_as_in_a_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
