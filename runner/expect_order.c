/*
 * expect_order.c - see expect_order.h.
 *
 * Entry by entry: which of its calls can stand behind some call of the entry
 * before that can?  Both are sorted by their moments, so the calls before are
 * taken in while the moments behind are gone through.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/expect_order.h"

enum {
	MAX_STEPS = 1000000,
	FEW = 64 /* of a program: an order has fewer entries, or nearly */
};

static bool precedes(const struct sighting *x, const struct sighting *y)
{
	uint64_t a = sighting_moment(x), b = sighting_moment(y);

	return a < b || (a == b && x->ticket < y->ticket);
}

static int compare_moments(const void *a, const void *b)
{
	return precedes(a, b) ? -1 : precedes(b, a);
}

void order_sort(struct order_entry *e)
{
	if (e->n)
		qsort(e->v, e->n, sizeof(*e->v), compare_moments);
}

uint64_t order_gap(const struct sighting *x, const struct sighting *y)
{
	uint64_t moment = sighting_moment(y);

	return moment > x->return_ns ? moment - x->return_ns : 0;
}

static bool gap_holds(const struct order_entry *e, uint64_t gap)
{
	return !e->has_gap ||
	       ((int64_t)gap >= e->gap_ns.min && (int64_t)gap <= e->gap_ns.max);
}

/* ---- two calls ----------------------------------------------------------- */

static bool is_before(const struct sighting *x, const struct sighting *y)
{
	return precedes(x, y) &&
	       (x->program != y->program || x->return_ns <= sighting_moment(y));
}

/* They overlap, and nothing says which was first. */
static bool may_be_before(const struct sighting *x, const struct sighting *y)
{
	return x->ticket != y->ticket && x->entry_ns < y->return_ns &&
	       x->return_ns > sighting_moment(y) && !is_before(x, y);
}

static bool follows(const struct order_entry *e, const struct sighting *x,
                    const struct sighting *y, bool loosely)
{
	return (is_before(x, y) || (loosely && may_be_before(x, y))) &&
	       gap_holds(e, order_gap(x, y));
}

/* ---- one entry behind another -------------------------------------------- */

/* The calls before that can stand, taken in up to a moment. */
struct taken {
	const struct sighting **by_return, **by_entry;
	/* Of by_entry: which two, up to here, returned last. */
	struct latest {
		const struct sighting *first, *second;
	} * latest;
	size_t n;
	/* Taken in so far, by program; n_taken of the entry before's calls. */
	size_t n_taken;
	bool any[PLAN_MAX_PROGRAMS];
	uint64_t first_return[PLAN_MAX_PROGRAMS];
	uint64_t last_return[PLAN_MAX_PROGRAMS];
};

static int compare_returns(const void *a, const void *b)
{
	const struct sighting *x = *(const struct sighting *const *)a;
	const struct sighting *y = *(const struct sighting *const *)b;

	if (x->return_ns != y->return_ns)
		return x->return_ns < y->return_ns ? -1 : 1;
	return (x->ticket > y->ticket) - (x->ticket < y->ticket);
}

static int compare_entries(const void *a, const void *b)
{
	const struct sighting *x = *(const struct sighting *const *)a;
	const struct sighting *y = *(const struct sighting *const *)b;

	return (x->entry_ns > y->entry_ns) - (x->entry_ns < y->entry_ns);
}

static void taken_release(struct taken *t)
{
	free(t->by_return);
	free(t->by_entry);
	free(t->latest);
}

static void keep_latest(struct latest *l, const struct sighting *x)
{
	if (!l->first || x->return_ns > l->first->return_ns) {
		l->second = l->first;
		l->first = x;
	} else if (!l->second || x->return_ns > l->second->return_ns) {
		l->second = x;
	}
}

static bool taken_init(struct taken *t, const struct order_entry *before,
                       const bool *can)
{
	memset(t, 0, sizeof(*t));
	t->by_return = calloc(before->n + 1, sizeof(*t->by_return));
	t->by_entry = calloc(before->n + 1, sizeof(*t->by_entry));
	t->latest = calloc(before->n + 1, sizeof(*t->latest));
	if (!t->by_return || !t->by_entry || !t->latest) {
		taken_release(t);
		return false;
	}
	for (size_t i = 0; i < before->n; i++)
		if (can[i])
			t->by_return[t->n++] = &before->v[i];
	memcpy(t->by_entry, t->by_return, t->n * sizeof(*t->by_entry));
	qsort(t->by_return, t->n, sizeof(*t->by_return), compare_returns);
	qsort(t->by_entry, t->n, sizeof(*t->by_entry), compare_entries);
	for (size_t i = 0; i < t->n; i++) {
		struct latest *l = &t->latest[i];

		*l = i ? t->latest[i - 1] : (struct latest){0};
		keep_latest(l, t->by_entry[i]);
	}
	return true;
}

