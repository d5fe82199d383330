/*
 * io.c - the send and recv families.
 *
 *   nothing due    real call, then it counts if it moved something
 *   due            first make sure that the kernel would satisfy the call:
 *                  a peek, or a wait for the first byte as
 *                  the real call would wait; then the rule acts
 *   a cut          the call is shortened so that a `bytes` mark falls on its
 *                  end
 *   held           the retry of a call whose delay was interrupted: the same
 *                  call, it neither counts nor matches again
 */
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "arrivals.h"
#include "correct.h"
#include "cut.h"
#include "decide.h"
#include "gates.h"
#include "io.h"
#include "keeper.h"
#include "last.h"
#include "late.h"
#include "levers.h"
#include "opening.h"
#include "passing.h"
#include "pipes.h"
#include "regs.h"
#include "self.h"

#include "poison.h"

static bool receiving(const struct shim_call *c)
{
	return c->row->family == FAMILY_RECV;
}

/* Calls that take part in no count: they move nothing of the stream. */
static bool outside_the_stream(const struct shim_call *c)
{
	int flags = call_flags(c);

	if (!c->e.want || flags & (MSG_OOB | MSG_ERRQUEUE))
		return true;
	return receiving(c) && flags & MSG_PEEK;
}

static void note_peek(const struct shim_call *c)
{
	if (c->result > 0 && receiving(c) && call_flags(c) & MSG_PEEK &&
	    call_owns_sock(c))
		atomic_fetch_or(&c->sock->flags, SOCK_PEEKED);
}

/* --- what a transfer tells about the socket ------------------------------ */

void io_moved(struct fault_sock *s, const struct engine_call *e, uint64_t moved)
{
	bool rx = e->direction == DIRECTION_RX;

	atomic_fetch_add_explicit(rx ? &s->rx_bytes : &s->tx_bytes, moved,
	                          memory_order_relaxed);
	if (e->turn_begins) {
		atomic_fetch_add_explicit(rx ? &s->rx_turn : &s->tx_turn, 1,
		                          memory_order_relaxed);
		atomic_store_explicit(&s->last_direction, (uint8_t)e->direction,
		                      memory_order_relaxed);
	}
	if (shim.timed)
		atomic_store_explicit(&s->last_ns, shim_now(),
		                      memory_order_relaxed);
}

static void saw_fin(struct shim_call *c)
{
	enum fault_state state = atomic_load(&c->sock->state);

	if (atomic_load(&c->sock->flags) & SOCK_SHUT_RD)
		return;
	if (state == STATE_ESTABLISHED)
		socks_state(c->fd, c->sock, STATE_CLOSE_WAIT);
	else if (state == STATE_FIN_WAIT)
		socks_state(c->fd, c->sock, STATE_LAST_ACK);
}

static void account_error(struct shim_call *c)
{
	enum fault_state state = atomic_load(&c->sock->state);
	bool shut = state == STATE_FIN_WAIT || state == STATE_LAST_ACK;

	/*
	 * EPIPE after its own SHUT_WR says nothing about the connection, nor
	 * does that of a pipe which nobody reads.
	 */
	if (c->err == ECONNRESET || c->err == ETIMEDOUT ||
	    (c->err == EPIPE && !shut && !(receiving(c) && pipes_of(c) >= 0)))
		if (state >= STATE_ESTABLISHED)
			socks_state(c->fd, c->sock, STATE_RESET);
}

bool io_account(struct shim_call *c)
{
	uint64_t moved = cut_moved(c);

	if (!call_owns_sock(c))
		return false;
	if (c->result < 0) {
		account_error(c);
		return false;
	}
	if (receiving(c) && atomic_load(&c->sock->flags) & SOCK_PEEKED)
		atomic_fetch_and(&c->sock->flags, (uint8_t)~SOCK_PEEKED);
	if (moved)
		io_moved(c->sock, &c->e, moved);
	else if (receiving(c))
		saw_fin(c);
	return moved || receiving(c);
}

static void make_plain(struct shim_call *c)
{
	call_real(c);
	/* It may have waited while the other direction went on: turns. */
	if (shim.both_ways && c->e.first_watch)
		decide_describe(&c->e, c->id, c->sock);
	if (io_account(c))
		decide_count(c);
}

/* --- would the kernel satisfy it? --------------------------------------- */

/*
 * true: a byte or the end of the stream is there.  false: the call is over;
 * its result is the peek's, which is what the real call would have given.
 */
static bool can_recv(struct shim_call *c)
{
	char byte;
	int flags = MSG_PEEK | (facts_nonblocking(c) ? MSG_DONTWAIT : 0);
	ssize_t n = next.recv(c->fd, &byte, 1, flags);

	/* Closed and the number reused while it waited: not that one's data. */
	if (n >= 0 && socks_of(fds_word(c->fd)) != c->sock) {
		call_fail(c, EBADF);
		if (!n)
			c->result = 0;
		return false;
	}
	c->at_end = !n;
	if (n >= 0)
		return true;
	call_fail(c, errno);
	account_error(c);
	return false;
}

