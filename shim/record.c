/*
 * record.c - see record.h; the protocol of a slot's state word is in trace.h.
 */
#include <linux/futex.h>
#include <netdb.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.h"
#include "process.h"
#include "record.h"
#include "stack.h"

#include "poison.h"

/* Threads that may be between the check for room and their ticket. */
enum {
	ROOM = 4096
};

static uint64_t word(uint64_t ticket, enum fault_record_state state)
{
	return ticket * 8 + state;
}

/* Takes a ticket if the ring has room; never waits. */
static struct fault_record *reserve(uint64_t *ret_ticket)
{
	struct fault_run *run = shim.run;
	uint64_t head, tail;

	if (!run || run->n_records <= ROOM)
		return NULL;
	head = atomic_load_explicit(&run->head, memory_order_relaxed);
	tail = atomic_load_explicit(&run->tail, memory_order_acquire);
	if (head - tail >= run->n_records - ROOM) {
		atomic_fetch_add(&run->dropped, 1);
		return NULL;
	}
	*ret_ticket = atomic_fetch_add(&run->head, 1);
	return &run_records(run)[*ret_ticket % run->n_records];
}

static void fill_who(struct fault_record *r, unsigned call, void *caller)
{
	/* A child of fork begins with it: what it does comes after that. */
	r->process = (uint16_t)(process_slot() - 1);
	r->entry_ns = shim_now();
	r->return_ns = r->entry_ns;
	r->caller = (uint64_t)(uintptr_t)caller;
	r->tid = (uint32_t)shim_tid();
	r->call = (uint8_t)call;
	r->flags = 0;
	r->serial = 0;
	r->connection = 0;
	r->fd = -1;
	r->result = 0;
	r->want = 0;
	r->rule = 0;
	r->err = 0;
	r->status = 0;
}

static void fill_sock(struct fault_record *r, const struct fault_sock *s)
{
	r->serial = atomic_load_explicit(&s->serial, memory_order_relaxed);
	r->connection = atomic_load(&s->connection);
	r->status =
		(uint8_t)(atomic_load(&s->state) << 4 | atomic_load(&s->role));
	if (atomic_load(&s->flags) & SOCK_IPV6)
		r->flags |= RECORD_IPV6;
}

/* As at entry, when the entry is another socket's by now. */
static void fill_sock_again(struct fault_record *r, const struct shim_call *c)
{
	if (call_owns_sock(c)) {
		fill_sock(r, c->sock);
		return;
	}
	r->serial = c->record.serial;
	r->connection = c->record.connection;
	r->status = c->record.status;
}

static void fill_address(struct fault_record *r, const struct fault_sock *s)
{
	if (!s->peer.family)
		return;
	for (size_t i = 0; i < sizeof(r->address); i++)
		r->address[i] = s->peer.bytes[i];
	r->flags |= RECORD_ADDRESS;
	if (s->peer.family == 6)
		r->flags |= RECORD_IPV6;
	else
		r->flags &= (uint8_t)~RECORD_IPV6;
}

/* bind, listen, connect and accept show ports and the peer's address. */
static void fill_ports(struct fault_record *r, const struct fault_sock *s)
{
	r->want = (uint32_t)atomic_load(&s->local_port) << 16 | s->peer.port;
	fill_address(r, s);
}

static void copy_name(struct fault_record *r, const char *name)
{
	size_t i = 0;

	for (; name[i] && i + 1 < sizeof(r->name); i++)
		r->name[i] = name[i];
	r->name[i] = '\0';
	r->flags |= RECORD_NAME;
}

/* What the resolver is asked for. */
static void fill_name(struct fault_record *r, const struct shim_call *c)
{
	if (c->e.host)
		copy_name(r, c->e.host);
}

/* Those that are not there are 0. */
static void fill_frames(struct fault_record *r)
{
	size_t n = sizeof(r->frames) / sizeof(r->frames[0]);
	size_t found = stack_frames(r->frames, n);

	while (found < n)
		r->frames[found++] = 0;
	r->flags |= RECORD_FRAMES;
}

static bool shows_ports(const struct fault_call_row *row)
{
	return row->family == FAMILY_BIND || row->family == FAMILY_LISTEN ||
	       row->family == FAMILY_CONNECT || row->family == FAMILY_ACCEPT;
}

