/*
 * caller_lib.c - a shared library that calls recv, built under several names
 * (tests/e2e/caller.sh): PREFIX_recv and so on.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(name)  JOIN(PREFIX, name)

/* What follows the call keeps the frame: no jump in its place. */
#define KEEP __asm__ volatile("" ::: "memory")

ssize_t NAME(recv)(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, 0);

	KEEP;
	return n;
}

static __attribute__((noinline)) ssize_t hidden(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, 0);

	KEEP;
	return n;
}

ssize_t NAME(static)(int fd, void *buf, size_t len)
{
	ssize_t n = hidden(fd, buf, len);

	KEEP;
	return n;
}

ssize_t NAME(jump)(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, 0);
}

ssize_t NAME(through)(ssize_t (*next)(int, void *, size_t), int fd, void *buf,
                      size_t len)
{
	ssize_t n = next(fd, buf, len);

	KEEP;
	return n;
}

void NAME(raise)(int signal)
{
	pthread_kill(pthread_self(), signal);
	KEEP;
}
