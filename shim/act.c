/*
 * act.c - actions: how each is carried out.
 *
 * An action list is one act: its actions run in order; the real call is made
 * at `pass`, else at the end, unless an error stands.  `made` says that the
 * call's result is settled.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cut.h"
#include "decide.h"
#include "hold.h"
#include "levers.h"
#include "listeners.h"

#include "poison.h"

/* The reset has its place in time: before the call, or after `pass`. */
static void reset(struct shim_call *c)
{
	if (c->row->family == FAMILY_CLOSE)
		lever_linger_reset(c->fd);
	else if (c->sock && !lever_reset(c->fd, c->sock))
		engine_gated(shim.run, &c->choice, GATE_LEVER);
}

/*
 * Where a delay under way is kept, so that a retry goes on with it.  A time in
 * the past: the retry passes, and neither counts nor matches (decisions.md 25).
 */
static _Atomic uint64_t *hold_word(const struct shim_call *c)
{
	if (c->sock &&
	    (c->row->family == FAMILY_RECV || c->row->family == FAMILY_ACCEPT))
		return &c->sock->rx_until;
	if (c->sock && c->row->family == FAMILY_SEND)
		return &c->sock->tx_until;
	return NULL;
}

static _Atomic uint32_t *hold_rule(const struct shim_call *c)
{
	return c->row->family == FAMILY_SEND ? &c->sock->tx_rule
	                                     : &c->sock->rx_rule;
}

/* The call has been counted; the one that follows is the same. */
static void retry_passes(const struct shim_call *c)
{
	bool sends = c->row->family == FAMILY_SEND;

	if (!c->sock)
		return;
	atomic_store(hold_rule(c), 0);
	atomic_store(sends ? &c->sock->tx_until : &c->sock->rx_until, 1);
}

static void how_report(struct shim_call *c, int err)
{
	if (err == EINTR &&
	    (c->row->effect == EFFECT_IO || c->row->effect == EFFECT_ACCEPT))
		retry_passes(c);
	call_fail(c, err);
}

/* EAGAIN: an edge-triggered program waits for the next edge (G3). */
static void how_again(struct shim_call *c, int err)
{
	if (c->row->family == FAMILY_ACCEPT)
		listeners_kick(c->fd);
	else if (c->row->family == FAMILY_SEND)
		lever_kick_out(c->fd);
	else
		lever_kick_in(c->fd);
	retry_passes(c);
	call_fail(c, err);
}

static void how_reset(struct shim_call *c, int err)
{
	(void)err;
	reset(c);
	cut_or_whole(c);
}

static void how_broken(struct shim_call *c, int err)
{
	(void)err;
	reset(c);
	lever_clear_error(c->fd);
	call_real(c);
}

/* The kernel's ECONNRESET goes by another name from now on. */
static void how_rename(struct shim_call *c, int err)
{
	if (!c->sock)
		return;
	reset(c);
	atomic_store(&c->sock->kernel_err, ECONNRESET);
	atomic_store(&c->sock->told_err, (uint16_t)err);
	socks_refresh(c->fd, c->sock);
	cut_or_whole(c);
}

/*
 * The kernel refuses it: at once when it may block, later when not.  Only the
 * number is told differently.
 */
static void how_refuse(struct shim_call *c, int err)
{
	bool ipv6 = atomic_load(&c->sock->flags) & SOCK_IPV6;
	int real = lever_refused_connect(c->fd, ipv6);

	call_fail(c, real == EINPROGRESS ? EINPROGRESS : err);
	if (real != EINPROGRESS)
		return;
	atomic_store(&c->sock->kernel_err, ECONNREFUSED);
	atomic_store(&c->sock->told_err, (uint16_t)err);
}

/* One queued connection goes; accept waits for it as it would. */
static void how_consume(struct shim_call *c, int err)
{
	/* A call that fails says nothing of an address. */
	c->a[1] = c->a[2] = 0;
	call_real(c);
	if (c->result < 0)
		return;
	lever_discard((int)c->result);
	call_fail(c, err);
}

static void how_shut(struct shim_call *c, int err)
{
	(void)err;
	next.shutdown(c->fd, SHUT_RD);
	call_real(c);
}

/* The handshake goes on in the background, as after a signal. */
static void how_interrupt(struct shim_call *c, int err)
{
	int flags = next.fcntl(c->fd, F_GETFL, 0);
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	next.fcntl(c->fd, F_SETFL, flags | O_NONBLOCK);
	call_real(c);
	next.fcntl(c->fd, F_SETFL, flags);
	pthread_setcancelstate(cancel, NULL);
	if (c->result == 0 || c->err == EINPROGRESS)
		call_fail(c, err);
}

/* The descriptor is free, whatever is said (G10; force only). */
static void how_free(struct shim_call *c, int err)
{
	call_real(c);
	call_fail(c, err);
}

