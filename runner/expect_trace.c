/*
 * expect_trace.c - see expect_trace.h.
 *
 * Every entry of `calls` and `order` has a tally; one pass over the trace fills
 * them all, then each is judged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/expect_match.h"
#include "runner/expect_order.h"
#include "runner/expect_report.h"
#include "runner/expect_trace.h"
#include "runner/machine.h"
#include "runner/text.h"

static const char no_memory[] = "comparing calls";

enum {
	FIRST_LIMIT = 1 << 17
};

/* Calls that came near, the nearest first. */
struct near {
	uint64_t tickets[REPORT_LINES];
	enum match match[REPORT_LINES];
	size_t n;
};

struct tally {
	const struct call_expect *e;
	struct matcher matcher;
	uint64_t n, bytes;
	struct report_part first; /* of those that match */
	struct near near;
	bool keeps; /* them in kept, as long as they matter */
	struct order_entry kept;
	size_t cap;
	/* `gap`: so many before those in kept; has one that is wrong been told?
	 */
	size_t n_before;
	bool told;
};

struct hearing {
	const struct scenario *s;
	struct tally *calls, *order;
	size_t n_kept, limit; /* when it is time to thin */
	bool too_many;        /* not all could be kept */
	bool holes;           /* records are missing */
	int trace_errno;      /* why, if it could not be written */
	struct expect_report report;
};

static void thin(struct hearing *h);

/* ---- the pass ------------------------------------------------------------ */

static void note_near(struct near *k, enum match m, uint64_t ticket)
{
	size_t i = k->n < REPORT_LINES ? k->n : REPORT_LINES;

	while (i && k->match[i - 1] < m)
		i--;
	if (i == REPORT_LINES)
		return;
	if (k->n < REPORT_LINES)
		k->n++;
	memmove(&k->tickets[i + 1], &k->tickets[i],
	        (k->n - i - 1) * sizeof(*k->tickets));
	memmove(&k->match[i + 1], &k->match[i],
	        (k->n - i - 1) * sizeof(*k->match));
	k->tickets[i] = ticket;
	k->match[i] = m;
}

static void keep(struct hearing *h, struct tally *t, struct sighting s)
{
	if (h->n_kept >= h->limit)
		thin(h);
	if (h->too_many || !t->keeps)
		return;
	if (t->kept.n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct sighting *v =
			realloc(t->kept.v, cap * sizeof(*t->kept.v));

		if (!v) {
			machine_failed(-ENOMEM, no_memory);
			h->too_many = true;
			return;
		}
		t->kept.v = v;
		t->cap = cap;
	}
	t->kept.v[t->kept.n++] = s;
	h->n_kept++;
}

static bool has_bytes(const struct tally *t, const struct replay_call *c)
{
	uint64_t n = match_bytes(c);

	return (int64_t)n >= t->e->bytes.min && (int64_t)n <= t->e->bytes.max;
}

static void look(struct hearing *h, struct tally *t,
                 const struct replay_call *c, bool open, bool ordered)
{
	enum match m = matcher_look(&t->matcher, c, open);

	/* One call of an order has its own bytes, `calls` the sum of all. */
	if (ordered && m == MATCH_FULL && t->e->has_bytes && !has_bytes(t, c))
		m = MATCH_RESULT;
	if (m >= MATCH_AGAIN)
		t->bytes += match_bytes(c);
	if (m == MATCH_FULL) {
		t->n++;
		report_part_add(&t->first, t->matcher.seen.ticket);
		if (t->keeps)
			keep(h, t, t->matcher.seen);
	} else if (m != MATCH_NONE && m != MATCH_AGAIN) {
		note_near(&t->near, m, c->ticket);
	}
}

static void look_all(struct hearing *h, const struct replay_call *c, bool open)
{
	for (size_t i = 0; i < h->s->n_call_expects; i++)
		look(h, &h->calls[i], c, open, false);
	for (size_t i = 0; i < h->s->n_order; i++)
		look(h, &h->order[i], c, open, true);
}

