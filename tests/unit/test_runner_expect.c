/*
 * test_runner_expect.c - calls and their order that are expected, against
 * traces made by hand (expect_trace.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netdb.h>

#include "runner/expect_trace.h"
#include "trace_maker.h"

#define LENGTH(a_) (sizeof(a_) / sizeof(a_[0]))

enum {
	CONNECT = FAULT_CALL_connect,
	RECV = FAULT_CALL_recv,
	SEND = FAULT_CALL_send,
	ACCEPT = FAULT_CALL_accept,
	CLOSE = FAULT_CALL_close,
	SHUTDOWN = FAULT_CALL_shutdown,
	GETSOCKOPT = FAULT_CALL_getsockopt,
	RESOLVE = FAULT_CALL_getaddrinfo,
};

static struct call_expect entries[8];
static struct scenario scenario;
static struct session_result result;
static struct judgement judgement;
static char names[2][3] = {"p0", "p1"};
static struct program programs[2] = {{.name = names[0]}, {.name = names[1]}};

static int set_up(void **state)
{
	(void)state;
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < LENGTH(entries); i++) {
		entries[i].loc = (struct source_loc){"x.yaml", 14, 5};
		entries[i].programs = UINT64_MAX;
		entries[i].count = (struct range){1, INT64_MAX};
	}
	scenario = (struct scenario){.programs = programs, .n_programs = 2};
	result = (struct session_result){.end = SESSION_OVER};
	trace_begin(2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(trace_path);
	return 0;
}

static struct call_expect *entry(size_t i, unsigned call)
{
	entries[i].calls[call / 64] |= 1ULL << call % 64;
	return &entries[i];
}

/* The entry of `calls`, or n of `order`, was set: what is found? */
static enum outcome outcome_of(bool order, size_t n)
{
	scenario.call_expects = order ? NULL : entries;
	scenario.n_call_expects = order ? 0 : n;
	scenario.order = order ? entries : NULL;
	scenario.n_order = order ? n : 0;
	judgement_release(&judgement);
	expect_trace_judge(trace_path, &scenario, &result, &judgement);
	return judge_outcome(&result, &judgement);
}

static const char *said(void)
{
	return judgement.n ? judgement.v[0].text : "";
}

/* The first line that is said, NULL: nothing is. */
static void finds(enum outcome want, const char *line)
{
	size_t len = strcspn(said(), "\n");

	assert_int_equal(judge_outcome(&result, &judgement), want);
	if (!line) {
		assert_string_equal(said(), "");
		return;
	}
	if (strlen(line) != len || strncmp(said(), line, len))
		fail_msg("said: %s\nexpected: %s", said(), line);
}

static void calls_hold(void)
{
	outcome_of(false, 1);
	finds(OUTCOME_PASSED, NULL);
}

static void calls_fail(const char *line)
{
	outcome_of(false, 1);
	finds(OUTCOME_FAILED, line);
}

static void says(const char *part)
{
	if (!strstr(said(), part))
		fail_msg("`%s` is not in: %s", part, said());
}

static void count_is(size_t i, int64_t n)
{
	entries[i].count = (struct range){n, n};
}

static void result_is(size_t i, int err)
{
	entries[i].has_result = true;
	entries[i].err = err;
}

static void gap_is(size_t i, int64_t min_ms, int64_t max_ms)
{
	entries[i].has_gap = true;
	entries[i].gap_ns =
		(struct range){min_ms * (int64_t)MS, max_ms * (int64_t)MS};
}

/* ---- which calls --------------------------------------------------------- */

