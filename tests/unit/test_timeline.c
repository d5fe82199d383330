/*
 * test_timeline.c - the order of steps, their times, `repeat` (timeline.h), and
 * the calls that are counted for them (call_watch.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/call_watch.h"
#include "runner/timeline.h"

/* ---- a scribe: writes down which programs are started, obeys otherwise ----
 */

struct scribe {
	struct timeline t;
	char log[64]; /* 'a' + program of each start */
	bool came;    /* the event of every wait */
	bool done;    /* all jobs are */
};

static enum step_state begin(void *context, const struct step *step)
{
	struct scribe *s = context;
	size_t len = strlen(s->log);

	if (step->kind == STEP_START && step->program == 25)
		return STEP_FAILED;
	if (step->kind == STEP_START && len + 1 < sizeof(s->log))
		s->log[len] = (char)('a' + step->program);
	if (step->kind == STEP_WAIT_EVENT)
		return s->came ? STEP_OVER : STEP_PENDING;
	return STEP_OVER;
}

static enum step_state again(void *context, const struct step *step)
{
	struct scribe *s = context;

	assert_int_equal(step->kind, STEP_WAIT_EVENT);
	return s->came ? STEP_OVER : STEP_PENDING;
}

static bool jobs_done(void *context)
{
	return ((struct scribe *)context)->done;
}

static const struct timeline_ops ops = {begin, again, jobs_done};

static void scribe_init(struct scribe *s, struct step *v, size_t n)
{
	*s = (struct scribe){.came = false};
	timeline_init(&s->t, &(struct step_list){v, n}, &ops, s);
}

static struct step start(size_t program)
{
	return (struct step){.kind = STEP_START, .program = program};
}

static struct step wait_ns(int64_t ns)
{
	return (struct step){.kind = STEP_WAIT_TIME, .time_ns = ns};
}

static struct step wait_within(int64_t min, int64_t max)
{
	return (struct step){.kind = STEP_WAIT_EVENT,
	                     .has_within = true,
	                     .within_ns = {min, max}};
}

static struct step repeat(uint32_t times, struct step *v, size_t n)
{
	return (struct step){
		.kind = STEP_REPEAT, .times = times, .steps = v, .n_steps = n};
}

static void place_is(const struct scribe *s, const char *want)
{
	char buf[64] = "";
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	timeline_print_place(&s->t, f);
	fclose(f);
	assert_string_equal(buf, want);
}

static void nothing_is_over_at_once(void **state)
{
	struct scribe s;

	(void)state;
	scribe_init(&s, NULL, 0);
	assert_int_equal(timeline_advance(&s.t, 1), STEP_OVER);
	assert_int_equal(timeline_advance(&s.t, 2), STEP_OVER);
	assert_null(timeline_step(&s.t));
	assert_int_equal(timeline_deadline(&s.t), 0);
}

static void steps_come_in_order_and_times_pass(void **state)
{
	struct step v[] = {start(0), wait_ns(100), start(1), wait_ns(50)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 4);
	assert_int_equal(timeline_advance(&s.t, 1000), STEP_PENDING);
	assert_string_equal(s.log, "a");
	place_is(&s, "step 2");
	assert_int_equal(timeline_deadline(&s.t), 1100);
	assert_int_equal(timeline_advance(&s.t, 1099), STEP_PENDING);
	assert_string_equal(s.log, "a");
	/* The next wait counts from when it began. */
	assert_int_equal(timeline_advance(&s.t, 1200), STEP_PENDING);
	assert_string_equal(s.log, "ab");
	assert_int_equal(timeline_deadline(&s.t), 1250);
	assert_int_equal(timeline_advance(&s.t, 1250), STEP_OVER);
}

