/*
 * which.c - the keys that say which calls are meant: `in`, `call`, `role`.
 * Rules, events and expectations have them in common.
 */
#include <string.h>

#include "lang/rule.h"

void read_roles(struct lang *l, const struct node *n, void *field)
{
	uint8_t *roles = field;

	for (size_t i = 0; i < list_len(n); i++) {
		int w = need_word(l, list_item(n, i), IN_RULE, "role",
		                  fault_role_names + 1, N_ROLES - 1);

		if (w >= 0)
			*roles |= (uint8_t)ROLE_BIT(w + 1);
	}
}

static void set_call(uint64_t *calls, unsigned call)
{
	calls[call / 64] |= 1ULL << (call % 64);
}

bool rule_is_call(const char *call)
{
	size_t len = strcspn(call, ", ");

	for (unsigned i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];
		const char *family = fault_families[row->family].word;

		if (row->kind == FAULT_INJECT &&
		    ((strlen(family) == len && !strncmp(family, call, len)) ||
		     (strlen(row->symbol) == len &&
		      !strncmp(row->symbol, call, len))))
			return true;
	}
	return false;
}

static void unknown_call(struct lang *l, const struct node *n, const char *s)
{
	const char *all[N_FAMILIES + N_CALLS];
	size_t n_all = 0;

	for (size_t i = 0; i < FAMILY_TABLE; i++)
		all[n_all++] = fault_families[i].word;
	for (size_t i = 1; i < N_CALLS; i++) {
		if (fault_calls[i].kind == FAULT_INJECT)
			all[n_all++] = fault_calls[i].symbol;
	}
	if (action_find(s)) {
		lang_error(l, n->at, "it belongs into `inject`",
		           "`%s` is an action, not a call", s);
		return;
	}
	unknown_word(l, n->at, AS_CALL, "call", s, all, n_all);
}

/* Most differ at once: each word of a rule is compared with every row. */
static bool same_word(const char *a, const char *b)
{
	return *a == *b && !strcmp(a, b);
}

/*
 * Is it the symbol, or what a header makes of it: __read, __read_chk,
 * sendfile64, preadv64v2?
 */
static bool is_symbol(const char *symbol, const char *s)
{
	const char *large;
	size_t len, before;

	if (same_word(symbol, s))
		return true;
	if (!strncmp(symbol, "__", 2))
		symbol += 2;
	if (*symbol != *s)
		return false;
	len = strlen(s);
	large = strstr(symbol, "64");
	if (large) {
		before = (size_t)(large - symbol);
		return before <= len && !strncmp(symbol, s, before) &&
		       !strcmp(large + 2, s + before);
	}
	return !strncmp(symbol, s, len) &&
	       (!symbol[len] || !strcmp(symbol + len, "_chk"));
}

/* A family's word, or a symbol's. */
static bool find_call(struct lang *l, const struct node *n, const char *s,
                      struct call_word *w)
{
	bool found = false;

	*w = (struct call_word){.word = s, .at = n->at};
	for (unsigned i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];

		if (row->kind == FAULT_INJECT &&
		    (same_word(fault_families[row->family].word, s) ||
		     is_symbol(row->symbol, s))) {
			w->family = row->family;
			set_call(w->calls, i);
			found = true;
		} else if (!found && same_word(row->symbol, s)) {
			lang_error(l, n->at,
			           row->effect == EFFECT_DPRINTF
			                   ? "it sends by `write`"
			                   : NULL,
			           "`%s` is followed, but has no faults", s);
			return false;
		}
	}
	if (!found)
		unknown_call(l, n, s);
	return found;
}

size_t read_calls(struct lang *l, const struct node *n,
                  struct call_word **ret_words)
{
	size_t len = list_len(n), n_words = 0;

