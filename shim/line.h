/*
 * line.h - a direction that moves at a rate: what a line that slow would have
 * carried by now.
 *
 * Two words per direction, in the socket (run.h): the time at which the next
 * byte may move, and until when the line is known to have been busy from then
 * on.  A line that is busy carries on while the program is away, asleep or
 * without a processor: what it has carried by then is there at once, up to what
 * its buffer holds.  An idle one saves up no more than a quantum.
 *
 * Known to be busy:
 *   receiving   with the bytes that were left in the queue by the last call;
 *               with all that is queued since the last of it came
 *   sending     with a full send buffer, since a call was cut, refused or had
 *               to wait, until the next one
 *
 * Rates are in bytes per second, times CLOCK_MONOTONIC in ns.  Nothing here is
 * done on a silent path.
 */
#ifndef FAULT_SHIM_LINE_H
#define FAULT_SHIM_LINE_H

#include "call.h"

/*
 * Bytes that may move now, of want; 0 if it is less than is worth a call: all
 * there is, or a quantum.
 */
uint64_t line_bytes(struct shim_call *c, uint64_t want, uint64_t rate,
                    uint64_t now_ns);

/*
 * The same at the begin of a call: if one that sends finds room, the line has
 * no more to carry than what it brings.
 */
uint64_t line_begins(struct shim_call *c, uint64_t rate);

/* The call has moved its result. */
void line_carried(struct shim_call *c, uint64_t rate);

/* The line has more to carry: what is queued; what the program would send. */
void line_waits(struct shim_call *c, uint64_t rate);

/* When line_bytes() has some again; it has been asked before. */
uint64_t line_more(struct shim_call *c, uint64_t want, uint64_t rate);

#endif
