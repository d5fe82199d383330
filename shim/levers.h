/*
 * levers.h - making it real: what the kernel is made to do so that a fault
 * has the state, the readiness and the peer's view that belong to it.
 * Only on a path where a fault fires.
 *
 * All are async-signal-safe and leave no descriptor behind.
 */
#ifndef FAULT_SHIM_LEVERS_H
#define FAULT_SHIM_LEVERS_H

#include <stdbool.h>

#include "plan/run.h"

/*
 * The connection is reset: the peer gets RST, this end looks as if it had
 * received one.  Descriptor, dups and epoll registrations stay.  The socket's
 * flags say what the wrappers correct afterwards.  false: nothing was done.
 */
bool lever_reset(int fd, struct fault_sock *s);

/*
 * Between its three calls recv is 0, which is no end of file: until another
 * thread has done them (SOCK_LEVERING).
 */
void lever_settle(const struct fault_sock *s);

/* Take the pending error: as if SO_ERROR had been read. */
void lever_clear_error(int fd);

/* Make the edge come again, if there is still room (gates_kick_in()). */
void lever_kick_out(int fd);

/*
 * A connection over loopback whose far end has closed: what is sent on it is
 * taken, and lost.  Non-blocking; to be closed with lever_close().  -1: none
 * can be made here.
 */
int lever_closed_peer(bool ipv6);
void lever_close(int fd);

/* TCP_ESTABLISHED ... of the kernel's own (tcp_states.h), 0: unknown. */
int lever_tcp_state(int fd);

/* Of a socket that does not listen: no byte waits in it. */
bool lever_all_read(int fd);

/* Close with a RST: a connection that was taken from the queue. */
void lever_discard(int fd);

/* Reset on the last close of fd. */
void lever_linger_reset(int fd);

#endif
