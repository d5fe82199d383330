/*
 * gates.c - see gates.h.
 *
 * Receiving is held by SO_RCVLOWAT, raised to half the receive buffer: no
 * arrival below it makes any API ready, in any process, and lowering it again
 * wakes all waiters.  It is never set higher: that would grow the buffer.
 * What shows through (FIN, a full queue) is masked in the
 * registrations (regs.c) and in poll and select (filter.c).
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "arrivals.h"
#include "decide.h"
#include "gates.h"
#include "keeper.h"
#include "late.h"
#include "levers.h"
#include "lock.h"
#include "ours.h"
#include "private_fd.h"
#include "regs.h"
#include "self.h"

#include "poison.h"

struct fault_hold *gates_hold(struct fault_sock *s, enum gate gate)
{
	if (gate == GATE_OF_RX)
		return &s->rx_hold;
	return gate == GATE_OF_TX ? &s->tx_hold : &s->open_hold;
}

static bool is_armed(uint32_t rule)
{
	rule = RUN_RULE_OF(rule);
	return !rule || rule > shim.run->n_rules ||
	       atomic_load(&run_rules(shim.run)[rule - 1].armed);
}

static NOINLINE bool holds_on(struct fault_sock *s, enum gate gate,
                              uint64_t until)
{
	return !(gate == GATE_OF_TX && gates_finished(s)) &&
	       (until == GATES_ARRIVING ||
	        is_armed(atomic_load(&gates_hold(s, gate)->rule)));
}

bool gates_held(struct fault_sock *s, enum gate gate, uint64_t now_ns)
{
	uint64_t until = atomic_load_explicit(&gates_hold(s, gate)->until,
	                                      memory_order_relaxed);

	return UNLIKELY(until > now_ns) && holds_on(s, gate, until);
}

uint64_t gates_fin_due(struct fault_sock *s, uint64_t now_ns)
{
	uint64_t due = arrivals_fin_due(s);

	return due > now_ns && is_armed(atomic_load(&s->rx_hold.rule)) ? due
	                                                               : 0;
}

uint64_t gates_next(struct fault_sock *s, uint64_t now_ns)
{
	uint64_t due = gates_fin_due(s, now_ns);
	uint64_t first = due ? due : RUN_FOREVER;

	for (enum gate g = 0; g < N_GATES_OF; g++) {
		uint64_t until = gates_look_at(
			atomic_load(&gates_hold(s, g)->until), now_ns);

		/* It hides nothing but the moment of its end (late.h). */
		if (g == GATE_OF_OPEN)
			until = late_moving(s) ? now_ns + 1000000 : RUN_FOREVER;
		else if (!gates_held(s, g, now_ns))
			continue;
		if (until < first)
			first = until;
	}
	return first;
}

/* A stalled peer: what the send buffer takes is still taken. */
static bool takes_more(struct fault_sock *s)
{
	return atomic_load(&s->tx_budget) > 0;
}

short gates_hidden(struct fault_sock *s, uint64_t now_ns)
{
	short bits = 0;

	if (gates_held(s, GATE_OF_RX, now_ns) && !gates_shut_down(s)) {
		bits |= GATES_IN;
		/* Both sides having finished: it comes of the FIN. */
		if (gates_finished(s))
			bits |= POLLHUP;
	}
	if (gates_cutting(s) || gates_fin_due(s, now_ns))
		bits |= POLLRDHUP;
	if (gates_held(s, GATE_OF_TX, now_ns) && !takes_more(s))
		bits |= GATES_OUT;
	return bits;
}

/* --- the low-water mark -------------------------------------------------- */

static int option(int fd, int name)
{
	int value = 0;
	unsigned len = sizeof(value);

	return next.getsockopt(fd, SOL_SOCKET, name, &value, &len) ? 0 : value;
}

static void set_lowat(int fd, int value)
{
	next.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
}

/* Not closed, and the number another's by now (keeper_unwatch). */
static bool is_still(int fd, const struct fault_sock *s)
{
	return socks_of(fds_word(fd)) == s || private_fd_is(fd);
}

