/*
 * peer_recv.c - steps that take what comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/machine.h"
#include "runner/peer_internal.h"
#include "runner/text.h"

#define LOOK_NS (20 * NS_PER_MS)

/* ---- what is there ------------------------------------------------------- */

static void keep_tail(struct conn *c, const char *v, size_t n)
{
	size_t old = c->tail_len, room = sizeof(c->tail);

	if (n > room) {
		v += n - room;
		n = room;
	}
	if (old > room - n) {
		memmove(c->tail, c->tail + old - (room - n), room - n);
		old = room - n;
	}
	memcpy(c->tail + old, v, n);
	c->tail_len = old + n;
}

static bool grow(struct conn *c, size_t max)
{
	size_t cap = c->in_cap ? c->in_cap : PEER_CHUNK;
	char *in;

	while (cap < c->in_len + max)
		cap *= 2;
	if (cap == c->in_cap)
		return true;
	in = realloc(c->in, cap);
	if (!in)
		return false;
	c->in = in;
	c->in_cap = cap;
	return true;
}

ssize_t conn_receive(struct conn *c, size_t max)
{
	ssize_t n;

	if (c->fd < 0)
		return -EBADF;
	if (c->err)
		return -c->err;
	if (max > PEER_CHUNK)
		max = PEER_CHUNK;
	if (!grow(c, max)) {
		machine_failed(-ENOMEM, "receiving");
		return -ENOMEM;
	}
	do
		n = recv(c->fd, c->in + c->in_len, max, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		c->err = errno;
	if (n < 0)
		return -errno;
	c->eof |= n == 0;
	keep_tail(c, c->in + c->in_len, (size_t)n);
	c->in_len += (size_t)n;
	return n;
}

void conn_take(struct conn *c, size_t n)
{
	if (!n)
		return;
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	c->scanned = 0;
}

void conn_close(struct conn *c)
{
	/* One who never stops sending gets his RST all the same. */
	for (int i = 0; i < PEER_FAIR && c->fd >= 0; i++) {
		c->in_len = 0;
		if (conn_receive(c, PEER_CHUNK) <= 0)
			break;
	}
	c->in_len = 0;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->watched = 0;
}

/* ---- what came instead --------------------------------------------------- */

static const char *how_gone(ssize_t r)
{
	if (r == 0)
		return "eof";
	if (r == -ECONNRESET || r == -EPIPE)
		return "reset";
	return strerror((int)-r);
}

/*
 * Nothing more will come: r of conn_receive().  got: bytes that belonged to
 * the step; none at all may be the end of a loop.
 */
static enum turn gone(struct conn *c, const struct step *s, ssize_t r,
                      uint64_t got)
{
	if (r == -EBADF)
		return say_failed(c, s, 0, "the script has closed it");
	if (!got && conn_leave_loop(c, true))
		return TURN_DONE;
	if (!got)
		return say_failed(c, s, 0, "got %s", how_gone(r));
	return say_failed(c, s, (size_t)got, "got %s after %" PRIu64 " B",
	                  how_gone(r), got);
}

/* It has come: early enough, and late enough? */
static enum turn came(struct conn *c, const struct step *s)
{
	int64_t ns = now_ns() - c->begin_ns;

	if (s->has_within && ns < s->within_ns.min)
		return say_failed(c, s, 0, "it came after %.3fs, too early",
		                  (double)ns / 1e9);
	return TURN_DONE;
}

/* It has not come yet; got: bytes that are no answer. */
static enum turn wait_more(struct conn *c, const struct step *s, uint64_t got)
{
	int64_t until;

	c->want = EPOLLIN;
	if (!s->has_within || s->within_ns.max == INT64_MAX)
		return TURN_WAITS;
	until = c->begin_ns + s->within_ns.max;
	if (now_ns() < until) {
		c->wake_ns = until;
		return TURN_WAITS;
	}
	if (!got)
		return say_failed(c, s, 0, "nothing came within %gs",
		                  (double)s->within_ns.max / 1e9);
	return say_failed(c, s, (size_t)got, "got %" PRIu64 " B within %gs",
	                  got, (double)s->within_ns.max / 1e9);
}

/* Not by what epoll says. */
static void look_again(struct conn *c, int64_t ns)
{
	int64_t at = now_ns() + ns;

	c->want = 0;
	if (!c->wake_ns || at < c->wake_ns)
		c->wake_ns = at;
}

/* What was received is not looked at yet: behind the others. */
static enum turn go_on(struct conn *c, const struct step *s, uint64_t got)
{
	enum turn t = wait_more(c, s, got);

	if (t == TURN_WAITS)
		look_again(c, 0);
	return t;
}

/* ---- the kinds ----------------------------------------------------------- */

/* The last result of conn_receive(). */
static ssize_t discard(struct conn *c)
{
	ssize_t r = 1;

	for (int i = 0; i < PEER_FAIR && r > 0; i++) {
		c->in_len = 0;
		r = conn_receive(c, PEER_CHUNK);
	}
	c->in_len = 0;
	return r;
}

/* Where the text ends in what is there, or < 0. */
static ptrdiff_t find_text(struct conn *c, const struct step *s)
{
	size_t len = s->text.regex ? 0 : strlen(s->text.text);
	size_t from = c->scanned >= len && len ? c->scanned - len + 1 : 0;
	ptrdiff_t end = text_find(&s->text, c->in, c->in_len, from);

	c->scanned = c->in_len;
	return end;
}

static enum turn recv_text(struct conn *c, const struct step *s)
{
	for (int i = 0; i < PEER_FAIR; i++) {
		ptrdiff_t end = find_text(c, s);
		ssize_t r;

		if (end >= 0) {
			conn_take(c, (size_t)end);
			return came(c, s);
		}
		if (c->in_len >= PEER_TEXT_MAX)
			return say_failed(c, s, c->in_len,
			                  "it was not in the first %d B, and "
			                  "more is not searched",
			                  PEER_TEXT_MAX);
		r = conn_receive(c, PEER_TEXT_MAX - c->in_len);
		if (r == -EAGAIN)
			return wait_more(c, s, c->in_len);
		if (r <= 0)
			return gone(c, s, r, c->in_len);
	}
	return go_on(c, s, c->in_len);
}

static enum turn recv_size(struct conn *c, const struct step *s)
{
	for (int i = 0; i < PEER_FAIR; i++) {
		uint64_t left = s->size - c->moved;
		size_t n = c->in_len < left ? c->in_len : (size_t)left;
		ssize_t r;

		conn_take(c, n);
		c->moved += n;
		if (c->moved == s->size)
			return came(c, s);
		left -= n;
		r = conn_receive(c,
		                 left < PEER_CHUNK ? (size_t)left : PEER_CHUNK);
		if (r == -EAGAIN)
			return wait_more(c, s, c->moved);
		if (r <= 0)
			return gone(c, s, r, c->moved);
	}
	return go_on(c, s, c->moved);
}

static enum turn recv_eof(struct conn *c, const struct step *s)
{
	ssize_t r = c->in_len ? 1 : conn_receive(c, PEER_CHUNK);

	if (r > 0)
		return say_failed(c, s, c->in_len, "got %zu B", c->in_len);
	if (r == 0)
		return came(c, s);
	if (r == -EAGAIN)
		return wait_more(c, s, 0);
	return gone(c, s, r, 0);
}

/*
 * Behind a FIN the kernel says EPIPE, by SO_ERROR only.  When both sides have
 * said FIN, no RST can come any more.
 */
static ssize_t receive_behind_eof(struct conn *c)
{
	socklen_t len = sizeof(c->err);
	struct tcp_info info;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->err, &len) < 0)
		c->err = errno;
	if (c->err)
		return -c->err;
	len = sizeof(info);
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    info.tcpi_state == TCP_CLOSE)
		return 0;
	return -EAGAIN;
}

