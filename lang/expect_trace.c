/*
 * expect_trace.c - `calls`, `order` and `files` of `expect`: what must have
 * been seen beside the ends of the programs.
 */
#include <stdlib.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/units.h"

static bool unknown_call_key(struct lang *l, const struct pair *p);

enum call_key {
	KEY_IN,
	KEY_CALL,
	KEY_ROLE,
	KEY_PORT,
	KEY_PEER,
	KEY_CONNECTION,
	KEY_NTH,
	KEY_RESULT,
	KEY_COUNT,
	KEY_GAP,
	KEY_BYTES,
	N_CALL_KEYS
};

#define KEY(word, read, field)                                                 \
	{                                                                      \
		word, read, offsetof(struct call_expect, field)                \
	}
static const struct key keys[] = {
	[KEY_IN] = KEY("in", NULL, programs),
	[KEY_CALL] = KEY("call", NULL, calls),
	[KEY_ROLE] = KEY("role", read_roles, roles),
	[KEY_PORT] = KEY("port", read_port, port),
	[KEY_PEER] = KEY("peer", read_address, peer),
	[KEY_CONNECTION] = KEY("connection", read_pick, connection),
	[KEY_NTH] = KEY("nth", read_pick, nth),
	[KEY_RESULT] = KEY("result", NULL, err),
	[KEY_COUNT] = KEY("count", read_range, count),
	[KEY_GAP] = KEY("gap", read_elapsed, gap_ns),
	[KEY_BYTES] = KEY("bytes", read_size_range, bytes),
};
#undef KEY
const struct key_table seen_keys = {keys, N_CALL_KEYS, IN_CALL,
                                    unknown_call_key};

/* The keys that mean in a rule what they mean here. */
static const struct {
	enum call_key here;
	enum rule_key there;
} shared[] = {
	{KEY_ROLE, RULE_KEY_role},
	{KEY_PORT, RULE_KEY_port},
	{KEY_PEER, RULE_KEY_peer},
	{KEY_CONNECTION, RULE_KEY_connection},
};

/* A key of rules that says nothing of a call that was seen. */
static bool unknown_call_key(struct lang *l, const struct pair *p)
{
	size_t n;
	const char *const *words = lang_rule_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], p->key->text) != 0)
			continue;
		lang_error(l, p->key->at,
		           "calls that were seen have `in`, `call`, `role`, "
		           "`port`, `peer`, `connection`, `nth` and `result`",
		           "`%s` is a key of rules", words[i]);
		return true;
	}
	return false;
}

/* The resolver's codes are its own. */
static void check_result(struct lang *l, const struct node *n, int err,
                         const struct call_word *words, size_t n_words)
{
	bool resolves = false;

	for (size_t i = 0; i < n_words; i++)
		resolves |= words[i].family == FAMILY_RESOLVE;
	if (err < 0 && n_words && !resolves)
		lang_error(l, n->at, "that is for `call: resolve`",
		           "`%s` does not fail with a code of the resolver",
		           words[0].word);
}

/* ok|ERRNO */
static void read_result(struct lang *l, const struct node *n,
                        const struct call_word *words, size_t n_words,
                        struct call_expect *e)
{
	static const char *const ok[] = {"0", "success", "OK", "true"};
	const char *s = need_text(l, n);

	e->has_result = true;
	if (!s || !strcmp(s, "ok"))
		return;
	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		if (strcmp(s, ok[i]) != 0)
			continue;
		lang_error(l, n->at, "write `ok`",
		           "`%s` is neither `ok` nor an errno's name", s);
		return;
	}
	e->err = need_errno(l, n);
	check_result(l, n, e->err, words, n_words);
}

/* A share is drawn while it runs: nobody knows which calls these were. */
static void refuse_share(struct lang *l, const struct given *g,
                         const struct plan_pick *pick)
{
	if (g->key && !pick->first && pick->ratio)
		lang_error(l, g->value->at, "name them: 3, 2..5 or 3+",
		           "`%s` is drawn anew by each rule", g->value->text);
}

/* The same complaints as of a rule that selects so. */
static void check_which(struct lang *l, const struct given *given,
                        struct call_word *words, size_t n_words,
                        const struct call_expect *e)
{
	struct rule_form f = {
		.words = words, .n_words = n_words, .rule.roles = e->roles};

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		f.given[shared[i].there] = given[shared[i].here];
	rule_check_which(l, &f);
	refuse_share(l, &given[KEY_CONNECTION], &e->connection);
	refuse_share(l, &given[KEY_NTH], &e->nth);
}

static void check_counts(struct lang *l, const struct given *given,
                         const struct call_expect *e)
{
	if (e->has_gap && e->count.max < 2)
		lang_error(l, given[KEY_GAP].key->at, NULL,
		           "a `gap` is between two calls, and `count: %s` has "
		           "none",
		           given[KEY_COUNT].value->text);
	if (e->has_bytes && e->count.max == 0)
		lang_error(l, given[KEY_BYTES].key->at, NULL,
		           "calls that are not made move no bytes");
}

/* In `order` each entry is one call, behind the one before. */
static void check_order(struct lang *l, const struct given *given, bool first)
{
	if (given[KEY_COUNT].key)
		lang_error(l, given[KEY_COUNT].key->at,
		           "write the entry once more, or count in `calls`",
		           "an entry of `order` is one call");
	if (first && given[KEY_GAP].key)
		lang_error(l, given[KEY_GAP].key->at, NULL,
		           "`gap` is the time since the entry before, and this "
		           "is the first");
}