static void an_event_must_come_within_its_range(void **state)
{
	static const struct {
		int64_t min, max, at;
		bool came;
		enum step_state want;
		enum timeline_failure why;
	} rows[] = {
		{INT64_MIN, 100, 100, true, STEP_OVER, TIMELINE_STEP},
		{INT64_MIN, 100, 100, false, STEP_PENDING, TIMELINE_STEP},
		{INT64_MIN, 100, 101, false, STEP_FAILED, TIMELINE_LATE},
		{INT64_MIN, 100, 101, true, STEP_FAILED, TIMELINE_LATE},
		{50, 100, 50, true, STEP_OVER, TIMELINE_STEP},
		{50, 100, 49, true, STEP_FAILED, TIMELINE_EARLY},
		{50, 100, 49, false, STEP_PENDING, TIMELINE_STEP},
		{50, INT64_MAX, 9999, false, STEP_PENDING, TIMELINE_STEP},
		{50, INT64_MAX, 9999, true, STEP_OVER, TIMELINE_STEP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct step v[] = {wait_within(rows[i].min, rows[i].max)};
		struct scribe s;

		scribe_init(&s, v, 1);
		assert_int_equal(timeline_advance(&s.t, 1000), STEP_PENDING);
		if (rows[i].max < INT64_MAX)
			assert_int_equal(timeline_deadline(&s.t),
			                 1000 + rows[i].max + 1);
		s.came = rows[i].came;
		assert_int_equal(timeline_advance(&s.t, 1000 + rows[i].at),
		                 rows[i].want);
		if (rows[i].want != STEP_FAILED)
			continue;
		assert_int_equal(s.t.failure, rows[i].why);
		assert_ptr_equal(timeline_step(&s.t), v);
	}
}

static void an_event_that_is_there_already_may_be_too_early(void **state)
{
	struct step v[] = {wait_within(50, 100)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 1);
	s.came = true;
	assert_int_equal(timeline_advance(&s.t, 1000), STEP_FAILED);
	assert_int_equal(s.t.failure, TIMELINE_EARLY);
}

static void lists_are_repeated_in_lists(void **state)
{
	struct step inner[] = {start(1)};
	struct step outer[] = {start(0), repeat(2, inner, 1), wait_ns(10)};
	struct step v[] = {repeat(2, outer, 3), start(2)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 2);
	assert_int_equal(timeline_advance(&s.t, 1000), STEP_PENDING);
	assert_string_equal(s.log, "abb");
	place_is(&s, "step 1.3 (round 1)");
	assert_int_equal(timeline_advance(&s.t, 1010), STEP_PENDING);
	place_is(&s, "step 1.3 (round 2)");
	assert_int_equal(timeline_advance(&s.t, 1020), STEP_OVER);
	assert_string_equal(s.log, "abbabbc");
}

static void forever_ends_with_the_jobs(void **state)
{
	struct step inner[] = {start(0), wait_ns(10)};
	struct step v[] = {repeat(0, inner, 2), start(1)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 2);
	for (int64_t now = 1000; now < 1050; now += 10)
		assert_int_equal(timeline_advance(&s.t, now), STEP_PENDING);
	assert_string_equal(s.log, "aaaaa");
	s.done = true;
	/* In the midst of a wait. */
	assert_int_equal(timeline_advance(&s.t, 1041), STEP_OVER);
	assert_string_equal(s.log, "aaaaab");
}

static void forever_has_a_first_round(void **state)
{
	struct step inner[] = {start(0)};
	struct step v[] = {repeat(0, inner, 1)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 1);
	s.done = true;
	assert_int_equal(timeline_advance(&s.t, 1000), STEP_OVER);
	assert_string_equal(s.log, "a");
}

static void a_loop_without_a_wait_lets_others_have_a_turn(void **state)
{
	struct step inner[] = {start(0)};
	struct step v[] = {repeat(100000, inner, 1)};
	struct scribe s;
	unsigned turns = 0;

	(void)state;
	scribe_init(&s, v, 1);
	while (timeline_advance(&s.t, 1000) == STEP_PENDING) {
		assert_true(timeline_deadline(&s.t) > 0);
		assert_true(timeline_deadline(&s.t) <= 1001);
		turns++;
	}
	assert_in_range(turns, 100, 100000);
}

static void a_step_that_fails_is_the_last(void **state)
{
	struct step v[] = {start(0), start(25), start(1)};
	struct scribe s;

	(void)state;
	scribe_init(&s, v, 3);
	assert_int_equal(timeline_advance(&s.t, 1000), STEP_FAILED);
	assert_int_equal(s.t.failure, TIMELINE_STEP);
	assert_int_equal(timeline_advance(&s.t, 1001), STEP_FAILED);
	assert_string_equal(s.log, "a");
	place_is(&s, "step 2");
}

/* ---- calls --------------------------------------------------------------- */

#define SELECT(e, call) ((e)->calls[(call) / 64] |= UINT64_C(1) << (call) % 64)

struct watched {
	struct step v[2], inner[1];
	struct scenario scenario;
	struct call_watches w;
};

/* Receives of program 1 on connection 2, and in a loop all accepts. */
static void watch(struct watched *x)
{
	*x = (struct watched){.scenario.n_programs = 2};
	x->v[0] = (struct step){.kind = STEP_WAIT_EVENT,
	                        .event = {.kind = EVENT_CALL,
	                                  .program = 1,
	                                  .roles = ROLE_BIT(ROLE_CLIENT),
	                                  .connection = {2, 2, 1, 0}}};
	SELECT(&x->v[0].event, FAULT_CALL_recv);
	x->inner[0] =
		(struct step){.kind = STEP_WAIT_EVENT,
	                      .event = {.kind = EVENT_CALL,
	                                .program = 2,
	                                .roles = ROLE_BIT(ROLE_LISTENER)}};
	SELECT(&x->inner[0].event, FAULT_CALL_accept);
	x->v[1] = repeat(3, x->inner, 1);
	x->scenario.steps = (struct step_list){x->v, 2};
	assert_int_equal(call_watches_init(&x->w, &x->scenario, 0), 0);
	assert_int_equal(x->w.n, 2);
}

static void only_what_is_selected_counts(void **state)
{
	static const struct {
		uint8_t call, role, flags, err;
		int32_t result;
		uint32_t connection;
		size_t program;
		uint64_t want;
	} rows[] = {
		{FAULT_CALL_recv, ROLE_CLIENT, 0, 0, 1, 2, 1, 1},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, 0, 0, 2, 1, 1},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, ECONNRESET, -1, 2, 1, 1},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, EAGAIN, -1, 2, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, EINTR, -1, 2, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, RECORD_PEEK, 0, 1, 2, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, RECORD_UNCOUNTED, 0, 1, 2, 1, 0},
		{FAULT_CALL_recv, ROLE_ACCEPTED, 0, 0, 1, 2, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, 0, 1, 1, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, 0, 1, 0, 1, 0},
		{FAULT_CALL_recv, ROLE_CLIENT, 0, 0, 1, 2, 0, 0},
		{FAULT_CALL_send, ROLE_CLIENT, 0, 0, 1, 2, 1, 0},
		{RECORD_ATTACH, ROLE_CLIENT, 0, 0, 1, 2, 1, 0},
	};
	struct watched x;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fault_record r = {.call = rows[i].call,
		                         .status = rows[i].role,
		                         .flags = rows[i].flags,
		                         .err = rows[i].err,
		                         .result = rows[i].result,
		                         .connection = rows[i].connection};

		watch(&x);
		call_watches_note(&x.w, &r, 7, rows[i].program, false);
		assert_int_equal(call_watches_count(&x.w, &x.v[0].event),
		                 rows[i].want);
		assert_int_equal(call_watches_count(&x.w, &x.inner[0].event),
		                 0);
		call_watches_release(&x.w);
	}
}

