/*
 * count.c - a preload that counts what reaches the C library on sockets.
 *
 * Behind libfault.so in LD_PRELOAD it sees each call as the library passes it
 * on: it is the witness of the tests that run without `fault`, and so without
 * its trace.  COUNT_FILE names a file of records, shared by all processes:
 *
 *	char name[16]; uint64_t calls, ones;
 *
 * calls: those on sockets that moved something; ones: those of them that asked
 * for one byte.  Peeks are left out: the library's own are among them.
 *
 *	cc -shared -fPIC -o count.so count.c
 *	COUNT_FILE=x LD_PRELOAD="libfault.so count.so" PROGRAM
 *	perl -0777 -ne 'printf "%s %d %d\n", $_ for unpack "(Z16QQ)*", $_' x
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct count {
	char name[16];
	_Atomic uint64_t calls, ones;
};

enum {
	MAX_COUNTS = 16
};

static struct count *counts;

/* At start: later the program may be another user's. */
static void __attribute__((constructor)) open_counts(void)
{
	const char *path = getenv("COUNT_FILE");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0 || ftruncate(fd, MAX_COUNTS * sizeof(struct count)))
		_exit(99);
	counts = mmap(NULL, MAX_COUNTS * sizeof(struct count),
	              PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (counts == MAP_FAILED)
		_exit(99);
}

static void note(int index, const char *name, int fd, size_t asked, ssize_t got,
                 int peek)
{
	struct stat st;
	int saved = errno;

	if (counts && got > 0 && !peek && !fstat(fd, &st) &&
	    S_ISSOCK(st.st_mode)) {
		strcpy(counts[index].name, name);
		counts[index].calls++;
		counts[index].ones += asked == 1;
	}
	errno = saved;
}

static size_t iov_len(const struct iovec *iov, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* COUNT(index, name, (prototype), (arguments), bytes asked for, a peek?) */
#define COUNT(index, name, proto, args, asked, peek)                           \
	ssize_t name proto;                                                    \
	ssize_t name proto                                                     \
	{                                                                      \
		static ssize_t(*next) proto;                                   \
		ssize_t got;                                                   \
                                                                               \
		if (!next)                                                     \
			next = (ssize_t(*) proto)dlsym(RTLD_NEXT, #name);      \
		got = next args;                                               \
		note(index, #name, fd, asked, got, peek);                      \
		return got;                                                    \
	}

COUNT(0, recv, (int fd, void *buf, size_t len, int flags),
      (fd, buf, len, flags), len, flags &MSG_PEEK)
COUNT(1, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags),
      iov_len(m->msg_iov, m->msg_iovlen), flags &MSG_PEEK)
COUNT(2, read, (int fd, void *buf, size_t len), (fd, buf, len), len, 0)
COUNT(3, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n),
      iov_len(iov, (size_t)n), 0)
COUNT(4, __recv_chk, (int fd, void *buf, size_t len, size_t room, int flags),
      (fd, buf, len, room, flags), len, flags &MSG_PEEK)
COUNT(5, send, (int fd, const void *buf, size_t len, int flags),
      (fd, buf, len, flags), len, 0)
COUNT(6, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags),
      iov_len(m->msg_iov, m->msg_iovlen), 0)
COUNT(7, write, (int fd, const void *buf, size_t len), (fd, buf, len), len, 0)
COUNT(8, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n),
      iov_len(iov, (size_t)n), 0)
COUNT(9, sendfile64, (int fd, int in, off64_t *at, size_t len),
      (fd, in, at, len), len, 0)
