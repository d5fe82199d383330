/*
 * turns.c - one byte there and one byte back, over and over, so that each
 * answer is an arrival of its own; the one that asks waits in recv, in an
 * epoll set level-triggered, edge-triggered, by turns of THREE questions.
 *
 *   turns ROUNDS
 *
 * With holds as short as the time that making one takes, each of its steps
 * meets its end now and then.  Exit 1 if an answer was waited for longer than
 * LIMIT_MS, and in which style.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/mortal.h"

enum {
	THREE = 3,
	LIMIT_MS = 5000,
};

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static _Noreturn void answer_all(int listener)
{
	int on = 1, fd;
	char c;

	fd = accept(listener, NULL, NULL);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (recv(fd, &c, 1, 0) == 1)
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			break;
	_exit(0);
}

static int start_peer(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *address = (struct sockaddr *)&in;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	socklen_t len = sizeof(in);
	pid_t pid;

	if (bind(listener, address, len) || listen(listener, 1) ||
	    getsockname(listener, address, &len))
		die("listen");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		answer_all(listener);
	if (connect(fd, address, len))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(listener);
	return fd;
}

static const struct style {
	const char *name;
	uint32_t events; /* 0: a blocking call */
} styles[] = {
	{"blocking", 0},
	{"level", EPOLLIN},
	{"edge", EPOLLIN | EPOLLET},
	{"both directions, edge", EPOLLIN | EPOLLOUT | EPOLLET},
};

static ssize_t take(int fd, int set, const struct style *s)
{
	struct epoll_event event;
	ssize_t n;
	char c;

	while ((n = recv(fd, &c, 1, s->events ? MSG_DONTWAIT : 0)) < 0 &&
	       s->events && errno == EAGAIN)
		if (epoll_wait(set, &event, 1, LIMIT_MS) != 1)
			break;
	return n;
}

static void ask(int fd, int set, const struct style *s)
{
	struct epoll_event e = {.events = s->events};

	if (s->events && epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	for (int i = 0; i < THREE; i++) {
		if (send(fd, "x", 1, 0) != 1)
			die("send");
		if (take(fd, set, s) != 1) {
			printf("%s: no answer: %s\n", s->name,
			       strerrorname_np(errno));
			exit(1);
		}
	}
	if (s->events)
		epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

int main(int argc, char **argv)
{
	struct timeval limit = {LIMIT_MS / 1000, 0};
	int rounds = argc > 1 ? atoi(argv[1]) : 100;
	int fd, set = epoll_create1(EPOLL_CLOEXEC);

	mortal(60);
	fd = start_peer();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < rounds; i++)
		for (size_t s = 0; s < sizeof(styles) / sizeof(*styles); s++)
			ask(fd, set, &styles[s]);
	printf("%d rounds\n", rounds);
	return 0;
}
