/*
 * test_engine_self.c - rules without `call`, and arming while things run.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "call_maker.h"

enum {
	SECOND = 1000000000
};

/* A rule without `call` in a class of its own: reset. */
static struct plan_rule *self_rule(void)
{
	plan_maker_class(&maker, FAULT_CALL_NONE, PER_CONNECTION);
	return plan_maker_rule(&maker, maker.n_classes - 1);
}

/* A connection that was opened at 10 s, and last used at 20 s; it is 30 s. */
static struct engine_call idle_connection(uint32_t ordinal)
{
	struct engine_call call = connection(ordinal);

	call.call = FAULT_CALL_NONE;
	call.program_started_ns = 5ULL * SECOND;
	call.opened_ns = 10ULL * SECOND;
	call.last_ns = 20ULL * SECOND;
	call.now_ns = 30ULL * SECOND;
	return call;
}

/* The rule that acts, or NONE. */
static const struct engine_facts facts;

static int take(const struct engine_call *call)
{
	struct engine_choice choice;
	bool taken = engine_self_take(plan, run, call, &facts, &choice);

	assert_int_equal(taken, choice.rule >= 0);
	assert_int_equal(choice.cut, 0);
	return choice.rule;
}

static uint64_t when(const struct engine_call *call)
{
	return engine_self_when(plan, run, call);
}

static void a_rule_without_call_acts_once_on_each_connection(void **state)
{
	struct engine_call one, other;

	(void)state;
	begin();
	self_rule();
	ready();
	one = idle_connection(1);
	other = idle_connection(2);
	assert_int_equal(when(&one), 0);
	assert_int_equal(take(&one), 0);
	assert_int_equal(take(&one), NONE);
	assert_true(when(&one) == UINT64_MAX);
	assert_int_equal(when(&other), 0);
	assert_int_equal(take(&other), 0);
	assert_int_equal(take(&other), NONE);
	assert_int_equal(run_rules(run)[0].hits, 2);
	assert_true(run_rules(run)[0].first_hit_ns == 30ULL * SECOND);
}

static void of_several_the_first_in_file_order_acts_and_then_the_next(void **s)
{
	struct engine_call call;

	(void)s;
	begin();
	self_rule()->seen = 1;
	self_rule();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 2);
	self_rule();
	ready();
	call = idle_connection(1);
	assert_int_equal(take(&call), 1);
	assert_int_equal(take(&call), 3);
	assert_int_equal(take(&call), NONE);
	call.seen = 1;
	assert_int_equal(take(&call), 0);
	assert_int_equal(take(&call), NONE);
}

/* Neither counts calls of the other. */
static void calls_and_rules_without_call_do_not_meet(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	self_rule();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 1)->nth = PICK_ONE(2);
	ready();
	call = connection(1);
	assert_true(engine_quiet(run, call.first_watch, 1u << FAMILY_RECV));
	expect(&call, (const int[]){NONE, 1, NONE}, 3);
	call.call = FAULT_CALL_NONE;
	assert_int_equal(take(&call), 0);
	call.call = FAULT_CALL_recv;
	expect(&call, (const int[]){NONE}, 1);
}

struct clock_row {
	const char *text;
	uint64_t age, idle, after; /* s */
	uint64_t opened, last, started;
	uint64_t when; /* s; 0: now, UINT64_MAX: never */
};

static const struct clock_row clock_rows[] = {
	{"nothing", 0, 0, 0, 0, 0, 0, 0},
	{"age over", 20, 0, 0, 10, 20, 5, 0},
	{"age to come", 21, 0, 0, 10, 20, 5, 31},
	{"age of no connection", 1, 0, 0, 0, 20, 5, UINT64_MAX},
	{"idle over", 0, 10, 0, 10, 20, 5, 0},
	{"idle to come", 0, 60, 0, 10, 20, 5, 80},
	{"idle, never used", 0, 1, 0, 10, 0, 5, UINT64_MAX},
	{"after over", 0, 0, 25, 10, 20, 5, 0},
	{"after to come", 0, 0, 26, 10, 20, 5, 31},
	{"the latest", 21, 60, 26, 10, 20, 5, 80},
	{"one is over", 1, 60, 1, 10, 20, 5, 80},
};

