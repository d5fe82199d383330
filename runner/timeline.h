/*
 * timeline.h - the steps of a scenario, one after another.
 *
 * The order only: `repeat`, times and `within`.  What a step does, and whether
 * an event has come, is asked of the owner (struct timeline_ops), so this knows
 * no process and reads no clock: now_ns is handed in, any clock that does not
 * go back.
 *
 *	timeline_init(&t, &scenario->steps, &ops, context);
 *	while (timeline_advance(&t, now_ns()) == STEP_PENDING)
 *		... wait until timeline_deadline(&t), or for something to happen
 */
#ifndef FAULT_RUNNER_TIMELINE_H
#define FAULT_RUNNER_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lang/scenario.h"

enum step_state {
	STEP_PENDING,
	STEP_OVER,
	STEP_FAILED
};

struct timeline_ops {
	/* Once for each step but `wait: DUR` and `repeat`. */
	enum step_state (*begin)(void *context, const struct step *step);
	/* As long as it is pending. */
	enum step_state (*poll)(void *context, const struct step *step);
	/* Are all jobs done?  It ends `repeat: forever`. */
	bool (*jobs_done)(void *context);
};

/* Why a step has failed. */
enum timeline_failure {
	TIMELINE_STEP,  /* begin() or poll() said so */
	TIMELINE_LATE,  /* the event did not come in time */
	TIMELINE_EARLY, /* ... came before it may */
};

enum {
	TIMELINE_DEPTH = 16 /* lists in lists; lang allows fewer */
};

struct timeline_frame {
	const struct step *v;
	size_t n, at;
	uint32_t round, times; /* times 0: for ever */
};

struct timeline {
	const struct timeline_ops *ops;
	void *context;
	struct timeline_frame frames[TIMELINE_DEPTH];
	unsigned depth;
	bool begun; /* the current step */
	int64_t begun_ns;
	int64_t deadline_ns;
	enum timeline_failure failure;
	enum step_state state;
};

/* steps must live as long. */
void timeline_init(struct timeline *t, const struct step_list *steps,
                   const struct timeline_ops *ops, void *context);

/*
 * Goes on as far as it can: STEP_OVER after the last step; after STEP_FAILED
 * the current step and `failure` say what was wrong.
 */
enum step_state timeline_advance(struct timeline *t, int64_t now_ns);

/* When to come again at the latest, 0: only when something has happened. */
int64_t timeline_deadline(const struct timeline *t);

/* The step that it is at, NULL: none. */
const struct step *timeline_step(const struct timeline *t);
/* Since when, of one that was begun. */
int64_t timeline_begun_ns(const struct timeline *t);

/* "step 3", "step 3.1 (round 7)", as a reader counts them. */
void timeline_print_place(const struct timeline *t, FILE *out);

#endif
