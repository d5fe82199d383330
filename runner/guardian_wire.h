/*
 * guardian_wire.h - what `fault` and its guardian say to each other.
 *
 * One SOCK_SEQPACKET message each: a fixed request, a fixed answer.  What has
 * no bound (arguments, environment, directory) travels in a memfd, in front of
 * stdin, stdout and stderr, by SCM_RIGHTS.
 */
#ifndef FAULT_RUNNER_GUARDIAN_WIRE_H
#define FAULT_RUNNER_GUARDIAN_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>

enum wire_type {
	WIRE_SPAWN,
	WIRE_SIGNAL,
	WIRE_KILL_ALL,
	WIRE_MAKE_DIR,
	WIRE_CLEAN,
	/* Answers that nobody asked for. */
	WIRE_EXITED,
	WIRE_STOPPED
};

struct wire_request {
	uint32_t type;
	int32_t pid;
	int32_t sig;
	int32_t group; /* SIGNAL: to the group; SPAWN: enum guardian_group */
	uint32_t n_argv, n_env; /* SPAWN: strings in the memfd, after the dir */
	uint64_t size;          /* SPAWN: bytes in the memfd */
	char path[256];         /* MAKE_DIR: to be made */
};

struct wire_answer {
	uint32_t type; /* that of the request */
	int32_t pid;
	int32_t value; /* 0 or -errno; KILL_ALL: killed; EXITED: status */
	int32_t step;  /* enum guardian_step */
};

enum {
	WIRE_N_FDS = 4
}; /* memfd, in, out, err */

/* What it needs to live: opened before it is, so that it cannot fail. */
struct guardian_files {
	int control; /* its end of the socket */
	int signals; /* a signalfd of SIGCHLD */
	int null;    /* /dev/null */
};

/* The guardian's whole life, in its own process; mask: for its programs. */
_Noreturn void guardian_main(const struct guardian_files *f, bool terminal,
                             const sigset_t *mask);

#endif