/* The program's own; ours, left by another, is not theirs to be given back. */
static int their_lowat(int fd, int half)
{
	int value = option(fd, SO_RCVLOWAT);

	return value == half ? 1 : value;
}

/*
 * Word and kernel change together, or ours would be taken for theirs.  The lock
 * is of this process; what another that shares the socket does in between shows
 * in the word: lowered while it was being raised here, it is lowered again.
 */
void gates_raise_lowat(int fd, struct fault_sock *s)
{
	int half = option(fd, SO_RCVBUF) / 2;
	struct lock_guard guard;
	uint32_t none = 0;
	int theirs;

	lock_take(&guard);
	if (half > 1 && is_still(fd, s) && !atomic_load(&s->rcvlowat)) {
		theirs = their_lowat(fd, half);
		if (atomic_compare_exchange_strong(&s->rcvlowat, &none,
		                                   (uint32_t)theirs + 1)) {
			set_lowat(fd, half);
			if (!atomic_load(&s->rcvlowat))
				set_lowat(fd, theirs);
		}
	}
	lock_give(&guard);
}

/*
 * Setting the mark, even to what it is, makes the edge.  Raised, it is of a
 * later hold, whose end makes one.  Under the lock: raised and lowered between
 * the two calls, it would be put up again, and nobody would know.
 */
static void kick_in(int fd, struct fault_sock *s)
{
	if (is_still(fd, s) && !atomic_load(&s->rcvlowat))
		set_lowat(fd, their_lowat(fd, option(fd, SO_RCVBUF) / 2));
}

void gates_kick_in(int fd, struct fault_sock *s)
{
	struct lock_guard guard;

	lock_take(&guard);
	kick_in(fd, s);
	lock_give(&guard);
}

/*
 * The edge comes of lowering it.  Found down, by who opened an earlier hold or
 * by another process, the edge of this hold is owed all the same: by the first
 * of this process to open it, or an edge-triggered program hears of OUT again.
 */
static void restore_lowat(int fd, struct fault_sock *s, bool is_first)
{
	struct lock_guard guard;
	uint32_t theirs;
	bool still, owed;

	lock_take(&guard);
	/* After an end of file it stays (eof.h), which raises it if it is down.
	 */
	still = is_still(fd, s) && !(atomic_load(&s->flags) & SOCK_EOF);
	theirs = still ? atomic_load(&s->rcvlowat) : 0;
	owed = still && is_first && !theirs;
	/*
	 * The kernel first, then the word: the lock is this process's, and
	 * another one that opens at the same moment must not find the word
	 * gone and the mark still up, or its kick would put it back.  Both may
	 * set it.
	 */
	while (theirs) {
		set_lowat(fd, (int)theirs - 1);
		if (atomic_compare_exchange_strong(&s->rcvlowat, &theirs, 0))
			break;
	}
	if (owed)
		kick_in(fd, s);
	lock_give(&guard);
}

void gates_restore_lowat(int fd, struct fault_sock *s)
{
	restore_lowat(fd, s, false);
}

/* --- shut and open ------------------------------------------------------- */

/* This process knows of the hold; false: it did already. */
static bool note(struct fault_sock *s, enum gate gate, uint64_t until)
{
	struct lock_guard guard;
	struct our_sock *o;
	bool fresh = false;

	if (!ours_prepare())
		return false;
	lock_take(&guard);
	o = ours_of(s);
	if (o)
		fresh = atomic_exchange(&o->until[gate], until) != until;
	lock_give(&guard);
	return fresh;
}

static bool is_listener(const struct fault_sock *s)
{
	return atomic_load(&s->state) == STATE_LISTEN;
}

/* The helper hears of an error, and of who shuts it down. */
static void watch(int fd, struct fault_sock *s, enum gate gate)
{
	if (gate == GATE_OF_OPEN)
		return;
	keeper_watch(fd, s);
	/* It may have ended just before: an endless hold has no deadline. */
	keeper_start();
}

