/*
 * test_engine_watch.c - the watches of a socket: lists, cells, full tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "call_maker.h"

/* --- watches -------------------------------------------------------------- */

static void
connections_are_counted_among_those_that_the_class_matches(void **state)
{
	struct engine_socket s = {.role = ROLE_CLIENT, .port = 80};
	uint32_t first, families;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION)->port = 80;
	maker.classes[0].connection = PICK_ONE(2);
	plan_maker_rule(&maker, 0);
	ready();
	families = engine_watch(plan, run, &s, 1, &first);
	assert_int_equal(families, 0);
	s.port = 81;
	assert_int_equal(engine_watch(plan, run, &s, 2, &first), 0);
	s.port = 80;
	families = engine_watch(plan, run, &s, 3, &first);
	assert_int_equal(families, 1u << FAMILY_RECV);
	assert_int_equal(engine_watch(plan, run, &s, 4, &first), 0);
	/* Before it is established: a forecast, and nothing is counted. */
	assert_int_not_equal(engine_watch(plan, run, &s, 0, &first), 0);
	assert_int_equal(first, RUN_NONE);
	assert_int_equal(run_cells(run)[0].connections, 3);
}

static void a_new_connection_counts_from_the_beginning(void **state)
{
	static const int rules[] = {NONE, 0};
	struct engine_call call;

	(void)state;
	begin_rule(FAULT_CALL_recv, PER_CONNECTION)->nth = PICK_ONE(2);
	ready();
	for (uint32_t i = 1; i <= 500; i++) { /* 64 watches: reused */
		call = connection(i);
		assert_int_not_equal(call.first_watch, RUN_NONE);
		expect(&call, rules, LENGTH(rules));
		engine_unwatch(run, call.first_watch);
	}
	assert_int_equal(run->used_watches, 1);
}

static void
with_full_tables_a_socket_goes_unwatched_and_nothing_leaks(void **state)
{
	struct engine_socket other = {.role = ROLE_CLIENT, .port = 81};
	struct engine_call calls[31], lost;
	uint32_t first;

	(void)state;
	begin();
	for (uint32_t i = 0; i < 2; i++) {
		plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
		plan_maker_rule(&maker, i)->nth = PICK_ONE(1);
	}
	maker.classes[1].port = 80;
	ready();
	for (uint32_t i = 0; i < LENGTH(calls); i++) {
		calls[i] = connection(i + 1);
		assert_int_not_equal(calls[i].first_watch, RUN_NONE);
	}
	/* One watch of 63 is left, two are needed. */
	lost = connection(32);
	assert_int_equal(lost.first_watch, RUN_NONE);
	assert_int_equal(run->lost_socks, 1);
	assert_int_equal(make(&lost), NONE);
	/* It was not kept: who needs one gets it. */
	engine_watch(plan, run, &other, 33, &first);
	assert_int_not_equal(first, RUN_NONE);
	engine_unwatch(run, calls[7].first_watch);
	lost = connection(34);
	assert_int_not_equal(lost.first_watch, RUN_NONE);
	assert_int_equal(make(&lost), 0);
	assert_int_equal(run->lost_socks, 1);
}

static void cells_are_those_of_what_the_class_counts_over(void **state)
{
	static const enum fault_per pers[] = {PER_CONNECTION, PER_PROCESS,
	                                      PER_PROGRAM, PER_RUN};
	struct engine_socket s = {.role = ROLE_CLIENT};
	struct engine_call one = {.call = FAULT_CALL_recv,
	                          .role = ROLE_CLIENT,
	                          .connection = 1,
	                          .state = STATE_ESTABLISHED};
	uint32_t cells[4], process, first, i = 0;

	(void)state;
	begin();
	for (uint32_t c = 0; c < 4; c++) {
		plan_maker_class(&maker, FAULT_CALL_recv, pers[c]);
		plan_maker_rule(&maker, c);
	}
	ready();
	process = engine_process_cells(plan, run);
	assert_int_not_equal(process, 0);
	engine_watch(plan, run, &s, 1, &first);
	for (uint32_t w = first; w; w = run_watches(run)[w].next)
		cells[i++] = run_watches(run)[w].cell;
	assert_int_equal(i, 4);
	assert_int_equal(cells[0], run_watch_cell(run, first));
	assert_int_equal(cells[1], ENGINE_CELL_OF_PROCESS);
	assert_int_equal(cells[2], run_program_cell(run, 0, 2));
	assert_int_equal(cells[3], run_run_cell(run, 3));
	one.first_watch = first;
	engine_count(plan, run, &one);
	assert_int_equal(run_cells(run)[process + 1].count, 0);
	assert_int_equal(run_cells(run)[run_program_cell(run, 0, 1)].count, 1);
	one.process_cells = process;
	engine_count(plan, run, &one);
	assert_int_equal(run_cells(run)[process + 1].count, 1);
	assert_int_equal(run_cells(run)[run_program_cell(run, 0, 1)].count, 1);
}