static void the_message_is_one_line_and_what_was_seen(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct fault_record *r =
			trace_call(CONNECT, -1, i < 2 ? ECONNREFUSED : EPERM);

		r->serial = i + 1;
		r->connection = 0;
		r->want = 5432;
	}
	trace_end();
	entry(0, CONNECT)->port = 5432;
	result_is(0, ECONNREFUSED);
	count_is(0, 3);
	calls_fail("connect to port 5432: 2 calls with ECONNREFUSED, "
	           "expected 3");
	assert_string_equal(judgement.v[0].where, "x.yaml:14:5");
	says("\nthese are:\n  0.001000 p0[100/0] connect(fd 3) = -1 "
	     "ECONNREFUSED  socket 1 client #1");
	says("\nthese are not:\n  0.003000 p0[100/0] connect(fd 3) = -1 EPERM");
	count_is(0, 2);
	calls_hold();
	entries[0].port = 5433;
	calls_fail("connect to port 5433: 0 calls with ECONNREFUSED, "
	           "expected 2");
	says("\nthese came nearest:\n  0.001000");
}

static void calls_of_other_programs_roles_and_peers_are_others(void **state)
{
	struct fault_record *r;

	(void)state;
	r = trace_call(CONNECT, 0, 0);
	r->want = 80;
	r->flags = RECORD_ADDRESS | RECORD_IPV6;
	memcpy(r->address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	trace_call(SEND, 1, 0);
	r = trace_call(ACCEPT, 4, 0);
	r->process = 1;
	r->serial = 2;
	r->status = ROLE_ACCEPTED;
	r->want = 80u << 16 | 40000;
	trace_end();
	entry(0, SEND);
	entry(0, CONNECT);
	entry(0, ACCEPT);
	count_is(0, 3);
	calls_hold();
	entries[0].port = 80; /* local of the accepted, remote of the client */
	calls_hold();
	count_is(0, 2);
	entries[0].peer = (struct plan_addr){.family = 4, .prefix_len = 8};
	entries[0].peer.bytes[0] = 10; /* mapped into IPv6 */
	calls_hold();
	entries[0].peer.bytes[0] = 11;
	calls_fail("accept,connect,send on port 80 peer 11.0.0.0/8: 0 calls, "
	           "expected 2");
	entries[0].peer.family = 0;
	entries[0].roles = ROLE_BIT(ROLE_ACCEPTED);
	calls_fail("accept,connect,send role accepted on port 80: 1 call, "
	           "expected 2");
	entries[0].roles = 0;
	entries[0].programs = 1;
	calls_hold();
	entries[0].programs = 2;
	calls_fail("accept,connect,send in p1 on port 80: 1 call, expected 2");
}

static void connections_are_numbered_among_those_selected(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		struct fault_record *r = trace_call(CONNECT, 0, 0);

		r->serial = r->connection = i;
		r->want = i % 2 ? 80 : 81;
		trace_call(RECORD_ESTABLISHED, 0, 0);
		trace_record.serial = trace_record.connection = i;
		r->want = i % 2 ? 80 : 81;
	}
	for (uint32_t i = 1; i <= 4; i++) {
		struct fault_record *r = trace_call(RECV, (int)i, 0);

		r->serial = r->connection = i;
	}
	trace_end();
	entry(0, RECV)->port = 81;
	entries[0].connection = PICK_ONE(2); /* the run's fourth */
	entries[0].has_bytes = true;
	entries[0].bytes = (struct range){4, 4};
	count_is(0, 1);
	calls_hold();
	entries[0].connection = PICK_ONE(4);
	calls_fail("recv on port 81 on connection 4: 0 calls, expected 1");
	entries[0].port = 0;
	calls_hold();
}

