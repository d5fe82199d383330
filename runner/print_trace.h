/*
 * print_trace.h - trace records as lines for people.
 *
 *   12.345678 server[4711/4711] accept4(fd 5) = 7  conn 1 accepted #1
 *           127.0.0.1:40312 ESTABLISHED                        (one line)
 *   12.345702 server[4711/4711] recv(fd 7, 16384) = 512  conn 1 accepted #3
 *           turn 2 bytes 1024..1536 ESTABLISHED  <- rule recv:reset:nth=3
 *
 * `#3`, `turn` and `bytes` are what the keys nth, turn and bytes of a rule on
 * this call's family would have to say to hit this very call, with the default
 * `per` of the family (fault-scenario(5)).  A call that does not
 * count (EAGAIN, EINTR, length 0, MSG_PEEK) has no number.  After a fault that
 * delayed or refused one, the next of its direction is the same call:
 *
 *   recv(fd 7, 512) = -1 EAGAIN  conn 1 client #3 ...  <- rule recv:delay=1s
 *   recv(fd 7, 512) = -1 EAGAIN  conn 1 client held ...
 *   recv(fd 7, 512) = 512  conn 1 client #3 again turn 1 bytes 0..512 ...
 *
 * If the delay began when the bytes came, nobody had called: the rule stands
 * at the call that got them.
 *
 * Not thread-safe; knows no process and no segment but what it is handed.
 * Records come from a region that a broken program may scribble over: every
 * index is checked, whatever the record says.
 */
#ifndef FAULT_RUNNER_PRINT_TRACE_H
#define FAULT_RUNNER_PRINT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"
#include "plan/trace.h"

/* What is known of one slot of fault_run.processes. */
struct trace_process {
	uint32_t pid;    /* 0: nothing is known */
	uint32_t parent; /* slot + 1, 0 = none */
	uint32_t program;
	uint32_t pad;
	uint64_t started_ns;
	char name[16]; /* ended by a 0 */
	char what[88];
};
_Static_assert(sizeof(struct trace_process) == 128, "trace file layout");

/* The names behind a record's indexes. */
struct trace_context {
	const struct fault_plan *plan; /* checked, not owned; NULL: no names */
	uint64_t start_ns;             /* what times are counted from */
	struct trace_process *processes;
	size_t n_processes;
};

/* plan must outlive the context. */
void trace_context_init(struct trace_context *c, const struct fault_plan *plan,
                        uint64_t start_ns);
void trace_context_release(struct trace_context *c);

/*
 * Bytes that a program wrote, for readers: control characters (C1 too) and what
 * is no UTF-8 become `?`.
 */
void trace_clean(char *s);
/* Its strings are ended, and clean. */
void trace_process_clean(struct trace_process *p);

/*
 * What is now known of a slot: call it when a process attaches, and again
 * when it changes.  Strings are cleaned.  0 or -ENOMEM.
 */
int trace_context_set(struct trace_context *c, uint16_t slot,
                      const struct trace_process *p);

/* Name of the program, else of the process, else "?". */
const char *trace_context_name(const struct trace_context *c, uint16_t slot);

struct trace_printer;

/* NULL without memory. */
struct trace_printer *trace_printer_new(void);
void trace_printer_free(struct trace_printer *p);

/*
 * Formats one record, in ticket order, without a newline, into buf (always
 * ended; cut at size) and counts it.  A record that is still ENTERED prints
 * as `accept4(fd 5) ...` and is remembered until its RECORD_RETURN, which
 * prints `... accept4(fd 5) = 7`.  Returns the length that it needs.
 */
size_t trace_print(struct trace_printer *p, const struct trace_context *c,
                   const struct fault_record *r, char *buf, size_t size);

/* What trace_print works out; other reports may ask for it alone. */
struct trace_count {
	uint32_t nth;  /* 0: this call does not count */
	uint32_t turn; /* of its direction; 0: no direction, or nothing moved */
	uint64_t from, to; /* bytes of its direction, before and after */
	bool again; /* nth is that of a call before, which this repeats */
	bool held;  /* refused: a fault holds back what there is */
};
struct trace_count trace_count(struct trace_printer *p,
                               const struct trace_context *c,
                               const struct fault_record *r);

/*
 * Does this record count?  Of recv, send and accept what the
 * kernel would satisfy, and what a rule claimed; of the others each entry.
 */
bool trace_counts(const struct fault_record *r);

/* Is it a call of before once more, after ours was refused or held? */
bool trace_repeats(const struct fault_record *r);

#endif
