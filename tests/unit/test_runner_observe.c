/*
 * test_runner_observe.c - the ring of records, written by a made-up program:
 * order, calls under way, writers that died, and garbage (observe.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/scenario.h"
#include "runner/clock.h"
#include "runner/observe.h"

struct bench {
	struct scenario *scenario;
	void *plan;
	size_t plan_len;
	struct segments segments;
	struct observe observe;
	char path[64];
	unsigned seen[8]; /* calls, in the order in which they came */
	size_t n_seen;
};

static void note(void *context, const struct trace_context *c,
                 const struct fault_record *r)
{
	struct bench *b = context;

	(void)c;
	if (b->n_seen < 8)
		b->seen[b->n_seen++] = r->call;
}

static int set_up(void **state)
{
	static char program[] = "program";
	static char *argv[] = {program, NULL};
	struct bench *b = calloc(1, sizeof(*b));
	struct plan_options options = {.trace = true};
	struct diag_list diags = {0};
	const char *call;

	assert_non_null(b);
	b->scenario = scenario_new();
	assert_int_equal(scenario_add_program(b->scenario, "a", argv), 0);
	assert_int_equal(scenario_plan(b->scenario, &options, &b->plan,
	                               &b->plan_len, &diags),
	                 0);
	assert_int_equal(
		segments_create(b->plan, b->plan_len, &b->segments, &call), 0);
	strcpy(b->path, "/tmp/test_observe.XXXXXX");
	close(mkstemp(b->path));
	assert_int_equal(observe_init(&b->observe, b->plan, b->plan_len,
	                              &b->segments, b->path, 1),
	                 0);
	b->observe.record = note;
	b->observe.record_context = b;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	observe_release(&b->observe);
	segments_release(&b->segments);
	unlink(b->path);
	free(b->plan);
	scenario_free(b->scenario);
	free(b);
	return 0;
}

/* ---- the program's side -------------------------------------------------- */

static void attach(struct bench *b, uint32_t slot, uint32_t pid)
{
	struct fault_process *p = segments_process(&b->segments, slot);

	p->program = 0;
	p->started_ns = (uint64_t)now_ns();
	atomic_store(&p->pid, pid);
	atomic_store(&p->status, PROCESS_ATTACHED);
	if (atomic_load(&b->segments.run->used_processes) <= slot)
		atomic_store(&b->segments.run->used_processes, slot + 1);
}

static struct fault_record *take_slot(struct bench *b, uint64_t *ret_ticket)
{
	*ret_ticket = atomic_fetch_add(&b->segments.run->head, 1);
	return segments_record(&b->segments, *ret_ticket);
}

static uint64_t record(struct bench *b, unsigned call,
                       enum fault_record_state state, int32_t result)
{
	uint64_t ticket;
	struct fault_record *r = take_slot(b, &ticket);

	r->call = (uint8_t)call;
	r->result = result;
	r->process = 0;
	r->entry_ns = r->return_ns = (uint64_t)now_ns();
	atomic_store(&r->state, ticket * 8 + state);
	return ticket;
}

/* ---- tests --------------------------------------------------------------- */

static void records_come_in_order(void **state)
{
	struct bench *b = *state;

	attach(b, 0, 100);
	record(b, FAULT_CALL_socket, RECORD_DONE, 3);
	record(b, FAULT_CALL_bind, RECORD_DONE, 0);
	record(b, FAULT_CALL_listen, RECORD_DONE, 0);
	assert_int_equal(observe_drain(&b->observe), 3);
	assert_int_equal(b->seen[0], FAULT_CALL_socket);
	assert_int_equal(b->seen[1], FAULT_CALL_bind);
	assert_int_equal(b->seen[2], FAULT_CALL_listen);
	assert_true(b->observe.programs[0].listening);
	assert_int_equal(atomic_load(&b->segments.run->tail), 4);
	assert_false(observe_incomplete(&b->observe));
}

static void a_failed_listen_is_none(void **state)
{
	struct bench *b = *state;

	attach(b, 0, 100);
	record(b, FAULT_CALL_listen, RECORD_DONE, -1);
	observe_drain(&b->observe);
	assert_false(b->observe.programs[0].listening);
}