/*
 * It is for epoll: poll and select know of the hold.  A blocking receive that
 * another thread begins while it is up waits for all that it asks for, also
 * when it is down again.
 */
static bool wants_mark(int fd, const struct fault_sock *s)
{
	return regs_any(s) || next.fcntl(fd, F_GETFL, 0) & O_NONBLOCK;
}

/* Everything but the word of the hold, which is set. */
static void take_part(int fd, struct fault_sock *s, enum gate gate,
                      uint64_t until_ns)
{
	if (!note(s, gate, until_ns)) {
		/* The helper was first, and may not have got round to this. */
		regs_apply(s);
		if (!keeper_watches(s))
			watch(fd, s, gate);
		return;
	}
	/* First, or a helper that has nothing else to do ends before it. */
	keeper_open_at(fd, s, gate, until_ns);
	keeper_start();
	if (gate == GATE_OF_RX && !is_listener(s) && wants_mark(fd, s))
		gates_raise_lowat(fd, s);
	regs_apply(s);
	watch(fd, s, gate);
	/*
	 * A short hold: opened while it was being shut, and so not wholly.  Or
	 * its rule was disarmed before it was noted: nobody comes to open it.
	 */
	if (!gates_held(s, gate, shim_now()))
		gates_open(fd, s, gate);
}

bool gates_closed_here(const struct fault_sock *s, enum gate gate)
{
	const struct our_sock *o = ours_peek(s);

	return (gate == GATE_OF_RX && atomic_load(&s->rcvlowat)) ||
	       (o && atomic_load(&o->until[gate]));
}

void gates_shut(int fd, struct fault_sock *s, enum gate gate, uint64_t until_ns,
                uint32_t rule, uint32_t owner)
{
	struct fault_hold *h = gates_hold(s, gate);
	int saved = errno;

	atomic_store(&h->rule, rule);
	atomic_store(&h->owner, owner);
	atomic_store(&h->until, until_ns);
	socks_remember(fd, fds_word(fd));
	take_part(fd, s, gate, until_ns);
	errno = saved;
}

/* A loop keeps calling although nothing is ready: we do not know why. */
enum {
	PATIENCE = 3
};

void gates_meet(int fd, struct fault_sock *s, enum gate gate)
{
	uint64_t until = atomic_load(&gates_hold(s, gate)->until);
	struct our_sock *o = ours_peek(s);
	int saved = errno;

	/*
	 * Noted, but who did so may not have got round to the registrations: a
	 * loop that goes round must not keep it from that.
	 */
	if (o && atomic_load(&o->until[gate]) == until) {
		if (!keeper_watches(s))
			watch(fd, s, gate);
		if (atomic_fetch_add(&o->refused, 1) + 1 != PATIENCE)
			regs_apply(s);
		else if (!regs_adopt(s))
			atomic_store(&o->refused, PATIENCE - 1);
		errno = saved;
		return;
	}
	take_part(fd, s, gate, until);
	errno = saved;
}

void gates_follow(int fd, struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);
	uint64_t now = shim_now();
	int saved = errno;

	for (enum gate g = 0; g < N_GATES_OF; g++) {
		uint64_t until = atomic_load(&gates_hold(s, g)->until);

		if (gates_held(s, g, now) &&
		    (!o || atomic_load(&o->until[g]) != until ||
		     (g != GATE_OF_OPEN && !keeper_watches(s))))
			take_part(fd, s, g, until);
	}
	/* Who armed it may be gone; this process watches too. */
	if (atomic_load(&s->rx_armed) && !(o && atomic_load(&o->watched)) &&
	    keeper_start()) {
		keeper_watch(fd, s);
		regs_apply(s);
	}
	/* Who raised it was killed before it could lower it. */
	if (atomic_load(&s->rcvlowat) && !gates_held(s, GATE_OF_RX, now) &&
	    !(atomic_load(&s->flags) & SOCK_EOF))
		gates_open(fd, s, GATE_OF_RX);
	errno = saved;
}

