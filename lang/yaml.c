/*
 * yaml.c - YAML to nodes, through libyaml's events.
 *
 * All scalars are texts; what type they have is for the key to say, so `yes`,
 * `012` and `12:30` are nothing special.  Aliases point at the node of their
 * anchor, and what they would expand to is counted.  `<<` merges, as in YAML
 * 1.1: keys that are written out win.  Tags, several documents and keys that
 * are no texts are refused.
 */
#include <string.h>
#include <yaml.h>

#include "lang/model.h"
#include "lang/utf8.h"
#include "lang/yaml_errors.h"

enum {
	MAX_DEPTH = 64,
	MAX_EXPANDED = 100000, /* nodes */
	MAX_ANCHORS = 1000,
	MAX_KEYS = 1000, /* of one map */
};

struct anchor {
	const char *name;
	struct node *node;
	bool open; /* still being read */
};

struct reader {
	struct lang *l;
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	struct anchor *anchors;
	size_t n_anchors;
	uint32_t expanded;
	struct cursor cursor;
	struct node *top;
};

static struct mark event_mark(struct reader *r)
{
	return source_mark_chars(r->l->source, &r->cursor,
	                         r->event.start_mark.line,
	                         r->event.start_mark.column);
}

static bool next(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->parser, &r->event))
		return true;
	if (r->parser.error == YAML_MEMORY_ERROR)
		arena_fail(r->l->arena);
	yaml_error(r->l, &r->parser);
	return false;
}

static struct node *build(struct reader *r, unsigned depth);

/* Notes an anchor; the tag is refused. */
static bool properties(struct reader *r, const yaml_char_t *anchor,
                       const yaml_char_t *tag, struct node *n)
{
	struct arena *a = r->l->arena;

	if (tag) {
		lang_error(r->l, n->at, "quote it",
		           "what begins with `!` is a tag to YAML");
		return false;
	}
	if (!anchor)
		return true;
	if (r->n_anchors == MAX_ANCHORS) {
		lang_error(r->l, n->at, NULL, "more than %d anchors",
		           MAX_ANCHORS);
		return false;
	}
	r->anchors =
		arena_grow(a, r->anchors, r->n_anchors, sizeof(*r->anchors));
	r->anchors[r->n_anchors++] =
		(struct anchor){arena_strdup(a, (const char *)anchor), n, true};
	return true;
}

static void close_anchor(struct reader *r, const struct node *n)
{
	for (size_t i = r->n_anchors; i-- > 0;) {
		if (r->anchors[i].node == n)
			r->anchors[i].open = false;
	}
}

static struct node *build_alias(struct reader *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	struct mark at = event_mark(r);
	const struct anchor *found = NULL;

	for (size_t i = r->n_anchors; i-- > 0 && !found;) {
		if (!strcmp(r->anchors[i].name, name))
			found = &r->anchors[i];
	}
	if (!found || found->open) {
		lang_error(r->l, at, found ? NULL : "quote it if it is a text",
		           found ? "the alias `*%s` stands in what it names"
		                 : "the alias `*%s` names no anchor",
		           name);
		return NULL;
	}
	if (__builtin_add_overflow(r->expanded, found->node->weight,
	                           &r->expanded) ||
	    r->expanded > MAX_EXPANDED) {
		lang_error(r->l, at, NULL,
		           "the aliases expand to more than %d nodes",
		           MAX_EXPANDED);
		return NULL;
	}
	return found->node;
}

static struct node *build_scalar(struct reader *r)
{
	struct arena *a = r->l->arena;
	const char *text = (const char *)r->event.data.scalar.value;
	size_t len = r->event.data.scalar.length;
	struct node *n = node_scalar(a, event_mark(r), NULL);

	n->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = arena_strndup(a, text, len);
	if (strlen(n->text) != len) {
		lang_error(r->l, n->at,
		           "`{send: {file: PATH}}` sends any bytes",
		           "a NUL in a text");
		return NULL;
	}
	if (!properties(r, r->event.data.scalar.anchor,
	                r->event.data.scalar.tag, n))
		return NULL;
	close_anchor(r, n);
	return n;
}

static struct node *build_list(struct reader *r, unsigned depth)
{
	struct node *list = node_new(r->l->arena, NODE_LIST, event_mark(r));

	if (!properties(r, r->event.data.sequence_start.anchor,
	                r->event.data.sequence_start.tag, list))
		return NULL;
	for (;;) {
		struct node *item;

		if (!next(r))
			return NULL;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		item = build(r, depth + 1);
		if (!item)
			return NULL;
		node_add_item(r->l->arena, list, item);
	}
	close_anchor(r, list);
	return list;
}

