/*
 * arming.h - arming and disarming rules while the programs run (plan/run.h).
 *
 * Both by the run's own `fault` and by another one that found the run through
 * its environment (segments_attach()).  Rules that share a name are one group.
 *
 *	uint32_t generation;
 *
 *	arming_set(s, plan, "outage", true);
 *	generation = arming_ring(s);
 *	arming_wait(s, generation, deadline_ns);
 *
 * plan: checked, and not in memory that a program can write to.  What programs
 * write to the run is only believed where a lie does no harm here: the worst
 * that a broken one can do is to answer too early, or to be waited for until
 * the deadline.
 */
#ifndef FAULT_RUNNER_ARMING_H
#define FAULT_RUNNER_ARMING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runner/segments.h"

/*
 * The distinct names of rules, in the plan's order, into names (plan->n_rules
 * places are always enough); they point into the plan.  Returns how many.
 */
size_t arming_names(const struct fault_plan *plan, const char **names);

/* What is known of the rules of one name. */
struct arming_group {
	size_t n_rules;
	uint64_t hits; /* of all of them */
	bool armed;    /* at least one of them is */
};

/* false: no rule has this name. */
bool arming_look(const struct segments *s, const struct fault_plan *plan,
                 const char *name, struct arming_group *ret);

/*
 * Arms or disarms the rules of that name; false: there are none.  Calls that
 * begin from now on see it; what is under way is told by arming_ring().
 */
bool arming_set(const struct segments *s, const struct fault_plan *plan,
                const char *name, bool armed);

/* Tells every process.  Returns the generation that they will acknowledge. */
uint32_t arming_ring(const struct segments *s);

/*
 * Does the process of that slot still have to acknowledge the generation?  One
 * that cannot (it is gone, it became another program, it has no helper thread)
 * does not.
 */
bool arming_owes(const struct segments *s, uint32_t slot, uint32_t generation);

/*
 * Waits until none owes it: 0, or -ETIMEDOUT at deadline_ns (clock.h).  No
 * process is woken or disturbed by the waiting.
 */
int arming_wait(const struct segments *s, uint32_t generation,
                int64_t deadline_ns);

/* "4711 (server), 4712 (worker)": those that owe it now. */
void arming_print_debtors(const struct segments *s, uint32_t generation,
                          FILE *out);

#endif
