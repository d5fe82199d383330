/*
 * observe.c - see observe.h; the protocol of the ring is in trace.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/machine.h"
#include "runner/observe.h"

/* A writer that died between taking a ticket and writing it is skipped. */
#define STUCK_NS (200 * NS_PER_MS)

enum {
	STATE_MASK = 7,
	STATE_SHIFT = 3,
	/* Processes of a run, with those that were executed and not reached. */
	MAX_PROCESSES = 1 << 17
};

/* Which of the processes has the pid. */
struct by_pid {
	uint64_t key; /* pid + 1 */
	size_t index;
};

/* A listen() that had not returned. */
struct open_call {
	uint64_t ticket;
	uint32_t pid, program;
};

int observe_init(struct observe *o, const void *plan, size_t plan_len,
                 const struct segments *segments, const char *trace_path,
                 int64_t start_ns)
{
	int r = 0;

	*o = (struct observe){.plan = plan,
	                      .segments = segments,
	                      .next = 1,
	                      .by_pid = KEYED_OF(struct by_pid),
	                      .listens = KEYED_OF(struct open_call)};
	trace_context_init(&o->context, plan, (uint64_t)start_ns);
	o->status = calloc(segments->n.n_processes + 1, 1);
	o->programs = calloc(segments->n_programs + 1, sizeof(*o->programs));
	if (!o->status || !o->programs)
		r = -ENOMEM;
	if (r == 0 && trace_path)
		r = trace_writer_open(&o->writer, trace_path, plan, plan_len,
		                      (uint64_t)start_ns);
	if (r < 0)
		observe_release(o);
	return r;
}

void observe_release(struct observe *o)
{
	trace_writer_close(&o->writer);
	trace_context_release(&o->context);
	free(o->status);
	free(o->programs);
	free(o->processes);
	keyed_release(&o->by_pid);
	keyed_release(&o->listens);
	*o = (struct observe){0};
}

/* ---- processes ----------------------------------------------------------- */

static struct observed_process *find(const struct observe *o, uint32_t pid)
{
	const struct by_pid *v = keyed_find(&o->by_pid, pid + 1ULL);

	return v ? &o->processes[v->index] : NULL;
}

static bool grow_processes(struct observe *o)
{
	size_t cap = o->cap_processes ? 2 * o->cap_processes : 64;
	struct observed_process *v;

	if (o->n_processes < o->cap_processes)
		return true;
	if (o->n_processes >= MAX_PROCESSES)
		return false;
	v = realloc(o->processes, cap * sizeof(*v));
	if (!v) {
		machine_failed(-ENOMEM, "noting a process");
		return false;
	}
	o->processes = v;
	o->cap_processes = cap;
	return true;
}

/* NULL: no memory, or there have been too many. */
static struct observed_process *find_or_add(struct observe *o, uint32_t pid,
                                            uint32_t program)
{
	struct observed_process *p = find(o, pid);
	struct by_pid *v;

	/* A pid that another program had is a new process. */
	if (p && p->program == program)
		return p;
	if (!grow_processes(o))
		return NULL;
	v = keyed_add(&o->by_pid, pid + 1ULL);
	if (!v)
		return NULL;
	v->index = o->n_processes;
	p = &o->processes[o->n_processes++];
	*p = (struct observed_process){
		.pid = pid, .program = program, .root = pid};
	return p;
}

/* pid was begun by parent: both are below the same start. */
static void adopt(struct observe *o, struct observed_process *p,
                  uint32_t parent)
{
	const struct observed_process *above = find(o, parent);

	if (above && above->program == p->program)
		p->root = above->root;
}

static void note_listening(struct observe *o, uint32_t pid, uint32_t program)
{
	struct observed_process *p = find(o, pid);

	o->programs[program].listening = true;
	if (p)
		p = find(o, p->root);
	if (p)
		p->listening = true;
}

bool observe_listens(const struct observe *o, uint32_t pid)
{
	const struct observed_process *p = find(o, pid);

	return p && p->listening;
}

static struct trace_process copy_process(const struct fault_process *p)
{
	struct trace_process c = {
		.pid = atomic_load(&p->pid),
		.parent = p->parent,
		.program = p->program,
		.started_ns = p->started_ns,
	};

	memcpy(c.name, p->name, sizeof(c.name));
	memcpy(c.what, p->what, sizeof(c.what));
	trace_process_clean(&c);
	return c;
}

static void note_process(struct observe *o, const struct trace_process *c,
                         uint8_t status)
{
	struct observed_process *p;

	if (c->program >= o->segments->n_programs)
		return;
	p = find_or_add(o, c->pid, c->program);
	if (!p)
		return;
	if (c->parent && c->parent <= o->context.n_processes)
		adopt(o, p, o->context.processes[c->parent - 1].pid);
	if (status == PROCESS_FAILED) {
		p->failed = true;
		memcpy(p->what, c->what, sizeof(p->what));
	} else if (status == PROCESS_EXITED) {
		p->alive_ns = now_ns();
	} else {
		o->programs[c->program].attached++;
	}
	if ((int64_t)c->started_ns > p->attached_ns)
		p->attached_ns = (int64_t)c->started_ns;
}

