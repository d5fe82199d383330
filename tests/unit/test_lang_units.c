/*
 * test_lang_units.c - quantities: what is taken, and why it is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lang/keys.h"
#include "lang/units.h"

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

/* reason NULL: it is taken and gives value. */
struct number_case {
	const char *text;
	uint64_t value;
	const char *reason, *proposal;
};

typedef int parser(const char *s, uint64_t *ret, struct refusal *why);

static void check_numbers(parser *parse, const struct number_case *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct refusal why;
		uint64_t value = 4711;
		int r = parse(v[i].text, &value, &why);

		if (r != (v[i].reason ? -EINVAL : 0))
			fail_msg("`%s` gives %d", v[i].text, r);
		if (!v[i].reason) {
			assert_int_equal(value, v[i].value);
			continue;
		}
		assert_int_equal(value, 4711);
		assert_string_equal(why.reason, v[i].reason);
		assert_string_equal(why.proposal,
		                    v[i].proposal ? v[i].proposal : "");
	}
}

static void durations_have_a_unit(void **state)
{
	static const struct number_case cases[] = {
		{"1ns", 1, NULL, NULL},
		{"1us", 1000, NULL, NULL},
		{"200ms", 200000000, NULL, NULL},
		{"1.5s", 1500000000, NULL, NULL},
		{"0.000001s", 1000, NULL, NULL},
		{"2m", 120000000000, NULL, NULL},
		{"1h", 3600000000000, NULL, NULL},
		{"0s", 0, NULL, NULL},
		{"5", 0, "has no unit", "5s` or `5ms"},
		{"5 ms", 0, "has a space before its unit", "5ms"},
		{"5MS", 0, "has an unknown unit", "5ms"},
		{"5sec", 0, "has an unknown unit", "5s"},
		{"5 minutes", 0, "has an unknown unit", "5m"},
		{"5\xc2\xb5s", 0, "has an unknown unit", "5us"},
		{"12:30", 0, "has an unknown unit", "750s"},
		{"1d", 0, "has an unknown unit", NULL},
		{"1m30s", 0, "has an unknown unit", NULL},
		{"-1s", 0, "is negative", NULL},
		{"+1s", 0, "is not a number", NULL},
		{".5s", 0, "is not a number", NULL},
		{"1.s", 0, "has an unknown unit", NULL},
		{"", 0, "is not a number", NULL},
		{"s", 0, "is not a number", NULL},
		{"01s", 0, "begins with a zero, as an octal number", "1s"},
		{"1e3s", 0, "has an unknown unit", NULL},
		{"0.5ns", 0, "has too many decimals", NULL},
		{"0.0000001h", 0, "has too many decimals", NULL},
		{"2562047h", 9223369200000000000, NULL, NULL},
		{"2562048h", 0, "is too large", NULL},
		{"18446744073709551616ns", 0, "is too large", NULL},
		{"1ms..3ms", 0, "is a range, not a duration", "3ms"},
		{"1..3ms", 0, "is a range, not a duration", "3ms"},
		{"1..3", 0, "is a range, not a duration", "3s` or `3ms"},
		{"1s..", 0, "is a range, not a duration", "1s"},
		{"..3s", 0, "is a range, not a duration", "3s"},
		{"1s..2s..3s", 0, "is a range, not a duration", NULL},
		{"1s..x", 0, "is a range, not a duration", NULL},
		{"..", 0, "is not a number", NULL},
	};

	(void)state;
	check_numbers(units_duration, cases, LENGTH(cases));
}

static void sizes_have_a_unit(void **state)
{
	static const struct number_case cases[] = {
		{"1B", 1, NULL, NULL},
		{"64KiB", 65536, NULL, NULL},
		{"64KB", 64000, NULL, NULL},
		{"64kB", 64000, NULL, NULL},
		{"1MB", 1000000, NULL, NULL},
		{"1.5MiB", 1572864, NULL, NULL},
		{"1GiB", 1 << 30, NULL, NULL},
		{"1TiB", 1ULL << 40, NULL, NULL},
		{"0B", 0, NULL, NULL},
		{"64", 0, "has no unit", "64B"},
		{"64K", 0, "has an unknown unit", "64KB"},
		{"64k", 0, "has an unknown unit", "64KB"},
		{"64Ki", 0, "has an unknown unit", "64KiB"},
		{"64kb", 0, "has an unknown unit", "64KB"},
		{"64 KiB", 0, "has a space before its unit", "64KiB"},
		{"64B ", 0, "has an unknown unit", NULL}, /* fuzzed */
		{"64bytes", 0, "has an unknown unit", NULL},
		{"1.5B", 0, "has too many decimals", NULL},
		{"10000000TiB", 0, "is too large", NULL},
		{"0..3", 0, "is a range, not a size", "3B"},
		{"0..3B", 0, "is a range, not a size", "3B"},
		{"1KiB..", 0, "is a range, not a size", "1KiB"},
		{"1..2k", 0, "is a range, not a size", "2KB"},
		{"1.", 0, "has an unknown unit",
	         NULL}, /* read behind its end */
	};

	(void)state;
	check_numbers(units_size, cases, LENGTH(cases));
}