static void take(struct taken *t, const struct sighting *x)
{
	unsigned p = x->program;

	if (!t->any[p] || x->return_ns < t->first_return[p])
		t->first_return[p] = x->return_ns;
	if (!t->any[p] || x->return_ns > t->last_return[p])
		t->last_return[p] = x->return_ns;
	t->any[p] = true;
}

/* Is one of another program, taken in, still under way (without a gap)? */
static bool other_overlaps(const struct taken *t, const struct sighting *y)
{
	for (unsigned p = 0; p < PLAN_MAX_PROGRAMS; p++)
		if (p != y->program && t->any[p] &&
		    t->last_return[p] > sighting_moment(y))
			return true;
	return false;
}

static bool any_before(const struct taken *t, const struct sighting *y)
{
	for (unsigned p = 0; p < PLAN_MAX_PROGRAMS; p++)
		if (t->any[p] && (p != y->program ||
		                  t->first_return[p] <= sighting_moment(y)))
			return true;
	return false;
}

/* Is there one that returned so long before y as the gap says? */
static bool any_at_gap(const struct taken *t, const struct order_entry *e,
                       const struct sighting *y)
{
	uint64_t moment = sighting_moment(y), min, limit;
	size_t low = 0, high = t->n;

	min = e->gap_ns.min > 0 ? (uint64_t)e->gap_ns.min : 0;
	if (moment < min)
		return false;
	limit = moment - min;
	while (low < high) { /* the first that is too late */
		size_t middle = low + (high - low) / 2;
		const struct sighting *x = t->by_return[middle];

		if (x->return_ns < limit ||
		    (x->return_ns == limit && (min || precedes(x, y))))
			low = middle + 1;
		else
			high = middle;
	}
	if (low && gap_holds(e, moment - t->by_return[low - 1]->return_ns))
		return true;
	return gap_holds(e, 0) && other_overlaps(t, y);
}

/* Is there one, other than y itself, that was under way with y? */
static bool any_loosely(const struct taken *t, const struct sighting *y)
{
	size_t low = 0, high = t->n;
	struct latest l;

	while (low < high) { /* the first that began when y was over */
		size_t middle = low + (high - low) / 2;

		if (t->by_entry[middle]->entry_ns < y->return_ns)
			low = middle + 1;
		else
			high = middle;
	}
	/* The later it returned the better; but y is no other than itself. */
	if (!low)
		return false;
	l = t->latest[low - 1];
	return may_be_before(l.first, y) ||
	       (l.second && may_be_before(l.second, y));
}

/* Which calls of e can stand behind those of before that can? */
static bool step(const struct order_entry *before, const bool *can_before,
                 const struct order_entry *e, bool loosely, bool *can,
                 bool *ret_any)
{
	struct taken t;

	if (!taken_init(&t, before, can_before))
		return false;
	*ret_any = false;
	for (size_t i = 0; i < e->n; i++) {
		const struct sighting *y = &e->v[i];

		for (; t.n_taken < before->n &&
		       precedes(&before->v[t.n_taken], y);
		     t.n_taken++)
			if (can_before[t.n_taken])
				take(&t, &before->v[t.n_taken]);
		can[i] = e->has_gap ? any_at_gap(&t, e, y) : any_before(&t, y);
		if (!can[i] && loosely && gap_holds(e, 0))
			can[i] = any_loosely(&t, y);
		*ret_any |= can[i];
	}
	taken_release(&t);
	return true;
}

/* ---- all entries --------------------------------------------------------- */

struct check {
	const struct order_entry *entries;
	size_t n, reached;
	bool **can; /* by entry and call */
	bool loosely;
	size_t steps;
	const struct sighting **chain;
};

static bool run(struct check *k, bool loosely)
{
	bool any = k->entries[0].n != 0;

	k->loosely = loosely;
	memset(k->can[0], true, k->entries[0].n);
	for (k->reached = 0; any;) {
		if (++k->reached == k->n)
			break;
		if (!step(&k->entries[k->reached - 1], k->can[k->reached - 1],
		          &k->entries[k->reached], loosely, k->can[k->reached],
		          &any))
			return false;
	}
	return true;
}

/* A call stands for one entry only. */
static bool is_used(const struct check *k, size_t from,
                    const struct sighting *s)
{
	for (size_t i = from; i < k->reached; i++)
		if (k->chain[i]->ticket == s->ticket)
			return true;
	return false;
}

