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
	const char *id; /* not owned */
	/* With the slow factor; 0 = none: */
	int64_t limit_ns;
	int64_t most_ns; /* longer than that its worker never takes */
	bool alone;
};

struct run_plan {
	struct selection selection;
	struct selected_case *cases; /* as they were selected */
	struct planned *planned;     /* the same, one each */
	size_t *order;               /* indices: in the order of a round */
	size_t n;
	struct failed failed; /* of the runs before */
};

/*
 * Reads all files; prints what is wrong, and with --list or --dry-run what
 * would run.  -1: go on, else an exit code; release it in any case.
 */
int run_plan_load(struct run_plan *p, const struct run_options *o);
void run_plan_release(struct run_plan *p);

/*
 * The order of a round of --repeat, from 1: with --shuffle each has its own.
 * The first is there already.  False: no memory, it stays as it was.
 */
bool run_plan_order(struct run_plan *p, const struct run_options *o,
                    unsigned round);

#endif
