/*
 * rule_check.c - rules that can never act, and faults that cannot happen.
 *
 * An injector that does the impossible teaches its users to ignore it.
 * The rows of errnos.def say what is possible.
 */
#include <string.h>

#include "lang/rule.h"

#define S(state)  STATE_BIT(STATE_##state)
#define R(role)   ROLE_BIT(ROLE_##role)
#define ANY_ROLE  (R(CLIENT) | R(LISTENER) | R(ACCEPTED))
#define ANY_STATE 0xffff

/* What is known of a socket when a call of the family is made on it. */
static const struct facts {
	uint8_t roles;   /* that it can have */
	uint16_t states; /* that it can be in */
	bool connection; /* it can be one: has an ordinal, bytes, an age */
	bool peer, port;
	const char *why;
} facts[N_FAMILIES] = {
	[FAMILY_SOCKET] = {0, 0, false, false, false,
                           "there is no socket before `socket`"},
	[FAMILY_BIND] = {0, S(NEW) | S(BOUND), false, false, true,
                         "`bind` is made on a fresh socket"},
	[FAMILY_LISTEN] = {R(LISTENER), S(NEW) | S(BOUND) | S(LISTEN), false,
                           false, true, "`listen` is made on a bound socket"},
	[FAMILY_ACCEPT] = {R(LISTENER), S(LISTEN), false, false, true,
                           "`accept` is made on a listener"},
	[FAMILY_CONNECT] = {R(CLIENT), ANY_STATE & ~S(LISTEN), false, true,
                            true, "`connect` comes before the connection"},
	[FAMILY_SEND] = {ANY_ROLE, ANY_STATE, true, true, true, ""},
	[FAMILY_RECV] = {ANY_ROLE, ANY_STATE, true, true, true, ""},
	[FAMILY_SHUTDOWN] = {ANY_ROLE, ANY_STATE, true, true, true, ""},
	[FAMILY_CLOSE] = {ANY_ROLE, ANY_STATE, true, true, true, ""},
	/* but for epoll_ctl, see facts_of() */
	[FAMILY_POLL] = {0, 0, false, false, false,
                         "a call that waits is made on no one socket"},
	[FAMILY_OPTION] = {ANY_ROLE, ANY_STATE, true, true, true, ""},
	[FAMILY_RESOLVE] = {0, 0, false, false, false,
                            "the resolver is asked before there is a socket"},
};

static bool has_call(const uint64_t *calls, unsigned call)
{
	return calls[call / 64] >> (call % 64) & 1;
}

static const struct facts *facts_of(const struct call_word *w)
{
	for (unsigned c = 1; c < N_CALLS; c++) {
		if (w->family == FAMILY_POLL && has_call(w->calls, c) &&
		    fault_calls[c].effect != EFFECT_WAIT)
			return &facts[FAMILY_OPTION];
	}
	return &facts[w->family];
}

/* The word under which a row's call is written. */
static const char *row_word(const struct fault_errno_row *row)
{
	return *row->symbol ? row->symbol : fault_families[row->family].word;
}

/* "it is for connect, send (tier A), close (tier C)" */
static char *possible_for(struct lang *l, int err)
{
	struct arena_text t = {0};

	for (enum fault_tier tier = TIER_A; tier <= TIER_C; tier++) {
		size_t n = 0;

		for (size_t i = 0; i < n_fault_errnos; i++) {
			const struct fault_errno_row *row = &fault_errnos[i];

			if (row->err != err || row->tier != tier ||
			    !strncmp(row->symbol, "__", 2))
				continue;
			arena_text_adds(l->arena, &t, t.len ? ", " : "");
			arena_text_adds(l->arena, &t, row_word(row));
			n++;
		}
		if (n)
			arena_text_adds(
				l->arena, &t,
				arena_printf(l->arena, " (tier %c)", tier));
	}
	if (!t.len)
		return arena_strdup(l->arena,
		                    "no call on a TCP socket does; `force: "
		                    "true` does it all the same");
	return arena_printf(l->arena,
	                    err < 0 ? "it is for %s"
	                            : "it is for %s; `force: true` does it all "
	                              "the same",
	                    t.s);
}

static void impossible(struct lang *l, struct mark at,
                       const struct call_word *w, int err,
                       const struct fault_errno_row *row)
{
	const char *name = fault_errno_name(err);

	if (!row)
		lang_error(l, at, possible_for(l, err),
		           "`%s` cannot fail with %s", w->word, name);
	else if (row->how == HOW_CONDITION)
		lang_error(
			l, at,
			"`exhaust: descriptors` makes it; `force: true` only "
			"says so once",
			"%s is a state of the process, not of one `%s`", name,
			w->word);
	else
		lang_error(l, at, "`force: true` does it all the same",
		           "%s from `%s` is tier C: %s", name, w->word,
		           row->when);
}

