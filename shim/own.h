/*
 * own.h - a socket of the program that a thread of ours is at: the program may
 * close its descriptor, and get the number and the entry again, at any moment.
 */
#ifndef FAULT_SHIM_OWN_H
#define FAULT_SHIM_OWN_H

#include "shim.h"

struct own {
	struct fault_sock *sock;
	int fd;  /* what is done is done to it */
	int dup; /* the same, of ours; -1: there is none */
};

/*
 * fd, of this word, is s: a reference to the entry, and a descriptor of our
 * own.  false: it is so no longer.  Not under the lock; errno may change.
 */
bool own_take(int fd, uint64_t word, struct fault_sock *s, struct own *ret);
void own_give(const struct own *o);

/* In the child, after fork. */
void own_child(void);

#endif
