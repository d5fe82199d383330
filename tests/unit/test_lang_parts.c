/*
 * test_lang_parts.c - `cases` and `use`: what lies over what, and which file
 * its places are in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/suite.h"

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/fault-parts.XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct suite *load(const char *path, const struct suite_vars *vars)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	if (suite_load(path, vars, &suite, &diags))
		fail_msg("%s:%u:%u: %s", diags.v[0].file, diags.v[0].line,
		         diags.v[0].column, diags.v[0].message);
	assert_int_equal(diags.n, 0);
	return suite;
}

static struct scenario *bind_case(const struct suite *suite, size_t i,
                                  const struct suite_vars *vars)
{
	struct diag_list diags = {0};
	struct scenario *s = NULL;

	if (suite_bind(suite, i, vars, &s, &diags))
		fail_msg("%s:%u:%u: %s", diags.v[0].file, diags.v[0].line,
		         diags.v[0].column, diags.v[0].message);
	diag_list_release(&diags);
	return s;
}

/* The first case of a file; the suite is gone by then. */
static struct scenario *scenario_of(const char *path)
{
	struct suite *suite = load(path, NULL);
	struct scenario *s = bind_case(suite, 0, NULL);

	suite_free(suite);
	return s;
}

static void is_refused(const char *path, const char *file, unsigned line,
                       const char *message)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	assert_int_equal(suite_load(path, NULL, &suite, &diags), -EINVAL);
	assert_int_equal(diags.n, 1);
	assert_string_equal(diags.v[0].message, message);
	assert_string_equal(diags.v[0].file, file);
	assert_int_equal(diags.v[0].line, line);
	diag_list_release(&diags);
}

static void each_case_is_a_test_with_its_own_matrix(void **state)
{
	static const struct {
		const char *id, *name, *argument;
	} cases[] = {
		{"x.yaml::plain[io=poll]", "all", "poll"},
		{"x.yaml::plain[io=epoll]", "all", "epoll"},
		{"x.yaml::2-more[io=poll,n=1]", "more 1", "poll"},
		{"x.yaml::2-more[io=poll,n=2]", "more 2", "poll"},
		{"x.yaml::2-more[io=epoll,n=1]", "more 1", "epoll"},
		{"x.yaml::2-more[io=epoll,n=2]", "more 2", "epoll"},
		{"x.yaml::own[io=uring]", "all", "uring"},
		{"x.yaml::fixed", "all", "select"},
	};
	struct suite *suite;

	(void)state;
	write_file("x.yaml", "version: 1\nname: all\n"
	                     "matrix: {io: [poll, epoll]}\n"
	                     "programs: {a: {run: 'x ${io}'}}\n"
	                     "cases:\n"
	                     "  plain: {}\n"
	                     "  2-more: {name: 'more ${n}', matrix: {n: [1, "
	                     "2]}}\n"
	                     "  own: {matrix: {io: [uring]}}\n"
	                     "  fixed: {vars: {io: select}}\n");
	suite = load("x.yaml", NULL);
	assert_int_equal(suite_n_cases(suite), LENGTH(cases));
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct scenario *s = bind_case(suite, i, NULL);

		assert_string_equal(suite_case_id(suite, i), cases[i].id);
		assert_string_equal(suite_case_name(suite, i), cases[i].name);
		assert_string_equal(s->name, cases[i].name);
		assert_string_equal(s->programs[0].argv[1], cases[i].argument);
		scenario_free(s);
	}
	suite_free(suite);
}

static const char *pinned(void *context, const char *name)
{
	return strcmp(name, context) == 0 ? "pinned" : NULL;
}

static void a_value_from_outside_pins_the_matrix_of_all_cases(void **state)
{
	char io[] = "io";
	struct suite_vars vars = {pinned, io};
	struct suite *suite;

	(void)state;
	write_file("x.yaml",
	           "version: 1\nprograms: {a: {run: 'x ${io}'}}\n"
	           "matrix: {io: [poll, epoll]}\n"
	           "cases: {a: {}, b: {matrix: {io: [uring, select]}}}\n");
	suite = load("x.yaml", &vars);
	assert_int_equal(suite_n_cases(suite), 2);
	assert_string_equal(suite_case_id(suite, 0), "x.yaml::a[io=pinned]");
	assert_string_equal(suite_case_id(suite, 1), "x.yaml::b[io=pinned]");
	suite_free(suite);
}

