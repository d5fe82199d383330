/*
 * print_scenario.h - a scenario as it will run, as text: `fault check
 * --expand`, the copy that a failed scenario keeps, and what a scripted
 * program is started from.
 */
#ifndef FAULT_RUNNER_PRINT_SCENARIO_H
#define FAULT_RUNNER_PRINT_SCENARIO_H

#include <stdio.h>

#include "lang/scenario.h"
#include "plan/plan.h"

/*
 * A file of the language that loads as the same scenario: its variables are
 * filled in, its defaults left out.  Only places (line and column) and the
 * one-line form of rules may differ, and texts that are no UTF-8, which no
 * file can have.
 *
 * plan: of the same scenario; then comments say where each rule stood and
 * what it counts over.  Or NULL.
 */
void print_scenario(FILE *out, const char *id, const struct scenario *s,
                    const struct fault_plan *plan);

#endif
