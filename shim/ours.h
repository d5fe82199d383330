/*
 * ours.h - what this process alone knows of a socket with lasting rules: its
 * registrations with epoll, and the holds that its helper will end.
 *
 * Two arrays of mapped memory, made when the first such socket appears;
 * untouched pages cost nothing.  An entry belongs to a fault_sock by its index
 * and generation.  Written under the lock of lock.h, but for `until`; what is
 * atomic is read without it.
 */
#ifndef FAULT_SHIM_OURS_H
#define FAULT_SHIM_OURS_H

#include "arrivals.h"
#include "gates.h"

/* One registration: epoll_ctl(2)'s (epfd, fd). */
struct our_reg {
	int epfd;
	int fd;
	uint32_t events; /* as the program asked */
	uint32_t kernel; /* as the kernel has it */
	uint64_t data;
	uint32_t deleted; /* parked: the kernel has none */
	uint32_t sock;    /* index of its our_sock */
	/* Others, 0 ends: of the same socket, or free; of the same set. */
	uint32_t next, prev;
	uint32_t set_next, set_prev;
};

struct our_sock {
	_Atomic uint32_t generation;
	_Atomic uint32_t first_reg;
	_Atomic uint64_t until[N_GATES_OF]; /* which hold is known; 0: none */
	_Atomic uint32_t watched; /* fd + 1: the helper sees arrivals at it */
	_Atomic bool registered;  /* once in the helper's epoll, by some fd */
	/* ... for these events, in the life of this helper (keeper.c); 0: not
	 */
	_Atomic uint64_t asked;
	uint32_t asked_by;        /* fd + 1 */
	_Atomic uint32_t refused; /* calls during holds: regs_adopt() */
	struct arrivals come;
	_Atomic uint64_t look_at; /* what could not be changed is tried again */
	uint32_t looks;           /* ... how often so far */
};

/* Map the arrays; idempotent, any thread.  false: no memory. */
bool ours_prepare(void);

/* Have they been made? */
bool ours_exist(void);

/*
 * No hold is known, nothing is watched: in the child of a fork, which happened
 * under the lock but perhaps with a deadline between hands, and when the
 * helper's descriptors are gone.  What is met is taken part in (gates_follow).
 */
void ours_forget_holds(void);

/*
 * The entry of s, emptied if it was another's; NULL before ours_prepare().
 * Under the lock.
 */
struct our_sock *ours_of(const struct fault_sock *s);

/* The same without the lock: NULL if it is not of this generation. */
struct our_sock *ours_peek(const struct fault_sock *s);

/* Registrations, under the lock.  NULL: there is no room for more. */
struct our_reg *ours_reg(uint32_t index);
struct our_reg *ours_add_reg(struct our_sock *o, int epfd, int fd);

/* NULL: it is not known.  Fast if the socket is in few sets, or the set small.
 */
struct our_reg *ours_find_reg(const struct our_sock *o, int epfd, int fd);
void ours_drop_reg(struct our_reg *r);

/* All of the socket's descriptor fd. */
void ours_drop_fd(struct our_sock *o, int fd);

/* Those of all sockets in this set. */
void ours_drop_set(int epfd);

#endif