void gates_open(int fd, struct fault_sock *s, enum gate gate)
{
	int saved = errno;
	bool is_first;

	if (gate == GATE_OF_OPEN)
		late_due(fd, s);
	is_first = note(s, gate, 0);
	/*
	 * A listener that was not parked, since the hold was over first: the
	 * edge of an accept that was refused is owed.  Before the masks, so
	 * that a parked one has a single edge.
	 */
	if (is_first && gate == GATE_OF_RX && is_listener(s))
		regs_kick_accept(s);
	/* Before the masks: a MOD under the raised mark makes an edge of OUT.
	 */
	if (gate == GATE_OF_RX && !is_listener(s)) {
		regs_apply_exclusive(s);
		restore_lowat(fd, s, is_first);
	}
	regs_apply(s);
	/* Shut down, it has told of OUT already. */
	if (gate == GATE_OF_TX && !gates_finished(s))
		lever_kick_out(fd);
	keeper_wake_waits(s, gate);
	/* Shut again by another thread meanwhile: its part is done anew. */
	if (!atomic_load(&shim.left) && !atomic_load(&shim.ended) &&
	    gates_held(s, gate, shim_now())) {
		note(s, gate, 0);
		gates_meet(fd, s, gate);
	}
	errno = saved;
}

void gates_shutting_down(struct fault_sock *s)
{
	int saved = errno;

	regs_apply(s);
	for (enum gate g = 0; g < N_GATES_OF; g++)
		if (gates_ended(s, g))
			keeper_wake_waits(s, g);
	errno = saved;
}

/*
 * What the kernel shows is read without its lock, flag by flag; a FIN that is
 * just coming sets RDHUP first.  The first look waits for the lock.
 */
static int settled_state(int fd)
{
	lever_tcp_state(fd);
	return lever_tcp_state(fd);
}

static bool has_sent_fin(int state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
	       state == TCP_CLOSING || state == TCP_LAST_ACK;
}

/* RDHUP without a FIN of the peer is of a shutdown. */
static bool has_shut_down(short here, int state)
{
	return here & POLLRDHUP &&
	       (state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 ||
	        state == TCP_FIN_WAIT2);
}

/* Its own program may be at the state, too. */
static void note_finished(int fd, struct fault_sock *s)
{
	uint8_t before = atomic_load(&s->state);
	enum fault_state after = gates_finish(before);

	if (after != before &&
	    atomic_compare_exchange_strong(&s->state, &before, (uint8_t)after))
		socks_state(fd, s, after);
}

void gates_find_shutdown(int fd, struct fault_sock *s)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	enum fault_state ours = atomic_load(&s->state);
	int saved = errno;
	bool shut;
	int state;

	if (!is_listener(s) &&
	    (ours < STATE_ESTABLISHED || ours > STATE_LAST_ACK))
		return;
	next.poll(&p, 1, 0);
	state = settled_state(fd);
	shut = is_listener(s) ? state == TCP_CLOSE
	                      : has_shut_down(p.revents, state);
	/* Looked at last: they are set before our own levers are moved. */
	if (atomic_load(&s->flags) & (SOCK_EOF | SOCK_LEVER | SOCK_LEVERING))
		shut = false;
	if (shut)
		atomic_fetch_or(&s->flags, SOCK_SHUT_RD);
	if (!is_listener(s) && has_sent_fin(state))
		note_finished(fd, s);
	errno = saved;
}

/* One word says it: a new hold that is being noted meanwhile is left alone. */
void gates_end(int fd, struct fault_sock *s, enum gate gate)
{
	struct fault_hold *h = gates_hold(s, gate);
	uint64_t until = atomic_load(&h->until);

	if (gate == GATE_OF_OPEN)
		atomic_store(&h->rule, 0);
	if (until)
		atomic_compare_exchange_strong(&h->until, &until, 1);
	if (gate == GATE_OF_TX)
		atomic_store(&s->tx_budget, 0);
	gates_open(fd, s, gate);
}

