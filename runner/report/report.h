/*
 * report.h - what `fault run` says: one interface, a row for each format.
 *
 *   report_open()   picks the row, says what is to come
 *   report_begin()  a scenario starts
 *   report_again()  it did not pass, and that does not count yet
 *   report_case()   its result, counted
 *   report_warn()   a line for stderr, in every format
 *   report_close()  the summary
 *
 * A format is a struct reporter, and a row in report.c: terminal.c, tap.c.
 * What counts and what a result is are the same for all of them.
 */
#ifndef FAULT_RUNNER_REPORT_REPORT_H
#define FAULT_RUNNER_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runner/report/case_report.h"

struct report {
	const struct reporter *row;
	FILE *out;
	bool color, progress;
	int verbosity;  /* -1: failures only; 0; 1: details of passes too */
	size_t n_total; /* results that are to come */
	size_t n_running, n_done;
	size_t n[N_OUTCOMES];
	size_t n_flaky;
	const char *last; /* id of the last that began, if it still runs */
	bool flaky_fails;
	char **again; /* commands that repeat what failed: the first few */
	size_t n_again;
};

struct report_summary {
	int64_t time_ns;
	uint64_t seed;
	const char *how;  /* ", shard 1/3" and the like, or "" */
	const char *why;  /* it was cut short, NULL = it was not */
	const char *rest; /* the command that repeats all failures, or NULL */
};

/* One format.  Each function may be NULL. */
struct reporter {
	const char *word;
	void (*open)(struct report *r);
	/* what: "retry", "alone"; why: the finding that matters most */
	void (*again)(struct report *r, const struct case_report *c,
	              const char *what);
	void (*result)(struct report *r, const struct case_report *c);
	/* A line that goes away: drawn while any runs, cleared before others.
	 */
	void (*progress)(struct report *r);
	void (*clear)(struct report *r);
	void (*close)(struct report *r, const struct report_summary *s);
};

extern const struct reporter report_terminal, report_tap;

/* The words of all formats, for messages. */
const char *const *report_formats(size_t *ret_n);

/* False: there is no such format. */
bool report_open(struct report *r, const char *format, FILE *out, int verbosity,
                 size_t n_total);
void report_begin(struct report *r, const char *id);
void report_again(struct report *r, const struct case_report *c,
                  const char *what);
void report_case(struct report *r, const struct case_report *c);
void report_warn(struct report *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void report_close(struct report *r, const struct report_summary *s);

/* A result that makes the run fail. */
bool report_is_bad(const struct report *r, const struct case_report *c);

/* How many of them there are. */
size_t report_n_bad(const struct report *r);

/* Have all results come that were to come? */
bool report_is_whole(const struct report *r);

/* How many of each, as in "3 passed, 1 failed"; of all that ran. */
void report_counts(const struct report *r, char *buf, size_t size);

#endif
