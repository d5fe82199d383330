/*
 * action.c - ACTION of the language: what a rule does.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/rule.h"
#include "lang/units.h"

/* errno-base.h and errno.h of Linux end at 133, netdb.h at -12. */
enum {
	MAX_ERRNO = 256,
	MIN_EAI = -16
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
	const char **words =
		arena_array(l->arena, MAX_ERRNO - MIN_EAI, sizeof(*words));
	size_t n = 0;

	for (int e = MIN_EAI; e < MAX_ERRNO; e++) {
		if (fault_errno_name(e))
			words[n++] = fault_errno_name(e);
	}
	*ret_n = n;
	return words;
}

int need_errno(struct lang *l, const struct node *n)
{
	const char *s = need_text(l, n), *hint = NULL;
	int err = s ? fault_errno_number(s) : 0;
	const char *const *words;
	size_t n_words;

	if (!s || err)
		return err;
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
	return 0;
}

static void read_errno(struct lang *l, const struct node *n,
                       struct rule_action *a)
{
	a->err = need_errno(l, n);
	a->eai = a->err < 0;
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

/* The addresses of a name, as the resolver knows them: no port, no block. */
static void read_answer(struct lang *l, const struct node *n,
                        struct rule_action *a)
{
	size_t len = list_len(n);

	if (!len || len > PLAN_MAX_ANSWERS) {
		lang_error(l, n->at,
		           len ? NULL
		               : "a name without one is `error: EAI_NODATA`",
		           len ? "more than %d addresses"
		               : "an empty list of addresses (at most %d)",
		           PLAN_MAX_ANSWERS);
		return;
	}
	a->answers = arena_array(l->arena, len, sizeof(*a->answers));
	for (size_t i = 0; i < len; i++) {
		const struct node *item = list_item(n, i);
		struct plan_addr *addr = &a->answers[i];
		size_t errors = l->n_errors;

		read_address(l, item, addr);
		if (l->n_errors == errors &&
		    (addr->port || strchr(item->text, '/')))
			lang_error(l, item->at, NULL,
			           "a name has addresses, no %s",
			           addr->port ? "ports" : "blocks of them");
	}
	a->n_answers = len;
}

static void read_kill(struct lang *l, const struct node *n,
                      struct rule_action *a)
{
	int number = 0;

	read_signal(l, n, &number);
	a->value = (uint64_t)number;
}

/* DUR of `delay` and `stall`. */
static void read_time(struct lang *l, const struct node *n,
                      struct rule_action *a)
{
	read_duration(l, n, &a->value);
}

static void read_speed(struct lang *l, const struct node *n,
                       struct rule_action *a)
{
	read_rate(l, n, &a->value);
}

static void read_corrupt(struct lang *l, const struct node *n,
                         struct rule_action *a)
{
	const char *s = need_text(l, n);

	if (s && strchr(s, '%'))
		lang_error(l, n->at, "write `{corrupt: 1B}`",
		           "`%s`: how many bytes are changed is a size", s);
	else if (s)
		read_size(l, n, &a->value);
}

/* Behind `eof` and `exhaust` only this word may stand. */
static bool read_only_word(struct lang *l, const struct node *n,
                           const char *action, const char *word)
{
	const char *s = need_text(l, n);

	if (s && strcmp(s, word) != 0)
		lang_error(
			l, n->at,
			arena_printf(l->arena, "write `%s: %s`", action, word),
			"`%s` does not go with `%s`", s, action);
	return s && !strcmp(s, word);
}

static void read_eof(struct lang *l, const struct node *n,
                     struct rule_action *a)
{
	a->half = read_only_word(l, n, "eof", "half");
}

static void read_exhaust(struct lang *l, const struct node *n,
                         struct rule_action *a)
{
	(void)a;
	read_only_word(l, n, "exhaust", "descriptors");
}

/* int of listen(2); 0 is a backlog. */
static void read_backlog(struct lang *l, const struct node *n,
                         struct rule_action *a)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (!s)
		return;
	if (units_count(s, &a->value, &why) < 0)
		refused(l, n, s, &why);
	else if (a->value > INT_MAX)
		lang_error(l, n->at, NULL, "`%s` is too large", s);
}

