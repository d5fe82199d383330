/*
 * pick.c - PICK of the language: which of a counted sequence (plan.h).
 */
#include "engine/engine.h"

/* UINT32_MAX is 100 %: a draw of 32 bits can never be below 2^32. */
static bool drawn(uint32_t ratio, uint64_t draw)
{
	return ratio == UINT32_MAX || (uint32_t)(draw >> 32) < ratio;
}

bool engine_pick(const struct plan_pick *pick, uint32_t n, uint64_t draw)
{
	if (!pick->first)
		return !pick->ratio || drawn(pick->ratio, draw);
	return n >= pick->first && n <= pick->last &&
	       (n - pick->first) % pick->step == 0;
}

uint32_t engine_pick_next(const struct plan_pick *pick, uint32_t n)
{
	uint64_t next = pick->first;

	if (!pick->first)
		return n;
	if (n > pick->first) {
		uint64_t behind = n - pick->first;
		uint64_t steps = (behind + pick->step - 1) / pick->step;

		next += steps * pick->step;
	}
	return next <= pick->last ? (uint32_t)next : UINT32_MAX;
}
