/*
 * record.h - writing the trace (plan/trace.h).  Without a ring (bare library,
 * or a plan without PLAN_TRACE) everything here does nothing.
 */
#ifndef FAULT_SHIM_RECORD_H
#define FAULT_SHIM_RECORD_H

#include "shim.h"

struct shim_call;

/* A record that was reserved; NULL slot: none. */
struct record {
	struct fault_record *slot;
	uint64_t ticket;
	/* Of the socket at entry: its entry may be another's at return. */
	uint32_t serial, connection;
	uint8_t status;
};

/* At entry: reserves and fills in what is known. */
void record_enter(struct shim_call *c);

/* At return: result, errno, rule, state; completes it. */
void record_return(struct shim_call *c);

/* A module is met that begins there (trace.h, RECORD_MODULE). */
void record_module(const char *name, const void *begin);

/* The process executes that file; path NULL: not known. */
void record_image(unsigned call, uint32_t pid, const char *path, void *caller);

/* ... was started with it, by a call that began at since_ns. */
void record_spawned(uint32_t pid, const char *path, uint64_t since_ns);

/* A record of its own (RECORD_ATTACH ..., or a call that only is noted). */
void record_event(unsigned call, uint32_t want, uint32_t rule, void *caller);

/* The same about a socket. */
void record_sock_event(unsigned call, const struct fault_sock *s, int fd,
                       uint32_t want, uint32_t rule);

/* Tell the runner that something happened that it may be waiting for. */
void record_wake(void);

#endif
