/*
 * judge.c - see judge.h.  One function per kind of claim, in rising weight.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/clock.h"
#include "runner/judge.h"
#include "runner/text.h"

enum {
	MAX_ALIKE = 5 /* failed instances of a program that are shown */
};

struct court {
	const struct scenario *s;
	const struct session_result *r;
	struct judgement *j;
	size_t instance; /* that is looked at, else NO_INSTANCE */
	char name[256];  /* of it */
};

void judgement_vadd(struct judgement *j, enum finding_kind kind, int verdict,
                    const char *where, const char *format, va_list args)
{
	struct finding *v = realloc(j->v, (j->n + 1) * sizeof(*v));
	struct finding f = {
		.kind = kind, .verdict = verdict, .instance = NO_INSTANCE};

	if (v)
		j->v = v;
	if (where)
		f.where = strdup(where);
	if (v && (f.where || !where) && vasprintf(&f.text, format, args) >= 0) {
		v[j->n++] = f;
		return;
	}
	free(f.where);
	j->lost = true;
}

void judgement_add(struct judgement *j, enum finding_kind kind, int verdict,
                   const struct source_loc *loc, const char *format, ...)
{
	char *where = NULL;
	va_list args;

	if (loc && loc->file &&
	    asprintf(&where, "%s:%u:%u", loc->file, loc->line, loc->column) <
	            0) {
		j->lost = true;
		return;
	}
	va_start(args, format);
	judgement_vadd(j, kind, verdict, where, format, args);
	va_end(args);
	free(where);
}

void judgement_timing(struct judgement *j)
{
	if (j->n)
		j->v[j->n - 1].timing = true;
}

static void about_instance(const struct court *c)
{
	if (c->j->n)
		c->j->v[c->j->n - 1].instance = c->instance;
}

#define find(c_, ...) (judgement_add((c_)->j, __VA_ARGS__), about_instance(c_))

static const struct expectation *expected(const struct court *c, size_t i)
{
	for (size_t e = 0; e < c->s->n_expects; e++)
		if (c->s->expects[e].program == i)
			return &c->s->expects[e];
	return NULL;
}

static bool allowed(const struct court *c, size_t i, enum fault_verdict v)
{
	const struct expectation *e = expected(c, c->r->instances[i].program);

	return e && (e->allow >> v & 1);
}

/* Of the scenario as a whole: any program may allow it. */
static bool allowed_anywhere(const struct court *c, enum fault_verdict v)
{
	for (size_t e = 0; e < c->s->n_expects; e++)
		if (c->s->expects[e].allow >> v & 1)
			return true;
	return false;
}

static const struct program *program_of(const struct court *c, size_t i)
{
	return &c->s->programs[c->r->instances[i].program];
}

/* ---- rules --------------------------------------------------------------- */

bool judge_rule_missing(const struct scenario *s,
                        const struct session_result *r, size_t rule)
{
	return (int64_t)r->rules[rule].hits < s->rules[rule].hits.min;
}

static void judge_rule(struct court *c, size_t i, const char *funnel)
{
	const struct rule *rule = &c->s->rules[i];
	int64_t hits = c->r->rules[i].hits;
	bool missing = judge_rule_missing(c->s, c->r, i);
	enum finding_kind kind = FINDING_FAIL;
	char range[80];

	if (!missing && hits <= rule->hits.max)
		return;
	if (missing && allowed_anywhere(c, VERDICT_NO_HIT))
		return;
	if (missing && c->r->incomplete)
		kind = FINDING_INCONCLUSIVE;
	text_range(&rule->hits, 1, range, sizeof(range));
	if (hits == 0 && kind == FINDING_INCONCLUSIVE)
		find(c, kind, VERDICT_NO_HIT, &rule->loc,
		     "rule %s: no hit, but the trace is incomplete%s%s: nobody "
		     "knows",
		     rule->text, c->r->trace_errno ? ", " : "",
		     c->r->trace_errno ? strerror(c->r->trace_errno) : "");
	else if (hits == 0)
		find(c, kind, VERDICT_NO_HIT, &rule->loc,
		     "rule %s never fired%s%s", rule->text, funnel ? "\n" : "",
		     funnel ? funnel : "");
	else
		find(c, kind, missing ? (int)VERDICT_NO_HIT : -1, &rule->loc,
		     "rule %s: %lld hit%s, expected %s%s%s", rule->text,
		     (long long)hits, hits == 1 ? "" : "s", range,
		     missing && funnel ? "\n" : "",
		     missing && funnel ? funnel : "");
}

