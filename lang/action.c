/*
 * action.c - ACTION of the language: what a rule does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/rule.h"
#include "lang/units.h"

/* errno-base.h and errno.h of Linux end at 133. */
enum {
	MAX_ERRNO = 256
};

static const char *const distributions[] = {"uniform", "normal", "pareto"};

const struct fault_action_row *action_find(const char *word)
{
	for (size_t i = 0; i < N_ACTIONS; i++) {
		if (!strcmp(fault_actions[i].word, word))
			return &fault_actions[i];
	}
	return NULL;
}

bool action_is_parameter(const char *word)
{
	return !strcmp(word, "jitter") || !strcmp(word, "distribution");
}

const char *const *action_words(size_t *ret_n)
{
	static const char *const words[] = {
#define ACTION(id, word, ...) word,
#include "plan/actions.def"
	};

	*ret_n = N_ACTIONS;
	return words;
}

const char *const *errno_words(struct lang *l, size_t *ret_n)
{
	const char **words = arena_array(l->arena, MAX_ERRNO, sizeof(*words));
	size_t n = 0;

	for (int e = 1; e < MAX_ERRNO; e++) {
		if (fault_errno_name(e))
			words[n++] = fault_errno_name(e);
	}
	*ret_n = n;
	return words;
}

static void read_errno(struct lang *l, const struct node *n,
                       struct rule_action *a)
{
	const char *s = need_text(l, n), *hint = NULL;
	const char *const *words;
	size_t n_words;

	if (!s)
		return;
	a->err = fault_errno_number(s);
	if (a->err > 0)
		return;
	words = errno_words(l, &n_words);
	if (strspn(s, "0123456789") == strlen(s) && strlen(s) < 4 &&
	    fault_errno_name(atoi(s)))
		hint = arena_printf(l->arena, "write `%s`",
		                    fault_errno_name(atoi(s)));
	if (hint)
		lang_error(l, n->at, hint,
		           "`%s` is a number, not an errno's name", s);
	else
		unknown_word(l, n->at, AS_ERRNO, "errno", s, words, n_words);
}

/* SIZE or N% */
static void read_short(struct lang *l, const struct node *n,
                       struct rule_action *a)
{
	const char *s = need_text(l, n);
	struct plan_pick pick = {0};

	if (!s)
		return;
	if (!*s || s[strlen(s) - 1] != '%') {
		read_size(l, n, &a->value);
		return;
	}
	read_pick(l, n, &pick);
	a->ratio = true;
	a->value = pick.ratio;
	if (pick.ratio == UINT32_MAX)
		lang_error(l, n->at, NULL, "`%s` of a call is no short one", s);
}

static void read_kill(struct lang *l, const struct node *n,
                      struct rule_action *a)
{
	int number = 0;

	read_signal(l, n, &number);
	a->value = (uint64_t)number;
}

static void read_delay(struct lang *l, const struct node *n,
                       struct rule_action *a)
{
	read_duration(l, n, &a->value);
}

/* How the value of an action that is ready is read; NULL: it has none. */
static void (*const readers[N_ACTIONS])(struct lang *l, const struct node *n,
                                        struct rule_action *a) = {
	[ACTION_ERROR] = read_errno,
	[ACTION_DELAY] = read_delay,
	[ACTION_SHORT] = read_short,
	[ACTION_KILL] = read_kill,
};

/* The kind of a word, -1 after a complaint. */
static int action_kind(struct lang *l, struct mark at, const char *word)
{
	const struct fault_action_row *row = action_find(word);
	size_t n;
	const char *const *words = action_words(&n);

	if (!row || !row->ready) {
		unknown_word(l, at, AS_ACTION, "action", word, words, n);
		return -1;
	}
	return (int)(row - fault_actions);
}

static void read_word(struct lang *l, const struct node *n,
                      struct rule_action *a)
{
	static const char *const examples[N_ACTIONS] = {
		[ACTION_ERROR] = "write `{error: ECONNRESET}`",
		[ACTION_DELAY] = "write `{delay: 200ms}`",
		[ACTION_SHORT] = "write `{short: 1B}`",
		[ACTION_KILL] = "write `{kill: TERM}`",
	};
	const char *s = need_text(l, n);
	int kind = s ? action_kind(l, n->at, s) : -1;

