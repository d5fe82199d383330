/*
 * case_report.h - what is known of one scenario that was run.
 *
 * A worker makes it and sends it to the `fault` that the user started, as
 * bytes; the reporters (report.h) read nothing else.  Texts are plain: no
 * color, and no control bytes of programs.
 */
#ifndef FAULT_RUNNER_REPORT_CASE_REPORT_H
#define FAULT_RUNNER_REPORT_CASE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/judge.h"

struct case_report {
	enum outcome outcome;
	bool timing;     /* FAILED: a busy machine may be the reason */
	bool broken;     /* nothing more can run here */
	bool passes_now; /* FAILED: for its `todo`; no retry changes that */
	int64_t time_ns; /* from its start to its end */
	uint64_t seed;   /* that it ran with */
	/* Owned, NULL = none: */
	char *name;    /* of the scenario */
	char *reason;  /* SKIPPED, TODO: why */
	char *kept;    /* its directory */
	char *repeat;  /* the command that runs it again */
	char *context; /* output, ends of programs, rules: lines, indented */
	char *warning; /* for stderr: not of this scenario alone */
	struct judgement findings;
	/* Not sent; of the one who schedules: */
	const char *id;           /* not owned */
	unsigned round, n_rounds; /* of --repeat, from 1; n_rounds 0: none */
	unsigned n_tries;         /* runs before this one, by --retries */
	char *note;               /* what those before it had said */
};

void case_report_release(struct case_report *r);

/* Adds a finding; where may be NULL, text is formatted. */
void case_report_find(struct case_report *r, enum finding_kind kind,
                      const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The finding that made the outcome, NULL = none: the last of its kind. */
const struct finding *case_report_worst(const struct case_report *r);

/* Passed, but not at its first try. */
bool case_report_flaky(const struct case_report *r);

/* Bytes for case_report_unpack(), to be freed.  NULL without memory. */
char *case_report_pack(const struct case_report *r, size_t *ret_len);

/* Trusts nothing.  0, -EBADMSG or -ENOMEM; then ret is untouched. */
int case_report_unpack(const char *data, size_t len, struct case_report *ret);

#endif