/* Keeps of each word the calls that can fail so. */
static void check_error(struct lang *l, struct rule_form *f,
                        const struct rule_action *a)
{
	struct mark at = place_of(l, &a->loc);

	for (size_t i = 0; i < f->n_words; i++) {
		struct call_word *w = &f->words[i];
		const struct fault_errno_row *refused = NULL;
		uint64_t can[PLAN_CALL_WORDS] = {0}, any = 0;

		/* An EAI_ code has no place in another call, forced or not. */
		if (f->rule.force && (!a->eai || w->family == FAMILY_RESOLVE))
			continue;
		for (unsigned c = 1; c < N_CALLS; c++) {
			const struct fault_errno_row *row;

			if (!has_call(w->calls, c))
				continue;
			row = fault_errno_find((enum fault_call)c, a->err);
			if (!row)
				continue;
			if (row->tier == TIER_C || row->how == HOW_CONDITION)
				refused = row;
			else
				any |= can[c / 64] |= 1ULL << (c % 64);
		}
		if (any)
			memcpy(w->calls, can, sizeof(can));
		else
			impossible(l, at, w, a->err, refused);
	}
}

static void check_action(struct lang *l, struct rule_form *f,
                         const struct rule_action *a)
{
	const struct fault_action_row *row = &fault_actions[a->kind];
	struct mark at = place_of(l, &a->loc);
	struct arena_text t = {0};

	if (a->kind == ACTION_ERROR) {
		check_error(l, f, a);
		return;
	}
	for (size_t i = 0; i < FAMILY_TABLE; i++) {
		if (!(row->families >> i & 1))
			continue;
		arena_text_adds(l->arena, &t, t.len ? ", " : "it is for ");
		arena_text_adds(l->arena, &t, fault_families[i].word);
	}
	for (size_t i = 0; i < f->n_words; i++) {
		if (row->families >> f->words[i].family & 1)
			continue;
		lang_error(l, at, t.s, "`%s` cannot be given to `%s`",
		           row->word, f->words[i].word);
		return;
	}
}

/* A key that no call of this word can ever satisfy. */
static void never(struct lang *l, const struct given *g, const char *why,
                  const char *hint)
{
	lang_error(l, g->key->at, hint, "`%s` never holds: %s", g->key->text,
	           why);
}

static void check_connection_keys(struct lang *l, const struct rule_form *f,
                                  const char *why)
{
	static const enum rule_key keys[] = {
		RULE_KEY_seen,
		RULE_KEY_age,
		RULE_KEY_idle,
	};
	const struct given *connection = &f->given[RULE_KEY_connection];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (f->given[keys[i]].key)
			never(l, &f->given[keys[i]], why, NULL);
	}
	if (connection->key)
		never(l, connection, why, "attempts are counted by `nth`");
	if (f->rule.per == PER_CONNECTION)
		lang_error(l, f->given[RULE_KEY_per].key->at, NULL,
		           "`per: connection` has none to count over: %s", why);
}

/* A listener moves no bytes: to send or receive fails by itself, ENOTCONN. */
static void check_listener(struct lang *l, const struct rule_form *f,
                           const struct call_word *w)
{
	const struct rule *r = &f->rule;

	if (r->roles != R(LISTENER) ||
	    fault_families[w->family].direction == DIRECTION_NONE)
		return;
	for (size_t i = 0; i < r->n_actions; i++) {
		if (r->actions[i].kind == ACTION_ERROR ||
		    r->actions[i].kind == ACTION_KILL ||
		    r->actions[i].kind == ACTION_PASS)
			continue;
		never(l, &f->given[RULE_KEY_role],
		      arena_printf(l->arena,
		                   "`%s` is made on connections, and a "
		                   "listener is none",
		                   w->word),
		      "those that it accepts have `role: accepted`");
		return;
	}
}

