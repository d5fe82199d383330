/*
 * exhaust_children.c - what a process without descriptors executes has its own
 * (tests/e2e/exhaust_children.sh), under `socket:exhaust=descriptors`. libc
 * makes these children itself: by posix_spawn, system, popen, wordexp.
 */
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <wordexp.h>

#include "table.h"

enum {
	LIMIT = 3000, /* more than is filled */
};

/* A shell that has this limit, and room for a descriptor. */
static const char look[] = "test $(ulimit -Sn) = 3000 && exec 9</dev/null";

static void set_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit");
	limit.rlim_cur = LIMIT;
	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		puts("skip: the hard limit is lower");
		exit(0);
	}
}

static int begin(void)
{
	set_limit();
	WANT(socket(AF_INET, SOCK_STREAM, 0), -1);
	WANT(errno, EMFILE);
	return 0;
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

static int spawned(void)
{
	char sh[] = "sh", c[] = "-c", text[sizeof(look)];
	char *argv[] = {sh, c, text, NULL};
	pid_t pid;

	memcpy(text, look, sizeof(look));
	WANT(begin(), 0);
	WANT(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	WANT(status_of(pid), 0);
	WANT(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
	WANT(status_of(pid), 0);
	return 0;
}

static int by_system(void)
{
	WANT(begin(), 0);
	WANT(system(look), 0);
	/* And this process has none as before. */
	WANT(dup(0), -1);
	WANT(errno, EMFILE);
	return 0;
}

/* They need a pipe, which is none of their child's. */
static int by_pipe(void)
{
	wordexp_t words;

	WANT(begin(), 0);
	WANT(popen("true", "r") == NULL, true);
	WANT(errno, EMFILE);
	WANT(wordexp("$(true)", &words, 0) != 0, true);
	return 0;
}

static const struct probe_case cases[] = {
	{"spawned", spawned},
	{"system", by_system},
	{"by-pipe", by_pipe},
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
