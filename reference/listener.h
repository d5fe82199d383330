/*
 * listener.h - accept(2), and what each of its errors asks for.
 *
 * accept's errors are of four kinds that must not be mixed up: nothing is
 * waiting; one connection was lost (take the next); a resource is short (the
 * connection stays queued and the listener readable, so trying again at once
 * spins); the listener itself is broken.  One table in listener.c tells them
 * apart, for every I/O style.
 *
 * While a resource is short the loop stops watching the listener for
 * LISTENER_PAUSE_MS and then tries again: the waiting peer is served as soon
 * as there is room.  If descriptors are still short after LISTENER_PATIENCE_MS
 * the reserve descriptor is given up for a moment to accept one peer per pause
 * and reset it, which then knows, instead of hanging in the queue.
 *
 * Locking model: a listener belongs to one thread.
 */
#ifndef REFERENCE_LISTENER_H
#define REFERENCE_LISTENER_H

#include <stdint.h>

#include "net.h"

#define LISTENER_PAUSE_MS    75
#define LISTENER_PATIENCE_MS 1000

struct listener {
	int fd;           /* -1: closed */
	int reserve_fd;   /* -1: was given up and could not be had again */
	int64_t short_ns; /* since when a resource is short; 0: it is not */
	char name[ADDRESS_TEXT];
};

enum accepted {
	ACCEPTED,      /* a descriptor, which the caller owns */
	ACCEPT_NONE,   /* EAGAIN: nobody is waiting */
	ACCEPT_AGAIN,  /* try again at once (and look at the signals) */
	ACCEPT_PAUSE,  /* not before LISTENER_PAUSE_MS have passed */
	ACCEPT_BROKEN, /* this listener will never accept again */
};

/* The accept call of a style: the descriptor, or -1 and errno. */
typedef int accept_call(int listener_fd);

/* Take over a listening socket; without a reserve it works less well. */
void listener_init(struct listener *l, int fd);
void listener_release(struct listener *l);

/* Try once.  What went wrong is said here, once per shortage. */
enum accepted listener_accept(struct listener *l, accept_call *call,
                              int *ret_fd);

#endif
