/*
 * corrupt.h - data that are changed on their way: `corrupt`.
 *
 * From the first byte that the call moves, shim_call.corrupt bytes are XORed
 * with a value that is never 0 and belongs to (seed, rule, connection, offset
 * in the stream): the same in every repetition, however the calls are cut.
 *
 * Received bytes are changed in the caller's buffer.  Those to be sent are
 * changed in a copy: never in the program's own.  Bytes that a peek has shown
 * before the call were shown as they came.
 */
#ifndef FAULT_SHIM_CORRUPT_H
#define FAULT_SHIM_CORRUPT_H

#include "call.h"

/* Bytes that this rule changes at a call, 0: none. */
uint64_t corrupt_amount(const struct plan_rule *r);

/*
 * Make the call with what c->a asks for by now; fills result, err, made as
 * call_real().  Not for SHAPE_LEN (GATE_DATA).  A send goes in one piece or, if
 * more than CORRUPT_COPY bytes are changed or the request is in many parts, in
 * several; a signal or a full buffer between two gives a short count, as it
 * would in the middle of one.
 */
void corrupt_make(struct shim_call *c);

enum {
	CORRUPT_COPY = 4096
};

#endif
