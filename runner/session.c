/*
 * session.c - the state machine of session.h.
 *
 * Waiting: one poll() over the guardian, the eventfd of wake.h, the signalfd
 * and the programs' output, until the nearest absolute deadline.  Transfers do
 * not wake the runner (decisions.md 8), so while programs with the library run
 * the ring is also drained at an interval, which follows the rate at which it
 * fills: 1 ms to 64 ms.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/asleep.h"
#include "runner/clock.h"
#include "runner/listening.h"
#include "runner/session_internal.h"
#include "runner/text.h"

#define DRAIN_MIN_NS (1 * NS_PER_MS)
#define DRAIN_MAX_NS (32 * NS_PER_MS)
#define LOOK_NS      (20 * NS_PER_MS) /* at /proc/net, without the library */
#define ATTACH_NS    (10 * NS_PER_S)  /* a program attaches in its first ms */
#define YOUNG_NS     (500 * NS_PER_MS)
#define KILLED_NS    (5 * NS_PER_S)
#define SETTLE_NS    (500 * NS_PER_MS) /* of processor, until they rest */
#define PATIENCE_NS  (5 * NS_PER_S)    /* ... or of time, on a busy machine */
#define REST_NS      (1 * NS_PER_MS)   /* so often it is looked at */

void session_end(struct session *s, enum session_end end, size_t program,
                 const char *format, ...)
{
	struct session_result *r = s->result;
	va_list args;

	s->phase = PHASE_OVER;
	if (r->end != SESSION_OVER)
		return;
	r->end = end;
	r->program = program;
	va_start(args, format);
	if (vasprintf(&r->message, format, args) < 0)
		r->message = NULL;
	va_end(args);
}

bool session_is_service(const struct session *s, size_t i)
{
	return s->scenario->programs[i].ready != READY_NONE;
}

static bool running(const struct session *s, size_t i)
{
	const struct program_result *p = &s->result->programs[i];

	return p->started && !p->exited;
}

/* Its exit is an outcome that the scenario expects. */
bool session_may_end_early(const struct session *s, size_t i)
{
	for (size_t e = 0; e < s->scenario->n_expects; e++) {
		const struct expectation *x = &s->scenario->expects[e];

		if (x->program == i)
			return x->exit.given || x->signal || x->alive == 0;
	}
	return false;
}

/* ---- readiness ----------------------------------------------------------- */

static bool said(const struct session *s, size_t i)
{
	const struct text_match *t = &s->scenario->programs[i].ready_text;
	const struct program_result *r = &s->result->programs[i];

	return text_find(t, r->out.data, r->out.len, 0) >= 0 ||
	       text_find(t, r->err.data, r->err.len, 0) >= 0;
}

static bool is_ready(const struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];

	switch (p->ready) {
	case READY_NONE:
		return true;
	case READY_LISTENING:
		return p->attach ? s->observe.programs[i].listening
		                 : tree_listens(s->result->programs[i].pid);
	case READY_TEXT:
		return said(s, i);
	}
	return false;
}

static void describe_end(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "was killed by SIG%s",
		         sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(buf, size, "exited with status %d",
		         WEXITSTATUS(status));
}

/* It can not become ready any more, though nobody expected that. */
static void not_ready(struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];
	const struct program_result *r = &s->result->programs[i];
	char how[64];

	describe_end(r->status, how, sizeof(how));
	session_end(s, SESSION_NOT_READY, i, "%s %s before it was ready (%s)%s",
	            p->name, how,
	            p->ready == READY_LISTENING ? "listening"
	                                        : p->ready_text.text,
	            WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0
	                    ? "; if it goes into the background, give it the "
	                      "option that keeps it in the foreground"
	                    : "");
}

static bool is_mute(const struct session *s, size_t i)
{
	const struct program_result *r = &s->result->programs[i];

	return s->scenario->programs[i].ready == READY_TEXT && r->out.fd < 0 &&
	       r->err.fd < 0;
}

/* ---- the library is in it ------------------------------------------------ */