/* How the value of an action that is ready is read; NULL: it has none. */
static void (*const readers[N_ACTIONS])(struct lang *l, const struct node *n,
                                        struct rule_action *a) = {
	[ACTION_ERROR] = read_errno,     [ACTION_DELAY] = read_time,
	[ACTION_SHORT] = read_short,     [ACTION_RATE] = read_speed,
	[ACTION_CORRUPT] = read_corrupt, [ACTION_EOF] = read_eof,
	[ACTION_STALL] = read_time,      [ACTION_EXHAUST] = read_exhaust,
	[ACTION_BACKLOG] = read_backlog, [ACTION_KILL] = read_kill,
	[ACTION_ANSWER] = read_answer,
};

/* The word alone is enough. */
static bool is_complete(int kind)
{
	return !readers[kind] || kind == ACTION_EOF || kind == ACTION_STALL;
}

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
		[ACTION_ANSWER] = "write `{answer: [127.0.0.1]}`",
		[ACTION_RATE] = "write `{rate: 64KiB/s}`",
		[ACTION_CORRUPT] = "write `{corrupt: 1B}`",
		[ACTION_EXHAUST] = "write `{exhaust: descriptors}`",
		[ACTION_BACKLOG] = "write `{backlog: 1}`",
		[ACTION_KILL] = "write `{kill: TERM}`",
	};
	const char *s = need_text(l, n);
	int kind = s ? action_kind(l, n->at, s) : -1;

	if (kind < 0)
		return;
	a->kind = (enum fault_action_kind)kind;
	if (!is_complete(kind))
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

#define A(kind) (1u << ACTION_##kind)

enum {
	/* They last, or are all that the call does. */
	ALONE = A(RATE) | A(STALL) | A(EXHAUST) | A(BACKLOG),
	/* Never a lie about bytes that have moved. */
	BEHIND_PASS = A(DELAY) | A(RESET) | A(KILL),
	/* Neither data nor another end before the end of the stream. */
	BEFORE_EOF = A(DELAY) | A(KILL),
};

/* What is wrong with an action of the kind behind those in `seen`, or NULL. */
static const char *misplaced(enum fault_action_kind kind, unsigned seen)
{
	if (seen & 1u << kind)
		return "stands there twice";
	if (seen & A(ERROR))
		return "never happens: an `error` ends the call";
	if (seen & A(EOF))
		return "never happens: `eof` is the last thing";
	if (seen & A(PASS) && !(1u << kind & BEHIND_PASS))
		return "would lie: the real call has happened";
	if (seen & A(ANSWER) && (kind == ACTION_ERROR || kind == ACTION_PASS))
		return "comes too late: the answer has been given";
	if (seen & A(SHORT) && kind == ACTION_CORRUPT)
		return "comes too late: `short` has moved the data";
	if (seen & A(CORRUPT) && kind == ACTION_ERROR)
		return "moves no data that `corrupt` could change";
	if (seen & ~(unsigned)BEFORE_EOF && kind == ACTION_EOF)
		return "stands alone, or behind `delay`";
	return NULL;
}

/* A list is one act, from left to right, the real call last. */
static void check_list(struct lang *l, const struct rule *rule)
{
	unsigned seen = 0;

	for (size_t i = 0; i < rule->n_actions; i++) {
		const struct rule_action *a = &rule->actions[i];
		const char *word = fault_actions[a->kind].word;
		const char *wrong = misplaced(a->kind, seen);

		if (wrong)
			lang_error(l, place_of(l, &a->loc), NULL, "`%s` %s",
			           word, wrong);
		else if (rule->n_actions > 1 && 1u << a->kind & ALONE)
			lang_error(l, place_of(l, &a->loc),
			           "give it a rule of its own",
			           "`%s` stands alone", word);
		seen |= 1u << a->kind;
	}
}

#undef A

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
