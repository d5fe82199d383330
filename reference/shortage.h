/*
 * shortage.h - fork(2) and pthread_create(3) when there is no room for one
 * more.
 *
 * EAGAIN and ENOMEM pass: somebody ends, and there is room again.  So neither
 * is a reason to give up a peer at once, nor to try without a pause.
 *
 * Locking model: for the thread that accepts or connects.
 */
#ifndef REFERENCE_SHORTAGE_H
#define REFERENCE_SHORTAGE_H

#include <stdint.h>

/*
 * Call attempt(context), which gives 0 or -errno, until it succeeds; after a
 * shortage again in LISTENER_PAUSE_MS, until the deadline or a stop signal.
 * Says once what is short: call ("fork for"), and name for whom.
 */
int shortage_wait_out(int (*attempt)(void *context), void *context,
                      const char *call, const char *name, int64_t deadline_ns);

#endif
