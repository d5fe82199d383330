/*
 * io.h - between io.c and quiet.c: the send and recv families.
 */
#ifndef FAULT_SHIM_IO_H
#define FAULT_SHIM_IO_H

#include "call.h"

/*
 * After the real call: what it tells about the socket (bytes, turns, FIN,
 * reset).  true if the call counts.
 */
bool io_account(struct shim_call *c);

/*
 * The short way of a transfer on which no rule is due and nothing is to be
 * corrected, traced or timed: it is made, and counts, without a struct
 * shim_call.  false: nothing has happened.  errno is the real call's.
 */
bool io_quiet(enum fault_call id, const long *args, long *ret_result);

#endif