/* Ports of one bucket, of another, and none, mixed; and what each socket has.
 */
static void classes_of_a_port_are_found_in_class_order(void **state)
{
	static const uint16_t ports[] = {0, 80, 336, 81, 0, 80, 336, 0};
	static const uint16_t sockets[] = {0, 80, 336, 81, 592, 256};
	uint32_t first;

	(void)state;
	begin();
	for (uint32_t c = 0; c < LENGTH(ports); c++) {
		plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM)->port =
			ports[c];
		plan_maker_rule(&maker, c);
	}
	ready();
	for (size_t i = 0; i < LENGTH(sockets); i++) {
		struct engine_socket s = {.port = sockets[i]};
		uint32_t c = 0;

		engine_watch(plan, run, &s, 1, &first);
		for (uint32_t w = first; w; w = run_watches(run)[w].next) {
			while (ports[c] && ports[c] != sockets[i])
				c++;
			assert_int_equal(run_watches(run)[w].class_index, c++);
		}
		while (c < LENGTH(ports))
			assert_true(ports[c] && ports[c++] != sockets[i]);
		engine_unwatch(run, first);
	}
}

static void on_a_blank_socket_only_what_may_be_due_is_looked_at(void **state)
{
	struct engine_socket blank = {.role = ROLE_NONE};

	(void)state;
	begin();
	/* Not due at its first call, which is the only one to be counted. */
	plan_maker_class(&maker, FAULT_CALL_close, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->nth = PICK_FROM(2);
	plan_maker_class(&maker, FAULT_CALL_shutdown, PER_CONNECTION);
	plan_maker_rule(&maker, 1)->nth = PICK_FROM(1);
	/* Counts over more than the socket. */
	plan_maker_class(&maker, FAULT_CALL_setsockopt, PER_PROGRAM);
	plan_maker_rule(&maker, 2)->nth = PICK_ONE(9);
	/* For sockets of which something is known. */
	plan_maker_class(&maker, FAULT_CALL_bind, PER_PROGRAM)->port = 80;
	plan_maker_rule(&maker, 3);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROGRAM)->roles =
		ROLE_BIT(ROLE_CLIENT);
	plan_maker_rule(&maker, 4);
	plan_maker_class(&maker, FAULT_CALL_send, PER_PROGRAM)->connection =
		PICK_ONE(1);
	plan_maker_rule(&maker, 5);
	ready();
	assert_int_equal(engine_blank_families(plan, run, &blank),
	                 1u << FAMILY_SHUTDOWN | 1u << FAMILY_OPTION);
}

static void cells_for_processes_end_when_the_table_is_full(void **state)
{
	uint32_t n = 0, cell, last = 0;

	(void)state;
	begin();
	plan_maker_class(&maker, FAULT_CALL_recv, PER_PROCESS);
	plan_maker_class(&maker, FAULT_CALL_send, PER_PROGRAM);
	plan_maker_rule(&maker, 0);
	plan_maker_rule(&maker, 1);
	ready();
	while ((cell = engine_process_cells(plan, run)) != 0) {
		assert_true(cell > last && cell + 2 <= run->n_cells);
		last = cell;
		n++;
	}
	assert_int_equal(n, 128);
}

#define TEST(name_) cmocka_unit_test_teardown(name_, release)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connections_are_counted_among_those_that_the_class_matches),
		TEST(a_new_connection_counts_from_the_beginning),
		TEST(with_full_tables_a_socket_goes_unwatched_and_nothing_leaks),
		TEST(cells_are_those_of_what_the_class_counts_over),
		TEST(classes_of_a_port_are_found_in_class_order),
		TEST(on_a_blank_socket_only_what_may_be_due_is_looked_at),
		TEST(cells_for_processes_end_when_the_table_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
