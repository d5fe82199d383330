/*
 * terminal.h - what `fault run` says on a terminal or into a log.
 *
 * One line per scenario; for those that did not pass their programs' output,
 * the hits of the rules, what was found (the most important line last) and the
 * command that repeats it.  A line of progress only on a terminal.
 */
#ifndef FAULT_RUNNER_REPORT_TERMINAL_H
#define FAULT_RUNNER_REPORT_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#include "runner/report/case_report.h"

/* Columns of the terminal that out is; 0: it is none, or does not say. */
size_t terminal_width(FILE *out);

/* All about one scenario, below its line; also in its kept directory. */
void terminal_details(FILE *out, bool color, const struct case_report *c);

#endif