/* The selecting keys against what a call of this word has. */
static void check_selectors(struct lang *l, const struct rule_form *f,
                            const struct call_word *w)
{
	const struct facts *have = facts_of(w);
	const struct given *given = f->given;
	const struct rule *r = &f->rule;
	const char *why = have->why;

	if (r->roles && !(r->roles & have->roles))
		never(l, &given[RULE_KEY_role], why, NULL);
	if (r->states && !(r->states & have->states))
		never(l, &given[RULE_KEY_state], why, NULL);
	if (given[RULE_KEY_peer].key && !have->peer)
		never(l, &given[RULE_KEY_peer], why, NULL);
	if (given[RULE_KEY_host].key && w->family != FAMILY_RESOLVE)
		lang_error(l, given[RULE_KEY_host].key->at,
		           "`peer` is the address",
		           "`host` is for `call: resolve`, `%s` knows no name",
		           w->word);
	if (given[RULE_KEY_port].key && !have->port)
		never(l, &given[RULE_KEY_port], why, NULL);
	if (!have->connection)
		check_connection_keys(l, f, why);
	check_listener(l, f, w);
	if (fault_families[w->family].direction != DIRECTION_NONE)
		return;
	why = arena_printf(l->arena, "`%s` moves no data", w->word);
	if (given[RULE_KEY_bytes].key)
		never(l, &given[RULE_KEY_bytes], why, NULL);
	if (given[RULE_KEY_turn].key)
		never(l, &given[RULE_KEY_turn], why, NULL);
}

/* The states of the rule against those in which the errno can occur. */
static void check_error_states(struct lang *l, const struct rule_form *f,
                               const struct rule_action *a)
{
	bool possible = false, found = false;

	for (size_t i = 0; i < f->n_words; i++) {
		for (unsigned c = 1; c < N_CALLS; c++) {
			const struct fault_errno_row *row;

			if (!has_call(f->words[i].calls, c))
				continue;
			row = fault_errno_find((enum fault_call)c, a->err);
			found |= row != NULL;
			possible |= row && (!row->states ||
			                    row->states & f->rule.states);
		}
	}
	if (found && !possible)
		never(l, &f->given[RULE_KEY_state],
		      arena_printf(l->arena, "%s does not occur in it",
		                   fault_errno_name(a->err)),
		      NULL);
}

static void check_counts(struct lang *l, const struct rule_form *f)
{
	const struct rule *r = &f->rule;
	const struct given *hits = &f->given[RULE_KEY_hits];

	if (r->times && r->hits.min > (int64_t)r->times)
		lang_error(l, hits->value->at, NULL,
		           "`times: %u` allows no more hits than that",
		           r->times);
	if (!r->armed && !*r->name)
		lang_error(l, f->given[RULE_KEY_armed].key->at,
		           "give it a `name`",
		           "a rule that is not armed and that nothing can arm");
	if (r->process && strlen(r->process) > 15)
		lang_error(l, f->given[RULE_KEY_process].value->at,
		           arena_printf(l->arena, "write `%.15s`", r->process),
		           "the kernel keeps 15 bytes of a process's name");
}

/* A condition of the process that nothing ends would end the program. */
static void check_exhaust(struct lang *l, const struct rule *r)
{
	const struct rule_action *a = &r->actions[0];

	if (a->kind == ACTION_EXHAUST && !r->for_ns && !*r->name)
		lang_error(l, place_of(l, &a->loc),
		           "add `for: 500ms`, or a `name` to disarm it by",
		           "`exhaust` without an end");
}

/* Can the action happen to a connection in one of the rule's states? */
static void check_action_states(struct lang *l, const struct rule_form *f,
                                const struct rule_action *a)
{
	const struct fault_action_row *row = &fault_actions[a->kind];

	for (size_t i = 0; i < f->n_words; i++) {
		if (f->words[i].family == FAMILY_ACCEPT ||
		    f->words[i].family == FAMILY_CONNECT)
			return;
	}
	if (f->rule.states && row->states && !(f->rule.states & row->states))
		never(l, &f->given[RULE_KEY_state],
		      arena_printf(l->arena, "`%s` does not occur in it",
		                   row->word),
		      NULL);
}

void rule_check_which(struct lang *l, const struct rule_form *f)
{
	for (size_t i = 0; i < f->n_words; i++)
		check_selectors(l, f, &f->words[i]);
}

void rule_check(struct lang *l, struct rule_form *f)
{
	const struct rule *r = &f->rule;
	size_t errors = l->n_errors;

	for (size_t i = 0; i < r->n_actions; i++)
		check_action(l, f, &r->actions[i]);
	rule_check_which(l, f);
	if (f->given[RULE_KEY_host].key && !f->n_words)
		lang_error(l, f->given[RULE_KEY_host].key->at, NULL,
		           "`host` is for `call: resolve`");
	for (size_t i = 0; i < r->n_actions && l->n_errors == errors; i++) {
		if (!r->states || r->force)
			continue;
		if (r->actions[i].kind == ACTION_ERROR)
			check_error_states(l, f, &r->actions[i]);
		else
			check_action_states(l, f, &r->actions[i]);
	}
	check_exhaust(l, r);
	check_counts(l, f);
}

