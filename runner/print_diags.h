/*
 * print_diags.h - diagnostics of lang, on stderr.
 */
#ifndef FAULT_RUNNER_PRINT_DIAGS_H
#define FAULT_RUNNER_PRINT_DIAGS_H

#include "lang/diag.h"

/* Prints each once and empties the list; returns the number of errors. */
size_t print_diags(struct diag_list *l);

#endif
