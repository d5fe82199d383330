/*
 * arena.c - see arena.h.  Chunks are malloc'ed and chained.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/arena.h"

enum {
	CHUNK = 16 << 10,
	ALIGN = 16
};

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	_Alignas(ALIGN) char bytes[];
};

void arena_init(struct arena *a, size_t budget)
{
	*a = (struct arena){.budget = budget};
}

void arena_release(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	while (c) {
		struct arena_chunk *older = c->older;

		free(c);
		c = older;
	}
	*a = (struct arena){0};
}

int arena_try(struct arena *a, int (*work)(void *context), void *context)
{
	jmp_buf *const outer = a->enter;
	jmp_buf enter;
	int r;

	if (setjmp(enter)) {
		a->enter = outer;
		return -ENOMEM;
	}
	a->enter = &enter;
	r = work(context);
	a->enter = outer;
	return r;
}

void arena_fail(struct arena *a)
{
	longjmp(*a->enter, 1);
}

static void take_chunk(struct arena *a, size_t size)
{
	size_t room = size > CHUNK / 4 ? size : CHUNK;
	size_t whole = sizeof(struct arena_chunk) + room;
	struct arena_chunk *c = NULL;

	if (size < SIZE_MAX / 2 && whole <= a->budget)
		c = malloc(whole);
	if (!c)
		arena_fail(a);
	a->budget -= whole;
	c->older = a->chunks;
	c->size = room;
	a->chunks = c;
	a->next = c->bytes;
	a->left = room;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t rounded = (size + ALIGN - 1) / ALIGN * ALIGN;
	void *p;

	if (rounded < size || rounded > a->left)
		take_chunk(a, rounded < size ? size : rounded);
	p = a->next;
	a->next += rounded;
	a->left -= rounded;
	return memset(p, 0, size);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole))
		whole = SIZE_MAX / 2;
	return arena_alloc(a, whole);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *s;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	s = arena_alloc(a, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(s, (size_t)len + 1, format, args);
	va_end(args);
	return s;
}

void *arena_grow(struct arena *a, void *v, size_t n, size_t size)
{
	size_t cap = n ? n * 2 : 4;
	void *more;

	if (n && (n < 4 || (n & (n - 1))))
		return v;
	more = arena_array(a, cap, size);
	if (n)
		memcpy(more, v, n * size);
	return more;
}

void arena_text_add(struct arena *a, struct arena_text *t, const char *s,
                    size_t len)
{
	if (t->cap - t->len <= len) {
		size_t cap = (t->len + len + 32) * 2;
		char *more = arena_alloc(a, cap);

		if (t->len)
			memcpy(more, t->s, t->len);
		t->s = more;
		t->cap = cap;
	}
	memcpy(t->s + t->len, s, len);
	t->len += len;
	t->s[t->len] = '\0';
}

void arena_text_adds(struct arena *a, struct arena_text *t, const char *s)
{
	arena_text_add(a, t, s, strlen(s));
}
