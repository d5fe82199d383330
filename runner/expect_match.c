/*
 * expect_match.c - see expect_match.h.
 *
 * Memory grows with the number of sockets, and only for entries that have
 * `connection` or `nth`.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "runner/expect_match.h"
#include "runner/machine.h"
#include "runner/which.h"

struct number {
	uint64_t serial;
	uint32_t n;
};

/* A connect that goes on. */
struct pending {
	uint64_t serial;
	struct sighting seen;
};

/* Of connection_of: the socket's connection is not one of those selected. */
#define NOT_SELECTED UINT32_MAX

static enum fault_family family_of(const struct replay_call *c)
{
	return fault_calls[c->call].family;
}

/* ---- when ---------------------------------------------------------------- */

uint64_t sighting_moment(const struct sighting *s)
{
	return s->waits ? s->return_ns : s->entry_ns;
}

static struct sighting sighting(const struct replay_call *c, bool open)
{
	enum fault_family f = family_of(c);

	return (struct sighting){
		.entry_ns = c->entry_ns,
		.return_ns = open ? UINT64_MAX : c->r->return_ns,
		.ticket = c->ticket,
		.program = (uint16_t)c->program,
		.waits = f == FAMILY_ACCEPT || f == FAMILY_RECV ||
	                 f == FAMILY_POLL || f == FAMILY_RESOLVE,
	};
}

uint64_t match_bytes(const struct replay_call *c)
{
	const struct fault_call_row *row = &fault_calls[c->call];

	/* sendmmsg and recvmmsg return a number of messages. */
	return fault_families[row->family].direction != DIRECTION_NONE &&
	                       row->shape.kind != SHAPE_MMSG && c->r->result > 0
	               ? (uint64_t)c->r->result
	               : 0;
}

/* ---- numbers ------------------------------------------------------------- */

/* NULL: no such socket, or it is lost. */
static uint32_t *number_of(struct matcher *m, struct keyed *k, uint32_t serial)
{
	struct number *v = serial ? keyed_add(k, serial) : NULL;

	m->lost |= serial && !v;
	return v ? &v->n : NULL;
}

/* A connection is numbered when it is seen for the first time. */
static void number_connection(struct matcher *m, const struct replay_call *c)
{
	uint32_t *n;

	if (!m->e->connection.first || !c->r->connection)
		return;
	n = number_of(m, &m->connection_of, c->r->serial);
	if (n && !*n)
		*n = which_socket(&m->sockets, c) ? ++m->connections[c->program]
		                                  : NOT_SELECTED;
}

static bool is_selected_connection(struct matcher *m,
                                   const struct replay_call *c)
{
	const uint32_t *n;

	if (!m->e->connection.first)
		return true;
	n = number_of(m, &m->connection_of, c->r->serial);
	return n && *n && *n != NOT_SELECTED &&
	       engine_pick(&m->e->connection, *n, 0);
}

/* What a rule's nth would have to say to hit it; 0: it has no number. */
static uint32_t number_call(struct matcher *m, const struct replay_call *c,
                            bool counted)
{
	uint32_t *n = m->per_connection
	                      ? number_of(m, &m->calls_of, c->r->serial)
	                      : &m->calls[c->program];

	if (!n || !(counted || trace_repeats(c->r)))
		return 0;
	return counted ? ++*n : *n;
}

/* ---- what came of it ----------------------------------------------------- */

static bool finds_something(enum fault_family f)
{
	return f == FAMILY_RECV || f == FAMILY_SEND || f == FAMILY_ACCEPT;
}

static bool has_result(const struct call_expect *e, const struct replay_call *c)
{
	const struct fault_record *r = c->r;

	if (family_of(c) == FAMILY_RESOLVE)
		return e->err > 0 ? r->result == EAI_SYSTEM && r->err == e->err
		                  : r->result == e->err;
	return e->err ? r->result == -1 && r->err == e->err : r->result != -1;
}

/* Of an entry without `result`. */
static enum match happened(const struct replay_call *c, bool counted)
{
	const struct fault_record *r = c->r;
	bool failed = finds_something(family_of(c)) && r->result == -1 &&
	              r->err != EAGAIN && r->err != EINTR;

	if (trace_repeats(r))
		return MATCH_AGAIN;
	return counted || failed ? MATCH_FULL : MATCH_NONE;
}

/* ---- connects that go on ------------------------------------------------- */

static void put_off(struct matcher *m, const struct replay_call *c)
{
	struct pending *v = keyed_add(&m->pending, c->r->serial);

	m->lost |= c->r->serial && !v;
	if (v)
		v->seen = sighting(c, false);
}

/* What this record says of one; 0: it is established, -1: nothing. */
static int tells(const struct replay_call *c)
{
	const struct fault_record *r = c->r;

	if (c->call == FAULT_CALL_NONE)
		return 0;
	if (fault_calls[c->call].effect == EFFECT_GETSOCKOPT &&
	    r->result == 0 && r->err)
		return r->err;
	return -1;
}

