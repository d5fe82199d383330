/*
 * source.c - lines and columns of a text, and the nodes read from it.
 */
#include <string.h>

#include "lang/source.h"

/* The length of the line break at p, 0 if there is none: those of YAML 1.1. */
static size_t break_at(const char *p, const char *end)
{
	size_t left = (size_t)(end - p);

	if (*p == '\r')
		return left > 1 && p[1] == '\n' ? 2 : 1;
	if (*p == '\n')
		return 1;
	if (left > 1 && !memcmp(p, "\xc2\x85", 2))
		return 2;
	if (left > 2 &&
	    (!memcmp(p, "\xe2\x80\xa8", 3) || !memcmp(p, "\xe2\x80\xa9", 3)))
		return 3;
	return 0;
}

void source_init(struct source *s, struct arena *a, const char *path,
                 const char *text, size_t len)
{
	const char *end = text + len, *p = text;

	*s = (struct source){
		.path = path, .folder = s->folder, .text = text, .len = len};
	s->lines = arena_grow(a, NULL, 0, sizeof(*s->lines));
	s->lines[s->n_lines++] = 0;
	while (p < end) {
		size_t n = break_at(p, end);

		p += n ? n : 1;
		if (!n)
			continue;
		s->lines =
			arena_grow(a, s->lines, s->n_lines, sizeof(*s->lines));
		s->lines[s->n_lines++] = (size_t)(p - text);
	}
}

size_t source_line(const struct source *s, unsigned line, size_t *ret_end)
{
	size_t begin = s->len, end = s->len;

	if (line >= 1 && line <= s->n_lines)
		begin = s->lines[line - 1];
	if (line >= 1 && line < s->n_lines)
		end = s->lines[line];
	/* The break itself is the last 1 to 3 bytes, whichever it is. */
	for (size_t n = 3; n && line < s->n_lines; n--) {
		if (end - begin >= n &&
		    break_at(s->text + end - n, s->text + end) == n) {
			end -= n;
			break;
		}
	}
	*ret_end = end;
	return begin;
}

struct mark source_mark(const struct source *s, size_t offset)
{
	size_t low = 0, high = s->n_lines;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return (struct mark){(unsigned)low + 1,
	                     (unsigned)(offset - s->lines[low]) + 1, s};
}

struct mark source_mark_chars(const struct source *s, struct cursor *cursor,
                              size_t line, size_t column)
{
	size_t end, begin = source_line(s, (unsigned)line + 1, &end);

	if (line != cursor->line || column < cursor->column ||
	    cursor->offset < begin)
		*cursor = (struct cursor){line, 0, begin};
	while (cursor->column < column && cursor->offset < end) {
		cursor->offset++;
		while (cursor->offset < end &&
		       (s->text[cursor->offset] & 0xc0) == 0x80)
			cursor->offset++;
		cursor->column++;
	}
	return (struct mark){(unsigned)line + 1,
	                     (unsigned)(cursor->offset - begin) + 1, s};
}

size_t source_offset(const struct source *s, struct mark at)
{
	size_t end, begin = source_line(s, at.line, &end);
	size_t offset = begin + at.column - 1;

	return offset < s->len ? offset : s->len;
}

struct node *node_new(struct arena *a, enum node_kind kind, struct mark at)
{
	struct node *n = arena_alloc(a, sizeof(*n));

	n->kind = kind;
	n->at = at;
	n->weight = 1;
	return n;
}

struct node *node_scalar(struct arena *a, struct mark at, const char *text)
{
	struct node *n = node_new(a, NODE_SCALAR, at);

	n->text = text;
	n->plain = true;
	return n;
}

void node_add_item(struct arena *a, struct node *list, struct node *item)
{
	list->items =
		arena_grow(a, list->items, list->n, sizeof(struct node *));
	list->items[list->n++] = item;
	if (__builtin_add_overflow(list->weight, item->weight, &list->weight))
		list->weight = UINT32_MAX;
}

void node_add_pair(struct arena *a, struct node *map, struct node *key,
                   struct node *value)
{
	map->pairs = arena_grow(a, map->pairs, map->n, sizeof(struct pair));
	map->pairs[map->n++] = (struct pair){key, value};
	if (__builtin_add_overflow(map->weight, value->weight, &map->weight))
		map->weight = UINT32_MAX;
}

struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (!strcmp(map->pairs[i].key->text, key))
			return map->pairs[i].value;
	}
	return NULL;
}