/* ---- calls --------------------------------------------------------------- */

/* A connect that went on came near before it matched. */
static bool is_among(const struct report_part *p, uint64_t ticket)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->tickets[i] == ticket)
			return true;
	return false;
}

static void show_near(struct report_part *p, const struct tally *t)
{
	p->title = t->n ? "these are not:" : "these came nearest:";
	for (size_t i = 0; i < t->near.n; i++)
		if (!is_among(&t->first, t->near.tickets[i]))
			report_part_add(p, t->near.tickets[i]);
}

static void show(struct report_claim *c, const struct tally *t)
{
	c->parts[0] = t->first;
	c->parts[0].title = "these are:";
	show_near(&c->parts[1], t);
}

static void judge_count(struct hearing *h, const struct tally *t)
{
	int64_t n = (int64_t)t->n;
	bool too_many = n > t->e->count.max;
	/* What is missing can only add to them. */
	bool sure = too_many || !h->holes;
	char range[80], text[512], result[64];

	if (n >= t->e->count.min && !too_many)
		return;
	text_range(&t->e->count, 1, range, sizeof(range));
	match_text(h->s, t->e, text, sizeof(text));
	show(expect_report_add(
		     &h->report, sure ? FINDING_FAIL : FINDING_INCONCLUSIVE,
		     &t->e->loc, "%s: %lld call%s%s, expected %s", text,
		     (long long)n, n == 1 ? "" : "s",
		     match_result_text(t->e, result, sizeof(result)), range),
	     t);
}

static void judge_bytes(struct hearing *h, const struct tally *t)
{
	const struct range *want = &t->e->bytes;
	bool too_many = (int64_t)t->bytes > want->max;
	bool sure = too_many || !h->holes;
	char range[80], text[512];

	if (!t->e->has_bytes || ((int64_t)t->bytes >= want->min && !too_many))
		return;
	text_range(want, 1, range, sizeof(range));
	match_text(h->s, t->e, text, sizeof(text));
	show(expect_report_add(
		     &h->report, sure ? FINDING_FAIL : FINDING_INCONCLUSIVE,
		     &t->e->loc, "%s: %llu bytes in %llu call%s, expected %s",
		     text, (unsigned long long)t->bytes,
		     (unsigned long long)t->n, t->n == 1 ? "" : "s", range),
	     t);
}

static void tell_gap(struct hearing *h, const struct tally *t, size_t i)
{
	const struct sighting *x = &t->kept.v[i - 1], *y = &t->kept.v[i];
	char range[80], text[512];
	struct report_claim *c;

	text_durations(&t->e->gap_ns, range, sizeof(range));
	match_text(h->s, t->e, text, sizeof(text));
	c = expect_report_add(
		&h->report, h->holes ? FINDING_INCONCLUSIVE : FINDING_FAIL,
		&t->e->loc, "%s: %.3f s between call %zu and %zu, expected %s",
		text, (double)order_gap(x, y) / 1e9, t->n_before + i,
		t->n_before + i + 1, range);
	c->timing = true;
	c->parts[0].title = "between these:";
	report_part_add(&c->parts[0], x->ticket);
	report_part_add(&c->parts[0], y->ticket);
}

/* The gaps between the first n that are kept; those are given up. */
static void judge_gaps(struct hearing *h, struct tally *t, size_t n)
{
	const struct range *want = &t->e->gap_ns;

	for (size_t i = 1; i < n && !t->told; i++) {
		int64_t gap =
			(int64_t)order_gap(&t->kept.v[i - 1], &t->kept.v[i]);

		t->told = gap < want->min || gap > want->max;
		if (t->told)
			tell_gap(h, t, i);
	}
	if (n < 2)
		return;
	t->n_before += n - 1;
	t->kept.n -= n - 1;
	memmove(t->kept.v, t->kept.v + n - 1, t->kept.n * sizeof(*t->kept.v));
}