	if (kind < 0)
		return;
	a->kind = (enum fault_action_kind)kind;
	if (readers[kind])
		lang_error(l, n->at, examples[kind], "`%s` needs a value", s);
}

/* `jitter` and `distribution` stand beside `delay`. */
static void read_parameters(struct lang *l, const struct node *map,
                            struct rule_action *a)
{
	const struct node *jitter = node_get(map, "jitter");
	const struct node *shape = node_get(map, "distribution");

	if (a->kind != ACTION_DELAY && (jitter || shape)) {
		lang_error(l, jitter ? jitter->at : shape->at, NULL,
		           "only `delay` has a jitter");
		return;
	}
	if (jitter)
		read_duration(l, jitter, &a->jitter_ns);
	if (jitter && a->value && a->jitter_ns >= a->value)
		lang_error(l, jitter->at, NULL,
		           "the jitter is not less than the delay");
	if (shape) {
		int w = need_word(l, shape, AS_ACTION, "distribution",
		                  distributions, 3);

		a->distribution = w < 0 ? 0 : w;
		if (!jitter)
			lang_error(l, shape->at, "add `jitter: 50ms`",
			           "a distribution without a jitter");
	}
}

/* {delay: 200ms, jitter: 50ms} */
static void read_action_map(struct lang *l, const struct node *map,
                            struct rule_action *a)
{
	const struct pair *found = NULL;

	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];
		int kind;

		if (action_is_parameter(p->key->text))
			continue;
		kind = action_kind(l, p->key->at, p->key->text);
		if (kind < 0)
			return;
		if (found) {
			lang_error(l, p->key->at,
			           "write a list: `inject: [{…}, {…}]`",
			           "two actions in one map");
			return;
		}
		found = p;
		a->kind = (enum fault_action_kind)kind;
	}
	if (!found) {
		lang_error(l, map->at, NULL, "no action stands here");
		return;
	}
	a->loc = locate(l, found->value->at);
	if (readers[a->kind])
		readers[a->kind](l, found->value, a);
	else
		lang_error(l, found->value->at,
		           arena_printf(l->arena, "write `inject: %s`",
		                        found->key->text),
		           "`%s` takes no value", found->key->text);
	read_parameters(l, map, a);
}

static struct mark place(const struct rule_action *a)
{
	return (struct mark){a->loc.line, a->loc.column};
}

/* A list is one act, from left to right, the real call last. */
static void check_list(struct lang *l, const struct rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->n_actions; i++) {
		const struct rule_action *a = &rule->actions[i];
		const char *word = fault_actions[a->kind].word;

		if (seen & 1u << a->kind)
			lang_error(l, place(a), NULL, "`%s` stands there twice",
			           word);
		else if (seen & 1u << ACTION_ERROR)
			lang_error(l, place(a), NULL,
			           "nothing happens behind an `error`");
		else if (seen & 1u << ACTION_PASS &&
		         (a->kind == ACTION_ERROR || a->kind == ACTION_SHORT))
			lang_error(l, place(a), NULL,
			           "the real call has happened: `%s` would lie "
			           "about it",
			           word);
		seen |= 1u << a->kind;
	}
}

void actions_read(struct lang *l, const struct node *n, struct rule *rule)
{
	size_t errors = l->n_errors, len = list_len(n);

	if (!len || len > PLAN_MAX_ACTIONS) {
		lang_error(l, n->at, NULL,
		           len ? "more than %d actions"
		               : "an empty list of actions (at most %d)",
		           PLAN_MAX_ACTIONS);
		return;
	}
	rule->actions = arena_array(l->arena, len, sizeof(*rule->actions));
	for (size_t i = 0; i < len; i++) {
		const struct node *item = list_item(n, i);
		struct rule_action *a = &rule->actions[rule->n_actions++];

		a->loc = locate(l, item->at);
		if (item->kind == NODE_SCALAR)
			read_word(l, item, a);
		else if (item->kind == NODE_MAP)
			read_action_map(l, item, a);
		else
			lang_error(l, item->at, NULL, "a list in a list");
	}
	if (l->n_errors == errors)
		check_list(l, rule);
}
