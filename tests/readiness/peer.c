/*
 * peer.c - the far end.  A process of its own, made before the library is
 * loaded into the probe.  One message on a SOCK_SEQPACKET pair is a verb and
 * three numbers, the last of them the milliseconds after which it is done; the
 * answer is "ok N", sent when the thing is done, or planned.
 */
#include "ready.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum {
	MAX_CONNS = 10100,
	MAX_PLANNED = 64,
};

struct conn {
	int fd;
	bool drains;
	uint64_t sent, to_send, received;
};

struct planned {
	uint64_t at; /* 0: free */
	long (*act)(long a, long b);
	long a, b;
};

static struct conn conns[MAX_CONNS];
static long n_conns;
static struct planned planned[MAX_PLANNED];
static int listener = -1;
static int family_used;

static struct conn *conn(long i)
{
	return &conns[i];
}

static long add_conn(int fd)
{
	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	conns[n_conns] = (struct conn){.fd = fd};
	return n_conns++;
}

static long connect_to(int family, long port)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	rd_loopback(family, (int)port, &sa, &len);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, len)) {
		close(fd);
		return -errno;
	}
	return add_conn(fd);
}

static long do_connect(long port, long family)
{
	return connect_to(family ? (int)family : family_used, port);
}

/* With data in the SYN. */
static long do_fastopen(long port, long n)
{
	struct sockaddr_storage sa;
	socklen_t len;
	unsigned char buf[1000];
	int fd = socket(family_used, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long i;

	for (i = 0; i < n; i++)
		buf[i] = rd_pattern((uint64_t)i);
	rd_loopback(family_used, (int)port, &sa, &len);
	if (sendto(fd, buf, (size_t)n, MSG_FASTOPEN, (struct sockaddr *)&sa,
	           len) != n)
		return -errno;
	i = add_conn(fd);
	conn(i)->sent = conn(i)->to_send = (uint64_t)n;
	return i;
}

static long do_connect_many(long port, long n)
{
	for (long i = 0; i < n; i++)
		if (connect_to(family_used, port) < 0)
			return -errno;
	return n;
}

static long do_listen(long backlog, long unused)
{
	struct sockaddr_storage sa;
	socklen_t len;

	(void)unused;
	rd_loopback(family_used, 0, &sa, &len);
	listener = socket(family_used, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&sa, len) ||
	    listen(listener, (int)backlog))
		return -errno;
	return rd_port(listener);
}

/* Does not hear any SYN. */
static long do_deafen(long deaf, long unused)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};

	(void)unused;
	return deaf ? setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	                         sizeof(prog))
	            : setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &prog,
	                         sizeof(prog));
}

static long do_unlisten(long unused, long unused_too)
{
	(void)unused;
	(void)unused_too;
	return close(listener);
}

