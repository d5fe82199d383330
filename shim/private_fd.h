/*
 * private_fd.h - descriptors of our own inside a program: high numbers, out of
 * the way of the program's, closed by exec.  Only while something lasts.
 *
 * Daemons close every number there is.  Ours are none of the program's: to its
 * close they are not open (EBADF), its close_range and closefrom leave them
 * out. A raw system call closes them all the same.
 */
#ifndef FAULT_SHIM_PRIVATE_FD_H
#define FAULT_SHIM_PRIVATE_FD_H

#include <stdbool.h>

struct epoll_event;

/*
 * At attach, when the plan holds lasting rules: lets the kernel grow the
 * descriptor table now.  In a process with threads that stalls for
 * milliseconds.
 */
void private_fd_reserve(void);

/* Ours have this number or one above; 0: any (RLIMIT_NOFILE). */
int private_fd_lowest(void);

/* Move a new descriptor (>= 0) out of the way; returns its number, or fd. */
int private_fd_move(int fd);

/* A duplicate of the program's fd, out of the way; -1 and errno. */
int private_fd_dup(int fd);

/* Is this number one of ours? */
bool private_fd_is(int fd);

/* The first of ours from there on; -1: none. */
int private_fd_next(unsigned first);

/* Close it, unless the program has it by now. */
void private_fd_close(int fd);

/* The program puts something of its own there (dup2(2)). */
void private_fd_taken(int fd);

/* In the child of a fork: what is still open there is left to the program. */
void private_fd_child(void);

/*
 * In a child that shares its parent's descriptors: while this is said, what is
 * closed stays open, and ours, for the parent.
 */
void private_fd_leave(bool leave);

/* An epoll set, out of the way; -1 and errno. */
int private_fd_epoll(void);

/* epoll_ctl(2) for a set of ours. */
int private_fd_epoll_ctl(int epfd, int op, int fd, struct epoll_event *e);

/* A timer (timerfd_create(2), CLOCK_MONOTONIC); -1 and errno. */
int private_fd_timer(void);

/* Let it go off at when_ns; 0: never.  Harmless on what is no timer. */
void private_fd_set_timer(int fd, unsigned long when_ns);

#endif
