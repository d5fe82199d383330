/*
 * private_fd.c - see private_fd.h.
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "fds.h"
#include "next.h"
#include "private_fd.h"

#include "poison.h"

static _Atomic uint64_t ours[FDS_NEAR / 64];

static _Atomic int n_ours;

/* In a child that has just been made, and has one thread. */
static bool leaving;

/*
 * The word lets the program's close leave the fast path.  It is not counted
 * among the tracked ones: fds_each would have to go as far.
 */
static void note_ours(int fd)
{
	if (fd >= FDS_NEAR)
		return;
	atomic_fetch_add(&n_ours, 1);
	atomic_fetch_or(&ours[fd / 64], 1ULL << (fd % 64));
	atomic_store(&fds_near[fd], fds_make(FDS_FOREIGN, 0, 0,
	                                     FAMILY_BIT(FAMILY_CLOSE) |
	                                             FAMILY_BIT(FAMILY_TABLE)));
}

/* false: it is not ours, or no longer. */
static bool forget_ours(int fd)
{
	uint64_t bit;

	if (fd < 0 || fd >= FDS_NEAR)
		return fd >= 0;
	bit = 1ULL << (fd % 64);
	if (!(atomic_load(&ours[fd / 64]) & bit))
		return false;
	/* Word first: the number may be another's as soon as it is free. */
	atomic_store(&fds_near[fd], 0);
	if (!(atomic_fetch_and(&ours[fd / 64], ~bit) & bit))
		return false;
	atomic_fetch_sub(&n_ours, 1);
	return true;
}

/*
 * ThreadSanitizer has a model of descriptors, in which what one thread calls on
 * a number has to be ordered with what another does: it knows nothing of ours,
 * and must not hear of it.  It does not look into syscall().
 */
static long own_call(long nr, long a, long b, long c, long d)
{
	return next.syscall(nr, a, b, c, d, 0, 0);
}

void private_fd_taken(int fd)
{
	forget_ours(fd);
}

void private_fd_close(int fd)
{
	if (!leaving && forget_ours(fd))
		own_call(SYS_close, fd, 0, 0, 0);
}

int private_fd_next(unsigned first)
{
	if (!atomic_load(&n_ours))
		return -1;
	for (unsigned fd = first; fd < FDS_NEAR; fd++) {
		if (!atomic_load(&ours[fd / 64]))
			fd |= 63;
		else if (private_fd_is((int)fd))
			return (int)fd;
	}
	return -1;
}

void private_fd_leave(bool leave)
{
	leaving = leave;
}

void private_fd_child(void)
{
	int fd;

	while ((fd = private_fd_next(0)) >= 0)
		forget_ours(fd);
}

bool private_fd_is(int fd)
{
	return fd >= 0 && fd < FDS_NEAR &&
	       atomic_load(&ours[fd / 64]) >> (fd % 64) & 1;
}

int private_fd_lowest(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 256 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return 0;
	return (int)(limit.rlim_cur > 65536 ? 65536 : limit.rlim_cur) - 128;
}

int private_fd_dup(int fd)
{
	int dup = next.fcntl(fd, F_DUPFD_CLOEXEC, private_fd_lowest());

	if (dup >= 0)
		note_ours(dup);
	return dup;
}

int private_fd_move(int fd)
{
	int moved = private_fd_dup(fd);

	if (moved < 0) {
		note_ours(fd);
		return fd;
	}
	own_call(SYS_close, fd, 0, 0, 0);
	return moved;
}

void private_fd_reserve(void)
{
	int fd = private_fd_epoll();

	if (fd >= 0)
		private_fd_close(fd);
}

int private_fd_epoll(void)
{
	int fd = (int)own_call(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0);

	return fd < 0 ? -1 : private_fd_move(fd);
}

int private_fd_epoll_ctl(int epfd, int op, int fd, struct epoll_event *e)
{
	return (int)own_call(SYS_epoll_ctl, epfd, op, fd, (long)e);
}

int private_fd_timer(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	return fd < 0 ? -1 : private_fd_move(fd);
}

void private_fd_set_timer(int fd, unsigned long when_ns)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(when_ns / 1000000000u),
	                     .tv_nsec = (long)(when_ns % 1000000000u)}};

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}
