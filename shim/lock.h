/*
 * lock.h - the one lock of the library: readiness of this process.
 *
 * It guards what keeper.c and regs.c keep: deadlines, registrations, waits.
 * Taken only for sockets that have rules which last (PLAN_LASTING), and by the
 * helper thread; never on a silent path.  Under it: no allocation, no call that
 * may wait, signals blocked and cancellation off, so that no handler of this
 * thread can enter again and nothing unwinds.  fork takes it, so that the child
 * finds everything whole.
 */
#ifndef FAULT_SHIM_LOCK_H
#define FAULT_SHIM_LOCK_H

#include <signal.h>

struct lock_guard {
	sigset_t mask;
	int cancel;
};

/* Also blocks signals and cancellation; give undoes all three. */
void lock_take(struct lock_guard *ret_guard);
void lock_give(const struct lock_guard *guard);

/*
 * In the child of a fork that has not taken it: another thread of the parent
 * may have, for the first time.
 */
void lock_reset(void);

#endif
