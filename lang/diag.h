/*
 * diag.h - complaints about input: file:line:column, the line, a suggestion.
 *
 * Library code collects, it never prints.  A diag_list owns its strings.  What
 * they quote of the input has control bytes, and what is no UTF-8, as \xNN.
 */
#ifndef FAULT_LANG_DIAG_H
#define FAULT_LANG_DIAG_H

#include <stdbool.h>
#include <stddef.h>

enum diag_kind {
	DIAG_ERROR,
	DIAG_WARNING, /* it can be used, but hardly means what it says */
	DIAG_NOTE     /* a property, for who asks (`fault check`) */
};

struct diag {
	char *file;      /* as given; "-e" for a one-line rule */
	unsigned line;   /* from 1, 0 = the whole file */
	unsigned column; /* from 1, in bytes */
	enum diag_kind kind;
	char *message;  /* one sentence, no newline, no full stop */
	char *hint;     /* "did you mean `recv`?", or NULL */
	char *excerpt;  /* the source line, or NULL; of a long line, the part
	                   around the column */
	unsigned caret; /* characters of the excerpt before the place */
};

struct diag_list {
	struct diag *v;
	size_t n;
	size_t n_errors; /* of all, though only the first few hundred are kept
	                  */
	size_t cap;
	/*
	 * Among the errors are some of the machine, not of the input: there was
	 * no memory, or no descriptor.
	 */
	bool machine;
};

/* Is it one of these, -ENOMEM or alike? */
bool diag_of_machine(int r);
/* An error of the machine: there was no memory to look at `path`. */
void diag_no_memory(struct diag_list *l, const char *path);

/* Zeroed memory is an empty list. */
void diag_list_release(struct diag_list *l);

/*
 * Writes it as a reader wants it (three or four lines, each ended):
 *   suite.yaml:7:11: unknown action `rest`, did you mean `reset`?
 *       7 |   - {call: recv, rest: 1}
 *         |                  ^
 * into buf (always terminated, cut at size).  Returns the length it needs.
 */
size_t diag_format(const struct diag *d, char *buf, size_t size);

/* Nearest of n words by edit distance; NULL if none is near enough. */
const char *diag_nearest(const char *word, const char *const *words, size_t n);

#endif
