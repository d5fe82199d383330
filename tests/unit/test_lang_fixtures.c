/*
 * test_lang_fixtures.c - files of tests/fixtures/lang and what is said of them.
 *
 * NAME.yaml is loaded and each of its cases bound, as `fault check` does it;
 * what is said, word for word, is NAME.err (no file: nothing, all is valid).
 * A mistake in the language gets a fixture here.  UPDATE=1 writes the .err
 * files anew: read the difference before you keep it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/scenario.h"

enum {
	MAX_FIXTURES = 512,
	MAX_SAID = 256 << 10
};

static char names[MAX_FIXTURES][64];
static size_t n_names;

/* The folder, from wherever the test is started. */
static int find_folder(void)
{
	static const char folder[] = "tests/fixtures/lang";
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	while (len > 0) {
		while (len > 0 && path[len - 1] != '/')
			len--;
		path[len] = '\0';
		if (!chdir(path) && !chdir(folder))
			return 0;
		len--;
	}
	return -1;
}

static void find_fixtures(void)
{
	DIR *d = opendir(".");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len <= 5 || len >= sizeof(names[0]) ||
		    strcmp(e->d_name + len - 5, ".yaml"))
			continue;
		assert_true(n_names < MAX_FIXTURES);
		memcpy(names[n_names], e->d_name, len - 5);
		n_names++;
	}
	if (d)
		closedir(d);
}

static void say(char *said, const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		size_t len = strlen(said);

		diag_format(&diags->v[i], said + len, MAX_SAID - len);
	}
}

/* Compiles what could be bound: the plan has to be sound. */
static void compile(const struct scenario *s)
{
	struct plan_options options = {.seed = 1};
	struct diag_list diags = {0};
	void *plan = NULL;
	size_t len = 0;
	const char *wrong;

	assert_int_equal(scenario_plan(s, &options, &plan, &len, &diags), 0);
	wrong = plan_check(plan, len);
	if (wrong)
		fail_msg("the plan is wrong: %s", wrong);
	free(plan);
	diag_list_release(&diags);
}

static void check(const char *name, char *said)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	char path[80];
	int r;

	snprintf(path, sizeof(path), "%s.yaml", name);
	r = suite_load(path, NULL, &suite, &diags);
	assert_true((r < 0) == (diags.n_errors > 0));
	for (size_t i = 0; r == 0 && i < suite_n_cases(suite); i++) {
		struct scenario *s = NULL;

		assert_int_equal(suite_bind(suite, i, NULL, &s, &diags), 0);
		compile(s);
		scenario_free(s);
	}
	say(said, &diags);
	suite_free(r == 0 ? suite : NULL);
	diag_list_release(&diags);
}

static void read_expected(const char *path, char *expected)
{
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(expected, 1, MAX_SAID - 1, f) : 0;

	expected[len] = '\0';
	if (f)
		fclose(f);
}

static void write_expected(const char *path, const char *said)
{
	FILE *f;

	if (!*said) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(said, f);
	fclose(f);
}

static void a_fixture_gets_its_words(void **state)
{
	const char *name = *state;
	char *said = calloc(1, MAX_SAID), *expected = calloc(1, MAX_SAID);
	char path[80];
	bool same;

	assert_non_null(said);
	assert_non_null(expected);
	snprintf(path, sizeof(path), "%s.err", name);
	check(name, said);
	if (getenv("UPDATE"))
		write_expected(path, said);
	read_expected(path, expected);
	same = !strcmp(said, expected);
	if (!same)
		print_error("%s.yaml: now it is said\n%sinstead of\n%s", name,
		            said, expected);
	free(said);
	free(expected);
	assert_true(same);
}

int main(void)
{
	static struct CMUnitTest tests[MAX_FIXTURES];

	if (find_folder() < 0) {
		fputs("tests/fixtures/lang is not above this program\n",
		      stderr);
		return 1;
	}
	find_fixtures();
	for (size_t i = 0; i < n_names; i++)
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = a_fixture_gets_its_words,
			.initial_state = names[i],
		};
	return _cmocka_run_group_tests("lang fixtures", tests, n_names, NULL,
	                               NULL);
}
