/*
 * run_schedule.h - which case runs when, on which worker, and how often.
 *
 *   in their order, as many at once as there are workers
 *   `alone`, and what failed by time beside others: when all others are done,
 *   one at a time; the latter counts only then
 *   what failed: again, with the same seed, up to --retries times
 *
 * Stops at --max-fail, the whole run's limit, a signal, and when nothing can
 * run here: what runs then is awaited, or interrupted.
 */
#ifndef FAULT_RUNNER_RUN_SCHEDULE_H
#define FAULT_RUNNER_RUN_SCHEDULE_H

#include "runner/run_options.h"
#include "runner/run_plan.h"

/* Runs the plan and reports it on stdout.  An exit code. */
int run_schedule(struct run_plan *plan, const struct run_options *options);

#endif
