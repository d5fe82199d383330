/*
 * keep.h - what is left of a scenario that did not pass: a directory.
 *
 *   OUT/NAME/ report.txt     as the terminal said it
 *             _scenario.yaml the scenario as it ran, and its seed; named as
 *                            a part, so that `fault run .` passes it by
 *             NAME.stdout, NAME.stderr
 *             trace          for `fault trace`
 */
#ifndef FAULT_RUNNER_KEEP_H
#define FAULT_RUNNER_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/report/case_report.h"
#include "runner/session.h"

enum {
	KEEP_NAME_SIZE = 256
};

/* The id with what is awkward in a file name replaced: `a/b` is `a_b`. */
void keep_name(const char *id, char *buf, size_t size);

struct keep_id {
	const char *id;
	unsigned round; /* of --repeat, 0 = none; several may run at once */
	/* Another of the run would have this one's directory. */
	bool shares_name;
};

/* OUT/NAME, and as far as it takes -HASH and -ROUND. */
void keep_path(const char *out, const struct keep_id *id, char *buf,
               size_t size);

/*
 * Makes dir and its parents and fills it; trace_path is copied, NULL = none.
 * What a run before has left in it goes.
 * 0 or the first -errno; what could be written stays.
 */
int keep_case(const char *dir, const struct case_report *c,
              const struct scenario *s, const struct session_result *result,
              const char *trace_path);

/* mkdir -p.  0 or -errno. */
int make_dirs(const char *path);

#endif
