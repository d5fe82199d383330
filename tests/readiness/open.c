/*
 * open.c - connections that come late: accept and connect.
 */
#include "cases.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/time.h>

/* ---- accept -------------------------------------------------------------- */

static void say_accept(struct rd *r)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	int fd = accept4(r->listener, (struct sockaddr *)&sa, &len,
	                 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		say("accept: a connection, address of %u bytes", len);
	else
		say_result("accept", -1);
}

static void begin_accept(struct rd *r)
{
	int port = rd_listen(r, 16);

	if (r->style == BLOCKING)
		rd_blocking(r->listener, true);
	r->t0 = rd_now();
	rd_peer(r, "connect", port, 0, r->real ? r->delay_ms : 0);
}

/* The listener is registered before the connection is there. */
void case_accept_delay(struct rd *r)
{
	struct rd_watch w;
	unsigned mask = 0;
	double cpu;
	int port = rd_listen(r, 16);

	if (r->style == BLOCKING)
		rd_blocking(r->listener, true);
	rd_watch(&w, r->style, r->listener, POLLIN);
	cpu = rd_cpu_ms();
	r->t0 = rd_now();
	rd_peer(r, "connect", port, 0, r->real ? r->delay_ms : 0);
	if (r->style != BLOCKING) {
		mask = rd_watch_wait(&w, RD_WAIT_MS);
		if (rd_ms(r, rd_now()) < r->delay_ms) {
			/* The program that asks at once: EAGAIN, once. */
			note("an early event");
			if (accept4(r->listener, NULL, NULL, 0) >= 0)
				say("accepted early");
			mask = rd_watch_wait(&w, RD_WAIT_MS);
		}
		say("event: %s", rd_mask(mask));
		say_at(r, "event", rd_now(), r->delay_ms);
	}
	say_accept(r);
	say_at(r, "accepted", rd_now(), r->delay_ms);
	rd_say_spin(cpu);
}

/* Asked for before it is ready: EAGAIN, then an event by itself. */
void case_accept_again(struct rd *r)
{
	struct rd_watch w;

	begin_accept(r);
	rd_until(r, 30);
	rd_watch(&w, r->style, r->listener, POLLIN);
	say_accept(r);
	say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "event", rd_now(), r->delay_ms);
	say_accept(r);
	say_accept(r);
}

/* Two come; only the first is late: the second must wait behind it. */
void case_accept_two(struct rd *r)
{
	int port;

	begin_accept(r);
	port = rd_port(r->listener);
	rd_peer(r, "connect", port, 0, r->real ? r->delay_ms : 0);
	rd_blocking(r->listener, true);
	say_accept(r);
	say_at(r, "first", rd_now(), r->delay_ms);
	say_accept(r);
	say_at(r, "second", rd_now(), r->delay_ms);
}

/* ---- connect ------------------------------------------------------------ */

static struct sockaddr_storage target;
static socklen_t target_len;

/*
 * For real the SYN is not heard until half a second has gone; the kernel sends
 * it again after one.
 */
static void begin_connect(struct rd *r)
{
	int port = (int)rd_peer(r, "listen", 8, 0, 0);

	rd_loopback(r->family, port, &target, &target_len);
	r->fd = socket(r->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	               0);
	if (r->style == BLOCKING)
		rd_blocking(r->fd, true);
	if (r->real) {
		rd_peer(r, "deafen", 1, 0, 0);
		rd_peer(r, "deafen", 0, 0, 500);
	}
	r->t0 = rd_now();
}

static void say_connect(struct rd *r)
{
	say_result("connect",
	           connect(r->fd, (struct sockaddr *)&target, target_len));
}

static void say_so_error(struct rd *r)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	say("SO_ERROR: %s", rd_errno(err));
}

static void say_peername(struct rd *r)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	say_result("getpeername",
	           getpeername(r->fd, (struct sockaddr *)&sa, &len));
}

static void say_pending(struct rd *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN | POLLOUT | POLLRDHUP};
	char buf[10];

	say_connect(r);
	say_so_error(r);
	say_result("receive", recv(r->fd, buf, sizeof(buf), 0));
	say_result("send", send(r->fd, "x", 1, MSG_NOSIGNAL));
	say_peername(r);
	say_result("poll", poll(&p, 1, 0));
}

void case_connect_late(struct rd *r)
{
	struct rd_watch w;

	begin_connect(r);
	say_connect(r);
	if (r->style != BLOCKING) {
		rd_watch(&w, r->style, r->fd, POLLIN | POLLOUT | POLLRDHUP);
		say_pending(r);
		say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
		say_at(r, "event", rd_now(), r->delay_ms);
		say_connect(r);
	}
	say_at(r, "connected", rd_now(), r->delay_ms);
	say_connect(r);
	say_so_error(r);
	say_peername(r);
	say_result("send", send(r->fd, "abc", 3, MSG_NOSIGNAL));
	say("the peer has: %ld",
	    rd_peer(r, "await", rd_peer(r, "accept", 1000, 0, 0), 3, 0));
}

/* A time-out of its own is shorter. */
void case_connect_sndtimeo(struct rd *r)
{
	struct timeval tv = {.tv_usec = 100000};

	begin_connect(r);
	rd_blocking(r->fd, true);
	setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	say_connect(r);
	say_at(r, "timed out", rd_now(), 100);
	say_connect(r);
	say_at(r, "timed out again", rd_now(), 200);
	rd_blocking(r->fd, false);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	say_connect(r);
	say_connect(r);
}

/* For real nobody listens any more when the SYN is sent again. */
void case_connect_fails_late(struct rd *r)
{
	struct rd_watch w;

	begin_connect(r);
	if (r->real)
		rd_peer(r, "unlisten", 0, 0, 450);
	say_connect(r);
	if (r->style != BLOCKING) {
		rd_watch(&w, r->style, r->fd, POLLIN | POLLOUT | POLLRDHUP);
		say_pending(r);
		say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	}
	say_at(r, "failed", rd_now(), r->delay_ms);
	say_so_error(r);
	say_so_error(r);
	if (r->style != BLOCKING)
		say_connect(r);
	say_peername(r);
}

/* Unanswered: silence; in the end it is the kernel's time-out. */
void case_connect_stall(struct rd *r)
{
	struct rd_watch w;
	int port = (int)rd_peer(r, "listen", 8, 0, 0);
	unsigned ms = 300;

	rd_loopback(r->family, port, &target, &target_len);
	r->fd = socket(r->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	               0);
	if (r->style == BLOCKING)
		rd_blocking(r->fd, true);
	setsockopt(r->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	if (r->real)
		rd_peer(r, "deafen", 1, 0, 0);
	r->t0 = rd_now();
	say_connect(r);
	if (r->style != BLOCKING) {
		rd_watch(&w, r->style, r->fd, POLLIN | POLLOUT | POLLRDHUP);
		say_pending(r);
		say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	}
	note("after %.1f ms", rd_ms(r, rd_now()));
	say("time: %s",
	    rd_ms(r, rd_now()) < 300 ? "too early" : "the kernel's");
	say_so_error(r);
	say_so_error(r);
}
