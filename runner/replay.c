/*
 * replay.c - see replay.h.  Every index of the file is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/machine.h"
#include "runner/replay.h"

enum {
	MAX_SERIAL = 1 << 22
};

int replay_open(struct replay *p, const char *path)
{
	const char *why;

	*p = (struct replay){0};
	return trace_reader_open(&p->reader, path, &why);
}

void replay_release(struct replay *p)
{
	trace_reader_release(&p->reader);
	free(p->sockets);
	free(p->open);
	*p = (struct replay){0};
}

static struct replay_socket *socket_of(struct replay *p, uint32_t serial)
{
	if (serial == 0 || serial > MAX_SERIAL)
		return NULL;
	if (serial >= p->n_sockets) {
		size_t n = p->n_sockets ? p->n_sockets : 64;
		struct replay_socket *v;

		while (n <= serial)
			n *= 2;
		v = realloc(p->sockets, n * sizeof(*v));
		if (!v) {
			machine_failed(-ENOMEM, "reading the trace");
			return NULL;
		}
		memset(v + p->n_sockets, 0, (n - p->n_sockets) * sizeof(*v));
		p->sockets = v;
		p->n_sockets = n;
	}
	return &p->sockets[serial];
}

/* ---- calls that return later --------------------------------------------- */

static void remember(struct replay *p, const struct fault_record *r)
{
	if (p->n_open == p->cap_open) {
		size_t cap = p->cap_open ? 2 * p->cap_open : 32;
		struct fault_record *v = realloc(p->open, cap * sizeof(*v));

		if (!v) {
			machine_failed(-ENOMEM, "reading the trace");
			return;
		}
		p->open = v;
		p->cap_open = cap;
	}
	p->open[p->n_open++] = *r;
}

/* The call that r returns from, entry and return in p->whole. */
static bool recall(struct replay *p, const struct fault_record *r)
{
	for (size_t i = 0; i < p->n_open; i++) {
		struct fault_record *o = &p->open[i];

		if (atomic_load(&o->state) / 8 != r->caller)
			continue;
		memcpy(&p->whole, r, sizeof(p->whole));
		p->whole.call = o->call;
		p->whole.fd = o->fd;
		p->whole.flags |= o->flags;
		if (!p->whole.want) /* ports are only known at the return */
			p->whole.want = o->want;
		p->whole.caller = o->caller;
		p->whole.entry_ns = o->entry_ns;
		*o = p->open[--p->n_open];
		return true;
	}
	return false;
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
	c->socket = socket_of(p, r->serial);
	if (c->socket) {
		learn(c->socket, c);
		c->port = c->role == ROLE_LISTENER || c->role == ROLE_ACCEPTED
		                  ? c->socket->local_port
		                  : c->socket->remote_port;
		transfer(c->socket, c);
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

bool replay_next_open(struct replay *p, struct replay_call *ret)
{
	if (!p->n_open)
		return false;
	p->whole = p->open[--p->n_open];
	begin(ret, &p->whole, atomic_load(&p->whole.state) / 8);
	describe(p, ret);
	return true;
}
