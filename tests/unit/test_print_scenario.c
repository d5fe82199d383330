/*
 * test_print_scenario.c - a printed scenario loads as the same one.
 *
 * The files of tests/fixtures/printed are written as they are printed, with
 * every key there is: a key that the printer forgets is missing from what it
 * makes of them.  Every case of scenarios/ and every valid fixture of the
 * language is printed, loaded and printed again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/scenario.h"
#include "runner/print_scenario.h"

/* The top of the tree, from wherever the test is started. */
static void go_to_top(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	while (len > 0) {
		while (len > 0 && path[len - 1] != '/')
			len--;
		path[len] = '\0';
		if (!chdir(path) && !access("tests/fixtures/printed", F_OK))
			return;
		len--;
	}
	fail_msg("no tests/fixtures/printed");
}

static char *print(const struct scenario *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print_scenario(out, "id", s, NULL);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void say(const struct diag_list *diags)
{
	char said[4096];

	for (size_t i = 0; i < diags->n; i++) {
		diag_format(&diags->v[i], said, sizeof(said));
		fputs(said, stderr);
	}
}

static struct scenario *load(const char *text, const char *path)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	struct scenario *s = NULL;

	if (suite_parse(text, strlen(text), path, NULL, &suite, &diags) < 0 ||
	    suite_bind(suite, 0, NULL, &s, &diags) < 0) {
		say(&diags);
		fail_msg("what is printed of %s does not load:\n%s", path,
		         text);
	}
	assert_int_equal(suite_n_cases(suite), 1);
	suite_free(suite);
	diag_list_release(&diags);
	return s;
}

/* The plan but for where its rules stood and how they were written. */
static void *compile(struct scenario *s, const char *path, size_t *ret_len)
{
	struct plan_options options = {.seed = 1};
	struct diag_list diags = {0};
	void *plan = NULL;

	for (size_t i = 0; i < s->n_rules; i++) {
		s->rules[i].loc = (struct source_loc){path, 1, 1};
		s->rules[i].text[0] = '\0';
	}
	assert_int_equal(scenario_plan(s, &options, &plan, ret_len, &diags), 0);
	diag_list_release(&diags);
	return plan;
}

static void check_plans(struct scenario *a, struct scenario *b,
                        const char *path)
{
	size_t len_a, len_b;
	void *plan_a = compile(a, path, &len_a);
	void *plan_b = compile(b, path, &len_b);

	if (len_a != len_b || memcmp(plan_a, plan_b, len_a) != 0)
		fail_msg("%s: printed and loaded, its faults are others", path);
	free(plan_a);
	free(plan_b);
}

/* Prints, loads, prints; takes the scenario. */
static void check_round(struct scenario *s, const char *path)
{
	char *first = print(s), *second;
	struct scenario *again = load(first, path);

	second = print(again);
	if (strcmp(first, second) != 0)
		fail_msg("%s: printed\n%sand then\n%s", path, first, second);
	check_plans(s, again, path);
	scenario_free(s);
	scenario_free(again);
	free(first);
	free(second);
}

/* Every case of a file; one that is not valid is none of ours. */
static size_t check_file(const char *path)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	size_t n = 0;

	if (suite_load(path, NULL, &suite, &diags) == 0) {
		n = suite_n_cases(suite);
		for (size_t i = 0; i < n; i++) {
			struct scenario *s = NULL;

			assert_int_equal(suite_bind(suite, i, NULL, &s, &diags),
			                 0);
			check_round(s, path);
		}
		suite_free(suite);
	}
	diag_list_release(&diags);
	return n;
}

