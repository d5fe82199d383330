/*
 * conn.c - the calls that move a socket through its life before and after the
 * transfer: socket, bind, listen, accept, connect, shutdown, close, names.
 */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "correct.h"
#include "decide.h"
#include "eof.h"
#include "gates.h"
#include "hold.h"
#include "keeper.h"
#include "late.h"
#include "levers.h"
#include "opening.h"
#include "private_fd.h"
#include "regs.h"

#include "poison.h"

/* --- socket --------------------------------------------------------------- */

static bool is_tcp(long domain, long type, long protocol)
{
	long kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

	return (domain == AF_INET || domain == AF_INET6) &&
	       kind == SOCK_STREAM && (!protocol || protocol == IPPROTO_TCP);
}

void handle_create(struct shim_call *c)
{
	if (!is_tcp(c->a[0], c->a[1], c->a[2])) {
		call_real(c);
		if (c->result >= 0 && fds_mine()) {
			socks_forget((int)c->result);
			if (c->a[0] == AF_UNIX)
				socks_unix((int)c->result);
		}
		return;
	}
	decide_and_make(c);
	if (c->result >= 0 && fds_mine()) {
		call_take_sock(
			c, socks_create((int)c->result, c->a[0] == AF_INET6));
		fds_flag((int)c->result, FDS_CLOEXEC, c->a[1] & SOCK_CLOEXEC);
	}
	record_return(c);
}

/* --- bind, listen --------------------------------------------------------- */

static void take_local(struct shim_call *c)
{
	struct plan_addr local;

	if ((unsigned long)c->a[1] >= 4096 &&
	    (unsigned)c->a[2] >= sizeof(struct sockaddr_in)) {
		socks_addr((const struct sockaddr *)c->a[1], &local);
		atomic_store(&c->sock->local_port, local.port);
	}
}

void handle_bind(struct shim_call *c)
{
	bool fresh;

	if (!c->sock) {
		call_real(c);
		return;
	}
	fresh = atomic_load(&c->sock->state) == STATE_NEW;
	if (fresh)
		take_local(c);
	if (!correct_call(c, EINVAL))
		decide_and_make(c);
	if (c->result == 0 && call_owns_sock(c))
		socks_state(c->fd, c->sock, STATE_BOUND);
	record_return(c);
	if (c->result && fresh && call_owns_sock(c))
		atomic_store(&c->sock->local_port, 0);
}

/*
 * A port chosen by the kernel: asked for only where it is looked at.  listen
 * chooses anew after a shutdown or a refused connect.
 */
static void learn_port(struct shim_call *c)
{
	struct sockaddr_storage local;
	unsigned len = sizeof(local);
	struct plan_addr addr;

	if (!shim.traced && !shim.ports)
		return;
	if (!next.getsockname(c->fd, &local, &len)) {
		socks_addr((const struct sockaddr *)&local, &addr);
		atomic_store(&c->sock->local_port, addr.port);
	}
}

void handle_listen(struct shim_call *c)
{
	if (!c->sock) {
		call_real(c);
		return;
	}
	if (!atomic_load(&c->sock->local_port))
		learn_port(c);
	if (!correct_call(c, EINVAL))
		decide_and_make(c);
	if (c->result == 0 && call_owns_sock(c)) {
		learn_port(c);
		socks_listening(c->fd, c->sock);
	}
	record_return(c);
	if (c->result == 0)
		record_wake();
}

/* --- accept --------------------------------------------------------------- */

/* The kernel tells the peer's address for nothing; a caller need not want it.
 */
struct accept_addr {
	struct sockaddr_storage addr;
	unsigned len;
	unsigned room; /* the kernel writes no more, whatever length it tells */
};

static void want_address(struct shim_call *c, struct accept_addr *mine)
{
	mine->len = sizeof(mine->addr);
	if (!c->a[1]) {
		c->a[1] = (long)&mine->addr;
		c->a[2] = (long)&mine->len;
	}
	mine->room = c->a[2] ? *(const unsigned *)c->a[2] : 0;
}

