/*
 * test_runner_launch.c - environments, ports and ${...} (launch.h), guardian.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/guardian.h"
#include "runner/launch.h"

static const char *get(char **env, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
			assert_null(found); /* each name once */
			found = *env + len + 1;
		}
	}
	return found;
}

static void the_environment_is_ours_and_the_programs(void **state)
{
	static char name[] = "FOO", value[] = "from the program";
	static char preload[] = "LD_PRELOAD", theirs[] = "theirs.so";
	struct env_entry entries[] = {{name, value}, {preload, theirs}};
	struct program p = {.env = entries, .n_env = 2};
	struct segments s = {.plan_id = 11, .run_id = 12};
	char **env;

	(void)state;
	setenv("FOO", "ours", 1);
	setenv("BAR", "ours", 1);
	setenv("FAULT_SCENARIO", "another", 1);
	env = launch_environment(&p, 3, "/x/libfault.so", false, &s);
	assert_non_null(env);
	assert_string_equal(get(env, "FOO"), value);
	assert_string_equal(get(env, "BAR"), "ours");
	assert_string_equal(get(env, "LD_PRELOAD"), "/x/libfault.so:theirs.so");
	assert_string_equal(get(env, "FAULT_SHM"), "11:12");
	assert_string_equal(get(env, "FAULT_PROGRAM"), "3");
	assert_null(get(env, "FAULT_SCENARIO"));
	launch_free(env);
	env = launch_environment(&p, 3, NULL, false, &s);
	assert_string_equal(get(env, "LD_PRELOAD"), "theirs.so");
	assert_null(get(env, "FAULT_SHM"));
	launch_free(env);
	unsetenv("FAULT_SCENARIO");
}

/* It is told in the way that the user's own options do not undo. */
static void asan_learns_that_ours_comes_first(void **state)
{
	struct program p = {0};
	struct segments s = {.plan_id = 11, .run_id = 12};
	char **env;

	(void)state;
	unsetenv("ASAN_OPTIONS");
	env = launch_environment(&p, 0, "/x/libfault.so", true, &s);
	assert_string_equal(get(env, "ASAN_OPTIONS"),
	                    "verify_asan_link_order=0");
	launch_free(env);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	env = launch_environment(&p, 0, "/x/libfault.so", true, &s);
	assert_string_equal(get(env, "ASAN_OPTIONS"),
	                    "detect_leaks=0:verify_asan_link_order=0");
	launch_free(env);
	env = launch_environment(&p, 0, "/x/libfault.so", false, &s);
	assert_string_equal(get(env, "ASAN_OPTIONS"), "detect_leaks=0");
	launch_free(env);
	unsetenv("ASAN_OPTIONS");
}

static bool can_bind(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return ok;
}

static void a_scripted_program_preloads_nothing(void **state)
{
	struct program p = {.kind = PROGRAM_LISTEN};
	struct segments s = {.plan_id = 11, .run_id = 12};
	char **env;

	(void)state;
	setenv("LD_PRELOAD", "theirs.so", 1);
	env = launch_environment(&p, 3, NULL, false, &s);
	unsetenv("LD_PRELOAD");
	assert_non_null(env);
	assert_null(get(env, "LD_PRELOAD"));
	assert_null(get(env, "FAULT_PROGRAM"));
	assert_string_equal(get(env, "FAULT_SHM"), "11:12");
	launch_free(env);
}

static void ports_are_free_and_nobody_elses(void **state)
{
	struct launch_vars a, b;
	struct suite_vars va, vb;
	char first[8];

	(void)state;
	launch_vars_init(&a, NULL, 0);
	launch_vars_init(&b, NULL, 0);
	launch_vars_bind(&a, NULL, "/tmp/x", 7);
	launch_vars_bind(&b, NULL, "/tmp/x", 7);
	va = launch_suite_vars(&a);
	vb = launch_suite_vars(&b);
	strcpy(first, va.lookup(va.context, "port"));
	assert_true(can_bind(first));
	assert_string_equal(va.lookup(va.context, "port"), first);
	assert_string_not_equal(va.lookup(va.context, "port.b"), first);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "port.%d", i);
		assert_string_not_equal(vb.lookup(vb.context, name), first);
	}
	launch_vars_release(&a);
	launch_vars_release(&b);
}