static void a_call_under_way_holds_nobody_up(void **state)
{
	struct bench *b = *state;
	uint64_t ticket, late;
	struct fault_record *r;

	attach(b, 0, 100);
	ticket = record(b, FAULT_CALL_listen, RECORD_ENTERED, 0);
	record(b, FAULT_CALL_socket, RECORD_DONE, 4);
	assert_int_equal(observe_drain(&b->observe), 2);
	assert_false(b->observe.programs[0].listening);
	r = segments_record(&b->segments, ticket);
	assert_int_equal(atomic_load(&r->state), ticket * 8 + RECORD_TAKEN);
	r = take_slot(b, &late);
	r->call = RECORD_RETURN;
	r->caller = ticket;
	r->result = 0;
	atomic_store(&r->state, late * 8 + RECORD_DONE);
	observe_drain(&b->observe);
	assert_true(b->observe.programs[0].listening);
}

static void a_writer_that_died_is_skipped(void **state)
{
	struct bench *b = *state;
	uint64_t ticket;

	attach(b, 0, 100);
	take_slot(b, &ticket);
	record(b, FAULT_CALL_listen, RECORD_RETURNING, 0);
	record(b, FAULT_CALL_socket, RECORD_DONE, 3);
	assert_int_equal(observe_drain(&b->observe), 0);
	assert_int_equal(observe_finish(&b->observe), 0);
	assert_int_equal(b->n_seen, 1);
	assert_int_equal(b->seen[0], FAULT_CALL_socket);
	assert_int_equal(b->observe.n_lost, 2);
}

static void the_ring_goes_round(void **state)
{
	struct bench *b = *state;
	uint64_t total = 0;

	attach(b, 0, 100);
	for (uint32_t i = 0; i < b->segments.n.n_records + 1000; i++) {
		record(b, FAULT_CALL_recv, RECORD_DONE, 1);
		if (i % 1000 == 0)
			total += observe_drain(&b->observe);
	}
	total += observe_drain(&b->observe);
	assert_int_equal(total, b->segments.n.n_records + 1000);
	assert_false(observe_incomplete(&b->observe));
}

static void an_exec_without_an_attach_is_seen(void **state)
{
	struct bench *b = *state;
	struct fault_record *r;
	const struct observed_process *p;

	attach(b, 0, 100);
	observe_drain(&b->observe);
	r = segments_record(&b->segments,
	                    record(b, FAULT_CALL_execve, RECORD_DONE, 0));
	r->want = 100;
	observe_drain(&b->observe);
	p = observe_process(&b->observe, 100);
	assert_non_null(p);
	assert_true(observe_lost_image(p));
	attach(b, 1, 100);
	observe_drain(&b->observe);
	assert_false(observe_lost_image(observe_process(&b->observe, 100)));
	/* A child of vfork has the slot of its parent. */
	r = segments_record(&b->segments,
	                    record(b, FAULT_CALL_execve, RECORD_DONE, 0));
	r->want = 101;
	observe_drain(&b->observe);
	assert_false(observe_lost_image(observe_process(&b->observe, 100)));
	assert_true(observe_lost_image(observe_process(&b->observe, 101)));
}

static void a_failure_says_why(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = segments_process(&b->segments, 0);

	attach(b, 0, 100);
	memset(p->what, 'x', sizeof(p->what));
	atomic_store(&p->status, PROCESS_FAILED);
	observe_drain(&b->observe);
	assert_non_null(observe_failure(&b->observe));
	assert_int_equal(strlen(observe_failure(&b->observe)->what),
	                 sizeof(p->what) - 1);
}

static void dropped_records_are_told(void **state)
{
	struct bench *b = *state;

	atomic_store(&b->segments.run->dropped, 1);
	assert_true(observe_incomplete(&b->observe));
}