/*
 * HUP of both sides having finished is no error: the data and the FIN are
 * what is held.  Nor is that of its program's own shutdown.
 */
bool gates_collapse(int fd, struct fault_sock *s, enum gate gate)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	int saved = errno;
	short ends = POLLERR | POLLHUP;

	if (next.poll(&p, 1, 0) <= 0)
		p.revents = 0;
	/* Seen by the program, perhaps, before the helper has. */
	if ((gate == GATE_OF_TX || p.revents) && !(p.revents & POLLERR) &&
	    !gates_ended(s, gate))
		gates_find_shutdown(fd, s);
	if (gates_finished(s) || gates_shut_down(s))
		ends = POLLERR;
	ends = is_listener(s) ? 0 : ends & p.revents;
	if (ends)
		gates_end(fd, s, gate);
	errno = saved;
	return ends;
}

/* --- armed: the next arrival is known to be held ------------------------- */

/* Whatever call of the family receives it: the class selects them all. */
static bool selects_every_recv(const struct plan_rule *r)
{
	const struct plan_class *c = &plan_classes(shim.plan)[r->class_index];

	for (unsigned i = 0; i < N_CALLS; i++)
		if (fault_calls[i].family == FAMILY_RECV &&
		    fault_calls[i].kind == FAULT_INJECT &&
		    !plan_class_has_call(c, i))
			return false;
	return true;
}

static bool holds_arrivals(const struct plan_rule *r)
{
	return (r->actions[0].kind == ACTION_DELAY ||
	        r->actions[0].kind == ACTION_STALL) &&
	       selects_every_recv(r);
}

/* The rule that the next receive will meet, + 1. */
static uint32_t next_rule(struct fault_sock *s, struct engine_call *e,
                          struct engine_choice *choice)
{
	/* Asked for each entry of each poll: mostly nothing is near. */
	if (!shim.timed && engine_quiet(shim.run, atomic_load(&s->first_watch),
	                                FAMILY_BIT(FAMILY_RECV)))
		return 0;
	decide_describe(e, FAULT_CALL_recv, s);
	e->want = 1;
	if (!e->first_watch)
		return 0;
	engine_look(shim.plan, shim.run, e, choice);
	if (choice->rule < 0 ||
	    !holds_arrivals(&plan_rules(shim.plan)[choice->rule]))
		return 0;
	return (uint32_t)choice->rule + 1;
}

void gates_consider(int fd, struct fault_sock *s)
{
	struct engine_call e = {0};
	struct engine_choice choice;
	enum fault_state state = atomic_load(&s->state);
	uint32_t rule, none = 0;

	if (state < STATE_ESTABLISHED || state > STATE_FIN_WAIT ||
	    atomic_load(&s->rx_armed) || atomic_load(&s->rx_hold.until) ||
	    atomic_load(&s->rx_visible) || atomic_load(&s->flags) & SOCK_EOF)
		return;
	rule = next_rule(s, &e, &choice);
	if (!rule || !atomic_compare_exchange_strong(&s->rx_armed, &none, rule))
		return;
	socks_remember(fd, fds_word(fd));
	if (!keeper_start()) {
		atomic_store(&s->rx_armed, 0);
		return;
	}
	keeper_watch(fd, s);
	regs_apply(s);
	/* It may have ended just before it was told. */
	keeper_start();
}

/*
 * Poll, since a peek would take a pending error.  What is there: nothing, data
 * or FIN, or an error, before which no rule has a place.
 */
