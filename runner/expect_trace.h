/*
 * expect_trace.h - `calls` and `order` of `expect` against a kept trace.
 */
#ifndef FAULT_RUNNER_EXPECT_TRACE_H
#define FAULT_RUNNER_EXPECT_TRACE_H

#include "runner/judge.h"

/*
 * Adds to ret (judge.h) what does not hold.  r: of the session that wrote
 * trace_path; if records of it are missing, what could hold or not because of
 * them is inconclusive.  One pass over the trace, one more if something has to
 * be shown.  Memory: of sockets, and at most EXPECT_MAX_SIGHTINGS calls of
 * entries that time or order is asked of; beyond that they are inconclusive.
 */
enum {
	EXPECT_MAX_SIGHTINGS = 1000000 /* 32 MB */
};
void expect_trace_judge(const char *trace_path, const struct scenario *s,
                        const struct session_result *r, struct judgement *ret);

#endif
