/*
 * merge.c - one tree over another: maps merge by key, `faults` append, the rest
 * is replaced.
 *
 * Neither tree is changed, what they have in common is shared.  A map that is
 * merged has the keys of the one below first, in their places.
 */
#include <string.h>

#include "lang/suite.h"

/* Where in the tree, as far as it matters here. */
enum level {
	LEVEL_TOP,
	LEVEL_PROGRAMS,
	LEVEL_PROGRAM,
	LEVEL_EXPECT,
	LEVEL_EXPECTATION,
	LEVEL_OTHER
};

static enum level below(enum level level, const char *key)
{
	switch (level) {
	case LEVEL_TOP:
		if (!strcmp(key, "programs"))
			return LEVEL_PROGRAMS;
		return !strcmp(key, "expect") ? LEVEL_EXPECT : LEVEL_OTHER;
	case LEVEL_PROGRAMS:
		return LEVEL_PROGRAM;
	case LEVEL_EXPECT:
		return LEVEL_EXPECTATION;
	case LEVEL_PROGRAM:
	case LEVEL_EXPECTATION:
	case LEVEL_OTHER:
		break;
	}
	return LEVEL_OTHER;
}

/*
 * Keys of which one stands for all: what a program is, how it ends.  Nobody who
 * writes `signal` over an `exit` means both.
 */
static const char *const kinds[] = {"run", "listen", "connect", NULL};
static const char *const ends[] = {"exit", "signal", "alive", NULL};

static const char *one_of(const char *const *words, const struct node *map)
{
	for (; *words; words++) {
		if (node_get(map, *words))
			return *words;
	}
	return NULL;
}

/* A program of another kind has none of the keys of the one below. */
static bool is_other_kind(enum level level, const struct node *under,
                          const struct node *over)
{
	const char *a, *b;

	if (level != LEVEL_PROGRAM)
		return false;
	a = one_of(kinds, under);
	b = one_of(kinds, over);
	return a && b && strcmp(a, b) != 0;
}

static bool is_replaced_end(enum level level, const char *key,
                            const struct node *over)
{
	if (level != LEVEL_EXPECTATION || !one_of(ends, over))
		return false;
	for (const char *const *end = ends; *end; end++) {
		if (!strcmp(*end, key))
			return true;
	}
	return false;
}

/* These are about the files themselves. */
static bool is_left_out(enum level level, const char *key)
{
	return level == LEVEL_TOP &&
	       (!strcmp(key, "use") || !strcmp(key, "cases"));
}

/*
 * A variable is in `vars` or in `matrix`: where it is written last.  Returns
 * the map of one of the two without the names that the other one, above it,
 * has.
 */
static struct node *without_shadowed(struct arena *a, enum level level,
                                     const struct pair *p,
                                     const struct node *over)
{
	const struct node *other = NULL;
	struct node *map;

	if (level == LEVEL_TOP && !strcmp(p->key->text, "vars"))
		other = node_get(over, "matrix");
	if (level == LEVEL_TOP && !strcmp(p->key->text, "matrix"))
		other = node_get(over, "vars");
	if (!other || other->kind != NODE_MAP || p->value->kind != NODE_MAP)
		return p->value;
	map = node_new(a, NODE_MAP, p->value->at);
	for (size_t i = 0; i < p->value->n; i++) {
		const struct pair *name = &p->value->pairs[i];

		if (!node_get(other, name->key->text))
			node_add_pair(a, map, name->key, name->value);
	}
	return map;
}

static struct node *append(struct arena *a, const struct node *under,
                           const struct node *over)
{
	struct node *list = node_new(a, NODE_LIST, under->at);

	for (size_t i = 0; i < under->n; i++)
		node_add_item(a, list, under->items[i]);
	for (size_t i = 0; i < over->n; i++)
		node_add_item(a, list, over->items[i]);
	return list;
}

static struct node *merge(struct arena *a, enum level level,
                          const struct node *under, const struct node *over);

/* What stands behind a key that both have. */
static struct node *merge_values(struct arena *a, enum level level,
                                 const struct pair *under, struct node *over)
{
	if (level == LEVEL_TOP && !strcmp(under->key->text, "faults") &&
	    under->value->kind == NODE_LIST && over->kind == NODE_LIST)
		return append(a, under->value, over);
	level = below(level, under->key->text);
	if (under->value->kind != NODE_MAP || over->kind != NODE_MAP ||
	    is_other_kind(level, under->value, over))
		return over;
	return merge(a, level, under->value, over);
}

static const struct pair *find(const struct node *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (!strcmp(map->pairs[i].key->text, key))
			return &map->pairs[i];
	}
	return NULL;
}

static struct node *merge(struct arena *a, enum level level,
                          const struct node *under, const struct node *over)
{
	struct node *map = node_new(a, NODE_MAP, over->at);

	for (size_t i = 0; i < under->n; i++) {
		struct pair below = under->pairs[i], *p = &below;
		const struct pair *same = find(over, p->key->text);
		struct node *value;

		below.value = without_shadowed(a, level, p, over);
		value = same ? merge_values(a, level, p, same->value)
		             : p->value;

		if (is_left_out(level, p->key->text) ||
		    (!same && is_replaced_end(level, p->key->text, over)))
			continue;
		/* What is replaced stands where it is written last. */
		node_add_pair(a, map,
		              same && value == same->value ? same->key : p->key,
		              value);
	}
	for (size_t i = 0; i < over->n; i++) {
		const struct pair *p = &over->pairs[i];

		if (!find(under, p->key->text) &&
		    !is_left_out(level, p->key->text))
			node_add_pair(a, map, p->key, p->value);
	}
	return map;
}

struct node *tops_merge(struct arena *a, const struct node *under,
                        const struct node *over)
{
	return merge(a, LEVEL_TOP, under, over);
}
