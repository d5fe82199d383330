/*
 * probes.h - does this machine allow what faults are made of?  `fault doctor`.
 *
 * Each probe runs in a child of its own with a deadline, on private sockets
 * of the loopback interface, and leaves nothing behind.
 */
#ifndef FAULT_RUNNER_PROBES_H
#define FAULT_RUNNER_PROBES_H

#include <stdbool.h>
#include <stddef.h>

struct probe {
	const char *name;
	const char *about; /* what it is good for */
	bool needed;       /* else it is only told */
	/*
	 * Runs in the child.  True: works.  Writes a detail or the reason with
	 * its remedy, without a newline, into why.
	 */
	bool (*run)(char *why, size_t size);
};

/* Ends with name NULL. */
extern const struct probe probes[];

/* In a child, for at most five seconds; result and why as of probe.run. */
bool probe_run(const struct probe *p, char *why, size_t size);

#endif
