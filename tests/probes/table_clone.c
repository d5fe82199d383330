/*
 * table_clone.c - children of clone(2) with memory of their own: to the kernel
 * they are forked, to libc they are not (tests/e2e/table.sh).
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "table.h"

enum {
	STACK_SIZE = 65536,
	OTHER = 3 /* what a child returns that is as it should be */
};

extern int clone_again(int (*)(void *), void *, int, void *,
                       ...) __asm__("__clone");

static char stack[STACK_SIZE] __attribute__((aligned(16)));

static pid_t clone_on_stack(int (*fn)(void *), int flags, void *arg)
{
	pid_t pid = clone(fn, stack + STACK_SIZE, flags | SIGCHLD, arg);

	if (pid < 0)
		die("clone");
	return pid;
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* --- the child ------------------------------------------------------------ */

/* A connection of its own. */
static int make_and_receive(void *arg)
{
	struct pair p;

	(void)arg;
	mortal_begin(); /* no handler of libc's has run */
	p = make_pair();
	return known(&p) ? OTHER : 1;
}

static int child_is_known(void)
{
	WANT(status_of(clone_on_stack(make_and_receive, 0, NULL)), OTHER);
	WANT(status_of(clone_again(make_and_receive, stack + STACK_SIZE,
	                           SIGCHLD, NULL)),
	     OTHER);
	/* The parent waits for an exec or the end, in the kernel. */
	WANT(status_of(clone_on_stack(make_and_receive, CLONE_VFORK, NULL)),
	     OTHER);
	return 0;
}

/* Each in a namespace of its own; pid 1 in the first. */
static int in_namespaces(void)
{
	static const int flags[] = {CLONE_NEWPID, CLONE_NEWNS | CLONE_NEWUTS};

	for (int i = 0; i < 2; i++) {
		pid_t pid = clone(make_and_receive, stack + STACK_SIZE,
		                  flags[i] | SIGCHLD, NULL);

		if (pid < 0 && errno == EPERM) {
			printf("skip: no namespaces here\n");
			return 0;
		}
		WANT(status_of(pid), OTHER);
	}
	return 0;
}

static int tell_known(void *fd_at)
{
	const int *fd = fd_at;
	char result = (char)make_and_receive(NULL);

	return write(*fd, &result, 1) != 1;
}

/* Somebody else waits for it. */
static int of_our_parent(void)
{
	int ends[2];
	char result = 0;

	WANT(pipe(ends), 0);
	clone_on_stack(tell_known, CLONE_PARENT, &ends[1]);
	close(ends[1]);
	WANT(read(ends[0], &result, 1), 1);
	WANT(result, OTHER);
	return 0;
}

/* Not the parent's pid, which the library may have kept. */
static int receive_twice(void *arg)
{
	struct pair *p = arg;

	mortal_begin();
	WANT(recv_fed(p->client, p->accepted), DATA);
	WANT(recv_fed(p->client, p->accepted), 1);
	return 0;
}

/* recv:short=1B:nth=2:per=process. */
static int counted_apart(void)
{
	struct pair p = make_pair();

	WANT(recv_fed(p.client, p.accepted), DATA);
	WANT(status_of(clone_on_stack(receive_twice, 0, &p)), 0);
	WANT(recv_fed(p.client, p.accepted), 1);
	return 0;
}

/* As make_and_receive, in a child of its own. */
static int clone_further(void *arg)
{
	static char further[STACK_SIZE] __attribute__((aligned(16)));

	mortal_begin();
	return status_of(
		clone(make_and_receive, further + STACK_SIZE, SIGCHLD, arg));
}

static int child_of_child(void)
{
	pid_t pid;
	int status;

	WANT(status_of(clone_on_stack(clone_further, 0, NULL)), OTHER);
	pid = fork();
	if (!pid)
		_exit(clone_further(NULL));
	status = status_of(pid);
	WANT(status, OTHER);
	return 0;
}

/* The arguments behind the fourth. */
struct told {
	pid_t parent_tid, child_tid;
	pthread_t self;
	const int *errno_at;
};

static int compare_told(void *arg)
{
	const struct told *t = arg;

	WANT(errno, ENOTTY);
	WANT(t->child_tid, syscall(SYS_gettid));
	WANT(t->child_tid, getpid());
	WANT(pthread_self() == t->self, true);
	WANT(&errno == t->errno_at, true);
	return make_and_receive(NULL);
}

static int all_arguments(void)
{
	struct told t = {.self = pthread_self(), .errno_at = &errno};
#ifdef __x86_64__
	void *tls = (void *)t.self;
#else
	void *tls = __builtin_thread_pointer();
#endif
	pid_t pid;

	errno = ENOTTY;
	pid = clone(compare_told, stack + STACK_SIZE,
	            CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_SETTLS |
	                    SIGCHLD,
	            &t, &t.parent_tid, tls, &t.child_tid);
	WANT(errno, ENOTTY);
	WANT(status_of(pid), OTHER);
	WANT(t.parent_tid, pid);
	WANT(t.child_tid, 0);
	return 0;
}

static int refused(void)
{
	struct pair p = make_pair();

#ifndef __SANITIZE_THREAD__ /* whose own clone calls what is not there */
	errno = 0;
	WANT(clone(NULL, stack + STACK_SIZE, SIGCHLD, NULL), -1);
	WANT(errno, EINVAL);
#endif
	errno = 0;
	WANT(clone(make_and_receive, NULL, SIGCHLD, NULL), -1);
	WANT(errno, EINVAL);
	errno = 0;
	WANT(clone(make_and_receive, stack + STACK_SIZE, CLONE_THREAD, NULL),
	     -1);
	WANT(errno, EINVAL);
	WANT(known(&p), true);
	return 0;
}

/* On a page below, where calls of the parent have their frames. */
static int stack_below(void)
{
	char *here = __builtin_frame_address(0);
	pid_t pid = clone(make_and_receive, here - 4096, SIGCHLD, NULL);

	WANT(status_of(pid), OTHER);
	return 0;
}

/* --- what parent and child share ------------------------------------------ */

static int close_both(void *arg)
{
	const struct pair *p = arg;

	mortal_begin();
	close(p->accepted);
	close(p->client);
	return 0;
}

/* What the child closes is not the parent's reference. */
static int child_closes(void)
{
	struct pair p = make_pair(), q;

	WANT(status_of(clone_on_stack(close_both, 0, &p)), 0);
	q = make_pair();
	WANT(known(&p), true);
	WANT(known(&q), true);
	return 0;
}

enum {
	N_CHILDREN = 100,
	N_SOCKETS = 1400
};

/* All are open when it returns. */
static int make_many(void *arg)
{
	(void)arg;
	mortal_begin();
	for (int i = 0; i < N_SOCKETS; i++)
		if (socket(AF_INET, SOCK_STREAM, 0) < 0)
			return 1;
	return 0;
}

/* More than the table of sockets holds, if nothing were given back. */
static int given_back(void)
{
	struct rlimit limit;
	struct pair p;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < N_CHILDREN; i++)
		WANT(status_of(clone_on_stack(make_many, 0, NULL)), 0);
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

/* --- with a helper thread (recv:delay=100ms) ------------------------------ */

/* Is one recv held back, and an epoll set told when it is over? */
static int held_back(const struct pair *p)
{
	struct epoll_event e = {.events = EPOLLIN};
	int set = epoll_create1(0);
	char data[DATA] = "7 bytes";
	long began = now_ms();

	WANT(set >= 0, true);
	WANT(epoll_ctl(set, EPOLL_CTL_ADD, p->accepted, &e), 0);
	WANT(send(p->client, data, DATA, 0), DATA);
	WANT(epoll_wait(set, &e, 1, LIMIT_S * 1000), 1);
	WANT(recv(p->accepted, data, DATA, 0), DATA);
	WANT(now_ms() - began >= 100, true);
	WANT(close(set), 0);
	return 0;
}

static int hold_back_own(void *arg)
{
	struct pair p;

	(void)arg;
	mortal_begin();
	p = make_pair();
	return held_back(&p) ? 1 : OTHER;
}

/* It ends with its first thread, as it does without ours. */
static int child_has_helper(void)
{
	struct pair p = make_pair();

	WANT(held_back(&p), 0);
	WANT(status_of(clone_on_stack(hold_back_own, 0, NULL)), OTHER);
	p = make_pair();
	WANT(held_back(&p), 0);
	return 0;
}

static int receive_of_parent(void *arg)
{
	const struct pair *p = arg;

	mortal_begin();
	return held_back(p) ? 1 : OTHER;
}

static int do_nothing(void *arg)
{
	(void)arg;
	return OTHER;
}

static pid_t clone_by_number(int (*fn)(void *), int flags, void *arg)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(fn(arg));
	return pid;
}

/* Of what is the parent's, of the library too, it closes nothing. */
static int shares_files(void)
{
	static pid_t (*const ways[])(int (*)(void *), int, void *) = {
		clone_on_stack, clone_by_number};

	for (int i = 0; i < 2; i++) {
		struct pair p = make_pair();
		int n;

		WANT(held_back(&p), 0);
		n = open_descriptors();
		WANT(status_of(ways[i](do_nothing, CLONE_FILES, NULL)), OTHER);
		WANT(open_descriptors(), n);
		WANT(held_back(&p), 0);
		WANT(status_of(ways[i](receive_of_parent, CLONE_FILES, &p)),
		     OTHER);
		WANT(held_back(&p), 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"child-is-known", child_is_known},
		{"in-namespaces", in_namespaces},
		{"of-our-parent", of_our_parent},
		{"counted-apart", counted_apart},
		{"child-of-child", child_of_child},
		{"all-arguments", all_arguments},
		{"refused", refused},
		{"stack-below", stack_below},
		{"child-closes", child_closes},
		{"given-back", given_back},
		{"child-has-helper", child_has_helper},
		{"shares-files", shares_files},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
