/*
 * lang.h - what every part of the language carries: where results go, what is
 * being read, and how to complain about it.
 */
#ifndef FAULT_LANG_LANG_H
#define FAULT_LANG_LANG_H

#include "lang/diag.h"
#include "lang/source.h"

/* A source, and its path as the results keep it. */
struct source_file {
	const struct source *source;
	const char *path;
};

/* What a public function carries through the layers. */
struct lang {
	struct arena *arena; /* results and passing texts */
	const struct source *source;
	const char *path; /* the source's, kept by the results */
	/* Where the nodes are of several sources: all of them. */
	const struct source_file *files;
	size_t n_files;
	struct diag_list *diags;
	size_t n_errors;           /* of this call */
	bool warnings;             /* wanted */
	const struct scope *scope; /* of ${...}; NULL: nothing is replaced */
};

/* An error at a place of the source.  hint may be NULL. */
void lang_error(struct lang *l, struct mark at, const char *hint,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
void lang_warn(struct lang *l, struct mark at, const char *hint,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
void lang_note(struct lang *l, struct mark at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* So many errors that looking for more helps nobody. */
bool too_many_errors(const struct lang *l);

/* "did you mean `x`?", or NULL when nothing is near. */
char *did_you_mean(struct lang *l, const char *word, const char *const *words,
                   size_t n);

/* The same, or "there are a, b", when there are few enough. */
char *did_you_mean_or_all(struct lang *l, const char *word,
                          const char *const *words, size_t n);

/* The same without a lang: source may be NULL (no excerpt). */
void diag_add(struct diag_list *l, const struct source *source,
              const char *path, struct mark at, enum diag_kind kind,
              const char *hint, const char *message);

/* Sorts what was added from index `from` on by place. */
void diag_sort(struct diag_list *l, size_t from);

/* A distance between words, in half letters; their case does not count. */
unsigned diag_distance(const char *a, const char *b);

#endif
