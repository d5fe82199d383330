/*
 * percall.c - what single calls cost: a worker (worker.h) for the variants of
 * bench/run.  Descriptors are made once; each case is a loop over the bare
 * calls, as tight as a program can make it, so that what the library adds is
 * as large a part as it ever gets.
 *
 * HELD_PORT in the environment: one more connection, to a listener on that
 * port, registered with an epoll of its own, has a byte to receive all the
 * time, which a rule may hold back; no case touches it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/worker.h"

enum {
	BATCH = 64,    /* connections that wait in the queue of the listener */
	N_POLLED = 100 /* idle ones, for poll and select */
};

static int listener = -1, client = -1, server = -1, idle = -1;
static int epoll = -1, ends[2] = {-1, -1};
static struct pollfd polled[N_POLLED];
static struct sockaddr_in address;

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		worker_die("connect");
	return fd;
}

static int answer(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		worker_die("accept4");
	return fd;
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void make_listener(uint16_t port)
{
	socklen_t len = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 ||
	    bind(listener, (const struct sockaddr *)&address, len) ||
	    listen(listener, 2 * BATCH) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		worker_die("listener");
}

/* It stays as it is until the worker ends. */
static void make_bystander(uint16_t port)
{
	struct epoll_event in = {.events = EPOLLIN};
	int set = epoll_create1(EPOLL_CLOEXEC), fd;

	make_listener(port);
	fd = dial();
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &in) ||
	    send(answer(), "x", 1, 0) != 1)
		worker_die("bystander");
	epoll_wait(set, &in, 1, 10);
}

/* Their peers stay open, and say nothing. */
static void make_polled(void)
{
	for (unsigned i = 0; i < N_POLLED; i++) {
		polled[i].fd = dial();
		polled[i].events = POLLIN;
		answer();
	}
}

static void make_descriptors(void)
{
	struct epoll_event in = {.events = EPOLLIN};

	make_listener(0);
	client = dial();
	server = answer();
	no_delay(client);
	no_delay(server);
	idle = dial();
	answer(); /* its peer stays open, and says nothing */
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fcntl(idle, F_SETFL, O_NONBLOCK) || pipe(ends) || epoll < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, idle, &in))
		worker_die("descriptors");
	make_polled();
}

/* recv on an idle socket: EAGAIN. */
static int64_t run_recv(unsigned count)
{
	int64_t start = worker_now();
	char c;

	for (unsigned i = 0; i < count; i++)
		if (recv(idle, &c, 1, 0) != -1 || errno != EAGAIN)
			worker_die("recv");
	return worker_now() - start;
}

/* One byte over a loopback connection, sent and received. */
static int64_t run_byte(unsigned count)
{
	int64_t start = worker_now();
	char c = 'x';

	for (unsigned i = 0; i < count; i++)
		if (send(client, &c, 1, 0) != 1 || recv(server, &c, 1, 0) != 1)
			worker_die("send, recv");
	return worker_now() - start;
}

/* The same calls as for a socket, on a descriptor that is none. */
static int64_t run_pipe(unsigned count)
{
	int64_t start = worker_now();
	char c = 'x';

	for (unsigned i = 0; i < count; i++)
		if (write(ends[1], &c, 1) != 1 || read(ends[0], &c, 1) != 1)
			worker_die("write, read");
	return worker_now() - start;
}

/* The clients go with a reset, so that no port stays in TIME_WAIT. */
static void hang_up(const int *fds, unsigned n)
{
	const struct linger reset = {.l_onoff = 1};

	for (unsigned i = 0; i < n; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset,
		           sizeof(reset));
		close(fds[i]);
	}
}

/* accept4 of a connection that waits, and close of what it gave. */
static int64_t run_accept(unsigned count)
{
	int64_t spent = 0;
	int fds[BATCH];

	while (count) {
		unsigned n = count < BATCH ? count : BATCH;
		int64_t start;

		for (unsigned i = 0; i < n; i++)
			fds[i] = dial();
		start = worker_now();
		for (unsigned i = 0; i < n; i++)
			close(answer());
		spent += worker_now() - start;
		hang_up(fds, n);
		count -= n;
	}
	return spent;
}

