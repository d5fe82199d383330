/*
 * print_diags.h - diagnostics of lang, as lines.
 */
#ifndef FAULT_RUNNER_PRINT_DIAGS_H
#define FAULT_RUNNER_PRINT_DIAGS_H

#include <stdio.h>

#include "lang/diag.h"

/* Writes all but notes, each once, and empties the list; returns the number of
 * errors. */
size_t write_diags(FILE *out, struct diag_list *l);

/* The same on stderr. */
size_t print_diags(struct diag_list *l);

#endif
