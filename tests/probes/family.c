/*
 * family.c - a process with a helper thread, and what it is to its parent, its
 * children and its other threads (tests/e2e/sandbox.sh).
 *
 *   family CASE      under recv:delay=50ms:role=accepted
 *
 * Exit 1 and the line of what is not as it should be.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	DELAY_MS = 50,
	LATE_MS = 3000,
	STACK = 256 << 10,
};

extern char **environ;

/* A helper exists from here on. */
static int held(const struct pair *p)
{
	long began = now_ms(), took;
	char byte;

	if (send(p->client, "x", 1, 0) != 1 ||
	    recv(p->accepted, &byte, 1, 0) != 1)
		return 0;
	took = now_ms() - began;
	return took >= DELAY_MS && took < LATE_MS;
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status)
	                           : WEXITSTATUS(status);
}

/* --- PR_SET_PDEATHSIG ------------------------------------------------------
 */

/* A grandchild that its parent's death is to kill; closes fd by it. */
static pid_t child_with_deathsig(int fd)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	(void)!write(fd, "r", 1);
	for (;;)
		pause();
}

/*
 * The signal comes when the thread ends that has forked, or the process: not
 * when the helper does, whose end it is not.
 */
static int deathsig(void)
{
	struct pair p = make_pair();
	int pipes[2];
	pid_t parent;
	char byte;

	WANT(pipe(pipes), 0);
	parent = fork();
	if (!parent) {
		if (!held(&p) || child_with_deathsig(pipes[1]) < 0)
			_exit(1);
		/* The helper goes on, and what it opened closes. */
		_exit(!held(&p));
	}
	WANT(status_of(parent), 0);
	close(pipes[1]);
	WANT(read(pipes[0], &byte, 1), 1);
	WANT(read(pipes[0], &byte, 1), 0);
	return 0;
}

/* Its helper ends (the rule is used up): the child lives on. */
static int deathsig_helper_ends(void)
{
	struct pair p = make_pair();
	int pipes[2], status;
	pid_t pid;
	char byte;

	WANT(pipe(pipes), 0);
	WANT(held(&p), 1);
	pid = child_with_deathsig(pipes[1]);
	WANT(read(pipes[0], &byte, 1), 1);
	close(p.client);
	close(p.accepted);
	for (int i = 0; i < 20; i++) {
		poll(NULL, 0, 10);
		WANT(waitpid(pid, &status, WNOHANG), 0);
	}
	kill(pid, SIGKILL);
	WANT(status_of(pid), 1000 + SIGKILL);
	return 0;
}

/* --- the end of the main thread --------------------------------------------
 */

static void *last_thread(void *arg)
{
	poll(NULL, 0, 50);
	return arg;
}

/* The last thread of the program that ends is the end of the process. */
static int main_ends(void)
{
	pid_t pid = fork();
	pthread_t t;

	if (!pid) {
		struct pair p = make_pair();

		alarm(5);
		if (!held(&p) || pthread_create(&t, NULL, last_thread, NULL))
			_exit(1);
		pthread_exit(NULL);
	}
	WANT(status_of(pid), 0);
	return 0;
}

/* --- other kinds of children ------------------------------------------------
 */

static int spawn_children(void)
{
	char name[] = "true", *argv[] = {name, NULL};
	struct pair p = make_pair();
	pid_t pid;

	WANT(held(&p), 1);
	for (int i = 0; i < 5; i++) {
		WANT(posix_spawnp(&pid, "true", NULL, NULL, argv, environ), 0);
		WANT(status_of(pid), 0);
		WANT(held(&p), 1);
		WANT(system("true"), 0);
		WANT(held(&p), 1);
		pid = vfork();
		if (!pid) {
			execvp("true", argv);
			_exit(127);
		}
		WANT(status_of(pid), 0);
		WANT(held(&p), 1);
	}
	return 0;
}

static int in_clone(void *arg)
{
	const int *fd = arg;

	return (int)write(*fd, "c", 1) - 1;
}

/* A child in the same memory, without its descriptors. */
static int clone_vm(void)
{
	struct pair p = make_pair();
	void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pipes[2];
	pid_t pid;
	char byte;

	WANT(held(&p), 1);
	WANT(pipe(pipes), 0);
	for (int i = 0; i < 5; i++) {
		pid = clone(in_clone, (char *)stack + STACK,
		            CLONE_VM | CLONE_VFORK | SIGCHLD, &pipes[1]);
		WANT(pid > 0, 1);
		WANT(read(pipes[0], &byte, 1), 1);
		WANT(status_of(pid), 0);
		WANT(held(&p), 1);
	}
	return 0;
}

/* daemon(3) and setsid(2), with a helper before and after. */
static int daemon_child(void)
{
	struct pair p = make_pair();
	int pipes[2];
	char result = 1;

	WANT(pipe(pipes), 0);
	WANT(held(&p), 1);
	if (!fork()) {
		mortal_spare_next();
		if (daemon(0, 0))
			_exit(1);
		result = getsid(0) != getppid() && held(&p) ? 0 : 2;
		p = make_pair();
		result |= held(&p) ? 0 : 4;
		_exit(write(pipes[1], &result, 1) != 1);
	}
	close(pipes[1]);
	WANT(read(pipes[0], &result, 1), 1);
	WANT(result, 0);
	return 0;
}

