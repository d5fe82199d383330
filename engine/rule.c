/*
 * rule.c - see rule.h.
 *
 * Memory order: each word is meaningful alone, so relaxed is enough for
 * reading and counting.  Changes of `mark` are sequentially consistent,
 * because count.c relies on their order with `next_due`.
 */
#include "engine/rule.h"

/* Marks of a per-cent `bytes` that one call is searched for. */
enum {
	MAX_DRAWS = 4096
};

enum event {
	EVENT_ALWAYS,
	EVENT_NTH,
	EVENT_TURN,
	EVENT_BYTES
};

static bool given(const struct plan_pick *pick)
{
	return pick->first || pick->ratio;
}

static enum event event_of(const struct plan_rule *r)
{
	if (r->bytes_unit)
		return EVENT_BYTES;
	if (given(&r->turn))
		return EVENT_TURN;
	return given(&r->nth) ? EVENT_NTH : EVENT_ALWAYS;
}

uint64_t engine_case_draw(const struct engine_case *k, uint32_t ordinal,
                          enum engine_purpose purpose)
{
	const struct plan_program *p = plan_programs(k->plan);
	uint64_t role_hash = p[k->call->program].name_hash + k->call->role;

	return engine_hash(k->plan->seed, k->index, role_hash,
	                   k->call->connection, ordinal, purpose);
}

uint8_t engine_noise(const struct fault_plan *plan,
                     const struct engine_call *call, uint32_t rule,
                     uint64_t offset)
{
	const struct engine_case k = {
		.plan = plan, .call = call, .index = rule};
	uint64_t eight =
		engine_case_draw(&k, (uint32_t)(offset / 8), PURPOSE_NOISE);
	uint8_t noise = (uint8_t)(eight >> offset % 8 * 8);

	return noise ? noise : UINT8_MAX;
}

/* Draws only where the pick is a per cent. */
static bool picks(const struct engine_case *k, const struct plan_pick *pick,
                  uint32_t n, enum engine_purpose purpose)
{
	uint64_t draw = pick->ratio ? engine_case_draw(k, n, purpose) : 0;

	return engine_pick(pick, n, draw);
}

/* --- conditions ----------------------------------------------------------- */

static bool times_left(const struct engine_case *k,
                       const struct fault_rule_state *s)
{
	return !k->rule->times ||
	       atomic_load_explicit(&s->hits, memory_order_relaxed) <
	               k->rule->times;
}

/* `for` has begun with the first hit and is over. */
static bool window_over(const struct engine_case *k,
                        const struct fault_rule_state *s)
{
	uint64_t first;

	if (!k->rule->for_ns)
		return false;
	first = atomic_load_explicit(&s->first_hit_ns, memory_order_relaxed);
	return first && k->call->now_ns >= first &&
	       k->call->now_ns - first >= k->rule->for_ns;
}

/* ns have passed since then; a clock that is not known has not begun. */
static bool passed(uint64_t now, uint64_t since, uint64_t ns)
{
	return since && now >= since && now - since >= ns;
}

static bool clocks_agree(const struct engine_case *k)
{
	const struct plan_rule *r = k->rule;
	const struct engine_call *c = k->call;

	return (!r->age_ns || passed(c->now_ns, c->opened_ns, r->age_ns)) &&
	       (!r->idle_ns || passed(c->now_ns, c->last_ns, r->idle_ns)) &&
	       (!r->after_ns ||
	        passed(c->now_ns, c->program_started_ns, r->after_ns));
}

static bool has_hit(const struct fault_run *run, uint32_t index)
{
	const struct fault_rule_state *s = engine_rule_state(run, index);

	return atomic_load_explicit(&s->hits, memory_order_relaxed) > 0;
}

/* All that no passing of time makes true. */
static bool things_agree(const struct engine_case *k)
{
	const struct plan_rule *r = k->rule;
	const struct fault_rule_state *s = engine_rule_state(k->run, k->index);

	return atomic_load_explicit(&s->armed, memory_order_acquire) &&
	       times_left(k, s) && k->call->seen >= r->seen &&
	       !window_over(k, s) &&
	       (!r->after_rule || has_hit(k->run, r->after_rule - 1u));
}

bool engine_conditions(const struct engine_case *k)
{
	return things_agree(k) && clocks_agree(k);
}