/* ---- output and time ----------------------------------------------------- */

static void judge_text(struct court *c, const char *stream,
                       const struct capture *got, const struct text_list *want,
                       const struct text_list *unwanted)
{
	const struct text_match *m = text_missing(want, got->data, got->len);
	const char *slash;

	if (m) {
		slash = m->regex ? "/" : "`";
		find(c, FINDING_FAIL, -1, &m->loc,
		     "%s: %s has no %s%s%s, expected%s", c->name, stream, slash,
		     m->text, slash,
		     got->lost ? " (only its beginning was looked at)" : "");
	}
	m = text_present(unwanted, got->data, got->len);
	if (m) {
		slash = m->regex ? "/" : "`";
		find(c, FINDING_FAIL, -1, &m->loc,
		     "%s: %s has %s%s%s, which must not be", c->name, stream,
		     slash, m->text, slash);
	}
}

static void judge_time(struct court *c, size_t i, const struct expectation *e)
{
	const struct instance_result *p = &c->r->instances[i];
	int64_t ns = p->ended_ns - p->started_ns;
	char range[80];

	if (!e->has_time || !p->exited || p->killed ||
	    (ns >= e->time_ns.min && ns <= e->time_ns.max))
		return;
	text_durations(&e->time_ns, range, sizeof(range));
	find(c, FINDING_FAIL, -1, &e->time_loc,
	     "%s: ran for %.3f s, expected %s", c->name, (double)ns / 1e9,
	     range);
	judgement_timing(c->j);
}

/* ---- how it ended -------------------------------------------------------- */

static void status_text(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "killed by SIG%s%s",
		         sigabbrev_np(WTERMSIG(status)),
		         WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
}

static void exit_text(const struct exit_expect *e, char *buf, size_t size)
{
	size_t at = 0;

	if (e->nonzero) {
		snprintf(buf, size, "a status other than 0");
		return;
	}
	buf[0] = '\0';
	for (size_t i = 0; i < e->n && at < size; i++) {
		char range[80];

		text_range(&e->v[i], 1, range, sizeof(range));
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
		                       i ? " or " : "", range);
	}
}

static bool exit_matches(const struct exit_expect *e, int status)
{
	if (!WIFEXITED(status))
		return false;
	if (e->nonzero)
		return WEXITSTATUS(status) != 0;
	for (size_t i = 0; i < e->n; i++)
		if (WEXITSTATUS(status) >= e->v[i].min &&
		    WEXITSTATUS(status) <= e->v[i].max)
			return true;
	return false;
}

static enum fault_verdict death(int status)
{
	return WTERMSIG(status) == SIGPIPE ? VERDICT_SIGPIPE : VERDICT_CRASH;
}

/* Its end is what a step asked for: a signal that it sent, or `stop`. */
static bool is_answer(const struct instance_result *p,
                      const struct program *program)
{
	if (WIFSIGNALED(p->status))
		return p->signals >> WTERMSIG(p->status) & 1 ||
		       (p->by_step &&
		        WTERMSIG(p->status) == program->stop_signal);
	return p->by_step ||
	       (WEXITSTATUS(p->status) > 128 &&
	        p->signals >> (WEXITSTATUS(p->status) - 128) % 64 & 1);
}