/* As `nth` of a rule: tests/unit/test_print_trace.c has the same cases. */
static void what_found_nothing_to_do_is_no_call(void **state)
{
	(void)state;
	trace_call(RECV, -1, EAGAIN);
	trace_call(RECV, -1, EINTR);
	trace_call(RECV, 5, 0)->flags = RECORD_PEEK;
	trace_call(RECV, 5, 0);
	trace_call(RECV, -1, EAGAIN)->rule = 1; /* refused by a fault */
	trace_call(RECV, -1, EAGAIN)->flags = RECORD_UNCOUNTED;
	trace_call(RECV, 7, 0)->flags = RECORD_UNCOUNTED; /* the same again */
	trace_call(RECV, -1, ECONNRESET);
	trace_call(RECV, 0, 0);
	trace_end();
	entry(0, RECV);
	count_is(0, 4);
	entries[0].has_bytes = true;
	entries[0].bytes = (struct range){12, 12};
	calls_hold();
	entries[0].bytes = (struct range){13, INT64_MAX};
	calls_fail("recv: 12 bytes in 4 calls, expected 13..");
	entries[0].has_bytes = false;
	entries[0].nth = PICK_ONE(2);
	count_is(0, 1);
	calls_hold();
	result_is(0, 0); /* 5, 7 again, 0 */
	entries[0].nth = (struct plan_pick){0};
	count_is(0, 3);
	calls_hold();
	entries[0].nth = PICK_ONE(2); /* the one that came again */
	count_is(0, 1);
	calls_hold();
	entries[0].nth = (struct plan_pick){0};
	result_is(0, ECONNRESET);
	calls_hold();
	result_is(0, EAGAIN); /* asked for by name */
	count_is(0, 3);
	calls_hold();
}

static void nth_counts_per_connection_or_program(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		trace_call(SEND, 1, 0)->serial = 1 + i % 2;
		trace_call(CONNECT, -1, EPERM)->process = i >= 4;
	}
	trace_end();
	entry(0, SEND)->nth = PICK(2, 3, 1);
	count_is(0, 4);
	calls_hold();
	entries[0].nth = PICK_ONE(4);
	calls_fail("send nth 4: 0 calls, expected 4");
	memset(entries[0].calls, 0, sizeof(entries[0].calls));
	entry(0, CONNECT)->nth = PICK(1, 3, 2);
	count_is(0, 3); /* first and third of p0, first of p1 */
	calls_hold();
}

static void a_connect_that_goes_on_has_the_result_that_is_told(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		trace_call(CONNECT, -1, EINPROGRESS)->serial = i;
		trace_record.connection = 0;
		trace_now += 9 * MS;
		if (i == 3)
			trace_call(RECORD_ESTABLISHED, 0, 0)->serial = i;
		if (i == 4)
			trace_call(CLOSE, 0, 0)->serial = i;
		trace_call(GETSOCKOPT, 0, i == 3 ? 0 : ECONNREFUSED)->serial =
			i;
	}
	trace_end();
	entry(0, CONNECT);
	result_is(0, ECONNREFUSED);
	count_is(0, 2);
	/* From where it was told to the next attempt. */
	gap_is(0, 0, 2);
	calls_hold();
	gap_is(0, 2, 9);
	calls_fail("connect: 0.001 s between call 1 and 2, expected "
	           "0.002s..0.009s");
	entries[0].has_gap = false;
	result_is(0, 0);
	count_is(0, 1);
	calls_hold();
	result_is(0, EINPROGRESS);
	count_is(0, 4);
	calls_hold();
	count_is(0, 5);
	calls_fail("connect: 4 calls with EINPROGRESS, expected 5");
	result_is(0, 0);
	calls_fail("connect: 1 call that succeeded, expected 5");
	entries[0].has_result = false;
	count_is(0, 4);
	calls_hold();
}

static void names_have_results_of_their_own(void **state)
{
	(void)state;
	trace_call(RESOLVE, EAI_AGAIN, 0)->serial = 0;
	trace_call(RESOLVE, EAI_SYSTEM, ENFILE)->serial = 0;
	trace_call(RESOLVE, 0, 0)->serial = 0;
	trace_call(RESOLVE, 0, 0)->flags = RECORD_UNCOUNTED; /* numeric */
	trace_end();
	entry(0, RESOLVE);
	count_is(0, 3);
	calls_hold();
	count_is(0, 1);
	result_is(0, EAI_AGAIN);
	calls_hold();
	result_is(0, ENFILE);
	calls_hold();
}

