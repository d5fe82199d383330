/*
 * session_steps.c - what the steps of the timeline do, and what is said when
 * one of them cannot be done.
 *
 * Nothing here blocks: a step that takes time is looked at again whenever
 * something has come in, or after an interval of its own.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/arming.h"
#include "runner/clock.h"
#include "runner/quote.h"
#include "runner/session_internal.h"

#define FOLLOW_NS (5 * NS_PER_S)  /* until all processes know of an arming */
#define ACK_NS    (1 * NS_PER_MS) /* acknowledgements wake nobody */

/* ---- failing ------------------------------------------------------------- */

static const char *const verbs[N_STEP_KINDS] = {
	[STEP_START] = "start",   [STEP_STOP] = "stop",
	[STEP_SIGNAL] = "signal", [STEP_ARM] = "arm",
	[STEP_DISARM] = "disarm", [STEP_RUN] = "run",
};

static const char *program_name(const struct session *s,
                                const struct step *step)
{
	return s->scenario->programs[step->program].name;
}

/*
 * Ends the session with this step; text is freed, NULL: there was no memory for
 * what was to be said, but it did fail.
 */
static enum step_state end_with(struct session *s, const struct step *step,
                                enum session_end end, char *text)
{
	s->result->step_loc = step->loc;
	session_end(s, end, s->scenario->n_programs, "%s",
	            text ? text : "out of memory");
	free(text);
	return STEP_FAILED;
}

static enum step_state fail_with(struct session *s, const struct step *step,
                                 char *text)
{
	return end_with(s, step, SESSION_STEP, text);
}

static enum step_state __attribute__((format(printf, 3, 4)))
fail(struct session *s, const struct step *step, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return fail_with(s, step, text);
}

/* "waited 2 s for ..., has ...". */
static void fail_event(struct session *s, const struct step *step,
                       const char *why)
{
	int64_t ns = now_ns() - timeline_begun_ns(&s->timeline);
	bool late = s->timeline.failure == TIMELINE_LATE;
	int64_t ms = (late ? step->within_ns.max : ns) / NS_PER_MS;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f) {
		fprintf(f, "waited %g s for ", (double)ms / 1000);
		event_print(s, &step->event, f);
		fprintf(f, "%s: ", why);
		event_print_seen(s, &step->event, f);
		fclose(f);
	}
	fail_with(s, step, text);
}

/* ---- start, stop, signal ------------------------------------------------- */

/* Running, and nobody has asked it to end. */
static bool is_at_work(const struct session *s, size_t program)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == program && instance_is_running(r) &&
		    !r->by_step)
			return true;
	}
	return false;
}

/* One that was told to end may take its time. */
static enum step_state start(struct session *s, const struct step *step)
{
	if (is_at_work(s, step->program))
		return fail(s, step, "start: %s runs already",
		            program_name(s, step));
	if (session_is_running(s, step->program))
		return STEP_PENDING;
	return session_start_program(s, step->program) ? STEP_OVER
	                                               : STEP_FAILED;
}

static enum step_state stop(struct session *s, const struct step *step)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (r->program == step->program && instance_is_running(r)) {
			r->by_step = true;
			r->turns = 0;
		}
	}
	return session_stop_program(s, step->program) ? STEP_OVER
	                                              : STEP_PENDING;
}

/* Signals that are a request to end; others are a program's own affair. */
static bool asks_for_end(int sig, const struct program *p)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGQUIT ||
	       sig == SIGKILL || sig == p->stop_signal;
}

static void send_signal(struct session *s, struct instance_result *r, int sig)
{
	const struct program *p = &s->scenario->programs[r->program];

	r->signals |= UINT64_C(1) << (sig & 63);
	if (asks_for_end(sig, p)) {
		r->by_step = true;
		r->turns = 0;
	}
	guardian_signal(s->guardian, r->pid, sig, false);
}

static enum step_state send_signals(struct session *s, const struct step *step)
{
	size_t n = 0;

	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];

		if (r->program != step->program || !instance_is_running(r))
			continue;
		send_signal(s, r, step->signal);
		n++;
	}
	if (!n)
		return fail(s, step, "signal SIG%s: %s does not run",
		            sigabbrev_np(step->signal), program_name(s, step));
	return STEP_OVER;
}

/* ---- arm, disarm --------------------------------------------------------- */

static enum step_state await_followers(struct session *s,
                                       const struct step *step)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	if (arming_wait(&s->segments, s->step.generation, now_ns()) == 0)
		return STEP_OVER;
	if (now_ns() < timeline_begun_ns(&s->timeline) + FOLLOW_NS)
		return STEP_PENDING;
	f = open_memstream(&text, &size);
	if (f) {
		fprintf(f, "%s %s: not followed within %g s: process ",
		        verbs[step->kind], step->rule,
		        (double)FOLLOW_NS / NS_PER_S);
		arming_print_debtors(&s->segments, s->step.generation, f);
		fclose(f);
	}
	return fail_with(s, step, text);
}

static enum step_state arm(struct session *s, const struct step *step)
{
	if (!arming_set(&s->segments, s->result->plan, step->rule,
	                step->kind == STEP_ARM))
		return fail(s, step, "%s: no rule has the name `%s`",
		            verbs[step->kind], step->rule);
	s->step.generation = arming_ring(&s->segments);
	return await_followers(s, step);
}

