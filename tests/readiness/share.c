/*
 * share.c - one connection, several descriptors, threads of life: dup, fork,
 * exec, SCM_RIGHTS, SIGKILL, reuse of the number.
 */
#include "cases.h"

#include "tests/mortal.h"
#include "tests/scm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

void case_dups(struct rd *r)
{
	struct rd_watch level, edge;
	struct rd_take t;
	int original, copy;

	rd_open(r);
	original = r->fd;
	copy = dup(r->fd);
	rd_watch(&level, EPOLL_LT, original, POLLIN | POLLRDHUP);
	rd_watch(&edge, EPOLL_ET, copy, POLLIN | POLLRDHUP);
	rd_hold(r, 5);
	say_result("the copy", rd_recv(r, copy, 10, MSG_DONTWAIT));
	r->fd = copy;
	rd_take(r, &edge, 5, &t);
	rd_say_take(r, &t, r->delay_ms);
	say("level: %s", rd_mask(rd_watch_wait(&level, 0)));
	say_result("the original", recv(original, &t, 1, MSG_DONTWAIT));
}

/* Both wait; the one that is closed is no loss to the other. */
void case_dup_closed(struct rd *r)
{
	int original;

	rd_open(r);
	original = r->fd;
	rd_hold(r, 5);
	r->fd = dup(original);
	close(original);
	rd_take_all(r, r->fd, 5);
}

/* Another connection at the number: its data come at once, nothing later. */
static void stranger_is_on_time(struct rd *r, struct rd_watch *w, int fd,
                                long conn)
{
	char buf[10];

	rd_watch(w, EPOLL_LT, fd, POLLIN);
	r->t0 = rd_now();
	rd_peer(r, "send", conn, 3, 0);
	say("event: %s", rd_mask(rd_watch_wait(w, RD_WAIT_MS)));
	say_at(r, "event", rd_now(), 0);
	say_result("receive", recv(fd, buf, sizeof(buf), 0));
	say("then: %s", rd_mask(rd_watch_wait(w, r->delay_ms + RD_SLACK_MS)));
}

/* The number has another connection while the first one's hold still runs. */
void case_number_reused(struct rd *r)
{
	struct rd_watch w;
	long conn;
	int number, fd;

	rd_open(r);
	number = r->fd;
	rd_watch(&w, EPOLL_LT, r->fd, POLLIN);
	rd_hold(r, 5);
	close(r->fd);
	rd_watch_end(&w);
	fd = rd_open_another(r, &conn);
	say("the same number: %s", fd == number ? "yes" : "no");
	stranger_is_on_time(r, &w, fd, conn);
	say("mark in the kernel: %d", rd_raw_lowat(fd));
}

/* dup2 puts another connection onto the number. */
void case_number_dup2(struct rd *r)
{
	struct rd_watch w;
	long conn;
	int fd, held;

	rd_open(r);
	held = r->fd;
	fd = rd_open_another(r, &conn);
	rd_hold(r, 5);
	dup2(fd, held);
	close(fd);
	stranger_is_on_time(r, &w, held, conn);
}

/* ---- processes ----------------------------------------------------------- */

/* The parent accepts, the child does the rest. */
void case_child_handles(struct rd *r)
{
	pid_t pid;

	rd_open(r);
	pid = rd_child();
	if (!pid) {
		rd_hold(r, 5);
		r->style = EPOLL_ET;
		rd_take_all(r, r->fd, 5);
		_exit(0);
	}
	close(r->fd);
	rd_await_child(pid);
}

/* In the child of a fork that happened during the hold. */
static _Noreturn void child_takes(struct rd *r, struct rd_watch *w)
{
	rd_watch_end(w);
	r->style = EPOLL_LT;
	rd_take_all(r, r->fd, 5);
	_exit(0);
}

/* A hold begins; the child is made during it. */
static pid_t hold_and_fork(struct rd *r, struct rd_watch *w)
{
	rd_open(r);
	rd_watch(w, EPOLL_LT, r->fd, POLLIN);
	rd_hold(r, 5);
	return rd_child();
}

