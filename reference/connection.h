/*
 * connection.h - one connected socket with its session and its deadline: what
 * the loops have in common once a connection stands.
 *
 * Functions that return int give 0 or -errno, and have said why.
 *
 * Locking model: a connection belongs to one thread.
 */
#ifndef REFERENCE_CONNECTION_H
#define REFERENCE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"
#include "service.h"

struct calls;

struct connection {
	int fd;
	const struct calls *calls; /* of the style that has it */
	char peer[ADDRESS_TEXT];
	struct session session;
	bool remarked; /* its remark was said */
	int64_t deadline_ns;
	int64_t idle_ns; /* each progress moves the deadline; 0: it is fixed */

	/* For loops with readiness; a blocking loop leaves them alone. */
	struct connection *next;
	bool readable; /* not known to be drained: recv may give something */
	bool writable; /* not known to be full */
	bool failing;  /* the kernel says that an error is pending */
	bool drained;  /* the last call that received said EAGAIN */
	unsigned interest; /* what the waiter was asked for: WAIT_* */
};

/*
 * A new connection that owns fd.  peer is what a client connected to; for an
 * accepted descriptor it is NULL, and asked for.  On failure fd is closed: out
 * of memory, or the peer has reset already (born dead: getpeername says
 * ENOTCONN).
 */
int connection_open(int fd, const char *peer, const struct calls *calls,
                    const struct service *service, uint64_t size,
                    uint64_t window, struct connection **ret_c);

/* Close properly (FIN), or with a RST; both free the connection. */
void connection_close(struct connection *c);
void connection_reset(struct connection *c);

/* Bytes went through: move the deadline if it is one of idleness. */
void connection_progress(struct connection *c);

/* shutdown(SHUT_WR); from now on the peer has a fixed time to finish. */
int connection_half_close(struct connection *c);

/*
 * After input: -EPROTO, and said why, when the stream is not what it should be.
 * A remark of the session is said, once, and is no failure.
 */
int connection_check(struct connection *c);

/* One line on stdout: how much went each way, in how many calls. */
void connection_report(const struct connection *c);

/* Say that a call on this connection failed; gives -err. */
int connection_failed(const struct connection *c, const char *call, int err);

/* Say how far the connection had come when its time was over; gives -err. */
int connection_late(const struct connection *c, int err);

#endif
