/*
 * decide.c - see decide.h.
 */
#include "decide.h"
#include "self.h"
#include "stack.h"

#include "poison.h"

const struct plan_rule *decide_rule(const struct shim_call *c)
{
	return &plan_rules(shim.plan)[c->choice.rule];
}

static void fill_sock(struct engine_call *e, const struct fault_sock *s)
{
	e->first_watch = atomic_load(&s->first_watch);
	e->connection = atomic_load(&s->connection);
	e->role = atomic_load(&s->role);
	e->state = atomic_load(&s->state);
	e->seen = atomic_load(&s->rx_bytes);
	e->opened_ns = atomic_load(&s->opened_ns);
	e->last_ns = atomic_load(&s->last_ns);
}

static void fill_stream(struct engine_call *e, const struct fault_sock *s)
{
	bool rx = e->direction == DIRECTION_RX;

	e->offset = atomic_load(rx ? &s->rx_bytes : &s->tx_bytes);
	e->turn = atomic_load(rx ? &s->rx_turn : &s->tx_turn);
	e->turn_begins = atomic_load(&s->last_direction) != e->direction;
	if (e->turn_begins)
		e->turn++;
}

static void fill_clocks(struct engine_call *e)
{
	const struct fault_program_state *p =
		&run_programs(shim.run)[shim.program];

	e->now_ns = shim_now();
	e->program_started_ns = atomic_load(&p->started_ns);
}

void decide_describe(struct engine_call *e, enum fault_call id,
                     const struct fault_sock *s)
{
	e->call = id;
	e->program = shim.program;
	e->process_cells = shim.process_cells;
	e->direction = fault_families[fault_calls[id].family].direction;
	if (s) {
		fill_sock(e, s);
		if (e->direction != DIRECTION_NONE)
			fill_stream(e, s);
	}
	if (shim.timed)
		fill_clocks(e);
}

/* A socket that is not connected has no list: made for this call. */
static void watch_fresh(struct shim_call *c)
{
	enum fault_state state = atomic_load(&c->sock->state);

	if (state != STATE_NEW && state != STATE_BOUND)
		return;
	if (shim.fresh_families & FAMILY_BIT(c->row->family))
		socks_rewatch_fresh(c->sock);
}

/*
 * A socket that no rule can select yet, as far as this call is concerned: no
 * list is needed.
 */
static bool is_blank(const struct shim_call *c)
{
	const struct fault_sock *s = c->sock;
	enum fault_state state = atomic_load(&s->state);

	return (state == STATE_NEW || state == STATE_BOUND) &&
	       !(shim.blank_families & FAMILY_BIT(c->row->family)) &&
	       !atomic_load(&s->local_port) && !atomic_load(&s->role) &&
	       !s->peer.family;
}

/* Only as far as a rule asks that could select this call. */
static NOINLINE void look_who_calls(struct shim_call *c)
{
	uint64_t wanted = engine_callers(shim.plan, shim.run, &c->e);

	c->e.callers = wanted ? stack_callers(c->caller, wanted) : 0;
}

bool decide_look(struct shim_call *c)
{
	if (!shim.plan->n_rules || (c->sock && is_blank(c)))
		return false;
	if (c->sock)
		watch_fresh(c);
	decide_describe(&c->e, c->id, c->sock);
	if (!c->sock)
		c->e.first_watch = shim.process_watch;
	if (!c->e.first_watch)
		return false;
	if (UNLIKELY(shim.callers))
		look_who_calls(c);
	engine_look(shim.plan, shim.run, &c->e, &c->choice);
	return c->choice.rule >= 0 || c->choice.cut;
}

void decide_count(struct shim_call *c)
{
	if (c->e.first_watch && call_owns_sock(c))
		engine_count(shim.plan, shim.run, &c->e);
}

static enum fault_gate gate_of(struct shim_call *c, const struct plan_rule *r)
{
	struct engine_facts facts;

	facts_collect(c, r, &facts);
	for (unsigned i = 0; i < r->n_actions; i++) {
		enum fault_gate g =
			engine_gate(&c->e, r, &r->actions[i], &facts);

		if (g != GATE_NONE)
			return g;
	}
	return GATE_NONE;
}

/* The first due rule that no gate forbids; those before it stay due. */
static bool pass_gates(struct shim_call *c)
{
	while (c->choice.rule >= 0) {
		enum fault_gate gate = gate_of(c, decide_rule(c));

		if (gate == GATE_NONE)
			return true;
		engine_gated(shim.run, &c->choice, gate);
		if (c->sock)
			record_sock_event(RECORD_GATED, c->sock, c->fd, gate,
			                  (uint32_t)c->choice.rule + 1);
		engine_look_next(shim.plan, shim.run, &c->e, &c->choice);
	}
	return false;
}

/*
 * Closed behind our back; by another thread just now, and the word is that of
 * the number's next owner; or in a child of vfork, whose table it is not.
 */
bool decide_stale(struct shim_call *c)
{
	if (!c->sock || c->row->family == FAMILY_CLOSE ||
	    socks_same(c->fd, c->sock))
		return false;
	if (call_owns_sock(c) && fds_mine())
		socks_forget_if(c->fd, c->sock);
	return true;
}

bool decide_claim(struct shim_call *c, bool *ret_counted)
{
	*ret_counted = false;
	if (!pass_gates(c))
		return false;
	/* For the first hit's time; hits are rare, the look is not. */
	c->e.now_ns = shim_now();
	*ret_counted = true;
	if (!engine_take(shim.plan, shim.run, &c->e, &c->choice))
		return false;
	c->rule = (uint32_t)c->choice.rule + 1;
	self_follow((uint32_t)c->choice.rule);
	return true;
}

/* What needs no lever, or is no fault at all without the rest. */
static bool leaves_a_trace(const struct plan_action *a)
{
	return a->kind == ACTION_DELAY || a->kind == ACTION_KILL ||
	       a->kind == ACTION_SHORT || a->kind == ACTION_CORRUPT;
}

void decide_failed(struct shim_call *c)
{
	const struct plan_rule *r = decide_rule(c);

	for (unsigned i = 0; i < r->n_actions; i++)
		if (leaves_a_trace(&r->actions[i])) {
			engine_gated(shim.run, &c->choice, GATE_LEVER);
			return;
		}
	engine_withdraw(shim.run, &c->choice, GATE_LEVER);
	c->rule = 0;
}

void decide_not_made(struct shim_call *c)
{
	if (decide_rule(c)->n_actions > 1) {
		engine_gated(shim.run, &c->choice, GATE_LEVER);
		return;
	}
	engine_withdraw(shim.run, &c->choice, GATE_LEVER);
	c->rule = 0;
}

void decide_and_make(struct shim_call *c)
{
	decide_and_make_by(c, call_real);
}

void decide_and_make_by(struct shim_call *c, void (*make)(struct shim_call *))
{
	bool counted = false;
	bool due;

	record_enter(c);
	due = decide_look(c) && c->choice.rule >= 0 && !decide_stale(c);
	if (due && decide_claim(c, &counted))
		act(c);
	else
		make(c);
	if (!due || !counted)
		decide_count(c);
}
