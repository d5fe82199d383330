/*
 * test_engine_threads.c - many threads count at once: nothing is lost, nothing
 * happens twice, nothing depends on who was first.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include "call_maker.h"

enum {
	THREADS = 8,
	CALLS = 20000
};

/* What each thread does; they begin together. */
struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct engine_call call;
	int n_calls;
	bool gate_odd; /* hold what is due at every other call */
	uint32_t hits[MAKER_RULES];
	uint64_t pattern; /* bit i: call i was hit */
};

static void one_call(struct worker *w, int i)
{
	struct engine_choice choice;

	engine_look(plan, run, &w->call, &choice);
	if (choice.rule >= 0 && w->gate_odd && i % 2) {
		engine_gated(run, &choice, GATE_G2);
		engine_look_next(plan, run, &w->call, &choice);
	}
	if (choice.rule < 0) {
		engine_count(plan, run, &w->call);
	} else if (engine_take(plan, run, &w->call, &choice)) {
		w->hits[choice.rule]++;
		if (i < 64)
			w->pattern |= 1ULL << i;
	}
}

static void *work(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(w->barrier);
	for (int i = 0; i < w->n_calls; i++)
		one_call(w, i);
	return NULL;
}

/* Where the stream of all connections is. */
static struct engine_call start;

/* All on one connection, or each on one of its own. */
static void run_workers(struct worker *w, int n_calls, bool gate_odd, bool own)
{
	struct engine_call shared = connection(1);
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.barrier = &barrier,
		                       .n_calls = n_calls,
		                       .gate_odd = gate_odd};
		w[i].call = own ? connection(i + 2) : shared;
		w[i].call.offset = start.offset;
		w[i].call.turn = start.turn;
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static uint32_t hits_of(const struct worker *w, int rule)
{
	uint32_t hits = 0;

	for (int i = 0; i < THREADS; i++)
		hits += w[i].hits[rule];
	return hits;
}

static void times_are_never_exceeded_and_all_used(void **state)
{
	struct worker w[THREADS];

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->times = 1000;
	plan_maker_rule(&maker, 1)->times = 77;
	ready();
	run_workers(w, CALLS, false, true);
	assert_int_equal(hits_of(w, 0), 1000);
	assert_int_equal(hits_of(w, 1), 77);
	assert_int_equal(run_rules(run)[0].hits, 1000);
	assert_int_equal(run_rules(run)[1].hits, 77);
}

/* One hit for each of many rules: as many races for the last one. */
static void the_last_of_the_times_goes_to_one_thread(void **state)
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		struct worker w[THREADS];

		begin();
		for (uint32_t i = 0; i < 6; i++)
			plan_maker_class(&maker, FAULT_CALL_recv,
			                 PER_CONNECTION);
		for (uint32_t i = 0; i < 60; i++)
			plan_maker_rule(&maker, i % 6)->times = 1;
		ready();
		run_workers(w, 200, false, true);
		for (int i = 0; i < 60; i++)
			assert_int_equal(hits_of(w, i), 1);
		forget();
	}
}

static void the_nth_call_of_a_program_fires_exactly_once(void **state)
{
	(void)state;
	for (uint32_t nth = 1; nth <= 200; nth++) {
		struct worker w[THREADS];

		begin_rule(FAULT_CALL_recv, PER_PROGRAM)->nth = PICK_ONE(nth);
		ready();
		run_workers(w, 100, false, true);
		assert_int_equal(hits_of(w, 0), 1);
		assert_int_equal(run_rules(run)[0].hits, 1);
		assert_int_equal(run_cells(run)[0].count, THREADS * 100);
		forget();
	}
}

/* Several rules of one class, far apart: no event is merged with the next. */
static void every_single_event_of_every_rule_is_hit_or_shadowed(void **state)
{
	struct worker w[THREADS];
	uint32_t n_rules = 8;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM);
	for (uint32_t i = 0; i < n_rules; i++)
		plan_maker_rule(&maker, 0)->nth = PICK_ONE(1000 + 3000 * i);
	ready();
	run_workers(w, CALLS, false, false);
	for (uint32_t i = 0; i < n_rules; i++)
		assert_int_equal(run_rules(run)[i].hits, 1);
}