/* The exec failed, or a signal came before the new image could attach. */
static bool never_became(const struct program_result *r,
                         const struct observed_process *p)
{
	if (!r->exited)
		return false;
	if (WIFSIGNALED(r->status))
		return r->ended_ns - p->exec_ns < YOUNG_NS;
	return WEXITSTATUS(r->status) == 126 || WEXITSTATUS(r->status) == 127;
}

static bool is_attached(const struct session *s, size_t i)
{
	const struct program_result *r = &s->result->programs[i];
	const struct observed_process *p;

	p = observe_process(&s->observe, (uint32_t)r->pid);
	if (!p || p->failed)
		return false;
	return !observe_lost_image(p) || never_became(r, p);
}

static void say_unattached(struct session *s, size_t i)
{
	char *why = session_unattached_reason(s, i);

	session_end(s, SESSION_ENVIRONMENT, i, "%s",
	            why ? why : "not attached");
	free(why);
}

/*
 * When a program has ended, or had ten seconds, or when the limit has come, the
 * library must be in it.
 */
static void check_attached(struct session *s)
{
	bool over = s->limit_ns && now_ns() >= s->limit_ns;

	for (size_t i = 0; i < s->result->n_programs; i++) {
		const struct program_result *r = &s->result->programs[i];
		const struct observed_process *p;

		if (!r->started || !s->scenario->programs[i].attach)
			continue;
		p = observe_process(&s->observe, (uint32_t)r->pid);
		if ((r->exited || over || (p && p->failed) ||
		     now_ns() > r->started_ns + ATTACH_NS) &&
		    !is_attached(s, i))
			say_unattached(s, i);
	}
}

/* One of our signals may have come between its exec and its attach. */
static bool may_be_ended(const struct session *s,
                         const struct observed_process *p)
{
	const struct program_result *r = &s->result->programs[p->program];

	if (!r->stopped && !r->killed && !s->forwarded && !s->result->n_left)
		return false;
	return (r->exited ? r->ended_ns : now_ns()) - p->exec_ns < YOUNG_NS;
}

static bool is_unattached(const struct session *s,
                          const struct observed_process *p)
{
	return p->failed || (observe_lost_image(p) && !may_be_ended(s, p));
}

/* Processes below the programs, which go on without us (decisions.md 10). */
static void note_unattached_children(struct session *s)
{
	for (size_t i = 0; i < s->observe.n_processes; i++) {
		const struct observed_process *p = &s->observe.processes[i];
		const struct program *owner;

		if (p->program >= s->scenario->n_programs ||
		    (pid_t)p->pid == s->result->programs[p->program].pid ||
		    !is_unattached(s, p))
			continue;
		owner = &s->scenario->programs[p->program];
		if (!s->result->unattached &&
		    asprintf(&s->result->unattached,
		             "%s: its process %u was not reached: %s",
		             owner->name, p->pid,
		             p->failed ? p->what
		                       : "it executed a program that the "
		                         "library did not attach to") < 0)
			s->result->unattached = NULL;
		if (!s->observe.programs[p->program].sockets &&
		    s->result->unattached)
			session_end(s, SESSION_ENVIRONMENT, p->program, "%s",
			            s->result->unattached);
	}
}

/* ---- phases -------------------------------------------------------------- */

static void start_phase(struct session *s)
{
	size_t n = s->scenario->n_programs;

	while (s->phase == PHASE_START && s->at < n) {
		struct program_result *r = &s->result->programs[s->at];

		if (s->options->passthrough && s->at != s->options->only) {
			s->at++;
			continue;
		}
		if (!r->started && !session_start_program(s, s->at))
			return;
		r->ready = r->ready || is_ready(s, s->at);
		if (!r->ready && r->exited && !session_may_end_early(s, s->at))
			not_ready(s, s->at);
		else if (!r->ready && !r->exited && is_mute(s, s->at))
			session_end(
				s, SESSION_NOT_READY, s->at,
				"%s closed its output before it said `%s`",
				s->scenario->programs[s->at].name,
				s->scenario->programs[s->at].ready_text.text);
		if (!r->ready && !r->exited)
			return;
		s->at++;
	}
	if (s->phase == PHASE_START)
		s->phase = PHASE_RUN;
}

