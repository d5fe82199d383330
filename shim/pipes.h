/*
 * pipes.h - transfers whose other end is a pipe: splice(2), and sendfile(2)
 * from a socket.
 *
 * The kernel looks at the pipe first.  While that is empty, or full, nothing
 * of the socket is told, and the call is none of those that count.
 */
#ifndef FAULT_SHIM_PIPES_H
#define FAULT_SHIM_PIPES_H

#include "call.h"

/* The descriptor that should be the pipe; -1: this is no such call. */
int pipes_of(const struct shim_call *c);

/*
 * Asked when a rule is due, before the socket is looked at: waits for the pipe
 * as the call would.  false: what follows is not the socket's; either the real
 * call tells (c->made is false), or a signal has ended the wait.  True for all
 * other calls.
 */
bool pipes_ready(struct shim_call *c);

#endif
