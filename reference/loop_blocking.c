/*
 * loop_blocking.c - the style `blocking`: one connection at a time, plain
 * blocking sockets, and every wait is inside accept, connect, recv or send.
 *
 * Nothing here is polled before use, so a call may return early only by EINTR.
 * interrupt.h makes deadlines and SIGTERM arrive as just that.
 *
 * Output goes first and input is read only when there is nothing to send; the
 * echo client's window (one chunk) keeps that from deadlocking when a stream
 * is larger than all socket buffers together.
 *
 * Locking model: one thread and the handlers of interrupt.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interrupt.h"
#include "loop.h"
#include "message.h"

/* A signal came: is the time over, or shall the wait go on? */
static int go_on_after_signal(const struct connection *c)
{
	int64_t now = now_ns();
	int64_t stop_ns = interrupt_stop_ns();

	if (now >= stop_ns)
		return connection_late(c, ECANCELED);
	if (now >= c->deadline_ns)
		return connection_late(c, ETIMEDOUT);
	interrupt_at(earlier(c->deadline_ns, stop_ns));
	return 0;
}

static int send_some(struct connection *c, const unsigned char *bytes,
                     size_t len)
{
	ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0 && errno == EINTR)
		return go_on_after_signal(c);
	if (n < 0)
		return connection_failed(c, "send to", errno);
	session_sent(&c->session, (size_t)n);
	connection_progress(c);
	return 0;
}

static int receive_some(struct connection *c)
{
	unsigned char *room;
	size_t len = session_room(&c->session, &room);
	ssize_t n = recv(c->fd, room, len, 0);

	if (n < 0 && errno == EINTR)
		return go_on_after_signal(c);
	/* A reset is said once only: whoever retries reads 0 next. */
	if (n < 0)
		return connection_failed(c, "recv from", errno);
	if (n == 0)
		session_input_end(&c->session);
	else
		session_received(&c->session, (size_t)n);
	connection_progress(c);
	return connection_check(c);
}

static int step(struct connection *c)
{
	const unsigned char *bytes;
	size_t len = session_output(&c->session, &bytes);

	if (len > 0)
		return send_some(c, bytes, len);
	if (session_owes_half_close(&c->session))
		return connection_half_close(c);
	return receive_some(c);
}

/* The timer is set once: a deadline that moved is set when it expires. */
int blocking_converse(struct connection *c)
{
	int err = 0;

	interrupt_at(earlier(c->deadline_ns, interrupt_stop_ns()));
	while (!err && !session_finished(&c->session)) {
		/* With bytes always at hand, no call would say EINTR. */
		if (interrupt_pending())
			err = go_on_after_signal(c);
		if (!err)
			err = step(c);
	}
	interrupt_at(NO_DEADLINE);
	return err;
}

/*
 * connect(2): a call that was interrupted goes on by itself, and calling again
 * gives EALREADY.  Wait until it is writable; SO_ERROR then says how it ended.
 */
static int finish_connect(int fd, int64_t deadline_ns)
{
	struct pollfd connecting = {.fd = fd, .events = POLLOUT};
	int n;

	do {
		n = poll(&connecting, 1, deadline_timeout_ms(deadline_ns));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : net_socket_error(fd);
}

static int connect_until(int fd, const struct addrinfo *ai, int64_t deadline_ns)
{
	int err = 0;

	interrupt_at(deadline_ns);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		err = -errno;
	if (err == -EINTR)
		err = finish_connect(fd, deadline_ns);
	interrupt_at(NO_DEADLINE);
	return err;
}

int blocking_connect(const struct addrinfo *ai, const char *name,
                     int64_t deadline_ns, int *ret_fd)
{
	int err;
	int fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err = -errno;
		message_call("socket for", name, -err);
		return err;
	}
	err = connect_until(fd, ai, deadline_ns);
	if (err) {
		message_call("connect to", name, -err);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static int accept_plain(int listener_fd)
{
	int fd = accept(listener_fd, NULL, NULL);

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void serve_one(struct server *server, int fd)
{
	struct connection *c;

	if (server_take(server, fd, &c) < 0)
		return;
	if (blocking_converse(c) < 0) {
		connection_reset(c);
		return;
	}
	connection_report(c);
	connection_close(c);
}

int blocking_catch_stop(struct server *server)
{
	int err = interrupt_init();

	(void)server;
	if (!err)
		interrupt_catch_stop();
	return err;
}

int blocking_start_client(void)
{
	return interrupt_init();
}

int blocking_serve(struct server *server)
{
	enum accepted what = ACCEPT_NONE;
	int fd = -1;

	while (what != ACCEPT_BROKEN && server_wants_more(server) &&
	       interrupt_stop_ns() == NO_DEADLINE) {
		what = listener_accept(&server->listener, accept_plain, &fd);
		if (what == ACCEPTED)
			serve_one(server, fd);
		else if (what == ACCEPT_PAUSE || what == ACCEPT_NONE)
			net_pause(LISTENER_PAUSE_MS);
	}
	listener_release(&server->listener);
	return what == ACCEPT_BROKEN ? -EINVAL : 0;
}
