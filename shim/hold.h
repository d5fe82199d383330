/*
 * hold.h - keeping a blocking call waiting, so that signals, SA_RESTART,
 * SO_RCVTIMEO and cancellation do to it what they do to the real call.
 */
#ifndef FAULT_SHIM_HOLD_H
#define FAULT_SHIM_HOLD_H

#include "gates.h"

/* Once, at attach, when the plan delays anything. */
void hold_prepare(void);

/* This thread is the main one of a child of fork: its end is to be known. */
void hold_main(void);

/*
 * Waits until until_ns (CLOCK_MONOTONIC; RUN_FOREVER: without end), or until
 * the gate of s opens (s NULL: there is none).  timeout_ns: the socket's own
 * time-out, 0 = none.  Returns 0, perhaps early, EINTR, or EAGAIN when the
 * time-out is over.  A cancellation point.
 */
int hold_until(uint64_t until_ns, uint64_t timeout_ns, struct fault_sock *s,
               enum gate gate);

/* The same to its end, whatever comes: the call cannot fail any more. */
void hold_through(uint64_t until_ns);

/*
 * For a wait in poll(2) on several sockets that are held: a descriptor that is
 * readable when keeper_wait_begins() says so.  frame: the caller's.  -1: none.
 * It is closed by hold_poll_ends(), by cancellation, or by the next wait after
 * a longjmp.
 */
int hold_poll_begins(const char *frame);
void hold_poll_ends(int fd);

/* A wait that nobody can wake (keeper_wait_begins) looks again by itself. */
enum {
	HOLD_LOOKS_NS = 20000000
};

/*
 * Waits until the listener has a connection, as accept would: 0, EINTR,
 * EAGAIN after timeout_ns (0 = none), or ESHUTDOWN: it listens no more.
 */
int hold_acceptable(int fd, uint64_t timeout_ns);

#endif
