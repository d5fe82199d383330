/*
 * steps_check.c - steps that can never come, and programs that never start.
 */
#include <string.h>

#include "lang/rule.h"
#include "lang/steps.h"

/* Calls visit for every step, those of `repeat` too, until it says true. */
static bool any_step(const struct step *v, size_t n,
                     bool (*visit)(const struct step *step, void *context),
                     void *context)
{
	for (size_t i = 0; i < n; i++) {
		if (visit(&v[i], context) ||
		    any_step(v[i].steps, v[i].n_steps, visit, context))
			return true;
	}
	return false;
}

static bool takes_time(const struct step *step, void *context)
{
	(void)context;
	switch (step->kind) {
	case STEP_WAIT_TIME:
	case STEP_WAIT_EVENT:
	case STEP_SEND: /* until the peer reads no more */
	case STEP_RECV:
	case STEP_ECHO:
	case STEP_DRAIN:
		return true;
	case STEP_REPEAT:
	case STEP_START:
	case STEP_STOP:
	case STEP_SIGNAL:
	case STEP_ARM:
	case STEP_DISARM:
	case STEP_RUN:
	case STEP_CLOSE:
	case STEP_RESET:
	case STEP_HALF_CLOSE:
	case N_STEP_KINDS:
		break;
	}
	return false;
}

/* `forever` without a wait would spin; what is behind it never comes. */
static void check_forever(struct lang *l, const struct step *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *step = &v[i];

		if (step->kind != STEP_REPEAT)
			continue;
		check_forever(l, step->steps, step->n_steps);
		if (step->times)
			continue;
		if (!any_step(step->steps, step->n_steps, takes_time, NULL))
			lang_error(l, place_of(l, &step->loc),
			           "add a `{wait: 1s}`",
			           "`repeat: forever` without a wait would "
			           "only spin");
		if (i + 1 < n)
			lang_error(l, place_of(l, &v[i + 1].loc), NULL,
			           "never comes: `repeat: forever` is before "
			           "it");
	}
}

/* --- scripts ---------------------------------------------------------------*/

/* What has happened to the connection: the step that did it, or NULL. */
struct ends {
	const char *closed, *sent, *received;
};

static const struct conduct {
	const char *word;
	bool sends, receives;
} conducts[N_STEP_KINDS] = {
	[STEP_SEND] = {"send", true, false},
	[STEP_RECV] = {"recv", false, true},
	[STEP_CLOSE] = {"close", false, false},
	[STEP_RESET] = {"reset", false, false},
	[STEP_HALF_CLOSE] = {"half_close", true, false},
	[STEP_ECHO] = {"echo", true, true},
	[STEP_DRAIN] = {"drain", false, true},
};

static void note_ends(const struct step *step, struct ends *ends)
{
	if (step->kind == STEP_CLOSE || step->kind == STEP_RESET)
		ends->closed = conducts[step->kind].word;
	else if (step->kind == STEP_HALF_CLOSE)
		ends->sent = "half_close";
	else if (step->kind == STEP_ECHO || step->kind == STEP_DRAIN)
		ends->received = conducts[step->kind].word;
	else if (step->kind == STEP_RECV && step->recv == RECV_EOF)
		ends->received = "recv: eof";
	else if (step->kind == STEP_RECV && step->recv == RECV_RESET)
		ends->closed = "recv: reset";
}

/* One step against what was before it; false after a complaint. */
static bool check_conduct(struct lang *l, const struct step *step,
                          const struct ends *ends)
{
	const struct conduct *c = &conducts[step->kind];
	struct mark at = place_of(l, &step->loc);

	if (!c->word)
		return true;
	if (ends->closed)
		lang_error(l, at, NULL,
		           "`%s` never comes: `%s` has ended the connection",
		           c->word, ends->closed);
	else if (c->sends && ends->sent)
		lang_error(l, at, NULL,
		           "`%s` cannot be: `%s` has ended what is sent",
		           c->word, ends->sent);
	else if (c->receives && ends->received && step->recv != RECV_RESET)
		lang_error(l, at, NULL,
		           "`%s` gets nothing: `%s` is behind the last byte",
		           c->word, ends->received);
	else
		return true;
	return false;
}

