/*
 * print_parts.h - between the files that print a scenario.
 */
#ifndef FAULT_RUNNER_PRINT_PARTS_H
#define FAULT_RUNNER_PRINT_PARTS_H

#include <stdio.h>

#include "lang/scenario.h"

/* print_steps.c: a list of steps, one a line, behind so many spaces. */
void print_steps(FILE *out, const struct scenario *s,
                 const struct step_list *steps, int indent);

/* print_scenario.c: CMD, as a list. */
void print_command(FILE *out, char *const *argv);

/* print_rule.c: {…}, in one line. */
void print_rule(FILE *out, const struct scenario *s, const struct rule *r);
/* An entry of `calls` or `order` of `expect`. */
void print_call_expect(FILE *out, const struct scenario *s,
                       const struct call_expect *e);

/* print_rule.c: the keys that select calls; nothing of those without effect.
 * first: of yaml_flow_key(). */
void print_programs(FILE *out, bool *first, const struct scenario *s,
                    uint64_t programs);
void print_calls(FILE *out, bool *first, const uint64_t *calls);
void print_roles(FILE *out, bool *first, uint8_t roles);
void print_pick(FILE *out, bool *first, const char *key,
                const struct plan_pick *pick);

#endif
