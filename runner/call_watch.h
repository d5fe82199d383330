/*
 * call_watch.h - counts calls that events of the language wait for.
 *
 * Fed with the records of the trace as they are drained.  A call counts when
 * it has returned; one of send, recv and accept that found nothing to do
 * (EAGAIN, EINTR), a peek and a retry of a held call do not.
 * All count from the beginning of the run.
 */
#ifndef FAULT_RUNNER_CALL_WATCH_H
#define FAULT_RUNNER_CALL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "plan/trace.h"
#include "runner/keyed.h"

struct call_watch {
	const struct event *event;
	uint64_t n;
};

struct call_watches {
	size_t n_programs;
	uint64_t seed; /* of the run: for a per-cent `connection` */
	struct call_watch *v;
	size_t n;
	struct keyed open; /* calls that were met while they were under way */
};

/*
 * Watches for every EVENT_CALL in the steps, those of `repeat` too; the steps
 * must live as long.  0 or -ENOMEM; release it in both cases.
 */
int call_watches_init(struct call_watches *w, const struct scenario *s,
                      uint64_t seed);
void call_watches_release(struct call_watches *w);

/* ticket: of the record; entered: the call is still under way. */
void call_watches_note(struct call_watches *w, const struct fault_record *r,
                       uint64_t ticket, size_t program, bool entered);

/* So far; 0 for an event that is not watched. */
uint64_t call_watches_count(const struct call_watches *w,
                            const struct event *e);

#endif
