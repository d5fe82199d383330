/*
 * test_lang_suite.c - files of the language: cases, variables, the model.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/model.h"

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

static struct suite *parse(const char *text, const struct suite_vars *vars)
{
	struct suite *suite = NULL;
	struct diag_list diags = {0};

	if (suite_parse(text, strlen(text), "dir/x.yaml", vars, &suite, &diags))
		fail_msg("%u:%u: %s", diags.v[0].line, diags.v[0].column,
		         diags.v[0].message);
	assert_int_equal(diags.n, 0);
	return suite;
}

static struct scenario *bind_case(const struct suite *suite, size_t i,
                                  const struct suite_vars *vars)
{
	struct scenario *s = NULL;
	struct diag_list diags = {0};

	if (suite_bind(suite, i, vars, &s, &diags))
		fail_msg("%u:%u: %s", diags.v[0].line, diags.v[0].column,
		         diags.v[0].message);
	diag_list_release(&diags);
	return s;
}

static struct scenario *scenario_of(const char *text)
{
	struct suite *suite = parse(text, NULL);
	struct scenario *s = bind_case(suite, 0, NULL);

	suite_free(suite); /* a scenario needs it no more */
	return s;
}

static void a_file_without_matrix_is_one_case(void **state)
{
	struct suite *suite = parse(
		"version: 1\nfaults: [{call: recv, inject: reset}]\n", NULL);

	(void)state;
	assert_int_equal(suite_n_cases(suite), 1);
	assert_string_equal(suite_case_id(suite, 0), "dir/x.yaml");
	assert_string_equal(suite_case_name(suite, 0), "x.yaml");
	assert_false(suite_has_programs(suite));
	suite_free(suite);
}

/* Files of ids have one in each line. */
static void an_id_is_one_line(void **state)
{
	struct suite *suite = parse("version: 1\n"
	                            "matrix: {end: [\"\\r\\n\", \"\\e[m\"]}\n"
	                            "programs: {a: {run: [x, '${end}']}}\n"
	                            "faults: []\n",
	                            NULL);
	struct scenario *s = bind_case(suite, 0, NULL);

	(void)state;
	assert_string_equal(suite_case_id(suite, 0),
	                    "dir/x.yaml[end=\\x0d\\x0a]");
	assert_string_equal(suite_case_id(suite, 1), "dir/x.yaml[end=\\x1b[m]");
	assert_string_equal(s->programs[0].argv[1], "\r\n");
	scenario_free(s);
	suite_free(suite);
}

static void a_matrix_multiplies_in_the_order_written(void **state)
{
	static const char *const ids[] = {
		"dir/x.yaml[io=poll,n=1]",  "dir/x.yaml[io=poll,n=2]",
		"dir/x.yaml[io=poll,n=3]",  "dir/x.yaml[io=epoll,n=1]",
		"dir/x.yaml[io=epoll,n=2]", "dir/x.yaml[io=epoll,n=3]",
	};
	struct suite *suite =
		parse("version: 1\n"
	              "name: n ${n}\n"
	              "matrix: {io: [poll, epoll], n: [1, 2, 3]}\n"
	              "programs: {a: {run: 'x ${io}'}}\n"
	              "faults: [{call: recv, nth: '${n}', "
	              "inject: reset}]\n",
	              NULL);

	(void)state;
	assert_int_equal(suite_n_cases(suite), LENGTH(ids));
	for (size_t i = 0; i < LENGTH(ids); i++) {
		struct scenario *s = bind_case(suite, i, NULL);
		char name[8];

		snprintf(name, sizeof(name), "n %zu", i % 3 + 1);
		assert_string_equal(suite_case_id(suite, i), ids[i]);
		assert_string_equal(suite_case_name(suite, i), name);
		assert_string_equal(s->name, name);
		assert_string_equal(s->programs[0].argv[1],
		                    i < 3 ? "poll" : "epoll");
		assert_int_equal(s->rules[0].nth.first, i % 3 + 1);
		scenario_free(s);
	}
	suite_free(suite);
}

