/*
 * self.h - rules without `call`: they act by themselves, once
 * on each connection that they select, or on the process, as soon as their
 * conditions hold.
 *
 * Who sees a condition that may have come true says so; the helper thread
 * (keeper.h) then goes over the connections of this process and acts.  Of
 * several processes that share one, one acts: the engine's claim is atomic.
 *
 * A connection is looked at through a descriptor of our own while it is acted
 * on: the program may close its, and get the number again, at any moment.
 *
 * All keep errno; none is called under the lock of lock.h.
 */
#ifndef FAULT_SHIM_SELF_H
#define FAULT_SHIM_SELF_H

#include "shim.h"

/* Once, at attach: which of these does the plan need? */
void self_prepare(void);

/* TASK_SELF, and whenever rules are armed: what is due acts. */
void self_act(void);

/* A connection is established. */
void self_consider(int fd, struct fault_sock *s);

/* Its state has changed, or it has received something. */
void self_changed(int fd, struct fault_sock *s);

/* The process has a socket now: rules that act on the process can begin. */
void self_begin(void);

/* This rule (index) has hit: others may have waited for it (`after`). */
void self_follow(uint32_t rule);

/* Does this rule act by itself?  (index + 1; 0: no) */
bool self_is(uint32_t rule);

#endif
