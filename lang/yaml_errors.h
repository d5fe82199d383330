/*
 * yaml_errors.h - see yaml_errors.c.
 */
#ifndef FAULT_LANG_YAML_ERRORS_H
#define FAULT_LANG_YAML_ERRORS_H

#include <yaml.h>

#include "lang/lang.h"

/* Complains about what the parser, which has failed, stumbled over. */
void yaml_error(struct lang *l, const yaml_parser_t *parser);

#endif