static void run_phase(struct session *s)
{
	for (size_t i = 0; i < s->scenario->n_programs; i++)
		if (running(s, i) && !session_is_service(s, i))
			return;
	s->phase = s->options->passthrough ? PHASE_OVER : PHASE_STOP;
	s->at = s->scenario->n_programs;
}

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
		if (running(s, i) && n < PLAN_MAX_PROGRAMS)
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

		if (running(s, i) &&
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
static void stop_phase(struct session *s)
{
	for (; s->phase == PHASE_STOP; s->at--) {
		if (s->at < s->scenario->n_programs && running(s, s->at)) {
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

/* "is not ready": what was it waited for? */
static void say_not_ready(FILE *f, const struct program *p)
{
	fputs(" is not ready: ", f);
	if (p->ready == READY_LISTENING)
		fputs("it was not seen to listen", f);
	else
		fputs("its output has not had that text", f);
}

/* Whom the limit found: "client still runs, server is not ready: ...". */
static void say_limit(struct session *s)
{
	char *text = NULL;
	size_t size = 0, first = s->scenario->n_programs;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; f && i < s->scenario->n_programs; i++) {
		const struct program_result *r = &s->result->programs[i];
		const char *name = s->scenario->programs[i].name;
		bool service = session_is_service(s, i);

		if (!running(s, i) || (service && r->ready))
			continue;
		fprintf(f, "%s%s", ftell(f) > 0 ? ", " : "", name);
		if (service)
			say_not_ready(f, &s->scenario->programs[i]);
		else
			fputs(" still runs", f);
		if (first == s->scenario->n_programs)
			first = i;
	}
	if (f)
		fclose(f);
	session_end(s, SESSION_LIMIT, first,
	            "hang: the limit of %g s passed: %s",
	            (double)s->scenario->limit_ns / NS_PER_S,
	            text && *text ? text : "services did not stop");
	free(text);
}

static void advance(struct session *s)
{
	check_attached(s);
	if (s->phase == PHASE_START)
		start_phase(s);
	if (s->phase == PHASE_RUN)
		run_phase(s);
	if (s->limit_ns && s->phase < PHASE_STOP && now_ns() >= s->limit_ns) {
		check_attached(s);
		say_limit(s);
	}
	if (s->phase == PHASE_STOP)
		stop_phase(s);
}

/* ---- what comes in ------------------------------------------------------- */

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

static void take_guardian_events(struct session *s)
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
		s->drain_ns = DRAIN_MIN_NS;
	else if (n == 0 && s->drain_ns < DRAIN_MAX_NS)
		s->drain_ns *= 2;
	else if (n > 0 && s->drain_ns > 10 * NS_PER_MS)
		s->drain_ns = 10 * NS_PER_MS;
}

static void read_output(struct session *s)
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

static void await(struct session *s)
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
	read_output(s);
	/* Exits before records: what a dead process wrote is all there. */
	take_guardian_events(s);
	drain(s);
	take_signals(s);
}

/* ---- from start to end --------------------------------------------------- */

static void collect_rules(struct session *s)
{
	for (uint32_t i = 0; i < s->result->n_rules; i++) {
		const struct fault_rule_state *from;
		struct rule_result *to = &s->result->rules[i];

		from = segments_rule(&s->segments, i);
		if (!from)
			continue;
		to->hits = atomic_load(&from->hits);
		to->due = atomic_load(&from->due);
		to->shadowed = atomic_load(&from->shadowed);
		to->armings = atomic_load(&from->armings);
		to->armed = atomic_load(&from->armed) != 0;
		for (size_t g = 0; g < N_GATES; g++)
			to->gated[g] = atomic_load(&from->gated[g]);
	}
}

static void finish(struct session *s)
{
	int left;

	session_give_back_terminal(s);
	for (size_t i = 0; i < s->result->n_programs; i++)
		if (running(s, i))
			s->result->programs[i].killed = true;
	left = guardian_kill_all(s->guardian);
	s->result->n_left = left > 0 ? (size_t)left : 0;
	take_guardian_events(s);
	read_output(s);
	if (observe_finish(&s->observe) < 0)
		s->result->incomplete = true;
	s->result->truncated = s->options->max_records &&
	                       s->observe.n_records > s->options->max_records;
	s->result->incomplete |= observe_incomplete(&s->observe);
	if (!segments_intact(&s->segments))
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "a program wrote over the memory that it shares "
		            "with `fault`: a wild pointer?");
	check_attached(s);
	note_unattached_children(s);
	collect_rules(s);
}

