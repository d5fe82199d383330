/*
 * watch.c - which classes can touch a socket: lists of watches (engine.h).
 *
 * Watches come from the free list, else from the unused end of the table.
 * Each owns the cell run_watch_cell() of its own index, used when the class
 * counts per connection.  `next` is read by others while a list is reused, so
 * it is read and written as an atomic word.
 */
#include "engine/rule.h"
#include "engine/watch.h"

enum {
	FEW_RULES = 4 /* of a class */
};

static void store_next(struct fault_watch *w, uint32_t next)
{
	__atomic_store_n(&w->next, next, __ATOMIC_RELAXED);
}

/* Index in the low half, tag in the high. */
static uint64_t retag(uint64_t head, uint32_t index)
{
	return ((head >> 32) + 1) << 32 | index;
}

static uint32_t pop_free(struct fault_run *run)
{
	struct fault_watch *watches = run_watches(run);
	uint64_t head = atomic_load(&run->free_watches);

	/* The limit is for a head that a broken target wrote. */
	while ((uint32_t)head && (uint32_t)head < run->n_watches) {
		uint32_t next = engine_watch_next(&watches[(uint32_t)head]);

		if (atomic_compare_exchange_weak(&run->free_watches, &head,
		                                 retag(head, next)))
			return (uint32_t)head;
	}
	return RUN_NONE;
}

static uint32_t take_unused(struct fault_run *run)
{
	uint32_t used = atomic_load(&run->used_watches);

	do {
		if (used + 1 >= run->n_watches)
			return RUN_NONE;
	} while (!atomic_compare_exchange_weak(&run->used_watches, &used,
	                                       used + 1));
	return used + 1;
}

void engine_unwatch(struct fault_run *run, uint32_t first)
{
	struct fault_watch *watches = run_watches(run);
	uint64_t head = atomic_load(&run->free_watches);
	uint32_t last = first;
	uint32_t next;

	if (!first)
		return;
	while ((next = engine_watch_next(&watches[last])) != RUN_NONE)
		last = next;
	do
		store_next(&watches[last], (uint32_t)head);
	while (!atomic_compare_exchange_weak(&run->free_watches, &head,
	                                     retag(head, first)));
}

uint32_t engine_process_cells(const struct fault_plan *plan,
                              struct fault_run *run)
{
	uint32_t used = atomic_load(&run->used_cells);
	uint32_t i = 0;

	while (i < plan->n_classes && plan_classes(plan)[i].per != PER_PROCESS)
		i++;
	if (i == plan->n_classes)
		return 0;
	do {
		if (run->n_cells - used < plan->n_classes)
			return 0;
	} while (!atomic_compare_exchange_weak(&run->used_cells, &used,
	                                       used + plan->n_classes));
	return used;
}

/* Everything that building a list needs. */
struct building {
	const struct fault_plan *plan;
	struct fault_run *run;
	const struct engine_socket *socket;
	uint32_t ordinal;
};

/*
 * Of many rules not each connection asks all.  What no hit changes is worked
 * out once, and kept where a class per connection counts nothing: in its cell
 * of the program.  That a rule has no hits left is then seen at the call.
 */
static uint32_t first_due(const struct building *b, uint32_t class_index)
{
	uint32_t program = b->socket->program;
	struct fault_cell *cells = run_cells(b->run);
	_Atomic uint32_t *known =
		&cells[run_program_cell(b->run, program, class_index)].next_due;
	uint32_t due;

	if (plan_classes(b->plan)[class_index].n_rules <= FEW_RULES)
		return engine_first_due(b->plan, b->run, class_index);
	due = atomic_load_explicit(known, memory_order_relaxed);
	if (!due) {
		due = engine_earliest_due(b->plan, class_index);
		atomic_store_explicit(known, due, memory_order_relaxed);
	}
	return due;
}

/* Nothing has been counted; calls that nothing can hit are cheap at once. */
static uint32_t fresh_cell(const struct building *b, uint32_t class_index,
                           uint32_t watch)
{
	uint32_t index = run_watch_cell(b->run, watch);
	struct fault_cell *cell = &run_cells(b->run)[index];

	atomic_store_explicit(&cell->count, 0, memory_order_relaxed);
	atomic_store_explicit(&cell->next_due, first_due(b, class_index),
	                      memory_order_relaxed);
	atomic_store_explicit(&cell->mark, 0, memory_order_relaxed);
	atomic_store_explicit(&cell->connections, 0, memory_order_relaxed);
	return index;
}

static uint32_t cell_for(const struct building *b, uint32_t class_index,
                         uint32_t watch)
{
	uint8_t per = plan_classes(b->plan)[class_index].per;

	if (per == PER_CONNECTION)
		return fresh_cell(b, class_index, watch);
	if (per == PER_RUN)
		return run_run_cell(b->run, class_index);
	if (per == PER_PROCESS)
		return ENGINE_CELL_OF_PROCESS;
	return run_program_cell(b->run, b->socket->program, class_index);
}

static bool has_pick(const struct plan_pick *pick)
{
	return pick->first || pick->ratio;
}