static const struct sockaddr *address_of(const struct shim_call *c,
                                         const struct accept_addr *mine)
{
	unsigned len = *(const unsigned *)c->a[2];

	return mine->room < len ? NULL : (const struct sockaddr *)c->a[1];
}

static bool first_action_is(const struct shim_call *c, int kind)
{
	return decide_rule(c)->actions[0].kind == kind;
}

/*
 * Would the kernel hand out a connection?  A blocking accept is waited for by
 * the real call, but for a delay, which begins when the connection is there.
 */
static bool can_accept(struct shim_call *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	int err;

	/* What it says of one that has been shut down is no connection. */
	if (facts_nonblocking(c))
		return next.poll(&p, 1, 0) > 0 && p.revents & POLLIN;
	if (!first_action_is(c, ACTION_DELAY))
		return true;
	err = hold_acceptable(c->fd, facts_timeout_ns(c));
	if (err && err != ESHUTDOWN)
		call_fail(c, err);
	return !err;
}

static void accept_one(struct shim_call *c)
{
	bool counted = false;
	bool due;

	if (act_resume(c))
		return;
	due = decide_look(c) && c->choice.rule >= 0;
	if (due && decide_stale(c)) {
		call_real(c);
		return;
	}
	if (due && !can_accept(c)) {
		if (!c->made)
			call_real(c);
		return;
	}
	if (due && decide_claim(c, &counted))
		act(c);
	else
		call_real(c);
	if (c->result >= 0 && !counted)
		decide_count(c);
}

/* A UNIX listener: its connections may carry descriptors. */
static void accept_other(struct shim_call *c)
{
	enum fds_kind kind = fds_kind(fds_word(c->fd));

	call_real(c);
	if (c->result < 0 || !fds_mine())
		return;
	socks_forget((int)c->result);
	if (kind == FDS_UNIX)
		socks_unix((int)c->result);
}

/*
 * The new socket; a connection that is born dead has its entry already.  Any
 * other that its number has is of one that was closed behind our back.
 */
static void accepted(struct shim_call *c, const struct accept_addr *mine)
{
	struct fault_sock *s = NULL;
	const struct sockaddr *peer = address_of(c, mine);

	if (c->born_dead)
		s = socks_of(fds_word((int)c->result));
	if (!s)
		s = socks_accepted((int)c->result, c->sock_flags & SOCK_IPV6,
		                   c->port, peer);
	else if (peer)
		socks_addr(peer, &s->peer);
	if (!s)
		return;
	call_take_sock(c, s);
	fds_flag((int)c->result, FDS_CLOEXEC, call_flags(c) & SOCK_CLOEXEC);
}

void handle_accept(struct shim_call *c)
{
	struct accept_addr mine;

	if (!c->sock) {
		accept_other(c);
		return;
	}
	keeper_revive(c->sock);
	c->port = atomic_load(&c->sock->local_port);
	want_address(c, &mine);
	record_enter(c);
	accept_one(c);
	if (c->result >= 0 && UNLIKELY(regs_wait(c->sock)))
		regs_apply(c->sock);
	if (c->result >= 0 && fds_mine())
		accepted(c, &mine);
	record_return(c);
	if (c->result >= 0)
		record_wake();
}

/* --- connect -------------------------------------------------------------- */

/* From now on rules see a client of this peer. */
static bool aim_at(struct fault_sock *s, const struct sockaddr *addr)
{
	static const uint8_t any[16];

	if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
		return false;
	socks_addr(addr, &s->peer);
	atomic_store(&s->peer_scope,
	             addr->sa_family == AF_INET6
	                     ? ((const struct sockaddr_in6 *)(const void *)addr)
	                               ->sin6_scope_id
	                     : 0);
	/* The unspecified address is this machine (ip(7), ipv6(7)). */
	if (!memcmp(s->peer.bytes, any, sizeof(any))) {
		s->peer.bytes[0] = s->peer.family == 4 ? 127 : 0;
		s->peer.bytes[s->peer.family == 4 ? 3 : 15] = 1;
	}
	atomic_store(&s->role, ROLE_CLIENT);
	/* What was shut down before is forgotten (tcp_disconnect). */
	atomic_fetch_and(&s->flags, (uint8_t)~SOCK_SHUT_RD);
	return true;
}

