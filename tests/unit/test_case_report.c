/*
 * test_case_report.c - a report as bytes, and bytes that are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/report/case_report.h"

static struct case_report sample(void)
{
	struct case_report r = {
		.outcome = OUTCOME_FAILED,
		.timing = true,
		.passes_now = true,
		.time_ns = 1234567890123,
		.seed = UINT64_MAX,
		.name = strdup("a name"),
		.repeat = strdup("fault run x"),
		.context = strdup("    a: exit status 1\n"),
		.warning = strdup(""),
	};

	case_report_find(&r, FINDING_NOTE, NULL, "a note");
	case_report_find(&r, FINDING_FAIL, "s.yaml:1:2", "two\nlines %d", 7);
	r.findings.v[1].timing = true;
	r.findings.v[1].verdict = VERDICT_HANG;
	r.findings.v[1].instance = 3;
	return r;
}

static void the_worst_is_what_made_the_outcome(void **state)
{
	struct case_report r = {.outcome = OUTCOME_FAILED};

	(void)state;
	assert_null(case_report_worst(&r));
	case_report_find(&r, FINDING_FAIL, NULL, "first");
	case_report_find(&r, FINDING_FAIL, NULL, "last");
	case_report_find(&r, FINDING_INCONCLUSIVE, NULL, "nobody knows");
	assert_string_equal(case_report_worst(&r)->text, "last");
	case_report_release(&r);
}

static void it_comes_back_as_it_was(void **state)
{
	struct case_report r = sample(), back;
	size_t len;
	char *data = case_report_pack(&r, &len);

	(void)state;
	assert_non_null(data);
	assert_int_equal(case_report_unpack(data, len, &back), 0);
	assert_int_equal(back.outcome, OUTCOME_FAILED);
	assert_true(back.timing && back.passes_now && !back.broken);
	assert_int_equal(back.time_ns, r.time_ns);
	assert_true(back.seed == UINT64_MAX);
	assert_string_equal(back.name, "a name");
	assert_null(back.reason);
	assert_null(back.kept);
	assert_string_equal(back.repeat, r.repeat);
	assert_string_equal(back.context, r.context);
	assert_string_equal(back.warning, "");
	assert_int_equal(back.findings.n, 2);
	assert_string_equal(back.findings.v[1].where, "s.yaml:1:2");
	assert_string_equal(case_report_worst(&back)->text, "two\nlines 7");
	assert_int_equal(back.findings.v[1].verdict, VERDICT_HANG);
	assert_true(back.findings.v[1].timing);
	assert_true(back.findings.v[0].instance == NO_INSTANCE);
	assert_int_equal(back.findings.v[1].instance, 3);
	case_report_release(&back);
	case_report_release(&r);
	free(data);
}

static void each_shorter_one_is_refused(void **state)
{
	struct case_report r = sample(), back;
	size_t len;
	char *data = case_report_pack(&r, &len);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		/* Of just this size, so that a sanitizer sees the end. */
		char *part = malloc(i + 1);

		assert_non_null(part);
		memcpy(part, data, i);
		assert_int_equal(case_report_unpack(part, i, &back), -EBADMSG);
		free(part);
	}
	case_report_release(&r);
	free(data);
}

/* A worker that has lost its mind may send anything. */
static void no_byte_is_trusted(void **state)
{
	struct case_report r = sample(), back;
	size_t len;
	char *data = case_report_pack(&r, &len);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			data[i] = (char)(data[i] ^ 1 << bit);
			if (case_report_unpack(data, len, &back) == 0)
				case_report_release(&back);
			data[i] = (char)(data[i] ^ 1 << bit);
		}
	}
	case_report_release(&r);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_is_what_made_the_outcome),
		cmocka_unit_test(it_comes_back_as_it_was),
		cmocka_unit_test(each_shorter_one_is_refused),
		cmocka_unit_test(no_byte_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
