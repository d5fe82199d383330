/*
 * look.c - what would happen to a call (engine.h).
 *
 * The way of nearly every call is the loop in look(): per watch one compare of
 * families, one of the count with the cached number at which a rule may next
 * be due.  Nothing is written.
 */
#include "engine/rule.h"

static void choose(const struct engine_case *k, struct engine_choice *ret)
{
	ret->rule = (int32_t)k->index;
	ret->ordinal = k->number;
	ret->draw = engine_case_draw(k, k->number, PURPOSE_AMOUNT);
}

static void cut_at(uint64_t cut, struct engine_choice *ret)
{
	if (cut && (!ret->cut || cut < ret->cut))
		ret->cut = cut;
}

/* The rules of one class, in file order; only those from `from` on. */
static __attribute__((noinline)) void
look_closer(const struct fault_plan *plan, const struct fault_run *run,
            const struct engine_call *call, const struct fault_watch *w,
            uint32_t from, struct engine_choice *ret)
{
	const struct plan_class *c = &plan_classes(plan)[w->class_index];
	const struct fault_cell *cell =
		&engine_cells(run)[engine_cell_of(run, call, w)];
	const uint16_t *rules = engine_class_rules(plan, c);
	uint32_t mark = atomic_load_explicit(&cell->mark, memory_order_relaxed);
	struct engine_case k = {.plan = plan, .run = run, .call = call};

	if (!engine_class_selects(plan, c, call))
		return;
	k.number = atomic_load_explicit(&cell->count, memory_order_relaxed) + 1;
	for (k.position = 0; k.position < c->n_rules; k.position++) {
		k.index = rules[k.position];
		k.rule = &plan_rules(plan)[k.index];
		cut_at(engine_cut(&k, mark), ret);
		if (k.index < from ||
		    (ret->rule >= 0 && k.index > (uint32_t)ret->rule))
			continue;
		if (engine_conditions(&k) && engine_event(&k, mark))
			choose(&k, ret);
	}
}

static inline void look(const struct fault_plan *plan,
                        const struct fault_run *run,
                        const struct engine_call *call, uint32_t from,
                        struct engine_choice *ret)
{
	const struct fault_watch *watches = engine_watches(run);
	const struct fault_cell *cells = engine_cells(run);
	uint32_t family = engine_family_bit(call->call);
	uint32_t class_from = 0;

	*ret = (struct engine_choice){.rule = -1};
	for (uint32_t i = call->first_watch; i;
	     i = engine_watch_next(&watches[i])) {
		const struct fault_watch *w = &watches[i];
		const struct fault_cell *cell =
			&cells[engine_cell_of(run, call, w)];

		/* In class order, or the list is reused under us. */
		if (w->class_index < class_from)
			break;
		class_from = w->class_index + 1;
		if (!(w->families & family))
			continue;
		if (atomic_load_explicit(&cell->count, memory_order_relaxed) +
		            1 <
		    atomic_load_explicit(&cell->next_due, memory_order_relaxed))
			continue;
		look_closer(plan, run, call, w, from, ret);
	}
}

uint64_t engine_callers(const struct fault_plan *plan,
                        const struct fault_run *run,
                        const struct engine_call *call)
{
	const struct fault_watch *watches = engine_watches(run);
	const struct fault_cell *cells = engine_cells(run);
	uint32_t family = engine_family_bit(call->call);
	uint32_t class_from = 0;
	uint64_t wanted = 0;

	for (uint32_t i = call->first_watch; i;
	     i = engine_watch_next(&watches[i])) {
		const struct fault_watch *w = &watches[i];
		const struct plan_class *c;
		const struct fault_cell *cell;

		if (w->class_index < class_from)
			break;
		class_from = w->class_index + 1;
		c = &plan_classes(plan)[w->class_index];
		if (!c->caller || !(w->families & family) ||
		    !plan_class_has_call(c, call->call))
			continue;
		cell = &cells[engine_cell_of(run, call, w)];
		if (atomic_load_explicit(&cell->next_due,
		                         memory_order_relaxed) != UINT32_MAX)
			wanted |= 1ULL << (c->caller - 1);
	}
	return wanted;
}

bool engine_quiet(const struct fault_run *run, uint32_t first_watch,
                  uint32_t family_bit)
{
	const struct fault_watch *watches = engine_watches(run);
	const struct fault_cell *cells = engine_cells(run);
	uint32_t class_from = 0;

	for (uint32_t i = first_watch; i; i = engine_watch_next(&watches[i])) {
		const struct fault_watch *w = &watches[i];
		const struct fault_cell *cell;

		if (w->class_index < class_from)
			break;
		class_from = w->class_index + 1;
		if (!(w->families & family_bit))
			continue;
		if (w->cell == ENGINE_CELL_OF_PROCESS)
			return false;
		cell = &cells[w->cell];
		if (atomic_load_explicit(&cell->count, memory_order_relaxed) +
		            1 >=
		    atomic_load_explicit(&cell->next_due, memory_order_relaxed))
			return false;
	}
	return true;
}

void engine_look(const struct fault_plan *plan, const struct fault_run *run,
                 const struct engine_call *call, struct engine_choice *ret)
{
	look(plan, run, call, 0, ret);
}

void engine_look_next(const struct fault_plan *plan,
                      const struct fault_run *run,
                      const struct engine_call *call,
                      struct engine_choice *choice)
{
	if (choice->rule >= 0)
		look(plan, run, call, (uint32_t)choice->rule + 1, choice);
}
