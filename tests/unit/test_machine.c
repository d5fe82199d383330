/*
 * test_machine.c - what the machine could not do is not held against anybody
 * (machine.h): without descriptors, which is the want that can be made here.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/command.h"
#include "runner/expect_files.h"
#include "runner/guardian.h"
#include "runner/machine.h"
#include "runner/reach.h"
#include "runner/text.h"

static struct rlimit before;

/* No descriptor above those that are open, from here on. */
static void take_descriptors(void)
{
	int next = dup(0);
	struct rlimit none;

	assert_true(next > 0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	errno = 0;
	assert_int_equal(open("/dev/null", O_RDONLY), -1);
	assert_int_equal(errno, EMFILE);
}

static int give_back(void **state)
{
	(void)state;
	if (before.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &before);
	machine_forget();
	return 0;
}

static void the_first_failure_is_remembered(void **state)
{
	(void)state;
	assert_null(machine_failure());
	machine_failed(-ENOMEM, "keeping output");
	machine_failed(-EMFILE, "looking for a text");
	assert_string_equal(machine_failure(),
	                    "keeping output: Cannot allocate memory");
	machine_forget();
	assert_null(machine_failure());
}

static void a_program_is_not_to_blame_for(void **state)
{
	static const int of_the_machine[] = {ENOMEM, EMFILE, ENFILE, EAGAIN,
	                                     ENOSPC, EINTR,  ENOBUFS};
	static const int of_a_program[] = {
		ENOENT, EACCES, ENOEXEC, EISDIR, ECONNREFUSED, EPIPE, 0};

	(void)state;
	for (size_t i = 0; i < 7; i++)
		assert_true(machine_is_short(-of_the_machine[i]));
	for (size_t i = 0; i < 7; i++)
		assert_false(machine_is_short(-of_a_program[i]));
}

static void a_text_of_a_file_is_not_simply_absent(void **state)
{
	static char word[] = "root";
	struct text_match root = {.text = word};
	struct text_list all = {&root, 1};

	(void)state;
	assert_true(text_is_in_file(&all, "/etc/passwd"));
	assert_false(text_is_in_file(&all, "/nowhere"));
	assert_null(machine_failure());
	take_descriptors();
	assert_false(text_is_in_file(&all, "/etc/passwd"));
	assert_non_null(machine_failure());
}

static void a_file_is_not_wrong(void **state)
{
	static char path[] = "/etc/passwd", file[] = "s.yaml";
	struct file_expect e = {.path = path, .loc = {.file = file, .line = 1}};
	struct scenario s = {.file_expects = &e, .n_file_expects = 1};
	struct session_result r = {.end = SESSION_OVER};
	struct judgement j = {0};

	(void)state;
	expect_files_judge(&s, &r, &j);
	assert_int_equal(j.n, 0);
	take_descriptors();
	expect_files_judge(&s, &r, &j);
	assert_int_equal(j.n, 1);
	assert_int_equal(j.v[0].kind, FINDING_ENVIRONMENT);
	assert_string_equal(j.v[0].text, "/etc/passwd: Too many open files");
	judgement_release(&j);
}

static void a_program_is_not_missing(void **state)
{
	struct reach_report *r = malloc(sizeof(*r));

	(void)state;
	assert_non_null(r);
	assert_int_equal(reach_program("sh", NULL, r), REACH_OK);
	take_descriptors();
	assert_int_equal(reach_program("sh", NULL, r), REACH_UNKNOWN);
	assert_int_equal(reach_program("no-such", NULL, r), REACH_NOT_FOUND);
	free(r);
}

static void a_guardian_says_that_it_cannot(void **state)
{
	struct guardian *g = NULL;

	(void)state;
	/* Each of its descriptors once: the socket's two, and two more. */
	for (unsigned spare = 0; spare < 4; spare++) {
		struct rlimit some;

		take_descriptors();
		getrlimit(RLIMIT_NOFILE, &some);
		some.rlim_cur += spare;
		setrlimit(RLIMIT_NOFILE, &some);
		assert_int_equal(guardian_start(false, &g), -EMFILE);
		setrlimit(RLIMIT_NOFILE, &before);
	}
	assert_int_equal(guardian_start(false, &g), 0);
	guardian_stop(g);
}

static void a_command_is_not_wrong(void **state)
{
	static char word[] = "true";
	char *argv[] = {word, NULL};
	struct command c = {.argv = argv};
	struct command_process p;
	struct guardian *g;

	(void)state;
	assert_int_equal(guardian_start(false, &g), 0);
	take_descriptors();
	assert_int_equal(command_start(g, &c, NULL, &p), -EMFILE);
	assert_true(command_not_possible(&p));
	assert_false(command_is_well(&p));
	command_release(&p);
	give_back(NULL);
	guardian_stop(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_first_failure_is_remembered,
	                                  give_back),
		cmocka_unit_test_teardown(a_program_is_not_to_blame_for,
	                                  give_back),
		cmocka_unit_test_teardown(a_text_of_a_file_is_not_simply_absent,
	                                  give_back),
		cmocka_unit_test_teardown(a_file_is_not_wrong, give_back),
		cmocka_unit_test_teardown(a_program_is_not_missing, give_back),
		cmocka_unit_test_teardown(a_guardian_says_that_it_cannot,
	                                  give_back),
		cmocka_unit_test_teardown(a_command_is_not_wrong, give_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