static void rates_are_per_second(void **state)
{
	static const struct number_case cases[] = {
		{"64KiB/s", 65536, NULL, NULL},
		{"1B/s", 1, NULL, NULL},
		{"64KiB", 0, "is not per second", "64KiB/s"},
		{"64/s", 0, "has no unit", "64B/s"},
		{"64", 0, "is not per second", "64B/s"},
		{"64K", 0, "is not per second", "64KB/s"},
		{"/s", 0, "is not a number", NULL},
		{"fast", 0, "is not per second", NULL},
		{"1MB/m", 0, "is not per second", "1MB/s"},
		{"1MB/ss", 0, "is not per second", "1MB/s"},
		{"1..3kB/s", 0, "is a range, not a rate", "3kB/s"},
		{"1..3", 0, "is a range, not a rate", "3B/s"},
	};

	(void)state;
	check_numbers(units_rate, cases, LENGTH(cases));
}

static void counts_have_none(void **state)
{
	static const struct number_case cases[] = {
		{"0", 0, NULL, NULL},
		{"5432", 5432, NULL, NULL},
		{"9223372036854775807", INT64_MAX, NULL, NULL},
		{"9223372036854775808", 0, "is too large", NULL},
		{"3s", 0, "is not a whole number", NULL},
		{"1..3", 0, "is a range, not a number", NULL},
		{"1.5", 0, "is not a whole number", NULL},
		{"010", 0, "begins with a zero, as an octal number", "10"},
		{"0x10", 0, "is not a whole number", NULL},
		{"x", 0, "is not a number", NULL},
	};

	(void)state;
	check_numbers(units_count, cases, LENGTH(cases));
}

