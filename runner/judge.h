/*
 * judge.h - what to make of a session: expectations and oracles.
 *
 * Pure: looks at the scenario and at what the session found, nothing else.
 */
#ifndef FAULT_RUNNER_JUDGE_H
#define FAULT_RUNNER_JUDGE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "runner/session.h"

enum finding_kind {
	FINDING_NOTE,         /* worth a line, decides nothing */
	FINDING_WARNING,      /* the same, and told of what passed, too */
	FINDING_INCONCLUSIVE, /* the trace has holes: nobody knows */
	FINDING_FAIL,
	FINDING_ENVIRONMENT /* no test took place */
};

#define NO_INSTANCE SIZE_MAX

struct finding {
	enum finding_kind kind;
	int verdict; /* enum fault_verdict, -1: an expectation of the file */
	size_t instance; /* that it is about, else NO_INSTANCE */
	char *where;     /* "file:line:column", or NULL */
	char *text;      /* one sentence: actual, expected; or more lines */
	bool timing;     /* FAIL: a busy machine may be the reason (limit, time,
	                    gap, grace) */
};

/* In the order of their weight: the last one matters most. */
struct judgement {
	struct finding *v;
	size_t n;
	bool lost; /* there was no memory for one: this is no pass */
};

enum outcome {
	OUTCOME_PASSED,
	OUTCOME_SKIPPED, /* nothing was tested, and the report says why */
	OUTCOME_TODO,    /* failed, and its `todo` says that it will */
	OUTCOME_INCONCLUSIVE,
	OUTCOME_FAILED,
	OUTCOME_ENVIRONMENT,
	OUTCOME_INTERRUPTED,
	N_OUTCOMES
};

/*
 * Behind what ret, zeroed once, has already: one finding more.  loc NULL:
 * nowhere.  Without memory it is lost.
 */
void judgement_add(struct judgement *ret, enum finding_kind kind, int verdict,
                   const struct source_loc *loc, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* The same; where is "file:line:column", or NULL. */
void judgement_vadd(struct judgement *ret, enum finding_kind kind, int verdict,
                    const char *where, const char *format, va_list args)
	__attribute__((format(printf, 5, 0)));

/* The finding that was added last may come from a busy machine. */
void judgement_timing(struct judgement *j);

/*
 * Adds to ret what there is to find.
 * funnels: n_rules texts of why a rule did not fire, each or all may be NULL.
 * only: the one program that was run, or n_programs (all).
 */
void judge(const struct scenario *s, const struct session_result *r,
           char *const *funnels, size_t only, struct judgement *ret);
enum outcome judge_outcome(const struct session_result *r,
                           const struct judgement *j);
void judgement_release(struct judgement *j);

/* Rules whose hits are fewer than they must be: their funnel is wanted. */
bool judge_rule_missing(const struct scenario *s,
                        const struct session_result *r, size_t rule);

#endif
