/*
 * test_lang_steps.c - scripted programs, steps, events and fixtures become what
 * scenario.h says of them; their limits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/scenario.h"

struct outside {
	const char *name, *value;
};

static const char *look_up(void *context, const char *name)
{
	const struct outside *o = context;

	if (!strcmp(name, "tmp"))
		return "/run/tmp";
	if (!strcmp(name, "port"))
		return "8080";
	return o && !strcmp(o->name, name) ? o->value : NULL;
}

/* NULL: refused; what was said is in said. */
static struct scenario *try(const char *text, struct outside *o, char *said,
                            size_t size)
{
	struct suite_vars vars = {look_up, o};
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	struct scenario *s = NULL;
	int r = suite_parse(text, strlen(text), "f.yaml", &vars, &suite,
	                    &diags);

	if (r == 0)
		r = suite_bind(suite, 0, &vars, &s, &diags);
	*said = '\0';
	if (diags.n)
		diag_format(&diags.v[0], said, size);
	suite_free(suite);
	diag_list_release(&diags);
	return r == 0 ? s : NULL;
}

static struct scenario *load(const char *text)
{
	char said[1024];
	struct scenario *s = try(text, NULL, said, sizeof(said));

	if (!s)
		fail_msg("%s", said);
	return s;
}

static void refused(const char *text, struct outside *o, const char *words)
{
	char said[1024];
	struct scenario *s = try(text, o, said, sizeof(said));

	if (s || !strstr(said, words))
		fail_msg("`%s` is not said, but: %s", words, said);
}

static void a_scripted_program_has_what_its_keys_say(void **state)
{
	struct scenario *s = load("version: 1\n"
	                          "programs:\n"
	                          "  a: {listen: '${port}', accept: false}\n"
	                          "  b: {connect: '[::1]:81', count: 3, "
	                          "repeat: 4, started: false}\n"
	                          "  c: {listen: 127.0.0.2:82}\n"
	                          "steps: [{start: b}]\n");
	const struct program *a = &s->programs[0], *b = &s->programs[1];

	(void)state;
	assert_int_equal(a->kind, PROGRAM_LISTEN);
	assert_int_equal(a->ready, READY_LISTENING);
	assert_int_equal(a->address.family, 0);
	assert_int_equal(a->address.port, 8080);
	assert_false(a->accept || a->attach);
	assert_true(a->started);
	assert_int_equal(a->n_scripts, 0);
	assert_int_equal(b->kind, PROGRAM_CONNECT);
	assert_int_equal(b->ready, READY_NONE);
	assert_int_equal(b->address.family, 6);
	assert_int_equal(b->address.port, 81);
	assert_false(b->started || b->attach);
	assert_int_equal(b->count, 3);
	assert_int_equal(b->repeat, 4);
	assert_int_equal(s->programs[2].address.family, 4);
	scenario_free(s);
}

static void what_is_not_given_has_its_default(void **state)
{
	struct scenario *s = load("version: 1\nprograms: {a: {run: x}}\n");
	const struct program *a = &s->programs[0];

	(void)state;
	assert_int_equal(a->kind, PROGRAM_RUN);
	assert_true(a->started && a->accept && a->attach);
	assert_int_equal(a->count, 1);
	assert_int_equal(a->repeat, 1);
	assert_int_equal(s->steps.n, 0);
	scenario_free(s);
}

static void a_script_is_for_the_connections_that_are_picked(void **state)
{
	struct scenario *s = load("version: 1\n"
	                          "programs:\n"
	                          "  a: {listen: 80, steps: {2: [close], 3+: "
	                          "[reset, {wait: 1s}]}}\n"
	                          "  b: {listen: 81, steps: [echo]}\n");
	const struct program *a = &s->programs[0], *b = &s->programs[1];

	(void)state;
	assert_int_equal(a->n_scripts, 2);
	assert_int_equal(a->scripts[0].connections.first, 2);
	assert_int_equal(a->scripts[0].connections.last, 2);
	assert_int_equal(a->scripts[1].connections.last, UINT32_MAX);
	assert_int_equal(a->scripts[1].steps.n, 2);
	assert_int_equal(b->n_scripts, 1);
	assert_int_equal(b->scripts[0].connections.first, 0);
	assert_int_equal(b->scripts[0].steps.v[0].kind, STEP_ECHO);
	scenario_free(s);
}

