/*
 * amount.c - how long and how much (engine.h).
 *
 * Distributions are tables of quantiles that `lang` has computed: no floating
 * point here.
 */
#include "engine/engine.h"

/* More than 290 years; sums of two do not overflow. */
#define MAX_NS (UINT64_MAX / 4)

/* The quantile of the upper 8 bits, then 16 bits of the way to the next. */
static int64_t quantile(const int32_t *inverse, uint64_t draw)
{
	unsigned i = (unsigned)(draw >> 56);
	int64_t part = (int64_t)(draw >> 40 & 0xffff);
	int64_t step = (int64_t)inverse[i + 1] - inverse[i];

	return inverse[i] + step * part / 65536;
}

/* In [-jitter_ns, +jitter_ns], or as the table says. */
static __int128 deviation(const struct fault_plan *plan,
                          const struct plan_action *a, uint64_t draw)
{
	uint64_t jitter = a->jitter_ns < MAX_NS ? a->jitter_ns : MAX_NS;
	unsigned __int128 width = 2 * jitter + 1;

	if (a->flags & PLAN_ACTION_INVERSE)
		return (__int128)jitter *
		       quantile(plan_at(plan, a->table_off), draw) / 65536;
	return (__int128)(width * draw >> 64) - (__int128)jitter;
}

uint64_t engine_delay(const struct fault_plan *plan,
                      const struct plan_action *action, uint64_t draw)
{
	__int128 ns = action->value;

	if (action->jitter_ns)
		ns += deviation(plan, action, draw);
	if (ns < 0)
		return 0;
	return ns < (__int128)MAX_NS ? (uint64_t)ns : MAX_NS;
}

uint64_t engine_short(const struct plan_action *action, uint64_t want)
{
	unsigned __int128 part = action->value;

	/* UINT32_MAX stands for 100 %, as in a pick. */
	if (action->flags & PLAN_ACTION_RATIO)
		part = part == UINT32_MAX ? want : part * want >> 32;
	if (part < 1)
		part = 1;
	return part < want ? (uint64_t)part : want;
}