static void a_range_has_one_end_or_two(void **state)
{
	static const struct {
		const char *text;
		int r;
		struct range range;
	} cases[] = {
		{"3", 0, {3, 3}},           {"2..5", 0, {2, 5}},
		{"2..", 0, {2, INT64_MAX}}, {"..5", 0, {INT64_MIN, 5}},
		{"0..0", 0, {0, 0}},        {"5..2", -EINVAL, {0, 0}},
		{"..", -EINVAL, {0, 0}},    {"", -EINVAL, {0, 0}},
		{"1...3", -EINVAL, {0, 0}}, {"1..2..3", -EINVAL, {0, 0}},
		{"a..b", -EINVAL, {0, 0}},  {"-1..2", -EINVAL, {0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct range range = {7, 7};

		assert_int_equal(parse_range(cases[i].text, &range),
		                 cases[i].r);
		if (cases[i].r)
			continue;
		assert_true(range.min == cases[i].range.min);
		assert_true(range.max == cases[i].range.max);
	}
}

static void a_range_of_durations_has_units_at_both_ends(void **state)
{
	struct range range;

	(void)state;
	assert_int_equal(parse_duration_range("..1s", &range), 0);
	assert_true(range.min == INT64_MIN && range.max == 1000000000);
	assert_int_equal(parse_duration_range("100ms..2s", &range), 0);
	assert_true(range.min == 100000000 && range.max == 2000000000);
	assert_int_equal(parse_duration_range("100..2s", &range), -EINVAL);
	assert_int_equal(parse_duration_range("3s..2s", &range), -EINVAL);
}

static void a_pick_is_stored_as_the_plan_says(void **state)
{
	static const struct {
		const char *text;
		struct plan_pick pick;
	} cases[] = {
		{"3", {3, 3, 1, 0}},
		{"2..5", {2, 5, 1, 0}},
		{"3+", {3, UINT32_MAX, 1, 0}},
		{"3+2", {3, UINT32_MAX, 2, 0}},
		{"3..9+2", {3, 9, 2, 0}},
		{"10%", {0, 0, 0, 429496729}},
		{"50%", {0, 0, 0, 1U << 31}},
		{"0.000001%", {0, 0, 0, 42}},
		{"100%", {0, 0, 0, UINT32_MAX}},
		{"4294967294", {4294967294, 4294967294, 1, 0}},
	};
	static const char *const bad[] = {
		"",         "0",          "0+",    "x",    "-1",  "1..",
		"..3",      "5..2",       "3..9+", "3+0",  "1.5", "3 ",
		"3..9+2+1", "03",         "0%",    "101%", "%",   "100.01%",
		"1.5%%",    "4294967295", "1,2",   "+3",   "3++", "3+x",
	};
	struct plan_pick pick;
	struct refusal why;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_int_equal(units_pick(cases[i].text, &pick, &why), 0);
		assert_memory_equal(&pick, &cases[i].pick, sizeof(pick));
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		if (units_pick(bad[i], &pick, &why) != -EINVAL || !why.reason)
			fail_msg("`%s` is taken for a pick", bad[i]);
	}
}

/* Longer than an address can be. */
static const char too_long[] = "1111111111111111111111111111111111111"
			       "1111111111111111111111111111111111111";

static void an_address_may_have_a_prefix_and_a_port(void **state)
{
	static const struct {
		const char *text;
		struct plan_addr a;
	} cases[] = {
		{"127.0.0.1", {4, 32, 0, {127, 0, 0, 1}}},
		{"127.0.0.1:80", {4, 32, 80, {127, 0, 0, 1}}},
		{"10.1.2.3/8", {4, 8, 0, {10}}},
		{"10.1.2.3/12:443", {4, 12, 443, {10, 0}}},
		{"0.0.0.0/0", {4, 0, 0, {0}}},
		{"::1", {6, 128, 0, {[15] = 1}}},
		{"[::1]", {6, 128, 0, {[15] = 1}}},
		{"[::1]:65535", {6, 128, 65535, {[15] = 1}}},
		{"2001:db8:ffff::/33", {6, 33, 0, {0x20, 1, 0xd, 0xb8, 0x80}}},
		{"[2001:db8::/32]:1", {6, 32, 1, {0x20, 1, 0xd, 0xb8}}},
	};
	static const char *const bad[] = {
		"",          "localhost",     "1.2.3",         "1.2.3.4:0",
		"1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4/33",    "[::1",
		"[::1]80",   "[::1]:",        "::1/129",       "[]",
		"1.2.3.4/",  ":80",           "1.2.3.4:80:90", too_long,
	};
	struct refusal why;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct plan_addr a;

		if (units_address(cases[i].text, &a, &why) < 0)
			fail_msg("`%s` %s", cases[i].text, why.reason);
		assert_memory_equal(&a, &cases[i].a, sizeof(a));
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		struct plan_addr a;

		if (units_address(bad[i], &a, &why) != -EINVAL || !why.reason)
			fail_msg("`%s` is taken for an address", bad[i]);
	}
}

static void signals_are_known_with_and_without_sig(void **state)
{
	(void)state;
	assert_int_equal(signal_number("TERM"), 15);
	assert_int_equal(signal_number("SIGKILL"), 9);
	assert_int_equal(signal_number("sigterm"), 0);
	assert_int_equal(signal_number("SIG"), 0);
	assert_int_equal(signal_number(""), 0);
	for (int i = 1; i < 32; i++)
		assert_int_equal(signal_number(signal_name(i)), i);
	assert_null(signal_name(0));
	assert_null(signal_name(64));
}

static void the_nearest_word_is_near(void **state)
{
	static const char *const words[] = {"recv", "reset", "connection",
	                                    "in"};
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"rcv", "recv"},
		{"rest", "reset"},
		{"reste", "reset"},
		{"CONNECTION", "connection"},
		{"conection", "connection"},
		{"i", "in"},
		{"zzz", NULL},
		{"", NULL},
		{"x", NULL},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const char *s = diag_nearest(cases[i].word, words, 4);

		if (!cases[i].nearest)
			assert_null(s);
		else
			assert_string_equal(s, cases[i].nearest);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_a_unit),
		cmocka_unit_test(sizes_have_a_unit),
		cmocka_unit_test(rates_are_per_second),
		cmocka_unit_test(counts_have_none),
		cmocka_unit_test(a_range_has_one_end_or_two),
		cmocka_unit_test(a_range_of_durations_has_units_at_both_ends),
		cmocka_unit_test(a_pick_is_stored_as_the_plan_says),
		cmocka_unit_test(an_address_may_have_a_prefix_and_a_port),
		cmocka_unit_test(signals_are_known_with_and_without_sig),
		cmocka_unit_test(the_nearest_word_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