/* connect of a socket that is there to a listener whose queue has room. */
static int64_t run_connect(unsigned count)
{
	int64_t spent = 0;
	int fds[BATCH];

	while (count) {
		unsigned n = count < BATCH ? count : BATCH;
		int64_t start;

		for (unsigned i = 0; i < n; i++)
			fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		start = worker_now();
		for (unsigned i = 0; i < n; i++)
			if (connect(fds[i], (const struct sockaddr *)&address,
			            sizeof(address)))
				worker_die("connect");
		spent += worker_now() - start;
		for (unsigned i = 0; i < n; i++)
			close(answer());
		hang_up(fds, n);
		count -= n;
	}
	return spent;
}

static int64_t run_socket(unsigned count)
{
	int64_t start = worker_now();

	for (unsigned i = 0; i < count; i++)
		if (close(socket(AF_INET, SOCK_STREAM, 0)))
			worker_die("socket, close");
	return worker_now() - start;
}

/* Nothing is ready, and it does not wait. */
static int64_t run_epoll(unsigned count)
{
	int64_t start = worker_now();
	struct epoll_event event;

	for (unsigned i = 0; i < count; i++)
		if (epoll_wait(epoll, &event, 1, 0))
			worker_die("epoll_wait");
	return worker_now() - start;
}

static int64_t poll_some(unsigned count, nfds_t n)
{
	int64_t start = worker_now();

	for (unsigned i = 0; i < count; i++)
		if (poll(polled, n, 0))
			worker_die("poll");
	return worker_now() - start;
}

static int64_t run_poll_1(unsigned count)
{
	return poll_some(count, 1);
}

static int64_t run_poll_10(unsigned count)
{
	return poll_some(count, 10);
}

static int64_t run_poll_100(unsigned count)
{
	return poll_some(count, N_POLLED);
}

/* Ten of them, and all numbers below are looked through. */
static int64_t run_select_10(unsigned count)
{
	const struct timeval none = {0};
	int64_t start = worker_now();
	fd_set wanted, set;

	FD_ZERO(&wanted);
	for (unsigned i = 0; i < 10; i++)
		FD_SET(polled[i].fd, &wanted);
	for (unsigned i = 0; i < count; i++) {
		struct timeval at_once = none;

		set = wanted;
		if (select(polled[9].fd + 1, &set, NULL, NULL, &at_once))
			worker_die("select");
	}
	return worker_now() - start;
}

/* A connection is registered, changed, and taken out again. */
static int64_t run_ctl(unsigned count)
{
	int64_t start = worker_now();

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event in = {.events = EPOLLIN};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, client, &in) ||
		    epoll_ctl(epoll, EPOLL_CTL_MOD, client, &in) ||
		    epoll_ctl(epoll, EPOLL_CTL_DEL, client, &in))
			worker_die("epoll_ctl");
	}
	return worker_now() - start;
}

/* The same of a socket that is not connected yet, and goes again. */
static int64_t run_fresh(unsigned count)
{
	int64_t start = worker_now();

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event out = {.events = EPOLLOUT | EPOLLET};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &out) || close(fd))
			worker_die("fresh socket");
	}
	return worker_now() - start;
}

static const struct worker_case cases[] = {
	{"recv", run_recv},           {"byte", run_byte},
	{"pipe", run_pipe},           {"accept", run_accept},
	{"connect", run_connect},     {"socket", run_socket},
	{"epoll", run_epoll},         {"poll-1", run_poll_1},
	{"poll-10", run_poll_10},     {"poll-100", run_poll_100},
	{"select-10", run_select_10}, {"ctl", run_ctl},
	{"fresh", run_fresh},         {NULL, NULL},
};

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	const char *held = getenv("HELD_PORT");
	pthread_t thread;

	if (getenv("IDLE_THREAD") &&
	    pthread_create(&thread, NULL, sleep_on, NULL))
		worker_die("pthread_create");
	if (held)
		make_bystander((uint16_t)strtoul(held, NULL, 10));
	make_descriptors();
	return worker_main(argc, argv, cases);
}