/* Has this slot anything new to say? */
static void see_slot(struct observe *o, uint32_t slot)
{
	struct fault_process *p = segments_process(o->segments, slot);
	uint32_t status;
	struct trace_process c;

	if (!p)
		return;
	status = atomic_load_explicit(&p->status, memory_order_acquire);
	o->damaged |= status > PROCESS_EXITED;
	if (status == o->status[slot] || status == PROCESS_FREE ||
	    status > PROCESS_EXITED)
		return;
	c = copy_process(p);
	if (o->status[slot] == PROCESS_FREE && status == PROCESS_EXITED)
		note_process(o, &c, PROCESS_ATTACHED);
	o->status[slot] = (uint8_t)status;
	note_process(o, &c, (uint8_t)status);
	if (slot > UINT16_MAX)
		return;
	if (trace_context_set(&o->context, (uint16_t)slot, &c) == 0)
		trace_writer_process(&o->writer, &o->context, (uint16_t)slot);
	else
		machine_failed(-ENOMEM, "noting a process");
}

static void see_processes(struct observe *o)
{
	uint32_t n = atomic_load(&o->segments->run->used_processes);

	if (n > o->segments->n.n_processes)
		n = o->segments->n.n_processes;
	for (uint32_t i = 0; i < n; i++)
		if (o->status[i] != PROCESS_EXITED)
			see_slot(o, i);
}

const struct observed_process *observe_process(const struct observe *o,
                                               uint32_t pid)
{
	return find(o, pid);
}

bool observe_lost_image(const struct observed_process *p)
{
	return p->exec_ns > p->attached_ns && p->exec_ns > p->alive_ns;
}

const struct observed_process *observe_failure(const struct observe *o)
{
	for (size_t i = 0; i < o->n_processes; i++)
		if (o->processes[i].failed)
			return &o->processes[i];
	return NULL;
}

/* ---- records ------------------------------------------------------------- */

static bool is_exec(unsigned call)
{
	switch (call) {
	case FAULT_CALL_execve:
	case FAULT_CALL_execv:
	case FAULT_CALL_execvp:
	case FAULT_CALL_execvpe:
	case FAULT_CALL_execl:
	case FAULT_CALL_execlp:
	case FAULT_CALL_execle:
	case FAULT_CALL_fexecve:
	case FAULT_CALL_execveat:
		return true;
	default:
		return false;
	}
}

static void open_listen(struct observe *o, uint64_t ticket,
                        const struct trace_process *p)
{
	struct open_call *v = keyed_add(&o->listens, ticket);

	if (v)
		*v = (struct open_call){ticket, p->pid, p->program};
}

static void close_listen(struct observe *o, const struct fault_record *r)
{
	struct open_call *v = keyed_find(&o->listens, r->caller);

	if (!v)
		return;
	if (r->result == 0)
		note_listening(o, v->pid, v->program);
	keyed_remove(&o->listens, v);
}

static void is_alive(struct observed_process *p, uint64_t ns)
{
	if (p && (int64_t)ns > p->alive_ns)
		p->alive_ns = (int64_t)ns;
}

static void executes(struct observe *o, struct observed_process *p,
                     const struct fault_record *r)
{
	p->exec_ns = (int64_t)r->entry_ns;
	p->seen = (struct unreached){0};
	p->path[0] = '\0';
	/* What was cut is another file's name. */
	if (r->flags & RECORD_NAME &&
	    strnlen(r->name, sizeof(r->name)) < sizeof(r->name) - 1)
		strcpy(p->path, r->name);
	if (!observe_lost_image(p))
		return;
	if (o->n_pending == OBSERVE_PENDING)
		memmove(o->pending, o->pending + 1,
		        --o->n_pending * sizeof(o->pending[0]));
	o->pending[o->n_pending++] = (size_t)(p - o->processes);
}

/*
 * An exec replaces the image of the process in `want` (a vfork child has its
 * parent's slot), unless that process says something later; _exit is what a
 * vfork child says.
 */
static void note_life(struct observe *o, const struct trace_process *known,
                      const struct fault_record *r)
{
	struct observed_process *p;

	if (is_exec(r->call) || r->call == RECORD_SPAWNED) {
		p = find_or_add(o, r->want, known->program);
		if (!p)
			return;
		if (r->want != known->pid)
			adopt(o, p, known->pid);
		executes(o, p, r);
		return;
	}
	if (r->call == RECORD_OTHER_RUN || r->call == RECORD_NO_ROOM) {
		p = find(o, r->want);
		if (p)
			p->seen.unkept = r->call == RECORD_OTHER_RUN
			                         ? UNREACHED_OTHER_RUN
			                         : UNREACHED_NO_ROOM;
		return;
	}
	if (r->call == FAULT_CALL__exit || r->call == FAULT_CALL__Exit)
		is_alive(find(o, r->want), r->entry_ns);
	else
		is_alive(find(o, known->pid), r->return_ns);
}