/* `use` underneath, the file, the case on top. */
static void maps_merge_faults_append_the_rest_is_replaced(void **state)
{
	struct scenario *s;

	(void)state;
	write_file("_part.yaml",
	           "version: 1\nlimit: 1s\ntags: [a, b]\nabout: part\n"
	           "programs:\n"
	           "  server: {run: server, ready: listening}\n"
	           "  client: {run: part, env: {A: part, B: part}}\n"
	           "faults: [{name: one, call: recv, inject: reset}]\n"
	           "expect: {client: {exit: 3, stdout: part}}\n");
	write_file("y.yaml",
	           "version: 1\nuse: _part.yaml\nlimit: 2s\ntags: [c]\n"
	           "programs: {client: {run: file, env: {B: file, C: file}}}\n"
	           "faults: [{name: two, call: send, inject: reset}]\n"
	           "expect: {server: {exit: 4}}\n"
	           "cases:\n"
	           "  on-top:\n"
	           "    limit: 3s\n"
	           "    programs: {client: {env: {C: case}}, late: {run: x}}\n"
	           "    faults: [{name: three, call: send, inject: reset,"
	           " after: one}]\n"
	           "    expect: {client: {signal: KILL}}\n");
	s = scenario_of("y.yaml");
	assert_true(s->limit_ns == 3000000000);
	assert_string_equal(s->about, "part");
	assert_int_equal(s->n_tags, 1);
	assert_string_equal(s->tags[0], "c");
	assert_int_equal(s->n_programs, 3);
	assert_string_equal(s->programs[0].name, "server");
	assert_string_equal(s->programs[1].name, "client");
	assert_string_equal(s->programs[2].name, "late");
	assert_string_equal(s->programs[1].argv[0], "file");
	assert_int_equal(s->programs[1].n_env, 3);
	assert_string_equal(s->programs[1].env[0].value, "part");
	assert_string_equal(s->programs[1].env[1].value, "file");
	assert_string_equal(s->programs[1].env[2].value, "case");
	assert_int_equal(s->n_rules, 3);
	assert_string_equal(s->rules[0].name, "one");
	assert_string_equal(s->rules[1].name, "two");
	assert_string_equal(s->rules[2].name, "three");
	assert_int_equal(s->rules[2].after_rule, 0);
	/* one end is expected, the one that was written last */
	assert_int_equal(s->n_expects, 2);
	assert_int_equal(s->expects[0].program, 1);
	assert_false(s->expects[0].exit.given);
	assert_int_equal(s->expects[0].signal, SIGKILL);
	assert_string_equal(s->expects[0].out.v[0].text, "part");
	assert_int_equal(s->expects[1].exit.v[0].min, 4);
	scenario_free(s);
}

static void a_place_names_its_own_file(void **state)
{
	struct scenario *s;

	(void)state;
	assert_true(mkdir("deep", 0700) == 0 || errno == EEXIST);
	write_file("deep/_p.yaml", "version: 1\n"
	                           "programs: {a: {run: x}}\n"
	                           "faults:\n"
	                           "  - {call: recv, inject: reset}\n"
	                           "expect: {a: {stdout: part}}\n");
	write_file("z.yaml", "version: 1\nuse: deep/_p.yaml\n\n\n\n\n"
	                     "faults: [{call: send, inject: reset}]\n"
	                     "expect: {a: {stderr: file}}\n");
	s = scenario_of("z.yaml");
	assert_string_equal(s->programs[0].loc.file, "deep/_p.yaml");
	assert_int_equal(s->programs[0].loc.line, 2);
	assert_string_equal(s->rules[0].loc.file, "deep/_p.yaml");
	assert_int_equal(s->rules[0].loc.line, 4);
	assert_int_equal(s->rules[0].loc.column, 5);
	assert_string_equal(s->rules[0].actions[0].loc.file, "deep/_p.yaml");
	assert_string_equal(s->rules[1].loc.file, "z.yaml");
	assert_int_equal(s->rules[1].loc.line, 7);
	assert_string_equal(s->expects[0].out.v[0].loc.file, "deep/_p.yaml");
	assert_string_equal(s->expects[0].err.v[0].loc.file, "z.yaml");
	assert_int_equal(s->expects[0].err.v[0].loc.line, 8);
	scenario_free(s);
	/* what is found out from the model's places, not from the nodes' */
	write_file("deep/_p.yaml", "version: 1\n\n\n"
	                           "faults: [{call: recv, inject: {error: "
	                           "EPIPE}}]\n");
	write_file("z.yaml", "version: 1\nuse: deep/_p.yaml\n");
	is_refused("z.yaml", "deep/_p.yaml", 4,
	           "`recv` cannot fail with EPIPE");
}

