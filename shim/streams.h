/*
 * streams.h - stdio on a socket.
 *
 * glibc's own streams read and write inside libc.  fdopen of a socket that a
 * rule can touch (now, or when it is connected or armed) therefore returns a
 * stream of fopencookie(3), whose functions are the wrapped calls.  To the
 * program it is what fdopen gives: the descriptor stands in the FILE itself,
 * so that fileno, freopen and whoever peeks find it, without a table of ours.
 *
 * fdopen, fclose and freopen allocate and lock by nature, and are not
 * async-signal-safe: so may this file be.  It allocates nothing itself: memory
 * is that of the FILEs that libc makes, and the table of streams is mapped.
 */
#ifndef FAULT_SHIM_STREAMS_H
#define FAULT_SHIM_STREAMS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The process ends: what streams of ours hold is written while the sockets
 * are still known; libc would do it a moment later.  A stream that another
 * thread has locked is left to libc.
 */
void streams_flush(void);

/*
 * fork of libc, before the lock of lock.h is taken: libc holds its list of
 * streams while it forks, and fflush(NULL) of another thread may hold it in a
 * write of a stream of ours, which needs that lock to come to its end.  In this
 * order whoever forks waits for the flush.  false: there are no such streams.
 */
bool streams_fork_begins(void);
void streams_fork_ends(void);
void streams_fork_child(void);

/*
 * Write all of it, as libc's own streams do, by the wrapped write: a short
 * count is an error, and errno says which.
 */
ssize_t streams_write(int fd, const char *buf, size_t len, void *caller);

#endif
