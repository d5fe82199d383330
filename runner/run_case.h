/*
 * run_case.h - one selected case: bound, run, judged, kept; a report of it.
 *
 * For a worker process (run_workers.h): it says nothing itself.
 */
#ifndef FAULT_RUNNER_RUN_CASE_H
#define FAULT_RUNNER_RUN_CASE_H

#include <stdio.h>

#include "runner/guardian.h"
#include "runner/interrupt.h"
#include "runner/launch.h"
#include "runner/report/case_report.h"
#include "runner/selection.h"

/* What all cases of a `fault run` share. */
struct run_settings {
	const char *out; /* where failures are kept */
	char *const *vars;
	size_t n_vars;
	double slow_factor; /* 1 unless the machine is slow */
	bool all_details;   /* what passed is told with its details, too */
	/* run_settings_find_library(): its path, or why there is none. */
	char library[LAUNCH_LIBRARY];
	bool has_library;
};

void run_settings_find_library(struct run_settings *s);

/* Where a worker runs its cases, one after another. */
struct run_place {
	const struct run_settings *settings;
	struct guardian *guardian;
	struct interrupt interrupt;
};

/* Starts the guardian, then takes the signals.  0 or -errno. */
int run_place_open(struct run_place *p, const struct run_settings *settings);
void run_place_close(struct run_place *p);

/*
 * round: of --repeat, 0 = none.  Always fills ret, which is to be released; its
 * id is the suite's.
 */
void run_case(struct run_place *p, const struct selected_case *c, uint64_t seed,
              unsigned round, struct case_report *ret);

/*
 * The options, each after a space, without which the same command line would
 * run something else: --var, --slow-factor.
 */
void print_run_settings(FILE *f, const struct run_settings *s);

#endif
