/*
 * correct.h - after a fault: what the kernel would now say otherwise.
 *
 * The levers leave a socket that differs from one that had received the real
 * thing in few answers (tests/conformance/FACTS.md has the whole list).  The
 * wrappers of those calls correct them here; all other sockets pass.
 */
#ifndef FAULT_SHIM_CORRECT_H
#define FAULT_SHIM_CORRECT_H

#include "call.h"

/* send, recv before the kernel is asked.  true: the call is over. */
bool correct_io(struct shim_call *c);

/* After the real call: an errno that goes by another name. */
void correct_told(struct shim_call *c);

/* The value that getsockopt(SO_ERROR) has just read. */
int correct_so_error(struct shim_call *c, int value);

/* getsockname has answered: the lever has taken a client's address away. */
void correct_local(struct shim_call *c, unsigned room);

/* ioctl(SIOCOUTQ): nothing waits to be sent after a reset. */
void correct_outq(struct shim_call *c);

/*
 * getpeername, shutdown: the connection is over on both sides, as far as its
 * program is concerned.  true: ENOTCONN.
 */
bool correct_finished(struct shim_call *c);

/* connect, bind, listen on a socket that the lever reset: true: over. */
bool correct_call(struct shim_call *c, int err);

#endif
