/*
 * print_diags.c - see print_diags.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runner/print_diags.h"

size_t print_diags(struct diag_list *l)
{
	size_t n = l->n_errors;

	for (size_t i = 0; i < l->n; i++) {
		size_t size = diag_format(&l->v[i], NULL, 0) + 1;
		char *text = malloc(size);

		if (!text)
			break;
		diag_format(&l->v[i], text, size);
		fputs(text, stderr);
		free(text);
	}
	diag_list_release(l);
	return n;
}