static uint32_t clamp32(uint64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void record_enter(struct shim_call *c)
{
	struct fault_record *r;

	c->record.slot = NULL;
	if (!shim.traced || (!c->sock && c->row->kind != FAULT_INJECT))
		return;
	r = reserve(&c->record.ticket);
	if (!r)
		return;
	fill_who(r, c->id, c->caller);
	r->fd = c->fd;
	r->want = clamp32(c->e.want);
	r->flags |= c->flags;
	if (c->sock)
		fill_sock(r, c->sock);
	c->record.serial = r->serial;
	c->record.connection = r->connection;
	c->record.status = r->status;
	fill_name(r, c);
	if (UNLIKELY(shim.stacks) && !(r->flags & RECORD_NAME))
		fill_frames(r);
	c->record.slot = r;
	atomic_store_explicit(&r->state, word(c->record.ticket, RECORD_ENTERED),
	                      memory_order_release);
}

static void fill_result(struct fault_record *r, const struct shim_call *c)
{
	r->return_ns = shim_now();
	r->result = (int32_t)c->result;
	r->err = c->result == -1 ? (uint8_t)c->err : 0;
	if (c->row->effect == EFFECT_GETSOCKOPT && c->result == 0)
		r->err = (uint8_t)c->said;
	if (c->row->effect == EFFECT_RESOLVE) {
		r->result = c->said;
		r->err = c->said == EAI_SYSTEM ? (uint8_t)c->err : 0;
	}
	if (c->row->effect == EFFECT_FDOPEN)
		r->want = clamp32(c->e.want);
	r->rule = (uint16_t)c->rule;
	if (c->sock)
		fill_sock_again(r, c);
	r->flags |= c->flags;
	if (c->sock && shows_ports(c->row) && call_owns_sock(c))
		fill_ports(r, c->sock);
}

/* The reader took the slot while the call was under way: a second record. */
static void return_late(const struct shim_call *c)
{
	uint64_t ticket;
	struct fault_record *r = reserve(&ticket);

	if (!r)
		return;
	fill_who(r, RECORD_RETURN, NULL);
	fill_result(r, c);
	fill_name(r, c);
	r->fd = c->fd;
	r->caller = c->record.ticket;
	atomic_store_explicit(&r->state, word(ticket, RECORD_DONE),
	                      memory_order_release);
}

void record_return(struct shim_call *c)
{
	struct fault_record *r = c->record.slot;
	uint64_t expected = word(c->record.ticket, RECORD_ENTERED);

	if (!r)
		return;
	if (!atomic_compare_exchange_strong(
		    &r->state, &expected,
		    word(c->record.ticket, RECORD_RETURNING))) {
		return_late(c);
		return;
	}
	fill_result(r, c);
	atomic_store_explicit(&r->state, word(c->record.ticket, RECORD_DONE),
	                      memory_order_release);
}

static struct fault_record *event(unsigned call, uint64_t *ret_ticket,
                                  uint32_t want, uint32_t rule, void *caller)
{
	struct fault_record *r = reserve(ret_ticket);

	if (!r)
		return NULL;
	fill_who(r, call, caller);
	r->want = want;
	r->rule = (uint16_t)rule;
	return r;
}

void record_event(unsigned call, uint32_t want, uint32_t rule, void *caller)
{
	uint64_t ticket;
	struct fault_record *r = event(call, &ticket, want, rule, caller);

	if (r)
		atomic_store_explicit(&r->state, word(ticket, RECORD_DONE),
		                      memory_order_release);
}

static void image(unsigned call, uint32_t pid, const char *path, void *caller,
                  uint64_t since_ns)
{
	uint64_t ticket;
	struct fault_record *r = event(call, &ticket, pid, 0, caller);

	if (!r)
		return;
	if (since_ns)
		r->entry_ns = since_ns;
	if (path)
		copy_name(r, path);
	atomic_store_explicit(&r->state, word(ticket, RECORD_DONE),
	                      memory_order_release);
}

void record_image(unsigned call, uint32_t pid, const char *path, void *caller)
{
	image(call, pid, path, caller, 0);
}

/* The process may have attached before its parent comes to say so. */
void record_spawned(uint32_t pid, const char *path, uint64_t since_ns)
{
	image(RECORD_SPAWNED, pid, path, NULL, since_ns);
}

void record_module(const char *name, const void *begin)
{
	uint64_t ticket;
	struct fault_record *r = event(RECORD_MODULE, &ticket, 0, 0, NULL);

	if (!r)
		return;
	r->caller = (uint64_t)(uintptr_t)begin;
	copy_name(r, name);
	atomic_store_explicit(&r->state, word(ticket, RECORD_DONE),
	                      memory_order_release);
}

void record_sock_event(unsigned call, const struct fault_sock *s, int fd,
                       uint32_t want, uint32_t rule)
{
	uint64_t ticket;
	struct fault_record *r;

	if (!shim.traced)
		return;
	r = event(call, &ticket, want, rule, NULL);
	if (!r)
		return;
	r->fd = fd;
	fill_sock(r, s);
	if (call == RECORD_ESTABLISHED)
		fill_ports(r, s);
	atomic_store_explicit(&r->state, word(ticket, RECORD_DONE),
	                      memory_order_release);
}

void record_wake(void)
{
	struct fault_run *run = shim.run;

	if (!run || !run->n_records)
		return;
	atomic_fetch_add(&run->wake, 1);
	/* One wake for a burst: the runner says again that it waits. */
	if (atomic_load(&run->waiting) && atomic_exchange(&run->waiting, 0))
		next.syscall(SYS_futex, (long)&run->wake, FUTEX_WAKE, 1, 0, 0,
		             0);
}
