/*
 * facts.h - what the gates must know of the process, asked of the kernel when
 * a rule is due and never before.
 */
#ifndef FAULT_SHIM_FACTS_H
#define FAULT_SHIM_FACTS_H

#include "call.h"

/* May the call not block: O_NONBLOCK, MSG_DONTWAIT, or a zero time-out? */
bool facts_nonblocking(const struct shim_call *c);

/* SO_RCVTIMEO or SO_SNDTIMEO of the call's direction, ns; 0 = none. */
uint64_t facts_timeout_ns(const struct shim_call *c);

/* Everything; the handlers are looked at only if an action asks for them. */
void facts_collect(const struct shim_call *c, const struct plan_rule *rule,
                   struct engine_facts *ret);

/* What is left of a connection that rules want to end: over, at_end. */
void facts_of_end(int fd, struct fault_sock *s, struct engine_facts *ret);

/* Would every installed handler restart an interrupted call? */
bool facts_all_restart(void);

#endif
