/*
 * print_scenario.h - a scenario as it will run, as text: `fault check
 * --expand`, and the copy that a failed scenario keeps.
 */
#ifndef FAULT_RUNNER_PRINT_SCENARIO_H
#define FAULT_RUNNER_PRINT_SCENARIO_H

#include <stdio.h>

#include "lang/scenario.h"
#include "plan/plan.h"

/* plan: of the same scenario, or NULL (then classes are not shown). */
void print_scenario(FILE *out, const char *id, const struct scenario *s,
                    const struct fault_plan *plan);

#endif
