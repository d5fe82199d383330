/*
 * reading.h - all that the runner does with a kept trace (fuzz.h).
 */
#ifndef FAULT_TESTS_READING_H
#define FAULT_TESTS_READING_H

#include "runner/session.h"
#include "tests/fuzz/fuzz.h"

/* A scenario whose rules and expectations ask for all that a trace tells. */
struct reading {
	struct scenario *scenario;
	void *plan;
	size_t plan_len;
};

/* Made once; lives as long as the process. */
const struct reading *reading_get(void);

/*
 * As after a run of it: prints the trace, explains its rules, judges its
 * expectations, says where a program hangs.  rules: n_rules, NULL: all 0.
 * The rule `explain`, of as many as there are, did not hit.  What is said must
 * have no control byte in it.
 */
void read_trace(const struct reading *r, const char *path,
                const struct rule_result *rules, size_t explain);

#endif