static const char *absolute_here(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "here") == 0 ? "/suites" : NULL;
}

static void here_is_the_folder_of_the_file_that_says_so(void **state)
{
	struct suite_vars run = {absolute_here, NULL};
	struct suite *suite;
	struct scenario *s;

	(void)state;
	assert_true(mkdir("deep", 0700) == 0 || errno == EEXIST);
	assert_true(mkdir("deep/er", 0700) == 0 || errno == EEXIST);
	write_file("deep/_p.yaml",
	           "version: 1\nuse: er/_q.yaml\nvars: {data: '${here}/d'}\n"
	           "programs: {a: {run: ['${here}/a', '${data}', "
	           "'${mine}']}}\n");
	write_file("deep/er/_q.yaml",
	           "version: 1\nprograms: {q: {run: '${here}/q ${data}'}}\n");
	write_file("h.yaml",
	           "version: 1\nuse: deep/_p.yaml\nvars: {mine: '${here}/m'}\n"
	           "programs: {b: {run: '${here}/b ${data} ${mine}'}}\n");
	suite = load("h.yaml", NULL);
	s = bind_case(suite, 0, &run);
	assert_string_equal(s->programs[0].argv[0], "/suites/deep/er/q");
	assert_string_equal(s->programs[0].argv[1], "/suites/deep/d");
	assert_string_equal(s->programs[1].argv[0], "/suites/deep/a");
	assert_string_equal(s->programs[1].argv[1], "/suites/deep/d");
	assert_string_equal(s->programs[1].argv[2], "/suites/m");
	assert_string_equal(s->programs[2].argv[0], "/suites/b");
	assert_string_equal(s->programs[2].argv[1], "/suites/deep/d");
	assert_string_equal(s->programs[2].argv[2], "/suites/m");
	scenario_free(s);
	suite_free(suite);
	s = scenario_of("h.yaml"); /* stand-ins */
	assert_string_equal(s->programs[0].argv[0], "./deep/er/q");
	assert_string_equal(s->programs[2].argv[0], "./b");
	scenario_free(s);
}

static void a_part_counts_once_however_many_use_it(void **state)
{
	struct suite *suite;
	struct scenario *s;

	(void)state;
	write_file("_d.yaml", "version: 1\nfaults: [{name: d, call: recv, "
	                      "inject: reset}]\n");
	write_file("_b.yaml", "version: 1\nuse: _d.yaml\nfaults: [{name: b, "
	                      "call: recv, inject: reset}]\n");
	write_file("_c.yaml", "version: 1\nuse: ./_d.yaml\nfaults: [{name: c, "
	                      "call: recv, inject: reset}]\n");
	write_file("e.yaml", "version: 1\nuse: [_b.yaml, _c.yaml]\n"
	                     "cases: {one: {use: _d.yaml}, two: {}}\n");
	suite = load("e.yaml", NULL);
	for (size_t i = 0; i < 2; i++) {
		s = bind_case(suite, i, NULL);
		assert_int_equal(s->n_rules, 3);
		assert_string_equal(s->rules[0].name, "d");
		assert_string_equal(s->rules[1].name, "b");
		assert_string_equal(s->rules[2].name, "c");
		scenario_free(s);
	}
	suite_free(suite);
}

