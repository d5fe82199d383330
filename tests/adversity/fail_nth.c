/*
 * fail_nth.c - a preload that makes one call of `fault` fail: the N-th of those
 * it is asked for, in all processes of the command together.
 *
 *   FAIL_CALL  a row of the table below; "malloc" is all that allocates
 *   FAIL_NTH   which of them, from 1
 *   FAIL_FILE  4 KiB, shared: the count, and how often it failed
 *
 * Programs that `fault` starts have another name and are left alone; scripted
 * peers are `fault`, started as /proc/self/exe.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	_Atomic unsigned long calls, failed;
};
static struct shared *shared;
static unsigned long nth;

enum point {
	OTHER,
	MALLOC,
	OPEN,
	PIPE,
	FORK,
	SHMGET,
	SHMAT,
	EPOLL_CREATE,
	EPOLL_CTL,
	EVENTFD,
	SIGNALFD,
	TIMERFD,
	SOCKETPAIR,
	MKDIR,
	GETRANDOM,
	MMAP,
	WRITE,
	READ,
	POLL,
	WAITPID,
	MEMFD,
	SOCKET,
	BIND,
	LISTEN,
	CONNECT,
	ACCEPT,
	SENDMSG,
	RECVMSG,
	SEND,
	RECV,
	CHMOD,
	REMOVE,
	THREAD,
	DUP,
};

static const struct {
	const char *name;
	enum point point;
	int error;
} rows[] = {
	{"malloc", MALLOC, ENOMEM},
	{"open", OPEN, EMFILE},
	{"pipe2", PIPE, EMFILE},
	{"fork", FORK, EAGAIN},
	{"shmget", SHMGET, ENOSPC},
	{"shmat", SHMAT, ENOMEM},
	{"epoll_create1", EPOLL_CREATE, EMFILE},
	{"epoll_ctl", EPOLL_CTL, ENOMEM},
	{"eventfd", EVENTFD, EMFILE},
	{"signalfd", SIGNALFD, EMFILE},
	{"timerfd_create", TIMERFD, EMFILE},
	{"socketpair", SOCKETPAIR, EMFILE},
	{"mkdir", MKDIR, ENOSPC},
	{"getrandom", GETRANDOM, EPERM},
	{"mmap", MMAP, ENOMEM},
	{"write", WRITE, ENOSPC},
	/* What a signal does, at any moment, to who has a handler for it. */
	{"write-eintr", WRITE, EINTR},
	{"read-eintr", READ, EINTR},
	{"poll-eintr", POLL, EINTR},
	{"waitpid-eintr", WAITPID, EINTR},
	{"sendmsg-eintr", SENDMSG, EINTR},
	{"recvmsg-eintr", RECVMSG, EINTR},
	{"send-eintr", SEND, EINTR},
	{"recv-eintr", RECV, EINTR},
	{"accept-eintr", ACCEPT, EINTR},
	{"memfd_create", MEMFD, EMFILE},
	{"socket", SOCKET, EMFILE},
	{"bind", BIND, EADDRINUSE},
	{"listen", LISTEN, EADDRINUSE},
	{"connect", CONNECT, EADDRNOTAVAIL},
	{"accept", ACCEPT, EMFILE},
	{"sendmsg", SENDMSG, ENOBUFS},
	{"send", SEND, ENOBUFS},
	{"chmod", CHMOD, EPERM},
	{"remove", REMOVE, EBUSY},
	{"pthread_create", THREAD, EAGAIN},
	{"dup2", DUP, EMFILE},
};
static enum point wanted;
static int error;

static __attribute__((constructor)) void begin(void)
{
	const char *call = getenv("FAIL_CALL"), *n = getenv("FAIL_NTH"),
		   *file = getenv("FAIL_FILE");
	int fd;

	if (!call || !n || !file ||
	    (strcmp(program_invocation_short_name, "fault") &&
	     strcmp(program_invocation_short_name, "exe")))
		return;
	nth = strtoul(n, NULL, 10);
	fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
	              fd, 0);
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, call)) {
			error = rows[i].error;
			wanted = rows[i].point;
			return;
		}
	abort();
}

/* Is this the one?  Then errno says so. */
static bool fails(enum point point)
{
	if (point != wanted || atomic_fetch_add(&shared->calls, 1) + 1 != nth)
		return false;
	atomic_fetch_add(&shared->failed, 1);
	errno = error;
	return true;
}

/* ---- memory: libc's own names, as dlsym allocates -------------------------
 */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	return fails(MALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(MALLOC) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails(MALLOC) ? NULL : __libc_realloc(old, size);
}

/* ---- the rest -------------------------------------------------------------
 */

/* By another C name, so that libc's own prototypes and inlines never meet ours.
 */