static const char *from_pairs(void *context, const char *name)
{
	const char *const *pairs = context;

	for (; *pairs; pairs += 2) {
		if (!strcmp(pairs[0], name))
			return pairs[1];
	}
	return NULL;
}

static void values_from_outside_win(void **state)
{
	static const char *outside[] = {"size",  "2B", "io", "uring",
	                                "extra", "e",  NULL};
	static const char *run[] = {"port", "4711", "size", "9B", NULL};
	struct suite_vars load = {from_pairs, outside};
	struct suite_vars bound = {from_pairs, run};
	struct suite *suite =
		parse("version: 1\n"
	              "vars: {size: 1B, who: '${extra}${port}'}\n"
	              "matrix: {io: [poll, epoll]}\n"
	              "programs: {a: {run: 'x ${io} ${who}'}}\n"
	              "faults: [{call: recv, inject: {short: '${size}'}}]\n",
	              &load);
	struct scenario *s = bind_case(suite, 0, &bound);

	(void)state;
	assert_int_equal(suite_n_cases(suite), 1);
	assert_string_equal(suite_case_id(suite, 0), "dir/x.yaml[io=uring]");
	assert_string_equal(s->programs[0].argv[1], "uring");
	assert_string_equal(s->programs[0].argv[2], "e4711");
	assert_int_equal(s->rules[0].actions[0].value, 2);
	scenario_free(s);
	suite_free(suite);
}

static void a_name_without_a_value_at_run_time_is_an_error(void **state)
{
	static const char *run[] = {NULL};
	struct suite_vars bound = {from_pairs, run};
	struct diag_list diags = {0};
	struct scenario *s = NULL;
	struct suite *suite = parse("version: 1\n"
	                            "faults:\n"
	                            "  - {call: recv, port: '${port}', "
	                            "inject: reset}\n",
	                            NULL);

	(void)state;
	assert_int_equal(suite_bind(suite, 0, &bound, &s, &diags), -EINVAL);
	assert_int_equal(diags.n, 1);
	assert_string_equal(diags.v[0].message, "`${port}` has no value here");
	assert_int_equal(diags.v[0].line, 3);
	assert_int_equal(diags.v[0].column, 24);
	diag_list_release(&diags);
	suite_free(suite);
}

static void a_program_has_what_its_keys_say(void **state)
{
	struct scenario *s = scenario_of(
		"version: 1\n"
		"name: n\nabout: why\ntags: [a, b]\nlimit: 5s\nalone: true\n"
		"programs:\n"
		"  server:\n"
		"    run: \"srv 'a b' \\\"c${port}\\\" d\\\\ e ''\"\n"
		"    env: {A: '1', B: }\n"
		"    dir: /tmp\n    stdin: in.txt\n    attach: false\n"
		"    ready: /^up/\n    stop: SIGINT\n    grace: 1s\n"
		"  job: {run: [x, a b, '|']}\n");
	const struct program *p = &s->programs[0];

	(void)state;
	assert_string_equal(s->name, "n");
	assert_string_equal(s->about, "why");
	assert_int_equal(s->n_tags, 2);
	assert_string_equal(s->tags[1], "b");
	assert_true(s->limit_ns == 5000000000);
	assert_true(s->alone);
	assert_int_equal(s->n_programs, 2);
	assert_string_equal(p->name, "server");
	assert_int_equal(p->loc.line, 8);
	assert_int_equal(p->loc.column, 3);
	assert_string_equal(p->loc.file, "dir/x.yaml");
	assert_string_equal(p->argv[0], "srv");
	assert_string_equal(p->argv[1], "a b");
	assert_string_equal(p->argv[2], "c1");
	assert_string_equal(p->argv[3], "d e");
	assert_string_equal(p->argv[4], "");
	assert_null(p->argv[5]);
	assert_int_equal(p->n_env, 2);
	assert_string_equal(p->env[0].value, "1");
	assert_string_equal(p->env[1].value, "");
	assert_string_equal(p->dir, "/tmp");
	assert_string_equal(p->stdin_file, "in.txt");
	assert_false(p->attach);
	assert_int_equal(p->ready, READY_TEXT);
	assert_true(p->ready_text.regex);
	assert_string_equal(p->ready_text.text, "^up");
	assert_int_equal(p->stop_signal, SIGINT);
	assert_true(p->grace_ns == 1000000000);
	scenario_free(s);
}

