/*
 * arena.h - memory that is given back all at once.
 *
 * All that the language builds (trees, texts, scenarios) lives in an arena, so
 * that giving up half-way leaks nothing and no allocation has to be checked:
 * when memory or the budget ends, arena_alloc() jumps back to the arena_try()
 * that is under way, which returns -ENOMEM.  Between the two, nothing may be
 * held that is not in the arena or reachable from arena_try()'s context.
 *
 * An arena belongs to one thread at a time.
 */
#ifndef FAULT_LANG_ARENA_H
#define FAULT_LANG_ARENA_H

#include <setjmp.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	char *next;     /* first unused byte of the newest chunk */
	size_t left;    /* bytes unused there */
	size_t budget;  /* bytes that may still be taken from malloc */
	jmp_buf *enter; /* of the arena_try() under way */
};

enum {
	ARENA_BUDGET = 256 << 20
};

void arena_init(struct arena *a, size_t budget);
void arena_release(struct arena *a);

/*
 * Calls work(context), during which a may be allocated from.  Returns what it
 * returns, or -ENOMEM; a has to be released by the caller in either case.
 * May be nested: the innermost is returned from.
 */
int arena_try(struct arena *a, int (*work)(void *context), void *context);
/* Makes it return -ENOMEM. */
__attribute__((noreturn)) void arena_fail(struct arena *a);

/* Zeroed, aligned for anything; never NULL. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * An array of n items that is about to get one more: returns v, or a copy of
 * it with more room.  Capacities are powers of two, so n tells them.
 */
void *arena_grow(struct arena *a, void *v, size_t n, size_t size);

/* A text that is written piece by piece; zeroed memory is an empty one. */
struct arena_text {
	char *s; /* NULL while empty, else terminated */
	size_t len, cap;
};
void arena_text_add(struct arena *a, struct arena_text *t, const char *s,
                    size_t len);
void arena_text_adds(struct arena *a, struct arena_text *t, const char *s);

#endif
