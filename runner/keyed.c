/*
 * keyed.c - see keyed.h.  Open addressing, at most half full; what is removed
 * leaves no mark, those behind it move up.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "runner/keyed.h"
#include "runner/machine.h"

static uint64_t key_of(const void *element)
{
	uint64_t key;

	memcpy(&key, element, sizeof(key));
	return key;
}

static unsigned char *at(const struct keyed *k, size_t i)
{
	return k->v + i * k->size;
}

/* Of this process: random(4) from the kernel. */
static uint64_t secret(void)
{
	const unsigned char *bytes =
		(const unsigned char *)getauxval(AT_RANDOM);
	uint64_t v = 0;

	if (bytes)
		memcpy(&v, bytes, sizeof(v));
	return v;
}

/* Where a key belongs if nobody is there (splitmix64). */
static size_t home(const struct keyed *k, uint64_t key)
{
	uint64_t h = key ^ secret();

	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return (size_t)(h ^ h >> 31) & (k->cap - 1);
}

/* Its element, or the free one where it belongs. */
static unsigned char *place_of(const struct keyed *k, uint64_t key)
{
	size_t i = home(k, key);

	while (key_of(at(k, i)) && key_of(at(k, i)) != key)
		i = (i + 1) & (k->cap - 1);
	return at(k, i);
}

void *keyed_find(const struct keyed *k, uint64_t key)
{
	unsigned char *v = k->cap ? place_of(k, key) : NULL;

	return v && key_of(v) ? v : NULL;
}

static bool grow(struct keyed *k)
{
	struct keyed bigger = {
		.size = k->size, .n = k->n, .cap = k->cap ? 2 * k->cap : 16};

	bigger.v = calloc(bigger.cap, bigger.size);
	if (!bigger.v) {
		machine_failed(-ENOMEM, "reading the trace");
		return false;
	}
	for (void *v = NULL; (v = keyed_next(k, v));)
		memcpy(place_of(&bigger, key_of(v)), v, k->size);
	free(k->v);
	*k = bigger;
	return true;
}

void *keyed_add(struct keyed *k, uint64_t key)
{
	void *v = keyed_find(k, key);

	if (v)
		return v;
	if (!key || k->n >= KEYED_MAX || (2 * k->n >= k->cap && !grow(k)))
		return NULL;
	v = place_of(k, key);
	memcpy(v, &key, sizeof(key));
	k->n++;
	return v;
}

void keyed_remove(struct keyed *k, void *element)
{
	size_t mask = k->cap - 1;
	size_t hole = (size_t)((unsigned char *)element - k->v) / k->size;

	for (size_t i = (hole + 1) & mask; key_of(at(k, i));
	     i = (i + 1) & mask) {
		/* May it be looked for from before the hole? */
		if (((i - home(k, key_of(at(k, i)))) & mask) <
		    ((i - hole) & mask))
			continue;
		memcpy(at(k, hole), at(k, i), k->size);
		hole = i;
	}
	memset(at(k, hole), 0, k->size);
	k->n--;
}

void *keyed_next(const struct keyed *k, const void *element)
{
	const unsigned char *last = element;
	size_t i = last ? (size_t)(last - k->v) / k->size + 1 : 0;

	for (; i < k->cap; i++)
		if (key_of(at(k, i)))
			return at(k, i);
	return NULL;
}

void keyed_release(struct keyed *k)
{
	free(k->v);
	*k = (struct keyed){.size = k->size};
}
