/*
 * peer_send.c - steps that send.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/peer_internal.h"

enum {
	PER_SECOND = 50 /* so many pieces, at a rate */
};

/* ---- what is sent -------------------------------------------------------- */

/*
 * The stream of the reference programs (reference/pattern.h), so that they can
 * verify it: splitmix64 of the word's index, top bits clear, except that of the
 * last byte.
 */
static void fill_pattern(char *v, size_t n, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = offset + i;
		uint64_t z = (at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		v[i] = (char)(z >> (8 * (at % 8)) & 0x7f);
		if (at + 1 == size)
			v[i] = (char)(v[i] | 0x80);
	}
}

/* The next n bytes at most, > 0; 0: it is all sent; -errno of the file. */
static ssize_t next_bytes(struct conn *c, const struct step *s, char *buf,
                          size_t n, const char **ret)
{
	uint64_t size = s->bytes ? s->n_bytes : s->size;
	ssize_t r;

	*ret = buf;
	if (s->file) {
		if (c->file < 0)
			c->file = open(s->file,
			               O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (c->file < 0)
			return -errno;
		r = pread(c->file, buf, n, (off_t)c->moved);
		return r < 0 ? -errno : r;
	}
	if (n > size - c->moved)
		n = (size_t)(size - c->moved);
	if (s->bytes)
		*ret = s->bytes + c->moved;
	else
		fill_pattern(buf, n, c->moved, size);
	return (ssize_t)n;
}

/* ---- sending ------------------------------------------------------------- */

static ssize_t send_bytes(struct conn *c, const char *v, size_t n)
{
	ssize_t r;

	if (c->fd < 0)
		return -EBADF;
	if (c->err)
		return -c->err;
	do
		r = send(c->fd, v, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r;
	if (errno != EAGAIN)
		c->err = errno;
	return -errno;
}

static bool is_recv_reset(const struct step *s)
{
	return s && s->kind == STEP_RECV && s->recv == RECV_RESET;
}

/* The other side does not take it, which may be what is waited for. */
static enum turn not_sent(struct conn *c, const struct step *s, ssize_t r)
{
	bool reset = r == -ECONNRESET || r == -EPIPE;

	if (r == -EBADF)
		return say_failed(c, s, 0, "the script has closed it");
	if (reset &&
	    (is_recv_reset(conn_next_step(c)) || conn_leave_loop(c, false)))
		return TURN_DONE;
	return say_failed(c, s, 0, "got %s after %" PRIu64 " B of it",
	                  reset ? "reset" : strerror((int)-r), c->moved);
}

/* How much may go now; 0: nothing before wake_ns. */
static size_t allowance(struct conn *c, const struct step *s)
{
	uint64_t piece = s->rate / PER_SECOND;
	int64_t now = now_ns();
	int64_t due;

	if (!s->rate)
		return PEER_CHUNK;
	if (!c->base_ns)
		c->base_ns = now;
	due = c->base_ns +
	      (int64_t)((double)(c->moved - c->base) * 1e9 / (double)s->rate);
	if (now < due) {
		c->wake_ns = due;
		return 0;
	}
	if (!piece)
		return 1;
	return piece < PEER_CHUNK ? (size_t)piece : PEER_CHUNK;
}

/* The buffer is full.  What is late then stays late: no burst afterwards. */
static enum turn wait_room(struct conn *c)
{
	c->want = EPOLLOUT;
	c->base_ns = 0;
	c->base = c->moved;
	return TURN_WAITS;
}

enum turn send_step(struct conn *c, const struct step *s)
{
	char buf[PEER_CHUNK];

	for (int i = 0; i < PEER_FAIR; i++) {
		const char *v;
		ssize_t n = next_bytes(c, s, buf, PEER_CHUNK, &v), r;
		size_t max;

		if (n < 0)
			return say_failed(c, s, 0, "cannot read it: %s",
			                  strerror((int)-n));
		/* Behind the last byte there is nothing to wait for. */
		if (n == 0)
			return TURN_DONE;
		max = allowance(c, s);
		if (!max)
			return TURN_WAITS;
		r = send_bytes(c, v, (size_t)n < max ? (size_t)n : max);
		if (r == -EAGAIN)
			return wait_room(c);
		if (r < 0)
			return not_sent(c, s, r);
		c->moved += (uint64_t)r;
	}
	c->want = EPOLLOUT;
	return TURN_WAITS;
}

enum turn echo_step(struct conn *c, const struct step *s)
{
	for (int i = 0; i < PEER_FAIR; i++) {
		ssize_t r = c->in_len ? (ssize_t)c->in_len
		                      : conn_receive(c, PEER_CHUNK);

		c->want = EPOLLIN;
		if (r > 0) {
			r = send_bytes(c, c->in, c->in_len);
			c->want = EPOLLOUT;
		}
		if (r > 0)
			conn_take(c, (size_t)r);
		else if (r == -EAGAIN)
			return TURN_WAITS;
		else if (r == -EBADF || r == -ENOMEM)
			return not_sent(c, s, r);
		else
			return TURN_DONE;
	}
	/* There is more, or room for more: epoll comes back at once. */
	return TURN_WAITS;
}
