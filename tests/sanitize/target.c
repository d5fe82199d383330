/*
 * target.c - a program of a user's, to be built with each sanitizer: a server
 * and clients in one process, over 127.0.0.1.  Says what its calls returned.
 * With the word of a bug it has this bug besides, in what it does with bytes
 * that were received.
 *
 *   target [overflow|race|leak|shift] [ROUNDS]
 *
 * No sleep and no clock in it: what it prints is the same in each run.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	SMALL = 16,
	LARGE = 64
};

static int listener;
static struct sockaddr_in address = {.sin_family = AF_INET};
static int n_rounds = 20;
static int served;
static volatile int raced; /* the data race is here: no count of anything */

static void say(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, result);
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Once more when it is refused: the server counts on each of them. */
static int connect_client(void)
{
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		say("connect", -1);
		close(fd);
	}
}

/* As much as is asked for, or what came before an end or an error. */
static ssize_t recv_all(int fd, char *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(fd, buf + got, len - got, 0);

		if (n < 0)
			return got ? (ssize_t)got : -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Echoes LARGE bytes at a time, to as many clients as there are. */
static void *serve(void *unused)
{
	char buf[LARGE];

	(void)unused;
	for (int i = 0; i < n_rounds; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct iovec part[2] = {{buf, SMALL},
		                        {buf + SMALL, LARGE - SMALL}};

		if (fd < 0) {
			i--; /* a fault: the client is still to come */
			continue;
		}
		if (recv_all(fd, buf, sizeof(buf)) == LARGE)
			(void)!writev(fd, part, 2);
		shutdown(fd, SHUT_WR);
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
		served++;
		raced++;
	}
	return NULL;
}

static void wait_for_input(int fd, int round)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int epoll;

	if (round & 1) {
		poll(&p, 1, -1);
		return;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	epoll_wait(epoll, &event, 1, -1);
	close(epoll);
}

static void talk(int round, const char *bug)
{
	char out[LARGE];
	char *in = malloc(LARGE);
	int fd = connect_client();
	long sum = 0;
	ssize_t n;

	memset(out, 'a' + round % 26, sizeof(out));
	say("send", send(fd, out, sizeof(out), MSG_NOSIGNAL));
	wait_for_input(fd, round);
	n = recv_all(fd, in, LARGE);
	say("recv", n);
	for (ssize_t i = 0; i < n; i++)
		sum += in[i];
	say("sum", sum);
	if (!strcmp(bug, "shift"))
		say("shift", 1 << (n < 0 ? 40 : (int)n));
	say("close", close(fd));
	if (!strcmp(bug, "race"))
		raced++;
	if (strcmp(bug, "leak") != 0)
		free(in);
	else
		in = NULL;
}

/*
 * Receives more than the buffer holds: the write is the kernel's, so that only
 * the sanitizer's own recv can notice.
 */
static void overflow(void)
{
	char *small = malloc(LARGE - 8);
	char out[LARGE] = "x";
	int fd = connect_client();
	volatile size_t len = LARGE;

	if (send(fd, out, sizeof(out), MSG_NOSIGNAL) != LARGE)
		die("send");
	say("overflow", recv(fd, small, len, MSG_WAITALL));
	close(fd);
	free(small);
}

int main(int argc, char **argv)
{
	const char *bug = argc > 1 ? argv[1] : "";
	socklen_t len = sizeof(address);
	pthread_t server;

	if (argc > 2)
		n_rounds = atoi(argv[2]);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, len) ||
	    listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		die("listen");
	if (pthread_create(&server, NULL, serve, NULL))
		die("pthread_create");
	for (int i = 0; i < n_rounds; i++) {
		if (i == 0 && !strcmp(bug, "overflow"))
			overflow();
		else
			talk(i, bug);
	}
	if (pthread_join(server, NULL))
		die("pthread_join");
	say("served", served);
	close(listener);
	return 0;
}
