/*
 * model.h - between the files that make a struct scenario.
 */
#ifndef FAULT_LANG_MODEL_H
#define FAULT_LANG_MODEL_H

#include "lang/scenario.h"
#include "lang/lang.h"

/* What scenario_new() makes. */
struct scenario_box {
	struct scenario scenario; /* first: the one is the other's address */
	struct arena arena;
	char nothing[1]; /* "" */
};
struct arena *scenario_arena(struct scenario *s);

/* The defaults of a program. */
void program_init(struct program *p, char *name);

/* `programs`, `expect` and `faults` of a file, and its other keys. */
void programs_read(struct lang *l, const struct node *map, struct scenario *s);
void expect_read(struct lang *l, const struct node *map, struct scenario *s);
/* Of `expect`: what is not of one program. */
void expect_calls_read(struct lang *l, const struct pair *p,
                       struct scenario *s);
void expect_order_read(struct lang *l, const struct pair *p,
                       struct scenario *s);
void expect_files_read(struct lang *l, const struct pair *p,
                       struct scenario *s);

/* fixtures.c: `hosts`, `files`; `setup` and `teardown` are lists of CMD. */
void hosts_read(struct lang *l, const struct node *n, struct scenario *s);
void files_read(struct lang *l, const struct node *n, struct scenario *s);
void commands_read(struct lang *l, const struct node *n, struct command **ret,
                   size_t *ret_n);
/*
 * PATH of a step or an expectation, char *: a relative one is below ${tmp},
 * where the scenario's own files are.
 */
void read_path(struct lang *l, const struct node *n, void *field);

/* TEXT: one, or a list of them. */
void read_text_list(struct lang *l, const struct node *n, void *field);
bool text_read(struct lang *l, const struct node *n, struct text_match *ret);

/*
 * CMD: "a 'b c' d" or [a, b c, d].  Variables are replaced behind the split: a
 * value with a space stays one word.  NULL-terminated, NULL: complaint.
 */
char **command_read(struct lang *l, const struct node *n);

/* yaml.c: the tree of l->source, a map; NULL after a complaint. */
struct node *yaml_parse(struct lang *l);

/* suite_parse() with a limit of memory, for tests of its end. */
int suite_parse_within(size_t budget, const char *text, size_t len,
                       const char *path, const struct suite_vars *vars,
                       struct suite **ret_suite, struct diag_list *diags);

/* inverse.c: quantiles of distribution 1 (normal) or 2 (pareto). */
const int32_t *inverse_table(int distribution);

#endif