/* Killed by a signal that is neither expected nor one that it was sent. */
static bool judge_death(struct court *c, size_t i, const struct expectation *e)
{
	const struct instance_result *p = &c->r->instances[i];
	const struct program *program = program_of(c, i);
	enum fault_verdict verdict;
	char how[80];

	if (!WIFSIGNALED(p->status))
		return false;
	if (e && e->signal == WTERMSIG(p->status))
		return true;
	if (is_answer(p, program) ||
	    (p->stopped && WTERMSIG(p->status) == program->stop_signal))
		return false;
	verdict = death(p->status);
	if (!allowed(c, p->program, verdict)) {
		status_text(p->status, how, sizeof(how));
		find(c, FINDING_FAIL, (int)verdict, &program->loc, "%s: %s%s",
		     c->name, how,
		     e && e->exit.given ? ", expected to exit" : "");
	}
	return true;
}

/* Behind the FILE:LINE:COL: that a message of its begins with, if it does. */
static const char *split_place(const char *said, struct source_loc *loc)
{
	size_t len = loc->file ? strlen(loc->file) : 0;
	unsigned line, column;
	int n = 0;

	if (!len || strncmp(said, loc->file, len) != 0 ||
	    sscanf(said + len, ":%u:%u: %n", &line, &column, &n) != 2 || !n)
		return said;
	loc->line = line;
	loc->column = column;
	return said + len + n;
}

/* Scripts run through: a service's too, which is known at its end. */
static void judge_script(struct court *c, size_t i)
{
	const struct instance_result *p = &c->r->instances[i];
	const char *said = p->err.data ? p->err.data : "";
	struct source_loc loc = program_of(c, i)->loc;

	if (WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0)
		return;
	said = split_place(said, &loc);
	find(c, session_script_gave_up(p) ? FINDING_ENVIRONMENT : FINDING_FAIL,
	     -1, &loc, "%s: script: %.*s", c->name, (int)strcspn(said, "\n"),
	     said);
}

static void judge_status(struct court *c, size_t i, const struct expectation *e)
{
	const struct instance_result *p = &c->r->instances[i];
	char how[80], want[160];

	status_text(p->status, how, sizeof(how));
	if (e && e->signal) {
		find(c, FINDING_FAIL, -1, &e->signal_loc,
		     "%s: %s, expected to be killed by SIG%s", c->name, how,
		     sigabbrev_np(e->signal));
	} else if (e && e->exit.given) {
		if (exit_matches(&e->exit, p->status))
			return;
		exit_text(&e->exit, want, sizeof(want));
		find(c, FINDING_FAIL, -1, &e->exit.loc, "%s: %s, expected %s%s",
		     c->name, how,
		     WIFSIGNALED(p->status) && !e->exit.nonzero ? "exit status "
		                                                : "",
		     want);
	} else if (program_of(c, i)->kind != PROGRAM_RUN) {
		judge_script(c, i);
	} else if (!program_is_service(program_of(c, i)) &&
	           !is_answer(p, program_of(c, i)) &&
	           !(WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0)) {
		find(c, FINDING_FAIL, -1, &program_of(c, i)->loc,
		     "%s: %s, expected 0", c->name, how);
	}
}

static bool is_last(const struct court *c, size_t i)
{
	return c->r->instances[i].number ==
	       session_n_instances(c->r, c->r->instances[i].program);
}

/*
 * A service lives until it is stopped, unless its end is expected.  One that a
 * step ended is gone, but may have been started again.
 */
