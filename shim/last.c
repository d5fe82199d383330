/*
 * last.c - see last.h.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "arrivals.h"
#include "cut.h"
#include "decide.h"
#include "gates.h"
#include "hold.h"
#include "last.h"
#include "late.h"
#include "levers.h"
#include "line.h"
#include "regs.h"
#include "resolve.h"
#include "self.h"

#include "poison.h"

enum {
	NO_GATE = -1
};

static int gate_of(const struct shim_call *c)
{
	if (!c->sock)
		return NO_GATE;
	if (c->row->family == FAMILY_RECV || c->row->family == FAMILY_ACCEPT)
		return GATE_OF_RX;
	return c->row->family == FAMILY_SEND ? GATE_OF_TX : NO_GATE;
}

struct fault_hold *last_hold(const struct shim_call *c)
{
	int gate = gate_of(c);

	return gate == NO_GATE ? NULL : gates_hold(c->sock, (enum gate)gate);
}

/* --- waiting ------------------------------------------------------------- */

/*
 * 0, EINTR, EAGAIN when the socket's own time-out is over, or ESHUTDOWN: its
 * program has shut down receiving.
 */
static int wait_for(struct shim_call *c, enum gate gate)
{
	uint64_t timeout = facts_timeout_ns(c);
	uint64_t end = timeout ? shim_now() + timeout : RUN_FOREVER;
	int err = 0;

	while (!err) {
		uint64_t now = shim_now();

		/* There is no helper that could have heard of it. */
		if (UNLIKELY(shim.helpless))
			gates_find_shutdown(c->fd, c->sock);
		if (!gates_held(c->sock, gate, now))
			return 0;
		if (gate == GATE_OF_RX && gates_shut_down(c->sock))
			return ESHUTDOWN;
		if (now >= end)
			return EAGAIN;
		err = hold_until(atomic_load(&gates_hold(c->sock, gate)->until),
		                 timeout ? end - now : 0, c->sock, gate);
	}
	return err;
}

/*
 * Closed by another thread meanwhile, and the number perhaps another's: a call
 * that is still in the kernel would go on with the old one; it cannot be
 * reached any more.
 */
static bool lost_sock(struct shim_call *c)
{
	if (call_owns_sock(c) && socks_of(fds_word(c->fd)) == c->sock)
		return false;
	call_fail(c, EBADF);
	return true;
}

/* What arrives after shutdown(SHUT_RD) is not there yet: the end of file. */
static void end_call(struct shim_call *c, int err)
{
	if (err != ESHUTDOWN) {
		call_fail(c, err);
	} else if (c->row->family == FAMILY_ACCEPT) {
		call_real(c);
	} else {
		c->result = 0;
		c->made = true;
	}
}

/* The wait is over: the next call is a new one. */
static void release(struct shim_call *c, enum gate gate)
{
	atomic_store(&gates_hold(c->sock, gate)->until, 0);
	if (gate == GATE_OF_TX)
		atomic_store(&c->sock->tx_budget, 0);
	gates_open(c->fd, c->sock, gate);
}

/* A signal or a time-out ends only calls that wait; not one that is done. */
static bool can_end_early(const struct shim_call *c)
{
	enum fault_family f = c->row->family;

	return !c->made && (f == FAMILY_SEND || f == FAMILY_RECV ||
	                    f == FAMILY_ACCEPT || f == FAMILY_CONNECT);
}

/* The handshake goes on although connect does not wait for it (connect(2)). */
static void connect_after(struct shim_call *c, uint64_t until)
{
	int err = hold_until(until, facts_timeout_ns(c), NULL, GATE_OF_OPEN);

	if (err)
		act_interrupted(c, err == EAGAIN ? EINPROGRESS : err);
}

/* Where it cannot be held as the network does it, a blocking call sleeps. */
static void keep_connect(struct shim_call *c, const struct plan_action *a,
                         uint64_t until)
{
	if (late_connect(c, a, until))
		return;
	if (until == RUN_FOREVER || facts_nonblocking(c))
		decide_not_made(c);
	else
		connect_after(c, until);
}

/*
 * The hold is noted before the wait: a call that is left by longjmp goes on
 * with it as well as one that is interrupted.
 */
