/*
 * glob.h - `*`, `**` and `?` in ids and names of scenarios.
 *
 * Not fnmatch(3): `[` is itself, because ids end in [io=epoll].
 */
#ifndef FAULT_RUNNER_GLOB_H
#define FAULT_RUNNER_GLOB_H

#include <stdbool.h>
#include <stddef.h>

bool glob_has_wildcard(const char *s);

/*
 * Does the pattern mean all of text[0 .. len)?  `*` is any number of bytes and
 * `?` one of them; as a path neither is a `/`, but `**` is anything, and what
 * stands behind `**` and a `/` may follow at once.  In time and memory of
 * pattern times text, whatever they are; false without memory.
 */
bool glob_match(const char *pattern, const char *text, size_t len,
                bool as_path);

#endif
