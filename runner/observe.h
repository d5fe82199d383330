/*
 * observe.h - what the library reports while a run goes on.
 *
 * Drains the ring of trace records (trace.h), keeps them in a trace file, and
 * works out at once what the session waits for: which process attached, which
 * program listens, which image was replaced and never heard of again.  What
 * needs no haste (the funnel of a rule) is read from the file afterwards.
 *
 * One thread.  Everything in the segment is hostile: it is copied first, then
 * checked (segments.h).  A record that no library writes is left out, a head
 * that makes no sense ends the draining; both mark the run as damaged.
 */
#ifndef FAULT_RUNNER_OBSERVE_H
#define FAULT_RUNNER_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/plan.h"
#include "runner/call_watch.h"
#include "runner/keyed.h"
#include "runner/print_trace.h"
#include "runner/segments.h"
#include "runner/trace_file.h"
#include "runner/unreached.h"

/* New images that are looked after at once; of more it is the latest. */
enum {
	OBSERVE_PENDING = 64
};

struct observed_program {
	bool listening;    /* a listen() of it returned 0 */
	uint32_t attached; /* processes, forks included */
	uint64_t sockets;  /* records about TCP sockets */
};

/* A process that attached or failed to; times are CLOCK_MONOTONIC. */
struct observed_process {
	uint32_t pid, program;
	uint32_t root;       /* the process that `fault` started, above it */
	bool listening;      /* a root: a listen() below it returned 0 */
	int64_t attached_ns; /* of its latest image */
	int64_t exec_ns;     /* latest exec that was begun, 0 = none */
	int64_t alive_ns;    /* latest sign of life of that image */
	bool failed;
	char what[88]; /* why it failed */
	/* Of that exec: */
	char path[64]; /* the file, "" = not known */
	struct unreached seen;
};

struct observe {
	const struct fault_plan *plan; /* private copy, not owned */
	const struct segments *segments;
	struct trace_context context;
	struct trace_writer writer;
	uint8_t *status;  /* last seen, per process slot */
	uint64_t next;    /* ticket to look at */
	int64_t stuck_ns; /* since when it is not ready, 0 = it is */
	uint64_t n_records, n_lost;
	uint64_t max_records; /* for the file, 0 = all */
	bool damaged;         /* something is there that no library writes */
	struct observed_program *programs;
	struct observed_process *processes;
	size_t n_processes, cap_processes;
	/* Images that have not attached yet: session_attached.c looks. */
	size_t pending[OBSERVE_PENDING];
	size_t n_pending;
	uint64_t urings;      /* programs that asked for an io_uring: bits */
	struct keyed by_pid;  /* the latest of each pid */
	struct keyed listens; /* listen() calls that had not returned */
	struct call_watches *calls; /* that are counted; NULL = none */
	/* For live output; NULL = none. */
	void (*record)(void *context, const struct trace_context *c,
	               const struct fault_record *r);
	void *record_context;
};

/*
 * trace_path: where the records are kept, NULL = nowhere.  plan (plan_len
 * bytes, checked) and segments must live as long.  0 or -errno.
 */
int observe_init(struct observe *o, const void *plan, size_t plan_len,
                 const struct segments *segments, const char *trace_path,
                 int64_t start_ns);

/* Takes what there is; returns the number of records. */
uint64_t observe_drain(struct observe *o);

/* When no writer is left: takes the rest, closes the file.  0 or -errno. */
int observe_finish(struct observe *o);
void observe_release(struct observe *o);

/* Has anything below the process that `fault` started so listened? */
bool observe_listens(const struct observe *o, uint32_t pid);

/* The process of this pid, NULL when it never attached. */
const struct observed_process *observe_process(const struct observe *o,
                                               uint32_t pid);

/* Its image was replaced by one that never attached. */
bool observe_lost_image(const struct observed_process *p);

/* The first process that reported a failure, or NULL. */
const struct observed_process *observe_failure(const struct observe *o);

/* Something is missing: dropped records, full tables, a damaged segment. */
bool observe_incomplete(const struct observe *o);

/* Have there been so many processes that no further one can be followed? */
bool observe_full(const struct observe *o);

#endif