static bool aim(struct shim_call *c)
{
	const struct sockaddr *addr = (const void *)c->a[1];

	return (uintptr_t)addr >= 4096 &&
	       (unsigned)c->a[2] >= (addr->sa_family == AF_INET6
	                                     ? sizeof(struct sockaddr_in6)
	                                     : sizeof(struct sockaddr_in)) &&
	       aim_at(c->sock, addr);
}

static void connected(struct shim_call *c)
{
	socks_established(c->fd, c->sock, ROLE_CLIENT);
	record_sock_event(RECORD_ESTABLISHED, c->sock, c->fd, 0, 0);
}

static void not_connected(struct shim_call *c)
{
	late_forget(c->sock);
	socks_unconnected(c->fd, c->sock, STATE_REFUSED);
}

/* Another thread may have closed it meanwhile: then nobody asks any more. */
static void after_connect(struct shim_call *c)
{
	if (!call_owns_sock(c))
		return;
	if (c->result == 0)
		connected(c);
	else if (c->err == EINPROGRESS || c->err == EINTR)
		socks_connecting(c->fd, c->sock);
	else
		not_connected(c);
}

static void connect_fresh(struct shim_call *c)
{
	late_forget(c->sock);
	if (!aim(c)) {
		call_real(c);
		return;
	}
	if (atomic_load(&c->sock->state) == STATE_REFUSED)
		atomic_store(&c->sock->state, STATE_NEW);
	decide_and_make(c);
	after_connect(c);
}

/* A second connect asks how the first is going. */
static void connect_again(struct shim_call *c)
{
	record_enter(c);
	late_connect_again(c);
	if (!call_owns_sock(c))
		return;
	if (c->result == 0 || c->err == EISCONN)
		opening_done(c);
	else if (c->err != EALREADY && c->err != EINPROGRESS && c->err != EINTR)
		not_connected(c);
}

/* connect(2): AF_UNSPEC dissolves the association; the socket is fresh again.
 */
static bool dissolves(const struct shim_call *c)
{
	const struct sockaddr *addr = (const void *)c->a[1];

	return (uintptr_t)addr >= 4096 &&
	       (unsigned)c->a[2] >= sizeof(addr->sa_family) &&
	       addr->sa_family == AF_UNSPEC;
}

/* A fresh socket again: its next connection is another one. */
static void start_over(struct shim_call *c, enum fault_state state)
{
	struct fault_sock *s = c->sock;
	uint8_t before = atomic_fetch_and(
		&s->flags, (uint8_t) ~(SOCK_LEVER | SOCK_FIN_RESET |
	                               SOCK_PEEKED | SOCK_EOF | SOCK_GONE));

	if (before & SOCK_EOF)
		gates_restore_lowat(c->fd, s);
	atomic_store(&s->told_err, 0);
	atomic_store(&s->connection, 0);
	atomic_store(&s->rx_bytes, 0);
	atomic_store(&s->tx_bytes, 0);
	atomic_store(&s->rx_turn, 0);
	atomic_store(&s->tx_turn, 0);
	atomic_store(&s->last_direction, DIRECTION_NONE);
	socks_unconnected(c->fd, s, state);
}

static void dissolve(struct shim_call *c)
{
	late_forget(c->sock);
	call_real(c);
	if (!c->result && call_owns_sock(c))
		start_over(c, STATE_NEW);
}

/*
 * EISCONN, but for one that did not wait and is dead by now: the kernel tells
 * how it ended, once, and has a fresh socket from then on.
 */
static void connect_connected(struct shim_call *c)
{
	call_real(c);
	if (c->result && (c->err == ECONNRESET || c->err == ECONNREFUSED ||
	                  c->err == EPIPE || c->err == ETIMEDOUT ||
	                  c->err == ECONNABORTED)) {
		late_forget(c->sock);
		start_over(c, STATE_REFUSED);
	}
}

