/*
 * context.h - what a reader needs around the findings of a scenario: the ends
 * of its programs' output, how they ended, where they hang, which ports
 * they were given, how often the rules have hit.
 */
#ifndef FAULT_RUNNER_REPORT_CONTEXT_H
#define FAULT_RUNNER_REPORT_CONTEXT_H

#include "lang/scenario.h"
#include "runner/judge.h"
#include "runner/launch.h"
#include "runner/session.h"

/* Lines, indented, without control bytes; to be freed.  NULL: no memory. */
char *report_context(const struct scenario *s, const struct session_result *r,
                     const struct judgement *j, const struct launch_vars *v,
                     const char *trace_path);

#endif
