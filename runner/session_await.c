/*
 * session_await.c - what comes in while a session goes on.
 *
 * One poll() over the guardian, the eventfd of wake.h, the signalfd and the
 * programs' output, until the nearest absolute deadline.  Transfers do not
 * wake the runner, so while programs with the library run the
 * ring is also drained at an interval, which follows the rate at which it
 * fills: 1 ms to 64 ms.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/machine.h"
#include "runner/session_internal.h"

#define DRAIN_MAX_NS (32 * NS_PER_MS)
#define LOOK_NS      (20 * NS_PER_MS) /* at /proc/net, without the library */
#define REST_NS      (1 * NS_PER_MS)  /* so often it is looked at */

/* `repeat`: once more, unless somebody wanted it to end. */
static void take_turn(struct session *s, const struct instance_result *r)
{
	size_t program = r->program;
	uint32_t turns = r->turns;

	if (turns && s->phase < PHASE_STOP)
		session_start_instance(s, program, turns - 1);
}

/* A script that the machine failed: the others would wait for it. */
static void give_up(struct session *s, const struct instance_result *r)
{
	const char *said = r->err.data ? r->err.data : "no memory";

	if (s->scenario->programs[r->program].kind != PROGRAM_RUN &&
	    session_script_gave_up(r))
		session_end(s, SESSION_ENVIRONMENT, r->program, "%.*s",
		            (int)strcspn(said, "\n"), said);
}

static void exited(struct session *s, const struct guardian_event *e)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (!instance_is_running(r) || r->pid != e->pid)
			continue;
		r->exited = true;
		r->status = e->status;
		r->ended_ns = now_ns();
		r->expelled = session_is_service(s, r->program) &&
		              !r->stopped && !r->by_step &&
		              s->phase < PHASE_OVER;
		/* What it said last counts before its end does. */
		capture_read(&r->out);
		capture_read(&r->err);
		give_up(s, r);
		take_turn(s, r);
		return;
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
		if (command_take(&s->step.command, &e))
			continue;
		if (e.kind == GUARDIAN_EXITED)
			exited(s, &e);
		else
			suspended(s, &e);
	}
	if (r == -EPIPE)
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "the guardian was killed; so were the programs");
	else if (r < 0)
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "the end of a program was lost: %s", strerror(-r));
}

/* exec: the program gets it first, a second one kills. */
static void pass_on(struct session *s, int sig, bool keyboard)
{
	pid_t pid = s->result->n_instances ? s->result->instances[0].pid : 0;

	if (keyboard && s->group == GROUP_OURS)
		return; /* the terminal sent it to the program as well */
	if (s->forwarded++ > 0)
		sig = SIGKILL;
	if (pid)
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
	for (size_t i = 0; i < s->result->n_instances; i++) {
		capture_read(&s->result->instances[i].out);
		capture_read(&s->result->instances[i].err);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return b && b < a ? b : a;
}

/* Somebody is waited for whose listening nobody reports. */
static bool has_to_look(const struct session *s)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (instance_is_running(r) && !r->ready &&
		    !session_has_library(s, r->program))
			return true;
	}
	return false;
}

static int64_t next_deadline(const struct session *s, int64_t now)
{
	int64_t at = now + s->drain_ns;

	if (s->phase < PHASE_STOP && has_to_look(s))
		at = sooner(at, now + LOOK_NS);
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (instance_is_running(&s->result->instances[i]))
			at = sooner(at, s->result->instances[i].stop_until_ns);
	at = sooner(at, session_step_deadline(s, now));
	if (s->settle_ns)
		at = sooner(at, now + REST_NS);
	if (s->phase < PHASE_STOP)
		at = sooner(at, s->limit_ns);
	return at;
}

/* Not in milliseconds: ten thousand waits of 1us would take as many. */
static struct timespec time_left(const struct session *s)
{
	int64_t now = now_ns();
	int64_t ns = next_deadline(s, now) - now;

	ns = ns < 0 ? 0 : ns;
	return (struct timespec){.tv_sec = ns / NS_PER_S,
	                         .tv_nsec = ns % NS_PER_S};
}

enum {
	N_SOURCES = 3, /* beside the programs' output */
	N_STREAMS = 2  /* of an instance */
};

static struct capture *stream_of(const struct session *s, size_t i)
{
	struct instance_result *r = &s->result->instances[i / N_STREAMS];

	return i % N_STREAMS ? &r->err : &r->out;
}

/*
 * How many there are.  Open streams only: poll(2) refuses more entries than
 * descriptors are allowed, and with `repeat` most instances are over.
 */
static nfds_t fill_sources(const struct session *s, struct pollfd *p)
{
	nfds_t n = 0;

	p[n++] = (struct pollfd){guardian_fd(s->guardian), POLLIN, 0};
	p[n++] = (struct pollfd){s->wake.fd, POLLIN, 0};
	p[n++] = (struct pollfd){s->interrupt->fd, POLLIN, 0};
	for (size_t i = 0; i < N_STREAMS * s->result->n_instances; i++)
		if (stream_of(s, i)->fd >= 0)
			p[n++] =
				(struct pollfd){stream_of(s, i)->fd, POLLIN, 0};
	return n;
}

/* The same streams in the same order: only looking closes one. */
static void read_ready(struct session *s, const struct pollfd *p)
{
	p += N_SOURCES;
	for (size_t i = 0; i < N_STREAMS * s->result->n_instances; i++) {
		struct capture *c = stream_of(s, i);

		if (c->fd >= 0 && p++->revents)
			capture_read(c);
	}
}

void session_await(struct session *s)
{
	size_t most = N_SOURCES + N_STREAMS * s->result->n_instances;
	struct pollfd *p = calloc(most, sizeof(*p));
	struct timespec left;
	nfds_t n;

	if (!p) {
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "out of memory");
		return;
	}
	n = fill_sources(s, p);
	left = time_left(s);
	if (ppoll(p, n, &left, NULL) > 0)
		read_ready(s, p);
	free(p);
	wake_clear(&s->wake);
	/* Exits before records: what a dead process wrote is all there. */
	session_take_ends(s);
	drain(s);
	session_look_at_pending(s);
	take_signals(s);
	/* It might be waited for in vain what was lost; nothing of it counts.
	 */
	if (!s->options->passthrough && machine_failure())
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "%s", machine_failure());
}