static void judge_life(struct court *c, size_t i, const struct expectation *e)
{
	const struct instance_result *p = &c->r->instances[i];
	const struct program *program = program_of(c, i);
	bool end_expected = e && (e->exit.given || e->signal || e->alive == 0);
	const struct source_loc *loc =
		e && e->alive >= 0 ? &e->alive_loc : &program->loc;
	char how[80];

	status_text(p->status, how, sizeof(how));
	if ((p->expelled || (p->by_step && is_last(c, i))) &&
	    (e && e->alive == 1))
		find(c, FINDING_FAIL, -1, loc, "%s: %s, expected to be alive",
		     c->name, how);
	else if (p->expelled && !end_expected && !WIFSIGNALED(p->status))
		find(c, FINDING_FAIL, -1, loc,
		     "%s: %s before the scenario was over, expected to live "
		     "to its end",
		     c->name, how);
	else if (!p->expelled && !p->by_step && e && e->alive == 0)
		find(c, FINDING_FAIL, -1, loc,
		     "%s: alive at the end, expected to be gone", c->name);
}

/* Its stop signal, or the grace of it, was not enough. */
static void judge_stop(struct court *c, size_t i)
{
	const struct instance_result *p = &c->r->instances[i];
	const struct program *program = program_of(c, i);

	if (p->stopped && p->killed) {
		find(c, FINDING_FAIL, -1, &program->loc,
		     "%s: did not end within %g s of SIG%s, killed", c->name,
		     (double)program->grace_ns / 1e9,
		     sigabbrev_np(program->stop_signal));
		judgement_timing(c->j);
	}
}

/* alive of a job: is it there when the others are done?  It never is. */
static void judge_end(struct court *c, size_t i)
{
	const struct expectation *e = expected(c, c->r->instances[i].program);
	const struct instance_result *p = &c->r->instances[i];

	if (!p->exited)
		return;
	if (program_is_service(program_of(c, i)))
		judge_life(c, i, e);
	judge_stop(c, i);
	if (p->killed && p->err.len && c->r->end == SESSION_LIMIT &&
	    program_of(c, i)->kind != PROGRAM_RUN &&
	    !allowed_anywhere(c, VERDICT_HANG))
		judge_script(c, i); /* it was asked at the limit */
	if (p->killed)
		return;
	if (!judge_death(c, i, e))
		judge_status(c, i, e);
}

static const char *const reports[] = {
	"ERROR: AddressSanitizer",
	"ERROR: LeakSanitizer",
	"WARNING: ThreadSanitizer",
	"ERROR: ThreadSanitizer",
	"WARNING: MemorySanitizer",
	"UndefinedBehaviorSanitizer",
	": runtime error: ",
	"*** stack smashing detected ***",
	"*** buffer overflow detected ***",
};

static void judge_sanitizers(struct court *c, size_t i)
{
	const struct capture *err = &c->r->instances[i].err;

	if (!err->data || allowed(c, c->r->instances[i].program, VERDICT_CRASH))
		return;
	for (size_t k = 0; k < sizeof(reports) / sizeof(reports[0]); k++) {
		if (!memmem(err->data, err->len, reports[k],
		            strlen(reports[k])))
			continue;
		find(c, FINDING_FAIL, VERDICT_CRASH, &program_of(c, i)->loc,
		     "%s: a report on stderr: `%s`", c->name, reports[k]);
		return;
	}
}

/* ---- the whole ----------------------------------------------------------- */

static void judge_instance(struct court *c, size_t i)
{
	const struct instance_result *p = &c->r->instances[i];
	const struct expectation *e = expected(c, p->program);

	c->instance = i;
	session_instance_name(c->s, c->r, i, c->name, sizeof(c->name));
	if (e) {
		judge_time(c, i, e);
		judge_text(c, "stdout", &p->out, &e->out, &e->no_out);
		judge_text(c, "stderr", &p->err, &e->err, &e->no_err);
	}
	judge_end(c, i);
	judge_sanitizers(c, i);
	c->instance = NO_INSTANCE;
}

/* Drops the findings from n on. */
static void forget(struct judgement *j, size_t n)
{
	while (j->n > n)
		free(j->v[--j->n].text);
}