static void keep(struct shim_call *c, enum gate gate, uint64_t until,
                 bool by_anyone)
{
	uint32_t rule = (uint32_t)c->choice.rule + 1;
	bool waits = !facts_nonblocking(c);
	int err;

	if (gate == GATE_OF_RX && gates_shut_down(c->sock)) {
		end_call(c, ESHUTDOWN);
		return;
	}
	gates_shut(c->fd, c->sock, gate, until, rule,
	           waits && !by_anyone ? (uint32_t)shim_tid() : 0);
	if (!waits) {
		call_fail(c, EAGAIN);
		return;
	}
	err = wait_for(c, gate);
	if (!err && lost_sock(c))
		return;
	if (err)
		end_call(c, err);
	else
		release(c, gate);
}

/* What is received is held from its arrival on. */
static void keep_arrival(struct shim_call *c, uint64_t delay)
{
	uint64_t from = arrivals_first(c->fd, c->sock);
	uint64_t until = from + delay;

	arrivals_held(c->fd, c->sock, from, until);
	if (until > shim_now())
		keep(c, GATE_OF_RX, until, false);
	if (!c->made)
		arrivals_open(c, until);
}

void act_delay(struct shim_call *c, const struct plan_action *a)
{
	uint64_t delay = engine_delay(shim.plan, a, c->choice.draw);
	uint64_t until = shim_now() + delay;
	int gate = gate_of(c);

	if (c->row->effect == EFFECT_RESOLVE)
		resolve_wait(c, until);
	else if (!can_end_early(c))
		hold_through(until);
	else if (gate == NO_GATE)
		keep_connect(c, a, until);
	else if (c->row->family == FAMILY_RECV &&
	         arrivals_count(decide_rule(c)))
		keep_arrival(c, delay);
	else
		keep(c, (enum gate)gate, until, false);
}

/* --- sending slice by slice ---------------------------------------------- */

/* Bytes that may go now, after waiting; 0: errno in c->err. */
typedef uint64_t allowance(struct shim_call *c, uint64_t rest);

/* They have gone: c->result. */
typedef void carried(struct shim_call *c);

