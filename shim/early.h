/*
 * early.h - registrations with epoll of sockets of which nothing is held: the
 * kernel has what the program asked for, and it is only kept in mind.
 *
 * One per socket and process, without the lock, so without a system call: most
 * sockets that a lasting rule might touch are never held (a fresh one may yet
 * connect to any port).  What does not fit in here, a second registration or
 * one that is being made by another thread, is regs.c's; so is everything from
 * the first hold on (early_take).
 *
 * An entry is busy while somebody makes the real call, reads or takes it; who
 * finds it so does without it.  Who makes something hold a socket and finds
 * none, and who registers a socket meanwhile: the second looks at the gates
 * when the entry is there (regs_ctl).
 */
#ifndef FAULT_SHIM_EARLY_H
#define FAULT_SHIM_EARLY_H

#include "call.h"

struct early {
	int epfd;
	int fd;
	uint32_t events;
	uint64_t data;
};

/* At attach: maps the entries; untouched pages cost nothing. */
void early_prepare(void);

/*
 * Makes the program's epoll_ctl (its third argument is readable unless it is
 * DEL) and keeps it in mind.  false: it has not been made.
 */
bool early_ctl(struct shim_call *c);

/* Is one known? */
bool early_any(const struct fault_sock *s);

/* It belongs to the caller now.  false: there is none, or its set is gone. */
bool early_take(const struct fault_sock *s, struct early *ret);

/* fd, one of the descriptors of s, is closed. */
void early_closed(int fd, const struct fault_sock *s);

/*
 * The word of an epoll descriptor, so that closing it leaves the fast path;
 * another one after each close.
 */
uint64_t early_mark_set(int epfd);

#endif
