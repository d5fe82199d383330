/*
 * suite.h - a loaded file: between suite.c (the file, its cases), parts.c and
 * merge.c (what it uses), and bind.c (one case as a scenario).
 */
#ifndef FAULT_LANG_SUITE_H
#define FAULT_LANG_SUITE_H

#include <sys/types.h>

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
	TOP_USE,
	TOP_VARS,
	TOP_MATRIX,
	TOP_CASES,
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

enum {
	MAX_TEXT = 1 << 20 /* bytes of a file */
};

/* Which file it is, whatever its path; inode 0: none. */
struct file_id {
	dev_t device;
	ino_t inode;
};

struct uses {
	struct document **v;
	size_t n;
};

/* The suite's file, or a part that it uses. */
struct document {
	struct source source;
	struct file_id id;
	struct node *top; /* NULL: it was not understood */
	struct uses uses;
	unsigned laid; /* see document_lay() */
};

/* The keys of the file, or of a case laid over it. */
struct variant {
	const char *name; /* of the case, or NULL */
	struct node *top;
	struct given given[N_TOP_KEYS];
	struct binding *vars;
	size_t n_vars;
	struct axis *axes;
	size_t n_axes;
	size_t n_cases; /* that its matrix makes */
};

struct suite_case {
	const char *id, *name;
	const struct variant *variant;
	size_t index; /* among those of its matrix */
};

struct suite {
	struct arena arena;
	const char *here;            /* the file's folder */
	struct document **documents; /* the file, then its parts */
	size_t n_documents;
	struct binding *outside; /* what lookup gave at load */
	size_t n_outside;
	struct variant *variants;
	size_t n_variants;
	struct suite_case *cases;
	size_t n_cases;
};

/* parts.c: reads the file and all that it uses; false: it is no YAML. */
bool suite_read(struct lang *l, struct suite *s, const char *text, size_t len,
                const char *path, const struct file_id *id);
/* The same for the `use` of a case. */
void case_read_uses(struct lang *l, struct suite *s, const struct node *map,
                    struct uses *ret);

/*
 * Lays a document, with what it uses below it, over a tree; in one round each
 * document counts once.
 */
struct node *document_lay(struct arena *a, struct document *d,
                          struct node *under, unsigned round);
struct node *uses_lay(struct arena *a, const struct uses *uses,
                      struct node *under, unsigned round);

/* merge.c: the keys of one top over another's, without `use` and `cases`. */
struct node *tops_merge(struct arena *a, const struct node *under,
                        const struct node *over);

/* file.c: a file that is used by node n.  Both complain and return false. */
struct file_text {
	struct file_id id;
	const char *text;
	size_t len; /* at most one byte more than is allowed */
};
bool part_open(struct lang *l, const struct node *n, const char *path,
               struct file_text *ret);
bool part_read(struct lang *l, const struct node *n, const char *path,
               struct file_text *file);

/* suite_parse_within() of a file that may use others. */
int suite_parse_file(size_t budget, const char *text, size_t len,
                     const char *path, const struct file_id *id,
                     const struct suite_vars *vars, struct suite **ret_suite,
                     struct diag_list *diags);

/* What ${...} means in case i; the bindings are in a. */
void suite_scope(const struct suite *s, size_t i, struct arena *a,
                 const struct suite_vars *run, struct scope *ret);
/* The case's value on the k-th axis: the last axis turns fastest. */
const char *suite_axis_value(const struct suite_case *c, size_t k);

/* suite_bind() with or without its warnings. */
int suite_bind_quietly(const struct suite *s, size_t i,
                       const struct suite_vars *vars, bool warnings,
                       struct scenario **ret_scenario, struct diag_list *diags);

#endif