static void run(struct session *s)
{
	const char *call = "";
	int64_t now = now_ns();
	int r = segments_create(s->result->plan, s->result->plan_len,
	                        &s->segments, &call);

	if (r == 0) {
		call = s->options->trace_path ? s->options->trace_path
		                              : "observe";
		r = observe_init(&s->observe, s->result->plan,
		                 s->result->plan_len, &s->segments,
		                 s->options->trace_path, now);
		if (r == 0) {
			s->observe.max_records = s->options->max_records;
			s->observe.record = s->options->record;
			s->observe.record_context = s->options->record_context;
			call = "thread";
			r = wake_start(&s->wake, s->segments.run);
			if (r < 0)
				observe_release(&s->observe);
		}
	}
	if (r < 0) {
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "%s: %s", call, strerror(-r));
		segments_release(&s->segments);
		return;
	}
	if (s->scenario->limit_ns && !s->options->passthrough)
		s->limit_ns =
			now + s->scenario->limit_ns - s->options->spent_ns;
	for (advance(s); s->phase != PHASE_OVER; advance(s))
		await(s);
	finish(s);
	wake_stop(&s->wake);
	observe_release(&s->observe);
	segments_release(&s->segments);
}

static int prepare(const struct scenario *scenario,
                   const struct session_options *o, struct session_result *r,
                   struct diag_list *diags)
{
	struct plan_options p = {
		.seed = o->seed, .trace = true, .stacks = o->stacks};
	int err = scenario_plan(scenario, &p, &r->plan, &r->plan_len, diags);

	if (err < 0)
		return err;
	r->n_programs = scenario->n_programs;
	r->n_rules = scenario->n_rules;
	r->programs = calloc(r->n_programs + 1, sizeof(*r->programs));
	r->rules = calloc(r->n_rules + 1, sizeof(*r->rules));
	if (!r->programs || !r->rules)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_programs; i++)
		r->programs[i].out.fd = r->programs[i].err.fd = -1;
	return 0;
}

int session_run(struct guardian *g, struct interrupt *i,
                const struct scenario *scenario,
                const struct session_options *options,
                struct session_result *ret, struct diag_list *diags)
{
	struct session s = {
		.guardian = g,
		.interrupt = i,
		.scenario = scenario,
		.options = options,
		.result = ret,
		.drain_ns = DRAIN_MIN_NS,
		.tty = -1,
	};
	int64_t start = now_ns();
	int r;

	*ret = (struct session_result){.end = SESSION_OVER,
	                               .program = scenario->n_programs};
	r = prepare(scenario, options, ret, diags);
	if (r < 0) {
		session_result_release(ret);
		return r;
	}
	if (session_check_programs(&s)) {
		session_take_terminal(&s);
		run(&s);
	}
	ret->time_ns = now_ns() - start;
	return 0;
}

void session_result_release(struct session_result *r)
{
	for (size_t i = 0; r->programs && i < r->n_programs; i++) {
		capture_release(&r->programs[i].out);
		capture_release(&r->programs[i].err);
	}
	free(r->message);
	free(r->unattached);
	free(r->programs);
	free(r->rules);
	free(r->plan);
	*r = (struct session_result){0};
}
