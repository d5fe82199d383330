/*
 * schema_types.h - the simple types of the language as JSON Schema.
 *
 * A type is named by its shape: "duration", "text|text+".  Alternatives are
 * separated by |; behind a name * is a list of it, + one that is not empty,
 * : a map of names to it.
 */
#ifndef FAULT_RUNNER_SCHEMA_TYPES_H
#define FAULT_RUNNER_SCHEMA_TYPES_H

#include <jansson.h>
#include <stdbool.h>

/* A schema that refers to $defs; new, NULL when memory ends. */
json_t *schema_shape(const char *shape);

/* Adds the types to $defs; false when memory ends. */
bool schema_add_types(json_t *defs);

#endif
