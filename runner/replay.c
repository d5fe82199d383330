/*
 * replay.c - see replay.h.  Every index of the file is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/machine.h"
#include "runner/replay.h"

/* A call that was under way when its record was taken. */
struct replay_open {
	uint64_t ticket;
	struct fault_record r;
};

int replay_open(struct replay *p, const char *path)
{
	const char *why;

	*p = (struct replay){.sockets = KEYED_OF(struct replay_socket),
	                     .open = KEYED_OF(struct replay_open)};
	return trace_reader_open(&p->reader, path, &why);
}

void replay_release(struct replay *p)
{
	trace_reader_release(&p->reader);
	keyed_release(&p->sockets);
	keyed_release(&p->open);
	free(p->rest);
	*p = (struct replay){0};
}

/* ---- calls that return later --------------------------------------------- */

static void remember(struct replay *p, const struct fault_record *r)
{
	struct replay_open *o = keyed_add(&p->open, atomic_load(&r->state) / 8);

	if (o)
		memcpy(&o->r, r, sizeof(*r));
}

/* The call that r returns from, entry and return in p->whole. */
static bool recall(struct replay *p, const struct fault_record *r)
{
	struct replay_open *o = keyed_find(&p->open, r->caller);

	if (!o)
		return false;
	memcpy(&p->whole, r, sizeof(p->whole));
	p->whole.call = o->r.call;
	p->whole.fd = o->r.fd;
	p->whole.flags |= o->r.flags;
	if (!p->whole.want) /* ports are only known at the return */
		p->whole.want = o->r.want;
	p->whole.caller = o->r.caller;
	p->whole.entry_ns = o->r.entry_ns;
	keyed_remove(&p->open, o);
	return true;
}

/* ---- what a record says -------------------------------------------------- */

static bool names_ports(enum fault_family f)
{
	return f == FAMILY_BIND || f == FAMILY_LISTEN || f == FAMILY_CONNECT ||
	       f == FAMILY_ACCEPT;
}

static void learn(struct replay_socket *s, const struct replay_call *c)
{
	const struct fault_record *r = c->r;

	if (c->call != FAULT_CALL_NONE &&
	    !names_ports(fault_calls[c->call].family))
		return;
	if (r->want >> 16)
		s->local_port = (uint16_t)(r->want >> 16);
	if (r->want & 0xffff)
		s->remote_port = (uint16_t)(r->want & 0xffff);
	if (r->flags & RECORD_ADDRESS) {
		s->has_address = true;
		s->ipv6 = r->flags & RECORD_IPV6;
		memcpy(s->address, r->address, sizeof(s->address));
	}
}

static void transfer(struct replay_socket *s, const struct replay_call *c)
{
	enum fault_direction d =
		fault_families[fault_calls[c->call].family].direction;

	if (d == DIRECTION_NONE || c->r->result <= 0)
		return;
	s->bytes[d == DIRECTION_TX] += (uint64_t)c->r->result;
	if (s->last != d)
		s->turns[d == DIRECTION_TX]++;
	s->last = (uint8_t)d;
}

/* What moves bytes that no record tells of. */
static void note_unseen(struct replay_socket *s, const struct replay_call *c)
{
	enum fault_effect effect = fault_calls[c->call].effect;
	bool opens = effect == EFFECT_DUP || effect == EFFECT_DUP2 ||
	             effect == EFFECT_FCNTL || effect == EFFECT_CREATE ||
	             effect == EFFECT_ACCEPT;

	if (effect == EFFECT_FDOPEN && c->r->result == 0)
		s->unseen |= (uint8_t)(c->r->want &
		                       (RECORD_UNSEEN_RX | RECORD_UNSEEN_TX));
	if (opens && c->r->result >= 0 && c->r->result <= 2)
		s->is_standard = true;
}

static void describe(struct replay *p, struct replay_call *c)
{
	const struct trace_context *x = &p->reader.context;
	const struct fault_record *r = c->r;

	c->program = UINT32_MAX;
	if (r->process < x->n_processes && x->processes[r->process].pid) {
		c->process = &x->processes[r->process];
		c->program = c->process->program;
	}
	c->role = (r->status & 15) < N_ROLES ? (enum fault_role)(r->status & 15)
	                                     : ROLE_NONE;
	c->state = r->status >> 4 < N_STATES
	                   ? (enum fault_state)(r->status >> 4)
	                   : STATE_NONE;
	c->socket = r->serial ? keyed_add(&p->sockets, r->serial) : NULL;
	if (c->socket) {
		learn(c->socket, c);
		c->port = c->role == ROLE_LISTENER || c->role == ROLE_ACCEPTED
		                  ? c->socket->local_port
		                  : c->socket->remote_port;
		transfer(c->socket, c);
		note_unseen(c->socket, c);
	}
	c->counted = c->call == FAULT_CALL_NONE || trace_counts(r);
}

static bool is_call(const struct fault_record *r)
{
	return r->call > FAULT_CALL_NONE && r->call < N_CALLS;
}

static void begin(struct replay_call *c, const struct fault_record *r,
                  uint64_t ticket)
{
	*c = (struct replay_call){
		.call = is_call(r) ? (enum fault_call)r->call : FAULT_CALL_NONE,
		.r = r,
		.entry_ns = r->entry_ns,
		.ticket = ticket,
	};
}

bool replay_next(struct replay *p, struct replay_call *ret)
{
	const struct fault_record *r;

	while ((r = trace_reader_next(&p->reader))) {
		uint64_t state = atomic_load(&r->state);

		if (r->call == RECORD_RETURN && recall(p, r)) {
			begin(ret, &p->whole, r->caller);
		} else if (is_call(r) && state % 8 == RECORD_ENTERED) {
			remember(p, r);
			continue;
		} else if (is_call(r) || r->call == RECORD_ESTABLISHED) {
			begin(ret, r, state / 8);
		} else {
			continue;
		}
		describe(p, ret);
		return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct replay_open *x = a, *y = b;

	return (x->ticket < y->ticket) - (x->ticket > y->ticket);
}

/* Without memory there are none. */
static void sort_open(struct replay *p)
{
	p->rest = calloc(p->open.n, sizeof(*p->rest));
	for (void *v = NULL; p->rest && (v = keyed_next(&p->open, v));)
		memcpy(&p->rest[p->n_rest++], v, sizeof(*p->rest));
	keyed_release(&p->open);
	if (p->n_rest)
		qsort(p->rest, p->n_rest, sizeof(*p->rest), compare);
}

bool replay_next_open(struct replay *p, struct replay_call *ret)
{
	if (p->open.n)
		sort_open(p);
	if (!p->n_rest)
		return false;
	p->whole = p->rest[--p->n_rest].r;
	begin(ret, &p->whole, atomic_load(&p->whole.state) / 8);
	describe(p, ret);
	return true;
}
