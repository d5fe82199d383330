/*
 * late.c - see late.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "correct.h"
#include "deaf.h"
#include "decide.h"
#include "gates.h"
#include "hold.h"
#include "keeper.h"
#include "late.h"
#include "levers.h"
#include "own.h"
#include "regs.h"

#include "poison.h"

enum {
	SETTLE_MS = 1000, /* the mover may have been taken off its processor */
};

static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};

/* In the owner of a hold, beside the phase: the program has bound the socket.
 */
enum {
	BOUND = 1 << 8
};

static enum late_phase phase_in(uint32_t owner)
{
	return (enum late_phase)(owner & ~(uint32_t)BOUND);
}

static enum late_phase phase_of(const struct fault_sock *s)
{
	return atomic_load(&s->open_hold.until)
	               ? phase_in(atomic_load(&s->open_hold.owner))
	               : LATE_MOVED;
}

/* From LATE_HELD to another; only one does it. */
static bool leave_hold(struct fault_hold *h, enum late_phase phase)
{
	uint32_t owner = atomic_load(&h->owner);

	do
		if (phase_in(owner) != LATE_HELD)
			return false;
	while (!atomic_compare_exchange_weak(&h->owner, &owner,
	                                     phase | (owner & BOUND)));
	return true;
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

static void finish_move(int fd, struct fault_sock *s);

/* Until the mover is done; `held`: it may not have begun. */
static void wait_moved(int fd, struct fault_sock *s, bool held)
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
	if (UNLIKELY(late_moving(s)))
		finish_move(fd, s);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

void late_settle(int fd, struct fault_sock *s)
{
	if (LIKELY(!atomic_load_explicit(&s->open_hold.until,
	                                 memory_order_relaxed)))
		return;
	wait_moved(fd, s, false);
	if (!late_held(s))
		return;
	keeper_revive(s);
	gates_meet(fd, s, GATE_OF_OPEN);
}

short late_seen(const struct pollfd *p, struct fault_sock *s)
{
	struct pollfd again = {.fd = p->fd, .events = p->events};
	enum late_phase phase = phase_in(atomic_load(&s->open_hold.owner));

	if (!(p->revents & (POLLERR | POLLHUP)) ||
	    (phase != LATE_MOVING && phase != LATE_MOVED) ||
	    atomic_load(&s->state) != STATE_SYN_SENT)
		return p->revents;
	wait_moved(p->fd, s, false);
	return next.poll(&again, 1, 0) < 0 ? p->revents : again.revents;
}

/* --- how it ends ---------------------------------------------------------- */

/* Of a hold whose rule still stands; a disarmed one succeeds. */
static int outcome_of(const struct fault_hold *h)
{
	uint32_t rule = RUN_RULE_OF(atomic_load(&h->rule));
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

/* --- where to ------------------------------------------------------------- */

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

/* --- moving --------------------------------------------------------------- */

/* The kernel's refusal goes by this name. */
static void rename_refusal(struct fault_sock *s, int err)
{
	atomic_store(&s->kernel_err, ECONNREFUSED);
	atomic_store(&s->told_err, (uint16_t)err);
}

/*
 * A port that the kernel has chosen is lost by the move; bind's own must not
 * be.  An error of the route comes late, too, if nobody waits for it.
 */
static void connect_to_peer(int fd, struct fault_sock *s,
                            const struct deaf_addr *name)
{
	struct deaf_addr peer, local;
	int err;

	true_peer(s, &peer);
	if (atomic_load(&s->open_hold.owner) & BOUND)
		next.bind(fd, name, name->len);
	err = next.connect(fd, &peer, peer.len) ? errno : 0;
	if (!err || err == EINPROGRESS || err == EALREADY || err == EISCONN)
		return;
	local_of(fd, s, &local);
	rename_refusal(s, err);
	deaf_refuse(fd, &local);
}

static void connect_refused(int fd, struct fault_sock *s,
                            const struct deaf_addr *local, int err)
{
	rename_refusal(s, err);
	deaf_refuse(fd, local);
}

/* A signal handler must not run, and perhaps stay, between the two. */
struct unwaiting {
	sigset_t mask;
	int cancel, flags;
};

static void unwaiting_begin(int fd, struct unwaiting *u)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &u->mask);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &u->cancel);
	u->flags = next.fcntl(fd, F_GETFL, 0);
	if (!(u->flags & O_NONBLOCK))
		next.fcntl(fd, F_SETFL, u->flags | O_NONBLOCK);
}

