/*
 * Commands of a scenario: started, their ends, and what is said of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/command.h"

static struct guardian *guardian;

/* Waits for its end; a test that hangs is ended by tests/run. */
static void wait_for(struct command_process *p)
{
	struct guardian_event e;

	while (!p->exited) {
		struct pollfd fd = {guardian_fd(guardian), POLLIN, 0};
		int r;

		poll(&fd, 1, -1);
		while ((r = guardian_next(guardian, &e)) == 1)
			assert_true(command_take(p, &e));
		assert_int_equal(r, 0);
	}
}

/* One at a time. */
static struct command shell_command(const char *script)
{
	static char sh[] = "sh", option[] = "-c", text[512];
	static char *argv[] = {sh, option, text, NULL};

	snprintf(text, sizeof(text), "%s", script);
	return (struct command){.argv = argv};
}

static void shell(const char *script, struct command_process *ret)
{
	static struct command c;

	c = shell_command(script);
	assert_int_equal(command_start(guardian, &c, NULL, ret), 0);
	assert_true(ret->started);
	wait_for(ret);
}

static void says(const struct command_process *p, const char *wanted)
{
	char *text = command_failed(p, "setup");

	assert_string_equal(text, wanted);
	free(text);
}

static void a_command_that_exits_with_0_has_not_failed(void **state)
{
	struct command_process p;

	(void)state;
	shell("echo well", &p);
	assert_null(command_failed(&p, "setup"));
	assert_true(p.ended_ns >= p.started_ns);
	command_release(&p);
}

static void a_failed_command_is_named_with_its_end_and_its_output(void **state)
{
	struct command_process p;

	(void)state;
	shell("echo one; echo two >&2; exit 3", &p);
	says(&p, "setup `sh -c 'echo one; echo two >&2; exit 3'`: exit status "
	         "3, expected 0\n| one\n| two");
	command_release(&p);
	shell("kill -9 $$", &p);
	says(&p, "setup `sh -c 'kill -9 $$'`: killed by SIGKILL, expected exit "
	         "status 0");
	command_release(&p);
}

static void of_much_output_the_end_is_shown(void **state)
{
	struct command_process p;
	char *text;

	(void)state;
	shell("yes 0123456789 | head -c 1100000; echo last; exit 1", &p);
	text = command_failed(&p, "setup");
	assert_non_null(strstr(text, "\n| last"));
	assert_true(strlen(text) < 5000);
	free(text);
	command_release(&p);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
	struct command_process p;
	char *text;

	(void)state;
	shell("printf '\\033[31mred\\n  \\n'; exit 1", &p);
	text = command_failed(&p, "setup");
	assert_null(strchr(text, '\033'));
	free(text);
	text = command_last_line(&p);
	assert_string_equal(text, "\\x1b[31mred");
	free(text);
	command_release(&p);
	/* As UTF-8 they control a terminal as well; others are text. */
	shell("printf '\\302\\23331m \\303\\244 \\377 \\303'; exit 1", &p);
	text = command_last_line(&p);
	assert_string_equal(text, "\\xc2\\x9b31m \xc3\xa4 \\xff \\xc3");
	free(text);
	command_release(&p);
}

static void a_command_that_is_not_there_cannot_be_started(void **state)
{
	char path[] = "/no/such/command", *argv[] = {path, NULL};
	struct command c = {.argv = argv};
	struct command_process p;

	(void)state;
	assert_int_equal(command_start(guardian, &c, NULL, &p), -ENOENT);
	assert_false(p.started);
	says(&p, "setup `/no/such/command`: No such file or directory");
	command_release(&p);
}

static void a_daemon_that_keeps_the_output_keeps_nobody_waiting(void **state)
{
	struct command_process p;

	(void)state;
	shell("sleep 1000 & exit 0", &p);
	assert_null(command_failed(&p, "setup"));
	command_release(&p);
	assert_int_equal(guardian_kill_all(guardian), 1);
}

static void a_killed_command_ends_with_its_group(void **state)
{
	struct command c = shell_command("sleep 1000; echo never");
	struct command_process p;

	(void)state;
	assert_int_equal(command_start(guardian, &c, NULL, &p), 0);
	command_kill(guardian, &p);
	wait_for(&p);
	assert_true(p.killed && WIFSIGNALED(p.status));
	command_release(&p);
}

static void the_environment_is_ours_without_a_run(void **state)
{
	struct command_process p;
	struct segments s = {.plan_id = 12, .run_id = 34};
	struct command c;

	(void)state;
	setenv("FAULT_SHM", "1:2", 1);
	setenv("FAULT_INJECT", "recv:reset", 1);
	setenv("COMMAND_TEST", "x", 1);
	shell("test \"$COMMAND_TEST\" = x -a -z \"$FAULT_INJECT$FAULT_SHM\"",
	      &p);
	assert_null(command_failed(&p, "setup"));
	command_release(&p);
	c = shell_command("test \"$FAULT_SHM\" = 12:34");
	assert_int_equal(command_start(guardian, &c, &s, &p), 0);
	wait_for(&p);
	assert_null(command_failed(&p, "run"));
	command_release(&p);
	unsetenv("FAULT_SHM");
	unsetenv("FAULT_INJECT");
}

static int start(void **state)
{
	(void)state;
	return guardian_start(false, &guardian);
}

static int stop(void **state)
{
	(void)state;
	guardian_stop(guardian);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_exits_with_0_has_not_failed),
		cmocka_unit_test(
			a_failed_command_is_named_with_its_end_and_its_output),
		cmocka_unit_test(of_much_output_the_end_is_shown),
		cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
		cmocka_unit_test(a_command_that_is_not_there_cannot_be_started),
		cmocka_unit_test(
			a_daemon_that_keeps_the_output_keeps_nobody_waiting),
		cmocka_unit_test(a_killed_command_ends_with_its_group),
		cmocka_unit_test(the_environment_is_ours_without_a_run),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