/* A broken program writes over all of the segment, again and again. */
static void garbage_is_survived(void **state)
{
	struct bench *b = *state;
	uint64_t x = 88172645463325252ULL;
	char *memory = (char *)b->segments.run;

	for (int pass = 0; pass < 40; pass++) {
		for (uint64_t i = 0; i + 8 <= b->segments.run_len;
		     i += 8 * (pass % 7 == 0 ? 1u : 97u)) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(memory + i, &x, 8);
		}
		/* Some of it plausible. */
		atomic_store(&b->segments.run->head,
		             b->observe.next + (x & 0xffff));
		observe_drain(&b->observe);
		b->observe.stuck_ns = 1; /* long ago */
		observe_drain(&b->observe);
	}
	atomic_store(&b->segments.run->head, UINT64_MAX);
	observe_drain(&b->observe);
	assert_true(observe_incomplete(&b->observe));
	observe_finish(&b->observe);
}

/* What no library writes is left out, and told. */
static void a_record_that_makes_no_sense_is_told(void **state)
{
	struct bench *b = *state;

	attach(b, 0, 100);
	record(b, N_CALLS, RECORD_DONE, 0);
	record(b, FAULT_CALL_socket, RECORD_DONE, 3);
	observe_drain(&b->observe);
	assert_int_equal(b->n_seen, 1);
	assert_int_equal(b->seen[0], FAULT_CALL_socket);
	assert_true(b->observe.damaged);
	assert_true(observe_incomplete(&b->observe));
}

static void a_head_that_goes_back_is_told(void **state)
{
	struct bench *b = *state;

	attach(b, 0, 100);
	record(b, FAULT_CALL_socket, RECORD_DONE, 3);
	record(b, FAULT_CALL_socket, RECORD_DONE, 3);
	observe_drain(&b->observe);
	assert_false(b->observe.damaged);
	atomic_store(&b->segments.run->head, 2);
	observe_drain(&b->observe);
	assert_true(b->observe.damaged);
}

/* A program that says of ever more processes that they execute something. */
static void processes_have_an_end(void **state)
{
	struct bench *b = *state;

	attach(b, 0, 100);
	for (uint32_t i = 0; i < 300000; i++) {
		uint64_t ticket;
		struct fault_record *r = take_slot(b, &ticket);

		r->call = FAULT_CALL_execve;
		r->want = 1000 + i;
		r->entry_ns = (uint64_t)now_ns();
		atomic_store(&r->state, ticket * 8 + RECORD_DONE);
		if (i % 1000 == 0)
			observe_drain(&b->observe);
	}
	observe_drain(&b->observe);
	assert_true(b->observe.n_processes <= 1 << 17);
	assert_true(observe_full(&b->observe));
	assert_true(observe_incomplete(&b->observe));
}

/* They are said to people, on a terminal. */
static void names_are_cleaned(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = segments_process(&b->segments, 0);

	memset(p->name, 'n', sizeof(p->name));
	memset(p->what, 'w', sizeof(p->what));
	memcpy(p->what, "\033[2J\302\233\377 \303\244", 10);
	attach(b, 0, 100);
	atomic_store(&p->status, PROCESS_FAILED);
	observe_drain(&b->observe);
	assert_non_null(observe_failure(&b->observe));
	assert_memory_equal(observe_failure(&b->observe)->what,
	                    "?[2J??? \303\244", 10);
	assert_int_equal(strlen(observe_failure(&b->observe)->what),
	                 sizeof(p->what) - 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(records_come_in_order),
		TEST(a_failed_listen_is_none),
		TEST(a_call_under_way_holds_nobody_up),
		TEST(a_writer_that_died_is_skipped),
		TEST(the_ring_goes_round),
		TEST(an_exec_without_an_attach_is_seen),
		TEST(a_failure_says_why),
		TEST(dropped_records_are_told),
		TEST(garbage_is_survived),
		TEST(a_record_that_makes_no_sense_is_told),
		TEST(a_head_that_goes_back_is_told),
		TEST(processes_have_an_end),
		TEST(names_are_cleaned),
	};

	return cmocka_run_group_tests_name("runner: observe", tests, NULL,
	                                   NULL);
}
