/*
 * keyed.h - things by a number: sockets by their serials, calls by their
 * tickets, processes by their pids.
 *
 * The numbers come from programs, which may write any: memory grows with the
 * things that are kept and not with their numbers, no choice of numbers makes
 * it slow (the hash is another one in each process), and there is an end.
 *
 * An element begins with its key, a uint64_t that is never 0.  Pointers to
 * elements are good until the next keyed_add() or keyed_remove().
 */
#ifndef FAULT_RUNNER_KEYED_H
#define FAULT_RUNNER_KEYED_H

#include <stddef.h>
#include <stdint.h>

enum {
	KEYED_MAX = 1 << 22 /* elements */
};

struct keyed {
	size_t size; /* of an element, bytes */
	size_t n, cap;
	unsigned char *v;
};

#define KEYED_OF(type) ((struct keyed){.size = sizeof(type)})

/* NULL: there is none of this key. */
void *keyed_find(const struct keyed *k, uint64_t key);
/* It is found, or added with zeros; NULL: no memory, or KEYED_MAX. */
void *keyed_add(struct keyed *k, uint64_t key);
void keyed_remove(struct keyed *k, void *element);
/* All, in no order: the one behind `element`, from NULL to NULL. */
void *keyed_next(const struct keyed *k, const void *element);
void keyed_release(struct keyed *k);

#endif
