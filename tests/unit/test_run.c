/*
 * test_run.c - the writable segment: layout, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "plan_maker.h"

static const struct fault_run_size small = {
	.n_processes = 4,
	.n_socks = 8,
	.n_watches = 16,
	.n_cells = 6,
	.n_records = 32,
};

static struct plan_maker maker;

static const struct fault_plan *two_rules(void)
{
	plan_maker_init(&maker, 2);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_class(&maker, FAULT_CALL_send, PER_PROCESS);
	plan_maker_rule(&maker, 0);
	plan_maker_rule(&maker, 1)->flags = 0;
	return plan_maker_finish(&maker);
}

static void a_fresh_run_is_sound(void **state)
{
	const struct fault_plan *plan = two_rules();
	uint64_t len = fault_run_bytes(plan, &small);
	struct fault_run *run = plan_maker_run(plan, &small);

	(void)state;
	assert_null(fault_run_check(run, len, plan));
	assert_int_equal(run->size, len);
	plan_maker_free_run(run);
}

static void
the_arrays_lie_one_behind_the_other_in_lines_of_their_own(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);
	const struct {
		uint64_t off, len;
	} arrays[] = {
		{0, sizeof(*run)},
		{run->programs_off, 2 * sizeof(struct fault_program_state)},
		{run->rules_off, 2 * sizeof(struct fault_rule_state)},
		{run->processes_off, 4 * sizeof(struct fault_process)},
		{run->socks_off, 8 * sizeof(struct fault_sock)},
		{run->refs_off, 8 * sizeof(struct fault_ref)},
		{run->cookies_off, 3 * sizeof(struct fault_cookies)},
		{run->watches_off, 16 * sizeof(struct fault_watch)},
		{run->cells_off, run->n_cells * sizeof(struct fault_cell)},
		{run->records_off, 32 * sizeof(struct fault_record)},
		{run->size, 0},
	};

	(void)state;
	for (size_t i = 1; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		uint64_t end = arrays[i - 1].off + arrays[i - 1].len;

		assert_true(arrays[i].off >= end && arrays[i].off < end + 64);
		assert_int_equal(arrays[i].off % 64, 0);
	}
	plan_maker_free_run(run);
}

static void cells_of_programs_runs_watches_and_processes_are_apart(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);

	(void)state;
	assert_int_equal(run_program_cell(run, 0, 0), 0);
	assert_int_equal(run_program_cell(run, 1, 1), 3);
	assert_int_equal(run_run_cell(run, 0), 4);
	assert_int_equal(run_watch_cell(run, 0), 6);
	assert_int_equal(run_watch_cell(run, run->n_watches), run->used_cells);
	assert_int_equal(run->n_cells, 6 + 16 + 6);
	plan_maker_free_run(run);
}

static void rules_are_armed_as_the_plan_says(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);

	(void)state;
	assert_int_equal(run_rules(run)[0].armed, 1);
	assert_int_equal(run_rules(run)[1].armed, 0);
	plan_maker_free_run(run);
}

static void a_run_without_rules_and_records_is_sound(void **state)
{
	static const struct fault_run_size none = {
		.n_processes = 1, .n_socks = 2, .n_watches = 1};
	const struct fault_plan *plan;
	struct fault_run *run;

	(void)state;
	plan_maker_init(&maker, 1);
	plan = plan_maker_finish(&maker);
	run = plan_maker_run(plan, &none);
	assert_null(fault_run_check(run, run->size, plan));
	plan_maker_free_run(run);
}

static void
the_runner_s_sizes_fit_into_less_than_a_hundred_megabytes(void **state)
{
	(void)state;
	assert_true(fault_run_bytes(two_rules(), &fault_run_default) <
	            100u << 20);
}

static void a_run_of_another_plan_is_refused(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);
	static struct plan_maker other;

	(void)state;
	plan_maker_init(&other, 2);
	plan_maker_class(&other, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&other, 0);
	assert_string_equal(
		fault_run_check(run, run->size, plan_maker_finish(&other)),
		"the run belongs to another plan");
	plan_maker_free_run(run);
}

static void a_run_that_is_cut_short_is_refused(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);

	(void)state;
	assert_non_null(fault_run_check(run, run->size - 1, plan));
	assert_non_null(fault_run_check(run, sizeof(*run) - 1, plan));
	assert_non_null(fault_run_check(run, 0, plan));
	plan_maker_free_run(run);
}

/* Fields that say where things are; counters may hold anything. */
static void every_wrong_byte_of_the_fixed_header_is_refused(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);
	unsigned char *bytes = (unsigned char *)run;
	size_t end = offsetof(struct fault_run, records_off) + 8;

	(void)state;
	for (size_t i = 0; i < end; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (unsigned char)(1u << bit);
			assert_non_null(fault_run_check(run, run->size, plan));
			bytes[i] ^= (unsigned char)(1u << bit);
		}
	}
	assert_null(fault_run_check(run, run->size, plan));
	plan_maker_free_run(run);
}

static void counters_full_of_rubbish_do_not_matter(void **state)
{
	const struct fault_plan *plan = two_rules();
	struct fault_run *run = plan_maker_run(plan, &small);
	size_t begin = offsetof(struct fault_run, used_processes);

	(void)state;
	memset((char *)run + begin, 0xee, run->size - begin);
	assert_null(fault_run_check(run, run->size, plan));
	plan_maker_free_run(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_run_is_sound),
		cmocka_unit_test(
			the_arrays_lie_one_behind_the_other_in_lines_of_their_own),
		cmocka_unit_test(
			cells_of_programs_runs_watches_and_processes_are_apart),
		cmocka_unit_test(rules_are_armed_as_the_plan_says),
		cmocka_unit_test(a_run_without_rules_and_records_is_sound),
		cmocka_unit_test(
			the_runner_s_sizes_fit_into_less_than_a_hundred_megabytes),
		cmocka_unit_test(a_run_of_another_plan_is_refused),
		cmocka_unit_test(a_run_that_is_cut_short_is_refused),
		cmocka_unit_test(
			every_wrong_byte_of_the_fixed_header_is_refused),
		cmocka_unit_test(counters_full_of_rubbish_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
