/*
 * test_engine_streams.c - events of a connection's streams: turns and bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "call_maker.h"

/* --- turns ---------------------------------------------------------------- */

static int make_turn(struct engine_call *call, uint32_t turn, uint64_t gates)
{
	call->turn = turn;
	return make_gated(call, gates);
}

static void a_turn_is_an_event_at_its_first_counted_call(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->turn = PICK(2, 4, 2);
	ready();
	call = connection(1);
	assert_int_equal(make_turn(&call, 1, 0), NONE);
	assert_int_equal(make_turn(&call, 2, 0), 0);
	assert_int_equal(make_turn(&call, 2, 0), NONE);
	assert_int_equal(make_turn(&call, 3, 0), NONE);
	assert_int_equal(make_turn(&call, 4, 0), 0);
	assert_int_equal(make_turn(&call, 4, 0), NONE);
	assert_int_equal(make_turn(&call, 6, 0), NONE);
	assert_int_equal(run_rules(run)[0].hits, 2);
}

static void a_gated_turn_stays_due_in_the_turns_that_follow(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->turn = PICK_ONE(2);
	ready();
	call = connection(1);
	assert_int_equal(make_turn(&call, 2, 1), NONE);
	assert_int_equal(make_turn(&call, 2, 1), NONE);
	assert_int_equal(make_turn(&call, 3, 0), 0);
	assert_int_equal(make_turn(&call, 4, 0), NONE);
}

static void
a_turn_whose_condition_failed_at_its_first_call_is_over(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->turn = PICK(2, 3, 1);
	maker.rules[0].seen = 10;
	ready();
	call = connection(1);
	assert_int_equal(make_turn(&call, 2, 0), NONE);
	call.seen = 10;
	assert_int_equal(make_turn(&call, 2, 0), NONE);
	assert_int_equal(make_turn(&call, 3, 0), 0);
}

/* --- bytes ---------------------------------------------------------------- */

static uint64_t cut_at(struct engine_call *call, uint64_t offset)
{
	struct engine_choice choice;

	call->offset = offset;
	engine_look(plan, run, call, &choice);
	return choice.cut;
}

static void bytes_cut_the_call_that_would_cross_the_mark(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->bytes = PICK_ONE(1);
	maker.rules[0].bytes_unit = 250;
	ready();
	call = connection(1);
	assert_int_equal(cut_at(&call, 0), 0);
	assert_int_equal(make(&call), NONE);
	assert_int_equal(cut_at(&call, 150), 0); /* ends on it by itself */
	assert_int_equal(cut_at(&call, 151), 99);
	assert_int_equal(cut_at(&call, 249), 1);
	assert_int_equal(make(&call), NONE);
	assert_int_equal(cut_at(&call, 250), 0);
	assert_int_equal(make(&call), 0);
	call.offset = 350;
	assert_int_equal(make(&call), NONE);
	assert_int_equal(cut_at(&call, 200), 0); /* the mark is spent */
}

static void a_stream_with_marks_is_hit_at_each_of_them(void **state)
{
	struct engine_call call;
	uint64_t offset = 0, hits = 0;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->bytes =
		PICK(2, UINT32_MAX, 3);
	maker.rules[0].bytes_unit = 64;
	ready();
	call = connection(1);
	while (offset < 6400) {
		uint64_t cut = cut_at(&call, offset);

		if (make(&call) == 0) {
			assert_int_equal(offset % 64, 0);
			assert_int_equal(offset / 64 % 3, 2);
			hits++;
		}
		offset += cut ? cut : 100;
	}
	assert_int_equal(hits, 33); /* 2, 5, ... 98 */
}

static void the_smallest_cut_of_several_rules_is_taken(void **state)
{
	struct engine_call call;

	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++) {
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_rule(&maker, i)->bytes = PICK_ONE(1);
	}
	maker.rules[0].bytes_unit = 70;
	maker.rules[1].bytes_unit = 30;
	maker.rules[2].bytes_unit = 10;
	maker.rules[2].flags = 0; /* disarmed: does not cut */
	ready();
	call = connection(1);
	assert_int_equal(cut_at(&call, 0), 30);
	assert_int_equal(cut_at(&call, 30), 40);
}

static void a_mark_that_was_jumped_over_is_due_at_the_next_call(void **state)
{
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->bytes = PICK_FROM(1);
	maker.rules[0].bytes_unit = 100;
	ready();
	call = connection(1);
	call.offset = 350;
	assert_int_equal(make_gated(&call, 1), NONE);
	assert_int_equal(make(&call), 0);
	assert_int_equal(make(&call), NONE); /* three marks, one event */
	call.offset = 400;
	assert_int_equal(make(&call), 0);
}

static void huge_units_and_offsets_do_not_overflow(void **state)
{
	static const uint64_t values[] = {1, 2, 1ULL << 32, UINT64_MAX - 1,
	                                  UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < LENGTH(values) * LENGTH(values); i++) {
		struct engine_call call;
		uint64_t cut;

		begin_rule(FAULT_CALL_recv, PER_CONNECTION)->bytes =
			i % 2 ? PICK_FROM(1) : PICK_PERCENT(1);
		maker.rules[0].bytes_unit = values[i / LENGTH(values)];
		ready();
		call = connection(1);
		call.want = values[i % LENGTH(values)];
		for (size_t o = 0; o < LENGTH(values); o++) {
			cut = cut_at(&call, values[o]);
			assert_true(!cut || cut < call.want);
			make(&call);
		}
		forget();
	}
}

#define TEST(name_) cmocka_unit_test_teardown(name_, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_turn_is_an_event_at_its_first_counted_call),
		TEST(a_gated_turn_stays_due_in_the_turns_that_follow),
		TEST(a_turn_whose_condition_failed_at_its_first_call_is_over),
		TEST(bytes_cut_the_call_that_would_cross_the_mark),
		TEST(a_stream_with_marks_is_hit_at_each_of_them),
		TEST(the_smallest_cut_of_several_rules_is_taken),
		TEST(a_mark_that_was_jumped_over_is_due_at_the_next_call),
		TEST(huge_units_and_offsets_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
