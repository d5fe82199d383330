/*
 * self.c - see self.h.
 *
 * `needs` is written while attaching and read-only afterwards.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "accord.h"
#include "decide.h"
#include "eof.h"
#include "exhaust.h"
#include "gates.h"
#include "keeper.h"
#include "last.h"
#include "levers.h"
#include "own.h"
#include "self.h"

#include "poison.h"

static struct {
	bool connections; /* rules that act on connections */
	bool process;     /* ... on the process */
	bool changes;     /* ... that look at what calls change */
	bool follow;      /* ... of any program, after another rule */
} needs;

static void note_rule(const struct plan_rule *r, const struct plan_class *c)
{
	if (!plan_class_is_self(c))
		return;
	needs.follow |= r->after_rule != 0;
	if (!(c->programs >> shim.program & 1))
		return;
	if (c->per == PER_PROCESS)
		needs.process = true;
	else
		needs.connections = true;
	needs.changes |= r->seen || c->states;
}

void self_prepare(void)
{
	const struct plan_rule *rules = plan_rules(shim.plan);

	for (uint32_t i = 0; i < shim.plan->n_rules; i++)
		note_rule(&rules[i],
		          &plan_classes(shim.plan)[rules[i].class_index]);
}

bool self_is(uint32_t rule)
{
	return rule && rule <= shim.plan->n_rules &&
	       plan_class_is_self(&plan_classes(
		       shim.plan)[plan_rules(shim.plan)[rule - 1].class_index]);
}

/* --- what is done --------------------------------------------------------- */

/* A rule that is due, at a connection (sock) or the process (NULL). */
struct own_act {
	struct fault_sock *sock;
	int fd;     /* the program's */
	int own_fd; /* ours, of the same open file description */
	struct engine_choice choice;
};

/* Nothing has come of it: no hit, unless another action of the rule is one. */
static void not_made(const struct own_act *o)
{
	if (plan_rules(shim.plan)[o->choice.rule].n_actions > 1)
		engine_gated(shim.run, &o->choice, GATE_LEVER);
	else
		engine_withdraw(shim.run, &o->choice, GATE_LEVER);
}

static void own_reset(const struct own_act *o, const struct plan_action *a)
{
	(void)a;
	if (!lever_reset(o->own_fd, o->sock))
		not_made(o);
}

static void own_eof(const struct own_act *o, const struct plan_action *a)
{
	if (!eof_begin(o->own_fd, o->sock, a->flags & PLAN_ACTION_HALF))
		not_made(o);
}

/* The gates are opened through the program's descriptor, much later. */
static void own_stall(const struct own_act *o, const struct plan_action *a)
{
	last_silence(o->fd, o->sock,
	             a->value ? shim_now() + a->value : RUN_FOREVER,
	             (uint32_t)o->choice.rule + 1);
}

static void own_kill(const struct own_act *o, const struct plan_action *a)
{
	(void)o;
	kill(getpid(), (int)a->value);
}

static void own_exhaust(const struct own_act *o, const struct plan_action *a)
{
	(void)a;
	exhaust_begin((uint32_t)o->choice.rule);
}

/* Those that actions.def has for SELF. */
static void (*const acts[N_ACTIONS])(const struct own_act *,
                                     const struct plan_action *) = {
	[ACTION_RESET] = own_reset,     [ACTION_EOF] = own_eof,
	[ACTION_STALL] = own_stall,     [ACTION_KILL] = own_kill,
	[ACTION_EXHAUST] = own_exhaust,
};

/* The record comes first: who is woken by the act leaves one behind it. */
static void carry_out(const struct own_act *o)
{
	const struct plan_rule *r = &plan_rules(shim.plan)[o->choice.rule];
	uint32_t rule = (uint32_t)o->choice.rule + 1;
	uint32_t kind = r->actions[0].kind;

	if (o->sock)
		record_sock_event(RECORD_SELF, o->sock, o->fd, kind, rule);
	else if (shim.traced)
		record_event(RECORD_SELF, kind, rule, NULL);
	for (unsigned i = 0; i < r->n_actions; i++)
		if (acts[r->actions[i].kind])
			acts[r->actions[i].kind](o, &r->actions[i]);
	if (o->sock)
		socks_refresh(o->fd, o->sock);
	self_follow(rule - 1);
}

static void describe(struct engine_call *e, const struct fault_sock *s)
{
	*e = (struct engine_call){.call = FAULT_CALL_NONE};
	decide_describe(e, FAULT_CALL_NONE, s);
	if (!s)
		e->first_watch = shim.process_watch;
	e->now_ns = shim_now();
}

