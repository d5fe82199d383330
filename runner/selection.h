/*
 * selection.h - which cases a command line means.
 *
 * PATH is a folder, a file, FILE::CASE, or an id as it is printed
 * (FILE[io=epoll], FILE::CASE[io=epoll]); FILE::CASE means all of its matrix,
 * FOLDER::CASE the cases of that name in all files.  Each may be a glob
 * (glob.h).  A case that several of them mean is there once, at its first.
 */
#ifndef FAULT_RUNNER_SELECTION_H
#define FAULT_RUNNER_SELECTION_H

#include <stdbool.h>

#include "lang/scenario.h"

struct selected_case {
	const struct suite *suite;
	const char *file; /* as given */
	size_t index;     /* in the suite */
	bool shares_name; /* keep.h: run_plan.c knows who else is there */
};

struct selection {
	struct suite **suites; /* owned */
	char **files;          /* owned, one per suite */
	size_t n_suites;
	struct selected_case *v;
	size_t n;
	/* Files that are not valid: diagnostics say why; or no memory. */
	size_t n_errors;
	bool missing;     /* a path or case does not exist: said on stderr */
	bool may_be_gone; /* then it is not missing, and nothing is said */
};

/* Adds what path means; a glob may mean nothing. */
void selection_add(struct selection *s, const char *path,
                   const struct suite_vars *vars, struct diag_list *diags);
void selection_release(struct selection *s);

/* One name for each file, in ids, whether `./` is typed before it or not. */
const char *selection_plain_name(const char *file);

/* Takes out what is there already; before anything refers to the cases. */
void selection_unique(struct selection *s);

#endif
