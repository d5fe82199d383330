/*
 * gate.c - the realism gates (tcp-semantics.md, section 2).
 *
 * Can the kernel have done this, to this socket, at this call?  `force` lets
 * everything pass but what is not built.  Asked only when a rule is due.
 */
#include <errno.h>

#include "engine/engine.h"

/* States in which a connection can still be reset by its peer. */
enum {
	OPEN_STATES = STATE_BIT(STATE_ESTABLISHED) | STATE_BIT(STATE_FIN_WAIT) |
	              STATE_BIT(STATE_CLOSE_WAIT) | STATE_BIT(STATE_LAST_ACK),
};

static enum fault_family family_of(const struct engine_call *call)
{
	return fault_calls[call->call].family;
}

static bool in_states(const struct engine_call *call, uint32_t states)
{
	return !states || states & STATE_BIT(call->state);
}

/*
 * G1.  A call with a time-out is never restarted (signal(7)), so that any
 * handler interrupts it; others only a handler without SA_RESTART.
 */
static bool can_be_interrupted(const struct engine_facts *f)
{
	if (f->nonblocking)
		return false;
	return f->handler_norestart || (f->handler && f->timeout);
}

/* The bytes are there, the program knows: it neither waits nor finds none. */
static bool breaks_promise(const struct engine_call *call, int err,
                           const struct engine_facts *f)
{
	return f->peek_promised && family_of(call) == FAMILY_RECV &&
	       (err == EAGAIN || err == EINTR);
}

static enum fault_gate gate_error(const struct engine_call *call,
                                  const struct plan_action *a,
                                  const struct engine_facts *f)
{
	const struct fault_errno_row *row;

	if (a->flags & PLAN_ACTION_EAI)
		return GATE_NONE;
	row = fault_errno_find(call->call, a->err);
	if (!row || row->tier == TIER_C || !in_states(call, row->states))
		return GATE_STATE;
	if (row->gate == GATE_G1 && !can_be_interrupted(f))
		return GATE_G1;
	if (row->gate == GATE_G2 && !f->nonblocking && !f->timeout)
		return GATE_G2;
	return breaks_promise(call, a->err, f) ? GATE_G5 : GATE_NONE;
}

static enum fault_gate gate_short(const struct engine_call *call,
                                  const struct plan_action *a,
                                  const struct engine_facts *f)
{
	if (engine_short(a, call->want) >= call->want)
		return GATE_LENGTH;
	if (family_of(call) == FAMILY_RECV)
		return f->peek_promised || f->whole ? GATE_G5 : GATE_NONE;
	if (f->nonblocking || f->timeout || f->handler || f->handler_norestart)
		return GATE_NONE;
	return GATE_G4;
}

/* On accept it is the new connection that is born dead. */
static enum fault_gate gate_reset(const struct engine_call *call)
{
	if (family_of(call) == FAMILY_ACCEPT || in_states(call, OPEN_STATES))
		return GATE_NONE;
	return GATE_STATE;
}

static bool waits_for_readiness(const struct engine_call *call)
{
	enum fault_family family = family_of(call);

	return family == FAMILY_SEND || family == FAMILY_RECV ||
	       family == FAMILY_ACCEPT || family == FAMILY_CONNECT;
}

/* Not built yet; `force` does not help. */
static bool later(const struct engine_call *call, const struct plan_action *a,
                  const struct engine_facts *f)
{
	if (!fault_actions[a->kind].ready)
		return true;
	return a->kind == ACTION_DELAY && f->nonblocking &&
	       waits_for_readiness(call);
}

enum fault_gate engine_gate(const struct engine_call *call,
                            const struct plan_rule *rule,
                            const struct plan_action *action,
                            const struct engine_facts *facts)
{
	if (later(call, action, facts))
		return GATE_LATER;
	if (rule->flags & PLAN_RULE_FORCE)
		return GATE_NONE;
	if (action->kind == ACTION_ERROR)
		return gate_error(call, action, facts);
	if (action->kind == ACTION_SHORT)
		return gate_short(call, action, facts);
	if (action->kind == ACTION_RESET)
		return gate_reset(call);
	return GATE_NONE;
}
