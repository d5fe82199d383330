/*
 * interrupt.h - deadlines and SIGTERM for a loop that blocks in its calls.
 *
 * accept, connect, recv and send of the blocking style wait in the call
 * itself.  Handlers without SA_RESTART make a signal end the wait with EINTR.
 * On its own that has a race: a signal that arrives just before the call is
 * lost, and the call waits for ever.  So the timer behind every deadline, once
 * expired, goes on firing every INTERRUPT_INSIST_MS until somebody sets a new
 * deadline, and a stop signal starts it too: one of its ticks meets the call.
 *
 * Locking model: one thread has the signals and calls these functions; others
 * may ask interrupt_stop_ns.  The handlers only store to lock-free atomics and
 * call timer_settime and clock_gettime, which are async-signal-safe; errno is
 * kept.
 */
#ifndef REFERENCE_INTERRUPT_H
#define REFERENCE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#define INTERRUPT_INSIST_MS 50

/* Once: the timer and its handler.  0 or -errno, and said why. */
int interrupt_init(void);

/* SIGTERM and SIGINT ask to stop; without this they kill. */
void interrupt_catch_stop(void);

/* SIGCHLD ends a wait as well, until the next interrupt_at. */
void interrupt_catch_children(void);

/*
 * Hold back all signals that have a handler here, around fork and
 * pthread_create; a new thread keeps them held.
 */
void interrupt_hold(void);
void interrupt_release(void);

/*
 * In a forked child, while they are held: its own timer, and its own stop.
 * SIGTERM and SIGINT start the grace period, however many come; SIGUSR1 ends
 * it.  A stop before the fork holds for the child, too.  Releases them.
 */
int interrupt_init_child(void);

/* Blocking calls return EINTR at this time; NO_DEADLINE: only signals do. */
void interrupt_at(int64_t deadline_ns);

/* A deadline has passed or a signal has come since the last interrupt_at. */
bool interrupt_pending(void);

/*
 * By when all work in hand has to be finished: NO_DEADLINE, or a grace period
 * after the first stop signal, or the moment of the second.
 */
int64_t interrupt_stop_ns(void);

#endif
