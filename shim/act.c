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

/* Where a call of this direction is kept for its retry; NULL: nowhere. */
static struct fault_hold *hold_of(const struct shim_call *c)
{
	if (!c->sock)
		return NULL;
	if (c->row->family == FAMILY_RECV || c->row->family == FAMILY_ACCEPT)
		return &c->sock->rx_hold;
	return c->row->family == FAMILY_SEND ? &c->sock->tx_hold : NULL;
}

static void hold_call(struct fault_hold *h, uint64_t until, uint32_t rule,
                      uint32_t owner)
{
	atomic_store(&h->rule, rule);
	atomic_store(&h->owner, owner);
	atomic_store(&h->until, until);
}

/*
 * The call has been counted; the one that follows is the same and passes.
 * After EINTR it is this thread's; after EAGAIN an event loop may hand the
 * socket to another thread.
 */
static void retry_passes(const struct shim_call *c, uint32_t owner)
{
	struct fault_hold *h = hold_of(c);

	if (h)
		hold_call(h, 1, 0, owner);
}

static void how_report(struct shim_call *c, int err)
{
	if (err == EINTR &&
	    (c->row->effect == EFFECT_IO || c->row->effect == EFFECT_ACCEPT))
		retry_passes(c, (uint32_t)shim_tid());
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
	retry_passes(c, 0);
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

/*
 * The hold is noted before the wait: a call that is left by longjmp goes on
 * with it as well as one that is interrupted.
 */
static void delay_until(struct shim_call *c, uint64_t until)
{
	struct fault_hold *h = hold_of(c);
	int err;

	if (!can_end_early(c)) {
		hold_through(until);
		return;
	}
	if (h)
		hold_call(h, until, (uint32_t)c->choice.rule + 1,
		          (uint32_t)shim_tid());
	err = hold_until(until, facts_timeout_ns(c));
	if (err)
		leave_early(c, err);
	else if (h)
		atomic_compare_exchange_strong(&h->until, &until, 0);
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

/* Takes the hold if this call is the one that it waits for. */
static bool take_hold(struct shim_call *c, uint64_t *ret_until)
{
	struct fault_hold *h = hold_of(c);
	uint64_t until = atomic_load_explicit(&h->until, memory_order_relaxed);
	uint32_t owner, rule;

	if (LIKELY(!until))
		return false;
	owner = atomic_load(&h->owner);
	rule = atomic_load(&h->rule);
	*ret_until = until;
	if ((owner && owner != (uint32_t)shim_tid()) ||
	    !atomic_compare_exchange_strong(&h->until, &until, 0))
		return false;
	c->choice.rule = (int32_t)rule - 1;
	return true;
}

/* What is left of the delay; false: the call is over. */
static bool go_on_waiting(struct shim_call *c, uint64_t until)
{
	if (!facts_nonblocking(c)) {
		delay_until(c, until);
		return !c->made;
	}
	if (shim_now() >= until)
		return true;
	atomic_store(&hold_of(c)->until, until);
	call_fail(c, EAGAIN);
	return false;
}

bool act_resume(struct shim_call *c)
{
	uint64_t until;
	unsigned i = 0;

	if (!take_hold(c, &until))
		return false;
	c->flags |= RECORD_UNCOUNTED;
	if (c->choice.rule < 0) {
		cut_or_whole(c);
		return true;
	}
	if (!go_on_waiting(c, until))
		return true;
	while (decide_rule(c)->actions[i].kind != ACTION_DELAY)
		i++;
	act_from(c, i + 1);
	return true;
}
