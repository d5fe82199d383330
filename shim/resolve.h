/*
 * resolve.h - faults of getaddrinfo and the gethostbyname functions.
 *
 * All of them answer one question, "which addresses has this name?", in their
 * own ways: getaddrinfo(3) returns an EAI_ code and a list that
 * freeaddrinfo(3) takes; gethostbyname(3) a pointer, and h_errno; the _r
 * variants a number, a pointer in *result and h_errno in *h_errnop.  What is
 * told to the program is what glibc was seen to tell (tests/e2e/resolve.sh
 * compares with a real name server).
 *
 * None of these functions is async-signal-safe, and all allocate by nature.
 * What is allocated here, libc allocates: a list is made of the lists that the
 * real getaddrinfo gives for numeric addresses.
 */
#ifndef FAULT_SHIM_RESOLVE_H
#define FAULT_SHIM_RESOLVE_H

#include "call.h"

/*
 * The call as it would be without a fault: the addresses that `hosts` of the
 * scenario gives for the name, else the real call.  Result, c->said, and the
 * errno that it leaves.
 */
void resolve_real(struct shim_call *c);

/* It fails with an EAI_ code (negative), or EAI_SYSTEM and this errno. */
void resolve_fail(struct shim_call *c, int err);

/*
 * ACTION_ANSWER: these addresses, in this order, as far as the program asks for
 * their family; EAI_NODATA when none is left.
 */
void resolve_answer(struct shim_call *c, const struct plan_action *a);

/*
 * A slow resolver: until until_ns (CLOCK_MONOTONIC).  No signal ends it, since
 * the real one polls again after EINTR; a cancellation does, unless the call is
 * done.
 */
void resolve_wait(struct shim_call *c, uint64_t until_ns);

#endif