static void the_moment_at_which_the_clock_allows_it_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(clock_rows); i++) {
		const struct clock_row *row = &clock_rows[i];
		struct engine_call call;
		struct plan_rule *r;

		begin();
		r = self_rule();
		r->age_ns = row->age * SECOND;
		r->idle_ns = row->idle * SECOND;
		r->after_ns = row->after * SECOND;
		ready();
		call = idle_connection(1);
		call.opened_ns = row->opened * SECOND;
		call.last_ns = row->last * SECOND;
		call.program_started_ns = row->started * SECOND;
		if (when(&call) !=
		    (row->when == UINT64_MAX ? UINT64_MAX : row->when * SECOND))
			fail_msg("%s: %lu", row->text,
			         (unsigned long)when(&call));
		/* It is due then, and not a moment before. */
		if (row->when && row->when != UINT64_MAX) {
			call.now_ns = row->when * SECOND - 1;
			assert_int_equal(take(&call), NONE);
			call.now_ns++;
		}
		assert_int_equal(take(&call),
		                 row->when == UINT64_MAX ? NONE : 0);
		forget();
	}
}

static void the_earliest_of_several_moments_is_told(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	self_rule()->age_ns = 40ULL * SECOND;
	self_rule()->age_ns = 30ULL * SECOND;
	self_rule()->age_ns = 50ULL * SECOND;
	ready();
	call = idle_connection(1);
	assert_true(when(&call) == 40ULL * SECOND);
	call.now_ns = 40ULL * SECOND;
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 1);
	assert_true(when(&call) == 50ULL * SECOND);
}

/* Nothing to wait for: whoever makes them true asks again. */
static void other_conditions_come_true_at_an_event(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	self_rule()->seen = 10;
	self_rule()->flags = 0;
	maker.rules[1].name_off = plan_maker_string(&maker, "outage");
	self_rule()->after_rule = 2;
	self_rule();
	maker.classes[3].states = STATE_BIT(STATE_CLOSE_WAIT);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 4)->after_rule = 3;
	ready();
	call = idle_connection(1);
	assert_true(when(&call) == UINT64_MAX);
	assert_int_equal(take(&call), NONE);
	call.seen = 10;
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 0);
	engine_arm(run, 1, true);
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 1);
	assert_int_equal(take(&call), 2);
	assert_int_equal(take(&call), NONE);
	assert_true(when(&call) == UINT64_MAX);
	call.state = STATE_CLOSE_WAIT;
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 3);
	assert_true(engine_self_follows(plan, 1));
	assert_false(engine_self_follows(plan, 0));
	/* The one that follows this is about a call. */
	assert_false(engine_self_follows(plan, 2));
}

static void what_the_state_forbids_is_reported_once_and_given_up(void **state)
{
	struct engine_call call;
	struct plan_rule *r;

	(void)state;
	begin();
	self_rule()->actions[0].kind = ACTION_EOF;
	r = self_rule();
	r->actions[0].kind = ACTION_EOF;
	r->flags |= PLAN_RULE_FORCE;
	ready();
	call = idle_connection(1);
	call.state = STATE_CLOSE_WAIT;
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 1);
	assert_int_equal(take(&call), NONE);
	assert_true(when(&call) == UINT64_MAX);
	assert_int_equal(run_rules(run)[0].hits, 0);
	assert_int_equal(run_rules(run)[0].due, 1);
	assert_int_equal(run_rules(run)[0].gated[GATE_STATE], 1);
}

static void times_are_counted_over_all_connections(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	self_rule()->times = 2;
	ready();
	for (uint32_t i = 1; i <= 4; i++) {
		call = idle_connection(i);
		assert_int_equal(take(&call), i <= 2 ? 0 : NONE);
	}
	assert_true(when(&call) == UINT64_MAX);
	assert_int_equal(run_rules(run)[0].hits, 2);
}

/* --- who has such rules --------------------------------------------------- */

static void sockets_without_a_connection_have_no_rule_that_acts(void **state)
{
	struct engine_socket fresh = {0};
	struct engine_socket listener = {.role = ROLE_LISTENER, .port = 80};
	uint32_t first;

	(void)state;
	begin();
	self_rule();
	maker.classes[0].port = 80;
	self_rule();
	ready();
	/* It may become one: what lasts has to be known before. */
	assert_int_equal(engine_watch(plan, run, &fresh, 0, &first),
	                 PLAN_LASTING);
	assert_int_equal(first, RUN_NONE);
	assert_int_equal(engine_watch(plan, run, &listener, 0, &first), 0);
	assert_int_equal(first, RUN_NONE);
	assert_int_equal(engine_blank_families(plan, run, &fresh), 0);
	assert_int_equal(engine_program_families(plan, 0), PLAN_LASTING);
}