static void a_call_that_returned_late_is_one(void **state)
{
	uint64_t accept, connect;

	(void)state;
	trace_call(ACCEPT, 0, 0)->process = 1;
	accept = trace_stays();
	trace_call(CONNECT, 0, 0);
	connect = trace_stays();
	trace_call(RECV, 0, 0)->serial = 9;
	trace_stays(); /* for ever */
	trace_call(CONNECT, 0, 0)->serial = 9;
	trace_stays();
	trace_returns(connect, -1, ECONNREFUSED)->want = 80;
	trace_returns(accept, 4, 0)->process = 1;
	trace_end();
	entry(0, CONNECT)->port = 80;
	result_is(0, ECONNREFUSED);
	count_is(0, 1);
	calls_hold();
	entries[0].port = 0; /* each entry counts */
	entries[0].has_result = false;
	count_is(0, 2);
	calls_hold();
	memset(entries[0].calls, 0, sizeof(entries[0].calls));
	entry(0, RECV);
	count_is(0, 0);
	calls_hold();
	count_is(0, 1);
	memset(entries[0].calls, 0, sizeof(entries[0].calls));
	entry(0, ACCEPT);
	calls_hold();
	count_is(0, 2);
	calls_fail("accept: 1 call, expected 2");
	says("these are:\n  0.006100 p1[101/0] ... accept(fd 3) = 4");
}

/* ---- gaps ---------------------------------------------------------------- */

static void a_gap_is_from_an_end_to_the_next_beginning(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		trace_now += 999 * MS;
		trace_call(CONNECT, -1, ETIMEDOUT)->return_ns += 2900 * MS;
		trace_now += 2900 * MS;
	}
	trace_end();
	entry(0, CONNECT);
	gap_is(0, 999, 1001);
	calls_hold();
	gap_is(0, 1001, 2000);
	calls_fail(
		"connect: 1.000 s between call 1 and 2, expected 1.001s..2s");
	says("between these:\n  1.000000 p0[100/0] connect(fd 3) = -1 "
	     "ETIMEDOUT <2.900 s>  conn 1 client #1 ESTABLISHED\n  4.900000");
}

/* A blocking recv begins at once and waits; a polled one begins when it is. */
static void a_call_that_waits_happens_when_it_returns(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		trace_call(RECV, 5, 0)->return_ns += 499 * MS;
		trace_now += 499 * MS;
	}
	trace_end();
	entry(0, RECV);
	gap_is(0, 490, 510);
	calls_hold();
}

/* ---- holes --------------------------------------------------------------- */

static void what_is_missing_may_have_been_it(void **state)
{
	(void)state;
	trace_call(CONNECT, -1, ECONNREFUSED);
	trace_call(CONNECT, -1, ECONNREFUSED);
	trace_end();
	entry(0, CONNECT);
	result.incomplete = true;
	outcome_of(false, 1);
	finds(OUTCOME_INCONCLUSIVE, "the trace is incomplete: nobody knows "
	                            "whether the calls were as expected");
	count_is(0, 3);
	outcome_of(false, 1);
	finds(OUTCOME_INCONCLUSIVE, "connect: 2 calls, expected 3");
	count_is(0, 1); /* there are too many already */
	calls_fail("connect: 2 calls, expected 1");
	result = (struct session_result){.truncated = true};
	entry(1, RECV);
	outcome_of(true, 2);
	finds(OUTCOME_INCONCLUSIVE,
	      "order: call 2 of 2: no recv after connect");
	result = (struct session_result){0};
	assert_int_equal(truncate(trace_path, 300), 0);
	count_is(0, 0);
	outcome_of(false, 1);
	assert_int_equal(judge_outcome(&result, &judgement),
	                 OUTCOME_INCONCLUSIVE);
	unlink(trace_path);
	outcome_of(false, 1);
	assert_int_equal(judge_outcome(&result, &judgement),
	                 OUTCOME_INCONCLUSIVE);
	result.end = SESSION_ENVIRONMENT;
	outcome_of(false, 1);
	assert_int_equal(judgement.n, 0);
}

static void the_number_of_a_socket_may_be_any(void **state)
{
	(void)state;
	trace_call(RECV, 5, 0)->serial = 1U << 30;
	trace_end();
	entry(0, RECV)->nth = PICK_ONE(1);
	count_is(1, 1);
	outcome_of(false, 1);
	finds(OUTCOME_PASSED, NULL);
}

