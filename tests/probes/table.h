/*
 * table.h - what the probes of tests/e2e/table.sh share: connections, and the
 * question "does the library still know this descriptor?"
 *
 * The rule of most cases is `recv:short=1B:role=accepted`: a recv of 8 bytes
 * on an accepted socket gives 1 as long as it is known.  Clients are left
 * alone.  Header only, because each program of this folder is one file.
 */
#ifndef TESTS_PROBES_TABLE_H
#define TESTS_PROBES_TABLE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/mortal.h"

#define MAYBE_UNUSED __attribute__((unused, noinline))

enum {
	DATA = 8,
	LIMIT_S = 15
};

struct pair {
	int client, accepted;
};

struct probe_case {
	const char *name;
	int (*run)(void); /* 0: as it should be */
};

MAYBE_UNUSED static int fail_at(int line, const char *what, long got, long want)
{
	printf("line %d: %s is %ld, not %ld\n", line, what, got, want);
	return 1;
}

/* In a case: it fails when a value is not as it should be. */
#define WANT(expression, wanted)                                               \
	do {                                                                   \
		long got_ = (long)(expression);                                \
                                                                               \
		if (got_ != (wanted))                                          \
			return fail_at(__LINE__, #expression, got_, wanted);   \
	} while (0)

MAYBE_UNUSED _Noreturn static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* On a free port of the loopback; *ret: where. */
MAYBE_UNUSED static int listener_at(int backlog, struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*ret = (struct sockaddr_in){.sin_family = AF_INET};
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (void *)ret, len) || listen(fd, backlog) ||
	    getsockname(fd, (void *)ret, &len))
		die("listen");
	return fd;
}

/* One that has no room for one more. */
MAYBE_UNUSED static int full_listener(struct sockaddr_in *ret)
{
	int fd = listener_at(0, ret);

	if (connect(socket(AF_INET, SOCK_STREAM, 0), (void *)ret, sizeof(*ret)))
		die("connect");
	return fd;
}

/* One listener per program. */
MAYBE_UNUSED static int listener(void)
{
	static int fd = -1;
	struct sockaddr_in a;

	if (fd < 0)
		fd = listener_at(64, &a);
	return fd;
}

MAYBE_UNUSED static int connect_one(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (getsockname(listener(), (void *)&a, &len) ||
	    connect(fd, (void *)&a, len))
		die("connect");
	return fd;
}

MAYBE_UNUSED static struct pair make_pair(void)
{
	struct pair p;

	listener();
	p.client = connect_one();
	p.accepted = accept(listener(), NULL, NULL);
	if (p.accepted < 0)
		die("accept");
	return p;
}

/* Data of the other end, then one recv: 1 if a rule cut it, else 8. */
MAYBE_UNUSED static ssize_t recv_fed(int from, int fd)
{
	char data[DATA] = "7 bytes", rest[DATA];
	ssize_t n;

	if (send(from, data, DATA, 0) != DATA)
		die("send");
	n = recv(fd, data, DATA, 0);
	for (ssize_t left = DATA - n; n > 0 && left > 0;) {
		ssize_t more = recv(fd, rest, (size_t)left, 0);

		if (more <= 0)
			die("recv");
		left -= more;
	}
	return n;
}

MAYBE_UNUSED static bool known(const struct pair *p)
{
	return recv_fed(p->client, p->accepted) == 1;
}

/* How many descriptors below 1024 and at the high end are open? */
MAYBE_UNUSED static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 70000; fd++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n += !access(path, F_OK);
	}
	return n;
}

/* Until the thread sleeps, or has ended; run_case() sets the limit. */
MAYBE_UNUSED static void await_sleep(int tid)
{
	char path[64], text[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	do {
		sched_yield();
		fd = open(path, O_RDONLY);
		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		state = strrchr(text, ')');
	} while (state && state[2] != 'S');
}

MAYBE_UNUSED static int run_case(const struct probe_case *cases, size_t n,
                                 int argc, char **argv)
{
	mortal(LIMIT_S);
	for (size_t i = 0; i < n; i++)
		if (argc > 1 && !strcmp(argv[1], cases[i].name))
			return cases[i].run();
	return 2;
}

#endif
