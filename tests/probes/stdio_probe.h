/*
 * stdio_probe.h - what stdio.c and stdio_ends.c share: a connection with a
 * stream on one end, for each case anew.
 */
#ifndef TESTS_STDIO_PROBE_H
#define TESTS_STDIO_PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/mortal.h"

enum {
	BULK = 1500000
};

#define MAYBE static __attribute__((unused))

struct side {
	int fd;   /* of the client */
	int peer; /* its other end */
	FILE *f;  /* on fd */
};
static struct side s;

MAYBE int queued(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	return n;
}

MAYBE void wait_queued(int fd, int n)
{
	while (queued(fd) < n)
		usleep(100);
}

MAYBE void begin(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (void *)&at, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&at, &len))
		exit(2);
	s.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s.fd, (void *)&at, len))
		exit(2);
	s.peer = accept(listener, NULL, NULL);
	close(listener);
	s.f = NULL;
}

/* A connection, and a stream on it. */
MAYBE void open_as(const char *mode)
{
	begin();
	s.f = fdopen(s.fd, mode);
	if (!s.f)
		exit(2);
}

/* All that was sent on it has arrived. */
MAYBE void wait_arrived(int fd)
{
	int left = 1;

	while (!ioctl(fd, SIOCOUTQ, &left) && left)
		usleep(100);
}

/* It has arrived; the client's own descriptor is not asked. */
MAYBE void peer_says(const char *text)
{
	if (write(s.peer, text, strlen(text)) != (ssize_t)strlen(text))
		exit(2);
	wait_arrived(s.peer);
}

/* FIN, and it has arrived. */
MAYBE void peer_ends(void)
{
	struct pollfd p = {.fd = s.fd, .events = POLLRDHUP};

	shutdown(s.peer, SHUT_WR);
	poll(&p, 1, 5000);
}

MAYBE void peer_resets(void)
{
	struct linger l = {1, 0};
	struct pollfd p = {.fd = s.fd};

	setsockopt(s.peer, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(s.peer);
	poll(&p, 1, 5000);
}

/* A result, with the errno that it left and the marks of the stream. */
MAYBE void said(const char *what, long result)
{
	int err = errno;

	printf("%s %ld errno %d error %d eof %d\n", what, result, err,
	       ferror(s.f), feof(s.f));
	errno = 0;
}

struct probe_case {
	const char *name;
	void (*run)(void);
};

MAYBE void note_signal(int sig)
{
	(void)sig;
}

/* Those that the command line names, or all. */
MAYBE void run_cases(const struct probe_case *cases, size_t n, int argc,
                     char **argv)
{
	mortal(60);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, note_signal); /* sends may be cut short */
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; i < n; i++) {
		bool meant = argc == 1;

		for (int a = 1; a < argc; a++)
			meant |= !strcmp(argv[a], cases[i].name);
		if (!meant)
			continue;
		printf("== %s\n", cases[i].name);
		cases[i].run();
		fflush(stdout);
	}
}

#endif
