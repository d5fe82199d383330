/*
 * arrivals.h - when did what is queued come?  `delay` on recv is per arrival:
 * bytes become visible d after they came, and what comes
 * during a hold is not visible at its end.
 *
 * The kernel keeps no time per byte, and tells of no arrival below the raised
 * low-water mark.  While a socket is held the helper looks every now and then
 * how much has come, and asks TCP_INFO when the last of it did: a mark in the
 * stream, with a time that is never too early and late by a 16th of the delay
 * at most.  With thousands of holds it looks more seldom (LOOK_NS each).
 *
 * The end of the stream is a byte more behind the last.  Marks belong to this
 * process (ours.h); another one that receives from the same socket sees all
 * that is there when the hold ends.
 */
#ifndef FAULT_SHIM_ARRIVALS_H
#define FAULT_SHIM_ARRIVALS_H

#include "call.h"

enum {
	ARRIVALS_MAX = 16
};

/* Written under the lock of lock.h; what is atomic is read without it. */
struct arrivals {
	_Atomic uint32_t n; /* marks, oldest first */
	bool looks;         /* the helper will */
	struct {
		uint64_t end;     /* of its bytes, as the kernel counts them */
		uint64_t when_ns; /* CLOCK_MONOTONIC */
	} mark[ARRIVALS_MAX];
	uint64_t known;     /* up to here it is marked, or visible */
	uint64_t looked_ns; /* when last */
	uint64_t until_ns;  /* of the hold, which may yet have to begin */
	_Atomic uint64_t delay_ns; /* of the hold */
	/* When the FIN came that is not visible yet; 0: none. */
	_Atomic uint64_t fin_ns;
};

/* Is what comes delayed from its arrival on?  Not where a call is meant. */
bool arrivals_count(const struct plan_rule *r);

/*
 * Look now: the time at which the first byte came that is not visible yet, now
 * if nothing is known.
 */
uint64_t arrivals_first(int fd, struct fault_sock *s);

/* The hold of what came at first_ns has been made, until until_ns. */
void arrivals_held(int fd, struct fault_sock *s, uint64_t first_ns,
                   uint64_t until_ns);

/*
 * The helper's: look, and again later while it is held; show the FIN when it is
 * due, should nobody receive.
 */
void arrivals_look(int fd, struct fault_sock *s);

/*
 * The hold that lasted until until_ns is over and a call receives: what had
 * come that long before now is visible (rx_visible), and the call ends there.
 */
void arrivals_open(struct shim_call *c, uint64_t until_ns);

/* A call receives of what is visible: it ends there. */
void arrivals_limit(struct shim_call *c);

/* It has. */
void arrivals_taken(struct shim_call *c);

/* A peek, or FIONREAD: no more than is visible, if not all is. */
void arrivals_peek(struct shim_call *c);
int arrivals_queued(const struct fault_sock *s, int queued);

/* How long ago the last data came, at least; in ns. */
uint64_t arrivals_age(int fd);

/* Its entry is another socket's from now on. */
void arrivals_forget(struct arrivals *a);

/*
 * When the FIN that has come may be seen (gates_fin_due() says whether it is
 * hidden until then); 0: none has come, or it is visible.
 */
uint64_t arrivals_fin_due(const struct fault_sock *s);

#endif