/* The later of *when and since + ns. */
static void not_before(uint64_t *when, uint64_t since, uint64_t ns)
{
	uint64_t then;

	if (!ns)
		return;
	if (!since || __builtin_add_overflow(since, ns, &then))
		then = UINT64_MAX;
	if (then > *when)
		*when = then;
}

uint64_t engine_conditions_from(const struct engine_case *k)
{
	const struct engine_call *c = k->call;
	uint64_t when = 0;

	if (!things_agree(k))
		return UINT64_MAX;
	not_before(&when, c->opened_ns, k->rule->age_ns);
	not_before(&when, c->last_ns, k->rule->idle_ns);
	not_before(&when, c->program_started_ns, k->rule->after_ns);
	return when <= c->now_ns ? 0 : when;
}

/* --- events --------------------------------------------------------------- */

static uint32_t marks_before(const struct engine_case *k)
{
	uint64_t n = k->call->offset / k->rule->bytes_unit;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX - 1;
}

/* The first mark of the pick in [from, to], 0 if there is none. */
static uint32_t first_mark(const struct engine_case *k, uint32_t from,
                           uint32_t to)
{
	const struct plan_pick *pick = &k->rule->bytes;
	uint32_t end = from < UINT32_MAX - MAX_DRAWS ? from + MAX_DRAWS : to;
	uint32_t next;

	if (!pick->ratio) {
		next = engine_pick_next(pick, from);
		return next <= to ? next : 0;
	}
	for (next = from; next <= to && next < end; next++) {
		if (picks(k, pick, next, PURPOSE_BYTES))
			return next;
	}
	return 0;
}

static bool nth_agrees(const struct engine_case *k)
{
	return picks(k, &k->rule->nth, k->number, PURPOSE_NTH);
}

static bool turn_agrees(const struct engine_case *k)
{
	return k->call->turn &&
	       picks(k, &k->rule->turn, k->call->turn, PURPOSE_TURN);
}

/* A mark has been reached that is not spent. */
static bool bytes_event(const struct engine_case *k, uint32_t mark)
{
	uint32_t reached = marks_before(k);

	return reached > mark && first_mark(k, mark + 1, reached) &&
	       (!given(&k->rule->turn) || turn_agrees(k)) && nth_agrees(k);
}

/* This call is the first that counts in its turn. */
static bool turn_event(const struct engine_case *k, uint32_t mark)
{
	return k->call->turn > mark >> 1 && turn_agrees(k) && nth_agrees(k);
}

static bool held(const struct engine_case *k, uint32_t mark)
{
	return mark >> k->position & 1;
}

bool engine_event(const struct engine_case *k, uint32_t mark)
{
	switch (event_of(k->rule)) {
	case EVENT_BYTES:
		return bytes_event(k, mark);
	case EVENT_TURN:
		return mark & 1 || turn_event(k, mark);
	case EVENT_NTH:
		return held(k, mark) || nth_agrees(k);
	case EVENT_ALWAYS:
		break;
	}
	return true;
}

/* Claims: of those that see the same mark, one succeeds. */
static bool move_mark(struct fault_cell *cell, uint32_t *mark, uint32_t to)
{
	return atomic_compare_exchange_strong(&cell->mark, mark, to);
}

static bool clear_bit(const struct engine_case *k, struct fault_cell *cell)
{
	uint32_t bit = 1u << k->position;

	/* Most often there is none: do not dirty the line. */
	return atomic_load(&cell->mark) & bit &&
	       atomic_fetch_and(&cell->mark, ~bit) & bit;
}

static bool spend_nth(const struct engine_case *k, struct fault_cell *cell)
{
	bool was_held = clear_bit(k, cell);

	/* The number is this call's alone: nobody else can spend it. */
	return nth_agrees(k) || was_held;
}

static bool spend_turn(const struct engine_case *k, struct fault_cell *cell)
{
	uint32_t mark = atomic_load(&cell->mark);

	while (mark & 1 || turn_event(k, mark)) {
		uint32_t last = mark >> 1;

		if (turn_event(k, mark))
			last = k->call->turn;
		if (move_mark(cell, &mark, last << 1))
			return true;
	}
	return false;
}