/* What holds so far holds only if nothing is missing. */
static void judge_holes(struct hearing *h)
{
	const struct scenario *s = h->s;
	const struct source_loc *loc =
		s->n_call_expects ? &s->call_expects[0].loc : &s->order[0].loc;

	if (h->holes)
		expect_report_add(&h->report, FINDING_INCONCLUSIVE, loc,
		                  "the trace is incomplete%s%s: nobody knows "
		                  "whether the calls were as expected",
		                  h->trace_errno ? ", " : "",
		                  h->trace_errno ? strerror(h->trace_errno)
		                                 : "");
	else if (h->too_many)
		expect_report_add(&h->report, FINDING_INCONCLUSIVE, loc,
		                  "more than %d calls that `gap` or `order` "
		                  "asks about: name fewer, by `connection`, "
		                  "`nth` or `result`",
		                  (int)EXPECT_MAX_SIGHTINGS / 2);
}

/* ---- order --------------------------------------------------------------- */

/* Entries are sorted by then; ranges of a gap that did not hold are told. */
static void tell_order(struct hearing *h, size_t reached, bool unknown,
                       const struct sighting *chain)
{
	const struct tally *t = &h->order[reached];
	char text[512], before[600] = "", gap[100] = "", range[80];
	char result[64];
	struct report_claim *c;

	match_text(h->s, t->e, text, sizeof(text));
	if (reached) {
		char previous[512];

		match_text(h->s, h->order[reached - 1].e, previous,
		           sizeof(previous));
		snprintf(before, sizeof(before), " after %s", previous);
	}
	if (t->e->has_gap) {
		text_durations(&t->e->gap_ns, range, sizeof(range));
		snprintf(gap, sizeof(gap), " and a gap of %s", range);
	}
	c = expect_report_add(
		&h->report,
		unknown || h->holes ? FINDING_INCONCLUSIVE : FINDING_FAIL,
		&t->e->loc,
		unknown ? "order: call %zu of %zu: %s%s was under way at the "
			  "same time%s%s: nobody knows which was first"
			: "order: call %zu of %zu: no %s%s%s%s",
		reached + 1, h->s->n_order, text,
		match_result_text(t->e, result, sizeof(result)), before, gap);
	c->timing = t->e->has_gap;
	c->parts[0].title = "so far:";
	for (size_t i = 0; i < reached; i++)
		report_part_add(&c->parts[0], chain[i].ticket);
	c->parts[1] = t->first;
	c->parts[1].title = "seen at another time:";
	if (!t->n)
		show_near(&c->parts[1], t);
}

/* The tallies' lists, sorted; NULL without memory. */
static struct order_entry *sorted_entries(struct hearing *h)
{
	size_t n = h->s->n_order;
	struct order_entry *entries = calloc(n + 1, sizeof(*entries));

	for (size_t i = 0; i < n && entries; i++) {
		struct order_entry *e = &h->order[i].kept;

		e->has_gap = h->order[i].e->has_gap;
		e->gap_ns = h->order[i].e->gap_ns;
		order_sort(e);
		entries[i] = *e;
	}
	return entries;
}

static void judge_order(struct hearing *h)
{
	size_t n = h->s->n_order, reached;
	struct order_entry *entries = sorted_entries(h);
	struct sighting *chain = calloc(n + 1, sizeof(*chain));
	enum order_answer a = ORDER_NO_MEMORY;

	if (entries && chain)
		a = order_check(entries, n, &reached, chain);
	if (a == ORDER_BROKEN || a == ORDER_UNKNOWN)
		tell_order(h, reached, a == ORDER_UNKNOWN, chain);
	else if (a == ORDER_NO_MEMORY)
		machine_failed(-ENOMEM, no_memory);
	free(entries);
	free(chain);
}

/* ---- many calls ---------------------------------------------------------- */

