/*
 * startup.c - what a program takes from its start to its end, when it does
 * nothing: a worker (worker.h) for the variants of bench/run.  The programs
 * inherit the environment, so the library attaches to them as to this one.
 */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/worker.h"

static void spawn_true(void)
{
	static char name[] = "true";
	char *const argv[] = {name, NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		worker_die("true");
}

static int64_t run_true(unsigned count)
{
	int64_t start = worker_now();

	for (unsigned i = 0; i < count; i++)
		spawn_true();
	return worker_now() - start;
}

static const struct worker_case cases[] = {
	{"true", run_true},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return worker_main(argc, argv, cases);
}
