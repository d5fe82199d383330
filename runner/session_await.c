/*
 * session_await.c - what comes in while a session goes on.
 *
 * One poll() over the guardian, the eventfd of wake.h, the signalfd and the
 * programs' output, until the nearest absolute deadline.  Transfers do not
 * wake the runner (decisions.md 8), so while programs with the library run the
 * ring is also drained at an interval, which follows the rate at which it
 * fills: 1 ms to 64 ms.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/session_internal.h"

#define DRAIN_MAX_NS (32 * NS_PER_MS)
#define LOOK_NS      (20 * NS_PER_MS) /* at /proc/net, without the library */
#define REST_NS      (1 * NS_PER_MS)  /* so often it is looked at */

static void exited(struct session *s, const struct guardian_event *e)
{
	for (size_t i = 0; i < s->result->n_programs; i++) {
		struct program_result *r = &s->result->programs[i];

		if (!r->started || r->exited || r->pid != e->pid)
			continue;
		r->exited = true;
		r->status = e->status;
		r->ended_ns = now_ns();
		r->expelled = session_is_service(s, i) && !r->stopped &&
		              s->phase < PHASE_OVER;
	}
}

/* ^Z in a program that has the terminal: we stop too, then both go on. */
static void suspended(struct session *s, const struct guardian_event *e)
{
	if (s->tty < 0 || WSTOPSIG(e->status) == SIGSTOP)
		return;
	session_give_back_terminal(s);
	raise(SIGSTOP);
	/* `fg`, not `bg`: then the terminal is ours to give. */
	if (tcgetpgrp(s->tty) == getpgrp())
		tcsetpgrp(s->tty, e->pid);
	guardian_signal(s->guardian, e->pid, SIGCONT, true);
}

void session_take_ends(struct session *s)
{
	struct guardian_event e;
	int r;

	while ((r = guardian_next(s->guardian, &e)) == 1) {
		if (e.kind == GUARDIAN_EXITED)
			exited(s, &e);
		else
			suspended(s, &e);
	}
	if (r < 0)
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "the guardian was killed; so were the programs");
}

/* exec: the program gets it first, a second one kills. */
static void pass_on(struct session *s, int sig, bool keyboard)
{
	pid_t pid = s->result->programs[s->options->only].pid;

	if (keyboard && s->group == GROUP_OURS)
		return; /* the terminal sent it to the program as well */
	if (s->forwarded++ > 0)
		sig = SIGKILL;
	guardian_signal(s->guardian, pid, sig, true);
}

static void take_signals(struct session *s)
{
	bool keyboard;
	int sig;

	while ((sig = interrupt_next(s->interrupt, &keyboard))) {
		if (s->options->passthrough)
			pass_on(s, sig, keyboard);
		else
			session_end(s, SESSION_INTERRUPTED,
			            s->scenario->n_programs,
			            "interrupted by SIG%s", sigabbrev_np(sig));
	}
}

/* Faster when it fills, slower when it does not. */
static void drain(struct session *s)
{
	uint64_t n = observe_drain(&s->observe);

	if (n > s->segments.n.n_records / 64)
		s->drain_ns = SESSION_DRAIN_MIN_NS;
	else if (n == 0 && s->drain_ns < DRAIN_MAX_NS)
		s->drain_ns *= 2;
	else if (n > 0 && s->drain_ns > 10 * NS_PER_MS)
		s->drain_ns = 10 * NS_PER_MS;
}

void session_read_output(struct session *s)
{
	for (size_t i = 0; i < s->result->n_programs; i++) {
		capture_read(&s->result->programs[i].out);
		capture_read(&s->result->programs[i].err);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return b && b < a ? b : a;
}

static int timeout_ms(const struct session *s)
{
	int64_t now = now_ns();
	int64_t at = now + s->drain_ns;
	int64_t ns;

	if (s->phase == PHASE_START && s->at < s->scenario->n_programs &&
	    !s->scenario->programs[s->at].attach &&
	    s->scenario->programs[s->at].ready == READY_LISTENING)
		at = sooner(at, now + LOOK_NS);
	at = sooner(at, s->grace_ns);
	if (s->settle_ns)
		at = sooner(at, now + REST_NS);
	if (s->phase < PHASE_STOP)
		at = sooner(at, s->limit_ns);
	ns = at - now;
	return ns <= 0 ? 0 : (int)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

void session_await(struct session *s)
{
	size_t n = 3, max = 3 + 2 * s->result->n_programs;
	struct pollfd *p = calloc(max, sizeof(*p));

	if (!p) {
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "out of memory");
		return;
	}
	p[0] = (struct pollfd){guardian_fd(s->guardian), POLLIN, 0};
	p[1] = (struct pollfd){s->wake.fd, POLLIN, 0};
	p[2] = (struct pollfd){s->interrupt->fd, POLLIN, 0};
	for (size_t i = 0; i < s->result->n_programs; i++) {
		/* A negative fd is skipped by poll(). */
		p[n++] = (struct pollfd){s->result->programs[i].out.fd, POLLIN,
		                         0};
		p[n++] = (struct pollfd){s->result->programs[i].err.fd, POLLIN,
		                         0};
	}
	poll(p, n, timeout_ms(s));
	free(p);
	wake_clear(&s->wake);
	session_read_output(s);
	/* Exits before records: what a dead process wrote is all there. */
	session_take_ends(s);
	drain(s);
	take_signals(s);
}
