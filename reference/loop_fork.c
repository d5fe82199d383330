/*
 * loop_fork.c - the style `fork`: a process per connection, blocking calls.
 *
 * Server.  The parent accepts and closes its copy of the connection after
 * fork, so that the child's close is the last and the peer sees it.  Children
 * are reaped as they end: SIGCHLD interrupts accept, with a timer behind it
 * that insists (interrupt.h).  None is killed.  A stop signal is passed on as
 * SIGTERM, which a child takes as the parent does: finish within the grace; a
 * second one as SIGUSR1: do not wait.  Then the parent waits for all.  They may
 * have had the SIGTERM already, when it was for the whole group: two are one.
 *
 * Client.  Each connection is made and used in a child; its status says how
 * that went.
 *
 * Locking model: one thread per process and the handlers of interrupt.c.
 * Signals are held while it forks, so that a child has its own handlers before
 * it gets one, and the parent has the child in its list.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocking.h"
#include "interrupt.h"
#include "message.h"
#include "shortage.h"

struct child {
	pid_t pid;
	char peer[ADDRESS_TEXT];
	struct child *next;
};

struct family {
	struct server *server;
	struct child *children;
	int told; /* the signal that was passed on last; 0: none */
};

/* ---- forking ---- */

/* On success signals are held, in both processes. */
static int try_fork(void *context)
{
	pid_t *pid = context;
	int err;

	interrupt_hold();
	*pid = fork();
	if (*pid >= 0)
		return 0;
	err = -errno;
	interrupt_release();
	return err;
}

/* A child's way out: its status, and what it printed is printed. */
static _Noreturn void leave(int err)
{
	if (fflush(stdout) != 0 && !err) {
		err = -errno;
		message_call("write to", "stdout", errno);
	}
	exit(err ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* 0, or -EPROTO when the child failed, which it has said unless it died. */
static int child_result(int status, const char *peer)
{
	if (WIFSIGNALED(status))
		message("process for %s: killed by signal %d (SIG%s)", peer,
		        WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

/* ---- server ---- */

static void forget(struct family *family, pid_t pid, int status)
{
	for (struct child **link = &family->children; *link;
	     link = &(*link)->next) {
		struct child *child = *link;

		if (child->pid != pid)
			continue;
		child_result(status, child->peer);
		*link = child->next;
		free(child);
		return;
	}
}

static void reap(void *context)
{
	struct family *family = context;
	int status;
	pid_t pid;

	/* First: whoever ends from here on makes the timer insist again. */
	interrupt_at(NO_DEADLINE);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		forget(family, pid, status);
}

static void tell_children(struct family *family)
{
	int signal_number = now_ns() < interrupt_stop_ns() ? SIGTERM : SIGUSR1;

	if (interrupt_stop_ns() == NO_DEADLINE || family->told == SIGUSR1 ||
	    family->told == signal_number)
		return;
	family->told = signal_number;
	/* Not reaped yet, so the numbers are still theirs. */
	for (struct child *child = family->children; child; child = child->next)
		kill(child->pid, signal_number);
}

static _Noreturn void be_child(struct family *family, struct connection *c)
{
	int err;

	listener_release(&family->server->listener);
	err = interrupt_init_child();
	if (err)
		connection_reset(c);
	else
		err = blocking_serve_by(&blocking_by_timer, c);
	leave(err);
}

/* In a process of its own; the copy here is closed in any case. */
static void begin(void *context, struct connection *c)
{
	struct family *family = context;
	struct child *child = calloc(1, sizeof(*child));
	int err = child ? 0 : -ENOMEM;

	if (err)
		message_call("memory for a process", NULL, -err);
	if (!err)
		err = shortage_wait_out(
			try_fork, &child->pid, "fork for", c->peer,
			now_ns() + LISTENER_PATIENCE_MS * NS_PER_MS);
	if (!err && child->pid == 0) {
		free(child);
		be_child(family, c);
	}
	if (err) {
		free(child);
		connection_reset(c);
	} else {
		memcpy(child->peer, c->peer, sizeof(child->peer));
		child->next = family->children;
		family->children = child;
		connection_close(c);
		interrupt_release();
	}
}

static void wait_for_all(struct family *family)
{
	int status;
	pid_t pid;

	while (family->children) {
		tell_children(family);
		pid = waitpid(-1, &status, 0);
		if (pid > 0)
			forget(family, pid, status);
		else if (errno != EINTR)
			return;
	}
}

int fork_catch_stop(struct server *server)
{
	int err = blocking_catch_stop(server);

	if (!err)
		interrupt_catch_children();
	return err;
}

int fork_serve(struct server *server)
{
	struct family family = {.server = server};
	int err = blocking_accept_all(server, begin, reap, &family);

	wait_for_all(&family);
	return err;
}

/* ---- client ---- */

/* When the parent is killed, so is what it was about. */
static void end_with_parent(pid_t parent)
{
	interrupt_release();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

int fork_apart(int (*work)(void *context), void *context, int64_t deadline_ns)
{
	pid_t parent = getpid();
	pid_t pid;
	int status;
	int err;

	err = shortage_wait_out(try_fork, &pid, "fork", NULL, deadline_ns);
	if (err)
		return err;
	if (pid == 0) {
		end_with_parent(parent);
		err = interrupt_init();
		leave(err ? err : work(context));
	}
	interrupt_release();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return child_result(status, "the connection");
}