static void
a_held_event_is_neither_lost_nor_doubled_by_other_threads(void **state)
{
	struct worker w[THREADS];

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM);
	for (uint32_t i = 0; i < 8; i++)
		plan_maker_rule(&maker, 0)->nth = PICK_ONE(500 + 1000 * i);
	ready();
	run_workers(w, CALLS, true, false);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(hits_of(w, (int)i), 1);
		assert_int_equal(
			run_rules(run)[i].hits + run_rules(run)[i].shadowed, 1);
	}
}

static void every_counted_call_is_counted_once_in_each_class(void **state)
{
	struct worker w[THREADS];

	(void)state;
	begin();
	for (uint32_t i = 0; i < 4; i++) {
		plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM);
		plan_maker_rule(&maker, i)->nth = PICK(1, UINT32_MAX, i + 1);
	}
	ready();
	run_workers(w, CALLS, false, true);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(run_cells(run)[i].count, THREADS * CALLS);
}

/* All of them begin behind the mark, and in the turn. */
static void a_turn_and_a_mark_are_claimed_by_one_thread_each(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct worker w[THREADS];

		begin();
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_rule(&maker, 0)->bytes = PICK_FROM(3);
		maker.rules[0].bytes_unit = 100;
		plan_maker_rule(&maker, 1)->turn = PICK_ONE(3);
		ready();
		start.offset = 450;
		start.turn = 3;
		run_workers(w, 50, round % 2, false);
		start = (struct engine_call){0};
		assert_int_equal(hits_of(w, 0), 1);
		assert_int_equal(
			run_rules(run)[1].hits + run_rules(run)[1].shadowed, 1);
		forget();
	}
}

/* Decisions per connection are the same however the threads are scheduled. */
static void
the_same_seed_hits_the_same_calls_whatever_the_threads_do(void **state)
{
	uint64_t first[THREADS] = {0};

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct worker w[THREADS];

		begin();
		maker.seed = 99;
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_rule(&maker, 0)->nth = PICK_PERCENT(40);
		ready();
		run_workers(w, 64, false, true);
		for (int i = 0; i < THREADS; i++) {
			if (round == 0)
				first[i] = w[i].pattern;
			assert_true(w[i].pattern == first[i]);
		}
		forget();
	}
}

/* --- lists ---------------------------------------------------------------- */

static void *open_and_close(void *argument)
{
	struct worker *w = argument;

	pthread_barrier_wait(w->barrier);
	for (uint32_t i = 0; i < CALLS / 4; i++) {
		struct engine_call call = connection(i + 1);
		struct engine_choice choice;

		if (!call.first_watch)
			continue;
		for (int n = 0; n < 3; n++) {
			engine_look(plan, run, &call, &choice);
			if (choice.rule < 0)
				engine_count(plan, run, &call);
			else if (engine_take(plan, run, &call, &choice))
				w->hits[n]++;
		}
		engine_unwatch(run, call.first_watch);
		w->pattern++;
	}
	return NULL;
}

/* Three classes of 63 watches: tables run full now and then, never for good. */
static void
lists_that_many_threads_make_and_give_back_are_never_shared(void **state)
{
	struct worker w[THREADS];
	pthread_barrier_t barrier;
	uint64_t opened = 0;

	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++) {
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_rule(&maker, i)->nth = PICK_ONE(2);
	}
	ready();
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.barrier = &barrier};
		assert_int_equal(pthread_create(&w[i].thread, NULL,
		                                open_and_close, &w[i]),
		                 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		/* Each list was its owner's: exactly the second call is hit. */
		assert_int_equal(w[i].hits[0], 0);
		assert_int_equal(w[i].hits[1], w[i].pattern);
		assert_int_equal(w[i].hits[2], 0);
		opened += w[i].pattern;
	}
	pthread_barrier_destroy(&barrier);
	assert_int_equal(opened + run->lost_socks, THREADS * CALLS / 4);
	assert_true(run->used_watches < 64);
}

#define TEST(name_) cmocka_unit_test_teardown(name_, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(times_are_never_exceeded_and_all_used),
		TEST(the_last_of_the_times_goes_to_one_thread),
		TEST(the_nth_call_of_a_program_fires_exactly_once),
		TEST(every_single_event_of_every_rule_is_hit_or_shadowed),
		TEST(a_held_event_is_neither_lost_nor_doubled_by_other_threads),
		TEST(every_counted_call_is_counted_once_in_each_class),
		TEST(a_turn_and_a_mark_are_claimed_by_one_thread_each),
		TEST(the_same_seed_hits_the_same_calls_whatever_the_threads_do),
		TEST(lists_that_many_threads_make_and_give_back_are_never_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