static uint64_t when(const struct engine_call *e)
{
	return e->first_watch ? engine_self_when(shim.plan, shim.run, e)
	                      : UINT64_MAX;
}

static bool take(struct own_act *o, const struct engine_call *e)
{
	struct engine_facts facts = {0};

	if (o->sock)
		facts_of_end(o->own_fd, o->sock, &facts);
	return engine_self_take(shim.plan, shim.run, e, &facts, &o->choice);
}

static void act_all(struct own_act *o, struct engine_call *e)
{
	while (take(o, e)) {
		carry_out(o);
		/* It is in another state now. */
		describe(e, o->sock);
	}
}

/* --- a connection --------------------------------------------------------- */

static void act_on(int fd, uint64_t word, struct fault_sock *s,
                   struct engine_call *e)
{
	struct own_act o = {.sock = s, .fd = fd};
	struct own own;

	if (!own_take(fd, word, s, &own))
		return;
	o.own_fd = own.fd;
	if (socks_same(own.fd, s))
		act_all(&o, e);
	else
		socks_forget_if(fd, s);
	own_give(&own);
}

static void look_at(int fd, uint64_t word, const void *context)
{
	uint64_t *earliest = *(uint64_t *const *)context;
	struct fault_sock *s = socks_of(word);
	struct engine_call e;
	uint64_t at;

	if (!gates_concern(s) || !atomic_load(&s->connection))
		return;
	describe(&e, s);
	at = when(&e);
	if (!at) {
		act_on(fd, word, s, &e);
		at = when(&e);
	}
	if (at < *earliest)
		*earliest = at;
}

static void look_at_process(uint64_t *earliest)
{
	struct own_act o = {.fd = -1, .own_fd = -1};
	struct engine_call e;
	uint64_t at;

	describe(&e, NULL);
	if (!when(&e))
		act_all(&o, &e);
	at = when(&e);
	if (at < *earliest)
		*earliest = at;
}

/* --- all of them ---------------------------------------------------------- */

/* Of the helper's time, this part at most goes into looking. */
enum {
	PART = 16
};

/* The time that has been asked for: most connections come after it. */
static _Atomic uint64_t planned = UINT64_MAX;

static void ask_for(uint64_t at)
{
	uint64_t before = atomic_load(&planned);

	if (!at)
		at = 1;
	do {
		if (at >= before)
			return;
	} while (!atomic_compare_exchange_weak(&planned, &before, at));
	/* In this order: a helper with nothing to come ends. */
	keeper_task_by(TASK_SELF, at);
	keeper_start();
}

void self_act(void)
{
	uint64_t earliest = UINT64_MAX, *p = &earliest;
	uint64_t start, now;
	int saved = errno;

	if (!needs.connections && !needs.process)
		return;
	/* What is asked for from here on may be overlooked here. */
	atomic_store(&planned, UINT64_MAX);
	start = shim_now();
	if (needs.connections)
		fds_each(0, INT_MAX, look_at, &p);
	if (needs.process)
		look_at_process(&earliest);
	now = shim_now();
	if (earliest < now + PART * (now - start))
		earliest = now + PART * (now - start);
	ask_for(earliest);
	errno = saved;
}

/*
 * The cookie, by which the helper knows the socket again.  Disarmed rules are
 * heard of by the helper alone: it has to be there.
 */
void self_consider(int fd, struct fault_sock *s)
{
	struct engine_call e;
	int saved = errno;

	if (!needs.connections || !gates_concern(s))
		return;
	socks_remember(fd, fds_word(fd));
	keeper_start();
	describe(&e, s);
	ask_for(when(&e));
	errno = saved;
}

void self_changed(int fd, struct fault_sock *s)
{
	struct engine_call e;
	int saved = errno;

	(void)fd;
	if (LIKELY(!needs.changes) || !gates_concern(s) ||
	    !atomic_load(&s->connection))
		return;
	describe(&e, s);
	ask_for(when(&e));
	errno = saved;
}

void self_begin(void)
{
	int saved = errno;

	if (needs.process)
		keeper_start(); /* which looks at once */
	errno = saved;
}

void self_follow(uint32_t rule)
{
	int saved = errno;

	if (LIKELY(!needs.follow) || !engine_self_follows(shim.plan, rule))
		return;
	if (needs.connections || needs.process)
		ask_for(0);
	accord_tell_others();
	errno = saved;
}