static void (*const hows[N_HOWS])(struct shim_call *, int) = {
	[HOW_REPORT] = how_report,       [HOW_AGAIN] = how_again,
	[HOW_RESET] = how_reset,         [HOW_BROKEN] = how_broken,
	[HOW_RENAME] = how_rename,       [HOW_REFUSE] = how_refuse,
	[HOW_CONSUME] = how_consume,     [HOW_SHUT] = how_shut,
	[HOW_INTERRUPT] = how_interrupt, [HOW_FREE] = how_free,
	[HOW_CONDITION] = how_report,
};

static void act_error(struct shim_call *c, const struct plan_action *a)
{
	const struct fault_errno_row *row = fault_errno_find(c->id, a->err);

	if (row)
		hows[row->how](c, a->err);
	else
		call_fail(c, a->err);
}

/* A signal or a time-out ends only calls that wait; not one that is done. */
static bool can_end_early(const struct shim_call *c)
{
	enum fault_family f = c->row->family;

	return !c->made && (f == FAMILY_SEND || f == FAMILY_RECV ||
	                    f == FAMILY_ACCEPT || f == FAMILY_CONNECT);
}

/* The handshake goes on although connect does not wait for it (connect(2)). */
static void leave_early(struct shim_call *c, int err)
{
	if (c->row->family == FAMILY_CONNECT)
		how_interrupt(c, err == EAGAIN ? EINPROGRESS : err);
	else
		call_fail(c, err);
}

static void delay_until(struct shim_call *c, uint64_t until)
{
	_Atomic uint64_t *word = hold_word(c);
	int err;

	if (!can_end_early(c)) {
		hold_through(until);
		return;
	}
	err = hold_until(until, facts_timeout_ns(c));
	if (!err)
		return;
	/* Only now: a call of another thread meanwhile is no retry of it. */
	if (word) {
		atomic_store(hold_rule(c), (uint32_t)c->choice.rule + 1);
		atomic_store(word, until);
	}
	leave_early(c, err);
}

static void act_delay(struct shim_call *c, const struct plan_action *a)
{
	delay_until(c, shim_now() + engine_delay(shim.plan, a, c->choice.draw));
}

static void act_short(struct shim_call *c, const struct plan_action *a)
{
	uint64_t most = engine_short(a, c->e.want);

	/* Not beyond the mark of another rule. */
	if (c->choice.cut && c->choice.cut < most)
		most = c->choice.cut;
	cut_make(c, most);
}

/* accept: the connection that is handed out is dead already. */
static void reset_accepted(struct shim_call *c)
{
	struct sockaddr_storage peer;
	unsigned len = sizeof(peer);
	struct fault_sock *s;
	bool known;

	call_real(c);
	if (c->result < 0)
		return;
	known = !next.getpeername((int)c->result, &peer, &len);
	s = socks_accepted((int)c->result, c->sock,
	                   known ? (const struct sockaddr *)&peer : NULL);
	if (s)
		lever_reset((int)c->result, s);
}

static void act_reset(struct shim_call *c, const struct plan_action *a)
{
	(void)a;
	if (c->row->family == FAMILY_ACCEPT)
		reset_accepted(c);
	else
		reset(c);
}

static void act_kill(struct shim_call *c, const struct plan_action *a)
{
	(void)c;
	kill(getpid(), (int)a->value);
}

static void act_pass(struct shim_call *c, const struct plan_action *a)
{
	(void)a;
	cut_or_whole(c);
}

static void (*const acts[N_ACTIONS])(struct shim_call *,
                                     const struct plan_action *) = {
	[ACTION_ERROR] = act_error, [ACTION_DELAY] = act_delay,
	[ACTION_SHORT] = act_short, [ACTION_RESET] = act_reset,
	[ACTION_KILL] = act_kill,   [ACTION_PASS] = act_pass,
};

static void act_from(struct shim_call *c, unsigned first)
{
	const struct plan_rule *r = decide_rule(c);

	for (unsigned i = first; i < r->n_actions; i++) {
		const struct plan_action *a = &r->actions[i];

		/* A call that has failed is over; one that passed goes on. */
		if (c->made && c->result < 0)
			return;
		if (acts[a->kind])
			acts[a->kind](c, a);
	}
	if (!c->made)
		cut_or_whole(c);
}

void act(struct shim_call *c)
{
	act_from(c, 0);
}

bool act_resume(struct shim_call *c)
{
	_Atomic uint64_t *word = hold_word(c);
	uint64_t until;
	unsigned i = 0;

	if (LIKELY(!atomic_load_explicit(word, memory_order_relaxed)))
		return false;
	until = atomic_exchange(word, 0);
	if (!until)
		return false;
	c->choice.rule = (int32_t)atomic_load(hold_rule(c)) - 1;
	c->flags |= RECORD_UNCOUNTED;
	if (facts_nonblocking(c)) {
		if (shim_now() < until) {
			atomic_store(word, until);
			call_fail(c, EAGAIN);
			return true;
		}
	} else {
		delay_until(c, until);
		if (c->made)
			return true;
	}
	if (c->choice.rule < 0) {
		/* The retry after our EAGAIN or EINTR: it passes. */
		cut_or_whole(c);
		return true;
	}
	while (decide_rule(c)->actions[i].kind != ACTION_DELAY)
		i++;
	act_from(c, i + 1);
	return true;
}