static bool choose(struct check *k, size_t entry, size_t i)
{
	const struct sighting *s = &k->entries[entry].v[i];

	if (!k->can[entry][i] || is_used(k, entry + 1, s))
		return false;
	if (entry + 1 < k->reached && !follows(&k->entries[entry + 1], s,
	                                       k->chain[entry + 1], k->loosely))
		return false;
	k->chain[entry] = s;
	return true;
}

/*
 * A choice of calls, from the last entry that was reached back to the first.
 * False: there is none, or the steps are used up.
 */
static bool find_chain(struct check *k)
{
	size_t *at = calloc(k->reached + 1, sizeof(*at));
	size_t entry = k->reached - 1;
	bool found = false;

	while (at && !found && k->steps++ < MAX_STEPS) {
		if (at[entry] == k->entries[entry].n) {
			if (++entry == k->reached)
				break;
		} else if (choose(k, entry, at[entry]++)) {
			found = entry == 0;
			if (!found)
				at[--entry] = 0;
		}
	}
	free(at);
	return found;
}

static bool check_init(struct check *k)
{
	k->chain = calloc(k->n, sizeof(*k->chain));
	k->can = calloc(k->n, sizeof(*k->can));
	for (size_t i = 0; k->can && i < k->n; i++) {
		k->can[i] = calloc(k->entries[i].n + 1, sizeof(**k->can));
		if (!k->can[i])
			return false;
	}
	return k->chain && k->can;
}

static void check_release(struct check *k)
{
	for (size_t i = 0; k->can && i < k->n; i++)
		free(k->can[i]);
	free(k->can);
	free(k->chain);
}

/* How far it is, and the calls that show it; 0 if there is no choice. */
static void show_chain(struct check *k, size_t *ret_reached,
                       struct sighting *ret_chain)
{
	k->steps = 0;
	*ret_reached = k->reached && find_chain(k) ? k->reached : 0;
	for (size_t i = 0; i < *ret_reached; i++)
		ret_chain[i] = *k->chain[i];
}

static enum order_answer answer(struct check *k, size_t *ret_reached,
                                struct sighting *ret_chain)
{
	if (!run(k, false))
		return ORDER_NO_MEMORY;
	if (k->reached == k->n)
		return ORDER_KEPT;
	show_chain(k, ret_reached, ret_chain);
	if (!run(k, true))
		return ORDER_NO_MEMORY;
	if (k->reached < k->n) {
		show_chain(k, ret_reached, ret_chain);
		return ORDER_BROKEN;
	}
	k->steps = 0;
	return find_chain(k) || k->steps > MAX_STEPS ? ORDER_UNKNOWN
	                                             : ORDER_BROKEN;
}

/* Marks the first few of each program that can stand. */
static void mark_first(const struct order_entry *e, const bool *can,
                       bool *stays)
{
	size_t n[PLAN_MAX_PROGRAMS] = {0};

	for (size_t i = 0; i < e->n; i++)
		if (can[i] && n[e->v[i].program]++ < FEW)
			stays[i] = true;
}

static void take_out(struct order_entry *e, const bool *stays)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		if (stays[i] || i >= e->n - e->n / 4)
			e->v[n++] = e->v[i];
	e->n = n;
}

static bool mark(struct check *k, bool loosely, bool **stays)
{
	if (!run(k, loosely))
		return false;
	for (size_t i = 0; i < k->reached; i++)
		mark_first(&k->entries[i], k->can[i], stays[i]);
	return true;
}

enum order_answer order_thin(struct order_entry *entries, size_t n)
{
	struct check k = {.entries = entries, .n = n};
	struct check stays = {.entries = entries, .n = n};
	enum order_answer a = ORDER_NO_MEMORY;

	if (check_init(&k) && check_init(&stays) && mark(&k, false, stays.can))
		a = k.reached == n ? ORDER_KEPT : ORDER_UNKNOWN;
	if (a == ORDER_UNKNOWN && !mark(&k, true, stays.can))
		a = ORDER_NO_MEMORY;
	for (size_t i = 0; a == ORDER_UNKNOWN && i < n; i++)
		if (i + 1 == n || !entries[i + 1].has_gap)
			take_out(&entries[i], stays.can[i]);
	check_release(&k);
	check_release(&stays);
	return a;
}

enum order_answer order_check(const struct order_entry *entries, size_t n,
                              size_t *ret_reached, struct sighting *ret_chain)
{
	struct check k = {.entries = entries, .n = n};
	enum order_answer a = ORDER_NO_MEMORY;

	*ret_reached = 0;
	if (check_init(&k))
		a = answer(&k, ret_reached, ret_chain);
	check_release(&k);
	return a;
}
