/*
 * run_case.h - one selected case: bound, run, judged, kept, reported.
 */
#ifndef FAULT_RUNNER_RUN_CASE_H
#define FAULT_RUNNER_RUN_CASE_H

#include "runner/guardian.h"
#include "runner/interrupt.h"
#include "runner/judge.h"
#include "runner/launch.h"
#include "runner/report/terminal.h"
#include "runner/selection.h"

/* What all cases of a `fault run` share. */
struct run_context {
	uint64_t seed;
	const char *out; /* where failures are kept */
	char *const *vars;
	size_t n_vars, n_cases;
	struct guardian *guardian;
	struct interrupt interrupt;
	struct terminal terminal;
	char library[4096];
	bool out_failed; /* said once that nothing can be kept */
	bool broken;     /* nothing more can run here */
};

/*
 * Finds the library, starts the guardian.  0 or an exit code, with a message
 * on stderr.
 */
int run_context_open(struct run_context *x, int verbosity);
void run_context_close(struct run_context *x);

enum outcome run_case(struct run_context *x, const struct selected_case *c);

#endif