/* What came before does not matter: a reset overtakes it. */
static enum turn recv_reset(struct conn *c, const struct step *s)
{
	bool had_eof = c->eof;
	ssize_t r = discard(c);
	enum turn t;

	if (r == 0 && had_eof)
		r = receive_behind_eof(c);
	if (r == -ECONNRESET || r == -EPIPE)
		return came(c, s);
	if (r <= 0 && r != -EAGAIN)
		return gone(c, s, r, 0);
	t = wait_more(c, s, 0);
	if (had_eof)
		/* It is readable for ever, and a hang-up would not end. */
		look_again(c, LOOK_NS);
	return t;
}

enum turn recv_step(struct conn *c, const struct step *s)
{
	switch (s->recv) {
	case RECV_TEXT:
		return recv_text(c, s);
	case RECV_SIZE:
		return recv_size(c, s);
	case RECV_EOF:
		return recv_eof(c, s);
	case RECV_RESET:
		return recv_reset(c, s);
	}
	return TURN_DONE;
}

enum turn drain_step(struct conn *c, const struct step *s)
{
	ssize_t r = discard(c);

	if (r == -EBADF || r == -ENOMEM)
		return gone(c, s, r, 0);
	if (r == 0 || (r < 0 && r != -EAGAIN))
		return TURN_DONE; /* gone, either way */
	c->want = EPOLLIN;
	return TURN_WAITS;
}