static void what_is_received_is_a_text_a_size_or_an_end(void **state)
{
	struct scenario *s =
		load("version: 1\n"
	             "programs:\n"
	             "  a:\n"
	             "    listen: 80\n"
	             "    steps:\n"
	             "      - {recv: GET, within: 2s}\n"
	             "      - {recv: '/\\r\\n[\\t]/', within: 1s..2s}\n"
	             "      - {recv: '64KiB'}\n"
	             "      - {recv: eof}\n");
	const struct step *v = s->programs[0].scripts[0].steps.v;

	(void)state;
	assert_int_equal(v[0].recv, RECV_TEXT);
	assert_string_equal(v[0].text.text, "GET");
	assert_true(v[0].has_within);
	assert_true(v[0].within_ns.min == INT64_MIN);
	assert_true(v[0].within_ns.max == 2000000000);
	assert_true(v[1].text.regex);
	assert_string_equal(v[1].text.text, "\r\n[\t]");
	assert_true(v[1].within_ns.min == 1000000000);
	assert_int_equal(v[2].recv, RECV_SIZE);
	assert_int_equal(v[2].size, 65536);
	assert_false(v[2].has_within);
	assert_int_equal(v[3].recv, RECV_EOF);
	scenario_free(s);
}

static void what_is_sent_is_a_text_a_size_or_a_file(void **state)
{
	struct scenario *s = load("version: 1\n"
	                          "programs:\n"
	                          "  a:\n"
	                          "    connect: 127.0.0.1:80\n"
	                          "    steps:\n"
	                          "      - {send: \"a\\r\\n\"}\n"
	                          "      - {send: {size: 1KiB}, rate: 1B/s}\n"
	                          "      - {send: {file: x/y}}\n"
	                          "      - {send: {file: /z}}\n");
	const struct step *v = s->programs[0].scripts[0].steps.v;

	(void)state;
	assert_int_equal(v[0].n_bytes, 3);
	assert_memory_equal(v[0].bytes, "a\r\n", 3);
	assert_int_equal(v[0].rate, 0);
	assert_int_equal(v[1].size, 1024);
	assert_int_equal(v[1].rate, 1);
	assert_string_equal(v[2].file, "/run/tmp/x/y");
	assert_string_equal(v[3].file, "/z");
	scenario_free(s);
}

static const char timeline[] =
	"version: 1\n"
	"programs:\n"
	"  a: {run: x}\n"
	"  b: {run: y, started: false}\n"
	"faults: [{name: n, call: recv, inject: reset}]\n"
	"steps:\n"
	"  - {wait: 1500ms}\n"
	"  - {start: b}\n"
	"  - {signal: {a: USR1}}\n"
	"  - {arm: n}\n"
	"  - {run: 'cp \"x y\" z'}\n"
	"  - {repeat: 3, steps: [{repeat: forever, steps: [{wait: 1s}]}]}\n";

static void the_timeline_is_read_in_its_order(void **state)
{
	struct scenario *s = load(timeline);
	const struct step *v = s->steps.v;

	(void)state;
	assert_int_equal(s->steps.n, 6);
	assert_int_equal(v[0].kind, STEP_WAIT_TIME);
	assert_true(v[0].time_ns == 1500000000);
	assert_int_equal(v[0].loc.line, 7);
	assert_int_equal(v[1].kind, STEP_START);
	assert_int_equal(v[1].program, 1);
	assert_int_equal(v[2].kind, STEP_SIGNAL);
	assert_int_equal(v[2].signal, SIGUSR1);
	assert_int_equal(v[2].program, 0);
	assert_string_equal(v[3].rule, "n");
	assert_string_equal(v[4].run.argv[1], "x y");
	assert_int_equal(v[5].times, 3);
	assert_int_equal(v[5].n_steps, 1);
	assert_int_equal(v[5].steps[0].times, 0);
	assert_int_equal(v[5].steps[0].steps[0].kind, STEP_WAIT_TIME);
	scenario_free(s);
}

