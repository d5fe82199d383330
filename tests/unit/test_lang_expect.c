/*
 * test_lang_expect.c - what must be seen beyond the programs' ends, `todo` and
 * `needs`: from text to the model.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "lang/model.h"

static struct scenario *scenario_of(const char *text)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	struct scenario *s = NULL;

	if (suite_parse(text, strlen(text), "x.yaml", NULL, &suite, &diags) ||
	    suite_bind(suite, 0, NULL, &s, &diags))
		fail_msg("%u:%u: %s", diags.v[0].line, diags.v[0].column,
		         diags.v[0].message);
	assert_int_equal(diags.n, 0);
	suite_free(suite); /* a scenario needs it no more */
	return s;
}

#define PROGRAMS                                                               \
	"version: 1\n"                                                         \
	"programs:\n"                                                          \
	"  server: {run: server, ready: listening}\n"                          \
	"  client: {run: client}\n"                                            \
	"expect:\n"

static bool has_call(const struct call_expect *e, enum fault_call call)
{
	return e->calls[call / 64] >> (call % 64) & 1;
}

static size_t count_calls(const struct call_expect *e)
{
	size_t n = 0;

	for (size_t i = 0; i < PLAN_CALL_WORDS; i++)
		n += (size_t)__builtin_popcountll(e->calls[i]);
	return n;
}

static void calls_have_what_their_keys_say(void **state)
{
	struct scenario *s = scenario_of(
		PROGRAMS
		"  calls:\n"
		"    - {in: client, call: connect, port: 80, peer: "
		"127.0.0.2, role: client, result: ECONNREFUSED, count: 2..3, "
		"gap: 90ms..}\n"
		"    - {call: [recv, sendmsg], connection: 2+, nth: 3..9+2, "
		"bytes: 1KiB..2KiB, result: ok}\n"
		"    - {call: resolve, result: EAI_AGAIN, count: 0}\n"
		"    - {call: connect, gap: 90ms..}\n");
	const struct call_expect *e = s->call_expects;

	(void)state;
	assert_int_equal(s->n_call_expects, 4);
	assert_int_equal(s->n_order, 0);
	assert_int_equal(e->loc.line, 7);
	assert_int_equal(e->loc.column, 7);
	assert_string_equal(e->loc.file, "x.yaml");
	assert_true(e->programs == 1 << 1);
	assert_int_equal(count_calls(e), 2); /* and __connect */
	assert_true(has_call(e, FAULT_CALL_connect));
	assert_int_equal(e->roles, ROLE_BIT(ROLE_CLIENT));
	assert_int_equal(e->port, 80);
	assert_int_equal(e->peer.family, 4);
	assert_int_equal(e->peer.bytes[3], 2);
	assert_true(e->has_result);
	assert_int_equal(e->err, ECONNREFUSED);
	assert_true(e->count.min == 2 && e->count.max == 3);
	assert_true(e->has_gap && !e->has_bytes);
	assert_true(e->gap_ns.min == 90000000);
	assert_true(e->gap_ns.max == INT64_MAX);

	e++;
	assert_true(e->programs == UINT64_MAX);
	assert_true(has_call(e, FAULT_CALL_recv) &&
	            has_call(e, FAULT_CALL_sendmsg));
	assert_false(has_call(e, FAULT_CALL_send));
	assert_int_equal(e->connection.first, 2);
	assert_int_equal(e->nth.step, 2);
	assert_true(e->has_result && e->err == 0);
	assert_true(e->count.min == 1 && e->count.max == INT64_MAX);
	assert_true(e->has_bytes && !e->has_gap);
	assert_true(e->bytes.min == 1024 && e->bytes.max == 2048);

	e++;
	assert_int_equal(e->err, EAI_AGAIN);
	assert_true(e->count.min == 0 && e->count.max == 0);

	e++; /* a gap is between two */
	assert_true(e->count.min == 2 && e->count.max == INT64_MAX);
	scenario_free(s);
}

static void an_order_is_a_list_of_calls_with_gaps(void **state)
{
	struct scenario *s = scenario_of(
		PROGRAMS "  order: [{call: connect, in: client}, {call: "
			 "close, gap: ..1s}]\n");

	(void)state;
	assert_int_equal(s->n_order, 2);
	assert_int_equal(s->n_call_expects, 0);
	assert_true(has_call(&s->order[0], FAULT_CALL_connect));
	assert_false(s->order[0].has_gap);
	assert_true(has_call(&s->order[1], FAULT_CALL_close));
	assert_true(s->order[1].has_gap);
	assert_true(s->order[1].gap_ns.max == 1000000000);
	assert_true(s->order[1].gap_ns.min == INT64_MIN);
	assert_false(s->order[1].has_result);
	scenario_free(s);
}

static void files_are_below_tmp(void **state)
{
	struct scenario *s = scenario_of(
		PROGRAMS "  files:\n"
			 "    a/b: {has: [x, /y+/], not: z, same: c, size: "
			 "1B..}\n"
			 "    '${tmp}/d': {size: 0B}\n"
			 "    /etc/x: {same: '${here}/y'}\n");
	const struct file_expect *e = s->file_expects;

	(void)state;
	assert_int_equal(s->n_file_expects, 3);
	assert_string_equal(e->path, "/tmp/fault/a/b");
	assert_int_equal(e->loc.line, 7);
	assert_int_equal(e->has.n, 2);
	assert_true(e->has.v[1].regex);
	assert_string_equal(e->not_has.v[0].text, "z");
	assert_string_equal(e->same, "/tmp/fault/c");
	assert_true(e->has_size && e->size.min == 1);
	assert_string_equal(e[1].path, "/tmp/fault/d");
	assert_true(e[1].has_size && e[1].size.max == 0);
	assert_null(e[1].same);
	assert_string_equal(e[2].path, "/etc/x");
	assert_false(e[2].has_size);
	scenario_free(s);
}

static void todo_has_a_reason_and_needs_are_commands(void **state)
{
	struct scenario *s = scenario_of(
		"version: 1\ntodo: not yet ${seed}\nneeds: [curl, /bin/sh]\n"
		"faults: [{call: recv, inject: reset}]\n");

	(void)state;
	assert_string_equal(s->todo, "not yet 0");
	assert_int_equal(s->n_needs, 2);
	assert_string_equal(s->needs[0], "curl");
	assert_string_equal(s->needs[1], "/bin/sh");
	scenario_free(s);
	s = scenario_of("version: 1\nneeds: curl\n"
	                "faults: [{call: recv, inject: reset}]\n");
	assert_null(s->todo);
	assert_int_equal(s->n_needs, 1);
	scenario_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_have_what_their_keys_say),
		cmocka_unit_test(an_order_is_a_list_of_calls_with_gaps),
		cmocka_unit_test(files_are_below_tmp),
		cmocka_unit_test(todo_has_a_reason_and_needs_are_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
