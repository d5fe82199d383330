/*
 * session_stop.c - STOP: services come to rest, get their signal in reverse
 * order, and their grace.  At the limit scripts still say where they were.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "runner/asleep.h"
#include "runner/clock.h"
#include "runner/peer.h"
#include "runner/session_internal.h"

#define KILLED_NS   (5 * NS_PER_S)
#define TELL_NS     (1 * NS_PER_S)
#define SETTLE_NS   (500 * NS_PER_MS) /* of processor, until they rest */
#define PATIENCE_NS (5 * NS_PER_S)    /* ... or of time, on a busy machine */

/* What a service has written, but nobody has read: it may wait for us. */
static bool output_waits(const struct session *s)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];
		struct pollfd p[] = {{r->out.fd, POLLIN, 0},
		                     {r->err.fd, POLLIN, 0}};

		if (poll(p, 2, 0) > 0 && (p[0].revents | p[1].revents) & POLLIN)
			return true;
	}
	return false;
}

static bool services_rest(const struct session *s)
{
	pid_t *pids = calloc(s->result->n_instances + 1, sizeof(*pids));
	bool rest = !pids;
	size_t n = 0;

	for (size_t i = 0; pids && i < s->result->n_instances; i++)
		if (instance_is_running(&s->result->instances[i]))
			pids[n++] = s->result->instances[i].pid;
	if (pids)
		rest = all_asleep(pids, n) && !output_waits(s);
	free(pids);
	return rest;
}

/* Processor time that services have had; those below them are not counted. */
static int64_t services_cpu(const struct session *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];
		clockid_t clock;
		struct timespec t;

		if (instance_is_running(r) &&
		    !clock_getcpuclockid(r->pid, &clock) &&
		    !clock_gettime(clock, &t))
			sum += t.tv_sec * NS_PER_S + t.tv_nsec;
	}
	return sum;
}

/*
 * A service may be about to die of what the last job did to it, or of a fault
 * at its end: a stop signal that comes before would hide that, or not, as the
 * scheduler likes.  So none comes before all have come to rest; one that never
 * does (it spins) has to be stopped all the same.
 */
static bool settled(struct session *s)
{
	if (!s->settle_ns) {
		s->settle_ns = now_ns() + PATIENCE_NS;
		s->settle_cpu_ns = services_cpu(s) + SETTLE_NS;
	}
	if (now_ns() < s->settle_ns && services_cpu(s) < s->settle_cpu_ns &&
	    !services_rest(s))
		return false;
	s->settle_ns = 0;
	return true;
}

static void stop_one(struct session *s, struct instance_result *r)
{
	const struct program *p = &s->scenario->programs[r->program];

	r->stopped = true;
	r->turns = 0;
	r->stop_until_ns = now_ns() + p->grace_ns;
	guardian_signal(s->guardian, r->pid, p->stop_signal, true);
	/* One that is stopped gets the signal when it goes on. */
	guardian_signal(s->guardian, r->pid, SIGCONT, true);
}

/* It runs: true when there is something to wait for. */
static bool stopping(struct session *s, struct instance_result *r)
{
	if (!r->stop_until_ns)
		stop_one(s, r);
	if (now_ns() < r->stop_until_ns)
		return true;
	if (r->killed)
		return false; /* SIGKILL does not help either */
	r->killed = true;
	guardian_signal(s->guardian, r->pid, SIGKILL, true);
	r->stop_until_ns = now_ns() + KILLED_NS;
	return true;
}

bool session_stop_program(struct session *s, size_t program)
{
	bool done = true;

	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (r->program == program && instance_is_running(r) &&
		    stopping(s, r))
			done = false;
	}
	return done;
}

/* Somebody of it still has to get the signal. */
static bool is_to_be_stopped(const struct session *s, size_t program)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == program && instance_is_running(r) &&
		    !r->stop_until_ns)
			return true;
	}
	return false;
}

/* From the last service to the first, each until it is gone. */
void session_stop_phase(struct session *s)
{
	for (; s->phase == PHASE_STOP && s->at > 0; s->at--) {
		size_t program = s->at - 1;

		if (is_to_be_stopped(s, program) && !settled(s))
			return;
		if (!session_stop_program(s, program))
			return;
		s->settle_ns = 0;
	}
	s->phase = PHASE_OVER;
}

static bool is_scripted(const struct session *s,
                        const struct instance_result *r)
{
	return s->scenario->programs[r->program].kind != PROGRAM_RUN;
}

/* ... and has not closed its streams, behind which nothing comes. */
static bool is_talking(const struct session *s, const struct instance_result *r)
{
	return instance_is_running(r) && is_scripted(s, r) && r->err.fd >= 0;
}

static bool scripts_talk(const struct session *s)
{
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (is_talking(s, &s->result->instances[i]))
			return true;
	return false;
}

void session_ask_scripts(struct session *s)
{
	int64_t until_ns = now_ns() + TELL_NS;

	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (instance_is_running(r) && !is_scripted(s, r))
			guardian_signal(s->guardian, r->pid, SIGSTOP, true);
	}
	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (!is_talking(s, r))
			continue;
		r->stop_until_ns = until_ns;
		guardian_signal(s->guardian, r->pid, PEER_SIGNAL_TELL, true);
	}
	while (scripts_talk(s) && now_ns() < until_ns)
		session_await(s);
}