static void a_call_under_way_counts_at_its_return(void **state)
{
	struct fault_record entry = {.call = FAULT_CALL_accept};
	struct fault_record r = {.call = RECORD_RETURN,
	                         .status = ROLE_ACCEPTED};
	struct watched x;

	(void)state;
	watch(&x);
	call_watches_note(&x.w, &entry, 7, 0, true);
	assert_int_equal(call_watches_count(&x.w, &x.inner[0].event), 0);
	r.caller = 8; /* of somebody else */
	call_watches_note(&x.w, &r, 9, 0, false);
	assert_int_equal(call_watches_count(&x.w, &x.inner[0].event), 0);
	r.caller = 7;
	call_watches_note(&x.w, &r, 10, 0, false);
	call_watches_note(&x.w, &r, 11, 0, false);
	assert_int_equal(call_watches_count(&x.w, &x.inner[0].event), 1);
	call_watches_release(&x.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_over_at_once),
		cmocka_unit_test(steps_come_in_order_and_times_pass),
		cmocka_unit_test(an_event_must_come_within_its_range),
		cmocka_unit_test(
			an_event_that_is_there_already_may_be_too_early),
		cmocka_unit_test(lists_are_repeated_in_lists),
		cmocka_unit_test(forever_ends_with_the_jobs),
		cmocka_unit_test(forever_has_a_first_round),
		cmocka_unit_test(a_loop_without_a_wait_lets_others_have_a_turn),
		cmocka_unit_test(a_step_that_fails_is_the_last),
		cmocka_unit_test(only_what_is_selected_counts),
		cmocka_unit_test(a_call_under_way_counts_at_its_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