static void unwaiting_end(int fd, const struct unwaiting *u)
{
	if (!(u->flags & O_NONBLOCK))
		next.fcntl(fd, F_SETFL, u->flags);
	pthread_setcancelstate(u->cancel, NULL);
	pthread_sigmask(SIG_SETMASK, &u->mask, NULL);
}

static void move(int fd, struct fault_sock *s, int err)
{
	struct deaf_addr local, name;
	struct unwaiting u;

	/* Before it is lost: what the program may have seen. */
	local_of(fd, s, &local);
	deaf_name(fd, &name);
	unwaiting_begin(fd, &u);
	/* Else another has finished it: we were taken for dead. */
	if (late_moving(s)) {
		next.connect(fd, &unspec, sizeof(unspec));
		if (err > 0)
			connect_refused(fd, s, &local, err);
		else
			connect_to_peer(fd, s, &name);
	}
	unwaiting_end(fd, &u);
}

static bool any_held(void);

static void end_hold(struct fault_hold *h, enum late_phase phase)
{
	atomic_store(&h->owner, phase);
	atomic_store(&h->until, 0);
	deaf_sweep(any_held);
}

/* Whoever moved it was killed in the midst of it (a process that shares it). */
static void finish_move(int fd, struct fault_sock *s)
{
	int state = fd < 0 ? 0 : lever_tcp_state(fd);

	if (state == TCP_SYN_SENT || state == TCP_CLOSE)
		move(fd, s, outcome_of(&s->open_hold));
	socks_refresh(fd, s);
	end_hold(&s->open_hold, LATE_MOVED);
	regs_apply(s);
}

static void move_held(int fd, struct fault_sock *s)
{
	struct fault_hold *h = &s->open_hold;
	int saved = errno;
	struct own own;

	if (!own_take(fd, fds_word(fd), s, &own))
		return;
	if (socks_same(own.fd, s) && leave_hold(h, LATE_MOVING)) {
		regs_apply(s);
		if (lever_tcp_state(own.fd) == TCP_SYN_SENT)
			move(own.fd, s, outcome_of(h));
		socks_refresh(fd, s);
		end_hold(h, LATE_MOVED);
		regs_apply(s);
	}
	own_give(&own);
	errno = saved;
}

void late_due(int fd, struct fault_sock *s)
{
	if (late_held(s) && !gates_held(s, GATE_OF_OPEN, shim_now()))
		move_held(fd, s);
	/* Another process does: what is parked here is given back after it. */
	wait_moved(fd, s, false);
	deaf_sweep(any_held);
}

void late_release(int fd, struct fault_sock *s)
{
	if (late_held(s) && !atomic_load(&shim.ended))
		move_held(fd, s);
	wait_moved(fd, s, false);
}

/* --- listeners are kept while they are needed ----------------------------- */

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
	/* Nobody begins to move it now; who has begun is waited for. */
	if (!leave_hold(&s->open_hold, LATE_ENDED))
		wait_moved(-1, s, false);
	end_hold(&s->open_hold, LATE_ENDED);
	errno = saved;
}

void late_closed(void)
{
	int saved = errno;

	deaf_sweep(any_held);
	errno = saved;
}

/* --- the calls of the program --------------------------------------------- */

/* An address that the kernel takes for none; the port as a label may ask. */
static void nowhere(const struct fault_sock *s, struct deaf_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->in6);
	if (atomic_load(&s->flags) & SOCK_IPV6) {
		ret->any.sa_family = AF_INET;
		ret->in.sin_port = htons(s->peer.port);
	} else {
		ret->any.sa_family = AF_INET6;
		ret->in6.sin6_port = htons(s->peer.port);
	}
}

/*
 * Woken by a move, or come in the midst of one?  `waits`: it is a call that
 * does, and its time is not over; the mover's descriptor does not.
 */
static bool met_move(const struct shim_call *c, bool waits)
{
	uint32_t phase = phase_in(atomic_load(&c->sock->open_hold.owner));

	return c->result < 0 && call_owns_sock(c) &&
	       (phase == LATE_MOVING || phase == LATE_MOVED) &&
	       (c->err == EPIPE || c->err == ECONNRESET ||
	        c->err == ECONNABORTED || c->err == EAFNOSUPPORT ||
	        (waits && c->err == EALREADY));
}

/* What a connect is told that finds the one under way at an end. */
static int error_at_end(int fd)
{
	int err = 0;
	unsigned len = sizeof(err);

	next.getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err ? err : ECONNABORTED;
}

/*
 * The end of the connect that is under way.  While it is held: without
 * beginning another (late.h).  Once it has been moved it is like any other.
 * `first`: c is the call that has begun it, and begins no other if some thread
 * has shut the socket down meanwhile.
 */
