/*
 * worker.h - one process that measures when it is told to.
 *
 * The driver (bench/run) starts one such process per variant and lets them
 * take turns, so that all variants see the same minutes of a noisy machine.
 * Protocol, on stdin and stdout: a line "CASE COUNT" is answered by a line with
 * the nanoseconds that COUNT repetitions took, preparations not included.  End
 * of file ends the process.  With the same two words as arguments it measures
 * once: that is what callgrind runs.
 *
 * One thread, pinned to the last processor that it may use, so that workers
 * never share a machine with one another and the runner keeps the others.
 */
#ifndef FAULT_BENCH_WORKER_H
#define FAULT_BENCH_WORKER_H

#include <stdint.h>

struct worker_case {
	const char *name;
	/* Repeats count times; returns the nanoseconds that count. */
	int64_t (*run)(unsigned count);
};

/* CLOCK_MONOTONIC in ns. */
int64_t worker_now(void);

/* A message with errno's text on stderr, and exit 1. */
_Noreturn void worker_die(const char *what);

/* Serves cases (ended by a NULL name) as told above; the exit status. */
int worker_main(int argc, char **argv, const struct worker_case *cases);

#endif
