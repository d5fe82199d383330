/*
 * self.c - rules without `call`, and arming (engine.h).
 *
 * A rule without `call` has a class of its own; its cell belongs to one
 * connection, or to one process.  cell.mark is the number of the arming
 * (fault_rule_state.armings, from 1) in which it acted there last.  The mark
 * only rises, and who raises it has claimed the rule: one compare-and-swap,
 * from any thread of any process.
 *
 * Order when a rule is armed: its window is opened and the arming is counted
 * before `armed` says so, and who claims reads `armed` first.  So a rule that
 * was seen armed is claimed for that arming, or for a later one.
 */
#include "engine/rule.h"

/* A rule without `call`, at one connection or process. */
struct own_case {
	struct engine_case k;
	uint32_t cell;
	const struct engine_facts *facts;
};

static bool fill(struct own_case *o, const struct fault_watch *w)
{
	const struct fault_plan *plan = o->k.plan;
	const struct plan_class *c = &plan_classes(plan)[w->class_index];

	if (!plan_class_is_self(c) ||
	    (c->states && !(c->states & STATE_BIT(o->k.call->state))))
		return false;
	o->k.index = engine_class_rules(plan, c)[0];
	o->k.rule = &plan_rules(plan)[o->k.index];
	o->cell = engine_cell_of(o->k.run, o->k.call, w);
	return true;
}

/*
 * The rule of the list's next class that acts by itself, and that the state
 * does not exclude.  w: index of the watch to begin with, moved behind it;
 * class_from: no class before it (the list may be reused under us).
 */
static bool next_own(struct own_case *o, uint32_t *w, uint32_t *class_from)
{
	const struct fault_watch *watches = engine_watches(o->k.run);

	while (*w && watches[*w].class_index >= *class_from) {
		const struct fault_watch *this = &watches[*w];

		*class_from = this->class_index + 1;
		*w = engine_watch_next(this);
		if (fill(o, this))
			return true;
	}
	return false;
}

/* The arming that has not acted here yet, 0: the present one has. */
static uint32_t unspent(const struct own_case *o)
{
	const struct fault_rule_state *s =
		engine_rule_state(o->k.run, o->k.index);
	uint32_t armings = atomic_load(&s->armings);
	uint32_t mark = atomic_load(&engine_cells(o->k.run)[o->cell].mark);

	return mark < armings ? armings : 0;
}

/* Of many that see the rule due, one raises the mark. */
static bool spend(struct fault_cell *cell, uint32_t arming)
{
	uint32_t mark = atomic_load(&cell->mark);

	while (mark < arming) {
		if (atomic_compare_exchange_weak(&cell->mark, &mark, arming))
			return true;
	}
	return false;
}

/* Nobody calls: only the state of the connection counts. */
static enum fault_gate gate_of(const struct own_case *o)
{
	enum fault_gate gate = GATE_NONE;

	for (unsigned i = 0; i < o->k.rule->n_actions && !gate; i++)
		gate = engine_gate(o->k.call, o->k.rule, &o->k.rule->actions[i],
		                   o->facts);
	return gate;
}

static bool take(struct own_case *o, struct fault_run *run,
                 struct engine_choice *choice)
{
	struct fault_rule_state *s = &run_rules(run)[o->k.index];
	enum fault_gate gate;

	if (!engine_conditions(&o->k))
		return false;
	o->k.number = unspent(o);
	if (!o->k.number || !spend(&run_cells(run)[o->cell], o->k.number))
		return false;
	*choice = (struct engine_choice){.rule = (int32_t)o->k.index,
	                                 .ordinal = o->k.number};
	gate = gate_of(o);
	if (gate) {
		engine_gated(run, choice, gate);
		return false;
	}
	choice->draw = engine_case_draw(&o->k, o->k.number, PURPOSE_AMOUNT);
	return engine_claim_hit(s, o->k.rule->times, o->k.call->now_ns);
}