/* ---- run ----------------------------------------------------------------- */

static enum step_state run(struct session *s, const struct step *step)
{
	command_release(&s->step.command);
	if (command_start(s->guardian, &step->run, &s->segments,
	                  &s->step.command) == 0)
		return STEP_PENDING;
	return end_with(s, step,
	                command_not_possible(&s->step.command)
	                        ? SESSION_ENVIRONMENT
	                        : SESSION_STEP,
	                command_failed(&s->step.command, "run"));
}

static enum step_state await_command(struct session *s, const struct step *step)
{
	if (!s->step.command.exited)
		return STEP_PENDING;
	if (command_is_well(&s->step.command))
		return STEP_OVER;
	return fail_with(s, step, command_failed(&s->step.command, "run"));
}

/* ---- the timeline's questions -------------------------------------------- */

static enum step_state look(struct session *s, const struct step *step)
{
	switch (event_look(s, &step->event, &s->step.look)) {
	case EVENT_NOT_YET:
		return STEP_PENDING;
	case EVENT_CAME:
		return STEP_OVER;
	case EVENT_NEVER:
		break;
	}
	fail_event(s, step, ", which cannot come any more");
	return STEP_FAILED;
}

static enum step_state begin(void *context, const struct step *step)
{
	struct session *s = context;

	s->step.look = (struct event_look){0};
	switch (step->kind) {
	case STEP_WAIT_EVENT:
		return look(s, step);
	case STEP_START:
		return start(s, step);
	case STEP_STOP:
		return stop(s, step);
	case STEP_SIGNAL:
		return send_signals(s, step);
	case STEP_ARM:
	case STEP_DISARM:
		return arm(s, step);
	case STEP_RUN:
		return run(s, step);
	case STEP_WAIT_TIME:
	case STEP_REPEAT:
	case STEP_SEND:
	case STEP_RECV:
	case STEP_CLOSE:
	case STEP_RESET:
	case STEP_HALF_CLOSE:
	case STEP_ECHO:
	case STEP_DRAIN:
	case N_STEP_KINDS:
		break;
	}
	return fail(s, step, "not a step of the timeline");
}

static enum step_state again(void *context, const struct step *step)
{
	struct session *s = context;

	if (step->kind == STEP_WAIT_EVENT)
		return look(s, step);
	if (step->kind == STEP_START)
		return start(s, step);
	if (step->kind == STEP_STOP)
		return stop(s, step);
	if (step->kind == STEP_RUN)
		return await_command(s, step);
	return await_followers(s, step);
}

bool session_jobs_done(const struct session *s)
{
	for (size_t i = 0; i < s->scenario->n_programs; i++)
		if (!session_is_service(s, i) && session_is_running(s, i))
			return false;
	return true;
}

static bool jobs_done(void *context)
{
	return session_jobs_done(context);
}

static const struct timeline_ops ops = {
	.begin = begin,
	.poll = again,
	.jobs_done = jobs_done,
};

void session_begin_steps(struct session *s)
{
	timeline_init(&s->timeline, &s->scenario->steps, &ops, s);
}

bool session_advance_steps(struct session *s)
{
	enum step_state state;

	/* Of `exec` and `trace`: the one program is on its own. */
	if (s->options->passthrough)
		return true;
	state = timeline_advance(&s->timeline, now_ns());
	if (state == STEP_FAILED && s->result->end == SESSION_OVER) {
		const struct step *step = timeline_step(&s->timeline);

		fail_event(s, step,
		           s->timeline.failure == TIMELINE_EARLY
		                   ? ", which came too early"
		                   : "");
	}
	return state == STEP_OVER;
}

int64_t session_step_deadline(const struct session *s, int64_t now)
{
	const struct step *step = timeline_step(&s->timeline);
	int64_t at = timeline_deadline(&s->timeline), interval = 0;

	if (!step || s->phase != PHASE_RUN)
		return 0;
	if (step->kind == STEP_ARM || step->kind == STEP_DISARM)
		interval = ACK_NS;
	else if (step->kind == STEP_WAIT_EVENT)
		interval = event_interval_ns(&step->event);
	if (interval && (!at || now + interval < at))
		at = now + interval;
	return at;
}

void session_print_step(const struct session *s, FILE *out)
{
	const struct step *step = timeline_step(&s->timeline);

	if (!step || s->phase != PHASE_RUN)
		return;
	timeline_print_place(&s->timeline, out);
	fprintf(out, " at %s:%u:%u: ", step->loc.file ? step->loc.file : "?",
	        step->loc.line, step->loc.column);
	if (step->kind == STEP_WAIT_TIME) {
		fprintf(out, "waiting for %g s",
		        (double)step->time_ns / NS_PER_S);
	} else if (step->kind == STEP_WAIT_EVENT) {
		fputs("waiting for ", out);
		event_print(s, &step->event, out);
		fputs(", ", out);
		event_print_seen(s, &step->event, out);
	} else if (step->kind == STEP_RUN) {
		fputs("running `", out);
		quote_words(out, step->run.argv);
		fputc('`', out);
	} else {
		fprintf(out, "%s %s", verbs[step->kind],
		        step->rule ? step->rule : program_name(s, step));
	}
	fputs("; ", out);
}