static void an_event_has_what_its_keys_say(void **state)
{
	struct scenario *s = load(
		"version: 1\n"
		"programs: {a: {run: x}, b: {run: y}}\n"
		"faults: [{name: n, call: recv, inject: reset}]\n"
		"steps:\n"
		"  - {wait: {output: b, has: [x, /y/]}, within: 1s}\n"
		"  - {wait: {hit: n}}\n"
		"  - {wait: {call: [accept, bind], role: listener, connection: "
		"2+, count: 3..}}\n"
		"  - {wait: {call: recv, in: b}}\n"
		"  - {wait: {file: log}}\n");
	const struct step *v = s->steps.v;

	(void)state;
	assert_int_equal(v[0].kind, STEP_WAIT_EVENT);
	assert_int_equal(v[0].event.kind, EVENT_OUTPUT);
	assert_int_equal(v[0].event.program, 1);
	assert_int_equal(v[0].event.has.n, 2);
	assert_true(v[0].event.has.v[1].regex);
	assert_int_equal(v[1].event.kind, EVENT_HIT);
	assert_true(v[1].event.count.min == 1);
	assert_true(v[1].event.count.max == INT64_MAX);
	assert_int_equal(v[2].event.program, 2);
	assert_int_equal(v[2].event.roles, ROLE_BIT(ROLE_LISTENER));
	assert_int_equal(v[2].event.connection.first, 2);
	assert_true(v[2].event.count.min == 3);
	assert_true(v[2].event.calls[FAULT_CALL_bind / 64] >>
	                    (FAULT_CALL_bind % 64) &
	            1);
	assert_int_equal(v[3].event.program, 1);
	assert_string_equal(v[4].event.path, "/run/tmp/log");
	assert_int_equal(v[4].event.has.n, 0);
	scenario_free(s);
}

static void fixtures_have_what_their_keys_say(void **state)
{
	struct scenario *s = load("version: 1\n"
	                          "hosts: {a.test: [127.0.0.1, '::1']}\n"
	                          "files: {a/b: 'port ${port}', "
	                          "'${tmp}//c': ''}\n"
	                          "setup: ['mkdir x', [true, a b]]\n"
	                          "teardown: ['rm x']\n"
	                          "programs: {a: {run: x}}\n");

	(void)state;
	assert_int_equal(s->n_hosts, 1);
	assert_string_equal(s->hosts[0].name, "a.test");
	assert_int_equal(s->hosts[0].n_addrs, 2);
	assert_int_equal(s->hosts[0].addrs[1].family, 6);
	assert_int_equal(s->n_files, 2);
	assert_string_equal(s->files[0].path, "/run/tmp/a/b");
	assert_string_equal(s->files[0].name, "a/b");
	assert_string_equal(s->files[0].body, "port 8080");
	assert_string_equal(s->files[1].path, "/run/tmp/c");
	assert_int_equal(s->n_setup, 2);
	assert_string_equal(s->setup[1].argv[1], "a b");
	assert_int_equal(s->n_teardown, 1);
	scenario_free(s);
}

/* "[{wait: 1s}, …]" in `repeat` so deep. */
static char *nested(unsigned depth)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("version: 1\nprograms: {a: {run: x}}\nsteps: [", f);
	for (unsigned i = 0; i < depth; i++)
		fputs("{repeat: 2, steps: [", f);
	fputs("{wait: 1s}", f);
	for (unsigned i = 0; i < depth; i++)
		fputs("]}", f);
	fputs("]\n", f);
	fclose(f);
	return text;
}

static void repeats_are_nested_so_deep_and_no_deeper(void **state)
{
	char *deep = nested(8), *deeper = nested(9);

	(void)state;
	scenario_free(load(deep));
	refused(deeper, NULL, "`repeat` in `repeat` more than 8 deep");
	free(deep);
	free(deeper);
}

static char *many_steps(unsigned n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fputs("version: 1\nprograms: {a: {listen: 80, steps: [echo, {repeat: "
	      "1, steps: [",
	      f);
	for (unsigned i = 0; i + 2 < n; i++)
		fputs("{wait: 1s},", f);
	fputs("]}]}}\n", f);
	fclose(f);
	return text;
}

static void too_many_steps_are_refused(void **state)
{
	char *most = many_steps(10000), *more = many_steps(10001);

	(void)state;
	scenario_free(load(most));
	refused(more, NULL, "more than 10000 steps");
	free(most);
	free(more);
}

static void a_value_that_is_no_utf8_is_refused(void **state)
{
	struct outside o = {"x", "a\xff"};

	(void)state;
	refused("version: 1\nprograms: {a: {run: '${x}'}}\n", &o,
	        "the value of `${x}` is not UTF-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scripted_program_has_what_its_keys_say),
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(
			a_script_is_for_the_connections_that_are_picked),
		cmocka_unit_test(what_is_received_is_a_text_a_size_or_an_end),
		cmocka_unit_test(what_is_sent_is_a_text_a_size_or_a_file),
		cmocka_unit_test(the_timeline_is_read_in_its_order),
		cmocka_unit_test(an_event_has_what_its_keys_say),
		cmocka_unit_test(fixtures_have_what_their_keys_say),
		cmocka_unit_test(repeats_are_nested_so_deep_and_no_deeper),
		cmocka_unit_test(too_many_steps_are_refused),
		cmocka_unit_test(a_value_that_is_no_utf8_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