static void note_record(struct observe *o, const struct fault_record *r,
                        bool entered)
{
	const struct trace_process *known;

	if (r->process >= o->context.n_processes)
		return;
	known = &o->context.processes[r->process];
	if (!known->pid || known->program >= o->segments->n_programs)
		return;
	if (!entered)
		note_life(o, known, r);
	if (r->call == RECORD_URING)
		o->urings |= 1ULL << known->program % 64;
	if (r->serial)
		o->programs[known->program].sockets++;
	if (o->calls)
		call_watches_note(o->calls, r,
		                  atomic_load(&r->state) >> STATE_SHIFT,
		                  known->program, entered);
	if (r->call == FAULT_CALL_listen && entered)
		open_listen(o, atomic_load(&r->state) >> STATE_SHIFT, known);
	else if (r->call == FAULT_CALL_listen && r->result == 0)
		note_listening(o, known->pid, known->program);
	else if (r->call == RECORD_RETURN)
		close_listen(o, r);
}

/* Could the library have written it?  Else its fields would mislead. */
static bool is_sound(const struct observe *o, const struct fault_record *r)
{
	bool call = r->call > FAULT_CALL_NONE && r->call < N_CALLS;
	bool event = r->call >= RECORD_EVENT && r->call <= RECORD_LAST;

	return (call || event) && r->rule <= o->segments->n_rules;
}

static void take(struct observe *o, const struct fault_record *slot,
                 enum fault_record_state state)
{
	struct fault_record copy = *slot;

	if (!is_sound(o, &copy)) {
		o->damaged = true;
		return;
	}
	atomic_store(&copy.state, o->next << STATE_SHIFT | state);
	see_slot(o, copy.process);
	note_record(o, &copy, state == RECORD_ENTERED);
	if (!o->max_records || o->n_records < o->max_records)
		trace_writer_record(&o->writer, &copy);
	if (o->record)
		o->record(o->record_context, &o->context, &copy);
	o->n_records++;
}

/* The slot of ticket next: taken, or not ready (false). */
static bool take_next(struct observe *o)
{
	struct fault_record *slot = segments_record(o->segments, o->next);
	uint64_t word, taken = o->next << STATE_SHIFT | RECORD_TAKEN;

	word = atomic_load_explicit(&slot->state, memory_order_acquire);
	if (word >> STATE_SHIFT != o->next)
		return false;
	/* Still inside its call: do not wait for the return. */
	if ((word & STATE_MASK) == RECORD_ENTERED &&
	    atomic_compare_exchange_strong(&slot->state, &word, taken)) {
		take(o, slot, RECORD_ENTERED);
		return true;
	}
	/* It may have returned just now: then word has changed. */
	if (word != (o->next << STATE_SHIFT | RECORD_DONE))
		return false;
	take(o, slot, RECORD_DONE);
	return true;
}

/* Over the tickets whose writers are gone, to the next good one or to head. */
static void skip_stuck(struct observe *o, uint64_t head)
{
	do {
		o->next++;
		o->n_lost++;
	} while (o->next < head && !take_next(o));
	if (o->next < head)
		o->next++; /* it was taken */
	o->stuck_ns = 0;
}

static uint64_t drain(struct observe *o, bool final)
{
	struct fault_run *run = o->segments->run;
	uint64_t head = atomic_load_explicit(&run->head, memory_order_acquire);
	uint64_t before = o->n_records;

	if (o->segments->n.n_records == 0)
		return 0;
	if (head < o->next || head - o->next > o->segments->n.n_records) {
		o->damaged = true;
		return 0;
	}
	while (o->next < head) {
		if (take_next(o)) {
			o->next++;
			o->stuck_ns = 0;
		} else if (final ||
		           (o->stuck_ns && now_ns() - o->stuck_ns > STUCK_NS)) {
			skip_stuck(o, head);
		} else {
			if (!o->stuck_ns)
				o->stuck_ns = now_ns();
			break;
		}
		if (o->next % 1024 == 0)
			atomic_store_explicit(&run->tail, o->next,
			                      memory_order_release);
	}
	atomic_store_explicit(&run->tail, o->next, memory_order_release);
	return o->n_records - before;
}

uint64_t observe_drain(struct observe *o)
{
	see_processes(o);
	return drain(o, false);
}

int observe_finish(struct observe *o)
{
	see_processes(o);
	drain(o, true);
	return trace_writer_close(&o->writer);
}

bool observe_full(const struct observe *o)
{
	return o->n_processes >= MAX_PROCESSES ||
	       atomic_load(&o->segments->run->used_processes) >=
	               o->segments->n.n_processes;
}

bool observe_incomplete(const struct observe *o)
{
	const struct fault_run *run = o->segments->run;

	return o->damaged || atomic_load(&run->dropped) ||
	       atomic_load(&run->lost_socks) || observe_full(o) ||
	       o->writer.error;
}