static struct engine_call process_call(uint32_t *ret_families)
{
	struct engine_socket nobody = {.families = 1u << FAMILY_SOCKET |
	                                           1u << FAMILY_POLL};
	struct engine_call call = {.now_ns = 30ULL * SECOND};

	call.process_cells = engine_process_cells(plan, run);
	*ret_families = engine_watch(plan, run, &nobody, 0, &call.first_watch);
	return call;
}

static void what_is_done_to_a_process_is_done_once_to_each(void **state)
{
	struct engine_call one, other, conn;
	uint32_t families;

	(void)state;
	begin_rule(FAULT_CALL_NONE, PER_PROCESS)->actions[0].kind =
		ACTION_EXHAUST;
	self_rule();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 2);
	ready();
	one = process_call(&families);
	assert_int_equal(families, PLAN_LASTING);
	other = process_call(&families);
	conn = idle_connection(1);
	assert_int_equal(when(&one), 0);
	assert_int_equal(take(&one), 0);
	assert_int_equal(take(&one), NONE);
	assert_int_equal(take(&other), 0);
	assert_int_equal(take(&other), NONE);
	assert_int_equal(take(&conn), 1);
	assert_int_equal(take(&conn), NONE);
	engine_arm(run, 0, true);
	assert_int_equal(take(&one), 0);
	assert_int_equal(take(&conn), NONE);
}

/* --- arming --------------------------------------------------------------- */

static void a_rule_that_is_armed_again_acts_again_where_it_has_acted(void **s)
{
	struct engine_call call, other;

	(void)s;
	begin();
	self_rule()->name_off = plan_maker_string(&maker, "outage");
	ready();
	call = idle_connection(1);
	other = idle_connection(2);
	assert_int_equal(take(&call), 0);
	engine_arm(run, 0, false);
	assert_int_equal(take(&other), NONE);
	assert_true(when(&other) == UINT64_MAX);
	engine_arm(run, 0, true);
	assert_int_equal(when(&call), 0);
	assert_int_equal(take(&call), 0);
	assert_int_equal(take(&call), NONE);
	assert_int_equal(take(&other), 0);
	/* Armed though it is: once more. */
	engine_arm(run, 0, true);
	assert_int_equal(take(&call), 0);
	assert_int_equal(run_rules(run)[0].hits, 4);
}

static void a_connection_of_later_meets_the_rule_as_it_is_then(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	self_rule()->name_off = plan_maker_string(&maker, "outage");
	maker.rules[0].flags = 0;
	ready();
	for (int i = 0; i < 3; i++) {
		engine_arm(run, 0, true);
		engine_arm(run, 0, false);
	}
	call = idle_connection(1);
	assert_int_equal(take(&call), NONE);
	engine_arm(run, 0, true);
	assert_int_equal(take(&call), 0);
	assert_int_equal(take(&call), NONE);
	engine_unwatch(run, call.first_watch);
	call = idle_connection(2);
	assert_int_equal(take(&call), 0);
}

/* The rule of recv with this name, or none, and `for: 10s`. */
static struct engine_call windowed(const char *name)
{
	struct plan_rule *r;

	r = begin_rule(FAULT_CALL_recv, PER_CONNECTION);
	r->for_ns = 10ULL * SECOND;
	if (*name)
		r->name_off = plan_maker_string(&maker, name);
	ready();
	return connection(1);
}

static int recv_at(struct engine_call *call, uint64_t seconds)
{
	call->now_ns = seconds * SECOND;
	return make(call);
}

static void the_window_of_a_rule_begins_anew_when_it_is_armed(void **state)
{
	struct engine_call call = windowed("outage");

	(void)state;
	assert_int_equal(recv_at(&call, 1), 0);
	assert_int_equal(recv_at(&call, 10), 0);
	assert_int_equal(recv_at(&call, 11), NONE);
	assert_int_equal(recv_at(&call, 12), NONE);
	engine_arm(run, 0, false);
	assert_int_equal(recv_at(&call, 13), NONE);
	engine_arm(run, 0, true);
	assert_int_equal(recv_at(&call, 20), 0);
	assert_int_equal(recv_at(&call, 29), 0);
	assert_int_equal(recv_at(&call, 30), NONE);
	assert_int_equal(recv_at(&call, 31), NONE);
}