static bool spend_bytes(const struct engine_case *k, struct fault_cell *cell)
{
	uint32_t mark = atomic_load(&cell->mark);

	while (bytes_event(k, mark)) {
		if (move_mark(cell, &mark, marks_before(k)))
			return true;
	}
	return false;
}

bool engine_spend(const struct engine_case *k, struct fault_cell *cell)
{
	switch (event_of(k->rule)) {
	case EVENT_BYTES:
		return spend_bytes(k, cell);
	case EVENT_TURN:
		return spend_turn(k, cell);
	case EVENT_NTH:
		return spend_nth(k, cell);
	case EVENT_ALWAYS:
		break;
	}
	return true;
}

/* The turn has had its first counted call; bit 0 as it was, or set. */
static void begin_turn(const struct engine_case *k, struct fault_cell *cell,
                       uint32_t hold)
{
	uint32_t mark = atomic_load(&cell->mark);

	while (k->call->turn > mark >> 1) {
		uint32_t bit = mark & 1;

		if (turn_event(k, mark))
			bit |= hold;
		if (move_mark(cell, &mark, k->call->turn << 1 | bit))
			return;
	}
}

/* Marks without an event need not be looked at again. */
static void skip_marks(const struct engine_case *k, struct fault_cell *cell,
                       bool events_too)
{
	uint32_t mark = atomic_load(&cell->mark);

	while (marks_before(k) > mark &&
	       (events_too || !bytes_event(k, mark))) {
		if (move_mark(cell, &mark, marks_before(k)))
			return;
	}
}

void engine_hold(const struct engine_case *k, struct fault_cell *cell)
{
	switch (event_of(k->rule)) {
	case EVENT_BYTES:
		skip_marks(k, cell, false);
		break;
	case EVENT_TURN:
		begin_turn(k, cell, 1);
		break;
	case EVENT_NTH:
		if (nth_agrees(k))
			atomic_fetch_or(&cell->mark, 1u << k->position);
		break;
	case EVENT_ALWAYS:
		break;
	}
}

void engine_pass(const struct engine_case *k, struct fault_cell *cell)
{
	switch (event_of(k->rule)) {
	case EVENT_BYTES:
		skip_marks(k, cell, true);
		break;
	case EVENT_TURN:
		begin_turn(k, cell, 0);
		break;
	case EVENT_NTH:
	case EVENT_ALWAYS:
		break;
	}
}

/* --- what is to come ------------------------------------------------------ */

bool engine_exhausted(const struct engine_case *k)
{
	const struct fault_rule_state *s = engine_rule_state(k->run, k->index);

	return !times_left(k, s) || (!k->rule->name_off && window_over(k, s));
}

static uint32_t if_more(const struct plan_pick *pick, uint32_t spent,
                        uint32_t number)
{
	return engine_pick_next(pick, spent + 1) == UINT32_MAX ? UINT32_MAX
	                                                       : number;
}

uint32_t engine_event_due(const struct engine_case *k, uint32_t mark)
{
	switch (event_of(k->rule)) {
	case EVENT_BYTES:
		return if_more(&k->rule->bytes, mark, k->number);
	case EVENT_TURN:
		if (mark & 1)
			return k->number;
		return if_more(&k->rule->turn, mark >> 1, k->number);
	case EVENT_NTH:
		if (held(k, mark))
			return k->number;
		return engine_pick_next(&k->rule->nth, k->number);
	case EVENT_ALWAYS:
		break;
	}
	return k->number;
}

uint32_t engine_next_due(const struct engine_case *k, uint32_t mark)
{
	return engine_exhausted(k) ? UINT32_MAX : engine_event_due(k, mark);
}

uint64_t engine_cut(const struct engine_case *k, uint32_t mark)
{
	const struct engine_call *c = k->call;
	uint32_t reached, next;
	uint64_t end, last;

	if (!k->rule->bytes_unit || !c->want ||
	    __builtin_add_overflow(c->offset, c->want, &end))
		return 0;
	reached = marks_before(k);
	last = (end - 1) / k->rule->bytes_unit;
	if (last >= UINT32_MAX)
		last = UINT32_MAX - 1;
	next = first_mark(k, (mark > reached ? mark : reached) + 1,
	                  (uint32_t)last);
	if (!next || !engine_conditions(k))
		return 0;
	return next * k->rule->bytes_unit - c->offset;
}