static void ask(struct shim_call *c, bool first)
{
	uint64_t timeout = facts_timeout_ns(c);
	uint64_t end = timeout ? shim_now() + timeout : UINT64_MAX;
	struct deaf_addr no_address;
	bool waits;

	nowhere(c->sock, &no_address);
	for (;;) {
		wait_moved(c->fd, c->sock, false);
		waits = !facts_nonblocking(c);
		/* In this order: the flags are the program's. */
		if (!late_held(c->sock))
			break;
		make_towards(c, &no_address);
		if (met_move(c, waits && shim_now() < end))
			continue;
		if (c->result < 0 && c->err == EAFNOSUPPORT)
			c->err = error_at_end(c->fd);
		return;
	}
	wait_moved(c->fd, c->sock, false);
	if (first &&
	    phase_in(atomic_load(&c->sock->open_hold.owner)) == LATE_ENDED)
		call_fail(c, error_at_end(c->fd));
	else
		call_real(c);
}

void late_connect_again(struct shim_call *c)
{
	late_settle(c->fd, c->sock);
	ask(c, false);
	correct_told(c);
}

static void shut(struct shim_call *c, uint64_t until, bool bound)
{
	gates_shut(c->fd, c->sock, GATE_OF_OPEN, until,
	           (uint32_t)c->choice.rule + 1,
	           LATE_HELD | (bound ? BOUND : 0));
	deaf_give_back();
}

/*
 * The listener cannot be reached (SO_BINDTODEVICE, a firewall), or the SYN
 * waits for the first send (TCP_FASTOPEN_CONNECT): the call is what it would
 * have been.
 */
static void not_held(struct shim_call *c)
{
	deaf_give_back();
	next.connect(c->fd, &unspec, sizeof(unspec));
	decide_not_made(c);
	call_real(c);
}

static void begin(struct shim_call *c, const struct deaf_addr *to)
{
	struct unwaiting u;

	unwaiting_begin(c->fd, &u);
	make_towards(c, to);
	unwaiting_end(c->fd, &u);
}

static void hold_blocking(struct shim_call *c, uint64_t until, bool bound)
{
	socks_connecting(c->fd, c->sock);
	shut(c, until, bound);
	ask(c, true);
	/* It is still the first. */
	if (c->result < 0 && c->err == EALREADY)
		c->err = EINPROGRESS;
	correct_told(c);
}

bool late_connect(struct shim_call *c, const struct plan_action *a,
                  uint64_t until_ns)
{
	struct deaf_addr local, to;
	bool bound;

	if (!c->sock || !c->sock->peer.family || !fds_mine() ||
	    engine_late_outcome(decide_rule(c), a) < 0 ||
	    (!keeper_start() && until_ns != RUN_FOREVER))
		return false;
	local_of(c->fd, c->sock, &local);
	if (!deaf_take(&local, &to))
		return false;
	bound = deaf_name(c->fd, &local);
	begin(c, &to);
	if (c->err != EINPROGRESS)
		not_held(c);
	else if (facts_nonblocking(c))
		shut(c, until_ns, bound);
	else
		hold_blocking(c, until_ns, bound);
	return true;
}

/*
 * An endless hold ends when it is disarmed, or the kernel gives up: both wake
 * who waits in poll(2).
 */
static int wait_opened(struct shim_call *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	uint64_t timeout = facts_timeout_ns(c);
	uint64_t end = timeout ? shim_now() + timeout : 0;

	while (late_held(c->sock)) {
		uint64_t now = shim_now();
		struct timespec left;

		if (end && now >= end)
			return EAGAIN;
		left.tv_sec = (time_t)((end - now) / 1000000000u);
		left.tv_nsec = (long)((end - now) % 1000000000u);
		if (next.ppoll(&p, 1, end ? &left : NULL, NULL) >= 0) {
			if (p.revents && late_held(c->sock))
				break;
		} else if (errno != EINTR || end || !facts_all_restart()) {
			return errno;
		}
	}
	return 0;
}

bool late_wait(struct shim_call *c)
{
	bool waits = !facts_nonblocking(c);
	uint64_t until = atomic_load(&c->sock->open_hold.until);
	int err;

	/* In this order: the flags are the program's. */
	if (!late_held(c->sock))
		wait_moved(c->fd, c->sock, false);
	if (!waits || !late_held(c->sock))
		return false;
	err = until == RUN_FOREVER ? wait_opened(c)
	                           : hold_until(until, facts_timeout_ns(c),
	                                        c->sock, GATE_OF_OPEN);
	if (err)
		call_fail(c, err);
	else
		wait_moved(c->fd, c->sock, until != RUN_FOREVER);
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