void handle_connect(struct shim_call *c)
{
	enum fault_state state;

	if (!c->sock) {
		call_real(c);
		return;
	}
	state = atomic_load(&c->sock->state);
	if (dissolves(c))
		dissolve(c);
	else if (state == STATE_SYN_SENT)
		connect_again(c);
	else if (correct_call(c, EISCONN))
		;
	else if (state == STATE_NEW || state == STATE_BOUND ||
	         state == STATE_REFUSED)
		connect_fresh(c);
	else
		connect_connected(c);
	record_return(c);
}

bool opening_done(struct shim_call *c)
{
	enum fault_state state =
		atomic_load_explicit(&c->sock->state, memory_order_relaxed);
	struct sockaddr_storage peer;
	unsigned len = sizeof(peer);
	uint8_t opening = STATE_SYN_SENT;

	if (LIKELY(state >= STATE_ESTABLISHED && state <= STATE_LAST_ACK))
		return true;
	/* Nothing can happen to it: the kernel need not be asked. */
	if (state != STATE_SYN_SENT ||
	    (!atomic_load(&c->sock->families) && !shim.traced))
		return false;
	late_settle(c->fd, c->sock);
	if (late_held(c->sock) || next.getpeername(c->fd, &peer, &len))
		return false;
	/* One thread, of those that ask at once, gives it its ordinal. */
	if (!atomic_compare_exchange_strong(&c->sock->state, &opening,
	                                    STATE_ESTABLISHED))
		return false;
	connected(c);
	return true;
}

static const struct sockaddr *target_of(const struct shim_call *c)
{
	const struct msghdr *m = (const void *)c->a[1];

	if (c->row->shape.kind == SHAPE_MSG)
		return m->msg_name;
	return c->id == FAULT_CALL_sendto ? (const void *)c->a[4] : NULL;
}

void opening_by_send(struct shim_call *c)
{
	const struct sockaddr *target;

	if (c->row->family != FAMILY_SEND || !(call_flags(c) & MSG_FASTOPEN) ||
	    (c->result < 0 && c->err != EINPROGRESS) || !call_owns_sock(c))
		return;
	target = target_of(c);
	if (!target || !aim_at(c->sock, target))
		return;
	socks_connecting(c->fd, c->sock);
	opening_done(c);
}

void opening_failed(struct shim_call *c)
{
	if (c->result == -1 && c->err != EAGAIN && c->err != EINTR &&
	    call_owns_sock(c) &&
	    atomic_load(&c->sock->state) == STATE_SYN_SENT) {
		late_forget(c->sock);
		atomic_store(&c->sock->state, STATE_REFUSED);
	}
}

/* --- shutdown, close ------------------------------------------------------ */

/* The hang-up of a FIN that is held must not show in epoll (park.h). */
static void set_finished(struct fault_sock *s, uint8_t from, uint8_t to)
{
	if (atomic_compare_exchange_strong(&s->state, &from, to) &&
	    gates_concern(s))
		regs_apply(s);
}

/*
 * First: when the peer's end follows at once, the helper has to know that the
 * hang-up is no error (gates_collapse).
 */
static void make_shutdown(struct shim_call *c)
{
	uint8_t before = atomic_load(&c->sock->state);
	uint8_t after = (uint8_t)gates_finish(before);

	if (c->a[1] != SHUT_RD)
		set_finished(c->sock, before, after);
	call_real(c);
	if (c->a[1] != SHUT_RD && c->result && call_owns_sock(c))
		set_finished(c->sock, after, before);
}

static void after_shutdown(struct shim_call *c)
{
	enum fault_state state = gates_finish(atomic_load(&c->sock->state));

	if (c->a[1] != SHUT_RD &&
	    (state == STATE_FIN_WAIT || state == STATE_LAST_ACK))
		socks_state(c->fd, c->sock, state);
}