/* ---- order --------------------------------------------------------------- */

static void other_calls_may_come_between(void **state)
{
	(void)state;
	trace_call(CONNECT, 0, 0);
	trace_call(RECV, -1, EAGAIN);
	trace_call(SEND, 5, 0);
	trace_call(RECV, 5, 0);
	trace_call(SEND, 6, 0);
	trace_call(CLOSE, 0, 0);
	trace_end();
	entry(0, CONNECT);
	entry(1, SEND);
	entry(2, SEND);
	entry(3, CLOSE);
	outcome_of(true, 4);
	finds(OUTCOME_PASSED, NULL);
	entry(3, SEND); /* close or a third send: close it is */
	outcome_of(true, 4);
	finds(OUTCOME_PASSED, NULL);
	memset(entries[3].calls, 0, sizeof(entries[3].calls));
	entry(3, SEND);
	outcome_of(true, 4);
	finds(OUTCOME_FAILED, "order: call 4 of 4: no send after send");
	says("so far:\n  0.001000 p0[100/0] connect(fd 3)");
	says("seen at another time:\n  0.003000 p0[100/0] send");
	memset(entries[3].calls, 0, sizeof(entries[3].calls));
	entry(3, CONNECT);
	outcome_of(true, 4);
	finds(OUTCOME_FAILED, "order: call 4 of 4: no connect after send");
	entry(0, SHUTDOWN)->calls[CONNECT / 64] &= ~(1ULL << CONNECT % 64);
	outcome_of(true, 4);
	finds(OUTCOME_FAILED, "order: call 1 of 4: no shutdown");
}

static void an_entry_of_an_order_has_its_own_bytes(void **state)
{
	(void)state;
	trace_call(SEND, 5, 0);
	trace_call(SEND, 6, 0);
	trace_end();
	entry(0, SEND);
	entry(1, SEND);
	entries[0].has_bytes = entries[1].has_bytes = true;
	entries[0].bytes = (struct range){5, 5};
	entries[1].bytes = (struct range){6, INT64_MAX};
	outcome_of(true, 2);
	finds(OUTCOME_PASSED, NULL);
	entries[1].bytes = (struct range){5, 5};
	outcome_of(true, 2);
	finds(OUTCOME_FAILED, "order: call 2 of 2: no send after send");
}

/* The earliest recv is too early for the send; the third is not. */
static void with_gaps_the_earliest_may_be_the_wrong_one(void **state)
{
	(void)state;
	trace_call(CONNECT, 0, 0);
	for (int i = 0; i < 5; i++) {
		trace_now += 99 * MS;
		trace_call(RECV, 1, 0);
	}
	trace_now += 99 * MS;
	trace_call(SEND, 1, 0);
	trace_now += 199 * MS;
	trace_call(CLOSE, 0, 0);
	trace_end();
	entry(0, CONNECT);
	entry(1, RECV);
	entry(2, SEND);
	entry(3, CLOSE);
	gap_is(2, 290, 310);
	gap_is(3, 150, 210);
	outcome_of(true, 4);
	finds(OUTCOME_PASSED, NULL);
	gap_is(1, 350, 900); /* now the third is too early */
	outcome_of(true, 4);
	finds(OUTCOME_FAILED, "order: call 3 of 4: no send after recv and a "
	                      "gap of 0.29s..0.31s");
	gap_is(1, 250, 350);
	outcome_of(true, 4);
	finds(OUTCOME_PASSED, NULL);
	gap_is(3, 210, 300);
	outcome_of(true, 4);
	finds(OUTCOME_FAILED, "order: call 4 of 4: no close after send and a "
	                      "gap of 0.21s..0.3s");
	says("so far:\n  0.001000 p0[100/0] connect(fd 3) = 0  conn 1 client "
	     "#1 ESTABLISHED\n  0.301000 p0[100/0] recv");
}

