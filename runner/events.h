/*
 * events.h - EVENT of the language: has it come?
 *
 * An event is a state of the session that is looked at again whenever
 * something has come in; nothing is remembered but how much was looked at
 * already.  Output and calls count from the start of the run, not of the step.
 */
#ifndef FAULT_RUNNER_EVENTS_H
#define FAULT_RUNNER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "lang/scenario.h"

struct session;

/* What was looked at last; zero for a new step. */
struct event_look {
	uint64_t output; /* bytes */
	bool was_there;  /* the file */
	struct timespec changed;
	int64_t size;
	int64_t looked_ns;
};

enum event_state {
	EVENT_NOT_YET,
	EVENT_CAME,
	EVENT_NEVER, /* it cannot come any more */
};

enum event_state event_look(const struct session *s, const struct event *e,
                            struct event_look *look);

/* So often it has to be looked at, 0: something comes in. */
int64_t event_interval_ns(const struct event *e);

/* "`job 10 done` in the output of worker": what is waited for. */
void event_print(const struct session *s, const struct event *e, FILE *out);

/* "its last line is `job 7 done`": what there is instead. */
void event_print_seen(const struct session *s, const struct event *e,
                      FILE *out);

#endif
