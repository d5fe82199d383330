/*
 * utf8.h - see utf8.c.
 */
#ifndef FAULT_LANG_UTF8_H
#define FAULT_LANG_UTF8_H

#include "lang/lang.h"

/* Complains about the first byte of l->source that is no text. */
bool utf8_check(struct lang *l);

/* Length of the UTF-8 character at p, 0 if there is none within len bytes. */
size_t utf8_length(const char *p, size_t len);

#endif
