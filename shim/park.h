/*
 * park.h - one registration with epoll, and what of it the kernel is told: its
 * mask without the bits of gates that are held, or nothing at all (parked).
 *
 * What may be changed when:
 *   level-triggered  any time
 *   EPOLLET          IN only by the program's own ADD or MOD: another MOD makes
 *                    an edge of OUT.  The low-water mark does the rest.  OUT
 *                    while there is nothing to read: no edge of IN is made
 *   EPOLLONESHOT     by the program's own, else only when it has not fired: a
 *                    MOD would arm it again.  One that fires between the look
 *                    and the MOD does (limits.md).  To leave IN to the mark
 *                    would save one MOD of two, but show each FIN at once, and
 *                    all that comes while a gate is only armed
 *   EPOLLEXCLUSIVE   refuses MOD: deleted and added
 *   ERR, HUP         cannot be masked: deleted and added, also where nothing
 *                    else is left, or a RST would come as HUP|ERR alone
 *
 * All functions that take a registration want the lock of lock.h.
 */
#ifndef FAULT_SHIM_PARK_H
#define FAULT_SHIM_PARK_H

#include <sys/epoll.h>

#include "ours.h"

/* How a socket is registered, not for what. */
enum {
	PARK_HOW = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP,
};

/* What the gates of a socket say, looked at once for all registrations. */
struct park_view {
	bool rx, tx, open; /* held */
	bool armed;
	bool cutting;
	bool listener;
	bool finished; /* what its program sends */
};
struct park_view park_look_at(struct fault_sock *s);

/*
 * The kernel may have all that the program asks for.  A socket that is not
 * connected yet is told of no FIN: RDHUP need not be hidden until it is.
 */
bool park_is_natural(struct fault_sock *s);

/* What a registration should be now. */
struct park_wanted {
	uint32_t events;
	bool deleted;
};

/* asked: the program itself is changing it just now. */
struct park_wanted park_wanted(const struct our_reg *r,
                               const struct park_view *v, bool asked);

/* Makes it so.  false: not yet, to be tried again soon. */
bool park_change(struct our_reg *r, struct park_wanted w);

/* epoll_ctl of r with these events and the program's data. */
bool park_ctl(const struct our_reg *r, int op, uint32_t events);

#endif
