/*
 * test_runner_glob.c - globs of ids and names, row by row.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "runner/glob.h"

static const struct {
	const char *pattern, *text;
	bool as_path, wanted;
} rows[] = {
	{"a.yaml", "a.yaml", true, true},
	{"a.yaml", "a.yamlx", true, false},
	{"", "", true, true},
	{"", "a", true, false},
	{"*", "", true, true},
	{"*", "abc", true, true},
	{"*", "a/b", true, false},
	{"*", "a/b", false, true},
	{"**", "a/b/c", true, true},
	{"?", "a", true, true},
	{"?", "/", true, false},
	{"?", "/", false, true},
	{"?", "", true, false},
	{"*.yaml", "x.yaml", true, true},
	{"*.yaml", "d/x.yaml", true, false},
	{"s/**/c-*", "s/c-x.yaml", true, true},
	{"s/**/c-*", "s/d/c-x.yaml", true, true},
	{"s/**/c-*", "s/d/e/c-x.yaml", true, true},
	{"s/**/c-*", "s/d/xc-x.yaml", true, false},
	{"s/**/c-*", "s/xc-x.yaml", true, false},
	{"**/a*", "s/more/b.yaml", true, false},
	{"**/a*", "a.yaml", true, true},
	{"x**/a", "xa", true, false},
	{"x**/a", "xyz/a", true, true},
	{"*[n=1]", "a.yaml[n=1]", true, true},
	{"*[n=1]", "a.yamln", true, false},
	{"a*b*c", "a-b-b-c", true, true},
	{"a*b*c", "a-c-b", true, false},
	{"***", "a/b", true, true},
};

static void each_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *t = rows[i].text;

		if (glob_match(rows[i].pattern, t, strlen(t),
		               rows[i].as_path) != rows[i].wanted)
			fail_msg("`%s` and `%s`", rows[i].pattern, t);
	}
}

static void only_the_given_length_counts(void **state)
{
	(void)state;
	assert_true(glob_match("ab*", "abcdef", 3, true));
	assert_false(glob_match("abcd", "abcdef", 3, true));
}

/* What tries each star at each place would need years. */
static void many_stars_take_no_time(void **state)
{
	char pattern[200], text[2000];

	(void)state;
	for (size_t i = 0; i < 98; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcpy(pattern + 196, "b");
	memset(text, 'a', sizeof(text));
	assert_false(glob_match(pattern, text, sizeof(text), true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(only_the_given_length_counts),
		cmocka_unit_test(many_stars_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