static short arrival(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

	return next.poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static void hold_for(int fd, struct fault_sock *s, uint32_t rule, uint64_t draw)
{
	const struct plan_rule *r = &plan_rules(shim.plan)[rule - 1];
	const struct plan_action *a = &r->actions[0];
	bool counts = arrivals_count(r);
	uint64_t from = counts ? arrivals_first(fd, s) : shim_now();
	uint64_t until = RUN_FOREVER;

	if (a->kind == ACTION_DELAY)
		until = from + engine_delay(shim.plan, a, draw);
	else if (a->value)
		until = from + a->value;
	gates_shut(fd, s, GATE_OF_RX, until, rule | RUN_UNRECORDED, 0);
	if (counts)
		arrivals_held(fd, s, from, until);
}

/*
 * The arrival is not held after all.  A call that met it was refused: the edge
 * is owed, and given before the masks, so that a parked one has a single edge.
 */
static void let_arrive(int fd, struct fault_sock *s)
{
	uint64_t arriving = GATES_ARRIVING;

	if (atomic_compare_exchange_strong(&s->rx_hold.until, &arriving, 0))
		gates_kick_in(fd, s);
	regs_apply(s);
}

/* The arrival is the call that counts; the one that fetches it is the same. */
static void hold_arrival(int fd, struct fault_sock *s)
{
	struct engine_call e = {0};
	struct engine_choice choice;
	uint32_t rule = next_rule(s, &e, &choice);

	e.now_ns = shim_now();
	if (!rule || !engine_take(shim.plan, shim.run, &e, &choice)) {
		let_arrive(fd, s);
	} else {
		self_follow(rule - 1);
		hold_for(fd, s, rule, choice.draw);
	}
	/* Those that met GATES_ARRIVING look again. */
	keeper_wake_waits(s, GATE_OF_RX);
}

static void unarm(struct fault_sock *s)
{
	atomic_store(&s->rx_armed, 0);
	regs_apply(s);
}

void gates_reconsider(int fd, struct fault_sock *s)
{
	struct engine_call e = {0};
	struct engine_choice choice;
	uint32_t armed = atomic_load(&s->rx_armed);

	if (armed && next_rule(s, &e, &choice) != armed)
		unarm(s);
	if (regs_any(s))
		gates_consider(fd, s);
}

/*
 * Held first, unarmed then: a call that finds it unarmed finds the hold.  The
 * rest of the hold is another's until the word is ours.  If it is that of a
 * call, which was on its way when the gate was armed, there is nothing to wait
 * for: armed, it would hide what is there when that hold is over.
 */
static void claim_arrival(int fd, struct fault_sock *s)
{
	uint64_t until = 0;

	if (!atomic_load(&s->rx_armed))
		return;
	if (!atomic_compare_exchange_strong(&s->rx_hold.until, &until,
	                                    GATES_ARRIVING)) {
		if (until != GATES_ARRIVING)
			unarm(s);
		return;
	}
	if (atomic_exchange(&s->rx_armed, 0))
		hold_arrival(fd, s);
	else
		let_arrive(fd, s);
}

void gates_arrived(int fd, struct fault_sock *s)
{
	short here = arrival(fd);
	int saved = errno;

	if (here & POLLERR)
		unarm(s);
	else if (!here)
		keeper_watch(fd, s);
	else
		claim_arrival(fd, s);
	errno = saved;
}

bool gates_take_armed(struct fault_sock *s)
{
	return (atomic_load(&s->rx_armed) &&
	        atomic_exchange(&s->rx_armed, 0)) ||
	       !atomic_load(&s->rx_hold.until);
}

/* --- before this process goes -------------------------------------------- */

/* The image that follows knows nothing of this one's sockets. */
static bool survives_unknown(uint64_t word)
{
	return shim.alone && atomic_load(&shim.left) && !(word & FDS_CLOEXEC);
}

static void release(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);
	const struct our_sock *o = s ? ours_peek(s) : NULL;

	(void)context;
	if (o && (!(word & FDS_CLOEXEC) || atomic_load(&shim.ended)))
		late_release(fd, s);
	for (enum gate g = 0; s && g < N_GATES_OF; g++)
		if ((o && atomic_load(&o->until[g])) ||
		    (survives_unknown(word) && gates_closed_here(s, g)))
			gates_open(fd, s, g);
	/* What the helper has begun, or put off. */
	if (s && regs_any(s))
		regs_apply(s);
}

/* What another process that shares a socket still holds, it holds again. */
void gates_release_all(void)
{
	if (shim.lasting)
		fds_each(0, INT32_MAX, release, NULL);
}
