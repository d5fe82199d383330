/*
 * fdinfo.h - what /proc/self/fdinfo tells of epoll sets (proc(5)): the targets
 * and their masks; and what /proc/self/task tells of the threads in them.  Slow
 * (20 ms for 10,000 targets): asked only when a registration was made behind
 * our back, or when a ONESHOT may have fired.
 *
 * No memory but the stack; async-signal-safe.
 */
#ifndef FAULT_SHIM_FDINFO_H
#define FAULT_SHIM_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

struct epoll_target {
	int fd;
	uint32_t events; /* what the kernel has now */
	uint64_t data;
};

/* The target fd of the set epfd; false: it has none. */
bool fdinfo_target(int epfd, int fd, struct epoll_target *ret);

/* Every descriptor that is open.  false: there is no /proc. */
typedef void fdinfo_fd_visit(int fd, void *context);
bool fdinfo_each_fd(fdinfo_fd_visit *visit, void *context);

/* How many of them the kernel's table has room for; 0: there is no /proc. */
int fdinfo_table_size(void);

/* Every target of every epoll set of this process. */
typedef void fdinfo_visit(int epfd, const struct epoll_target *t,
                          void *context);
void fdinfo_each_target(fdinfo_visit *visit, void *context);

/*
 * Every set that a thread of this process sleeps in, as far as /proc tells.
 * false from the visit: enough.
 */
typedef bool fdinfo_sleeper_visit(int epfd, const void *context);
void fdinfo_each_sleeper(fdinfo_sleeper_visit *visit, const void *context);
/* How many threads there are; a main thread that has ended is one. 0: no /proc.
 */
int fdinfo_threads(void);

#endif