/* false: no room, or an error is pending: the real call tells which. */
static bool can_send(struct shim_call *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};

	if (next.poll(&p, 1, 0) < 0)
		return true;
	if (p.revents & (POLLERR | POLLHUP) ||
	    (!(p.revents & POLLOUT) && facts_nonblocking(c))) {
		make_plain(c);
		return false;
	}
	return true;
}

static bool satisfiable(struct shim_call *c)
{
	return receiving(c) ? can_recv(c) : can_send(c);
}

/* --- delays per arrival --------------------------------------------------- */

static bool delays_arrivals(const struct shim_call *c)
{
	return receiving(c) && arrivals_count(decide_rule(c));
}

/* Bytes that had come before the last delay ended are visible already. */
static bool already_visible(struct shim_call *c)
{
	return delays_arrivals(c) && atomic_load(&c->sock->rx_visible);
}

/* --- the ways ------------------------------------------------------------- */

static bool make_held(struct shim_call *c);

static void make_due(struct shim_call *c)
{
	bool arrivals, counted;

	if (receiving(c) && gates_concern(c->sock) &&
	    !gates_take_armed(c->sock) && make_held(c))
		return;
	if (!decide_claim(c, &counted)) {
		cut_or_whole(c);
		if (io_account(c) && !counted)
			decide_count(c);
		return;
	}
	arrivals = delays_arrivals(c);
	act(c);
	io_account(c);
	if (arrivals)
		arrivals_taken(c);
}

static void make_cut(struct shim_call *c)
{
	cut_or_whole(c);
	if (io_account(c))
		decide_count(c);
}

static bool make_held(struct shim_call *c)
{
	bool arrivals;

	if (!act_resume(c))
		return false;
	arrivals = c->choice.rule >= 0 && delays_arrivals(c);
	io_account(c);
	if (arrivals)
		arrivals_taken(c);
	return true;
}

static void transfer(struct shim_call *c)
{
	bool look = decide_look(c);
	bool visible = false;

	if (make_held(c))
		return;
	if (LIKELY(!look)) {
		make_plain(c);
		if (UNLIKELY(atomic_load(&c->sock->rx_visible)))
			arrivals_taken(c);
		return;
	}
	if (c->choice.rule < 0) {
		make_cut(c);
		return;
	}
	if (decide_stale(c)) {
		call_real(c);
		return;
	}
	if (!pipes_ready(c)) {
		if (!c->made)
			make_plain(c);
		return;
	}
	if (!satisfiable(c))
		return;
	/* What is visible already is not delayed; other rules may act on it. */
	while (c->choice.rule >= 0 && already_visible(c)) {
		visible = true;
		engine_look_next(shim.plan, shim.run, &c->e, &c->choice);
	}
	if (visible)
		arrivals_limit(c);
	if (c->choice.rule >= 0)
		make_due(c);
	else
		make_cut(c);
	if (visible)
		arrivals_taken(c);
}

/*
 * A send has told of the peer's RST; what came before it is received as ever.
 * Who sends on the fast path does not know of it, and counts the same.  Our own
 * reset leaves nothing.
 */
static bool has_leftovers(const struct shim_call *c)
{
	return receiving(c) && atomic_load(&c->sock->state) == STATE_RESET &&
	       !(atomic_load(&c->sock->flags) & SOCK_LEVER);
}

void io_expect(int fd, struct fault_sock *s)
{
	int saved = errno;

	if (regs_any(s))
		gates_consider(fd, s);
	self_changed(fd, s);
	errno = saved;
}

/*
 * All that is visible has been received, and less than was asked for: to an
 * edge-triggered program that is all there is.  What lies behind starts its
 * hold itself if the gate is armed for it; else a call has to.
 */
static void tell_of_rest(struct shim_call *c)
{
	if (c->visible && c->visible < c->e.want &&
	    cut_moved(c) == c->visible && !atomic_load(&c->sock->rx_armed) &&
	    !atomic_load(&c->sock->rx_hold.until))
		gates_kick_in(c->fd, c->sock);
}

/* A UNIX socket, or one that is no longer tracked. */
static void pass_through(struct shim_call *c)
{
	passing_sends(c);
	call_real(c);
	passing_not_sent(c);
	passing_received(c);
}

void handle_io(struct shim_call *c)
{
	if (!c->sock) {
		pass_through(c);
		return;
	}
	keeper_revive(c->sock);
	c->e.want = cut_want(c);
	if (outside_the_stream(c))
		c->flags |= RECORD_PEEK;
	record_enter(c);
	if (correct_io(c)) {
		/* answered */
	} else if (c->flags & RECORD_PEEK) {
		if (!last_peek(c))
			arrivals_peek(c);
		note_peek(c);
	} else if (opening_done(c) || has_leftovers(c)) {
		transfer(c);
		if (receiving(c) && gates_concern(c->sock) &&
		    call_owns_sock(c)) {
			io_expect(c->fd, c->sock);
			tell_of_rest(c);
		}
	} else if (!late_wait(c)) {
		call_real(c);
		opening_failed(c);
		opening_by_send(c);
	}
	correct_told(c);
	record_return(c);
}
