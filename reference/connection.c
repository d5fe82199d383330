/*
 * connection.c - the common part of all loops; contract in connection.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "deadline.h"
#include "message.h"

#define DRAIN_NS (5 * NS_PER_S)

int connection_open(int fd, const char *peer, const struct calls *calls,
                    const struct service *service, uint64_t size,
                    uint64_t window, struct connection **ret_c)
{
	struct connection *c;
	int err = 0;

	c = calloc(1, sizeof(*c));
	if (!c) {
		message_call("memory for a connection", NULL, ENOMEM);
		net_reset(fd);
		return -ENOMEM;
	}
	if (peer)
		snprintf(c->peer, sizeof(c->peer), "%s", peer);
	else
		err = net_peer_text(fd, c->peer);
	if (err) {
		message_call("getpeername", NULL, -err);
		free(c);
		close(fd);
		return err;
	}
	c->fd = fd;
	c->calls = calls;
	c->deadline_ns = NO_DEADLINE;
	session_init(&c->session, service, size, window);
	*ret_c = c;
	return 0;
}

void connection_close(struct connection *c)
{
	/* Whatever it returns, the descriptor is gone: never close twice. */
	if (close(c->fd) < 0)
		message_call("close to", c->peer, errno);
	free(c);
}

void connection_reset(struct connection *c)
{
	net_reset(c->fd);
	free(c);
}

void connection_progress(struct connection *c)
{
	if (c->idle_ns > 0 && !c->session.half_closed)
		c->deadline_ns = now_ns() + c->idle_ns;
}

int connection_half_close(struct connection *c)
{
	int err;

	if (shutdown(c->fd, SHUT_WR) < 0) {
		/* ENOTCONN hides what ended the connection: say that. */
		err = errno == ENOTCONN ? -net_socket_error(c->fd) : errno;
		return connection_failed(c, "shutdown to",
		                         err ? err : ENOTCONN);
	}
	session_half_closed(&c->session);
	if (c->idle_ns > 0)
		c->deadline_ns = now_ns() + DRAIN_NS;
	return 0;
}

int connection_check(struct connection *c)
{
	const char *failure = session_failure(&c->session);
	const char *remark = session_remark(&c->session);

	/* At once: what is still to be sent may fail. */
	if (remark && !c->remarked)
		message("stream from %s: %s", c->peer, remark);
	c->remarked = remark != NULL;
	if (!failure)
		return 0;
	message("stream from %s: %s", c->peer, failure);
	return -EPROTO;
}

void connection_report(const struct connection *c)
{
	const struct session *s = &c->session;

	printf("%s from %s: %" PRIu64 " bytes sent, %" PRIu64
	       " received, in %" PRIu64 " sends and %" PRIu64 " receives\n",
	       s->service->name, c->peer, s->sent, s->received, s->n_sends,
	       s->n_receives);
}

int connection_failed(const struct connection *c, const char *call, int err)
{
	message_call(call, c->peer, err);
	return -err;
}

int connection_late(const struct connection *c, int err)
{
	message("%s %s after %" PRIu64 " bytes received and %" PRIu64 " sent",
	        c->peer, err == ECANCELED ? "stopped" : "timed out",
	        c->session.received, c->session.sent);
	return -err;
}
