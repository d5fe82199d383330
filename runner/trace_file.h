/*
 * trace_file.h - a kept trace: `--out`, `fault trace --raw`, reports.
 *
 * A header, then items of {kind, length, payload}: the plan once, a process
 * entry before the first record that names it and again when it changes, and
 * records in ticket order.  Host byte order; a file is read on the kind of
 * machine that wrote it.  Only appended to, so that what a killed runner left
 * behind is read up to the last whole item.
 */
#ifndef FAULT_RUNNER_TRACE_FILE_H
#define FAULT_RUNNER_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "print_trace.h"

struct trace_writer {
	FILE *file; /* NULL: not open, writes do nothing */
	int error;  /* the first -errno */
};

/*
 * Creates path (close-on-exec, mode 0666 & ~umask).  plan: plan_len bytes that
 * passed plan_check().  0 or -errno; on error nothing is open.
 */
int trace_writer_open(struct trace_writer *w, const char *path,
                      const void *plan, size_t plan_len, uint64_t start_ns);

/* Slot's entry of c; call after each trace_context_set(). */
void trace_writer_process(struct trace_writer *w, const struct trace_context *c,
                          uint16_t slot);
void trace_writer_record(struct trace_writer *w, const struct fault_record *r);

/* Closes.  0, or the first error of all writes as -errno. */
int trace_writer_close(struct trace_writer *w);

/* A file from its beginning to its end; one record of it in memory. */
struct trace_reader {
	FILE *file;
	bool cut; /* it ends within an item */
	void *plan;
	struct trace_context context;
	struct fault_record record;
};

/*
 * Reads path.  0, -errno, or -EBADMSG with *ret_why a constant sentence (not a
 * trace, of another version, an unsound plan).  On error nothing is held.
 */
int trace_reader_open(struct trace_reader *r, const char *path,
                      const char **ret_why);

/*
 * The next record, valid until the next call; context has then seen all that
 * precedes it.  NULL at the end of what is whole.
 */
const struct fault_record *trace_reader_next(struct trace_reader *r);

/* After NULL: was that the end, with nothing cut off? */
bool trace_reader_complete(const struct trace_reader *r);
void trace_reader_release(struct trace_reader *r);

#endif