/* What holds for a program holds for each instance of it. */
static void judge_program(struct court *c, size_t program)
{
	const struct program *p = &c->s->programs[program];
	const struct expectation *e = expected(c, program);
	size_t n = 0, failed = 0;

	for (size_t i = 0; i < c->r->n_instances; i++) {
		size_t before = c->j->n;

		if (c->r->instances[i].program != program)
			continue;
		n++;
		judge_instance(c, i);
		failed += c->j->n > before;
		if (failed > MAX_ALIKE)
			forget(c->j, before);
	}
	if (failed > MAX_ALIKE)
		find(c, FINDING_FAIL, -1, &p->loc,
		     "%s: %zu more of its %zu instances failed", p->name,
		     failed - MAX_ALIKE, n);
	if (!n && e && c->r->end == SESSION_OVER)
		find(c, FINDING_FAIL, -1, &e->loc,
		     "%s: was never started, but something is expected of it",
		     p->name);
}

static void judge_session(struct court *c)
{
	const struct session_result *r = c->r;
	const struct source_loc *loc = NULL;

	if (r->step_loc.file)
		loc = &r->step_loc;
	else if (r->program < c->s->n_programs)
		loc = &c->s->programs[r->program].loc;
	switch (r->end) {
	case SESSION_OVER:
	case SESSION_INTERRUPTED:
		break;
	case SESSION_LIMIT:
		if (allowed_anywhere(c, VERDICT_HANG))
			break;
		find(c, FINDING_FAIL, VERDICT_HANG, loc, "%s", r->message);
		judgement_timing(c->j);
		break;
	case SESSION_STEP:
	case SESSION_NOT_READY:
		find(c, FINDING_FAIL, -1, loc, "%s", r->message);
		if (r->end == SESSION_STEP)
			judgement_timing(c->j);
		break;
	case SESSION_NOT_STARTED:
	case SESSION_ENVIRONMENT:
		find(c, FINDING_ENVIRONMENT, -1, loc, "%s", r->message);
		break;
	}
}

void judge(const struct scenario *s, const struct session_result *r,
           char *const *funnels, size_t only, struct judgement *ret)
{
	struct court c = {.s = s, .r = r, .j = ret, .instance = NO_INSTANCE};

	if (r->unattached && r->end != SESSION_ENVIRONMENT)
		find(&c, r->unattached_matters ? FINDING_WARNING : FINDING_NOTE,
		     -1, NULL, "%s", r->unattached);
	/* Without a start nothing else can be held against anybody. */
	if (r->end == SESSION_OVER || r->end == SESSION_LIMIT ||
	    r->end == SESSION_STEP) {
		for (size_t i = 0; i < s->n_rules; i++)
			if (only >= s->n_programs ||
			    (s->rules[i].programs >> only & 1))
				judge_rule(&c, i, funnels ? funnels[i] : NULL);
		for (size_t i = 0; i < s->n_programs; i++)
			if (only >= s->n_programs || i == only)
				judge_program(&c, i);
	}
	judge_session(&c);
}

enum outcome judge_outcome(const struct session_result *r,
                           const struct judgement *j)
{
	bool failed = false, inconclusive = false;

	if (r->end == SESSION_INTERRUPTED)
		return OUTCOME_INTERRUPTED;
	for (size_t i = 0; i < j->n; i++) {
		if (j->v[i].kind == FINDING_ENVIRONMENT)
			return OUTCOME_ENVIRONMENT;
		failed |= j->v[i].kind == FINDING_FAIL;
		inconclusive |= j->v[i].kind == FINDING_INCONCLUSIVE;
	}
	if (j->lost)
		return OUTCOME_ENVIRONMENT;
	if (failed)
		return OUTCOME_FAILED;
	return inconclusive ? OUTCOME_INCONCLUSIVE : OUTCOME_PASSED;
}

void judgement_release(struct judgement *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->v[i].where);
		free(j->v[i].text);
	}
	free(j->v);
	*j = (struct judgement){0};
}
