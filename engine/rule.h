/*
 * rule.h - one rule and one call: events, conditions, what is spent.
 *
 * Inside the engine only.
 *
 * A rule has at most one kind of *event*, the first of these that it names:
 *
 *   bytes   mark k of `bytes` lies at offset k * bytes_unit of the direction;
 *           the event is the first counted call that begins at or behind it
 *   turn    the first counted call of a turn that the pick contains
 *   nth     the call whose number in its class the pick contains
 *   none    every counted call
 *
 * The rest are *conditions* at that call: armed, times, seen, age, idle,
 * after, for, and `turn` or `nth` beside a stronger event.
 *
 * What becomes of an event at the call where it occurs:
 *
 *   the rule acts                          spent, a hit
 *   an earlier rule acts                   spent, counted as shadowed
 *   a condition does not hold              it passes: spent, nothing counted
 *   a gate forbids it, or another thread   held: due again at the next
 *   counted between look and take          counted call
 *
 * Where that is remembered: fault_cell.mark.  A rule with `bytes` or `turn`
 * has a class of its own.
 *
 *   bytes   the last mark spent; a held one is simply not spent
 *   turn    the last turn spent << 1; bit 0: its event is held
 *   self    (a rule without `call`, self.c) the arming in which it acted last
 *   nth     bit i: an event of the class's i-th rule is held.  What is spent
 *           needs no record: each number of a class is given to exactly one
 *           call (atomic add), and that call settles the events at it
 *
 * Several held events of one rule in one cell are one.
 */
#ifndef FAULT_ENGINE_RULE_H
#define FAULT_ENGINE_RULE_H

#include "engine/engine.h"

/* What a draw is for: independent questions get independent draws. */
enum engine_purpose {
	PURPOSE_AMOUNT, /* engine_choice.draw */
	PURPOSE_NTH,
	PURPOSE_TURN,
	PURPOSE_BYTES,
	PURPOSE_CONNECTION,
	PURPOSE_NOISE, /* ordinal: eight bytes of the stream each */
};

/* One rule as the `position`-th of its class, at one call. */
struct engine_case {
	const struct fault_plan *plan;
	const struct fault_run *run;
	const struct engine_call *call;
	const struct plan_rule *rule;
	uint32_t index;    /* of the rule */
	uint32_t position; /* in its class */
	uint32_t number;   /* of the call in the class, from 1 */
};

static inline const struct fault_rule_state *
engine_rule_state(const struct fault_run *run, uint32_t index)
{
	const char *base = (const char *)run + run->rules_off;

	return (const struct fault_rule_state *)base + index;
}

static inline const struct fault_watch *
engine_watches(const struct fault_run *r)
{
	return (const struct fault_watch *)((const char *)r + r->watches_off);
}

/* Of a list that may be given back, and reused, while it is read. */
static inline uint32_t engine_watch_next(const struct fault_watch *w)
{
	return __atomic_load_n(&w->next, __ATOMIC_RELAXED);
}

static inline const struct fault_cell *engine_cells(const struct fault_run *r)
{
	return (const struct fault_cell *)((const char *)r + r->cells_off);
}

/* The index of the cell in which this watch counts the call. */
static inline uint32_t engine_cell_of(const struct fault_run *r,
                                      const struct engine_call *call,
                                      const struct fault_watch *w)
{
	if (__builtin_expect(w->cell != ENGINE_CELL_OF_PROCESS, 1))
		return w->cell;
	if (call->process_cells)
		return call->process_cells + w->class_index;
	return run_program_cell(r, call->program, w->class_index);
}

static inline const uint16_t *engine_class_rules(const struct fault_plan *p,
                                                 const struct plan_class *c)
{
	return (const uint16_t *)plan_at(p, c->rules_off);
}

static inline uint32_t engine_family_bit(enum fault_call call)
{
	return 1u << fault_calls[call].family;
}

static inline bool engine_class_selects(const struct fault_plan *p,
                                        const struct plan_class *c,
                                        const struct engine_call *call)
{
	return plan_class_has_call(c, call->call) &&
	       (!c->states || c->states & STATE_BIT(call->state)) &&
	       (!c->caller || call->callers >> (c->caller - 1) & 1) &&
	       (!c->host_off ||
	        engine_host_matches(plan_string(p, c->host_off), call->host));
}

/* The decision that goes with this rule, the call's connection and ordinal. */
uint64_t engine_case_draw(const struct engine_case *k, uint32_t ordinal,
                          enum engine_purpose purpose);

/* Do the conditions hold that do not depend on the event? */
bool engine_conditions(const struct engine_case *k);

/*
 * When they hold by the clock alone, as things are: 0: now; UINT64_MAX: one of
 * another kind does not hold, or its clock has not begun.
 */
uint64_t engine_conditions_from(const struct engine_case *k);

/* Is an event of the rule waiting or occurring, with the cell's mark so? */
bool engine_event(const struct engine_case *k, uint32_t mark);

/*
 * The event is used up: by a hit, or shadowed.  The call has the number
 * k->number.  False when there is none for this call: another thread was
 * first.
 */
bool engine_spend(const struct engine_case *k, struct fault_cell *cell);

/* The event, if one occurs at this call, stays due. */
void engine_hold(const struct engine_case *k, struct fault_cell *cell);

/* The event, if one occurs at this call, passes: a condition does not hold. */
void engine_pass(const struct engine_case *k, struct fault_cell *cell);

/*
 * Will the rule never be due again, whatever comes?  A window (`for`) that is
 * over begins anew when the rule is armed again, which only one with a name
 * can be: no cell then gives it up, so that arming has no cell to change.
 */
bool engine_exhausted(const struct engine_case *k);

/* Counts a hit, never more than `times` of them, and notes the first. */
bool engine_claim_hit(struct fault_rule_state *s, uint32_t times,
                      uint64_t now_ns);

/*
 * The smallest number >= k->number at which the rule may be due with the
 * cell's mark so; UINT32_MAX: never.
 */
uint32_t engine_next_due(const struct engine_case *k, uint32_t mark);

/* The same by its events alone, as if every hit were still to come. */
uint32_t engine_event_due(const struct engine_case *k, uint32_t mark);

/*
 * Bytes from the call's offset to the next mark of a `bytes` rule, if that
 * lies inside the call; 0 if none does.
 */
uint64_t engine_cut(const struct engine_case *k, uint32_t mark);

#endif
