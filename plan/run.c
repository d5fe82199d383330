/*
 * run.c - the layout of the writable segment of a run (run.h).
 *
 * Whoever makes the segment (the runner, or the library used alone) lays it
 * out; everybody who attaches it checks it.  Both compute the same layout from
 * the same counts, so there is nothing to agree on but the counts.  Pure
 * computation on memory; async-signal-safe.
 */
#include <string.h>

#include "run.h"

/* Cache lines are not shared between two arrays. */
enum {
	RUN_ALIGN = 64
};

/* More than this nobody means: a broken header. */
enum {
	RUN_MAX_ENTRIES = 1 << 26
};

/* 50,000 connections of which both ends are in the run, with five classes each.
   Memory that is not used is not there. */
const struct fault_run_size fault_run_default = {
	.n_processes = 32768,
	.n_socks = 131072,
	.n_watches = 524288,
	.n_cells = 65536,
	.n_records = 262144,
};

/* 32 bit; each symbol with its final 0. */
uint32_t fault_calls_hash(void)
{
	uint32_t h = 0x811c9dc5u;

	for (size_t i = FAULT_CALL_NONE + 1; i < N_CALLS; i++) {
		const char *s = fault_calls[i].symbol;

		do
			h = (h ^ (uint8_t)*s) * 0x01000193u;
		while (*s++);
	}
	return h;
}

/* Cells that belong to (program, class) and to (run, class). */
static uint64_t fixed_cells(const struct fault_plan *plan)
{
	return (plan->n_programs + 1ULL) * plan->n_classes;
}

/* The array starts at the next line; the end moves behind it. */
static uint64_t place(uint64_t *end, uint64_t n, size_t element_len)
{
	uint64_t off = (*end + RUN_ALIGN - 1) / RUN_ALIGN * RUN_ALIGN;

	*end = off + n * element_len;
	return off;
}

/*
 * Everything in the header that follows from plan and counts.  n_cells is
 * given in full here: fixed ones, one per watch, those for processes.
 */
static void lay_out(struct fault_run *r, const struct fault_plan *plan,
                    const struct fault_run_size *full)
{
	uint64_t end = sizeof(*r);

	r->version = RUN_VERSION;
	r->calls_hash = fault_calls_hash();
	r->n_programs = plan->n_programs;
	r->n_rules = plan->n_rules;
	r->n_classes = plan->n_classes;
	r->n_processes = full->n_processes;
	r->n_socks = full->n_socks;
	r->n_watches = full->n_watches;
	r->n_cells = full->n_cells;
	r->n_records = full->n_records;
	r->programs_off =
		place(&end, r->n_programs, sizeof(struct fault_program_state));
	r->rules_off = place(&end, r->n_rules, sizeof(struct fault_rule_state));
	r->processes_off =
		place(&end, r->n_processes, sizeof(struct fault_process));
	r->socks_off = place(&end, r->n_socks, sizeof(struct fault_sock));
	r->refs_off = place(&end, r->n_socks, sizeof(struct fault_ref));
	r->cookies_off = place(&end, run_n_buckets(r->n_socks),
	                       sizeof(struct fault_cookies));
	r->watches_off = place(&end, r->n_watches, sizeof(struct fault_watch));
	r->cells_off = place(&end, r->n_cells, sizeof(struct fault_cell));
	r->records_off = place(&end, r->n_records, sizeof(struct fault_record));
	r->size = place(&end, 0, 1);
}

static struct fault_run_size with_fixed_cells(const struct fault_plan *plan,
                                              const struct fault_run_size *size)
{
	struct fault_run_size full = *size;

	full.n_cells += (uint32_t)fixed_cells(plan) + size->n_watches;
	return full;
}

uint64_t fault_run_bytes(const struct fault_plan *plan,
                         const struct fault_run_size *size)
{
	const struct fault_run_size full = with_fixed_cells(plan, size);
	struct fault_run r;

	lay_out(&r, plan, &full);
	return r.size;
}

void fault_run_init(void *mem, const struct fault_plan *plan,
                    const struct fault_run_size *size)
{
	const struct fault_run_size full = with_fixed_cells(plan, size);
	struct fault_run *r = mem;
	struct fault_rule_state *rules;

	lay_out(r, plan, &full);
	rules = run_rules(r);
	for (uint32_t i = 0; i < plan->n_rules; i++) {
		bool armed = plan_rules(plan)[i].flags & PLAN_RULE_ARMED;

		atomic_init(&rules[i].armed, armed);
		atomic_init(&rules[i].armings, armed);
	}
	atomic_init(&r->used_cells, (uint32_t)fixed_cells(plan) + r->n_watches);
	/* Tickets are from 1; sockets, watches and serials too, by their users.
	 */
	atomic_init(&r->head, 1);
	atomic_init(&r->tail, 1);
	r->magic = RUN_MAGIC;
}

static bool same_layout(const struct fault_run *a, const struct fault_run *b)
{
	return a->size == b->size && a->programs_off == b->programs_off &&
	       a->rules_off == b->rules_off &&
	       a->processes_off == b->processes_off &&
	       a->socks_off == b->socks_off && a->refs_off == b->refs_off &&
	       a->cookies_off == b->cookies_off &&
	       a->watches_off == b->watches_off &&
	       a->cells_off == b->cells_off && a->records_off == b->records_off;
}

static bool counts_are_sound(const struct fault_run *r,
                             const struct fault_plan *plan)
{
	return r->n_processes <= RUN_MAX_ENTRIES &&
	       r->n_socks <= RUN_MAX_ENTRIES &&
	       r->n_watches <= RUN_MAX_ENTRIES &&
	       r->n_cells <= RUN_MAX_ENTRIES &&
	       r->n_records <= RUN_MAX_ENTRIES &&
	       r->n_cells >= fixed_cells(plan) + r->n_watches;
}

const char *fault_run_check(const void *mem, uint64_t len,
                            const struct fault_plan *plan)
{
	struct fault_run r, want;
	struct fault_run_size full;

	if ((uintptr_t)mem % RUN_ALIGN)
		return "the run's memory is not aligned";
	if (len < sizeof(r))
		return "the run is shorter than its header";
	/* One copy: a broken target may write while we look. */
	memcpy(&r, mem, sizeof(r));
	if (r.magic != RUN_MAGIC)
		return "this is no run of fault";
	if (r.version != RUN_VERSION)
		return "the run has another version";
	if (r.calls_hash != fault_calls_hash())
		return "library and runner know different calls";
	if (r.n_programs != plan->n_programs || r.n_rules != plan->n_rules ||
	    r.n_classes != plan->n_classes)
		return "the run belongs to another plan";
	if (!counts_are_sound(&r, plan))
		return "the run's tables have impossible sizes";
	full = (struct fault_run_size){r.n_processes, r.n_socks, r.n_watches,
	                               r.n_cells, r.n_records};
	lay_out(&want, plan, &full);
	if (!same_layout(&r, &want))
		return "the run's tables are not where they belong";
	if (r.size > len)
		return "the run is longer than its memory";
	return NULL;
}
