/*
 * blocking.h - a conversation in blocking calls, for the styles that differ in
 * how many they have at once: blocking, fork, thread.
 *
 * Output goes first and input is read only when there is nothing to send; the
 * echo client's window (one chunk) keeps that from deadlocking when a stream
 * is larger than all socket buffers together.
 *
 * A call that waits must end by a deadline or a stop signal, and there are two
 * ways: a timer whose signal gives EINTR (interrupt.h; one per process), or a
 * time-out of the socket, which gives EAGAIN (for threads).
 *
 * Functions that return int give 0 or -errno, and have said why.
 *
 * Locking model: a connection belongs to one thread.
 */
#ifndef REFERENCE_BLOCKING_H
#define REFERENCE_BLOCKING_H

#include "loop.h"

struct blocking_time {
	/* Calls shall end by then, or soon after. */
	void (*until)(int64_t deadline_ns);

	/* It may be time to look at the clock. */
	bool (*pending)(void);

	/* Calls end with EAGAIN, too. */
	bool times_out;
};

/* The timer of interrupt.h. */
extern const struct blocking_time blocking_by_timer;

/* Until the session is finished, its deadline passed, or a stop signal's. */
int blocking_converse_by(const struct blocking_time *time,
                         struct connection *c);

/* Converse, report, close; or reset.  Frees the connection. */
int blocking_serve_by(const struct blocking_time *time, struct connection *c);

/* connect(2) of a blocking socket: 0 or -errno, -ETIMEDOUT at the deadline. */
typedef int connect_until_fn(int fd, const struct addrinfo *ai,
                             int64_t deadline_ns);

/* After EINTR: 0 when it is connected after all, or as above. */
int blocking_finish_connect(int fd, int64_t deadline_ns);

/* Connect by such a call.  Says why not. */
int blocking_connect_by(connect_until_fn *until, int fd,
                        const struct addrinfo *ai, const char *name,
                        int64_t deadline_ns);

/*
 * Accept until stopped, told to by --once, or broken, and give each connection
 * to begin, which owns it.  between is called before each accept, or NULL.
 * Releases the listener.
 */
int blocking_accept_all(struct server *server,
                        void (*begin)(void *context, struct connection *c),
                        void (*between)(void *context), void *context);

#endif
