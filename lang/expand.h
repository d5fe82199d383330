/*
 * expand.h - ${...}: names to values, when a scalar is read.
 *
 * Only known names are replaced; $x stays; $${ is a ${ that stays; anything
 * else in ${} is an error.  Values may hold ${...} themselves.
 */
#ifndef FAULT_LANG_EXPAND_H
#define FAULT_LANG_EXPAND_H

#include "lang/scenario.h"
#include "lang/lang.h"

struct binding {
	const char *name, *value;
	const struct source *source; /* that the value stands in, or NULL */
};

struct scope {
	const struct binding *bindings; /* the first of a name wins */
	size_t n_bindings;
	const struct suite_vars *run; /* NULL: stand-ins */
	const char *here;             /* folder of the suite's file */
};

/* Is it one of the names that fault gives itself: port, port.x, host, … */
bool expand_is_runtime(const char *name);
/* May a variable be called so? */
bool expand_is_name(const char *name);

/*
 * The text of a scalar with its variables replaced, in the arena; NULL after
 * a complaint when it is none, or has an unknown variable.
 */
const char *expand_node(struct lang *l, const struct node *n);
const char *expand_text(struct lang *l, struct mark at, const char *s);

/* Calls f for each name in ${...} of s; name is not terminated. */
void expand_names(const char *s,
                  void (*f)(void *context, const char *name, size_t len),
                  void *context);

/* "a list", "a map", for messages */
const char *node_kind_word(const struct node *n);

#endif