/* --- rules without `call` ------------------------------------------------- */

/* Keys that belong to calls, and those of a connection. */
static const enum rule_key call_keys[] = {RULE_KEY_nth, RULE_KEY_turn,
                                          RULE_KEY_bytes};
static const enum rule_key connection_keys[] = {
	RULE_KEY_role,  RULE_KEY_port, RULE_KEY_peer, RULE_KEY_connection,
	RULE_KEY_state, RULE_KEY_seen, RULE_KEY_age,  RULE_KEY_idle,
};

/* "add `call: recv`": a family that may have the action. */
static const char *call_hint(struct lang *l, const struct fault_action_row *row)
{
	unsigned family = FAMILY_RECV;

	for (unsigned i = 0; !(row->families >> family & 1) && i < FAMILY_TABLE;
	     i++)
		family = i;
	return arena_printf(l->arena, "add `call: %s`",
	                    fault_families[family].word);
}

static void check_self_actions(struct lang *l, const struct rule *r)
{
	for (size_t i = 0; i < r->n_actions; i++) {
		const struct rule_action *a = &r->actions[i];
		const struct fault_action_row *row = &fault_actions[a->kind];

		if (!(row->families & ACTION_SELF))
			lang_error(l, place_of(l, &a->loc), call_hint(l, row),
			           "`%s` happens at a call, and the rule names "
			           "none",
			           row->word);
	}
}

static void check_self_per(struct lang *l, const struct rule_form *f,
                           enum fault_per per)
{
	if (f->given[RULE_KEY_per].key && f->rule.per != per)
		lang_error(l, f->given[RULE_KEY_per].key->at, NULL,
		           "a rule without `call` acts once per %s",
		           per == PER_PROCESS ? "process" : "connection");
}

/* It is done to a process: what a connection has selects nothing. */
static void check_self_process(struct lang *l, const struct rule_form *f)
{
	const size_t n = sizeof(connection_keys) / sizeof(connection_keys[0]);

	for (size_t i = 0; i < n; i++) {
		const struct given *g = &f->given[connection_keys[i]];

		if (g->key)
			lang_error(l, g->key->at,
			           "add `call: accept` or `call: socket`",
			           "`%s` is a connection's, and `exhaust` "
			           "without `call` is done to the process",
			           g->key->text);
	}
	check_self_per(l, f, PER_PROCESS);
}

static void check_self_connection(struct lang *l, const struct rule_form *f)
{
	const uint16_t possible = S(ESTABLISHED) | S(FIN_WAIT) | S(CLOSE_WAIT) |
	                          S(LAST_ACK) | S(RESET);
	const char *why = "a rule without `call` acts on connections";
	const struct rule *r = &f->rule;

	if (r->roles && !(r->roles & (R(CLIENT) | R(ACCEPTED))))
		never(l, &f->given[RULE_KEY_role], why, "add `call: accept`");
	if (r->states && !(r->states & possible))
		never(l, &f->given[RULE_KEY_state], why, NULL);
	else if (!r->force)
		for (size_t i = 0; i < r->n_actions; i++)
			check_action_states(l, f, &r->actions[i]);
	check_self_per(l, f, PER_CONNECTION);
}

void rule_check_self(struct lang *l, struct rule_form *f)
{
	size_t errors = l->n_errors;

	check_self_actions(l, &f->rule);
	for (size_t i = 0; i < sizeof(call_keys) / sizeof(call_keys[0]); i++) {
		const struct given *g = &f->given[call_keys[i]];

		if (g->key)
			lang_error(l, g->key->at, "add a `call`",
			           "`%s` counts what calls do, and the rule "
			           "names none",
			           g->key->text);
	}
	if (f->given[RULE_KEY_caller].key)
		lang_error(l, f->given[RULE_KEY_caller].key->at, "add a `call`",
		           "`caller` is of a call, and the rule names none");
	if (l->n_errors != errors)
		return;
	if (f->rule.actions[0].kind == ACTION_EXHAUST)
		check_self_process(l, f);
	else
		check_self_connection(l, f);
	check_exhaust(l, &f->rule);
	check_counts(l, f);
}
