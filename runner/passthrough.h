/*
 * passthrough.h - one program with our stdin, stdout, stderr and terminal:
 * what `fault exec` and `fault trace` share.
 */
#ifndef FAULT_RUNNER_PASSTHROUGH_H
#define FAULT_RUNNER_PASSTHROUGH_H

#include <stdbool.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "runner/print_trace.h"
#include "runner/session.h"

struct passthrough {
	const char *command; /* "exec", "trace": for messages */
	struct scenario *scenario;
	size_t program; /* index of the one to run */
	uint64_t seed;
	bool stacks;
	bool may_miss;         /* rules without a hit are no failure */
	bool verbose;          /* hits of each rule on stderr */
	const char *trace_dir; /* where the trace is kept, NULL = nowhere */
	void (*record)(void *context, const struct trace_context *c,
	               const struct fault_record *r);
	void *record_context;
};

/*
 * Runs it; must be called before any thread exists.  Returns the exit code:
 * the program's own as env(1) and timeout(1) pass it on, 126 and 127 when it
 * cannot be started, 125 for a failure of ours, and when it succeeded although
 * a rule did not fire.  All messages go to stderr.
 */
int passthrough_run(const struct passthrough *p);

#endif