/* The hold begins in the parent; the child waits for its end. */
void case_inherited(struct rd *r)
{
	struct rd_watch w;
	pid_t pid = hold_and_fork(r, &w);

	if (!pid)
		child_takes(r, &w);
	rd_await_child(pid);
	say("parent: %s", rd_mask(rd_watch_wait(&w, 0)));
	say_result("parent", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

void case_inherited_closed(struct rd *r)
{
	struct rd_watch w;
	pid_t pid = hold_and_fork(r, &w);

	if (!pid)
		child_takes(r, &w);
	close(r->fd);
	rd_await_child(pid);
}

/* As of a daemon: the parent ends, with its destructors. */
void case_inherited_orphan(struct rd *r)
{
	struct rd_watch w;

	mortal_spare_next();
	if (!hold_and_fork(r, &w))
		child_takes(r, &w);
	exit(0);
}

/* The registration is inherited too: the child sleeps in its parent's set. */
void case_inherited_set(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;
	pid_t pid = hold_and_fork(r, &w);

	if (!pid) {
		rd_take(r, &w, 5, &t);
		rd_say_take(r, &t, r->delay_ms);
		_exit(0);
	}
	rd_await_child(pid);
	say("parent: %s", rd_mask(rd_watch_wait(&w, 0)));
}

/* A blocking child, and its parent that blocks as well: one gets the data. */
void case_inherited_blocking(struct rd *r)
{
	pid_t pid;

	rd_open(r);
	rd_blocking(r->fd, true);
	rd_hold(r, 5);
	pid = rd_child();
	if (!pid) {
		ssize_t n = rd_recv(r, r->fd, 10, 0);

		say_result("child receives", n);
		say_at(r, "child", rd_now(), r->delay_ms);
		_exit(0);
	}
	rd_await_child(pid);
	say_result("parent", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

/* The child holds, is killed; the parent goes on with what is shared. */
static void killed(struct rd *r, enum rd_style style)
{
	int ready[2];
	char byte;
	pid_t pid;

	rd_open(r);
	if (pipe(ready))
		rd_broken("pipe");
	r->t0 = rd_now();
	pid = rd_child();
	if (!pid) {
		rd_hold(r, 5);
		rd_recv(r, r->fd, 10, MSG_DONTWAIT);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		rd_broken("the child");
	kill(pid, SIGKILL);
	rd_await_child(pid);
	r->style = style;
	rd_take_all(r, r->fd, 5);
	say("mark of the program: %d", case_lowat(r->fd));
}

void case_killed_poll(struct rd *r)
{
	killed(r, POLL);
}

void case_killed_epoll(struct rd *r)
{
	killed(r, EPOLL_LT);
}

void case_killed_blocking(struct rd *r)
{
	killed(r, BLOCKING);
}

/* ---- exec ---------------------------------------------------------------- */

/* The image that follows: nothing that it inherits is in a state of ours. */
static _Noreturn void become_resumed(struct rd *r)
{
	char fd[16], conn[32], t0[32], ms[16];

	fcntl(r->fd, F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", r->fd);
	snprintf(conn, sizeof(conn), "%ld", r->conn);
	snprintf(t0, sizeof(t0), "%ju", (uintmax_t)r->t0);
	snprintf(ms, sizeof(ms), "%d", r->delay_ms);
	execl("/proc/self/exe", "readiness", "resume", fd, conn, t0, ms,
	      (char *)NULL);
	rd_broken("exec");
}

/*
 * resume FD CONN T0 MS.  The library alone starts anew in each image: what was
 * held may be delayed once more, but never lost.
 */
int rd_resume(int argc, char **argv)
{
	struct rd_case c = {.name = "resume"};
	struct rd r = {.c = &c, .style = EPOLL_LT};
	struct rd_watch w;
	struct rd_take t;

	if (argc != 4)
		return 2;
	r.fd = atoi(argv[0]);
	r.conn = atol(argv[1]);
	r.t0 = strtoull(argv[2], NULL, 10);
	r.delay_ms = atoi(argv[3]);
	rd_watch(&w, EPOLL_LT, r.fd, POLLIN);
	rd_take(&r, &w, 5, &t);
	note("received at %.1f ms", rd_ms(&r, t.first));
	say("bytes: %zu", t.n);
	say("in time: %s",
	    t.first && rd_ms(&r, t.first) < 3 * r.delay_ms ? "yes" : "no");
	say("mark of the program: %d", case_lowat(r.fd));
	return 0;
}

void case_exec(struct rd *r)
{
	rd_open(r);
	rd_blocking(r->fd, false);
	rd_hold(r, 5);
	become_resumed(r);
}

void case_exec_child(struct rd *r)
{
	pid_t pid;

	rd_open(r);
	rd_hold(r, 5);
	pid = rd_child();
	if (!pid)
		become_resumed(r);
	close(r->fd);
	rd_await_child(pid);
}

/* A child that is executed and closes it all does not end its parent's hold. */
void case_exec_other(struct rd *r)
{
	pid_t pid;

	rd_open(r);
	rd_hold(r, 5);
	pid = rd_child();
	if (!pid) {
		execlp("true", "true", (char *)NULL);
		_exit(1);
	}
	rd_await_child(pid);
	rd_take_all(r, r->fd, 5);
}

/* A child that ends, by exit and its destructors, does not either. */
void case_child_exits(struct rd *r)
{
	pid_t pid;

	rd_open(r);
	rd_hold(r, 5);
	pid = rd_child();
	if (!pid)
		exit(0);
	rd_await_child(pid);
	rd_take_all(r, r->fd, 5);
}

/* ---- SCM_RIGHTS ---------------------------------------------------------- */

/* The receiver was made before there was a connection. */
static void passed(struct rd *r, bool keeps)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		rd_broken("socketpair");
	pid = rd_child();
	if (!pid) {
		r->fd = scm_recv(pair[1], MSG_CMSG_CLOEXEC);
		if (r->fd < 0 ||
		    read(pair[1], &r->t0, sizeof(r->t0)) != sizeof(r->t0))
			_exit(1);
		rd_take_all(r, r->fd, 5);
		_exit(0);
	}
	rd_open(r);
	rd_hold(r, 5);
	if (scm_send(pair[0], r->fd) != 1 ||
	    write(pair[0], &r->t0, sizeof(r->t0)) != sizeof(r->t0))
		rd_broken("write");
	if (!keeps)
		close(r->fd);
	rd_await_child(pid);
}

void case_passed(struct rd *r)
{
	passed(r, true);
}

void case_passed_closed(struct rd *r)
{
	passed(r, false);
}
