/*
 * exclusive.h - a listener that several sets have with EPOLLEXCLUSIVE, at the
 * end of a hold.
 *
 * The kernel wakes one idle set for each connection.  Parked ones have to be
 * added again, and an ADD of what is ready wakes its set (epoll_ctl(2)).  So no
 * more of them are added than there are connections in the queue, counted over
 * all processes (fault_sock.roused); first those in which a thread sleeps.  The
 * others follow when the queue is empty, which wakes nobody.
 *
 * Nobody is stranded: as long as some are left, the queue is looked at again
 * every few milliseconds (regs.c).  A connection more is a set more, and a
 * queue that does not become empty (a worker that is busy, or dead) is a set
 * more after MANY looks: looks, so that a machine at a standstill is given
 * time.
 */
#ifndef FAULT_SHIM_EXCLUSIVE_H
#define FAULT_SHIM_EXCLUSIVE_H

#include "park.h"

/* Is r parked for the end of a hold, which is now?  w: what it should be. */
bool exclusive_is_due(const struct our_reg *r, const struct park_wanted *w,
                      const struct park_view *v);

/*
 * Adds those of s that may be added.  false: some are left.  Under the lock of
 * lock.h.
 */
bool exclusive_add(struct fault_sock *s, struct our_sock *o,
                   const struct park_view *v);

/*
 * An accept was refused, and with it the edge of its connection is lost: it
 * comes again, in one set if a thread sleeps in one, else in all.  Under the
 * lock.
 */
void exclusive_kick(struct our_sock *o);

#endif
