/*
 * exhaust.c - a program that runs out of descriptors at its second socket(),
 * for 400 ms, and what that must not do to it.
 *
 *   LD_PRELOAD=libfault.so \
 *   FAULT_INJECT=socket:exhaust=descriptors:for=400ms:nth=2 exhaust MODE
 *
 * Exit status 0, or 1 and a line on stdout about what was wrong. Waits are for
 * events, with a deadline; nobody sleeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "tests/clock.h"
#include "tests/mortal.h"

/* How long the windows of tests/e2e/exhaust.sh last, at least. */
enum {
	FIRST_MS = 400,
	SECOND_MS = 700,
};

static int open_before;
static rlim_t soft_before;
static long ends; /* not before this does it end, whoever is kept waiting */

static rlim_t soft(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool can_open(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The clock is asked afterwards: on a busy machine it may have ended. */
static void expect_exhausted(const char *when)
{
	if (can_open())
		expect(when, now_ms() >= ends, ends - now_ms());
	else
		expect(when, errno == EMFILE, 0);
}

static void exhaust(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	expect("the first socket", fd >= 0, fd);
	close(fd);
	open_before = count_open();
	soft_before = soft();
	ends = now_ms() + FIRST_MS;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	expect("the second socket", fd < 0 && errno == EMFILE, fd);
	expect_exhausted("open");
}

/* Two more when the limit is low: the library's own are among them then. */
static bool none_left_open(void)
{
	int more = count_open() - open_before;

	return !more || (soft_before < 4096 && more == 2);
}

/* The window ends by itself, and nothing of it is left. */
static void recover(void)
{
	long end = now_ms() + 5000;

	while (!can_open() && now_ms() < end)
		sched_yield();
	expect("still exhausted after 5 s", can_open(), errno);
	/* The last filler is closed, and then the limit is put back. */
	while ((!none_left_open() || soft() != soft_before) && now_ms() < end)
		sched_yield();
	expect("descriptors left open", none_left_open(),
	       count_open() - open_before);
	expect("the soft limit", soft() == soft_before, (long)soft());
}

static void child_is_well(pid_t pid)
{
	int status = 0;

	expect("fork", pid > 0, pid);
	waitpid(pid, &status, 0);
	expect("the child's status", status == 0, status);
	expect_exhausted("the parent is exhausted as before");
}

static void in_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		expect("open in the child", can_open(), 0);
		expect("limit in the child", soft() == soft_before, 0);
		expect("descriptors in the child", count_open() == open_before,
		       count_open());
		exit(0);
	}
	child_is_well(pid);
	recover();
}

static void become_inspected(void)
{
	char limit[32], n[32];

	snprintf(limit, sizeof(limit), "%ld", (long)soft_before);
	snprintf(n, sizeof(n), "%d", open_before);
	execl("/proc/self/exe", "exhaust", "inspect", limit, n, (char *)NULL);
	_exit(1);
}

static void in_exec(void)
{
	become_inspected();
}

static void in_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		become_inspected();
	child_is_well(pid);
	recover();
}

/* What was executed in the window. */
static int inspect(char **argv)
{
	expect("limit after exec", (long)soft() == atol(argv[0]), (long)soft());
	expect("descriptors after exec", count_open() == atoi(argv[1]),
	       count_open());
	expect("open after exec", can_open(), 0);
	return 0;
}

/* A limit that the program sets meanwhile is its own. */
static void own_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 1500;
	expect("setrlimit", !setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect("open below the new limit", can_open(), 0);
	soft_before = 1500;
	recover();
}

/* The numbers are the program's as soon as it has closed all it can. */
static void close_all(void)
{
	int fd;

	close_range(3, ~0U, 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect("open after close_range", fd == 3, fd);
	open_before = 4;
	recover();
	expect("the program's own is open", fcntl(fd, F_GETFD) >= 0, fd);
}

static void *churn(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		int other = fd < 0 ? -1 : dup(fd);

		if (fd < 0 && errno != EMFILE)
			wrong("open in a thread", fd);
		if (other >= 0)
			close(other);
		if (fd >= 0 && close(fd))
			wrong("close in a thread", fd);
	}
	return NULL;
}

/* Begins and ends while others open and close. */
static void in_threads(void)
{
	pthread_t threads[4];
	bool stop = false;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long end = now_ms() + 5000;

	close(fd);
	open_before = count_open();
	soft_before = soft();
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, &stop);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd >= 0) /* one that a thread had just closed */
		close(fd);
	while (soft() != soft_before && now_ms() < end)
		sched_yield();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	recover();
}

/* The window of another rule, which is longer. */
static void two_rules(void)
{
	int fd;

	ends = now_ms() + SECOND_MS;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	expect("the third socket", fd < 0 && errno == EMFILE, fd);
	while (now_ms() < ends)
		expect_exhausted("open before the second window's end");
	recover();
}

static void alone(void)
{
	recover();
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"alone", alone},         {"fork", in_fork},
	{"exec", in_exec},        {"vfork", in_vfork},
	{"setrlimit", own_limit}, {"close_range", close_all},
	{"two", two_rules},
};

int main(int argc, char **argv)
{
	mortal(20);
	if (argc == 4 && !strcmp(argv[1], "inspect"))
		return inspect(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "threads"))
		return in_threads(), 0;
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			exhaust();
			modes[i].run();
			return 0;
		}
	return 2;
}