static void what_is_not_given_has_its_default(void **state)
{
	struct scenario *s = scenario_of("version: 1\n"
	                                 "programs: {a: {run: [x, a b]}}\n"
	                                 "faults: [{call: recv, "
	                                 "inject: reset}]\n");
	const struct program *p = &s->programs[0];
	const struct rule *r = &s->rules[0];

	(void)state;
	assert_string_equal(s->name, "x.yaml");
	assert_string_equal(s->about, "");
	assert_true(s->limit_ns == 30000000000);
	assert_false(s->alone);
	assert_int_equal(s->n_expects, 0);
	assert_string_equal(p->argv[1], "a b");
	assert_null(p->dir);
	assert_null(p->stdin_file);
	assert_true(p->attach);
	assert_int_equal(p->ready, READY_NONE);
	assert_int_equal(p->stop_signal, SIGTERM);
	assert_true(p->grace_ns == 5000000000);
	assert_string_equal(r->name, "");
	assert_true(r->armed);
	assert_false(r->force);
	assert_true(r->hits.min == 1 && r->hits.max == INT64_MAX);
	assert_true(r->programs == UINT64_MAX);
	assert_int_equal(r->after_rule, -1);
	assert_int_equal(r->times, 0);
	assert_int_equal(r->per, PER_DEFAULT);
	scenario_free(s);
}

static void a_variable_with_a_space_stays_one_word(void **state)
{
	static const char *run[] = {"tmp", "/a b/c", NULL};
	struct suite_vars bound = {from_pairs, run};
	struct suite *suite =
		parse("version: 1\n"
	              "programs: {a: {run: "
	              "'x --dir=${tmp} \"${tmp}\" $${tmp} $x'}}\n",
	              NULL);
	struct scenario *s = bind_case(suite, 0, &bound);
	char **argv = s->programs[0].argv;

	(void)state;
	assert_string_equal(argv[1], "--dir=/a b/c");
	assert_string_equal(argv[2], "/a b/c");
	assert_string_equal(argv[3], "${tmp}");
	assert_string_equal(argv[4], "$x");
	assert_null(argv[5]);
	scenario_free(s);
	suite_free(suite);
}

static void expectations_are_by_program(void **state)
{
	struct scenario *s = scenario_of(
		"version: 1\n"
		"programs: {a: {run: x, ready: listening}, b: {run: y}, "
		"c: {run: z}}\n"
		"expect:\n"
		"  b: {exit: [0, 3..5], time: ..1s, stdout: [one, /t.o/], "
		"no_stderr: bad}\n"
		"  allow: crash\n"
		"  a: {alive: true, allow: [hang, spin]}\n"
		"  c: {exit: nonzero}\n");
	const struct expectation *b = &s->expects[0], *a = &s->expects[1];

	(void)state;
	assert_int_equal(s->n_expects, 3);
	assert_int_equal(b->program, 1);
	assert_true(b->exit.given && !b->exit.nonzero);
	assert_int_equal(b->exit.n, 2);
	assert_true(b->exit.v[0].min == 0 && b->exit.v[0].max == 0);
	assert_true(b->exit.v[1].min == 3 && b->exit.v[1].max == 5);
	assert_int_equal(b->exit.loc.column, 13);
	assert_int_equal(b->alive, -1);
	assert_true(b->has_time && b->time_ns.max == 1000000000);
	assert_int_equal(b->out.n, 2);
	assert_string_equal(b->out.v[0].text, "one");
	assert_string_equal(b->out.v[1].text, "t.o");
	assert_true(b->out.v[1].regex);
	assert_int_equal(b->no_err.n, 1);
	assert_int_equal(b->allow, 1u << VERDICT_CRASH);
	assert_int_equal(a->program, 0);
	assert_int_equal(a->alive, 1);
	assert_int_equal(a->allow, 1u << VERDICT_CRASH | 1u << VERDICT_HANG |
	                                   1u << VERDICT_SPIN);
	assert_true(s->expects[2].exit.nonzero);
	assert_int_equal(s->expects[2].allow, 1u << VERDICT_CRASH);
	scenario_free(s);
}

