/*
 * silent.c - the calls that a program makes most, REPEAT times each, for
 * tests/build/instructions.sh: each case is a function of its own, whose name
 * callgrind is told.  All of them run twice; the first time is for what is
 * done once.
 *
 * A listener's port is none of those that the script's rules share a bucket
 * with (plan.h): what a case costs is the same in each run.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plan/plan.h"

enum {
	REPEAT = 100,
	LEAST_BUCKET = 128, /* the rules have ports below */
	N_POLLED = 10
};

static int listener = -1, client = -1, server = -1, epoll = -1;
static int ends[2] = {-1, -1}, idle[N_POLLED];
static struct sockaddr_in address;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static bool listen_somewhere(void)
{
	socklen_t len = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = 0;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(!bind(listener, (void *)&address, len), "bind");
	must(!getsockname(listener, (void *)&address, &len), "getsockname");
	if (plan_bucket(ntohs(address.sin_port)) < LEAST_BUCKET) {
		close(listener);
		return false;
	}
	must(!listen(listener, 2 * REPEAT), "listen");
	return true;
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(!connect(fd, (void *)&address, sizeof(address)), "connect");
	return fd;
}

static int answer(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	must(fd >= 0, "accept4");
	return fd;
}

static void make_all(void)
{
	struct epoll_event in = {.events = EPOLLIN};

	while (!listen_somewhere())
		;
	client = dial();
	server = answer();
	epoll = epoll_create1(0);
	must(!pipe(ends), "pipe");
	for (int i = 0; i < N_POLLED; i++) {
		idle[i] = dial();
		answer(); /* its peer says nothing */
		must(!epoll_ctl(epoll, EPOLL_CTL_ADD, idle[i], &in), "epoll");
		fcntl(idle[i], F_SETFL, O_NONBLOCK);
	}
}

/* What a case needs, and what it leaves: not counted. */
static int waiting[REPEAT];

static void queue_connections(int n)
{
	for (int i = 0; i < n; i++)
		waiting[i] = dial();
}

static void close_all(int n)
{
	for (int i = 0; i < n; i++)
		close(waiting[i]);
}

/* callgrind dumps where a function of this prefix begins. */
__attribute__((noinline)) void case_over(void);
void case_over(void)
{
	__asm__ volatile("");
}

#define CASE(name)                                                             \
	__attribute__((noinline)) void case_##name(int n);                     \
	void case_##name(int n)
#define DO(name, n) (case_##name(n), case_over())

#define REPEATED(name, call)                                                   \
	CASE(name)                                                             \
	{                                                                      \
		while (n--)                                                    \
			must((call), #name);                                   \
	}

static char byte = 'x';
static struct epoll_event event;

/* What was sent is received in the next case, so that no buffer fills. */
REPEATED(send, send(client, &byte, 1, 0) == 1)
REPEATED(recv, recv(server, &byte, 1, 0) == 1)
REPEATED(write, write(client, &byte, 1) == 1)
REPEATED(read, read(server, &byte, 1) == 1)
REPEATED(recv_nothing, recv(idle[0], &byte, 1, 0) == -1)
REPEATED(pipe_write, write(ends[1], &byte, 1) == 1)
REPEATED(pipe_read, read(ends[0], &byte, 1) == 1)
REPEATED(fcntl, fcntl(client, F_GETFL) >= 0)
REPEATED(epoll_wait, epoll_wait(epoll, &event, 1, 0) == 0)
REPEATED(accept_close, close(answer()) == 0)
REPEATED(socket_close, close(socket(AF_INET, SOCK_STREAM, 0)) == 0)

CASE(poll_10)
{
	struct pollfd fds[N_POLLED];

	for (int i = 0; i < N_POLLED; i++)
		fds[i] = (struct pollfd){.fd = idle[i], .events = POLLIN};
	while (n--)
		must(poll(fds, N_POLLED, 0) == 0, "poll");
}

CASE(select)
{
	while (n--) {
		struct timeval at_once = {0};
		fd_set set;

		FD_ZERO(&set);
		FD_SET(idle[0], &set);
		must(!select(idle[0] + 1, &set, NULL, NULL, &at_once),
		     "select");
	}
}

CASE(connect)
{
	while (n--)
		must(!connect(waiting[n], (void *)&address, sizeof(address)),
		     "connect");
}

CASE(epoll_ctl)
{
	while (n--) {
		struct epoll_event in = {.events = EPOLLIN};

		must(!epoll_ctl(epoll, EPOLL_CTL_ADD, client, &in) &&
		             !epoll_ctl(epoll, EPOLL_CTL_DEL, client, &in),
		     "epoll_ctl");
	}
}

static void do_connections(int n)
{
	queue_connections(n);
	DO(accept_close, n);
	close_all(n);
	for (int i = 0; i < n; i++)
		waiting[i] = socket(AF_INET, SOCK_STREAM, 0);
	DO(connect, n);
	for (int i = 0; i < n; i++)
		close(answer());
	close_all(n);
}

static void do_all(int n)
{
	DO(send, n);
	DO(recv, n);
	DO(write, n);
	DO(read, n);
	DO(recv_nothing, n);
	DO(pipe_write, n);
	DO(pipe_read, n);
	DO(fcntl, n);
	DO(epoll_wait, n);
	DO(epoll_ctl, n);
	DO(poll_10, n);
	DO(select, n);
	DO(socket_close, n);
	do_connections(n);
}

int main(void)
{
	make_all();
	do_all(2);
	do_all(REPEAT);
	return 0;
}
