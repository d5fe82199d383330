/*
 * lock.c - see lock.h.  A futex in the usual three states (futex(7)).
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock.h"
#include "next.h"
#include "shim.h"

#include "poison.h"

enum {
	FREE,
	TAKEN,
	CONTENDED
};
static _Atomic int word = FREE;

/* errno is the program's. */
static void futex(int op, int value)
{
	int saved = errno;

	next.syscall(SYS_futex, (long)&word, op | FUTEX_PRIVATE_FLAG, value, 0,
	             0, 0);
	errno = saved;
}

void lock_take(struct lock_guard *ret_guard)
{
	sigset_t all;
	int seen = FREE;

	if (!shim_thread.helper) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &ret_guard->mask);
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ret_guard->cancel);
	if (atomic_compare_exchange_strong(&word, &seen, TAKEN))
		return;
	while (atomic_exchange(&word, CONTENDED) != FREE)
		futex(FUTEX_WAIT, CONTENDED);
}

void lock_give(const struct lock_guard *guard)
{
	if (atomic_exchange(&word, FREE) == CONTENDED)
		futex(FUTEX_WAKE, 1);
	pthread_setcancelstate(guard->cancel, NULL);
	if (!shim_thread.helper)
		pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
}

void lock_reset(void)
{
	atomic_store(&word, FREE);
}
