/*
 * test_runner_options.c - the command line of the subcommands (options.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/options.h"

enum {
	OPT_SEED = 1,
	OPT_VERBOSE,
	OPT_SCENARIO,
	OPT_SEEDS
};

static const struct option_spec specs[] = {
	{OPT_SEED, 0, "seed", "N", "a seed"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "more"},
	{OPT_SCENARIO, 's', "scenario", "FILE", "a file"},
	{OPT_SEEDS, 0, "seeds", "N", "many"},
};

static const struct command_help help = {
	"test", "[OPTION]...", "A test.", specs, 4, NULL};

/* What comes out: "1=3 2 operand" */
static void parse(char *const *argv, bool operands_last, char *buf, size_t size)
{
	int argc = 0, id;
	struct options o;

	while (argv[argc])
		argc++;
	o = options_start(&help, argc, (char **)(uintptr_t)argv);
	o.operands_last = operands_last;
	buf[0] = '\0';
	while ((id = options_next(&o)) != OPTION_DONE) {
		size_t at = strlen(buf);

		if (id == OPTION_EXIT) {
			snprintf(buf + at, size - at, "exit %d", o.exit_code);
			return;
		}
		if (id == OPTION_OPERAND)
			snprintf(buf + at, size - at, "%s ", o.value);
		else
			snprintf(buf + at, size - at, "%d=%s ", id,
			         o.value ? o.value : "");
	}
}

static void options_are_parsed(void **state)
{
	static const struct {
		const char *argv[8];
		bool last;
		const char *want;
	} rows[] = {
		{{"test"}, false, ""},
		{{"test", "--seed", "3", "x"}, false, "1=3 x "},
		{{"test", "--seed=3"}, false, "1=3 "},
		{{"test", "--seed="}, false, "1= "},
		{{"test", "--verb"}, false, "2= "},
		{{"test", "-vvsf", "x"}, false, "2= 2= 3=f x "},
		{{"test", "-s", "f"}, false, "3=f "},
		{{"test", "x", "-v", "y"}, false, "x 2= y "},
		{{"test", "-v", "x", "-v"}, true, "2= x -v "},
		{{"test", "--", "-v", "--seed"}, false, "-v --seed "},
		{{"test", "-"}, false, "- "},
		{{"test", "--see", "1"}, false, "exit 2"},
		{{"test", "--sede"}, false, "exit 2"},
		{{"test", "-q"}, false, "exit 2"},
		{{"test", "--seed"}, false, "exit 2"},
		{{"test", "-s"}, false, "exit 2"},
		{{"test", "--verbose=1"}, false, "exit 2"},
		{{"test", "--=x"}, false, "exit 2"},
		{{"test", "-h"}, false, "exit 0"},
		{{"test", "--help"}, false, "exit 0"},
	};
	char got[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse((char *const *)(uintptr_t)rows[i].argv, rows[i].last, got,
		      sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
}

static void the_nearest_word_is_suggested(void **state)
{
	static const char *const words[] = {"run", "exec", "trace"};
	char buf[64];

	(void)state;
	assert_string_equal(options_suggest("exce", words, 3, buf, sizeof(buf)),
	                    ", did you mean `exec`?");
	assert_string_equal(
		options_suggest("zzzzzzzz", words, 3, buf, sizeof(buf)),
		", there are run, exec, trace");
	assert_string_equal(options_suggest("zzzzzzzz", words, 3, buf, 27), "");
}

static void numbers_are_whole_strings(void **state)
{
	uint64_t v = 1;

	(void)state;
	assert_int_equal(parse_u64("0x10", &v), 0);
	assert_int_equal(v, 16);
	assert_int_equal(parse_u64("18446744073709551615", &v), 0);
	assert_int_equal(parse_u64("18446744073709551616", &v), -EINVAL);
	assert_int_equal(parse_u64("", &v), -EINVAL);
	assert_int_equal(parse_u64("-1", &v), -EINVAL);
	assert_int_equal(parse_u64(" 1", &v), -EINVAL);
	assert_int_equal(parse_u64("1k", &v), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_parsed),
		cmocka_unit_test(the_nearest_word_is_suggested),
		cmocka_unit_test(numbers_are_whole_strings),
	};

	return cmocka_run_group_tests_name("runner: options", tests, NULL,
	                                   NULL);
}
