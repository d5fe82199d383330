/*
 * run_plan.h - what `fault run` is to run, in its order: read, checked and
 * chosen before the first program starts.
 */
#ifndef FAULT_RUNNER_RUN_PLAN_H
#define FAULT_RUNNER_RUN_PLAN_H

#include "runner/failed.h"
#include "runner/run_options.h"

/* What the order of starting needs to know of a case. */
struct planned {
	const char *id;   /* not owned */
	int64_t limit_ns; /* with the slow factor; 0 = none */
	bool alone;
};

struct run_plan {
	struct selection selection;
	struct selected_case *cases; /* in their order */
	struct planned *planned;     /* the same, one each */
	size_t n;
	struct failed failed; /* of the runs before */
};

/*
 * Reads all files; prints what is wrong, and with --list or --dry-run what
 * would run.  -1: go on, else an exit code; release it in any case.
 */
int run_plan_load(struct run_plan *p, const struct run_options *o);
void run_plan_release(struct run_plan *p);

#endif