static void thin_order(struct hearing *h)
{
	size_t n = h->s->n_order;
	struct order_entry *entries = sorted_entries(h);
	enum order_answer a = ORDER_NO_MEMORY;

	if (entries)
		a = order_thin(entries, n);
	if (a == ORDER_NO_MEMORY)
		machine_failed(-ENOMEM, no_memory);
	for (size_t i = 0; i < n && entries; i++) {
		h->order[i].keeps = a != ORDER_KEPT;
		h->order[i].kept.n = a == ORDER_KEPT ? 0 : entries[i].n;
	}
	free(entries);
}

/* What is settled is given up: memory does not grow with the trace. */
static void thin(struct hearing *h)
{
	h->n_kept = 0;
	if (h->s->n_order && h->order[0].keeps)
		thin_order(h);
	for (size_t i = 0; i < h->s->n_call_expects; i++) {
		struct tally *t = &h->calls[i];

		/* Those that overlap may still come between the others. */
		order_sort(&t->kept);
		judge_gaps(h, t, t->kept.n - t->kept.n / 4);
		h->n_kept += t->kept.n;
	}
	for (size_t i = 0; i < h->s->n_order; i++)
		h->n_kept += h->order[i].kept.n;
	h->limit = 2 * h->n_kept < FIRST_LIMIT ? FIRST_LIMIT : 2 * h->n_kept;
	h->too_many |= h->n_kept > EXPECT_MAX_SIGHTINGS / 2;
}

/* ---- the whole ----------------------------------------------------------- */

static struct tally *tallies(const struct call_expect *e, size_t n,
                             bool ordered)
{
	struct tally *v = calloc(n + 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++) {
		v[i].e = &e[i];
		v[i].keeps = ordered || e[i].has_gap;
		matcher_init(&v[i].matcher, &e[i]);
	}
	return v;
}

static void tallies_free(struct tally *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++) {
		matcher_release(&v[i].matcher);
		free(v[i].kept.v);
	}
	free(v);
}

static void note_lost(struct hearing *h, const struct tally *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h->holes |= v[i].matcher.lost;
}

static void hear(struct hearing *h, struct replay *p)
{
	struct replay_call c;

	while (replay_next(p, &c))
		look_all(h, &c, false);
	h->holes |= !trace_reader_complete(&p->reader);
	while (replay_next_open(p, &c))
		look_all(h, &c, true);
	note_lost(h, h->calls, h->s->n_call_expects);
	note_lost(h, h->order, h->s->n_order);
	for (size_t i = 0; i < h->s->n_call_expects; i++) {
		judge_count(h, &h->calls[i]);
		judge_bytes(h, &h->calls[i]);
		if (!h->calls[i].keeps || h->too_many)
			continue;
		order_sort(&h->calls[i].kept);
		judge_gaps(h, &h->calls[i], h->calls[i].kept.n);
	}
	if (!h->too_many && h->s->n_order && h->order[0].keeps)
		judge_order(h);
	judge_holes(h);
}

void expect_trace_judge(const char *trace_path, const struct scenario *s,
                        const struct session_result *r, struct judgement *ret)
{
	struct hearing h = {.s = s,
	                    .limit = FIRST_LIMIT,
	                    .holes = r->incomplete || r->truncated,
	                    .trace_errno = r->trace_errno};
	struct replay replay;
	int err = -ENOMEM;

	if ((!s->n_call_expects && !s->n_order) ||
	    (r->end != SESSION_OVER && r->end != SESSION_LIMIT))
		return;
	h.calls = tallies(s->call_expects, s->n_call_expects, false);
	h.order = tallies(s->order, s->n_order, true);
	if (h.calls && h.order)
		err = replay_open(&replay, trace_path);
	if (err == 0) {
		hear(&h, &replay);
		replay_release(&replay);
	} else {
		h.holes = true;
		if (machine_is_short(err))
			machine_failed(err, "reading the trace");
		judge_holes(&h);
	}
	tallies_free(h.calls, s->n_call_expects);
	tallies_free(h.order, s->n_order);
	expect_report_end(&h.report, trace_path, ret);
}