void handle_shutdown(struct shim_call *c)
{
	bool receiving;

	if (!c->sock) {
		call_real(c);
		return;
	}
	/* In SYN_SENT it ends the connect (tcp(7)), held or not. */
	if (!opening_done(c))
		late_forget(c->sock);
	c->e.want = (uint64_t)c->a[1];
	/* First: a thread that the call wakes has to know why. */
	receiving = c->a[1] != SHUT_WR && !gates_shut_down(c->sock);
	if (receiving)
		atomic_fetch_or(&c->sock->flags, SOCK_SHUT_RD);
	if (!correct_finished(c))
		decide_and_make_by(c, make_shutdown);
	if (c->result == 0 && call_owns_sock(c))
		after_shutdown(c);
	else if (receiving && call_owns_sock(c))
		atomic_fetch_and(&c->sock->flags, (uint8_t)~SOCK_SHUT_RD);
	if (gates_concern(c->sock))
		gates_shutting_down(c->sock);
	record_return(c);
}

/*
 * Ours first: the number may be another's as soon as it is closed.  Of several
 * threads that close it one finds the word, whose reference it gives back.
 */
static void take_out(struct shim_call *c)
{
	uint64_t word = fds_set(c->fd, 0);

	call_take_sock(c, socks_of(word));
	if (fds_kind(word) == FDS_EPOLL)
		regs_set_closed(c->fd);
}

void handle_close(struct shim_call *c)
{
	int fd = c->fd;
	struct fault_sock *s;
	bool lasting;

	if (!fds_mine()) {
		socks_remember(fd, fds_word(fd));
		call_real(c);
		return;
	}
	if (c->sock) {
		opening_done(c);
	} else if (private_fd_is(fd)) {
		call_fail(c, EBADF);
		return;
	}
	take_out(c);
	s = c->sock;
	if (!s) {
		call_real(c);
		return;
	}
	lasting = gates_concern(s);
	regs_closed(fd, s);
	if (lasting)
		keeper_unwatch(fd, s);
	eof_closing(fd, s);
	decide_and_make(c);
	if (socks_holders(s) == 1)
		atomic_store(&s->state, STATE_CLOSED);
	record_return(c);
	socks_drop(s);
	if (lasting)
		late_closed();
}

/* --- names and options ---------------------------------------------------- */

void handle_getname(struct shim_call *c)
{
	if (!c->sock) {
		call_real(c);
		return;
	}
	if (c->id == FAULT_CALL_getsockname) {
		unsigned room = c->a[2] ? *(const unsigned *)c->a[2] : 0;

		record_enter(c);
		call_real(c);
		correct_local(c, room);
	} else {
		opening_done(c);
		if (!correct_finished(c))
			decide_and_make(c);
	}
	record_return(c);
}

/*
 * SO_ERROR has been read; `held`: in SYN_SENT by us when it was called.
 * Returns what the program is told.
 */
static int told_so_error(struct shim_call *c, int *value, bool held)
{
	/* Read in the moment between two connects (late.h). */
	if (held && !late_held(c->sock) && *value == ECONNRESET)
		*value = 0;
	*value = correct_so_error(c, *value);
	if (*value && atomic_load(&c->sock->state) == STATE_SYN_SENT)
		not_connected(c);
	else
		opening_done(c);
	return *value;
}

void handle_getsockopt(struct shim_call *c)
{
	bool held;

	if (!c->sock) {
		call_real(c);
		return;
	}
	late_settle(c->fd, c->sock);
	held = late_held(c->sock);
	c->e.want = (uint64_t)c->a[2];
	decide_and_make_by(c, gates_getsockopt);
	if (c->result == 0 && c->a[1] == SOL_SOCKET && c->a[2] == SO_ERROR &&
	    *(const unsigned *)c->a[4] >= sizeof(int))
		c->said = told_so_error(c, (int *)c->a[3], held);
	record_return(c);
}

static bool set_lowat(struct shim_call *c)
{
	if (!gates_set_lowat(c))
		return false;
	record_enter(c);
	return true;
}

void handle_setsockopt(struct shim_call *c)
{
	if (!c->sock) {
		call_real(c);
		return;
	}
	c->e.want = (uint64_t)c->a[2];
	if (!set_lowat(c))
		decide_and_make_by(c, gates_setsockopt);
	record_return(c);
}
