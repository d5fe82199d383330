/*
 * source.h - the text under a diagnostic, and the tree that was read from it.
 *
 * A source is a file, or a rule in the one-line form; both become the same
 * tree of nodes, so that what comes after need not know which it was.
 */
#ifndef FAULT_LANG_SOURCE_H
#define FAULT_LANG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/arena.h"

struct source;

/* Where something begins, both from 1, the column in bytes. */
struct mark {
	unsigned line, column;
	const struct source *source; /* NULL: of what is being read */
};

struct source {
	const char *path;
	const char *folder; /* of a part, as the suite's file would call it,
	                       with a slash or ""; else NULL */
	const char *text;
	size_t len;
	size_t *lines; /* offset of the first byte of each line */
	size_t n_lines;
};

/* Finds the lines; text and path have to stay. */
void source_init(struct source *s, struct arena *a, const char *path,
                 const char *text, size_t len);

/* The offset of a line's first byte, and of the byte behind its last. */
size_t source_line(const struct source *s, unsigned line, size_t *ret_end);

/* The mark of a byte. */
struct mark source_mark(const struct source *s, size_t offset);

/*
 * libyaml counts characters: from 0, line and column.  The cursor, zeroed at
 * first, remembers the last place: marks that come in order are found without
 * walking a long line from its beginning each time.
 */
struct cursor {
	size_t line, column, offset;
};
struct mark source_mark_chars(const struct source *s, struct cursor *cursor,
                              size_t line, size_t column);
size_t source_offset(const struct source *s, struct mark at);

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP
};

struct pair {
	struct node *key, *value;
};

struct node {
	enum node_kind kind;
	bool plain; /* SCALAR: written without quotes */
	struct mark at;
	const char *text; /* SCALAR, terminated */
	size_t n;         /* LIST: items, MAP: pairs */
	struct node **items;
	struct pair *pairs;
	uint32_t weight; /* nodes below and with this one, aliases followed */
};

struct node *node_new(struct arena *a, enum node_kind kind, struct mark at);
struct node *node_scalar(struct arena *a, struct mark at, const char *text);
void node_add_item(struct arena *a, struct node *list, struct node *item);
void node_add_pair(struct arena *a, struct node *map, struct node *key,
                   struct node *value);
/* The value of a key, NULL if it is not there. */
struct node *node_get(const struct node *map, const char *key);

#endif