static void values_come_from_outside(void **state)
{
	static char given[] = "who=me";
	char *list[] = {given};
	struct launch_vars v;
	struct suite_vars s;

	(void)state;
	setenv("FAULT_VAR_x", "1", 1);
	launch_vars_init(&v, list, 1);
	s = launch_suite_vars(&v);
	assert_string_equal(s.lookup(s.context, "who"), "me");
	assert_string_equal(s.lookup(s.context, "x"), "1");
	assert_null(s.lookup(s.context, "wh"));
	assert_null(s.lookup(s.context, "port"));
	assert_null(s.lookup(s.context, "tmp"));
	launch_vars_bind(&v, "/proc/self/exe", "/tmp/y", 7);
	assert_string_equal(s.lookup(s.context, "tmp"), "/tmp/y");
	assert_string_equal(s.lookup(s.context, "seed"), "7");
	assert_string_equal(s.lookup(s.context, "host"), "127.0.0.1");
	assert_int_equal(s.lookup(s.context, "here")[0], '/');
	launch_vars_release(&v);
}

/* ---- the guardian -------------------------------------------------------- */

static int start(struct guardian *g, char *const *argv, const char *dir,
                 pid_t *pid, enum guardian_step *step)
{
	static char *no_env[] = {NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct guardian_program p = {.argv = argv,
	                             .env = no_env,
	                             .dir = dir,
	                             .in = null,
	                             .out = null,
	                             .err = null};
	int r = guardian_spawn(g, &p, pid, step);

	close(null);
	return r;
}

static void await_event(struct guardian *g, struct guardian_event *e)
{
	while (guardian_next(g, e) == 0) {
		struct pollfd p = {guardian_fd(g), POLLIN, 0};

		assert_int_equal(poll(&p, 1, 10000), 1);
	}
}

static void the_guardian_starts_and_tells_the_end(void **state)
{
	static char sh[] = "/bin/sh", c[] = "-c", script[] = "exit 3";
	static char none[] = "/nothing";
	char *argv[] = {sh, c, script, NULL}, *missing[] = {none, NULL};
	struct guardian *g;
	struct guardian_event e;
	enum guardian_step step;
	pid_t pid;

	(void)state;
	assert_int_equal(guardian_start(false, &g), 0);
	assert_int_equal(start(g, argv, NULL, &pid, &step), 0);
	await_event(g, &e);
	assert_int_equal(e.pid, pid);
	assert_int_equal(WEXITSTATUS(e.status), 3);
	assert_int_equal(guardian_signal(g, pid, SIGTERM, false), -ESRCH);
	assert_int_equal(start(g, missing, NULL, &pid, &step), -ENOENT);
	assert_int_equal(step, STEP_EXEC);
	assert_int_equal(start(g, argv, "/nowhere", &pid, &step), -ENOENT);
	assert_int_equal(step, STEP_DIR);
	guardian_stop(g);
}

static void the_guardian_kills_and_cleans(void **state)
{
	static char sh[] = "/bin/sh", c[] = "-c";
	static char script[] = "trap '' TERM; while :; do sleep 100; done";
	char *argv[] = {sh, c, script, NULL};
	char dir[256], file[300];
	struct guardian *g;
	struct guardian_event e;
	enum guardian_step step;
	pid_t pid;
	int fd;

	(void)state;
	assert_int_equal(guardian_start(false, &g), 0);
	assert_int_equal(guardian_make_dir(g, dir, sizeof(dir)), 0);
	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(start(g, argv, NULL, &pid, &step), 0);
	assert_true(guardian_kill_all(g) >= 1);
	await_event(g, &e);
	assert_int_equal(WTERMSIG(e.status), SIGKILL);
	assert_int_equal(guardian_kill_all(g), 0);
	assert_int_equal(access(dir, F_OK), 0);
	guardian_stop(g);
	assert_int_equal(access(dir, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_ours_and_the_programs),
		cmocka_unit_test(asan_learns_that_ours_comes_first),
		cmocka_unit_test(a_scripted_program_preloads_nothing),
		cmocka_unit_test(ports_are_free_and_nobody_elses),
		cmocka_unit_test(values_come_from_outside),
		cmocka_unit_test(the_guardian_starts_and_tells_the_end),
		cmocka_unit_test(the_guardian_kills_and_cleans),
	};

	return cmocka_run_group_tests_name("runner: launch", tests, NULL, NULL);
}
