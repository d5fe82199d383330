/*
 * list.h - the tables of plan/ as rows of text, for `fault list`.
 *
 * Each list is built once as strings; the same cells become an aligned table,
 * JSON and the generated reference pages.
 */
#ifndef FAULT_RUNNER_LIST_H
#define FAULT_RUNNER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	LIST_MAX_COLUMNS = 8
};

enum list_cell {
	CELL_TEXT,
	CELL_WORDS, /* separated by blanks; an array in JSON */
	CELL_BOOL   /* "yes" or "no" */
};

struct list_column {
	const char *head; /* also the key in JSON */
	enum list_cell kind;
};

struct list {
	struct list_column columns[LIST_MAX_COLUMNS + 1]; /* then head NULL */
	char *(*rows)[LIST_MAX_COLUMNS];
	size_t n_rows, cap;
};

/* One kind of list; a table of these ends with name NULL. */
struct list_kind {
	const char *name;
	const char *title; /* of the section in a reference page */
	const char *about; /* a paragraph for it */
	bool filtered;     /* takes a call or a family */
	/*
	 * Fills an empty list; only: a call's symbol or a family's word that
	 * list_known() accepts, or NULL.  0 or -ENOMEM.
	 */
	int (*fill)(struct list *l, const char *only);
};
extern const struct list_kind list_kinds[];

const struct list_kind *list_kind_find(const char *name);

/* Is this a call's symbol or a family's word?  Else ret_words has them all. */
enum {
	LIST_MAX_WORDS = 160
};
bool list_known(const char *word, const char *ret_words[LIST_MAX_WORDS],
                size_t *ret_n);

void list_release(struct list *l);

/* Printers; the first -errno or 0. */
int list_print_text(const struct list *l, FILE *out);
int list_print_json(const struct list *l, FILE *out);
int list_print_markdown(const struct list *l, FILE *out);

/* list_schema.c: the language as a JSON Schema; 0 or -errno. */
int list_schema(FILE *out);

#endif
