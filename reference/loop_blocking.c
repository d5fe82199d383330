/*
 * loop_blocking.c - the style `blocking`: one connection at a time, plain
 * blocking sockets, and every wait is inside accept, connect, recv or send.
 * And what the styles `fork` and `thread` have of it: blocking.h.
 *
 * Nothing here is polled before use, so a call may return early only by EINTR.
 * interrupt.h makes deadlines and SIGTERM arrive as just that.
 *
 * Locking model: one thread and the handlers of interrupt.c; what blocking.h
 * offers may be used by any thread for a connection of its own.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocking.h"
#include "calls.h"
#include "interrupt.h"
#include "message.h"

const struct blocking_time blocking_by_timer = {
	.until = interrupt_at,
	.pending = interrupt_pending,
	.times_out = false,
};

/* A wait was ended: is the time over, or shall it go on? */
static int go_on(const struct blocking_time *time, const struct connection *c)
{
	int64_t now = now_ns();
	int64_t stop_ns = interrupt_stop_ns();

	if (now >= stop_ns)
		return connection_late(c, ECANCELED);
	if (now >= c->deadline_ns)
		return connection_late(c, ETIMEDOUT);
	time->until(earlier(c->deadline_ns, stop_ns));
	return 0;
}

static bool wait_was_ended(const struct blocking_time *time, int err)
{
	return err == EINTR || (time->times_out && err == EAGAIN);
}

static int send_some(const struct blocking_time *time, struct connection *c,
                     const unsigned char *bytes, size_t len)
{
	ssize_t n = c->calls->send(c->fd, bytes, len);

	if (n < 0 && wait_was_ended(time, errno))
		return go_on(time, c);
	if (n < 0)
		return connection_failed(c, c->calls->send_name, errno);
	session_sent(&c->session, (size_t)n);
	connection_progress(c);
	return 0;
}

static int receive_some(const struct blocking_time *time, struct connection *c)
{
	unsigned char *room;
	size_t len = session_room(&c->session, &room);
	ssize_t n = c->calls->receive(c->fd, room, len);

	if (n < 0 && wait_was_ended(time, errno))
		return go_on(time, c);
	/* A reset is said once only: whoever retries reads 0 next. */
	if (n < 0)
		return connection_failed(c, c->calls->receive_name, errno);
	if (n == 0)
		session_input_end(&c->session);
	else
		session_received(&c->session, (size_t)n);
	connection_progress(c);
	return connection_check(c);
}

/* The peer's time to finish is shorter than what was left for it to speak. */
static int half_close(const struct blocking_time *time, struct connection *c)
{
	int err = connection_half_close(c);

	return err ? err : go_on(time, c);
}

static int step(const struct blocking_time *time, struct connection *c)
{
	const unsigned char *bytes;
	size_t len = session_output(&c->session, &bytes);

	if (len > 0)
		return send_some(time, c, bytes, len);
	if (session_owes_half_close(&c->session))
		return half_close(time, c);
	return receive_some(time, c);
}

/* The timer is set once: a deadline that moved on is set when it expires. */
int blocking_converse_by(const struct blocking_time *time, struct connection *c)
{
	int err = 0;

	time->until(earlier(c->deadline_ns, interrupt_stop_ns()));
	while (!err && !session_finished(&c->session)) {
		/* With bytes always at hand, no call would say EINTR. */
		if (time->pending())
			err = go_on(time, c);
		if (!err)
			err = step(time, c);
	}
	time->until(NO_DEADLINE);
	return err;
}

int blocking_serve_by(const struct blocking_time *time, struct connection *c)
{
	int err = blocking_converse_by(time, c);

	if (err) {
		connection_reset(c);
		return err;
	}
	connection_report(c);
	connection_close(c);
	return 0;
}

int blocking_accept_all(struct server *server,
                        void (*begin)(void *context, struct connection *c),
                        void (*between)(void *context), void *context)
{
	enum accepted what = ACCEPT_NONE;
	struct connection *c;
	int fd = -1;

	while (what != ACCEPT_BROKEN && server_wants_more(server) &&
	       interrupt_stop_ns() == NO_DEADLINE) {
		if (between)
			between(context);
		what = listener_accept(&server->listener,
		                       server->io->calls->accept, &fd);
		if (what == ACCEPTED && server_take(server, fd, &c) == 0)
			begin(context, c);
		else if (what == ACCEPT_PAUSE || what == ACCEPT_NONE)
			net_pause(LISTENER_PAUSE_MS);
	}
	listener_release(&server->listener);
	return what == ACCEPT_BROKEN ? -EINVAL : 0;
}

/* ---- client ---- */

int blocking_start_client(void)
{
	return interrupt_init();
}

int blocking_converse(const struct io_loop *io, struct connection *c)
{
	(void)io;
	return blocking_converse_by(&blocking_by_timer, c);
}

/*
 * connect(2): a call that was interrupted goes on by itself, and calling again
 * gives EALREADY.  Wait until it is writable; SO_ERROR then says how it ended.
 */
int blocking_finish_connect(int fd, int64_t deadline_ns)
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
		err = blocking_finish_connect(fd, deadline_ns);
	interrupt_at(NO_DEADLINE);
	return err;
}

int blocking_connect_by(connect_until_fn *until, int fd,
                        const struct addrinfo *ai, const char *name,
                        int64_t deadline_ns)
{
	int err = until(fd, ai, deadline_ns);

	if (err)
		message_call("connect to", name, -err);
	return err;
}

int blocking_connect(const struct io_loop *io, int fd,
                     const struct addrinfo *ai, const char *name,
                     int64_t deadline_ns)
{
	(void)io;
	return blocking_connect_by(connect_until, fd, ai, name, deadline_ns);
}

/* ---- server ---- */

static void serve_now(void *context, struct connection *c)
{
	(void)context;
	blocking_serve_by(&blocking_by_timer, c);
}

int blocking_catch_stop(struct server *server)
{
	int err = interrupt_init();

	(void)server;
	if (!err)
		interrupt_catch_stop();
	return err;
}

int blocking_serve(struct server *server)
{
	return blocking_accept_all(server, serve_now, NULL, NULL);
}