/* Is this key, once more, in the map? */
static bool is_duplicate(struct reader *r, const struct node *map,
                         const struct node *key)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *other = map->pairs[i].key;

		if (strcmp(other->text, key->text))
			continue;
		lang_error(r->l, key->at,
		           arena_printf(r->l->arena, "first in line %u",
		                        other->at.line),
		           "`%s` stands there twice", key->text);
		return true;
	}
	return false;
}

static bool check_key(struct reader *r, const struct node *map,
                      const struct node *key)
{
	if (key->kind != NODE_SCALAR) {
		lang_error(r->l, key->at, "quote it, if it is a value",
		           "a key that is no text");
		return false;
	}
	if (map->n == MAX_KEYS) {
		lang_error(r->l, key->at, NULL, "more than %d keys in a map",
		           MAX_KEYS);
		return false;
	}
	return !is_duplicate(r, map, key);
}

/* The pairs of one map under `<<` that are not there yet. */
static bool merge(struct reader *r, struct node *map, const struct node *from)
{
	if (from->kind != NODE_MAP) {
		lang_error(r->l, from->at, NULL, "`<<` merges maps only");
		return false;
	}
	for (size_t i = 0; i < from->n; i++) {
		const struct pair *p = &from->pairs[i];

		if (!node_get(map, p->key->text) && map->n < MAX_KEYS)
			node_add_pair(r->l->arena, map, p->key, p->value);
	}
	return true;
}

static bool merge_all(struct reader *r, struct node *map,
                      const struct node *from)
{
	for (size_t i = 0; from->kind == NODE_LIST && i < from->n; i++) {
		if (!merge(r, map, from->items[i]))
			return false;
	}
	return from->kind == NODE_LIST || merge(r, map, from);
}

static struct node *build_map(struct reader *r, unsigned depth)
{
	struct node *map = node_new(r->l->arena, NODE_MAP, event_mark(r));
	struct node *merged = NULL;

	if (!properties(r, r->event.data.mapping_start.anchor,
	                r->event.data.mapping_start.tag, map))
		return NULL;
	for (;;) {
		struct node *key, *value;

		if (!next(r))
			return NULL;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			break;
		key = build(r, depth + 1);
		if (!key || !check_key(r, map, key) || !next(r))
			return NULL;
		value = build(r, depth + 1);
		if (!value)
			return NULL;
		if (key->plain && !strcmp(key->text, "<<"))
			merged = value;
		else
			node_add_pair(r->l->arena, map, key, value);
	}
	close_anchor(r, map);
	return !merged || merge_all(r, map, merged) ? map : NULL;
}

/* The node that the current event begins; NULL after a complaint. */
static struct node *build(struct reader *r, unsigned depth)
{
	if (depth > MAX_DEPTH) {
		lang_error(r->l, event_mark(r), NULL,
		           "lists and maps more than %d deep", MAX_DEPTH);
		return NULL;
	}
	if (r->event.type == YAML_ALIAS_EVENT)
		return build_alias(r);
	if (r->event.type == YAML_SCALAR_EVENT)
		return build_scalar(r);
	if (r->event.type == YAML_SEQUENCE_START_EVENT)
		return build_list(r, depth);
	return build_map(r, depth);
}

/* The one document of the stream. */
static int build_document(void *context)
{
	struct reader *r = context;

	if (!next(r) || !next(r))
		return 0;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		lang_error(r->l, (struct mark){1, 1, r->l->source},
		           "begin with `version: 1`", "the file is empty");
		return 0;
	}
	if (!next(r))
		return 0;
	r->top = build(r, 0);
	if (!r->top || !next(r) || !next(r)) {
		r->top = NULL;
		return 0;
	}
	if (r->event.type != YAML_STREAM_END_EVENT) {
		lang_error(r->l, event_mark(r), "one scenario per file",
		           "a second document");
		r->top = NULL;
	}
	return 0;
}

struct node *yaml_parse(struct lang *l)
{
	struct reader r = {.l = l};
	int failed;

	if (!utf8_check(l))
		return NULL;
	if (!yaml_parser_initialize(&r.parser))
		arena_fail(l->arena);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser,
	                             (const unsigned char *)l->source->text,
	                             l->source->len);
	failed = arena_try(l->arena, build_document, &r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	if (failed)
		arena_fail(l->arena);
	return r.top;
}
