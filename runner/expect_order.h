/*
 * expect_order.h - did calls occur in an order, with gaps?
 *
 * Pure: sightings in, an answer out.  What "before" means, and when it is
 * known:
 *
 * - The moment of a call: see sighting_moment().
 * - Within one program (threads, processes) x is before y if x had returned by
 *   the moment of y.  Between programs it is enough that the moment of x is not
 *   behind that of y.
 * - x is behind y if y had returned before x began.
 * - If neither holds they were under way at the same time, and nobody knows.
 *
 * The gap of y is the time from the return of x to the moment of y, 0 if they
 * overlap.
 *
 * All choices of calls are considered, not the earliest alone: with gaps the
 * earliest may be the wrong one.  O(entries * n log n) time; the search that is
 * left for what is not known is bounded, and gives up as "not known".
 */
#ifndef FAULT_RUNNER_EXPECT_ORDER_H
#define FAULT_RUNNER_EXPECT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "runner/expect_match.h"

/* One entry of `order`: the calls that match it. */
struct order_entry {
	struct sighting *v; /* sorted by order_sort() */
	size_t n;
	bool has_gap;
	struct range gap_ns;
};

enum order_answer {
	ORDER_KEPT,
	ORDER_UNKNOWN, /* some of them were under way at the same time */
	ORDER_BROKEN,
	ORDER_NO_MEMORY,
};

/* By their moments, and tickets where these are equal. */
void order_sort(struct order_entry *e);

/*
 * Unless it is kept, ret_reached: so many entries, from the first on, are in
 * order (of one that is broken, may be), as the calls in ret_chain (room for
 * n) show.
 */
enum order_answer order_check(const struct order_entry *entries, size_t n,
                              size_t *ret_reached, struct sighting *ret_chain);

/*
 * In the midst of a trace, entries sorted: ORDER_KEPT if what has been seen so
 * far shows it, whatever comes.  Else calls that cannot matter any more are
 * taken out of entries: of those that can stand, and that no gap is asked from,
 * the first few are as good as all later ones; only what overlaps may need
 * another, so that the latest quarter stays.
 */
enum order_answer order_thin(struct order_entry *entries, size_t n);

/* From x to y, ns. */
uint64_t order_gap(const struct sighting *x, const struct sighting *y);

#endif