/* An error is the next call's when this one has moved something: it stays. */
static bool has_failed(int fd)
{
	struct pollfd p = {.fd = fd};

	return next.poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

/*
 * A blocking send takes everything, unless a signal comes between (G4); what
 * has been taken by then is its result.
 */
static void send_all(struct shim_call *c, allowance *allow, carried *pay)
{
	uint64_t total = 0, want = c->e.want;

	while (total < want) {
		uint64_t most = allow(c, want - total);

		if (!most)
			break;
		if (total && (gates_finished(c->sock) || has_failed(c->fd)))
			break;
		if (most > want - total)
			most = want - total;
		cut_make_from(c, total, most);
		if (c->result <= 0)
			break;
		total += (uint64_t)c->result;
		if (pay)
			pay(c);
		if ((uint64_t)c->result < most)
			break;
	}
	c->made = true;
	if (total)
		c->result = (long)total;
}

/* --- a peer that has fallen silent --------------------------------------- */

static uint64_t room_left(int fd)
{
	int size = 0, queued = 0;
	unsigned len = sizeof(size);

	next.getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	next.ioctl(fd, SIOCOUTQ, (long)&queued);
	return size > queued ? (uint64_t)(size - queued) : 0;
}

/* Nobody takes what is in the send buffer, until it is full. */
static uint64_t take_budget(struct fault_sock *s, uint64_t most)
{
	uint64_t left = atomic_load(&s->tx_budget);
	uint64_t take;

	do
		take = left < most ? left : most;
	while (take && !atomic_compare_exchange_weak(&s->tx_budget, &left,
	                                             left - take));
	return take;
}

static uint64_t allow_stalled(struct shim_call *c, uint64_t rest)
{
	uint64_t take = take_budget(c->sock, rest);
	int err;

	if (take)
		return take;
	if (!gates_held(c->sock, GATE_OF_TX, shim_now()))
		return rest;
	regs_apply(c->sock);
	err = wait_for(c, GATE_OF_TX);
	if (!err && lost_sock(c))
		return 0;
	if (err) {
		call_fail(c, err);
		return 0;
	}
	release(c, GATE_OF_TX);
	return rest;
}

static void send_stalled(struct shim_call *c)
{
	uint64_t take;

	if (!facts_nonblocking(c)) {
		send_all(c, allow_stalled, NULL);
		return;
	}
	take = take_budget(c->sock, c->e.want);
	if (take) {
		cut_make_from(c, 0, take);
		if (!atomic_load(&c->sock->tx_budget))
			regs_apply(c->sock);
		return;
	}
	gates_meet(c->fd, c->sock, GATE_OF_TX);
	regs_apply(c->sock);
	call_fail(c, EAGAIN);
}

void last_silence(int fd, struct fault_sock *s, uint64_t until_ns,
                  uint32_t rule)
{
	enum fault_state state = atomic_load(&s->state);

	atomic_store(&s->tx_budget, room_left(fd));
	gates_shut(fd, s, GATE_OF_TX, until_ns, rule, 0);
	/* An end that has been read does not come a second time. */
	if (state != STATE_CLOSE_WAIT && state != STATE_LAST_ACK)
		gates_shut(fd, s, GATE_OF_RX, until_ns, rule, 0);
}

void act_stall(struct shim_call *c, const struct plan_action *a)
{
	uint64_t until = a->value ? shim_now() + a->value : RUN_FOREVER;
	int gate = gate_of(c);

	if (gate == NO_GATE) {
		if (can_end_early(c))
			keep_connect(c, a, until);
		return;
	}
	if (gate == GATE_OF_RX) {
		keep(c, GATE_OF_RX, until, true);
		return;
	}
	atomic_store(&c->sock->tx_budget, room_left(c->fd));
	gates_shut(c->fd, c->sock, GATE_OF_TX, until,
	           (uint32_t)c->choice.rule + 1, 0);
	send_stalled(c);
}

/* --- a slow direction ---------------------------------------------------- */

static const struct plan_action *rate_of(const struct shim_call *c)
{
	const struct plan_rule *r = decide_rule(c);
	unsigned i = 0;

	while (r->actions[i].kind != ACTION_RATE)
		i++;
	return &r->actions[i];
}

/* Nothing moves until the line has carried more.  flag: RUN_NO_CALL, or 0. */
static void shut_line(struct shim_call *c, uint64_t want, uint64_t rate,
                      uint32_t flag)
{
	gates_shut(c->fd, c->sock, (enum gate)gate_of(c),
	           line_more(c, want, rate),
	           ((uint32_t)c->choice.rule + 1) | flag, 0);
}

static void pay_rate(struct shim_call *c)
{
	line_carried(c, rate_of(c)->value);
}

/* Waits in a blocking call. */
static uint64_t allow_rate(struct shim_call *c, uint64_t rest)
{
	enum gate gate = (enum gate)gate_of(c);
	uint64_t rate = rate_of(c)->value;
	uint64_t most = 0;
	int err;

	if (!c->made)
		most = line_begins(c, rate);
	while (!most && (most = line_bytes(c, rest, rate, shim_now())) == 0) {
		if (gate == GATE_OF_TX && gates_finished(c->sock))
			return rest;
		line_waits(c, rate);
		shut_line(c, rest, rate, 0);
		err = wait_for(c, gate);
		if (!err && lost_sock(c))
			return 0;
		if (err) {
			end_call(c, err);
			return 0;
		}
		release(c, gate);
	}
	return most;
}

static void kick(const struct shim_call *c)
{
	if (c->row->family == FAMILY_RECV)
		gates_kick_in(c->fd, c->sock);
	else
		lever_kick_out(c->fd);
}

/* The direction is ready again when it has saved up something. */
static void move_some(struct shim_call *c, uint64_t rate, uint64_t most)
{
	bool all = most >= c->e.want;

	cut_make_from(c, 0, all ? c->e.want : most);
	if (c->result <= 0 || !call_owns_sock(c))
		return;
	line_carried(c, rate);
	if (c->row->family == FAMILY_RECV || !all)
		line_waits(c, rate);
	if (!line_bytes(c, c->e.want, rate, shim_now()))
		shut_line(c, c->e.want, rate, RUN_NO_CALL);
	else if ((uint64_t)c->result < c->e.want)
		kick(c);
}

static void refuse_rate(struct shim_call *c, uint64_t rate)
{
	line_waits(c, rate);
	keep(c, (enum gate)gate_of(c), line_more(c, c->e.want, rate), true);
}

void act_rate(struct shim_call *c, const struct plan_action *a)
{
	uint64_t most;

	if (gate_of(c) == NO_GATE)
		return;
	if (facts_nonblocking(c)) {
		most = line_begins(c, a->value);
		if (most)
			move_some(c, a->value, most);
		else
			refuse_rate(c, a->value);
	} else if (c->row->family == FAMILY_SEND) {
		send_all(c, allow_rate, pay_rate);
	} else if ((most = allow_rate(c, c->e.want)) > 0) {
		move_some(c, a->value, most);
	}
}

/* --- the retry ----------------------------------------------------------- */

static bool is_mine(const struct fault_hold *h)
{
	uint32_t owner = atomic_load(&h->owner);

	/* Of one that is being made, it is that of the hold before. */
	return !owner || owner == (uint32_t)shim_tid() ||
	       atomic_load(&h->until) == GATES_ARRIVING;
}

/* false: the call is over. */
static bool wait_or_refuse(struct shim_call *c, enum gate gate)
{
	int err;

	if (gates_collapse(c->fd, c->sock, gate) ||
	    (gate == GATE_OF_TX && gates_finished(c->sock)))
		return true;
	gates_meet(c->fd, c->sock, gate);
	if (gate == GATE_OF_RX && gates_shut_down(c->sock))
		err = ESHUTDOWN;
	else
		err = facts_nonblocking(c) ? EAGAIN : wait_for(c, gate);
	if (!err && lost_sock(c))
		return false;
	if (err)
		end_call(c, err);
	return !err;
}

/* Its actions from the one that lasted. */
static void go_on(struct shim_call *c, uint32_t rule, uint64_t until)
{
	const struct plan_rule *r;
	unsigned i = 0;

	c->choice.rule = (int32_t)RUN_RULE_OF(rule) - 1;
	if (rule & RUN_UNRECORDED)
		c->rule = (uint32_t)c->choice.rule + 1;
	if (c->choice.rule < 0 || act_is_void(c)) {
		cut_or_whole(c);
		return;
	}
	r = decide_rule(c);
	if (c->row->family == FAMILY_RECV && arrivals_count(r))
		arrivals_open(c, until);
	while (i + 1 < r->n_actions && r->actions[i].kind != ACTION_DELAY &&
	       r->actions[i].kind != ACTION_STALL &&
	       r->actions[i].kind != ACTION_RATE)
		i++;
	act_from(c, r->actions[i].kind == ACTION_RATE ? i : i + 1);
}

bool act_resume(struct shim_call *c)
{
	struct fault_hold *h = last_hold(c);
	enum gate gate = (enum gate)gate_of(c);
	uint64_t until;
	uint32_t rule;

	if (LIKELY(!h ||
	           !atomic_load_explicit(&h->until, memory_order_relaxed)) ||
	    !is_mine(h))
		return false;
	c->flags |= RECORD_UNCOUNTED;
	if (gates_held(c->sock, gate, shim_now())) {
		if (gate == GATE_OF_TX && atomic_load(&c->sock->tx_budget)) {
			send_stalled(c);
			return true;
		}
		if (!wait_or_refuse(c, gate))
			return true;
	}
	rule = atomic_load(&h->rule);
	until = atomic_exchange(&h->until, 0);
	if (until <= 1) /* passes, or ended before its time (gates_end) */
		rule = 0;
	if (gates_closed_here(c->sock, gate))
		release(c, gate);
	/* No call was held; one that found it shut is counted now, once. */
	if (rule & RUN_NO_CALL || self_is(rule)) {
		c->flags &= (uint8_t)~RECORD_UNCOUNTED;
		return false;
	}
	go_on(c, rule, until);
	return true;
}

bool last_peek(struct shim_call *c)
{
	if (c->row->family != FAMILY_RECV || !gates_concern(c->sock))
		return false;
	gates_consider(c->fd, c->sock);
	if (atomic_load(&c->sock->rx_armed))
		gates_arrived(c->fd, c->sock);
	return gates_held(c->sock, GATE_OF_RX, shim_now()) &&
	       !wait_or_refuse(c, GATE_OF_RX);
}
