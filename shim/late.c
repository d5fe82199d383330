/*
 * late.c - see late.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "correct.h"
#include "deaf.h"
#include "decide.h"
#include "gates.h"
#include "hold.h"
#include "keeper.h"
#include "late.h"
#include "regs.h"

#include "poison.h"

#define MS 1000000u
enum {
	SETTLE_MS = 1000, /* the mover may have been taken off its processor */
	NOT_YET_MS = 200, /* the same for the caller of connect */
};

static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};

static enum late_phase phase_of(const struct fault_sock *s)
{
	return atomic_load(&s->open_hold.until)
	               ? (enum late_phase)atomic_load(&s->open_hold.owner)
	               : LATE_MOVED;
}

bool late_held(const struct fault_sock *s)
{
	return UNLIKELY(atomic_load_explicit(&s->open_hold.until,
	                                     memory_order_relaxed)) &&
	       phase_of(s) == LATE_HELD;
}

bool late_moving(const struct fault_sock *s)
{
	return UNLIKELY(atomic_load_explicit(&s->open_hold.until,
	                                     memory_order_relaxed)) &&
	       phase_of(s) == LATE_MOVING;
}

/* Until the mover is done; `held`: it may not have begun. */
static void wait_moved(const struct fault_sock *s, bool held)
{
	int saved = errno;
	int cancel;

	/* poll is a cancellation point, the call that follows perhaps not. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (int i = 0; i < SETTLE_MS; i++) {
		if (!late_moving(s) && !(held && late_held(s)))
			break;
		next.poll(NULL, 0, i ? 1 : 0);
	}
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

void late_settle(int fd, struct fault_sock *s)
{
	if (LIKELY(!atomic_load_explicit(&s->open_hold.until,
	                                 memory_order_relaxed)))
		return;
	wait_moved(s, false);
	if (!late_held(s))
		return;
	keeper_revive(s);
	gates_meet(fd, s, GATE_OF_OPEN);
}

/* --- how it ends ------------------------------------------------------------
 */

/* Of a hold whose rule still stands; a disarmed one succeeds. */
static int outcome_of(const struct fault_hold *h)
{
	uint32_t rule = atomic_load(&h->rule) & ~RUN_UNRECORDED;
	const struct plan_rule *r;
	const struct plan_action *a;

	if (!rule || rule > shim.plan->n_rules ||
	    !atomic_load(&run_rules(shim.run)[rule - 1].armed))
		return 0;
	r = &plan_rules(shim.plan)[rule - 1];
	a = r->actions;
	while (a < r->actions + r->n_actions && a->kind != ACTION_DELAY &&
	       a->kind != ACTION_STALL)
		a++;
	return engine_late_outcome(r, a);
}

/* --- where to
 * ------------------------------------------------------------------
 */

static void true_peer(const struct fault_sock *s, struct deaf_addr *ret)
{
	ret->len = socks_sockaddr(&s->peer, atomic_load(&s->flags) & SOCK_IPV6,
	                          &ret->room);
	if (ret->any.sa_family == AF_INET6)
		ret->in6.sin6_scope_id = atomic_load(&s->peer_scope);
}

static void local_of(int fd, const struct fault_sock *s, struct deaf_addr *ret)
{
	struct deaf_addr peer;

	true_peer(s, &peer);
	deaf_local(fd, &peer, ret);
}

static void make_towards(struct shim_call *c, const struct deaf_addr *to)
{
	long addr = c->a[1], len = c->a[2];

	c->a[1] = (long)&to->any;
	c->a[2] = to->len;
	call_real(c);
	c->a[1] = addr;
	c->a[2] = len;
}

/* --- moving ------------------------------------------------------------------
 */

static int tcp_state(int fd)
{
	struct tcp_info info;
	unsigned len = sizeof(info);

	memset(&info, 0, sizeof(info));
	return next.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
	               ? -1
	               : info.tcpi_state;
}

/* The kernel's refusal goes by this name. */
static void rename_refusal(int fd, struct fault_sock *s, int err)
{
	atomic_store(&s->kernel_err, ECONNREFUSED);
	atomic_store(&s->told_err, (uint16_t)err);
	socks_refresh(fd, s);
}

/* An error of the route comes late, too, if nobody waits for it. */
static void connect_to_peer(int fd, struct fault_sock *s)
{
	struct deaf_addr peer, local;
	int err;

	true_peer(s, &peer);
	err = next.connect(fd, &peer, peer.len) ? errno : 0;
	if (!err || err == EINPROGRESS || err == EALREADY || err == EISCONN)
		return;
	local_of(fd, s, &local);
	rename_refusal(fd, s, err);
	deaf_refuse(fd, &local);
}

static void connect_refused(int fd, struct fault_sock *s,
                            const struct deaf_addr *local, int err)
{
	rename_refusal(fd, s, err);
	deaf_refuse(fd, local);
}

static void move(int fd, struct fault_sock *s, int err)
{
	int flags = next.fcntl(fd, F_GETFL, 0);
	struct deaf_addr local;
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	/* Before it is lost: what the program may have seen. */
	local_of(fd, s, &local);
	if (!(flags & O_NONBLOCK))
		next.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	next.connect(fd, &unspec, sizeof(unspec));
	if (err > 0)
		connect_refused(fd, s, &local, err);
	else
		connect_to_peer(fd, s);
	if (!(flags & O_NONBLOCK))
		next.fcntl(fd, F_SETFL, flags);
	pthread_setcancelstate(cancel, NULL);
}

static bool any_held(void);

static void end_hold(struct fault_hold *h, enum late_phase phase)
{
	atomic_store(&h->owner, phase);
	atomic_store(&h->until, 0);
	deaf_sweep(any_held);
}

static void move_held(int fd, struct fault_sock *s)
{
	struct fault_hold *h = &s->open_hold;
	uint32_t held = LATE_HELD;
	int saved = errno;

	if (!socks_same(fd, s))
		return;
	if (!atomic_compare_exchange_strong(&h->owner, &held, LATE_MOVING))
		return;
	regs_apply(s);
	if (tcp_state(fd) == TCP_SYN_SENT)
		move(fd, s, outcome_of(h));
	end_hold(h, LATE_MOVED);
	regs_apply(s);
	errno = saved;
}

/*
 * A blocking connect is held before it is made: at the end of a short delay it
 * may not have come so far.
 */
static bool not_yet(int fd, const struct fault_sock *s, uint64_t until)
{
	return tcp_state(fd) == TCP_CLOSE &&
	       atomic_load(&s->state) == STATE_SYN_SENT && until > 1 &&
	       shim_now() < until + (uint64_t)NOT_YET_MS * MS;
}

void late_due(int fd, struct fault_sock *s)
{
	uint64_t until = atomic_load(&s->open_hold.until);

	if (!until || phase_of(s) != LATE_HELD ||
	    gates_held(s, GATE_OF_OPEN, shim_now()))
		return;
	if (not_yet(fd, s, until))
		keeper_open_at(fd, s, GATE_OF_OPEN, shim_now() + 2 * MS);
	else
		move_held(fd, s);
}

void late_release(int fd, struct fault_sock *s)
{
	if (late_held(s))
		move_held(fd, s);
}

/* --- listeners are kept while they are needed
 * --------------------------------- */

static void look(int fd, uint64_t word, const void *context)
{
	const struct fault_sock *s = socks_of(word);

	(void)fd;
	if (s && phase_of(s) != LATE_MOVED)
		**(bool *const *)context = true;
}

static bool any_held(void)
{
	bool held = false;
	bool *at = &held;

	fds_each(0, INT_MAX, look, &at);
	return held;
}

void late_forget(struct fault_sock *s)
{
	int saved = errno;

	if (LIKELY(!atomic_load(&s->open_hold.until)))
		return;
	wait_moved(s, false);
	end_hold(&s->open_hold, LATE_ENDED);
	errno = saved;
}

void late_closed(void)
{
	int saved = errno;

	deaf_sweep(any_held);
	errno = saved;
}

/* --- the calls of the program
 * --------------------------------------------------
 */

/*
 * A thread that waited in connect while it was moved.  The second call finds a
 * connect under way, and waits for its end; `held`: it was at entry.
 */
static void go_on(struct shim_call *c, bool held)
{
	enum late_phase phase =
		(enum late_phase)atomic_load(&c->sock->open_hold.owner);

	if (!held || c->result >= 0 || !call_owns_sock(c) ||
	    (phase != LATE_MOVING && phase != LATE_MOVED) ||
	    (c->err != EPIPE && c->err != ECONNRESET && c->err != ECONNABORTED))
		return;
	wait_moved(c->sock, false);
	call_real(c);
}

void late_connect_again(struct shim_call *c)
{
	bool held;

	late_settle(c->fd, c->sock);
	held = late_held(c->sock);
	call_real(c);
	go_on(c, held);
	/* It was moved between its two connects by this very call. */
	if (held && c->result < 0 && c->err == EINPROGRESS &&
	    facts_nonblocking(c))
		c->err = EALREADY;
	correct_told(c);
}

static void shut(struct shim_call *c, uint64_t until)
{
	gates_shut(c->fd, c->sock, GATE_OF_OPEN, until,
	           (uint32_t)c->choice.rule + 1, LATE_HELD);
	deaf_give_back();
}

/*
 * The listener cannot be reached (SO_BINDTODEVICE, a firewall), or the SYN
 * waits for the first send (TCP_FASTOPEN_CONNECT): the call is what it would
 * have been.
 */
static void not_held(struct shim_call *c)
{
	late_forget(c->sock);
	next.connect(c->fd, &unspec, sizeof(unspec));
	engine_gated(shim.run, &c->choice, GATE_LEVER);
	call_real(c);
}

static void hold_nonblocking(struct shim_call *c, const struct deaf_addr *to,
                             uint64_t until)
{
	make_towards(c, to);
	if (c->err == EINPROGRESS) {
		shut(c, until);
		return;
	}
	deaf_give_back();
	not_held(c);
}

/* What a connect can be told while its SYN is not answered, or by a move. */
static bool ends_hold(const struct shim_call *c)
{
	return c->err == EINPROGRESS || c->err == EINTR ||
	       c->err == ETIMEDOUT || !late_held(c->sock);
}

/* Held first: the call returns when it is over. */
static void hold_blocking(struct shim_call *c, const struct deaf_addr *to,
                          uint64_t until)
{
	socks_connecting(c->fd, c->sock);
	shut(c, until);
	make_towards(c, to);
	if (!ends_hold(c)) {
		not_held(c);
		return;
	}
	go_on(c, true);
	/* The second call's time-out is the first's. */
	if (c->result < 0 && c->err == EALREADY)
		c->err = EINPROGRESS;
	correct_told(c);
}

bool late_connect(struct shim_call *c, const struct plan_action *a,
                  uint64_t until_ns)
{
	struct deaf_addr local, to;

	if (!c->sock || !c->sock->peer.family || !fds_mine() ||
	    engine_late_outcome(decide_rule(c), a) < 0 ||
	    (!keeper_start() && until_ns != RUN_FOREVER))
		return false;
	local_of(c->fd, c->sock, &local);
	if (!deaf_take(&local, &to))
		return false;
	if (facts_nonblocking(c))
		hold_nonblocking(c, &to, until_ns);
	else
		hold_blocking(c, &to, until_ns);
	return true;
}

bool late_wait(struct shim_call *c)
{
	uint64_t until = atomic_load(&c->sock->open_hold.until);
	int err;

	if (!late_held(c->sock) || until == RUN_FOREVER || facts_nonblocking(c))
		return false;
	err = hold_until(until, facts_timeout_ns(c), c->sock, GATE_OF_OPEN);
	if (err)
		call_fail(c, err);
	else
		wait_moved(c->sock, true);
	return err != 0;
}

void late_refuse(struct shim_call *c, int err)
{
	struct deaf_addr local;
	int real;

	local_of(c->fd, c->sock, &local);
	real = deaf_refuse(c->fd, &local);
	call_fail(c, real == EINPROGRESS ? EINPROGRESS : err);
	if (real != EINPROGRESS)
		return;
	atomic_store(&c->sock->kernel_err, ECONNREFUSED);
	atomic_store(&c->sock->told_err, (uint16_t)err);
}
