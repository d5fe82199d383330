/*
 * fdsize.h - how many numbers the kernel's table of descriptors would have
 * without us.
 *
 * select(2) looks at no more numbers than the table has, however many it is
 * asked for: programs ask for getdtablesize(), or for FD_SETSIZE with sets that
 * are shorter.  The table has 64, and where a number above is opened the next
 * power of two; it does not shrink, exec keeps it, and the child of a fork gets
 * one that fits what is open (FDSize in /proc/self/status;
 * tests/probes/nfds.c).  Descriptors of ours are high (private_fd.h): with them
 * the kernel would read far behind the program's sets, and refuse what it finds
 * there (EBADF).
 *
 * So calls are cut to the size that the table would have.  What the program
 * opens past us (files, pipes) is asked for where it matters: only in a call
 * that exceeds what is known, and has a bit there.  A number that is open is
 * never cut off, as far as an fd_set goes.  A call for more than FD_SETSIZE
 * that exceeds what is known costs a poll(2).
 *
 * Async-signal-safe; no locks.  Of use while shim.readiness.
 */
#ifndef FAULT_SHIM_FDSIZE_H
#define FAULT_SHIM_FDSIZE_H

#include "shim.h"

/* As far as is known; at least 64, a power of two. */
extern _Atomic int fdsize;

/* While attaching, before there is a descriptor of ours. */
void fdsize_attach(void);

/* In the child of a fork. */
void fdsize_child(void);

/* The program has had this number open. */
void fdsize_raise(int fd);

/* Is select asked for more numbers than are known to be there? */
static inline bool fdsize_exceeded(int n)
{
	return n > atomic_load_explicit(&fdsize, memory_order_relaxed);
}

/*
 * The number of descriptors that the kernel would look at: a[0], or less.  a:
 * the arguments of select.  errno is not kept.
 */
int fdsize_cut(const long *a);

#endif
