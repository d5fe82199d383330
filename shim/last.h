/*
 * last.h - actions that last longer than a call: delay, stall, rate.
 *
 * A blocking call waits, so that signals, time-outs and cancellation do to it
 * what they do to the real one.  A non-blocking one fails with EAGAIN, and the
 * socket is held (gates.h); its retry is the same call and goes on where the
 * rule's actions stopped.
 */
#ifndef FAULT_SHIM_LAST_H
#define FAULT_SHIM_LAST_H

#include "call.h"

void act_delay(struct shim_call *c, const struct plan_action *a);
void act_stall(struct shim_call *c, const struct plan_action *a);
void act_rate(struct shim_call *c, const struct plan_action *a);

/*
 * The peer has fallen silent, nobody calls: neither direction moves until
 * until_ns.  rule: index + 1.  A thread that already waits in recv may get
 * what comes next: it is in the kernel.
 */
void last_silence(int fd, struct fault_sock *s, uint64_t until_ns,
                  uint32_t rule);

/* Where a call of this direction is kept for its retry; NULL: nowhere. */
struct fault_hold *last_hold(const struct shim_call *c);

/*
 * A call that looks without taking (MSG_PEEK): is it held?  true: the call is
 * over, or it has waited for the end of the hold and failed.
 */
bool last_peek(struct shim_call *c);

#endif