/* One of each error that only a size can make. */
static void expect_error(char *text, size_t len, const char *message)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	assert_int_equal(suite_parse(text, len, "x", NULL, &suite, &diags),
	                 -EINVAL);
	assert_string_equal(diags.v[0].message, message);
	diag_list_release(&diags);
}

static void ten_megabytes_are_refused(void **state)
{
	size_t len = 10 << 20;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	expect_error(text, len, "the file is larger than 1 MiB");
	free(text);
}

/* "version: 1" and n times a piece in a list under a key. */
static char *repeat(const char *head, const char *piece, size_t n,
                    const char *tail)
{
	char *text =
		malloc(strlen(head) + n * strlen(piece) + strlen(tail) + 1);
	char *p = text;

	assert_non_null(text);
	p = stpcpy(p, head);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, piece);
	strcpy(p, tail);
	return text;
}

static void too_many_of_anything_are_refused(void **state)
{
	static const struct {
		const char *head, *piece, *tail, *message;
		size_t n;
	} cases[] = {
		{"version: 1\nfaults: [", "{call: recv, inject: reset},", "]\n",
	         "more than 10000 rules", 10001},
		{"version: 1\nname: &a [", "x,", "]\nfaults: [*a, *a]\n",
	         "the aliases expand to more than 100000 nodes", 60000},
		{"version: 1\nname: ", "[", "\n",
	         "lists and maps more than 64 deep", 500000},
		{"version: 1\nname: ", "{a: ", "\n",
	         "lists and maps more than 64 deep", 100000},
		{"version: 1\nfaults: [{call: [", "recv,", "]}]\n",
	         "too long a list of calls", 1000},
		{"version: 1\nname: [", "&a x,", "]\n",
	         "more than 1000 anchors", 1001},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		char *text = repeat(cases[i].head, cases[i].piece, cases[i].n,
		                    cases[i].tail);

		expect_error(text, strlen(text), cases[i].message);
		free(text);
	}
}

static void very_many_errors_are_kept_few(void **state)
{
	char *text = repeat("version: 1\nfaults: [", "{cal: recv, injct: x},",
	                    10000, "]\n");
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	(void)state;
	assert_int_equal(
		suite_parse(text, strlen(text), "x", NULL, &suite, &diags),
		-EINVAL);
	assert_true(diags.n >= 100 && diags.n <= 250);
	diag_list_release(&diags);
	free(text);
}

static void ten_thousand_rules_are_read(void **state)
{
	char *text = repeat("version: 1\nfaults:\n",
	                    "  - {call: recv, inject: reset, nth: 3, port: 80, "
	                    "hits: 1}\n",
	                    10000, "");
	struct suite *suite = parse(text, NULL);
	struct scenario *s = bind_case(suite, 0, NULL);

	(void)state;
	assert_int_equal(s->n_rules, 10000);
	assert_int_equal(s->rules[9999].loc.line, 10002);
	scenario_free(s);
	suite_free(suite);
	free(text);
}

