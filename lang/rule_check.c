/*
 * rule_check.c - rules that can never act, and faults that cannot happen.
 *
 * An injector that does the impossible teaches its users to ignore it
 * (tcp-semantics.md).  The rows of errnos.def say what is possible.
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
	                    "it is for %s; `force: true` does it all the same",
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
	struct mark at = {a->loc.line, a->loc.column};

	for (size_t i = 0; i < f->n_words && !f->rule.force; i++) {
		struct call_word *w = &f->words[i];
		const struct fault_errno_row *refused = NULL;
		uint64_t can[PLAN_CALL_WORDS] = {0}, any = 0;

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
	struct mark at = {a->loc.line, a->loc.column};
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
	if (given[RULE_KEY_port].key && !have->port)
		never(l, &given[RULE_KEY_port], why, NULL);
	if (!have->connection)
		check_connection_keys(l, f, why);
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

void rule_check(struct lang *l, struct rule_form *f)
{
	const struct rule *r = &f->rule;
	size_t errors = l->n_errors;

	for (size_t i = 0; i < r->n_actions; i++)
		check_action(l, f, &r->actions[i]);
	for (size_t i = 0; i < f->n_words; i++)
		check_selectors(l, f, &f->words[i]);
	for (size_t i = 0; i < r->n_actions && l->n_errors == errors; i++) {
		if (r->states && r->actions[i].kind == ACTION_ERROR &&
		    !r->force)
			check_error_states(l, f, &r->actions[i]);
	}
	check_counts(l, f);
}
