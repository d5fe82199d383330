/*
 * last_calls.h - where a program hangs: its last call on a TCP socket, for the
 * report of a scenario whose limit has passed.
 */
#ifndef FAULT_RUNNER_LAST_CALLS_H
#define FAULT_RUNNER_LAST_CALLS_H

#include <stdio.h>

#include "lang/scenario.h"
#include "runner/session.h"

/*
 * A line for each program with the library that the limit found running, or
 * not ready; nothing when the limit has not passed or the trace cannot be
 * read.  r: of the session that wrote trace_path.
 */
void print_last_calls(FILE *out, const char *trace_path,
                      const struct scenario *s, const struct session_result *r);

#endif
