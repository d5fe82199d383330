/*
 * timeline.c - see timeline.h.
 */
#include <assert.h>

#include "runner/timeline.h"

enum {
	MAX_IN_A_ROW = 64 /* steps, before somebody else has a turn */
};

static struct timeline_frame *top(struct timeline *t)
{
	return &t->frames[t->depth - 1];
}

static void push(struct timeline *t, const struct step *v, size_t n,
                 uint32_t times)
{
	assert(t->depth < TIMELINE_DEPTH);
	t->frames[t->depth++] =
		(struct timeline_frame){.v = v, .n = n, .times = times};
}

void timeline_init(struct timeline *t, const struct step_list *steps,
                   const struct timeline_ops *ops, void *context)
{
	*t = (struct timeline){.ops = ops, .context = context};
	push(t, steps->v, steps->n, 1);
}

const struct step *timeline_step(const struct timeline *t)
{
	const struct timeline_frame *f;

	if (!t->depth)
		return NULL;
	f = &t->frames[t->depth - 1];
	return f->at < f->n ? &f->v[f->at] : NULL;
}

int64_t timeline_begun_ns(const struct timeline *t)
{
	return t->begun_ns;
}

int64_t timeline_deadline(const struct timeline *t)
{
	return t->state == STEP_PENDING ? t->deadline_ns : 0;
}

void timeline_print_place(const struct timeline *t, FILE *out)
{
	const struct timeline_frame *inner = &t->frames[t->depth - 1];

	fputs("step ", out);
	for (unsigned i = 0; i < t->depth; i++)
		fprintf(out, "%s%zu", i ? "." : "", t->frames[i].at + 1);
	if (t->depth > 1)
		fprintf(out, " (round %u)", inner->round + 1);
}

/* ---- one step ------------------------------------------------------------ */

static enum step_state fail(struct timeline *t, enum timeline_failure why)
{
	t->failure = why;
	return STEP_FAILED;
}

/* Of an event: pending, or what its time makes of it. */
static enum step_state in_time(struct timeline *t, const struct step *step,
                               enum step_state state, int64_t now_ns)
{
	int64_t ns = now_ns - t->begun_ns;

	if (!step->has_within || step->kind != STEP_WAIT_EVENT ||
	    state == STEP_FAILED)
		return state;
	if (ns > step->within_ns.max)
		return fail(t, TIMELINE_LATE);
	if (state == STEP_OVER && ns < step->within_ns.min)
		return fail(t, TIMELINE_EARLY);
	return state;
}

static void set_deadline(struct timeline *t, const struct step *step)
{
	int64_t ns = 0;

	if (step->kind == STEP_WAIT_TIME)
		ns = step->time_ns;
	else if (step->kind == STEP_WAIT_EVENT && step->has_within)
		ns = step->within_ns.max;
	t->deadline_ns = 0;
	if (ns && ns < INT64_MAX - t->begun_ns - 1)
		/* One later than what is still in time. */
		t->deadline_ns =
			t->begun_ns + ns + (step->kind == STEP_WAIT_EVENT);
}

static enum step_state try_step(struct timeline *t, const struct step *step,
                                int64_t now_ns)
{
	enum step_state state;

	t->failure = TIMELINE_STEP;
	if (!t->begun) {
		t->begun = true;
		t->begun_ns = now_ns;
		set_deadline(t, step);
		if (step->kind != STEP_WAIT_TIME) {
			state = t->ops->begin(t->context, step);
			if (state != STEP_PENDING)
				return in_time(t, step, state, now_ns);
		}
	}
	if (step->kind == STEP_WAIT_TIME)
		return now_ns - t->begun_ns < step->time_ns ? STEP_PENDING
		                                            : STEP_OVER;
	state = t->ops->poll(t->context, step);
	return in_time(t, step, state, now_ns);
}

/* ---- lists --------------------------------------------------------------- */

static void next_step(struct timeline *t)
{
	top(t)->at++;
	t->begun = false;
	t->deadline_ns = 0;
}

/* The list is through: once more, or back to the list that it is in. */
static void next_round(struct timeline *t)
{
	struct timeline_frame *f = top(t);
	bool again = f->times ? f->round + 1 < f->times
	                      : !t->ops->jobs_done(t->context);

	if (again) {
		f->at = 0;
		f->round++;
		return;
	}
	t->depth--;
	if (t->depth)
		next_step(t);
}

/*
 * Nobody is left for whom a wait inside of `forever` could be: out of the
 * outermost one.  What takes its own time (`run`, `stop`) ends by itself.
 */
static bool leave_forever(struct timeline *t, const struct step *step)
{
	if (step->kind != STEP_WAIT_TIME && step->kind != STEP_WAIT_EVENT)
		return false;
	for (unsigned i = 1; i < t->depth; i++) {
		if (t->frames[i].times)
			continue;
		if (!t->ops->jobs_done(t->context))
			return false;
		t->depth = i;
		next_step(t);
		return true;
	}
	return false;
}

/* false: nothing more can be done now. */
static bool go_on(struct timeline *t, int64_t now_ns)
{
	const struct step *step = timeline_step(t);

	if (!step) {
		next_round(t);
		if (!t->depth)
			t->state = STEP_OVER;
		return t->depth != 0;
	}
	if (step->kind == STEP_REPEAT) {
		push(t, step->steps, step->n_steps, step->times);
		return true;
	}
	t->state = try_step(t, step, now_ns);
	if (t->state == STEP_PENDING)
		return leave_forever(t, step);
	if (t->state == STEP_OVER)
		next_step(t);
	return t->state == STEP_OVER;
}

enum step_state timeline_advance(struct timeline *t, int64_t now_ns)
{
	if (t->state == STEP_FAILED || !t->depth)
		return t->state;
	for (unsigned i = 0; i < MAX_IN_A_ROW; i++)
		if (!go_on(t, now_ns))
			return t->state;
	/* A loop of steps that take no time: later, but not much. */
	t->state = STEP_PENDING;
	if (!t->begun)
		t->deadline_ns = now_ns + 1;
	return t->state;
}
