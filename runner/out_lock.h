/*
 * out_lock.h - one `fault run` at a time has the directory of --out.
 *
 * Two of them would each write their own .failed over the other's, and one's
 * directory of a scenario into that of the other.  The lock is flock(2) on the
 * directory itself: it goes with its process, however that ends, and leaves
 * nothing behind.
 */
#ifndef FAULT_RUNNER_OUT_LOCK_H
#define FAULT_RUNNER_OUT_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct out_lock {
	char *path;     /* owned */
	size_t existed; /* so much of the path was there before */
	int fd;         /* -1: none, because there is nothing to lock */
	pid_t holder;   /* of -EWOULDBLOCK; 0 = not to be seen from here */
};

/*
 * Makes the directory if there is none.  0, or -EWOULDBLOCK: another has it.
 * Where no directory can be made, or its file system knows no locks, there is
 * no lock, which is no error: what cannot be kept is said when it is to be.
 */
int out_lock_take(struct out_lock *l, const char *out);

/* A child of fork(2) shares the lock; it must not hold it longer than we do. */
void out_lock_forget(struct out_lock *l);

/* Takes directories away that were made for it and are empty. */
void out_lock_release(struct out_lock *l);

#endif
