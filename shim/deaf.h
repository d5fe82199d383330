/*
 * deaf.h - places on this machine where a connect of the program can be sent
 * so that the kernel itself does what the fault says: a listener whose accept
 * queue is full, which leaves every SYN unanswered (tcp(7), listen(2)), and a
 * port that is bound and does not listen, which refuses.
 *
 * Both have the address that the connection would have had at this end, so
 * that getsockname(2) says the same as ever.  They are made when a fault is
 * about to be carried out.  A listener is one private descriptor (high, closed
 * by exec) for each such address; it is kept while a connect is held in this
 * process, since the kernel asks it again with each retransmitted SYN.
 *
 * Locking: the table of listeners is guarded by lock.h; what has to be waited
 * for (a connection over loopback) is waited for without it.  None of these may
 * be called under the lock.  Async-signal-safe; errno is not kept.
 */
#ifndef FAULT_SHIM_DEAF_H
#define FAULT_SHIM_DEAF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct deaf_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	};
	unsigned len;
};

/* getsockname(2); false: it has none yet. */
bool deaf_name(int fd, struct deaf_addr *ret);

/*
 * The address at this end that fd, unconnected, would have towards peer, with
 * port 0; loopback if no route says.
 */
void deaf_local(int fd, const struct deaf_addr *peer, struct deaf_addr *ret);

/*
 * A listener at that address that will not answer.  false: it cannot be made
 * here.  Each that is taken is given back once a hold (late.h) needs it
 * instead.
 */
bool deaf_take(const struct deaf_addr *local, struct deaf_addr *ret);
void deaf_give_back(void);

/* Close the listeners if nobody has taken one and needed() says no. */
void deaf_sweep(bool (*needed)(void));

/* In the child, after fork: it keeps them as long as it needs them. */
void deaf_child(bool shares_files);

/*
 * connect(2) of fd to a port at that address which refuses: 0 or the errno of
 * the real call, EINPROGRESS for a non-blocking socket.  Needs no descriptor.
 */
int deaf_refuse(int fd, const struct deaf_addr *local);

#endif
