/*
 * attach_alloc.c - see attach_alloc.h.
 *
 * Memory is cut from mapped chunks and given back all at once, when the plan
 * has been compiled.  Only the thread that attaches comes here: no lock.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "attach_alloc.h"

enum {
	CHUNK = 1 << 20,
	ALIGN = 16
};

/* At the head of each chunk. */
struct chunk {
	struct chunk *before;
	size_t len;
	size_t used;
	size_t pad;
};

/* Before each piece: its length, for realloc. */
struct piece {
	size_t len;
	size_t pad;
};

static struct chunk *last;

void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *old, size_t len);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static struct chunk *map_chunk(size_t need)
{
	size_t len = need > CHUNK / 2 ? need + sizeof(struct chunk) : CHUNK;
	struct chunk *c = mmap(NULL, len, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	c->before = last;
	c->len = len;
	c->used = sizeof(*c);
	last = c;
	return c;
}

void *__wrap_malloc(size_t len)
{
	struct chunk *c = last;
	struct piece *p;
	size_t need;

	if (len > SIZE_MAX / 2)
		return NULL;
	need = sizeof(*p) + (len + ALIGN - 1) / ALIGN * ALIGN;
	if (!c || c->len - c->used < need)
		c = map_chunk(need);
	if (!c)
		return NULL;
	p = (struct piece *)((char *)c + c->used);
	c->used += need;
	p->len = len;
	return p + 1;
}

/* Mapped memory is zero, and never handed out twice. */
void *__wrap_calloc(size_t n, size_t len)
{
	size_t all;

	return __builtin_mul_overflow(n, len, &all) ? NULL : __wrap_malloc(all);
}

void *__wrap_realloc(void *old, size_t len)
{
	size_t had = old ? ((struct piece *)old)[-1].len : 0;
	void *fresh = __wrap_malloc(len);

	if (fresh && old)
		memcpy(fresh, old, had < len ? had : len);
	return fresh;
}

char *__wrap_strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	char *copy = __wrap_malloc(len);

	return copy ? memcpy(copy, s, len) : NULL;
}

void __wrap_free(void *p)
{
	(void)p;
}

void attach_alloc_release(void)
{
	while (last) {
		struct chunk *c = last;

		last = c->before;
		munmap(c, c->len);
	}
}