/* Counts the connection among those of the class; is it one that is meant? */
static bool connection_matches(const struct building *b, uint32_t class_index)
{
	const struct plan_class *c = &plan_classes(b->plan)[class_index];
	const struct plan_program *p = plan_programs(b->plan);
	uint32_t program = b->socket->program;
	struct fault_cell *cells = run_cells(b->run);
	uint32_t cell = run_program_cell(b->run, program, class_index);
	uint64_t role_hash = p[program].name_hash + b->socket->role;
	uint32_t n;

	/*
	 * No connection yet: a rule for the N-th one is not for it, nor one
	 * that acts on connections.
	 */
	if (!b->ordinal)
		return !has_pick(&c->connection) &&
		       (c->per != PER_CONNECTION || !plan_class_is_self(c));
	n = atomic_fetch_add_explicit(&cells[cell].connections, 1,
	                              memory_order_relaxed) +
	    1;
	return engine_pick(
		&c->connection, n,
		engine_hash(b->plan->seed, engine_class_rules(b->plan, c)[0],
	                    role_hash, b->ordinal, 0, PURPOSE_CONNECTION));
}

/* false: the tables are full. */
static bool add(const struct building *b, uint32_t class_index,
                uint32_t *ret_watch)
{
	const struct plan_class *c = &plan_classes(b->plan)[class_index];
	uint32_t index = pop_free(b->run);
	struct fault_watch *w;

	if (!index)
		index = take_unused(b->run);
	if (!index)
		return false;
	w = &run_watches(b->run)[index];
	w->class_index = class_index;
	w->families = c->families;
	w->cell = cell_for(b, class_index, index);
	store_next(w, RUN_NONE);
	*ret_watch = index;
	return true;
}

/*
 * The classes that may match, in order: those for any port and those of the
 * bucket of the socket's.  Both are lists of index + 1, 0 at the end.
 */
struct candidates {
	const struct plan_class *classes;
	uint32_t any, bucket;
};

static struct candidates candidates_for(const struct building *b)
{
	const uint16_t *buckets = plan_buckets(b->plan);
	uint16_t port = b->socket->port;

	return (struct candidates){
		.classes = plan_classes(b->plan),
		.any = buckets[PLAN_ANY_PORT],
		.bucket = port ? buckets[plan_bucket(port)] : 0,
	};
}

/* The next one's index + 1, 0: there is none. */
static uint32_t next_candidate(struct candidates *k)
{
	bool any = k->any && (!k->bucket || k->any < k->bucket);
	uint32_t *list = any ? &k->any : &k->bucket;
	uint32_t i = *list;

	if (i)
		*list = k->classes[i - 1].next;
	return i;
}

/*
 * A rule without `call` has nothing to do with a listener, and with what is no
 * connection yet only later.  One that acts on processes (PER_PROCESS) is in
 * the list of the calls that have no socket, and only there.
 */
static bool self_has_place(const struct building *b, const struct plan_class *c)
{
	bool process = b->socket->families != 0;

	if (c->per == PER_PROCESS)
		return process;
	return !process && b->socket->role != ROLE_LISTENER;
}

/* Can the class touch the socket, now or when it is a connection? */
static bool may_touch(const struct building *b, const struct plan_class *c)
{
	if (!engine_class_matches(b->plan, c, b->socket))
		return false;
	if (plan_class_is_self(c))
		return self_has_place(b, c);
	return !b->socket->families || c->families & b->socket->families;
}

/* The whole list or nothing; returns its families. */
static uint32_t build(const struct building *b, uint32_t *ret_first)
{
	uint32_t first = RUN_NONE, last = RUN_NONE, families = 0, watch, next;
	struct candidates candidates = candidates_for(b);

	while ((next = next_candidate(&candidates)) != 0) {
		uint32_t i = next - 1;
		const struct plan_class *c = &candidates.classes[i];

		if (!may_touch(b, c))
			continue;
		if (!b->ordinal)
			families |= c->families;
		if (!connection_matches(b, i))
			continue;
		if (!add(b, i, &watch)) {
			engine_unwatch(b->run, first);
			atomic_fetch_add(&b->run->lost_socks, 1);
			*ret_first = RUN_NONE;
			return 0;
		}
		if (last)
			store_next(&run_watches(b->run)[last], watch);
		else
			first = watch;
		last = watch;
		families |= c->families;
	}
	*ret_first = first;
	return families;
}

uint32_t engine_watch(const struct fault_plan *plan, struct fault_run *run,
                      const struct engine_socket *s, uint32_t ordinal,
                      uint32_t *ret_first)
{
	const struct building b = {plan, run, s, ordinal};

	return build(&b, ret_first);
}

uint32_t engine_blank_families(const struct fault_plan *plan,
                               const struct fault_run *run,
                               const struct engine_socket *blank)
{
	const struct plan_class *classes = plan_classes(plan);
	uint32_t families = 0;

	for (uint32_t i = 0; i < plan->n_classes; i++) {
		if (has_pick(&classes[i].connection) ||
		    !engine_class_matches(plan, &classes[i], blank))
			continue;
		if (classes[i].per != PER_CONNECTION ||
		    engine_first_due(plan, run, i) <= 1)
			families |= classes[i].families;
	}
	return families & ~PLAN_TRAITS;
}