	if (!len || len > N_CALLS) {
		lang_error(l, n->at, NULL, "%s list of calls",
		           len ? "too long a" : "an empty");
		return 0;
	}
	*ret_words = arena_array(l->arena, len, sizeof(**ret_words));
	for (size_t i = 0; i < len; i++) {
		const struct node *item = list_item(n, i);
		const char *s = need_text(l, item);

		if (s && find_call(l, item, s, &(*ret_words)[n_words]))
			n_words++;
	}
	return n_words;
}

static bool has_call(const uint64_t *calls, unsigned call)
{
	return calls[call / 64] >> (call % 64) & 1;
}

/*
 * Does the family's word select just these of it?  Either they are all, or its
 * word is a symbol too: that has come from no other word than this, and what is
 * missing was taken away as impossible, and will be once more.
 */
static bool is_family(const uint64_t *calls, unsigned family)
{
	bool all = true, any = false, named = false;

	for (unsigned i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];

		if (row->kind != FAULT_INJECT || row->family != family)
			continue;
		any |= has_call(calls, i);
		all &= has_call(calls, i);
		named |= has_call(calls, i) &&
		         !strcmp(row->symbol, fault_families[family].word);
	}
	return any && (all || named);
}

/* Is it selected by the word of another that is, or has it been said? */
static bool is_covered(const uint64_t *calls, unsigned call)
{
	const char *symbol = fault_calls[call].symbol;

	for (unsigned i = 1; i < N_CALLS; i++) {
		const char *other = fault_calls[i].symbol;

		if (i == call || fault_calls[i].kind != FAULT_INJECT ||
		    !has_call(calls, i) || !is_symbol(symbol, other))
			continue;
		/* Two rows of one symbol: the first says it. */
		if (i < call || strcmp(symbol, other))
			return true;
	}
	return false;
}

size_t lang_call_words(const uint64_t *calls, const char **ret)
{
	size_t n = 0;

	for (unsigned f = 0; f < FAMILY_TABLE; f++) {
		if (is_family(calls, f)) {
			ret[n++] = fault_families[f].word;
			continue;
		}
		for (unsigned i = 1; i < N_CALLS; i++) {
			if (fault_calls[i].family == f && has_call(calls, i) &&
			    !is_covered(calls, i))
				ret[n++] = fault_calls[i].symbol;
		}
	}
	return n;
}

void call_words_merge(const struct call_word *words, size_t n, uint64_t *calls)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t w = 0; w < PLAN_CALL_WORDS; w++)
			calls[w] |= words[i].calls[w];
	}
}

int program_find(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		if (!strcmp(s->programs[i].name, name))
			return (int)i;
	}
	return -1;
}

int need_program(struct lang *l, const struct node *n, const struct scenario *s)
{
	const char *names[PLAN_MAX_PROGRAMS], *hint, *name = need_text(l, n);
	int p = name ? program_find(s, name) : -1;

	if (!name || p >= 0)
		return p;
	for (size_t i = 0; i < s->n_programs; i++)
		names[i] = s->programs[i].name;
	hint = did_you_mean_or_all(l, name, names, s->n_programs);
	if (!hint && !s->n_programs)
		hint = "there are no programs here";
	lang_error(l, n->at, hint, "`%s` names no program", name);
	return -1;
}

uint64_t read_programs(struct lang *l, const struct node *n,
                       const struct scenario *s, const char *why)
{
	uint64_t programs = 0;

	for (size_t i = 0; i < list_len(n); i++) {
		const struct node *item = list_item(n, i);
		int p = need_program(l, item, s);
		const struct program *program;

		if (p < 0)
			continue;
		program = &s->programs[p];
		if (program->kind != PROGRAM_RUN)
			lang_error(l, item->at, NULL, "`%s` is a script: %s",
			           program->name, why);
		else if (!program->attach)
			lang_error(l, item->at, NULL,
			           "`%s` has `attach: false`: %s",
			           program->name, why);
		else
			programs |= 1ULL << p;
	}
	if (!list_len(n))
		lang_error(l, n->at, NULL, "an empty list of programs");
	return programs;
}
