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
#include <stdint.h>
#include <stdio.h>

#include "lang/scenario.h"
#include "runner/judge.h"
#include "runner/session.h"

struct terminal {
	FILE *out;
	bool color, progress;
	int verbosity; /* -1: failures only; 0; 1: details of passes too */
	size_t n_total, n_begun;
	size_t n_passed, n_skipped, n_failed, n_errors, n_unsure;
};

/* One scenario that was run; nothing is owned. */
struct case_report {
	const char *id;
	const struct scenario *scenario;
	const struct session_result *result;
	const struct judgement *judgement;
	enum outcome outcome;
	const char *reason; /* SKIPPED: why */
	const char *kept;   /* its directory, NULL = none */
	const char *repeat; /* command */
};

/* Columns of the terminal that out is; 0: it is none, or does not say. */
size_t terminal_width(FILE *out);

void terminal_init(struct terminal *t, FILE *out, int verbosity,
                   size_t n_total);
void terminal_begin(struct terminal *t, const char *id);
void terminal_case(struct terminal *t, const struct case_report *c);
void terminal_summary(const struct terminal *t, int64_t time_ns, uint64_t seed);

/* The parts for files of a kept directory: without color. */
void terminal_details(FILE *out, bool color, const struct case_report *c);

#endif
