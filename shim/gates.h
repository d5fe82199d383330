/*
 * gates.h - a direction of a socket that is held: nothing arrives, nothing can
 * be sent, no connection is there, until a moment in time.
 *
 * What is held stands in the socket (run.h, fault_hold) and is known to all
 * processes that share it.  What the kernel is told so that readiness agrees
 * (low-water mark, epoll registrations) is done here; each process does its
 * own part when it meets the hold.
 *
 * Nothing here is done on a silent path.  All functions keep errno, and are
 * safe in signal handlers.
 */
#ifndef FAULT_SHIM_GATES_H
#define FAULT_SHIM_GATES_H

#include <poll.h>

#include "call.h"

enum gate {
	GATE_OF_RX,   /* receiving; on a listener: accepting */
	GATE_OF_TX,   /* sending */
	GATE_OF_OPEN, /* connecting */
	N_GATES_OF
};

/* Has the socket rules that last?  Else nothing here concerns it. */
static inline bool gates_concern(const struct fault_sock *s)
{
	return s && atomic_load_explicit(&s->families, memory_order_relaxed) &
	                    PLAN_LASTING;
}

/*
 * A receive may be cut: RDHUP is not shown (PLAN_CUTTING), but for an end that
 * is ours or the program's own.
 */
static inline bool gates_cutting(const struct fault_sock *s)
{
	return atomic_load_explicit(&s->families, memory_order_relaxed) &
	               PLAN_CUTTING &&
	       !(atomic_load(&s->flags) &
	         (SOCK_SHUT_RD | SOCK_EOF | SOCK_LEVER));
}

/*
 * Its program has shut down receiving: that shows at once, whatever is held
 * (recv 0, IN|RDHUP; EINVAL on a listener).
 */
static inline bool gates_shut_down(const struct fault_sock *s)
{
	return atomic_load(&s->flags) & SOCK_SHUT_RD;
}

/*
 * Its program has finished sending: HUP comes of the peer's FIN then, and is no
 * error.
 */
static inline bool gates_finished(const struct fault_sock *s)
{
	enum fault_state state = atomic_load(&s->state);

	return state == STATE_FIN_WAIT || state == STATE_LAST_ACK;
}

/*
 * One that sends on a connection of which it has finished sending hears so at
 * once (EPIPE), and poll says OUT: nothing of that direction is held any more.
 */
static inline bool gates_ended(const struct fault_sock *s, enum gate gate)
{
	return gate == GATE_OF_RX ? gates_shut_down(s)
	                          : gate == GATE_OF_TX && gates_finished(s);
}

/* The state that follows when its program finishes sending. */
static inline enum fault_state gates_finish(enum fault_state state)
{
	if (state == STATE_ESTABLISHED)
		return STATE_FIN_WAIT;
	return state == STATE_CLOSE_WAIT ? STATE_LAST_ACK : state;
}

/* The program has shut it down: waiters and registrations hear of it. */
void gates_shutting_down(struct fault_sock *s);

/*
 * By a process without the library, or past it: found out by what the kernel
 * shows.  A connection whose end the peer has sent shows nothing.
 */
void gates_find_shutdown(int fd, struct fault_sock *s);

/* The hold of a gate. */
struct fault_hold *gates_hold(struct fault_sock *s, enum gate gate);

/*
 * Is it held at this time (CLOCK_MONOTONIC ns)?  A hold whose rule has been
 * disarmed is over.
 */
bool gates_held(struct fault_sock *s, enum gate gate, uint64_t now_ns);

/* Has this process made it readable in the kernel that it is held? */
bool gates_closed_here(const struct fault_sock *s, enum gate gate);

/*
 * The end of a hold that is being worked out, by any process: it lasts until it
 * is replaced, and who waits for its end looks again soon.
 */
#define GATES_ARRIVING (RUN_FOREVER - 1)
static inline uint64_t gates_look_at(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns == GATES_ARRIVING ? now_ns + 1000000u : until_ns;
}

