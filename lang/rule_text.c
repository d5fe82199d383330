/*
 * rule_text.c - a rule as a reader sees it: "recv:reset:nth=3".
 *
 * The calls, if any, the actions, then the other keys in the order of the
 * table, so that the same rule has the same text however it was written.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/rule.h"

static void add_value(struct lang *l, struct arena_text *t,
                      const struct node *n)
{
	for (size_t i = 0; i < list_len(n); i++) {
		const char *s = expand_node(l, list_item(n, i));

		if (i)
			arena_text_adds(l->arena, t, ",");
		arena_text_adds(l->arena, t, s ? s : "");
	}
}

static void add_pair(struct lang *l, struct arena_text *t, const char *key,
                     const struct node *value)
{
	arena_text_adds(l->arena, t, ":");
	arena_text_adds(l->arena, t, key);
	arena_text_adds(l->arena, t, "=");
	add_value(l, t, value);
}

/* The action's word before its parameters. */
static void add_action(struct lang *l, struct arena_text *t,
                       const struct node *n)
{
	if (n->kind == NODE_SCALAR) {
		arena_text_adds(l->arena, t, ":");
		add_value(l, t, n);
		return;
	}
	for (unsigned parameters = 0; parameters <= 1; parameters++) {
		for (size_t i = 0; i < n->n; i++) {
			const char *key = n->pairs[i].key->text;

			if (action_is_parameter(key) == (parameters == 1))
				add_pair(l, t, key, n->pairs[i].value);
		}
	}
}

char *rule_text(struct lang *l, const struct rule_form *f)
{
	const struct node *actions = f->given[RULE_KEY_inject].value;
	size_t n_keys;
	const char *const *words = lang_rule_keys(&n_keys);
	struct arena_text t = {0};

	if (f->given[RULE_KEY_call].key)
		add_value(l, &t, f->given[RULE_KEY_call].value);
	for (size_t i = 0; i < list_len(actions); i++)
		add_action(l, &t, list_item(actions, i));
	for (size_t i = 0; i < n_keys; i++) {
		if (i == RULE_KEY_call || i == RULE_KEY_inject ||
		    !f->given[i].key)
			continue;
		/* A name is no part of what happens, but what arms it. */
		if (i == RULE_KEY_name && !f->given[RULE_KEY_armed].key)
			continue;
		add_pair(l, &t, words[i], f->given[i].value);
	}
	/* Without calls there is nothing before the first colon. */
	return f->given[RULE_KEY_call].key ? t.s : t.s + 1;
}
