/*
 * text.h - TEXT of the language against bytes: substrings and EREs, in order;
 * and ranges as texts.
 */
#ifndef FAULT_RUNNER_TEXT_H
#define FAULT_RUNNER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lang/scenario.h"

enum {
	TEXT_FILE_MAX = 8 << 20
};

/*
 * Where t ends in data at or after from; -ENOENT when it is not there, -EINVAL
 * when its expression does not compile, -ENOMEM.  ^ and $ match at lines.
 *
 * Without memory, or a descriptor, a text counts as absent in all of these, and
 * machine_failed() is told.
 */
ptrdiff_t text_find(const struct text_match *t, const char *data, size_t len,
                    size_t from);

/* The first of the list that is not found in its place, NULL: all are. */
const struct text_match *text_missing(const struct text_list *l,
                                      const char *data, size_t len);

/* The first of the list that is found anywhere, NULL: none is. */
const struct text_match *text_present(const struct text_list *l,
                                      const char *data, size_t len);

/*
 * Is all of the list, in order, in the first TEXT_FILE_MAX bytes of a regular
 * file?  Does not wait for anything.
 */
bool text_is_in_file(const struct text_list *l, const char *path);

/* "3", "1..3", "1..", "..3": the ends divided by unit. */
void text_range(const struct range *r, double unit, char *buf, size_t size);
/* Of nanoseconds, as the language has it: "1s..2s", "0.5s..". */
void text_durations(const struct range *r, char *buf, size_t size);

#endif