/*
 * The earliest end of the gates of s that are held, or of what gates_fin_due()
 * hides; RUN_FOREVER if none.
 */
uint64_t gates_next(struct fault_sock *s, uint64_t now_ns);

/*
 * A FIN that has come, but is not to be seen beside the bytes before it: until
 * when; 0: nothing is hidden.
 */
uint64_t gates_fin_due(struct fault_sock *s, uint64_t now_ns);

/*
 * poll(2) bits that are to be hidden now; of each direction.  Of a connect that
 * is being moved nothing is seen anyway (late_seen(), park.h).
 */
enum {
	GATES_IN = POLLIN | POLLRDNORM | POLLRDBAND | POLLRDHUP,
	GATES_OUT = POLLOUT | POLLWRNORM | POLLWRBAND,
};
short gates_hidden(struct fault_sock *s, uint64_t now_ns);

/*
 * Hold the gate for `rule` (index + 1) until until_ns or RUN_FOREVER: every
 * API says "not ready" from now on, and says "ready" at that moment by itself.
 * owner: see run.h.
 */
void gates_shut(int fd, struct fault_sock *s, enum gate gate, uint64_t until_ns,
                uint32_t rule, uint32_t owner);

/*
 * This process meets a hold that it may not know of yet (made by another):
 * its registrations follow, and its helper will open them.
 */
void gates_meet(int fd, struct fault_sock *s, enum gate gate);

/*
 * Readiness is asked for here: this process takes part in what another one
 * holds, and opens what one that was killed has left shut.
 */
void gates_follow(int fd, struct fault_sock *s);

/*
 * The gate is open again: hold ended, disarmed or collapsed.  The word of the
 * hold is left as it is (the retry of the call takes it); readiness is given
 * back, with the edge that belongs to it.
 */
void gates_open(int fd, struct fault_sock *s, enum gate gate);

/*
 * The hold is over before its time: its rule was disarmed.  The retry goes on
 * as a call that no rule touches.
 */
void gates_end(int fd, struct fault_sock *s, enum gate gate);

/*
 * A real error or hang-up is there: what is held is over (true), since it
 * shows in every API anyway.
 */
bool gates_collapse(int fd, struct fault_sock *s, enum gate gate);

/*
 * Something has changed that may make the next arrival a held one: connected,
 * a call counted, a registration made.  Arms the gate if a rule is known to
 * match.
 */
void gates_consider(int fd, struct fault_sock *s);

/* The same after arming and disarming: an armed gate may have lost its rule. */
void gates_reconsider(int fd, struct fault_sock *s);

/* Data, FIN or a connection is there on an armed gate: the clock starts. */
void gates_arrived(int fd, struct fault_sock *s);

/*
 * A receive is about to be matched itself: the armed gate is its own.  false:
 * the arrival was first, and the call meets a hold.
 */
bool gates_take_armed(struct fault_sock *s);

/*
 * The real calls, with SO_RCVLOWAT as the program knows it.  About a mark that
 * is read here and set again to make an edge they are made under the lock, or
 * what the program sets could be undone between the two.
 */
void gates_getsockopt(struct shim_call *c);
void gates_setsockopt(struct shim_call *c);

/* Instead of setsockopt, while ours is raised: kept for later. */
bool gates_set_lowat(struct shim_call *c);

/*
 * SO_RCVLOWAT as high as makes sense, so that an arrival makes no event; and
 * the program's own again, unless the stream has ended for good.
 */
void gates_raise_lowat(int fd, struct fault_sock *s);
void gates_restore_lowat(int fd, struct fault_sock *s);

/* Make the edge come again, if there is still something to read. */
void gates_kick_in(int fd, struct fault_sock *s);

/* Before exec and at exit: everything of this process is opened. */
void gates_release_all(void);

#endif
