/*
 * quiet.h - the short way of calls that a rule may touch, but not now.  On a
 * socket with a pending rule nearly all calls go this way; the long one costs
 * several times as much (bench/).
 *
 * The wrapper asks, makes the real call itself, and hands its result in.  So
 * one frame of ours lies under the call, and nothing is packed: the processor
 * predicts few returns after a system call.
 *
 * What is seen before the call may have changed after it: another thread may
 * have closed the descriptor (generation) or reset the connection
 * (correct_told), exactly as on the long way.
 */
#ifndef FAULT_SHIM_QUIET_H
#define FAULT_SHIM_QUIET_H

#include "socks.h"

/* The socket at entry; NULL: the long way, nothing has happened. */
struct quiet {
	struct fault_sock *sock;
	uint32_t generation;
};

/*
 * A transfer of one buffer on which no rule is due and nothing is to be
 * corrected, traced or timed.
 */
struct quiet quiet_transfer(enum fault_family family, int fd, long len,
                            int flags);

/* It has been made: counts, and what follows; errno is kept. */
long quiet_transferred(enum fault_call id, int fd, struct quiet q, long result);

/*
 * The same for a readiness call, which always counts where there is a rule for
 * such calls.  Where there is none, and no descriptor of it has lasting rules,
 * nothing at all can happen to it.
 */
enum quiet_way {
	QUIET_NOT,      /* the long way */
	QUIET_COUNTED,  /* quiet_waited() after the call */
	QUIET_UNCOUNTED /* the real call is all */
};
enum quiet_way quiet_wait(enum fault_call id, const long *args);
long quiet_waited(enum fault_call id, long result);

#endif
