/*
 * wake.c - see wake.h.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/wake.h"

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void *waiter(void *context)
{
	struct wake *w = context;
	uint64_t one = 1;

	while (!atomic_load(&w->stop)) {
		/* A program may have scribbled over it: say it each time. */
		atomic_store(&w->run->waiting, 1);
		uint32_t seen = atomic_load(&w->run->wake);

		(void)!write(w->fd, &one, sizeof(one));
		if (atomic_load(&w->stop))
			break;
		futex(&w->run->wake, FUTEX_WAIT, seen);
	}
	return NULL;
}

int wake_start(struct wake *w, struct fault_run *run)
{
	sigset_t all, before;
	int r;

	w->run = run;
	atomic_init(&w->stop, false);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, waiter, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		close(w->fd);
	return -r;
}

void wake_stop(struct wake *w)
{
	atomic_store(&w->stop, true);
	/* The word changes first, so a wait that is about to begin returns. */
	atomic_fetch_add(&w->run->wake, 1);
	futex(&w->run->wake, FUTEX_WAKE, INT32_MAX);
	pthread_join(w->thread, NULL);
	close(w->fd);
}

void wake_clear(struct wake *w)
{
	uint64_t n;

	(void)!read(w->fd, &n, sizeof(n));
}
