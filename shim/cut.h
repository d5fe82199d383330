/*
 * cut.h - how much a call asks for, and making it ask for less.
 *
 * Short I/O shrinks the request, never the answer: bytes that are not returned
 * stay readable, bytes that are not accepted have not been sent (G5).
 */
#ifndef FAULT_SHIM_CUT_H
#define FAULT_SHIM_CUT_H

#include "call.h"

/* Bytes that the call asks to move. */
uint64_t cut_want(const struct shim_call *c);

/*
 * Make the real call with at most `most` bytes (>= 1), then kick, so that an
 * edge-triggered program that takes a short count for "drained" or "full"
 * hears of the rest.  Scattered requests are cut in a copy.
 */
void cut_make(struct shim_call *c, uint64_t most);

/* The same from byte `skip` of the request on; not for sendmmsg, no kick. */
void cut_make_from(struct shim_call *c, uint64_t skip, uint64_t most);

/* The real call, up to the mark if one lies inside. */
void cut_or_whole(struct shim_call *c);

/*
 * Where it is to end: at that mark, or at what is visible (arrivals.h); 0:
 * nowhere.  What a peek has promised (G5) is visible.
 */
uint64_t cut_mark(const struct shim_call *c);

/* Bytes that a successful call has moved. */
uint64_t cut_moved(const struct shim_call *c);

#endif
