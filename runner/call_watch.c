/*
 * call_watch.c - see call_watch.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "runner/call_watch.h"
#include "runner/machine.h"

/* A call that the reader has met while it was under way. */
struct unreturned {
	uint64_t ticket;
	uint8_t call;
};

static int add(struct call_watches *w, const struct event *e)
{
	struct call_watch *v = realloc(w->v, (w->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	w->v = v;
	v[w->n++] = (struct call_watch){.event = e};
	return 0;
}

static int add_all(struct call_watches *w, const struct step *v, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (v[i].kind == STEP_WAIT_EVENT &&
		    v[i].event.kind == EVENT_CALL)
			r = add(w, &v[i].event);
		else if (v[i].kind == STEP_REPEAT)
			r = add_all(w, v[i].steps, v[i].n_steps);
	}
	return r;
}

int call_watches_init(struct call_watches *w, const struct scenario *s,
                      uint64_t seed)
{
	*w = (struct call_watches){.n_programs = s->n_programs,
	                           .seed = seed,
	                           .open = KEYED_OF(struct unreturned)};
	return add_all(w, s->steps.v, s->steps.n);
}

void call_watches_release(struct call_watches *w)
{
	free(w->v);
	keyed_release(&w->open);
	*w = (struct call_watches){0};
}

uint64_t call_watches_count(const struct call_watches *w, const struct event *e)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].event == e)
			return w->v[i].n;
	return 0;
}

static bool selects(const struct event *e, uint8_t call)
{
	return e->calls[call / 64] >> (call % 64) & 1;
}

static bool is_watched(const struct call_watches *w, uint8_t call)
{
	for (size_t i = 0; i < w->n; i++)
		if (selects(w->v[i].event, call))
			return true;
	return false;
}

/* ---- calls that the reader meets twice ----------------------------------- */

static void open_call(struct call_watches *w, uint64_t ticket, uint8_t call)
{
	struct unreturned *u = keyed_add(&w->open, ticket);

	if (u)
		u->call = call;
}

/* The call that this record is the return of, FAULT_CALL_NONE: not watched. */
static uint8_t close_call(struct call_watches *w, uint64_t ticket)
{
	struct unreturned *u = keyed_find(&w->open, ticket);
	uint8_t call = u ? u->call : FAULT_CALL_NONE;

	if (u)
		keyed_remove(&w->open, u);
	return call;
}

/* ---- counting ------------------------------------------------------------ */

static bool counts(const struct fault_record *r, uint8_t call)
{
	unsigned family = fault_calls[call].family;

	if (r->flags & (RECORD_PEEK | RECORD_UNCOUNTED))
		return false;
	if (family != FAMILY_SEND && family != FAMILY_RECV &&
	    family != FAMILY_ACCEPT)
		return true;
	return r->result != -1 || (r->err != EAGAIN && r->err != EINTR);
}

static bool has_connection(const struct call_watches *w,
                           const struct plan_pick *pick, size_t program,
                           const struct fault_record *r)
{
	if (!pick->first && !pick->ratio)
		return true;
	return r->connection &&
	       engine_pick(pick, r->connection,
	                   engine_hash(w->seed, UINT32_MAX, program,
	                               r->connection, 0, 0));
}

/* An accept is the listener's call, and its record tells of the new socket. */
static bool has_role(uint8_t roles, const struct fault_record *r, uint8_t call)
{
	unsigned mine = ROLE_BIT(r->status & 15);

	if (fault_calls[call].family == FAMILY_ACCEPT)
		mine = ROLE_BIT(ROLE_LISTENER) | ROLE_BIT(ROLE_ACCEPTED);
	return !roles || roles & mine;
}

static bool matches(const struct call_watches *w, const struct event *e,
                    const struct fault_record *r, uint8_t call, size_t program)
{
	return selects(e, call) &&
	       (e->program >= w->n_programs || e->program == program) &&
	       has_role(e->roles, r, call) &&
	       has_connection(w, &e->connection, program, r);
}

void call_watches_note(struct call_watches *w, const struct fault_record *r,
                       uint64_t ticket, size_t program, bool entered)
{
	uint8_t call = r->call;

	if (!w->n)
		return;
	if (call == RECORD_RETURN)
		call = close_call(w, r->caller);
	if (call == FAULT_CALL_NONE || call >= N_CALLS || !is_watched(w, call))
		return;
	if (entered) {
		open_call(w, ticket, call);
		return;
	}
	for (size_t i = 0; counts(r, call) && i < w->n; i++)
		w->v[i].n += matches(w, w->v[i].event, r, call, program);
}
