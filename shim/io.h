/*
 * io.h - between io.c and quiet.c: the send and recv families.
 */
#ifndef FAULT_SHIM_IO_H
#define FAULT_SHIM_IO_H

#include "call.h"

/*
 * After the real call: what it tells about the socket (bytes, turns, FIN,
 * reset).  true if the call counts.
 */
bool io_account(struct shim_call *c);

/* The part of it for bytes that were moved; e as before the call. */
void io_moved(struct fault_sock *s, const struct engine_call *e,
              uint64_t moved);

/* Registered with epoll: the next arrival may be one that is held. */
void io_expect(int fd, struct fault_sock *s);

#endif
