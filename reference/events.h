/*
 * events.h - one connection in an event loop: what it wants to be told, and
 * what it does when its turn comes.
 *
 * Theory of operation.  `readable` and `writable` are what the kernel has
 * said.  With edges they stay until EAGAIN and never end with a short count:
 * epoll(7) allows to take a short count for "drained"; a signal or a peer that
 * sends in between makes that wrong often enough.  A connection that could go
 * on when its turn is over keeps its flags, and the loop comes back to it
 * without waiting (the ready list of epoll(7)), so that a fast peer does not
 * starve the others.  With levels one call follows each time that the kernel
 * says so, then it is asked again, and the interest follows the session:
 * watching for room when there is nothing to send would spin.
 *
 * An error only sets the flags as well: the calls then give the buffered bytes
 * first and the error after them, each error once.  SO_ERROR is read after
 * connect, and as a last resort when both calls keep silent; read earlier, it
 * would take the error away and leave an end of file that is none.
 *
 * Functions that return int give 0 or -errno, and have said why.
 *
 * Locking model: a connection belongs to one thread.
 */
#ifndef REFERENCE_EVENTS_H
#define REFERENCE_EVENTS_H

#include "connection.h"
#include "waiter.h"

/* Calls per direction, with edges, before the others get their turn. */
#define EVENTS_TURN_CALLS 16

/* Watch a connected, non-blocking socket. */
int events_add(struct waiter *w, struct connection *c);

/* Before it is closed. */
void events_remove(struct waiter *w, const struct connection *c);

/* The kernel's news (WAIT_*), for the next turn. */
void events_note(struct connection *c, unsigned news);

/* It can go on without any news. */
bool events_can_go_on(struct connection *c);

/* Send, receive and half-close as far as that goes without waiting. */
int events_turn(struct waiter *w, struct connection *c);

#endif
