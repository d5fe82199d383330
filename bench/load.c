/*
 * load.c - an HTTP client that keeps its connections: how many requests a
 * second does a server answer?
 *
 *   load PORT CONNECTIONS SECONDS     prints requests per second
 *
 * One thread, one epoll; each connection has one request under way.  A reply is
 * taken to be complete when as many bytes have come as the first reply of the
 * run had, which is measured once with its Content-Length: the server sends
 * the same file each time.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/worker.h"

enum {
	MAX_CONNECTIONS = 1000,
	BUFFER_SIZE = 65536
};

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct connection {
	int fd;
	size_t wanted; /* bytes that the reply still lacks */
};

static struct connection connections[MAX_CONNECTIONS];
static char buffer[BUFFER_SIZE];
static size_t reply_len;
static unsigned long n_replies;

static void ask(const struct connection *c)
{
	ssize_t n = send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL);

	if (n != (ssize_t)sizeof(request) - 1)
		worker_die("send");
}

static size_t receive(const struct connection *c, char *to, size_t len)
{
	ssize_t n = recv(c->fd, to, len, 0);

	if (n <= 0)
		worker_die(n ? "recv" : "recv: end of file");
	return (size_t)n;
}

/* One whole reply, by its headers; returns its length. */
static size_t measure_reply(const struct connection *c)
{
	size_t n = 0;
	const char *end = NULL, *length;

	ask(c);
	while (!end) {
		n += receive(c, buffer + n, sizeof(buffer) - 1 - n);
		buffer[n] = '\0';
		end = strstr(buffer, "\r\n\r\n");
	}
	length = strcasestr(buffer, "\nContent-Length:");
	if (!length || strncmp(buffer, "HTTP/1.1 200 ", 13))
		worker_die("not a reply that can be measured");

	size_t total =
		(size_t)(end + 4 - buffer) +
		strtoul(length + sizeof("\nContent-Length:") - 1, NULL, 10);

	while (n < total)
		n += receive(c, buffer, sizeof(buffer));
	return total;
}

static void dial(struct connection *c, uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (const struct sockaddr *)&address, sizeof(address)))
		worker_die("connect");
}

/* Something came: when that was the reply's end, the next request. */
static void serve(struct connection *c)
{
	size_t n = receive(c, buffer, sizeof(buffer));

	if (n > c->wanted) {
		fputs("a reply is longer than the first one\n", stderr);
		exit(1);
	}
	c->wanted -= n;
	if (c->wanted)
		return;
	n_replies++;
	c->wanted = reply_len;
	ask(c);
}

static int open_all(size_t n, uint16_t port)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (size_t i = 0; i < n; i++) {
		struct connection *c = &connections[i];
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

		dial(c, port);
		if (!reply_len)
			reply_len = measure_reply(c);
		c->wanted = reply_len;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e))
			worker_die("epoll_ctl");
	}
	for (size_t i = 0; i < n; i++)
		ask(&connections[i]);
	return epoll;
}

static void drive(int epoll, int64_t end)
{
	struct epoll_event events[64];

	while (worker_now() < end) {
		int n = epoll_wait(epoll, events, 64, 1000);

		if (n < 0)
			worker_die("epoll_wait");
		for (int i = 0; i < n; i++)
			serve(events[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
	int64_t start;
	int epoll;

	if (!n || n > MAX_CONNECTIONS || seconds <= 0) {
		fputs("usage: load PORT CONNECTIONS SECONDS\n", stderr);
		return 2;
	}
	epoll = open_all(n, (uint16_t)strtoul(argv[1], NULL, 10));
	start = worker_now();
	n_replies = 0;
	drive(epoll, start + (int64_t)(seconds * 1e9));
	printf("%.0f\n",
	       (double)n_replies * 1e9 / (double)(worker_now() - start));
	return 0;
}
