/*
 * late.h - connects whose answer takes its time, or never comes: `delay` and
 * `stall` on connect.
 *
 * Theory of operation.  The program's socket is connected to a listener of
 * ours that does not answer (deaf.h).  So it is in SYN_SENT, and everything
 * that can be asked of it is answered by the kernel: connect EALREADY,
 * SO_ERROR 0, send and recv EAGAIN, getpeername ENOTCONN, no readiness,
 * TCP_INFO too; a blocking connect waits in the real call, with the program's
 * signals, time-out and cancellation; SYNs are sent again, and the kernel gives
 * up after TCP_SYNCNT or TCP_USER_TIMEOUT.  An endless stall needs no more.
 *
 * When the time has come the connect is moved: connect(AF_UNSPEC), then a
 * non-blocking connect to where the program wanted to go, or to a port that
 * refuses, whose ECONNREFUSED is told under the rule's name (correct.h).  What
 * follows is again the kernel's: readiness, SO_ERROR, connect.  Only while it
 * is being moved, some microseconds, the socket is hidden: its registrations
 * are taken out, poll and select look away, other calls wait for the end.  A
 * thread that waits in connect is woken with EPIPE (before Linux 6.7: with
 * ECONNRESET or ECONNABORTED), and goes on in a second real call.
 *
 * Everyone else's connect on a held socket asks for the end of the one that is
 * under way, and must not begin another if it comes in the midst of the move:
 * it names an address of the other family, which the kernel does not look at
 * while a connect is under way, and refuses (EAFNOSUPPORT) when there is none.
 * Blocking calls, too, begin without waiting and wait in that way: the hold is
 * there when the SYN has been sent, never before.
 *
 * The hold is fault_sock.open_hold: until and rule as in run.h, owner is the
 * phase.  Whoever changes it from LATE_HELD to LATE_MOVING moves the connect;
 * the helper thread of a process that shares the socket does.
 */
#ifndef FAULT_SHIM_LATE_H
#define FAULT_SHIM_LATE_H

#include <poll.h>

#include "call.h"

enum late_phase {
	LATE_HELD,   /* towards the listener that does not answer */
	LATE_MOVING, /* between two connects */
	LATE_MOVED,  /* on its way to its end */
	LATE_ENDED   /* by the program, or the kernel */
};

/*
 * The connect is delayed or stalled until until_ns (RUN_FOREVER: without end)
 * by action `a` of the rule that was claimed, and is made.  false: nothing was
 * done; a blocking call can be delayed otherwise.
 */
bool late_connect(struct shim_call *c, const struct plan_action *a,
                  uint64_t until_ns);

/* A later connect on a socket that may be held: makes it. */
void late_connect_again(struct shim_call *c);

/* Is s held in SYN_SENT?  Is it being moved, and so to be hidden? */
bool late_held(const struct fault_sock *s);
bool late_moving(const struct fault_sock *s);

/*
 * Before a call on s: waits until it is no longer being moved (microseconds);
 * this process learns of the hold if another made it.
 */
void late_settle(int fd, struct fault_sock *s);

/*
 * What poll(2) has said of an entry on s: in the moment of a move it has seen
 * a hang-up that is none, and is asked again.
 */
short late_seen(const struct pollfd *p, struct fault_sock *s);

/*
 * A blocking transfer on a held socket waits for the connection.  true: the
 * call is over (a signal, its time-out).
 */
bool late_wait(struct shim_call *c);

/*
 * The hold may be over (its time, its rule disarmed): move the connect if so.
 * Called by gates_open() before it gives readiness back.
 */
void late_due(int fd, struct fault_sock *s);

/*
 * exec: the hold ends now, what it waited for begins.  exit: it goes on where
 * the socket is shared; nobody is taken away in the midst of a move.
 */
void late_release(int fd, struct fault_sock *s);

/* The connect is over otherwise: it failed, was dissolved or shut down. */
void late_forget(struct fault_sock *s);

/* A socket with lasting rules has been closed here. */
void late_closed(void);

/*
 * connect fails with err: the kernel refuses it, at once or, when it may not
 * block, later; the number is told differently.
 */
void late_refuse(struct shim_call *c, int err);

#endif
