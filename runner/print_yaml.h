/*
 * print_yaml.h - values of the language as YAML that reads back as the same:
 * texts of any bytes that YAML can say, quantities in the largest unit that
 * says them exactly.
 */
#ifndef FAULT_RUNNER_PRINT_YAML_H
#define FAULT_RUNNER_PRINT_YAML_H

#include <stdio.h>

#include "lang/scenario.h"
#include "plan/plan.h"

/*
 * Double-quoted; `${` is escaped as variables are.  A byte that is no UTF-8 is
 * written as the character of its number: no scenario from a file has one.
 */
void yaml_text(FILE *out, const char *s);
/* The same of a key that takes no variables. */
void yaml_key(FILE *out, const char *s);
/* [a, b] of texts */
void yaml_texts(FILE *out, char *const *v, size_t n);
/* TEXT: one as it is, several as a list. */
void yaml_match(FILE *out, const struct text_match *t);
void yaml_matches(FILE *out, const struct text_list *l);

void yaml_duration(FILE *out, uint64_t ns);
void yaml_size(FILE *out, uint64_t bytes);
void yaml_ratio(FILE *out, uint32_t ratio); /* of 2^32, "10%" */
void yaml_pick(FILE *out, const struct plan_pick *p);
void yaml_address(FILE *out, const struct plan_addr *a);

typedef void yaml_value(FILE *out, uint64_t value);
void yaml_number(FILE *out, uint64_t value);
/* RANGE: a, a..b, a.., ..b, each end by print. */
void yaml_range(FILE *out, const struct range *r, yaml_value *print);

/* {a: 1, b: 2}: what is between two keys.  first begins as true. */
void yaml_flow_key(FILE *out, bool *first, const char *key);
/* Lists of words behind a key, one word without brackets. */
void yaml_words(FILE *out, const char *const *v, size_t n);

#endif