/* The steps in their order; of a repeated list, twice round. */
static bool check_ends(struct lang *l, const struct step *v, size_t n,
                       struct ends *ends)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *step = &v[i];

		for (unsigned round = 0;
		     step->kind == STEP_REPEAT && round < 2 &&
		     (!round || step->times != 1);
		     round++) {
			if (!check_ends(l, step->steps, step->n_steps, ends))
				return false;
		}
		if (!check_conduct(l, step, ends))
			return false;
		note_ends(step, ends);
	}
	return true;
}

void script_check(struct lang *l, const struct step_list *steps)
{
	struct ends ends = {NULL, NULL, NULL};

	check_forever(l, steps->v, steps->n);
	check_ends(l, steps->v, steps->n, &ends);
}

/* --- the timeline ----------------------------------------------------------*/

struct wanted {
	enum step_kind kind;
	size_t program;
	const char *rule;
};

static bool is_wanted(const struct step *step, void *context)
{
	const struct wanted *w = context;

	if (step->kind != w->kind)
		return false;
	if (w->rule)
		return !strcmp(step->rule, w->rule);
	return step->program == w->program;
}

static bool has_step(const struct scenario *s, enum step_kind kind,
                     size_t program, const char *rule)
{
	struct wanted w = {kind, program, rule};

	return any_step(s->steps.v, s->steps.n, is_wanted, &w);
}

/* Does something in the timeline end the program, or know that it has? */
static bool ends_program(const struct step *step, void *context)
{
	const size_t *program = context;

	if (step->kind == STEP_WAIT_EVENT)
		return step->event.kind == EVENT_EXIT &&
		       step->event.program == *program;
	return (step->kind == STEP_STOP || step->kind == STEP_SIGNAL) &&
	       step->program == *program;
}

struct timeline {
	struct lang *l;
	const struct scenario *s;
};

/* A program that runs already cannot be started. */
static bool check_start(const struct step *step, void *context)
{
	const struct timeline *t = context;
	const struct program *p = &t->s->programs[step->program];
	size_t program = step->program;

	if (step->kind != STEP_START || !p->started ||
	    any_step(t->s->steps.v, t->s->steps.n, ends_program, &program))
		return false;
	lang_error(t->l, place_of(t->l, &step->loc),
	           arena_printf(t->l->arena, "give `%s` `started: false`",
	                        p->name),
	           "`%s` starts by itself, and nothing ends it", p->name);
	return false;
}

/*
 * A rule that is not armed can be armed from outside (`fault arm`), and then
 * there is often no timeline at all: where there is one, it is worth a word.
 */
static void check_rules(struct lang *l, const struct scenario *s)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];
		struct mark at = place_of(l, &r->loc);

		if (!r->armed && !has_step(s, STEP_ARM, 0, r->name))
			lang_warn(l, at, NULL,
			          "no step arms `%s`: only `fault arm %s` "
			          "would",
			          r->name, r->name);
		if (r->actions[0].kind == ACTION_EXHAUST && !r->for_ns &&
		    !has_step(s, STEP_DISARM, 0, r->name))
			lang_error(l, at,
			           arena_printf(l->arena,
			                        "add `for: 500ms`, or a step "
			                        "`{disarm: %s}`",
			                        r->name),
			           "`exhaust` without an end");
	}
}

void timeline_check(struct lang *l, const struct scenario *s)
{
	struct timeline t = {l, s};

	check_forever(l, s->steps.v, s->steps.n);
	any_step(s->steps.v, s->steps.n, check_start, &t);
	check_rules(l, s);
}

/* Without a timeline too: `started: false` needs a step. */
void started_check(struct lang *l, const struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		const struct program *p = &s->programs[i];

		if (!p->started && !has_step(s, STEP_START, i, NULL))
			lang_error(l, place_of(l, &p->loc),
			           arena_printf(l->arena,
			                        "add a step `{start: %s}`",
			                        p->name),
			           "`%s` has `started: false`, and no step "
			           "starts it",
			           p->name);
	}
}
