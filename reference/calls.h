/*
 * calls.h - the system calls with which a style takes peers and moves bytes.
 *
 * The same work can be done through several calls, and a program that is
 * injected may use any of them: so each style has its own set, and all styles
 * together use most.  They behave as the calls that they wrap: -1 and errno.
 *
 * Locking model: no state; any thread.
 */
#ifndef REFERENCE_CALLS_H
#define REFERENCE_CALLS_H

#include <stddef.h>
#include <sys/types.h>

struct calls {
	const char *names;        /* all of them, for help */
	const char *receive_name; /* "recv from": for messages */
	const char *send_name;    /* "send to" */
	int (*accept)(int listener_fd);
	ssize_t (*receive)(int fd, void *bytes, size_t len);
	ssize_t (*send)(int fd, const void *bytes, size_t len);
};

extern const struct calls calls_blocking;
extern const struct calls calls_fork;
extern const struct calls calls_thread;
extern const struct calls calls_poll;
extern const struct calls calls_select;
extern const struct calls calls_epoll_lt;
extern const struct calls calls_epoll_et;

#endif
