/*
 * fixtures.h - what a scenario finds when it starts, and what clears up behind
 * it: `needs`, `files`, `setup`, `teardown`.  (`hosts` is in the plan.)
 *
 *   fixtures_set_up()     before the session: nothing has been started yet
 *   fixtures_tear_down()  behind it, however it ended; also when set-up failed
 *
 * Commands have a guardian of their own (guardian.h), as what they leave in
 * the background has to outlive the programs of the scenario, and nothing else.
 * It is started for a scenario with commands only, from the one thread that
 * calls this, and stopped by fixtures_tear_down(): whatever they left is killed
 * then, or when `fault` is gone, before the directory of the scenario goes.
 *
 * Time: set-up counts into the scenario's limit.  Teardown does not: each of
 * its commands has ten seconds, whatever was before.  A signal ends set-up; the
 * one after that ends the teardown that still runs.
 */
#ifndef FAULT_RUNNER_FIXTURES_H
#define FAULT_RUNNER_FIXTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "runner/guardian.h"
#include "runner/interrupt.h"
#include "runner/report/case_report.h"

struct fixtures {
	const struct scenario *scenario;
	struct interrupt *interrupt;
	struct guardian *guardian; /* NULL: no commands */
	struct case_report *report;
	bool begun;       /* so there is something to tear down */
	bool interrupted; /* teardown was, by a signal */
	int64_t setup_ns; /* taken from the limit */
	int64_t time_ns;  /* of both together */
};

enum fixtures_end {
	FIXTURES_READY,
	FIXTURES_SKIPPED, /* the report says why: needs, exit status 77 */
	FIXTURES_FAILED,  /* findings of the report; 99 is the environment's */
	FIXTURES_INTERRUPTED
};

/*
 * tmp: ${tmp} of the scenario, which is there.  All must live until
 * fixtures_tear_down(), which is to be called whatever this returns.
 */
enum fixtures_end fixtures_set_up(struct fixtures *f, const struct scenario *s,
                                  const char *tmp, struct interrupt *i,
                                  struct case_report *report);

/* Failures become findings, in front of those that are there. */
void fixtures_tear_down(struct fixtures *f);

#endif
