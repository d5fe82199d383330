/*
 * expect_report.h - findings that show lines of the trace.
 *
 * What is said is collected first, by the tickets of the calls; the lines are
 * then printed in one more pass over the trace, which only failures cost.
 */
#ifndef FAULT_RUNNER_EXPECT_REPORT_H
#define FAULT_RUNNER_EXPECT_REPORT_H

#include "runner/judge.h"

enum {
	REPORT_LINES = 8 /* under one title */
};

struct report_part {
	const char *title; /* constant */
	uint64_t tickets[REPORT_LINES];
	size_t n, more; /* more: so many are left out */
};

struct report_claim {
	enum finding_kind kind;
	const struct source_loc *loc;
	char *text;
	bool timing; /* a busy machine may be the reason */
	struct report_part parts[2];
};

struct expect_report {
	struct report_claim *v;
	size_t n;
	bool lost; /* there was no memory for one */
};

/*
 * One more claim, to be given parts before the next is added; without memory
 * one that is lost (struct judgement).
 */
struct report_claim *
expect_report_add(struct expect_report *r, enum finding_kind kind,
                  const struct source_loc *loc, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Calls by the tickets of their entries; those beyond eight are counted. */
void report_part_add(struct report_part *p, uint64_t ticket);

/* Adds all of it to ret, with their lines of the trace, and releases it. */
void expect_report_end(struct expect_report *r, const char *trace_path,
                       struct judgement *ret);

#endif
