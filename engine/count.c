/*
 * count.c - a call counts: numbers are given out, events are settled.
 *
 * Each call takes its number in each class by one atomic add, so a number
 * belongs to one call and that call settles the rules that are due at it:
 * nothing is lost and nothing happens twice, whoever else counts meanwhile.
 * What look() saw was only a forecast.
 *
 * Order of mark and next_due.  Who sets a bit of `mark` lowers next_due after
 * it; who raises next_due reads `mark` again after it.  All four are
 * sequentially consistent, so a bit that is set is never hidden behind a
 * number that was computed without it.  A late store of next_due can only be
 * too low, which costs a closer look.
 */
#include "engine/rule.h"
#include "engine/watch.h"

/* What counting one call needs to know. */
struct counting {
	const struct fault_plan *plan;
	struct fault_run *run;
	const struct engine_call *call;
	int64_t acted; /* index of the rule that acts, -1: none */
};

static struct fault_rule_state *state_of(struct fault_run *run, uint32_t index)
{
	return &run_rules(run)[index];
}

static void bump(_Atomic uint32_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

typedef uint32_t rule_due(const struct engine_case *k, uint32_t mark);

static uint32_t lowest_due(struct engine_case *k, const struct plan_class *c,
                           uint32_t mark, rule_due *due)
{
	const uint16_t *rules = engine_class_rules(k->plan, c);
	uint32_t lowest = UINT32_MAX;

	for (k->position = 0; k->position < c->n_rules; k->position++) {
		uint32_t next;

		k->index = rules[k->position];
		k->rule = &plan_rules(k->plan)[k->index];
		next = due(k, mark);
		if (next < lowest)
			lowest = next;
	}
	return lowest;
}

/* Call number `number` has been settled: when is the next that matters? */
static void refresh(const struct counting *a, const struct plan_class *c,
                    struct fault_cell *cell, uint32_t number)
{
	struct engine_case k = {.plan = a->plan,
	                        .run = a->run,
	                        .call = a->call,
	                        .number = number + 1};
	uint32_t mark;

	do {
		mark = atomic_load(&cell->mark);
		atomic_store(&cell->next_due,
		             lowest_due(&k, c, mark, engine_next_due));
	} while (atomic_load(&cell->mark) != mark);
}

uint32_t engine_first_due(const struct fault_plan *plan,
                          const struct fault_run *run, uint32_t class_index)
{
	const struct engine_call none = {0};
	struct engine_case k = {
		.plan = plan, .run = run, .call = &none, .number = 1};

	return lowest_due(&k, &plan_classes(plan)[class_index], 0,
	                  engine_next_due);
}

uint32_t engine_earliest_due(const struct fault_plan *plan,
                             uint32_t class_index)
{
	const struct engine_call none = {0};
	struct engine_case k = {.plan = plan, .call = &none, .number = 1};

	return lowest_due(&k, &plan_classes(plan)[class_index], 0,
	                  engine_event_due);
}

static void shadow(const struct counting *a, const struct engine_case *k,
                   struct fault_cell *cell)
{
	struct fault_rule_state *s = state_of(a->run, k->index);

	if (!engine_spend(k, cell))
		return;
	bump(&s->due);
	bump(&s->shadowed);
}

/* Rules before the one that acts were held by a gate, or came due since. */
static void settle_rule(const struct counting *a, const struct engine_case *k,
                        struct fault_cell *cell)
{
	if (k->index == a->acted)
		return;
	if (!engine_conditions(k))
		engine_pass(k, cell);
	else if (a->acted >= 0 && k->index > a->acted)
		shadow(a, k, cell);
	else
		engine_hold(k, cell);
}

static __attribute__((noinline)) void settle(const struct counting *a,
                                             const struct plan_class *c,
                                             struct fault_cell *cell,
                                             uint32_t number)
{
	const uint16_t *rules = engine_class_rules(a->plan, c);
	struct engine_case k = {.plan = a->plan,
	                        .run = a->run,
	                        .call = a->call,
	                        .number = number};

	for (k.position = 0; k.position < c->n_rules; k.position++) {
		k.index = rules[k.position];
		k.rule = &plan_rules(a->plan)[k.index];
		settle_rule(a, &k, cell);
	}
	refresh(a, c, cell, number);
}

static uint32_t next_number(struct fault_cell *cell)
{
	return atomic_fetch_add_explicit(&cell->count, 1,
	                                 memory_order_relaxed) +
	       1;
}

static void count_class(const struct counting *a, const struct plan_class *c,
                        struct fault_cell *cell)
{
	uint32_t number = next_number(cell);

	if (number >=
	    atomic_load_explicit(&cell->next_due, memory_order_relaxed))
		settle(a, c, cell, number);
}

/* All classes that select the call, but the one of `except`. */
static void count_all(const struct counting *a,
                      const struct fault_watch *except)
{
	const struct fault_watch *watches = engine_watches(a->run);
	const struct plan_class *classes = plan_classes(a->plan);
	struct fault_cell *cells = run_cells(a->run);
	uint32_t family = engine_family_bit(a->call->call);
	uint32_t class_from = 0;

	for (uint32_t i = a->call->first_watch; i;
	     i = engine_watch_next(&watches[i])) {
		const struct fault_watch *w = &watches[i];
		const struct plan_class *c = &classes[w->class_index];

		if (w->class_index < class_from)
			break;
		class_from = w->class_index + 1;
		if (w != except && w->families & family &&
		    engine_class_selects(a->plan, c, a->call))
			count_class(a, c,
			            &cells[engine_cell_of(a->run, a->call, w)]);
	}
}

void engine_count(const struct fault_plan *plan, struct fault_run *run,
                  const struct engine_call *call)
{
	const struct counting a = {plan, run, call, -1};

	count_all(&a, NULL);
}

/* --- a rule acts ---------------------------------------------------------- */

/* Never more than `times` hits, whoever claims at the same moment. */
bool engine_claim_hit(struct fault_rule_state *s, uint32_t times,
                      uint64_t now_ns)
{
	uint32_t hits = atomic_load(&s->hits);
	uint64_t never = 0;

	do {
		if (times && hits >= times)
			return false;
	} while (!atomic_compare_exchange_weak(&s->hits, &hits, hits + 1));
	bump(&s->due);
	atomic_compare_exchange_strong(&s->first_hit_ns, &never,
	                               now_ns ? now_ns : 1);
	return true;
}

static const struct fault_watch *watch_of(const struct fault_run *run,
                                          const struct engine_call *call,
                                          uint32_t class_index)
{
	const struct fault_watch *watches = engine_watches(run);
	uint32_t i = call->first_watch;

	while (i && watches[i].class_index < class_index)
		i = engine_watch_next(&watches[i]);
	return i && watches[i].class_index == class_index ? &watches[i] : NULL;
}

static uint32_t position_of(const struct fault_plan *plan,
                            const struct plan_class *c, uint32_t index)
{
	const uint16_t *rules = engine_class_rules(plan, c);
	uint32_t position = 0;

	while (position + 1 < c->n_rules && rules[position] != index)
		position++;
	return position;
}

/* The call has its number in the rule's class: is the rule still due? */
static bool claim(const struct counting *a, const struct engine_case *k,
                  struct fault_cell *cell)
{
	struct fault_rule_state *s = state_of(a->run, k->index);

	return engine_conditions(k) && engine_spend(k, cell) &&
	       engine_claim_hit(s, k->rule->times, a->call->now_ns);
}

bool engine_take(const struct fault_plan *plan, struct fault_run *run,
                 const struct engine_call *call, struct engine_choice *choice)
{
	struct counting a = {plan, run, call, -1};
	struct engine_case k = {.plan = plan, .run = run, .call = call};
	const struct fault_watch *w = NULL;
	const struct plan_class *c = NULL;
	struct fault_cell *cell = NULL;

	if (choice->rule >= 0) {
		k.index = (uint32_t)choice->rule;
		k.rule = &plan_rules(plan)[k.index];
		c = &plan_classes(plan)[k.rule->class_index];
		w = watch_of(run, call, k.rule->class_index);
	}
	if (w) {
		cell = &run_cells(run)[engine_cell_of(run, call, w)];
		k.position = position_of(plan, c, k.index);
		k.number = next_number(cell);
		if (claim(&a, &k, cell))
			a.acted = k.index;
		settle(&a, c, cell, k.number);
		choice->ordinal = k.number;
		choice->draw = engine_case_draw(&k, k.number, PURPOSE_AMOUNT);
	}
	count_all(&a, w);
	return a.acted >= 0;
}

void engine_gated(struct fault_run *run, const struct engine_choice *choice,
                  enum fault_gate gate)
{
	struct fault_rule_state *s;

	if (choice->rule < 0)
		return;
	s = state_of(run, (uint32_t)choice->rule);
	bump(&s->due);
	bump(&s->gated[gate]);
}

void engine_withdraw(struct fault_run *run, const struct engine_choice *choice,
                     enum fault_gate gate)
{
	struct fault_rule_state *s = state_of(run, (uint32_t)choice->rule);

	atomic_fetch_sub(&s->hits, 1);
	bump(&s->gated[gate]);
}
