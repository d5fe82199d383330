/*
 * sandbox.c - programs that give up system calls (seccomp(2)), or are out of
 * descriptors, before or after the library has its helper (e2e/sandbox.sh).
 *
 *   sandbox CASE     under recv:delay=100ms:role=accepted:nth=1..2
 *
 * The first two receives of an accepted socket are held, no others; clients
 * have no rules.  Exit 1 and the line of what is not as it should be.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	DELAY_MS = 100,
	LATE_MS = 2000,
	MAX_CALLS = 16,
};

static long clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the sandbox ------------------------------------------------------------
 */

/* `listed` for the calls of a list that -1 ends, `others` for all others. */
static void filter(const long *calls, uint32_t listed, uint32_t others,
                   unsigned flags)
{
	struct sock_filter code[2 * MAX_CALLS + 3];
	struct sock_fprog program = {.filter = code};
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (; *calls >= 0; calls++) {
		code[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*calls, 0, 1);
		code[n++] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program)) {
		printf("skip: no seccomp\n");
		exit(0);
	}
}

/* What is left to the child of a server that separates privileges: some. */
static void kill_most(void)
{
	static const long allowed[] = {
		SYS_read,   SYS_write,      SYS_close,
		SYS_exit,   SYS_exit_group, SYS_rt_sigreturn,
		SYS_getpid, SYS_futex,      -1};

	filter(allowed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS, 0);
}

static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) {
		printf("skip: no seccomp\n");
		_exit(0);
	}
}

static void refuse(const long *calls, unsigned flags)
{
	filter(calls, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW, flags);
}

/* --- what is held -----------------------------------------------------------
 */

static int blocking(const struct pair *p)
{
	long began = clock_ms(CLOCK_MONOTONIC), took;
	char byte;

	if (send(p->client, "x", 1, 0) != 1 ||
	    recv(p->accepted, &byte, 1, 0) != 1)
		return -1;
	took = clock_ms(CLOCK_MONOTONIC) - began;
	return took >= DELAY_MS && took < LATE_MS;
}

static int by_poll(const struct pair *p)
{
	long began = clock_ms(CLOCK_MONOTONIC), took;
	struct pollfd f = {.fd = p->accepted, .events = POLLIN};
	char byte;

	if (send(p->client, "x", 1, 0) != 1)
		return -1;
	do
		poll(&f, 1, LATE_MS);
	while (recv(p->accepted, &byte, 1, MSG_DONTWAIT) != 1 &&
	       clock_ms(CLOCK_MONOTONIC) - began < LATE_MS);
	took = clock_ms(CLOCK_MONOTONIC) - began;
	return took >= DELAY_MS && took < LATE_MS;
}

static int by_epoll(const struct pair *p, int set)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	long began = clock_ms(CLOCK_MONOTONIC), took;
	char byte;

	fcntl(p->accepted, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(set, EPOLL_CTL_ADD, p->accepted, &e) ||
	    send(p->client, "x", 1, 0) != 1)
		return -1;
	do
		epoll_wait(set, &e, 1, LATE_MS);
	while (recv(p->accepted, &byte, 1, 0) != 1 &&
	       clock_ms(CLOCK_MONOTONIC) - began < LATE_MS);
	took = clock_ms(CLOCK_MONOTONIC) - began;
	return took >= DELAY_MS && took < LATE_MS;
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status)
	                           : WEXITSTATUS(status);
}

/* A pipe, a socket without rules, and if asked one with rules, none due. */
static int transfers(const int *pipes, const struct pair *p,
                     const struct pair *due_later)
{
	char byte;

	if (write(pipes[1], "x", 1) != 1 || read(pipes[0], &byte, 1) != 1)
		return 1;
	if (write(p->client, "x", 1) != 1 || read(p->client, &byte, 1) != 1)
		return 2;
	if (due_later && (read(due_later->accepted, &byte, 1) != 1 ||
	                  write(due_later->accepted, "x", 1) != 1))
		return 3;
	return 0;
}

/*
 * In a child, sandboxed by `enter`: in the child of a process with a helper, or
 * (own) with a helper of its own.
 */
static int sandboxed(void (*enter)(void), bool own, bool by_exit)
{
	struct pair idle = make_pair(), later = make_pair();
	int pipes[2];
	pid_t pid;

	WANT(pipe(pipes), 0);
	WANT(write(idle.accepted, "x", 1), 1);
	if (!own)
		WANT(blocking(&later), 1);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int result = own ? !blocking(&later) : 0;

		if (own) {
			result |= blocking(&later) != 1;
			result |= write(later.client, "x", 1) != 1;
		}
		enter();
		result |= transfers(pipes, &idle, own ? &later : NULL);
		if (by_exit)
			exit(result);
		syscall(SYS_exit, result);
	}
	WANT(status_of(pid), 0);
	return 0;
}

