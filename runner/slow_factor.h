/*
 * slow_factor.h - a scenario on a slow machine: it gets more time.
 */
#ifndef FAULT_RUNNER_SLOW_FACTOR_H
#define FAULT_RUNNER_SLOW_FACTOR_H

#include "lang/scenario.h"

/*
 * Multiplies what the scenario waits for at most: its limit, `within` (its
 * upper end) and `grace`.  What it claims about time (`time`, `gap`) and what
 * its rules do (`delay`, `for`) stay as they are written.
 */
void slow_down(struct scenario *s, double factor);

/* A factor from 0.01 to 1000.  0 or -EINVAL. */
int parse_slow_factor(const char *text, double *ret);

#endif