/* A server that blocks in accept since before; and two that overlap. */
static void between_programs_what_counts_is_when_they_wait_no_more(void **state)
{
	(void)state;
	trace_call(ACCEPT, 4, 0)->process = 1;
	trace_record.return_ns += 2 * MS;
	trace_call(CONNECT, 0, 0)->return_ns += 5 * MS;
	trace_end();
	entry(0, CONNECT);
	entry(1, ACCEPT);
	outcome_of(true, 2);
	finds(OUTCOME_PASSED, NULL);
	unlink(trace_path);
	set_up(NULL);
	trace_call(SEND, 4, 0)->return_ns += 5 * MS;
	trace_call(SHUTDOWN, 0, 0)->tid = 2;
	trace_end();
	entry(0, SEND);
	entry(1, SHUTDOWN);
	outcome_of(true, 2);
	finds(OUTCOME_INCONCLUSIVE,
	      "order: call 2 of 2: shutdown was under way "
	      "at the same time after send: nobody knows "
	      "which was first");
}

/* More of them than are kept: what is given up was settled. */
static void long_traces_are_settled_on_the_way(void **state)
{
	(void)state;
	trace_call(CONNECT, 0, 0);
	for (int i = 0; i < 200000; i++) {
		if (i == 150000)
			trace_now += 70 * MS;
		trace_call(i % 2 ? SEND : RECV, 1, 0);
	}
	trace_call(SHUTDOWN, 0, 0);
	trace_now += 50 * MS;
	trace_call(CLOSE, 0, 0);
	trace_end();
	entry(0, SEND);
	entry(0, RECV);
	gap_is(0, 0, 71);
	calls_hold();
	gap_is(0, 0, 70);
	calls_fail(
		"send,recv: 0.071 s between call 150000 and 150001, expected "
		"0s..0.07s");
	entries[0].has_gap = false;
	memset(entries[0].calls, 0, sizeof(entries[0].calls));
	entry(0, CONNECT);
	entry(1, SEND);
	entry(2, RECV);
	entry(3, SHUTDOWN);
	entry(4, CLOSE);
	gap_is(4, 40, 60);
	outcome_of(true, 5);
	finds(OUTCOME_PASSED, NULL);
	gap_is(4, 60, 70);
	outcome_of(true, 5);
	finds(OUTCOME_FAILED, "order: call 5 of 5: no close after shutdown and "
	                      "a gap of 0.06s..0.07s");
	gap_is(3, 0, 10); /* since the last recv */
	gap_is(4, 40, 60);
	outcome_of(true, 5);
	finds(OUTCOME_PASSED, NULL);
	entry(3, CONNECT)->calls[SHUTDOWN / 64] &= ~(1ULL << SHUTDOWN % 64);
	outcome_of(true, 5);
	finds(OUTCOME_FAILED, "order: call 4 of 5: no connect after recv and a "
	                      "gap of 0s..0.01s");
}

#define CASE(f_) cmocka_unit_test_setup_teardown(f_, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_message_is_one_line_and_what_was_seen),
		CASE(calls_of_other_programs_roles_and_peers_are_others),
		CASE(connections_are_numbered_among_those_selected),
		CASE(what_found_nothing_to_do_is_no_call),
		CASE(nth_counts_per_connection_or_program),
		CASE(a_connect_that_goes_on_has_the_result_that_is_told),
		CASE(names_have_results_of_their_own),
		CASE(a_call_that_returned_late_is_one),
		CASE(a_gap_is_from_an_end_to_the_next_beginning),
		CASE(a_call_that_waits_happens_when_it_returns),
		CASE(what_is_missing_may_have_been_it),
		CASE(the_number_of_a_socket_may_be_any),
		CASE(other_calls_may_come_between),
		CASE(an_entry_of_an_order_has_its_own_bytes),
		CASE(with_gaps_the_earliest_may_be_the_wrong_one),
		CASE(between_programs_what_counts_is_when_they_wait_no_more),
		CASE(long_traces_are_settled_on_the_way),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	judgement_release(&judgement);
	return r;
}
