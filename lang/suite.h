/*
 * suite.h - a loaded file: between suite.c (the file, its cases) and bind.c
 * (one case as a scenario).
 */
#ifndef FAULT_LANG_SUITE_H
#define FAULT_LANG_SUITE_H

#include "lang/expand.h"
#include "lang/keys.h"
#include "lang/model.h"

enum top_key {
	TOP_VERSION,
	TOP_NAME,
	TOP_ABOUT,
	TOP_TAGS,
	TOP_TODO,
	TOP_NEEDS,
	TOP_LIMIT,
	TOP_ALONE,
	TOP_VARS,
	TOP_MATRIX,
	TOP_HOSTS,
	TOP_FILES,
	TOP_SETUP,
	TOP_TEARDOWN,
	TOP_PROGRAMS,
	TOP_FAULTS,
	TOP_STEPS,
	TOP_EXPECT,
	N_TOP_KEYS
};

/* One key of `matrix`. */
struct axis {
	const char *name;
	const char **values;
	size_t n;
};

struct suite_case {
	const char *id, *name;
};

struct suite {
	struct arena arena;
	struct source source;
	const char *here; /* the file's folder */
	struct node *top;
	struct given given[N_TOP_KEYS];
	struct binding *outside; /* what lookup gave at load */
	size_t n_outside;
	struct binding *vars;
	size_t n_vars;
	struct axis *axes;
	size_t n_axes;
	struct suite_case *cases;
	size_t n_cases;
};

/* What ${...} means in case i; the bindings are in a. */
void suite_scope(const struct suite *s, size_t i, struct arena *a,
                 const struct suite_vars *run, struct scope *ret);
/* The index, on the k-th axis, of case i: the last axis turns fastest. */
size_t suite_axis_index(const struct suite *s, size_t i, size_t k);

/* suite_bind() with or without its warnings. */
int suite_bind_quietly(const struct suite *s, size_t i,
                       const struct suite_vars *vars, bool warnings,
                       struct scenario **ret_scenario, struct diag_list *diags);

#endif