bool engine_self_take(const struct fault_plan *plan, struct fault_run *run,
                      const struct engine_call *call,
                      const struct engine_facts *facts,
                      struct engine_choice *choice)
{
	struct own_case o = {.k = {.plan = plan, .run = run, .call = call},
	                     .facts = facts};
	uint32_t w = call->first_watch, class_from = 0;

	while (next_own(&o, &w, &class_from)) {
		if (take(&o, run, choice))
			return true;
	}
	*choice = (struct engine_choice){.rule = -1};
	return false;
}

uint64_t engine_self_when(const struct fault_plan *plan,
                          const struct fault_run *run,
                          const struct engine_call *call)
{
	struct own_case o = {.k = {.plan = plan, .run = run, .call = call}};
	uint32_t w = call->first_watch, class_from = 0;
	uint64_t earliest = UINT64_MAX;

	while (next_own(&o, &w, &class_from)) {
		uint64_t when = engine_conditions_from(&o.k);

		if (when < earliest && unspent(&o))
			earliest = when;
	}
	return earliest;
}

bool engine_self_follows(const struct fault_plan *plan, uint32_t rule)
{
	for (uint32_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *r = &plan_rules(plan)[i];

		if (r->after_rule == rule + 1 &&
		    plan_class_is_self(&plan_classes(plan)[r->class_index]))
			return true;
	}
	return false;
}

/* --- arming --------------------------------------------------------------- */

void engine_arm(struct fault_run *run, uint32_t rule, bool armed)
{
	engine_arm_rule(&run_rules(run)[rule], armed);
}

void engine_arm_rule(struct fault_rule_state *s, bool armed)
{
	if (armed) {
		atomic_store(&s->first_hit_ns, 0);
		atomic_fetch_add(&s->armings, 1);
	}
	atomic_store(&s->armed, armed);
}

/*
 * No call of the class can be due any more, for all of the program.  Classes
 * that count per connection or process begin anew with the next one.
 */
static bool is_used_up(const struct fault_run *run, const struct plan_class *c,
                       uint32_t index, uint32_t program)
{
	uint32_t cell;

	if (c->per == PER_PROGRAM)
		cell = run_program_cell(run, program, index);
	else if (c->per == PER_RUN)
		cell = run_run_cell(run, index);
	else
		return false;
	return atomic_load(&engine_cells(run)[cell].next_due) == UINT32_MAX;
}

/* A rule of the class that lasts, is armed or not, and has `times` left. */
static bool has_lasting(const struct fault_plan *plan,
                        const struct fault_run *run, const struct plan_class *c,
                        bool armed)
{
	const uint16_t *rules = engine_class_rules(plan, c);

	for (uint32_t i = 0; i < c->n_rules; i++) {
		const struct plan_rule *r = &plan_rules(plan)[rules[i]];
		const struct fault_rule_state *s =
			engine_rule_state(run, rules[i]);

		if (plan_rule_lasts(c, r) && (armed || r->name_off) &&
		    !!atomic_load(&s->armed) == armed &&
		    (!r->times || atomic_load(&s->hits) < r->times))
			return true;
	}
	return false;
}

static bool any_lasting(const struct fault_plan *plan,
                        const struct fault_run *run, uint32_t program,
                        bool armed)
{
	for (uint32_t i = 0; i < plan->n_classes; i++) {
		const struct plan_class *c = &plan_classes(plan)[i];

		if (c->families & PLAN_LASTING && c->programs >> program & 1 &&
		    !is_used_up(run, c, i, program) &&
		    has_lasting(plan, run, c, armed))
			return true;
	}
	return false;
}

bool engine_lasting_alive(const struct fault_plan *plan,
                          const struct fault_run *run, uint32_t program)
{
	return any_lasting(plan, run, program, true);
}

bool engine_may_be_armed(const struct fault_plan *plan,
                         const struct fault_run *run, uint32_t program)
{
	return any_lasting(plan, run, program, false);
}