/* Each uses the one behind it. */
static void write_chain(unsigned n)
{
	char name[32], text[128];

	for (unsigned i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "_%u.yaml", i);
		snprintf(text, sizeof(text),
		         i < n ? "version: 1\nuse: _%u.yaml\n"
		               : "version: 1\n"
		                 "faults: [{call: recv, inject: reset}]\n",
		         i + 1);
		write_file(name, text);
	}
}

static void too_many_parts_are_refused(void **state)
{
	struct scenario *s;

	(void)state;
	write_file("w.yaml", "version: 1\nuse: _1.yaml\n");
	write_chain(64);
	s = scenario_of("w.yaml");
	assert_int_equal(s->n_rules, 1);
	scenario_free(s);
	write_chain(65);
	is_refused("w.yaml", "_64.yaml", 2, "more than 64 files are used");
}

static void a_part_that_is_too_large_is_refused(void **state)
{
	char *text = malloc(MAX_TEXT + 64);

	(void)state;
	assert_non_null(text);
	strcpy(text, "version: 1\n#");
	memset(text + 12, 'x', MAX_TEXT);
	text[MAX_TEXT + 12] = '\0';
	write_file("_large.yaml", text);
	free(text);
	write_file("v.yaml", "version: 1\nuse: _large.yaml\n"
	                     "faults: [{call: recv, inject: reset}]\n");
	is_refused("v.yaml", "_large.yaml", 0, "the file is larger than 1 MiB");
}

static void a_text_in_memory_uses_no_file(void **state)
{
	static const char text[] = "version: 1\nuse: _d.yaml\n"
				   "faults: [{call: recv, inject: reset}]\n";
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	(void)state;
	assert_int_equal(
		suite_parse(text, strlen(text), "e.yaml", NULL, &suite, &diags),
		-EINVAL);
	assert_string_equal(diags.v[0].message, "`use` needs a file to be in");
	diag_list_release(&diags);
}

/* A tree of maps, of one text per key. */
static struct node *program_of(struct arena *a, const char *kind)
{
	struct mark at = {1, 1, NULL};
	struct node *top = node_new(a, NODE_MAP, at);
	struct node *programs = node_new(a, NODE_MAP, at);
	struct node *program = node_new(a, NODE_MAP, at);

	node_add_pair(a, program, node_scalar(a, at, kind),
	              node_scalar(a, at, "x"));
	node_add_pair(a, program, node_scalar(a, at, "count"),
	              node_scalar(a, at, "2"));
	node_add_pair(a, programs, node_scalar(a, at, "p"), program);
	node_add_pair(a, top, node_scalar(a, at, "programs"), programs);
	return top;
}

static int merge_kinds(void *context)
{
	struct arena *a = context;
	struct node *run = program_of(a, "run");
	struct node *listen = program_of(a, "listen"), *over;
	const struct node *p;

	over = node_get(node_get(listen, "programs"), "p");
	over->n = 1; /* without `count` */
	p = node_get(node_get(tops_merge(a, run, listen), "programs"), "p");
	assert_int_equal(p->n, 1);
	assert_string_equal(p->pairs[0].key->text, "listen");
	p = node_get(node_get(tops_merge(a, run, run), "programs"), "p");
	assert_int_equal(p->n, 2);
	return 0;
}

static void a_program_of_another_kind_replaces_the_whole(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, ARENA_BUDGET);
	assert_int_equal(arena_try(&a, merge_kinds, &a), 0);
	arena_release(&a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_is_a_test_with_its_own_matrix),
		cmocka_unit_test(
			a_value_from_outside_pins_the_matrix_of_all_cases),
		cmocka_unit_test(maps_merge_faults_append_the_rest_is_replaced),
		cmocka_unit_test(a_place_names_its_own_file),
		cmocka_unit_test(here_is_the_folder_of_the_file_that_says_so),
		cmocka_unit_test(a_part_counts_once_however_many_use_it),
		cmocka_unit_test(too_many_parts_are_refused),
		cmocka_unit_test(a_part_that_is_too_large_is_refused),
		cmocka_unit_test(a_text_in_memory_uses_no_file),
		cmocka_unit_test(a_program_of_another_kind_replaces_the_whole),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