static long do_accept(long ms, long unused)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	(void)unused;
	if (poll(&p, 1, (int)ms) != 1)
		return -ETIMEDOUT;
	return add_conn(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

/* Sends what there is room for of what is to be sent. */
static void push(struct conn *c)
{
	unsigned char buf[1 << 14];
	ssize_t n = 1;

	while (n > 0 && c->sent < c->to_send) {
		size_t len = c->to_send - c->sent < sizeof(buf)
		                     ? (size_t)(c->to_send - c->sent)
		                     : sizeof(buf);

		for (size_t i = 0; i < len; i++)
			buf[i] = rd_pattern(c->sent + i);
		n = send(c->fd, buf, len, MSG_NOSIGNAL);
		if (n > 0)
			c->sent += (uint64_t)n;
		else if (errno != EAGAIN)
			c->to_send = c->sent;
	}
}

static long do_send(long i, long n)
{
	conn(i)->to_send += (uint64_t)n;
	push(conn(i));
	return 0;
}

static long do_send_all(long n, long unused)
{
	(void)unused;
	for (long i = 0; i < n_conns; i++)
		do_send(i, n);
	return n_conns;
}

static long do_fin(long i, long unused)
{
	(void)unused;
	return shutdown(conn(i)->fd, SHUT_WR) ? -errno : 0;
}

static long do_reset(long i, long unused)
{
	struct linger now = {.l_onoff = 1};

	(void)unused;
	setsockopt(conn(i)->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(conn(i)->fd);
	conn(i)->fd = -1;
	conn(i)->drains = false;
	return 0;
}

static long do_urgent(long i, long unused)
{
	(void)unused;
	return send(conn(i)->fd, "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1 ? 0
	                                                              : -errno;
}

static void drain(struct conn *c)
{
	char buf[1 << 16];
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		c->received += (uint64_t)n;
	if (n == 0)
		c->drains = false;
}

static long do_drain(long i, long unused)
{
	(void)unused;
	conn(i)->drains = true;
	drain(conn(i));
	return 0;
}

/* Waits until so many bytes have been received; how many there are then. */
static long do_await(long i, long n)
{
	struct pollfd p = {.fd = conn(i)->fd, .events = POLLIN};

	do
		drain(conn(i));
	while (conn(i)->received < (uint64_t)n && poll(&p, 1, 1000) == 1);
	return (long)conn(i)->received;
}

static long do_got(long i, long unused)
{
	(void)unused;
	if (conn(i)->fd >= 0)
		drain(conn(i));
	return (long)conn(i)->received;
}

static void plan(uint64_t at, long (*act)(long, long), long a, long b);

/* b bytes, a twentieth of b each 50 ms: a rate. */
static long do_trickle(long i, long b)
{
	long n = b / 20;

	do_send(i, n);
	for (int k = 1; k < 20; k++)
		plan(rd_now() + (uint64_t)k * 50000000u, do_send, i, n);
	return 0;
}

static const struct {
	const char *verb;
	long (*act)(long a, long b);
} verbs[] = {
	{"connect", do_connect},   {"fastopen", do_fastopen},
	{"many", do_connect_many}, {"listen", do_listen},
	{"deafen", do_deafen},     {"unlisten", do_unlisten},
	{"accept", do_accept},     {"send", do_send},
	{"send_all", do_send_all}, {"fin", do_fin},
	{"reset", do_reset},       {"urgent", do_urgent},
	{"drain", do_drain},       {"await", do_await},
	{"got", do_got},           {"trickle", do_trickle},
};

static void plan(uint64_t at, long (*act)(long, long), long a, long b)
{
	for (int i = 0; i < MAX_PLANNED; i++)
		if (!planned[i].at) {
			planned[i] = (struct planned){at, act, a, b};
			return;
		}
	abort();
}

static void obey(int ctl)
{
	char verb[16], text[64];
	long a, b, ms, result = -EINVAL;
	ssize_t n = recv(ctl, text, sizeof(text) - 1, 0);

	if (n <= 0)
		_exit(0);
	text[n] = '\0';
	if (sscanf(text, "%15s %ld %ld %ld", verb, &a, &b, &ms) != 4)
		abort();
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, verb) != 0)
			continue;
		result = 0;
		if (ms)
			plan(rd_now() + (uint64_t)ms * 1000000u, verbs[i].act,
			     a, b);
		else
			result = verbs[i].act(a, b);
	}
	n = snprintf(text, sizeof(text), "%ld", result);
	if (send(ctl, text, (size_t)n, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* Does what is due, in order; milliseconds until the next, or -1. */
static int do_planned(void)
{
	struct planned *first;
	uint64_t now;

	for (;;) {
		first = NULL;
		for (int i = 0; i < MAX_PLANNED; i++)
			if (planned[i].at &&
			    (!first || planned[i].at < first->at))
				first = &planned[i];
		now = rd_now();
		if (!first)
			return -1;
		if (first->at > now)
			return (int)((first->at - now + 999999) / 1000000);
		first->at = 0;
		first->act(first->a, first->b);
	}
}

static struct pollfd polled[MAX_CONNS + 1];
static long which[MAX_CONNS + 1];

static nfds_t collect(int ctl)
{
	nfds_t n = 1;

	polled[0] = (struct pollfd){.fd = ctl, .events = POLLIN};
	for (long i = 0; i < n_conns; i++) {
		bool pushes = conns[i].sent < conns[i].to_send;
		int events =
			(pushes ? POLLOUT : 0) | (conns[i].drains ? POLLIN : 0);

		if (conns[i].fd < 0 || !events)
			continue;
		which[n] = i;
		polled[n++] = (struct pollfd){.fd = conns[i].fd,
		                              .events = (short)events};
	}
	return n;
}

void rd_peer_main(int ctl, int family)
{
	signal(SIGPIPE, SIG_IGN);
	family_used = family;
	for (;;) {
		int ms = do_planned();
		nfds_t n = collect(ctl);

		if (poll(polled, n, ms) < 0)
			_exit(1);
		for (nfds_t i = 1; i < n; i++) {
			if (polled[i].revents & POLLOUT)
				push(conn(which[i]));
			if (polled[i].revents & POLLIN)
				drain(conn(which[i]));
			else if (polled[i].revents & (POLLERR | POLLHUP))
				conn(which[i])->drains = false,
				conn(which[i])->to_send = conn(which[i])->sent;
		}
		if (polled[0].revents)
			obey(ctl);
	}
}