static void memory_that_ends_is_an_error_and_no_leak(void **state)
{
	static const char text[] =
		"version: 1\nvars: {a: b}\nmatrix: {io: [x, y]}\n"
		"programs: {a: {run: 'x ${io} ${a}'}}\n"
		"faults: [{call: recv, inject: reset, nth: 3}]\n"
		"expect: {a: {stdout: [a, /b/]}}\n";
	bool done = false;

	(void)state;
	for (size_t budget = 0; !done; budget += 512) {
		struct diag_list diags = {0};
		struct suite *suite = NULL;
		int r = suite_parse_within(budget, text, sizeof(text) - 1, "x",
		                           NULL, &suite, &diags);

		assert_true(budget < 1 << 20);
		done = r == 0;
		if (done)
			suite_free(suite);
		else
			assert_int_equal(r, -ENOMEM);
		diag_list_release(&diags);
	}
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	static const struct {
		const char *path, *message;
		int r;
	} cases[] = {
		{"/nonexistent/x.yaml",
	         "cannot be read: No such file or directory", -ENOENT},
		{"/", "cannot be read: Is a directory", -EISDIR},
		{"/dev/null", "cannot be read: it is no regular file", -EINVAL},
		{"-",
	         "cannot be read: a scenario is a file, not standard input",
	         -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct diag_list diags = {0};
		struct suite *suite = NULL;
		char said[256];

		assert_int_equal(
			suite_load(cases[i].path, NULL, &suite, &diags),
			cases[i].r);
		assert_int_equal(diags.n, 1);
		assert_string_equal(diags.v[0].message, cases[i].message);
		assert_int_equal(diags.v[0].line, 0);
		diag_format(&diags.v[0], said, sizeof(said));
		assert_non_null(strchr(said, '\n'));
		diag_list_release(&diags);
	}
}

static void a_fifo_is_not_waited_for(void **state)
{
	char dir[] = "/tmp/fault-lang.XXXXXX", path[64];
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(suite_load(path, NULL, &suite, &diags), -EINVAL);
	unlink(path);
	rmdir(dir);
	diag_list_release(&diags);
}

/* Of a long line so much is shown, around the place, as 80 columns hold. */
static void a_long_line_is_shown_in_part(void **state)
{
	static const unsigned blanks[] = {0, 50, 200};
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	char text[512], whole[512];

	(void)state;
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
		int len = snprintf(text, sizeof(text),
		                   "version: 1\nprograms: {a: {run: x,%*s "
		                   "faulst: %0100d}}\n",
		                   (int)blanks[i], "", 0);
		const char *line, *caret;

		assert_int_equal(suite_parse(text, (size_t)len, "x", NULL,
		                             &suite, &diags),
		                 -EINVAL);
		diag_format(&diags.v[0], whole, sizeof(whole));
		line = strchr(whole, '\n') + 1;
		caret = strchr(line, '\n') + 1;
		assert_in_range(caret - 1 - line, 70, 79);
		assert_memory_equal(line + (strchr(caret, '^') - caret),
		                    "faulst", 6);
		diag_list_release(&diags);
	}
}

static void a_diagnostic_is_cut_at_the_size_of_its_buffer(void **state)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	char whole[512], part[32];
	size_t len;

	(void)state;
	assert_int_equal(suite_parse("version: 1\nfaulst: []\n", 22, "x", NULL,
	                             &suite, &diags),
	                 -EINVAL);
	len = diag_format(&diags.v[0], whole, sizeof(whole));
	assert_string_equal(whole, "x:2:1: unknown key `faulst`, did you mean "
	                           "`faults`?\n"
	                           "      2 | faulst: []\n"
	                           "        | ^\n");
	assert_int_equal(len, strlen(whole));
	assert_int_equal(diag_format(&diags.v[0], part, sizeof(part)), len);
	assert_memory_equal(part, whole, sizeof(part) - 1);
	assert_int_equal(part[sizeof(part) - 1], '\0');
	diag_list_release(&diags);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_without_matrix_is_one_case),
		cmocka_unit_test(an_id_is_one_line),
		cmocka_unit_test(a_matrix_multiplies_in_the_order_written),
		cmocka_unit_test(values_from_outside_win),
		cmocka_unit_test(
			a_name_without_a_value_at_run_time_is_an_error),
		cmocka_unit_test(a_program_has_what_its_keys_say),
		cmocka_unit_test(what_is_not_given_has_its_default),
		cmocka_unit_test(a_variable_with_a_space_stays_one_word),
		cmocka_unit_test(expectations_are_by_program),
		cmocka_unit_test(ten_megabytes_are_refused),
		cmocka_unit_test(too_many_of_anything_are_refused),
		cmocka_unit_test(very_many_errors_are_kept_few),
		cmocka_unit_test(ten_thousand_rules_are_read),
		cmocka_unit_test(memory_that_ends_is_an_error_and_no_leak),
		cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
		cmocka_unit_test(a_fifo_is_not_waited_for),
		cmocka_unit_test(a_long_line_is_shown_in_part),
		cmocka_unit_test(a_diagnostic_is_cut_at_the_size_of_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
