/*
 * quote.h - text for readers: a word as a shell takes it, bytes that a
 * terminal may be given.
 */
#ifndef FAULT_RUNNER_QUOTE_H
#define FAULT_RUNNER_QUOTE_H

#include <stddef.h>
#include <stdio.h>

/* In single quotes unless nothing in it means anything to a shell. */
void quote_word(FILE *f, const char *s);

/* argv, NULL-terminated, with blanks between. */
void quote_words(FILE *f, char *const *argv);

/*
 * Text of a program: control characters (C1 too: xterm obeys them), and bytes
 * that are no UTF-8, as \xHH; no newline is written.
 */
void quote_line(FILE *f, const char *s, size_t len);

#endif
