/*
 * replay.h - a kept trace as a sequence of completed calls.
 *
 * Joins calls that were still under way when they were drained with their
 * returns, and remembers each socket's program, role and ports from the records
 * that name them, so that a call on it can be matched with a rule's keys.
 */
#ifndef FAULT_RUNNER_REPLAY_H
#define FAULT_RUNNER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/tables.h"
#include "runner/keyed.h"
#include "runner/trace_file.h"

/* What is known of a socket. */
struct replay_socket {
	uint64_t serial;
	uint16_t local_port, remote_port;
	bool has_address, ipv6;
	uint8_t address[16];
	uint64_t bytes[2]; /* received, sent: before the call at hand */
	uint32_t turns[2];
	uint8_t last;     /* enum fault_direction of the last transfer */
	uint8_t unseen;   /* enum fault_record_unseen: by streams of libc's */
	bool is_standard; /* was 0, 1 or 2, where stdio may use it */
};

struct replay_call {
	enum fault_call
		call; /* FAULT_CALL_NONE: a connection was established */
	/*
	 * With the result; of one that returned late entry and return in one,
	 * its state word being that of the RECORD_RETURN.
	 */
	const struct fault_record *r;
	uint64_t entry_ns;
	uint64_t ticket;  /* of the entry */
	uint32_t program; /* UINT32_MAX: unknown */
	const struct trace_process *process;
	enum fault_role role;
	enum fault_state state;       /* after the call */
	uint16_t port;                /* of the service, 0 = unknown */
	struct replay_socket *socket; /* NULL: none is known; till the next */
	bool counted; /* rules count it (trace_counts()), or established */
};

struct replay {
	struct trace_reader reader;
	struct keyed sockets;
	struct keyed open;        /* calls without their return */
	struct replay_open *rest; /* those, behind the end: from the last on */
	size_t n_rest;
	struct fault_record whole; /* of a call that returned late */
};

/* 0, or as trace_reader_open(). */
int replay_open(struct replay *p, const char *path);

/* The next completed call; false at the end. */
bool replay_next(struct replay *p, struct replay_call *ret);

/*
 * Behind the end: the calls that never returned, as they began; r is their
 * entry, and what only the return tells (result, ports, peer) is not known.
 */
bool replay_next_open(struct replay *p, struct replay_call *ret);
void replay_release(struct replay *p);

#endif
