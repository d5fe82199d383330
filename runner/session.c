/*
 * session.c - the state machine of session.h, from start to end.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/session_internal.h"

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
	return program_is_service(&s->scenario->programs[i]);
}

bool session_has_library(const struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];

	return p->kind == PROGRAM_RUN && p->attach;
}

bool instance_is_running(const struct instance_result *r)
{
	return r->started && !r->exited;
}

bool session_is_running(const struct session *s, size_t i)
{
	for (size_t k = 0; k < s->result->n_instances; k++)
		if (s->result->instances[k].program == i &&
		    instance_is_running(&s->result->instances[k]))
			return true;
	return false;
}

bool session_may_end_early(const struct session *s, size_t i)
{
	for (size_t e = 0; e < s->scenario->n_expects; e++) {
		const struct expectation *x = &s->scenario->expects[e];

		if (x->program == i)
			return x->exit.given || x->signal || x->alive == 0;
	}
	return false;
}

/* ---- phases -------------------------------------------------------------- */

static void run_phase(struct session *s)
{
	if (!session_advance_steps(s) || !session_jobs_done(s) ||
	    s->phase != PHASE_RUN)
		return;
	s->phase = s->options->passthrough ? PHASE_OVER : PHASE_STOP;
	s->at = s->scenario->n_programs;
}

/* "is not ready": what was it waited for? */
static void say_not_ready(const struct session *s, FILE *f, size_t instance)
{
	const struct instance_result *r = &s->result->instances[instance];
	const struct program *p = &s->scenario->programs[r->program];
	const char *slash = p->ready_text.regex ? "/" : "`";

	fputs(" is not ready: ", f);
	if (p->ready != READY_TEXT) {
		fputs("it was not seen to listen", f);
		return;
	}
	fprintf(f, "its output has not had %s%s%s", slash, p->ready_text.text,
	        slash);
	if (session_listens(s, r))
		fputs(" (it listens: `ready: listening` waits for that)", f);
}

/* The commonest reason why one does not end: it is a service. */
static void say_still_runs(const struct session *s, FILE *f, size_t instance)
{
	fputs(" still runs", f);
	if (session_listens(s, &s->result->instances[instance]))
		fputs(" (it listens: a service says `ready: listening`)", f);
}

/* Whom the limit found: "client still runs, server is not ready: ...". */
static void say_who_runs(const struct session *s, FILE *f, size_t *ret_first)
{
	const struct session_result *r = s->result;
	char name[256];
	size_t n = 0;

	*ret_first = s->scenario->n_programs;
	for (size_t i = 0; i < r->n_instances; i++) {
		size_t program = r->instances[i].program;
		bool service = session_is_service(s, program);

		if (!instance_is_running(&r->instances[i]) ||
		    (service && r->instances[i].ready))
			continue;
		session_instance_name(s->scenario, r, i, name, sizeof(name));
		fprintf(f, "%s%s", n++ ? ", " : "", name);
		if (service)
			say_not_ready(s, f, i);
		else
			say_still_runs(s, f, i);
		if (*ret_first == s->scenario->n_programs)
			*ret_first = program;
	}
}

static void say_limit(struct session *s)
{
	size_t size = 0, first = s->scenario->n_programs;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (f) {
		session_print_step(s, f);
		say_who_runs(s, f, &first);
		fclose(f);
	}
	session_end(s, SESSION_LIMIT, first,
	            "hang: the limit of %g s passed: %s",
	            (double)s->scenario->limit_ns / NS_PER_S,
	            text && *text ? text : "services did not stop");
	free(text);
}

static void advance(struct session *s)
{
	session_check_attached(s);
	session_check_ready(s);
	if (s->phase == PHASE_START)
		session_start_phase(s);
	if (s->phase == PHASE_RUN)
		run_phase(s);
	if (s->limit_ns && s->phase < PHASE_STOP && now_ns() >= s->limit_ns) {
		session_check_attached(s);
		say_limit(s);
	}
	if (s->phase == PHASE_STOP)
		session_stop_phase(s);
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
	if (s->result->end == SESSION_LIMIT)
		session_ask_scripts(s);
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (instance_is_running(&s->result->instances[i]))
			s->result->instances[i].killed = true;
	left = guardian_kill_all(s->guardian);
	s->result->n_left = left > 0 ? (size_t)left : 0;
	session_take_ends(s);
	session_read_output(s);
	s->result->trace_errno = -observe_finish(&s->observe);
	s->result->incomplete |= s->result->trace_errno != 0;
	s->result->truncated = s->options->max_records &&
	                       s->observe.n_records > s->options->max_records;
	s->result->incomplete |= observe_incomplete(&s->observe);
	if (!segments_intact(&s->segments) || s->observe.damaged)
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "a program wrote over the memory that it shares "
		            "with `fault`: a wild pointer?");
	s->result->urings = s->observe.urings;
	session_check_attached(s);
	session_note_unattached(s);
	collect_rules(s);
}

/* Who watches: 0, or -errno of call. */
static int open_observers(struct session *s, int64_t now, const char **call)
{
	const char *trace = s->options->trace_path;
	int r;

	*call = trace ? trace : "observe";
	r = observe_init(&s->observe, s->result->plan, s->result->plan_len,
	                 &s->segments, trace, now);
	if (r < 0)
		return r;
	s->observe.max_records = s->options->max_records;
	s->observe.record = s->options->record;
	s->observe.record_context = s->options->record_context;
	s->observe.calls = &s->calls;
	*call = "steps";
	r = call_watches_init(&s->calls, s->scenario, s->options->seed);
	if (r == 0) {
		*call = "thread";
		r = wake_start(&s->wake, s->segments.run);
	}
	if (r < 0) {
		call_watches_release(&s->calls);
		observe_release(&s->observe);
	}
	return r;
}

/* False: the session has ended. */
static bool open_all(struct session *s, int64_t now)
{
	const char *call = "";
	int r = segments_create(s->result->plan, s->result->plan_len,
	                        &s->segments, &call);

	if (r == 0)
		r = open_observers(s, now, &call);
	if (r == 0)
		return true;
	session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs, "%s: %s",
	            call, strerror(-r));
	segments_release(&s->segments);
	return false;
}

static void close_all(struct session *s)
{
	command_release(&s->step.command);
	wake_stop(&s->wake);
	call_watches_release(&s->calls);
	observe_release(&s->observe);
	segments_release(&s->segments);
}

static void run(struct session *s)
{
	int64_t now = now_ns();

	if (!open_all(s, now))
		return;
	session_begin_steps(s);
	if (s->scenario->limit_ns && !s->options->passthrough)
		s->limit_ns =
			now + s->scenario->limit_ns - s->options->spent_ns;
	for (advance(s); s->phase != PHASE_OVER; advance(s))
		session_await(s);
	finish(s);
	close_all(s);
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
	r->rules = calloc(r->n_rules + 1, sizeof(*r->rules));
	return r->rules ? 0 : -ENOMEM;
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
		.drain_ns = SESSION_DRAIN_MIN_NS,
		.tty = -1,
		.step.command.output = -1,
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