#define FAIL(point, failed, ret, name, params, args)                           \
	ret fail_##name params __asm__(#name);                                 \
	ret fail_##name params                                                 \
	{                                                                      \
		static ret(*real) params;                                      \
                                                                               \
		if (!real)                                                     \
			real = (ret(*) params)dlsym(RTLD_NEXT, #name);         \
		return fails(point) ? (ret)failed : real args;                 \
	}

FAIL(OPEN, -1, int, open, (const char *path, int flags, int mode),
     (path, flags, mode))
FAIL(OPEN, -1, int, __open_2, (const char *path, int flags), (path, flags))
FAIL(OPEN, NULL, void *, fopen, (const char *path, const char *mode),
     (path, mode))
FAIL(OPEN, NULL, void *, opendir, (const char *path), (path))
FAIL(OPEN, -1, int, openat, (int dir, const char *path, int flags, int mode),
     (dir, path, flags, mode))
FAIL(PIPE, -1, int, pipe2, (int *fds, int flags), (fds, flags))
FAIL(FORK, -1, pid_t, fork, (void), ())
FAIL(SHMGET, -1, int, shmget, (key_t key, size_t size, int flags),
     (key, size, flags))
FAIL(SHMAT, -1, void *, shmat, (int id, const void *at, int flags),
     (id, at, flags))
FAIL(EPOLL_CREATE, -1, int, epoll_create1, (int flags), (flags))
FAIL(EPOLL_CTL, -1, int, epoll_ctl, (int set, int op, int fd, void *event),
     (set, op, fd, event))
FAIL(EVENTFD, -1, int, eventfd, (unsigned n, int flags), (n, flags))
FAIL(SIGNALFD, -1, int, signalfd, (int fd, const void *set, int flags),
     (fd, set, flags))
FAIL(TIMERFD, -1, int, timerfd_create, (int clock, int flags), (clock, flags))
FAIL(SOCKETPAIR, -1, int, socketpair, (int d, int t, int p, int *fds),
     (d, t, p, fds))
FAIL(MKDIR, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
FAIL(GETRANDOM, -1, ssize_t, getrandom,
     (void *buf, size_t size, unsigned flags), (buf, size, flags))
FAIL(MMAP, -1, void *, mmap,
     (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))
FAIL(WRITE, -1, ssize_t, write, (int fd, const void *buf, size_t len),
     (fd, buf, len))
FAIL(READ, -1, ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
FAIL(READ, -1, ssize_t, __read_chk,
     (int fd, void *buf, size_t len, size_t size), (fd, buf, len, size))
FAIL(POLL, -1, int, poll, (void *fds, unsigned long n, int timeout),
     (fds, n, timeout))
FAIL(POLL, -1, int, __poll_chk,
     (void *fds, unsigned long n, int timeout, size_t size),
     (fds, n, timeout, size))
FAIL(POLL, -1, int, epoll_wait, (int set, void *events, int n, int timeout),
     (set, events, n, timeout))
/* The kernel has no such end for who does not wait. */
FAIL(options &WNOHANG ? OTHER : WAITPID, -1, pid_t, waitpid,
     (pid_t pid, int *status, int options), (pid, status, options))
FAIL(MEMFD, -1, int, memfd_create, (const char *name, unsigned flags),
     (name, flags))
FAIL(SOCKET, -1, int, socket, (int d, int t, int p), (d, t, p))
FAIL(BIND, -1, int, bind, (int fd, const void *at, unsigned len), (fd, at, len))
FAIL(LISTEN, -1, int, listen, (int fd, int backlog), (fd, backlog))
FAIL(CONNECT, -1, int, connect, (int fd, const void *to, unsigned len),
     (fd, to, len))
FAIL(ACCEPT, -1, int, accept4, (int fd, void *from, void *len, int flags),
     (fd, from, len, flags))
FAIL(SENDMSG, -1, ssize_t, sendmsg, (int fd, const void *msg, int flags),
     (fd, msg, flags))
FAIL(RECVMSG, -1, ssize_t, recvmsg, (int fd, void *msg, int flags),
     (fd, msg, flags))
FAIL(SEND, -1, ssize_t, send, (int fd, const void *buf, size_t len, int flags),
     (fd, buf, len, flags))
FAIL(RECV, -1, ssize_t, recv, (int fd, void *buf, size_t len, int flags),
     (fd, buf, len, flags))
FAIL(CHMOD, -1, int, chmod, (const char *path, mode_t mode), (path, mode))
FAIL(CHMOD, -1, int, fchmod, (int fd, mode_t mode), (fd, mode))
FAIL(REMOVE, -1, int, remove, (const char *path), (path))
FAIL(DUP, -1, int, dup2, (int from, int to), (from, to))
/* It returns the error. */
FAIL(THREAD, error, int, pthread_create,
     (void *thread, const void *attr, void *(*start)(void *), void *arg),
     (thread, attr, start, arg))
