/*
 * print_diags.c - see print_diags.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/print_diags.h"

/* The cases of a matrix have their mistakes in common. */
static bool is_repeated(const struct diag_list *l, size_t i)
{
	const struct diag *d = &l->v[i];

	for (size_t k = 0; k < i; k++)
		if (l->v[k].line == d->line && l->v[k].column == d->column &&
		    !strcmp(l->v[k].message, d->message) &&
		    !strcmp(l->v[k].file, d->file))
			return true;
	return false;
}

size_t write_diags(FILE *out, struct diag_list *l)
{
	size_t n = l->n_errors;

	for (size_t i = 0; i < l->n; i++) {
		size_t size = diag_format(&l->v[i], NULL, 0) + 1;
		char *text;

		if (l->v[i].kind == DIAG_NOTE || is_repeated(l, i))
			continue;
		text = malloc(size);
		if (!text) {
			fputs("out of memory\n", out);
			break;
		}
		diag_format(&l->v[i], text, size);
		fputs(text, out);
		free(text);
	}
	diag_list_release(l);
	return n;
}

size_t print_diags(struct diag_list *l)
{
	return write_diags(stderr, l);
}
