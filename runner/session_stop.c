/*
 * session_stop.c - STOP: services come to rest, get their signal in reverse
 * order, and their grace.
 */
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "runner/asleep.h"
#include "runner/clock.h"
#include "runner/session_internal.h"

#define KILLED_NS   (5 * NS_PER_S)
#define SETTLE_NS   (500 * NS_PER_MS) /* of processor, until they rest */
#define PATIENCE_NS (5 * NS_PER_S)    /* ... or of time, on a busy machine */

/* What a service has written, but nobody has read: it may wait for us. */
static bool output_waits(const struct session *s)
{
	for (size_t i = 0; i < s->result->n_programs; i++) {
		const struct program_result *r = &s->result->programs[i];
		struct pollfd p[] = {{r->out.fd, POLLIN, 0},
		                     {r->err.fd, POLLIN, 0}};

		if (poll(p, 2, 0) > 0 && (p[0].revents | p[1].revents) & POLLIN)
			return true;
	}
	return false;
}

static bool services_rest(const struct session *s)
{
	pid_t pids[PLAN_MAX_PROGRAMS];
	size_t n = 0;

	for (size_t i = 0; i < s->result->n_programs; i++)
		if (session_is_running(s, i) && n < PLAN_MAX_PROGRAMS)
			pids[n++] = s->result->programs[i].pid;
	return all_asleep(pids, n) && !output_waits(s);
}

/* Processor time that services have had; those below them are not counted. */
static int64_t services_cpu(const struct session *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->result->n_programs; i++) {
		clockid_t clock;
		struct timespec t;

		if (session_is_running(s, i) &&
		    !clock_getcpuclockid(s->result->programs[i].pid, &clock) &&
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

static void stop_one(struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];
	struct program_result *r = &s->result->programs[i];

	r->stopped = true;
	s->grace_ns = now_ns() + p->grace_ns;
	guardian_signal(s->guardian, r->pid, p->stop_signal, true);
	/* One that is stopped gets the signal when it goes on. */
	guardian_signal(s->guardian, r->pid, SIGCONT, true);
}

/* It runs: true when there is something to wait for. */
static bool stopping(struct session *s, size_t i)
{
	struct program_result *r = &s->result->programs[i];

	if (!r->stopped) {
		if (settled(s))
			stop_one(s, i);
		return true;
	}
	if (now_ns() < s->grace_ns)
		return true;
	if (r->killed)
		return false; /* SIGKILL does not help either */
	r->killed = true;
	guardian_signal(s->guardian, r->pid, SIGKILL, true);
	s->grace_ns = now_ns() + KILLED_NS;
	return true;
}

/* From the last service to the first, each until it is gone. */
void session_stop_phase(struct session *s)
{
	for (; s->phase == PHASE_STOP; s->at--) {
		if (s->at < s->scenario->n_programs &&
		    session_is_running(s, s->at)) {
			if (stopping(s, s->at))
				return;
			break;
		}
		s->grace_ns = s->settle_ns = 0;
		if (s->at == 0)
			break;
	}
	s->phase = PHASE_OVER;
}