/* The first of a pid namespace. */
static int first_process(void)
{
	struct pair p = make_pair();
	pid_t pid = fork();

	if (!pid) {
		if (unshare(CLONE_NEWPID)) {
			printf("skip: no pid namespace\n");
			exit(0);
		}
		pid = fork();
		if (!pid) {
			struct pair q = make_pair();

			if (getpid() != 1 || !held(&p) || !held(&q))
				_exit(1);
			pid = fork();
			if (!pid)
				_exit(!held(&p) || !held(&q));
			_exit(status_of(pid));
		}
		_exit(status_of(pid));
	}
	WANT(status_of(pid), 0);
	return 0;
}

/* --- signals ----------------------------------------------------------------
 */

static struct pair in_handler;
static volatile sig_atomic_t runs;
static int handler_set = -1;

/* Everything that a handler may call, and that we stand in front of. */
static void all_calls(int signal)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct pollfd f = {.fd = in_handler.accepted, .events = POLLIN};
	struct timeval none = {0};
	struct msghdr m = {0};
	struct iovec v = {.iov_len = 1};
	int saved = errno, fd, type;
	socklen_t len = sizeof(type);
	fd_set set;
	char byte;

	(void)signal;
	runs++;
	v.iov_base = &byte;
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	(void)send(in_handler.client, "x", 1, MSG_DONTWAIT);
	(void)recv(in_handler.accepted, &byte, 1, MSG_DONTWAIT);
	(void)recvmsg(in_handler.accepted, &m, MSG_DONTWAIT);
	(void)recv(in_handler.accepted, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
	(void)poll(&f, 1, 0);
	FD_ZERO(&set);
	FD_SET(in_handler.accepted, &set);
	(void)select(in_handler.accepted + 1, &set, NULL, NULL, &none);
	(void)epoll_ctl(handler_set, EPOLL_CTL_ADD, in_handler.accepted, &e);
	(void)epoll_wait(handler_set, &e, 1, 0);
	(void)epoll_ctl(handler_set, EPOLL_CTL_DEL, in_handler.accepted, &e);
	(void)getsockopt(in_handler.accepted, SOL_SOCKET, SO_TYPE, &type, &len);
	fd = dup(in_handler.accepted);
	(void)recv(fd, &byte, 1, MSG_DONTWAIT);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	close(fd);
	errno = saved;
}

/* A loop of holds that begin and end, in SECONDS of signals all the time. */
static int handlers(void)
{
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {0};
	struct sigaction a = {.sa_handler = all_calls, .sa_flags = SA_RESTART};
	double seconds = atof(getenv("SECONDS_OF_SIGNALS") ?: "2");
	long end = now_ms() + (long)(seconds * 1000), rounds = 0;
	struct pair p = make_pair();
	char byte;

	alarm(0); /* ITIMER_REAL is the same */
	in_handler = make_pair();
	handler_set = epoll_create1(0);
	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (now_ms() < end) {
		ssize_t n;

		if (send(p.client, "x", 1, 0) != 1)
			continue;
		do
			n = recv(p.accepted, &byte, 1, 0);
		while (n < 0 && errno == EINTR);
		WANT(n, 1);
		rounds++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%ld holds, %d handlers\n", rounds, (int)runs);
	WANT(rounds > 1 && runs > 10, 1);
	return 0;
}

/* Stopped while it is held: over at the moment at which it goes on. */
static int stopped(void)
{
	int pipes[2];
	pid_t pid;
	char byte;

	WANT(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		struct pair p = make_pair();
		struct epoll_event e = {.events = EPOLLIN | EPOLLET};
		int set = epoll_create1(0), woken = 0, n;

		fcntl(p.accepted, F_SETFL, O_NONBLOCK);
		epoll_ctl(set, EPOLL_CTL_ADD, p.accepted, &e);
		(void)!send(p.client, "x", 1, 0);
		(void)!write(pipes[1], "s", 1);
		/* To be stopped and to go on interrupts it: signal(7). */
		while ((n = epoll_wait(set, &e, 1, woken ? 200 : LATE_MS)) >
		               0 ||
		       (n < 0 && errno == EINTR))
			woken += n > 0;
		byte = 0;
		_exit(recv(p.accepted, &byte, 1, 0) == 1 ? woken : 100);
	}
	WANT(read(pipes[0], &byte, 1), 1);
	kill(pid, SIGSTOP);
	poll(NULL, 0, 4 * DELAY_MS);
	kill(pid, SIGCONT);
	WANT(status_of(pid), 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"deathsig", deathsig},
		{"deathsig-helper-ends", deathsig_helper_ends},
		{"main-ends", main_ends},
		{"spawn", spawn_children},
		{"clone-vm", clone_vm},
		{"daemon", daemon_child},
		{"first-process", first_process},
		{"handlers", handlers},
		{"stopped", stopped},
	};

	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
