/*
 * exhaust.h - the process has no descriptor left: `exhaust: descriptors`.
 *
 * Every number below RLIMIT_NOFILE's soft limit is in use: the kernel itself
 * then refuses whoever needs one with EMFILE (socket, accept, open, dup, pipe,
 * eventfd), with its own order of checks.  What does not need one works on:
 * dup2 onto a used number, poll with many entries, and a program that closes
 * one (the reserve-descriptor trick) may have that one.
 *
 * The free numbers are filled with close-on-exec descriptors that are good for
 * nothing (O_PATH, open(2)): on them reading, writing, poll and all the rest
 * say EBADF or POLLNVAL, as they do on numbers that are closed.  Where the soft
 * limit is high it is lowered during the window, never below 1024 or what the
 * program uses: getrlimit(2) then shows that.  The hard limit is not touched.
 *
 * A window belongs to a process: a child of fork begins without it (its own
 * call may open one), and so does what is executed.  A real limit would be
 * inherited; the one that is lowered is ours, and the numbers that are in use
 * are not the child's.
 *
 * No memory of the program's; errno is kept.  All but exhaust_lift() take the
 * lock of lock.h.
 */
#ifndef FAULT_SHIM_EXHAUST_H
#define FAULT_SHIM_EXHAUST_H

#include "call.h"

/* The action: the window begins, and the call meets it. */
void act_exhaust(struct shim_call *c, const struct plan_action *a);

/*
 * This rule (index) has hit: from now on nothing is left, until its `for` is
 * over, or it is disarmed.  Several rules: until the last one's end.  Nothing
 * happens in a child of vfork.
 */
void exhaust_begin(uint32_t rule);

/* TASK_EXHAUST, and whenever rules are armed or disarmed: is it over? */
void exhaust_check(void);

/* Is there a window? */
bool exhaust_lasts(void);

/* In the child, after fork: it begins without. */
void exhaust_child(bool shares_files);

/*
 * Before exec: what follows has its descriptors.  In a child of vfork, which
 * has limits of its own and the parent's memory, only the limit is put back.
 */
void exhaust_release(void);

/*
 * A new image: its parent may have been without descriptors when it made it by
 * posix_spawn, system or popen, which leave no moment to put the limit back.
 */
void exhaust_attached(void);

/* Around the making of a descriptor of ours.  The caller holds the lock. */
void exhaust_lift(bool lift);

#endif
