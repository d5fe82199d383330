/*
 * test_asleep.c - have processes come to rest? (asleep.h)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/asleep.h"
#include "runner/clock.h"
#include "tests/mortal.h"

static void rest(void)
{
	for (;;)
		pause();
}

static void spin(void)
{
	for (volatile int i = 0;; i++)
		;
}

/* Rests itself, over one that does not. */
static void rest_above_spin(void)
{
	if (fork() == 0)
		spin();
	rest();
}

static void rest_above_zombie(void)
{
	if (fork() == 0)
		_exit(0);
	rest();
}

/* Runs all the time, and is in state S for most of it. */
static void look_after_children(void)
{
	for (int i = 0; i < 20; i++)
		if (fork() == 0)
			rest();
	while (waitpid(-1, NULL, WNOHANG) == 0)
		;
	_exit(0);
}

/* One of the two is always at work, be it at the other's end. */
static void reap_one_after_another(void)
{
	for (;;) {
		if (fork() == 0) {
			for (volatile int i = 0; i < 300000; i++)
				;
			_exit(0);
		}
		wait(NULL);
	}
}

static pid_t start(void (*life)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setpgid(0, 0);
		life();
	}
	setpgid(pid, pid);
	return pid;
}

static void end(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Within ten seconds they are. */
static bool come_to_rest(const pid_t *pids, size_t n)
{
	int64_t deadline = now_ns() + 10 * NS_PER_S;

	while (now_ns() < deadline)
		if (all_asleep(pids, n))
			return true;
	return false;
}

/* A thousand looks: it never is. */
static bool never_rests(const pid_t *pids, size_t n)
{
	for (int i = 0; i < 1000; i++)
		if (all_asleep(pids, n))
			return false;
	return true;
}

static void those_that_wait_are_asleep(void **state)
{
	pid_t pids[] = {start(rest), start(rest_above_zombie)};

	(void)state;
	assert_true(come_to_rest(pids, 2));
	assert_true(all_asleep(pids, 2));
	assert_true(all_asleep(pids, 0));
	kill(pids[0], SIGSTOP);
	assert_true(come_to_rest(pids, 2));
	end(pids[0]);
	end(pids[1]);
}

static void one_that_computes_is_not(void **state)
{
	pid_t pids[] = {start(rest), start(spin)};

	(void)state;
	assert_true(never_rests(pids, 2));
	assert_true(come_to_rest(pids, 1));
	end(pids[0]);
	end(pids[1]);
}

static void one_that_is_about_to_sleep_is_not(void **state)
{
	pid_t pid = start(look_after_children);

	(void)state;
	assert_true(never_rests(&pid, 1));
	end(pid);
}

/* Beside others: it loses the processor while it reaps. */
static void one_that_reaps_is_not(void **state)
{
	pid_t busy[] = {start(spin), start(spin)}, pids[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		pids[i] = start(reap_one_after_another);
	for (int i = 0; i < 10; i++)
		for (size_t j = 0; j < 4; j++)
			assert_true(never_rests(&pids[j], 1));
	for (size_t i = 0; i < 4; i++)
		end(pids[i]);
	end(busy[0]);
	end(busy[1]);
}

static void its_children_count(void **state)
{
	pid_t pid = start(rest_above_spin);
	char path[64];
	int child = 0;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	while (!child) {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		(void)!fscanf(f, "%d", &child);
		fclose(f);
	}
	assert_true(never_rests(&pid, 1));
	kill(child, SIGKILL);
	assert_true(come_to_rest(&pid, 1));
	end(pid);
}

static void one_that_has_ended_is_awaited(void **state)
{
	pid_t pid = start(rest);
	siginfo_t info;

	(void)state;
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_false(all_asleep(&pid, 1));
	end(pid);
	assert_false(all_asleep(&pid, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_wait_are_asleep),
		cmocka_unit_test(one_that_computes_is_not),
		cmocka_unit_test(one_that_is_about_to_sleep_is_not),
		cmocka_unit_test(one_that_reaps_is_not),
		cmocka_unit_test(its_children_count),
		cmocka_unit_test(one_that_has_ended_is_awaited),
	};

	mortal(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