static void a_window_that_nothing_can_open_again_costs_nothing(void **state)
{
	struct engine_call call = windowed("");

	(void)state;
	assert_int_equal(recv_at(&call, 1), 0);
	assert_false(engine_quiet(run, call.first_watch, 1u << FAMILY_RECV));
	assert_int_equal(recv_at(&call, 11), NONE);
	assert_true(engine_quiet(run, call.first_watch, 1u << FAMILY_RECV));
}

static void events_that_passed_while_it_was_not_armed_are_gone(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK(2, 4, 2);
	maker.rules[0].name_off = plan_maker_string(&maker, "outage");
	maker.rules[0].flags = 0;
	plan_maker_rule(&maker, 0)->times = 1;
	maker.rules[1].name_off = maker.rules[0].name_off;
	maker.rules[1].nth = PICK_FROM(5);
	ready();
	call = connection(1);
	expect(&call, (const int[]){NONE, NONE}, 2);
	engine_arm(run, 0, true);
	expect(&call, (const int[]){NONE, 0, 1, NONE}, 4);
	/* `times` are of the whole run. */
	engine_arm(run, 0, true);
	engine_arm(run, 1, true);
	expect(&call, (const int[]){NONE, NONE}, 2);
}

/* --- is there still work for the helper? ---------------------------------- */

struct alive_row {
	const char *text;
	enum fault_call call;
	enum fault_per per;
	enum fault_action_kind kind;
	bool named, armed;
	uint32_t times;
	uint64_t programs;
	bool alive, may_be;       /* at first */
	bool alive_after_one_hit; /* of the first recv */
};

static const struct alive_row alive_rows[] = {
	{"a delay", FAULT_CALL_recv, PER_CONNECTION, ACTION_DELAY, false, true,
         0, 1, true, false, true},
	{"a reset lasts not", FAULT_CALL_recv, PER_CONNECTION, ACTION_RESET,
         true, true, 0, 1, false, false, false},
	{"of another program", FAULT_CALL_recv, PER_CONNECTION, ACTION_DELAY,
         true, true, 0, 2, false, false, false},
	{"not armed", FAULT_CALL_recv, PER_CONNECTION, ACTION_STALL, true,
         false, 0, 1, false, true, false},
	{"nobody can arm it", FAULT_CALL_recv, PER_CONNECTION, ACTION_STALL,
         false, false, 0, 1, false, false, false},
	{"times", FAULT_CALL_recv, PER_CONNECTION, ACTION_RATE, true, true, 1,
         1, true, false, false},
	{"without call", FAULT_CALL_NONE, PER_CONNECTION, ACTION_RESET, false,
         true, 1, 1, true, false, true},
	{"without call, of a process", FAULT_CALL_NONE, PER_PROCESS,
         ACTION_EXHAUST, true, false, 0, 1, false, true, false},
};

static void what_may_still_last_is_told_from_what_is_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(alive_rows); i++) {
		const struct alive_row *row = &alive_rows[i];
		struct engine_call call;
		struct plan_rule *r;

		plan_maker_init(&maker, 2);
		plan_maker_class(&maker, row->call, row->per)->programs =
			row->programs;
		r = plan_maker_rule(&maker, 0);
		r->actions[0].kind = (uint8_t)row->kind;
		r->actions[0].value = 1;
		r->flags = row->armed ? PLAN_RULE_ARMED : 0;
		r->times = row->times;
		if (row->named)
			r->name_off = plan_maker_string(&maker, "x");
		ready();
		if (engine_lasting_alive(plan, run, 0) != row->alive ||
		    engine_may_be_armed(plan, run, 0) != row->may_be)
			fail_msg("%s", row->text);
		call = connection(1);
		make(&call);
		if (engine_lasting_alive(plan, run, 0) !=
		    row->alive_after_one_hit)
			fail_msg("%s, after a hit", row->text);
		engine_arm(run, 0, true);
		assert_false(engine_may_be_armed(plan, run, 0));
		engine_arm(run, 0, false);
		assert_false(engine_lasting_alive(plan, run, 0));
		forget();
	}
}

