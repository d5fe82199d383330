/*
 * gate.c - the realism gates.
 *
 * Can the kernel have done this, to this socket, at this call?  `force` lets
 * everything pass but what is not built.  Asked only when a rule is due.
 */
#include <errno.h>

#include "engine/engine.h"

/* N_FAMILIES: nobody calls. */
static enum fault_family family_of(const struct engine_call *call)
{
	return call->call ? fault_calls[call->call].family : N_FAMILIES;
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

/*
 * What happens to a connection needs one that is in such a state.  On a
 * listener it happens to what is, or comes, into its queue; on connect to what
 * is to be one.
 */
static uint32_t states_for(const struct engine_call *call,
                           const struct fault_action_row *row)
{
	if (!row->states)
		return 0;
	if (family_of(call) == FAMILY_ACCEPT)
		return STATE_BIT(STATE_LISTEN);
	if (family_of(call) == FAMILY_CONNECT)
		return STATE_BIT(STATE_NEW) | STATE_BIT(STATE_BOUND) |
		       STATE_BIT(STATE_REFUSED);
	return row->states;
}

/*
 * An ICMP message or the end of all tries; a missing local port or a firewall
 * of this machine (EADDRNOTAVAIL, EPERM, EACCES) speaks at once or never; a
 * late EACCES exists in ICMPv6 only.
 */
static bool comes_late(int err)
{
	const struct fault_errno_row *row =
		fault_errno_find(FAULT_CALL_connect, err);

	return row && (row->how == HOW_REFUSE || err == ENETUNREACH);
}

int engine_late_outcome(const struct plan_rule *rule,
                        const struct plan_action *lasting)
{
	const struct plan_action *a = lasting + 1;
	const struct plan_action *end = rule->actions + rule->n_actions;

	if (a == end || (a->kind == ACTION_PASS && a + 1 == end))
		return 0;
	return a->kind == ACTION_ERROR && comes_late(a->err) ? a->err : -1;
}

static bool waits_for_readiness(const struct engine_call *call)
{
	enum fault_family family = family_of(call);

	return family == FAMILY_SEND || family == FAMILY_RECV ||
	       family == FAMILY_ACCEPT || family == FAMILY_CONNECT;
}

/*
 * A delay behind `pass` keeps the caller itself, which an event loop must never
 * be; before the call it is the socket that is not ready.  `force` does not
 * help.
 */
static bool stalls_loop(const struct engine_call *call,
                        const struct plan_rule *rule,
                        const struct plan_action *action,
                        const struct engine_facts *f)
{
	bool connects = family_of(call) == FAMILY_CONNECT;

	if ((action->kind != ACTION_DELAY &&
	     !(connects && action->kind == ACTION_STALL)) ||
	    !f->nonblocking || !waits_for_readiness(call))
		return false;
	if (connects && engine_late_outcome(rule, action) < 0)
		return true;
	for (const struct plan_action *a = rule->actions; a < action; a++)
		if (a->kind == ACTION_PASS)
			return true;
	return false;
}

/* sendfile(2) moves what no buffer of the program's holds.  No `force`. */
static bool data_pass_by(const struct engine_call *call,
                         const struct plan_action *action,
                         const struct engine_facts *facts)
{
	return action->kind == ACTION_CORRUPT &&
	       (fault_calls[call->call].shape.kind == SHAPE_LEN ||
	        facts->no_buffer);
}

bool engine_by_reset(enum fault_call call, int err)
{
	const struct fault_errno_row *row = fault_errno_find(call, err);

	return row && (row->how == HOW_RESET || row->how == HOW_BROKEN ||
	               row->how == HOW_RENAME);
}

static bool has_shut_down(const struct engine_call *call)
{
	return in_states(call,
	                 STATE_BIT(STATE_FIN_WAIT) | STATE_BIT(STATE_LAST_ACK));
}

/* What is sent meets EPIPE, and what is received 0, whatever is done to it. */
static bool moves_nothing(const struct engine_call *call,
                          const struct engine_facts *facts)
{
	static const uint32_t fin_read =
		STATE_BIT(STATE_CLOSE_WAIT) | STATE_BIT(STATE_LAST_ACK);

	if (family_of(call) == FAMILY_SEND)
		return has_shut_down(call);
	if (family_of(call) == FAMILY_RECV)
		return facts->at_end || in_states(call, fin_read);
	return call->state == STATE_LAST_ACK;
}

/*
 * Nothing would come of it, and a hit without a fault is a lie.  A FIN that is
 * still to be read may come late: `stall`.  No `force`.
 */
static bool comes_too_late(const struct engine_call *call,
                           const struct plan_action *action,
                           const struct engine_facts *facts)
{
	static const struct engine_facts fin_may_come;

	switch (action->kind) {
	case ACTION_ERROR:
		return facts->over && engine_by_reset(call->call, action->err);
	case ACTION_RESET:
		return facts->over;
	case ACTION_EOF:
		return facts->at_end && (action->flags & PLAN_ACTION_HALF ||
		                         has_shut_down(call));
	case ACTION_DELAY: /* neither EPIPE nor an end that was read waits */
		return (family_of(call) == FAMILY_SEND ||
		        family_of(call) == FAMILY_RECV) &&
		       moves_nothing(call, &fin_may_come);
	case ACTION_STALL:
		return moves_nothing(call, &fin_may_come);
	case ACTION_SHORT:
	case ACTION_RATE:
	case ACTION_CORRUPT:
		return moves_nothing(call, facts);
	default:
		return false;
	}
}

enum fault_gate engine_gate(const struct engine_call *call,
                            const struct plan_rule *rule,
                            const struct plan_action *action,
                            const struct engine_facts *facts)
{
	if (stalls_loop(call, rule, action, facts))
		return GATE_LOOP;
	if (data_pass_by(call, action, facts))
		return GATE_DATA;
	if (comes_too_late(call, action, facts))
		return GATE_OVER;
	if (rule->flags & PLAN_RULE_FORCE)
		return GATE_NONE;
	if (action->kind == ACTION_ERROR)
		return gate_error(call, action, facts);
	if (action->kind == ACTION_SHORT)
		return gate_short(call, action, facts);
	return in_states(call, states_for(call, &fault_actions[action->kind]))
	               ? GATE_NONE
	               : GATE_STATE;
}
