/*
 * failed.h - which scenarios failed last: OUT/.failed, an id on each line.
 *
 * What was not run again stays as it was, so runs of parts of a suite add up.
 */
#ifndef FAULT_RUNNER_FAILED_H
#define FAULT_RUNNER_FAILED_H

#include <stdbool.h>
#include <stddef.h>

struct failed {
	char **v; /* owned; in order, each once */
	size_t n, cap;
};

/* A file that is not there is an empty list.  0 or -errno. */
int failed_load(struct failed *f, const char *out);
bool failed_has(const struct failed *f, const char *id);

/* Adds it, or takes it out.  Without memory nothing changes. */
void failed_note(struct failed *f, const char *id, bool failed);

/*
 * Writes it as a whole or not at all; makes OUT if there is something to say.
 * 0 or -errno.
 */
int failed_save(const struct failed *f, const char *out);
void failed_release(struct failed *f);

#endif