static void read_call(struct lang *l, const struct node *n,
                      const struct scenario *s, bool order, bool first,
                      struct call_expect *e)
{
	struct given given[N_CALL_KEYS] = {0};
	struct call_word *words = NULL;
	size_t n_words = 0, errors = l->n_errors;

	*e = (struct call_expect){
		.loc = locate(l, n->at),
		.programs = UINT64_MAX,
		.count = {1, INT64_MAX},
	};
	if (!read_map(l, n, &seen_keys, e, given))
		return;
	if (given[KEY_IN].key)
		e->programs = read_programs(l, given[KEY_IN].value, s,
		                            "no call of it is seen");
	if (given[KEY_CALL].key)
		n_words = read_calls(l, given[KEY_CALL].value, &words);
	else if (l->n_errors == errors)
		lang_error(l, n->at, "add `call: connect`",
		           "no `call` says which");
	call_words_merge(words, n_words, e->calls);
	if (given[KEY_RESULT].key)
		read_result(l, given[KEY_RESULT].value, words, n_words, e);
	e->has_gap = given[KEY_GAP].key != NULL;
	e->has_bytes = given[KEY_BYTES].key != NULL;
	/* One call has no gap: that would be asserted of nothing. */
	if (e->has_gap && !order && !given[KEY_COUNT].key)
		e->count.min = 2;
	if (l->n_errors != errors)
		return;
	check_which(l, given, words, n_words, e);
	if (order)
		check_order(l, given, first);
	else
		check_counts(l, given, e);
}

/* Is there a program of which calls are seen? */
static bool any_attached(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		if (s->programs[i].kind == PROGRAM_RUN && s->programs[i].attach)
			return true;
	}
	return false;
}

static struct call_expect *read_list(struct lang *l, const struct pair *p,
                                     const struct scenario *s, bool order,
                                     size_t *ret_n)
{
	const struct node *list = p->value;
	struct call_expect *v;

	if (list->kind != NODE_LIST) {
		lang_error(l, list->at,
		           arena_printf(l->arena,
		                        "write `%s: [{call: connect, …}]`",
		                        p->key->text),
		           "expected a list of calls, not %s",
		           list->kind == NODE_SCALAR && !*list->text
		                   ? "nothing"
		                   : node_kind_word(list));
		return NULL;
	}
	if (!list->n)
		lang_error(l, list->at, NULL, "an empty list of calls");
	if (order && list->n == 1)
		lang_error(l, list->at, "one call alone belongs into `calls`",
		           "an order has two calls at least");
	if (list->n && !any_attached(s))
		lang_error(l, p->key->at, NULL,
		           "no call is seen: the library is in none of the "
		           "programs");
	v = arena_array(l->arena, list->n, sizeof(*v));
	for (size_t i = 0; i < list->n && !too_many_errors(l); i++)
		read_call(l, list->items[i], s, order, i == 0, &v[i]);
	*ret_n = list->n;
	return v;
}

void expect_calls_read(struct lang *l, const struct pair *p, struct scenario *s)
{
	s->call_expects = read_list(l, p, s, false, &s->n_call_expects);
}

void expect_order_read(struct lang *l, const struct pair *p, struct scenario *s)
{
	s->order = read_list(l, p, s, true, &s->n_order);
}

/* ---- files --------------------------------------------------------------- */

enum file_key {
	KEY_HAS,
	KEY_NOT,
	KEY_SAME,
	KEY_SIZE,
	N_FILE_KEYS
};

#define KEY(word, read, field)                                                 \
	{                                                                      \
		word, read, offsetof(struct file_expect, field)                \
	}
static const struct key keys_of_files[] = {
	[KEY_HAS] = KEY("has", read_text_list, has),
	[KEY_NOT] = KEY("not", read_text_list, not_has),
	[KEY_SAME] = KEY("same", read_path, same),
	[KEY_SIZE] = KEY("size", read_size_range, size),
};
#undef KEY
const struct key_table file_keys = {keys_of_files, N_FILE_KEYS, IN_FILE, NULL};

static void read_file(struct lang *l, const struct pair *p,
                      struct file_expect *e)
{
	struct given given[N_FILE_KEYS] = {0};
	size_t errors = l->n_errors;

	*e = (struct file_expect){.loc = locate(l, p->key->at)};
	read_path(l, p->key, &e->path);
	if (!read_map(l, p->value, &file_keys, e, given))
		return;
	e->has_size = given[KEY_SIZE].key != NULL;
	if (l->n_errors != errors)
		return;
	if (!p->value->n)
		lang_error(l, p->value->at,
		           "`size: 0B..` is one that is there, whatever it has",
		           "nothing is expected of `%s`", p->key->text);
	if (e->same && !strcmp(e->same, e->path))
		lang_error(l, given[KEY_SAME].value->at, NULL,
		           "every file is the same as itself");
}

void expect_files_read(struct lang *l, const struct pair *p, struct scenario *s)
{
	const struct node *map = p->value;

	if (map->kind != NODE_MAP || !map->n) {
		lang_error(l, map->at, "write `files: {PATH: {has: TEXT}}`",
		           "expected files by path, not %s",
		           map->kind == NODE_LIST ? "a list" : "nothing");
		return;
	}
	s->file_expects =
		arena_array(l->arena, map->n, sizeof(*s->file_expects));
	for (size_t i = 0; i < map->n; i++)
		read_file(l, &map->pairs[i],
		          &s->file_expects[s->n_file_expects++]);
}