/* Every YAML file below a folder; how many cases they had. */
static size_t check_folder(char *folder)
{
	char *paths[] = {folder, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	size_t n = 0;

	assert_non_null(fts);
	while ((e = fts_read(fts))) {
		if (e->fts_info == FTS_F && e->fts_namelen > 5 &&
		    !strcmp(e->fts_name + e->fts_namelen - 5, ".yaml") &&
		    e->fts_name[0] != '_')
			n += check_file(e->fts_path);
	}
	fts_close(fts);
	return n;
}

static void every_scenario_is_printed_as_itself(void **state)
{
	char folder[] = "scenarios";

	(void)state;
	assert_true(check_folder(folder) >= 80);
}

static void every_valid_fixture_is_printed_as_itself(void **state)
{
	char folder[] = "tests/fixtures/lang";

	(void)state;
	assert_true(check_folder(folder) >= 20);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t len = f ? getdelim(&text, &size, '\0', f) : -1;

	if (len < 0)
		fail_msg("cannot read %s", path);
	fclose(f);
	return text;
}

/* The file is what is printed of it. */
static void check_canonical(const char *path)
{
	char *text = read_file(path), *printed;
	struct scenario *s = load(text, path);

	printed = print(s);
	if (strcmp(text, printed) != 0)
		fail_msg("%s is printed as\n%s", path, printed);
	check_round(s, path);
	free(text);
	free(printed);
}

static void every_key_is_printed(void **state)
{
	(void)state;
	check_canonical("tests/fixtures/printed/every-key.yaml");
	check_canonical("tests/fixtures/printed/faults-alone.yaml");
	check_canonical("tests/fixtures/printed/texts.yaml");
}

/* A key that is new belongs into the fixture, else it is not seen above. */
static void the_fixture_has_every_key_of_a_rule(void **state)
{
	char *text = read_file("tests/fixtures/printed/every-key.yaml");
	size_t n;
	const char *const *words = lang_rule_keys(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s: ", words[i]);
		if (!strstr(text, key))
			fail_msg("every-key.yaml has no `%s`", words[i]);
	}
	for (size_t i = 0; i < N_ACTIONS; i++) {
		if (!strstr(text, fault_actions[i].word))
			fail_msg("every-key.yaml has no `%s`",
			         fault_actions[i].word);
	}
	free(text);
}

static char *print_pick_of(const char *pick)
{
	char text[256], *printed, *nth, *end;
	struct scenario *s;

	snprintf(text, sizeof(text),
	         "version: 1\nfaults: [{call: recv, nth: \"%s\", inject: "
	         "reset}]\n",
	         pick);
	s = load(text, "pick");
	printed = print(s);
	scenario_free(s);
	nth = strstr(printed, "nth: ");
	assert_non_null(nth);
	end = strchr(nth, ',');
	assert_non_null(end);
	*end = '\0';
	memmove(printed, nth + 5, strlen(nth + 5) + 1);
	return printed;
}

static void picks_and_parts_are_exact(void **state)
{
	static const char *const picks[] = {
		"3",         "2..5",    "3+",     "3+2",     "3..9+2",
		"10%",       "100%",    "0.1%",   "12.5%",   "33.333333%",
		"0.000001%", "99.999%", "3..3+2", "0.0625%", "99.999999%",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		char *printed = print_pick_of(picks[i]);

		assert_string_equal(printed, picks[i]);
		free(printed);
	}
}

/* Every character of one byte, and those that YAML has its own mind about. */
static void any_text_comes_back(void **state)
{
	static const char *const wide[] = {
		"\xc2\x80",         "\xc2\x85",     "\xc2\x9f",
		"\xc2\xa0",         "\xc3\xa9",     "\xe2\x80\xa8",
		"\xe2\x80\xa9",     "\xef\xbb\xbf", "\xef\xbf\xbe",
		"\xf0\x9f\x98\x80",
	};
	struct scenario *s = scenario_new(), *again;
	char text[512], *printed, *argv[] = {text, NULL};
	size_t n = 0;

	(void)state;
	assert_non_null(s);
	for (char c = 1; c < 0x7f; c++)
		text[n++] = c;
	text[n++] = 0x7f;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		n += (size_t)sprintf(text + n, "%s", wide[i]);
	strcpy(text + n, "${port}$${x}$$${y}$");
	assert_int_equal(scenario_add_program(s, "p", argv), 0);
	printed = print(s);
	again = load(printed, "text");
	assert_string_equal(again->programs[0].argv[0], text);
	free(printed);
	scenario_free(s);
	scenario_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_printed),
		cmocka_unit_test(the_fixture_has_every_key_of_a_rule),
		cmocka_unit_test(picks_and_parts_are_exact),
		cmocka_unit_test(any_text_comes_back),
		cmocka_unit_test(every_scenario_is_printed_as_itself),
		cmocka_unit_test(every_valid_fixture_is_printed_as_itself),
	};

	go_to_top();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
