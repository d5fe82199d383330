/*
 * regs.h - how sockets with lasting rules are registered with epoll in this
 * process, and what of it the kernel is told.
 *
 * A registration has the mask that the program asked for, and the one the
 * kernel has, which lacks the bits of gates that are held.  The program sees
 * its own in every answer of epoll_ctl.
 *
 * All functions take the lock of lock.h but those that say so.
 */
#ifndef FAULT_SHIM_REGS_H
#define FAULT_SHIM_REGS_H

#include "call.h"

/* The program's epoll_ctl on c->sock, which has lasting rules. */
void regs_ctl(struct shim_call *c);

/* Is s registered anywhere in this process?  Without the lock. */
bool regs_any(const struct fault_sock *s);

/* The kernel's masks of all registrations of s follow its gates. */
void regs_apply(struct fault_sock *s);

/*
 * Has some of it been put off?  The helper looks again soon (gates are open);
 * who knows that something has changed does so at once.  Without the lock.
 */
bool regs_wait(const struct fault_sock *s);

/*
 * regs_apply() for those with EPOLLEXCLUSIVE alone: added before there is
 * anything to read, so that what comes then wakes one of them and not all.
 */
void regs_apply_exclusive(struct fault_sock *s);

/*
 * An end that is ours (reset, eof) is about to be made: RDHUP, hidden while
 * receives may be cut, is part of it.
 */
void regs_show_end(struct fault_sock *s);

/* fd, one of the descriptors of s, is closed: its registrations are gone. */
void regs_closed(int fd, const struct fault_sock *s);

/* An epoll descriptor is closed. */
void regs_set_closed(int epfd);

/*
 * Registrations that were made behind our back (raw system call, inherited over
 * exec) are found in /proc/self/fdinfo, for all sockets that are held: when s,
 * held and registered nowhere, keeps being read.  That takes its time, 30 ms
 * with 10,000 descriptors, and is done seldom: false if it is not its turn.
 */
bool regs_adopt(const struct fault_sock *s);

/* The edge of an accept that was refused comes again. */
void regs_kick_accept(const struct fault_sock *s);

#endif