/* It is told how one ended, or closed: is it the end that was expected? */
static bool ends_as_expected(struct matcher *m, const struct replay_call *c)
{
	int told = tells(c);
	struct pending *v;

	if (told < 0 && family_of(c) != FAMILY_CLOSE)
		return false;
	v = keyed_find(&m->pending, c->r->serial);
	if (!v)
		return false;
	m->seen = v->seen;
	m->seen.return_ns = c->r->return_ns;
	keyed_remove(&m->pending, v);
	return told == m->e->err;
}

/* ---- the match ----------------------------------------------------------- */

static enum match by_result(struct matcher *m, const struct replay_call *c,
                            bool counted)
{
	const struct call_expect *e = m->e;

	if (!e->has_result)
		return happened(c, counted);
	if (has_result(e, c))
		return MATCH_FULL;
	if (family_of(c) == FAMILY_CONNECT && c->r->result == -1 &&
	    c->r->err == EINPROGRESS)
		put_off(m, c);
	return MATCH_RESULT;
}

enum match matcher_look(struct matcher *m, const struct replay_call *c,
                        bool open)
{
	const struct call_expect *e = m->e;
	bool counted = c->counted;
	uint32_t number = 0;

	if (c->program >= PLAN_MAX_PROGRAMS)
		return MATCH_NONE;
	number_connection(m, c);
	if (ends_as_expected(m, c))
		return MATCH_FULL;
	if (c->call == FAULT_CALL_NONE || !which_has_call(e->calls, c->call) ||
	    !(e->programs >> c->program & 1) || c->r->flags & RECORD_PEEK)
		return MATCH_NONE;
	if (open && (finds_something(family_of(c)) || e->has_result))
		return MATCH_NONE;
	if (open)
		counted = true; /* its entry did */
	if (!which_socket(&m->sockets, c))
		return MATCH_SOCKET;
	if (!is_selected_connection(m, c))
		return MATCH_CONNECTION;
	if (e->nth.first) {
		number = number_call(m, c, counted);
		if (!number || !engine_pick(&e->nth, number, 0))
			return number ? MATCH_NTH : MATCH_NONE;
	}
	m->seen = sighting(c, open);
	return by_result(m, c, counted);
}

/* ---- from beginning to end ----------------------------------------------- */

void matcher_init(struct matcher *m, const struct call_expect *e)
{
	*m = (struct matcher){
		.e = e,
		.sockets = {.programs = e->programs,
	                    .roles = e->roles,
	                    .port = e->port,
	                    .peer = e->peer},
		.connection_of = KEYED_OF(struct number),
		.calls_of = KEYED_OF(struct number),
		.pending = KEYED_OF(struct pending),
	};
	for (unsigned i = 1; i < N_CALLS; i++)
		if (which_has_call(e->calls, (enum fault_call)i))
			m->per_connection |=
				fault_families[fault_calls[i].family].per ==
				PER_CONNECTION;
}

void matcher_release(struct matcher *m)
{
	keyed_release(&m->connection_of);
	keyed_release(&m->calls_of);
	keyed_release(&m->pending);
}

/* ---- texts --------------------------------------------------------------- */

static void programs_text(const struct scenario *s, uint64_t programs,
                          char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->n_programs && i < 64 && at < size; i++)
		if (programs >> i & 1)
			at += (size_t)snprintf(buf + at, size - at, "%s%s",
			                       at ? ", " : " in ",
			                       s->programs[i].name);
}

void match_text(const struct scenario *s, const struct call_expect *e,
                char *buf, size_t size)
{
	char calls[256], programs[256] = "", text[80];
	FILE *f = fmemopen(buf, size, "w");

	if (!f)
		return;
	which_calls_text(e->calls, calls, sizeof(calls));
	if (e->programs != UINT64_MAX)
		programs_text(s, e->programs, programs, sizeof(programs));
	fprintf(f, "%s%s", calls, programs);
	which_bits_text("", e->roles, fault_role_names, N_ROLES, text,
	                sizeof(text));
	if (e->roles)
		fprintf(f, " role %s", text);
	if (e->port)
		fprintf(f, " %s port %u",
		        strcmp(calls, "connect") ? "on" : "to", e->port);
	which_address_text(&e->peer, text, sizeof(text));
	if (e->peer.family || e->peer.port)
		fprintf(f, " peer %s", text);
	which_pick_text(&e->connection, text, sizeof(text));
	if (e->connection.first)
		fprintf(f, " on connection %s", text);
	which_pick_text(&e->nth, text, sizeof(text));
	if (e->nth.first)
		fprintf(f, " nth %s", text);
	fclose(f);
}

const char *match_result_text(const struct call_expect *e, char *buf,
                              size_t size)
{
	const char *name = e->err ? fault_errno_name(e->err) : NULL;

	buf[0] = '\0';
	if (e->has_result && !e->err)
		snprintf(buf, size, " that succeeded");
	else if (e->has_result)
		snprintf(buf, size, " with %s", name ? name : "?");
	return buf;
}