/* A thread of a process with a helper. */
static struct pair strict_idle, strict_later;
static int strict_pipes[2], strict_result = -1;

static void *strict_thread(void *arg)
{
	strict();
	strict_result = transfers(strict_pipes, &strict_idle, &strict_later);
	syscall(SYS_exit, 0);
	return arg;
}

static int strict_own(void)
{
	pthread_t t;

	strict_idle = make_pair();
	strict_later = make_pair();
	WANT(pipe(strict_pipes), 0);
	WANT(write(strict_idle.accepted, "x", 1), 1);
	WANT(blocking(&strict_later), 1);
	WANT(blocking(&strict_later), 1);
	WANT(write(strict_later.client, "x", 1), 1);
	WANT(pthread_create(&t, NULL, strict_thread, NULL), 0);
	WANT(pthread_join(t, NULL), 0);
	WANT(strict_result, 0);
	return 0;
}

static int strict_child(void)
{
	return sandboxed(strict, false, false);
}

static int filter_own(void)
{
	return sandboxed(kill_most, true, true);
}

static int filter_child(void)
{
	return sandboxed(kill_most, false, true);
}

/* --- what the library needs is refused --------------------------------------
 */

static const long threads[] = {SYS_clone, SYS_clone3, -1};
static const long descriptors[] = {SYS_timerfd_create, SYS_epoll_create1, -1};
static const long most[] = {SYS_clone,         SYS_clone3,  SYS_timerfd_create,
                            SYS_epoll_create1, SYS_madvise, -1};
static const long waits[] = {
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
	SYS_epoll_pwait, SYS_epoll_pwait2, SYS_timerfd_create, -1};

static int all_ways(int set)
{
	struct pair p = make_pair(), q = make_pair(), r = make_pair();
	long cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

	WANT(blocking(&p), 1);
	WANT(blocking(&p), 1);
	WANT(by_poll(&q), 1);
	if (set >= 0)
		WANT(by_epoll(&r, set), 1);
	WANT(clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu < 100, 1);
	return 0;
}

static int no_thread(void)
{
	int set = epoll_create1(0);

	refuse(threads, 0);
	return all_ways(set);
}

static int no_descriptors(void)
{
	int set = epoll_create1(0);

	refuse(descriptors, 0);
	return all_ways(set);
}

/* The helper is there already, and its thread is sandboxed too. */
static int later_with(const long *calls, bool with_epoll)
{
	struct pair p = make_pair();
	int set = epoll_create1(0);

	WANT(blocking(&p), 1);
	refuse(calls, SECCOMP_FILTER_FLAG_TSYNC);
	return all_ways(with_epoll ? set : -1);
}

static int later_most(void)
{
	return later_with(most, true);
}

/* A helper that cannot wait must not spin, and must not be waited for. */
static int later_waits(void)
{
	return later_with(waits, false);
}

/* --- no descriptor is left --------------------------------------------------
 */

static int full(void)
{
	struct pair p = make_pair(), q = make_pair(), r = make_pair();
	int set = epoll_create1(0);
	struct rlimit limit = {0};
	long cpu;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)set + 1;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	WANT(blocking(&p), 1);
	WANT(by_poll(&q), 1);
	WANT(by_epoll(&r, set), 1);
	WANT(clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu < 100, 1);
	return 0;
}

/* Lowered while something is held, below the numbers of the library's. */
static int lowered(void)
{
	struct pair p = make_pair(), q = make_pair();
	int set = epoll_create1(0);
	struct rlimit limit = {0};

	getrlimit(RLIMIT_NOFILE, &limit);
	WANT(blocking(&p), 1);
	limit.rlim_cur = (rlim_t)set + 3;
	setrlimit(RLIMIT_NOFILE, &limit);
	WANT(by_epoll(&p, set), 1);
	WANT(by_poll(&q), 1);
	WANT(blocking(&q), 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"strict-own", strict_own},
		{"strict-child", strict_child},
		{"filter-own", filter_own},
		{"filter-child", filter_child},
		{"no-thread", no_thread},
		{"no-descriptors", no_descriptors},
		{"later-most", later_most},
		{"later-waits", later_waits},
		{"full", full},
		{"lowered", lowered},
	};

	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