/* The only event of the program has passed. */
static void a_count_over_the_program_that_is_used_up_is_over(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_PROGRAM)->actions[0].kind =
		ACTION_DELAY;
	maker.rules[0].nth = PICK_ONE(2);
	ready();
	call = connection(1);
	assert_true(engine_lasting_alive(plan, run, 0));
	expect(&call, (const int[]){NONE}, 1);
	assert_true(engine_lasting_alive(plan, run, 0));
	expect(&call, (const int[]){0}, 1);
	assert_false(engine_lasting_alive(plan, run, 0));
}

/* --- threads -------------------------------------------------------------- */

enum {
	THREADS = 8,
	CONNECTIONS = 24,
	ROUNDS = 400
};

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	const struct engine_call *calls;
	uint32_t hits[CONNECTIONS];
	bool arms;
};

static void *take_all(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(w->barrier);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CONNECTIONS; i++) {
			struct engine_choice choice;

			if (engine_self_take(plan, run, &w->calls[i], &facts,
			                     &choice))
				w->hits[i]++;
		}
		if (w->arms)
			engine_arm(run, 0, round % 2);
	}
	return NULL;
}

static void run_takers(struct worker *w, const struct engine_call *calls,
                       int n_arming)
{
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.barrier = &barrier,
		                       .calls = calls,
		                       .arms = i < n_arming};
		assert_int_equal(
			pthread_create(&w[i].thread, NULL, take_all, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static uint32_t hits_on(const struct worker *w, int connection)
{
	uint32_t hits = 0;

	for (int i = 0; i < THREADS; i++)
		hits += w[i].hits[connection];
	return hits;
}

static void of_many_threads_one_acts_on_each_connection(void **state)
{
	struct engine_call calls[CONNECTIONS];
	struct worker w[THREADS];

	(void)state;
	for (int round = 0; round < 50; round++) {
		begin();
		self_rule();
		ready();
		for (uint32_t i = 0; i < CONNECTIONS; i++)
			calls[i] = idle_connection(i + 1);
		run_takers(w, calls, 0);
		for (int i = 0; i < CONNECTIONS; i++)
			assert_int_equal(hits_on(w, i), 1);
		assert_int_equal(run_rules(run)[0].hits, CONNECTIONS);
		forget();
	}
}

/* At most once for each arming, and none is forgotten at the end. */
static void arming_meanwhile_neither_doubles_nor_loses_a_hit(void **state)
{
	struct engine_call calls[CONNECTIONS];
	struct worker w[THREADS];
	uint32_t armings, total = 0;

	(void)state;
	begin();
	self_rule()->name_off = plan_maker_string(&maker, "outage");
	ready();
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		calls[i] = idle_connection(i + 1);
	run_takers(w, calls, 1);
	armings = run_rules(run)[0].armings;
	assert_int_equal(armings, 1 + ROUNDS / 2);
	assert_int_equal(run_rules(run)[0].armed, 1);
	for (int i = 0; i < CONNECTIONS; i++) {
		uint32_t hits = hits_on(w, i);

		hits += take(&calls[i]) == 0;
		assert_int_equal(take(&calls[i]), NONE);
		assert_in_range(hits, 1, armings);
		total += hits;
	}
	assert_int_equal(run_rules(run)[0].hits, total);
}

#define TEST(name_) cmocka_unit_test_teardown(name_, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rule_without_call_acts_once_on_each_connection),
		TEST(of_several_the_first_in_file_order_acts_and_then_the_next),
		TEST(calls_and_rules_without_call_do_not_meet),
		TEST(the_moment_at_which_the_clock_allows_it_is_known),
		TEST(the_earliest_of_several_moments_is_told),
		TEST(other_conditions_come_true_at_an_event),
		TEST(what_the_state_forbids_is_reported_once_and_given_up),
		TEST(times_are_counted_over_all_connections),
		TEST(sockets_without_a_connection_have_no_rule_that_acts),
		TEST(what_is_done_to_a_process_is_done_once_to_each),
		TEST(a_rule_that_is_armed_again_acts_again_where_it_has_acted),
		TEST(a_connection_of_later_meets_the_rule_as_it_is_then),
		TEST(the_window_of_a_rule_begins_anew_when_it_is_armed),
		TEST(a_window_that_nothing_can_open_again_costs_nothing),
		TEST(events_that_passed_while_it_was_not_armed_are_gone),
		TEST(what_may_still_last_is_told_from_what_is_over),
		TEST(a_count_over_the_program_that_is_used_up_is_over),
		TEST(of_many_threads_one_acts_on_each_connection),
		TEST(arming_meanwhile_neither_doubles_nor_loses_a_hit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
