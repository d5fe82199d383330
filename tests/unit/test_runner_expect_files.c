/*
 * test_runner_expect_files.c - files that are expected (expect_files.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/expect_files.h"

static struct file_expect file;
static struct text_match texts[4];
static struct scenario scenario;
static struct session_result result;
static struct judgement judgement;
static char file_path[] = "/tmp/test_expect.XXXXXX";
static char other_path[] = "/tmp/test_expect.XXXXXX";

static void write_file(const char *path, const char *head, size_t fill,
                       const char *tail)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(head, f);
	for (size_t i = 0; i < fill; i++)
		fputc(i % 64 == 63 ? '\n' : 'x', f);
	fputs(tail, f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	memset(&file, 0, sizeof(file));
	memset(texts, 0, sizeof(texts));
	strcpy(file_path, "/tmp/test_expect.XXXXXX");
	strcpy(other_path, "/tmp/test_expect.XXXXXX");
	close(mkstemp(file_path));
	close(mkstemp(other_path));
	file.path = file_path;
	file.loc = (struct source_loc){"x.yaml", 9, 3};
	scenario.file_expects = &file;
	scenario.n_file_expects = 1;
	result = (struct session_result){.end = SESSION_OVER};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file_path);
	unlink(other_path);
	judgement_release(&judgement);
	return 0;
}

/* One failure, which says so; "": none. */
static void file_is(const char *part)
{
	judgement_release(&judgement);
	expect_files_judge(&scenario, &result, &judgement);
	assert_int_equal(judgement.n, *part != '\0');
	if (*part && !strstr(judgement.v[0].text, part))
		fail_msg("`%s` is not in: %s", part, judgement.v[0].text);
	assert_int_equal(judge_outcome(&result, &judgement),
	                 *part ? OUTCOME_FAILED : OUTCOME_PASSED);
}

static void text_is(size_t i, char *text, bool regex)
{
	texts[i] = (struct text_match){text, regex, {"x.yaml", 9, 20}};
}

static void a_file_has_texts_in_order(void **state)
{
	static char one[] = "one", two[] = "two", at_start[] = "^two$";

	(void)state;
	write_file(file_path, "one two\ntwo\n", 0, "");
	file.has = (struct text_list){texts, 2};
	text_is(0, one, false);
	text_is(1, two, false);
	file_is("");
	text_is(1, at_start, true);
	file_is("");
	text_is(0, two, false);
	text_is(1, one, false);
	file_is(": has no `one` behind the texts before, expected; "
	        "its first line is `one two`");
	assert_string_equal(judgement.v[0].where, "x.yaml:9:20");
	file.has.n = 0;
	file.not_has = (struct text_list){texts, 1};
	text_is(0, at_start, true);
	file_is(": has /^two$/, which must not be (it ends at byte 11)");
	text_is(0, at_start, false);
	file_is("");
}

static void texts_in_big_files_are_found_wherever_they_lie(void **state)
{
	static char end[] = "^end$", last[] = "last", part[] = "^x{1,62}$";

	(void)state;
	file.has = (struct text_list){texts, 1};
	file.not_has = (struct text_list){texts + 1, 1};
	text_is(1, part, true); /* no line is cut where a piece ends */
	for (size_t n = 3; n < 6; n++) {
		size_t fill = n * (512 << 10);

		write_file(file_path, "one ", fill, "end\nlast\n");
		text_is(0, end, true);
		file_is("");
		write_file(file_path, "one ", fill - 64 * n, "last\n");
		text_is(0, last, false);
		file_is("");
		text_is(0, end, true);
		file_is(": has no /^end$/, expected");
	}
}

static void no_text_is_lost_between_two_pieces(void **state)
{
	static char needle[] = "needle", begin[] = "^needle", y[] = "y";

	(void)state;
	file.has = (struct text_list){texts, 2};
	text_is(0, y, false);
	for (int before = 0; before < 8; before++) {
		FILE *f = fopen(file_path, "w");

		assert_non_null(f);
		for (int i = before; i < 1 << 20; i++)
			fputc('y', f);
		fputs("needle\n", f);
		fclose(f);
		text_is(1, needle, false);
		file_is("");
		text_is(1, begin, true); /* what was found is before it */
		file_is(": has no /^needle/");
	}
	write_file(file_path, "yneedle", 0, "");
	file_is(": has no /^needle/");
}

static void the_first_difference_is_told(void **state)
{
	(void)state;
	file.same = other_path;
	write_file(file_path, "a\nb", 300000, "c\nd");
	write_file(other_path, "a\nb", 300000, "c\nd");
	file_is("");
	write_file(other_path, "a\nb", 300000, "c\ne");
	file_is(" at byte 300005 (line 4690): 0x64 (d), expected 0x65 (e)");
	write_file(other_path, "a\nb", 300000, "c\n");
	file_is(" at byte 300005 (line 4690): 0x64 (d), expected the end");
	write_file(other_path, "a\nb", 300000, "c\nde");
	file_is(" at byte 300006 (line 4690): its end, expected 0x65 (e)");
	write_file(other_path, "\nb", 0, "");
	file_is(" at byte 0 (line 1): 0x61 (a), expected 0x0a");
	unlink(other_path);
	file_is(": there is no such file");
}

static void what_is_no_file_is_told(void **state)
{
	static char directory[] = "/tmp", device[] = "/dev/zero",
		    nothing[] = "/nonexistent/file";

	(void)state;
	file.has_size = true;
	file.size = (struct range){3, INT64_MAX};
	write_file(file_path, "ab", 0, "");
	file_is(": has 2 bytes, expected 3..");
	write_file(file_path, "abc", 0, "");
	file_is("");
	file.path = directory;
	file_is("/tmp: Is a directory");
	file.path = device;
	file_is("/dev/zero: it is no regular file");
	file.path = nothing;
	file_is("/nonexistent/file: there is no such file");
	result.end = SESSION_NOT_STARTED;
	file_is("");
}

#define CASE(f_) cmocka_unit_test_setup_teardown(f_, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_file_has_texts_in_order),
		CASE(texts_in_big_files_are_found_wherever_they_lie),
		CASE(no_text_is_lost_between_two_pieces),
		CASE(the_first_difference_is_told),
		CASE(what_is_no_file_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
