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

#include "corrupt.h"
#include "cut.h"
#include "decide.h"
#include "eof.h"
#include "exhaust.h"
#include "gates.h"
#include "hold.h"
#include "last.h"
#include "late.h"
#include "levers.h"
#include "regs.h"
#include "resolve.h"

#include "poison.h"

/* The reset has its place in time: before the call, or after `pass`. */
static void reset(struct shim_call *c)
{
	if (c->row->family == FAMILY_CLOSE)
		lever_linger_reset(c->fd);
	else if (c->sock && !lever_reset(c->fd, c->sock))
		decide_failed(c);
}

/*
 * The call has been counted; the one that follows is the same and passes.
 * After EINTR it is this thread's; after EAGAIN an event loop may hand the
 * socket to another thread.
 */
static void retry_passes(const struct shim_call *c, uint32_t owner)
{
	struct fault_hold *h = last_hold(c);

	if (!h)
		return;
	atomic_store(&h->rule, 0);
	atomic_store(&h->owner, owner);
	atomic_store(&h->until, 1);
}

static void how_report(struct shim_call *c, int err)
{
	if (err == EINTR &&
	    (c->row->effect == EFFECT_IO || c->row->effect == EFFECT_ACCEPT))
		retry_passes(c, (uint32_t)shim_tid());
	call_fail(c, err);
}

/*
 * EAGAIN: an edge-triggered program waits for the next edge (G3).  Last: it may
 * wake another thread, whose call is the one that passes.
 */
static void how_again(struct shim_call *c, int err)
{
	retry_passes(c, 0);
	if (c->row->family == FAMILY_ACCEPT)
		regs_kick_accept(c->sock);
	else if (c->row->family == FAMILY_SEND)
		lever_kick_out(c->fd);
	else
		gates_kick_in(c->fd, c->sock);
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

void act_interrupted(struct shim_call *c, int err)
{
	how_interrupt(c, err);
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
	[HOW_RENAME] = how_rename,       [HOW_REFUSE] = late_refuse,
	[HOW_CONSUME] = how_consume,     [HOW_SHUT] = how_shut,
	[HOW_INTERRUPT] = how_interrupt, [HOW_FREE] = how_free,
	[HOW_CONDITION] = how_report,
};

static void act_error(struct shim_call *c, const struct plan_action *a)
{
	const struct fault_errno_row *row = fault_errno_find(c->id, a->err);

	if (c->row->effect == EFFECT_RESOLVE)
		resolve_fail(c, a->err);
	else if (row)
		hows[row->how](c, a->err);
	else
		call_fail(c, a->err);
}

static void act_short(struct shim_call *c, const struct plan_action *a)
{
	uint64_t most = engine_short(a, c->e.want);
	uint64_t mark = cut_mark(c);

	/* Not beyond the mark of another rule. */
	if (mark && mark < most)
		most = mark;
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
	s = socks_accepted((int)c->result, c->sock_flags & SOCK_IPV6, c->port,
	                   known ? (const struct sockaddr *)&peer : NULL);
	c->born_dead = s;
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

/* The queue is as short as the program's own listen would have made it. */
static void act_backlog(struct shim_call *c, const struct plan_action *a)
{
	c->a[1] = (long)a->value;
}

static void act_kill(struct shim_call *c, const struct plan_action *a)
{
	(void)c;
	kill(getpid(), (int)a->value);
}

static void act_pass(struct shim_call *c, const struct plan_action *a)
{
	(void)a;
	if (c->row->effect == EFFECT_RESOLVE)
		resolve_real(c);
	else if (!c->made) /* a connect that was late has been made */
		cut_or_whole(c);
}

static void (*const acts[N_ACTIONS])(struct shim_call *,
                                     const struct plan_action *) = {
	[ACTION_ERROR] = act_error,     [ACTION_DELAY] = act_delay,
	[ACTION_SHORT] = act_short,     [ACTION_RESET] = act_reset,
	[ACTION_KILL] = act_kill,       [ACTION_PASS] = act_pass,
	[ACTION_STALL] = act_stall,     [ACTION_RATE] = act_rate,
	[ACTION_EOF] = act_eof,         [ACTION_BACKLOG] = act_backlog,
	[ACTION_EXHAUST] = act_exhaust, [ACTION_ANSWER] = resolve_answer,
};

bool act_is_void(const struct shim_call *c)
{
	/* EPIPE is what it says now. */
	if (c->sock && c->row->family == FAMILY_SEND && gates_finished(c->sock))
		return true;
	return !atomic_load(&run_rules(shim.run)[c->choice.rule].armed);
}

void act_from(struct shim_call *c, unsigned first)
{
	const struct plan_rule *r = decide_rule(c);

	/* Before a delay or behind it: it is done to what the call moves. */
	c->corrupt = corrupt_amount(r);
	for (unsigned i = first; i < r->n_actions; i++) {
		const struct plan_action *a = &r->actions[i];

		/* A call that has failed is over; one that passed goes on. */
		if (c->made && c->result < 0)
			return;
		if (i && act_is_void(c)) {
			c->corrupt = 0;
			break;
		}
		if (acts[a->kind])
			acts[a->kind](c, a);
	}
	if (!c->made && c->row->effect == EFFECT_RESOLVE)
		resolve_real(c);
	else if (!c->made)
		cut_or_whole(c);
}

void act(struct shim_call *c)
{
	act_from(c, 0);
}
