/*
 * arrivals.c - a delay is per arrival: what comes during a hold is seen later
 * than what was held first, as it would be behind a long line.
 */
#include "cases.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>

enum {
	PIECE = 10
};

/* Moments at which a piece arrives, ms; behind the last comes the FIN. */
static const int moments[] = {0, 60, 150};
static const int fin_moment = 300;

static void arrive_at(struct rd *r, const char *verb, long n, int ms)
{
	rd_peer(r, verb, r->conn, n, r->real ? r->delay_ms + ms : ms);
}

/* A receive that waits in the style of the run. */
static ssize_t receive(struct rd *r, struct rd_watch *w, size_t len)
{
	ssize_t n;

	if (r->style == BLOCKING)
		return rd_recv(r, r->fd, len, 0);
	while ((n = rd_recv(r, r->fd, len, MSG_DONTWAIT)) < 0 &&
	       errno == EAGAIN && rd_watch_wait(w, RD_WAIT_MS))
		;
	return n;
}

void case_arrivals(struct rd *r)
{
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++)
		arrive_at(r, "send", PIECE, moments[i]);
	arrive_at(r, "fin", 0, fin_moment);
	for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
		say_result("receive", receive(r, &w, 1000));
		say_at(r, "piece", rd_now(), r->delay_ms + moments[i]);
	}
	say_result("receive", receive(r, &w, 1000));
	say_at(r, "end", rd_now(), r->delay_ms + fin_moment);
	rd_watch_end(&w);
}

/* Once visible, a piece may be taken by bits; the next one is not there. */
void case_arrivals_peeked(struct rd *r)
{
	struct rd_watch w;
	int queued = -1;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	arrive_at(r, "send", PIECE, 0);
	arrive_at(r, "send", PIECE, 150);
	say_result("receive", receive(r, &w, 4));
	say_result("peek", rd_recv(r, r->fd, 100, MSG_PEEK | MSG_DONTWAIT));
	say_result("FIONREAD", ioctl(r->fd, FIONREAD, &queued));
	say("queued: %d", queued);
	/* Of a call that does not wait, MSG_WAITALL asks for nothing more. */
	say_result("receive",
	           rd_recv(r, r->fd, 100, MSG_DONTWAIT | MSG_WAITALL));
	say_result("receive", rd_recv(r, r->fd, 100, MSG_DONTWAIT));
	say_result("receive", receive(r, &w, 100));
	say_at(r, "second", rd_now(), r->delay_ms + 150);
	rd_watch_end(&w);
}

/* The FIN shows neither beside the bytes before it nor too early. */
void case_arrivals_fin(struct rd *r)
{
	struct pollfd p = {.events = POLLIN | POLLRDHUP};
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	arrive_at(r, "send", PIECE, 0);
	arrive_at(r, "fin", 0, 150);
	say_result("receive", receive(r, &w, 4));
	p.fd = r->fd;
	poll(&p, 1, 0);
	say("poll: %s", rd_mask((unsigned)p.revents));
	say_result("receive", rd_recv(r, r->fd, 100, MSG_DONTWAIT));
	say_result("receive", rd_recv(r, r->fd, 100, MSG_DONTWAIT));
	poll(&p, 1, 0);
	say("poll: %s", rd_mask((unsigned)p.revents));
	say_result("receive", receive(r, &w, 100));
	say_at(r, "end", rd_now(), r->delay_ms + 150);
	poll(&p, 1, 0);
	say("poll: %s", rd_mask((unsigned)p.revents));
	rd_watch_end(&w);
}

/* What came while the program did something else has waited already. */
void case_arrivals_busy(struct rd *r)
{
	rd_open(r);
	rd_blocking(r->fd, true);
	r->t0 = rd_now();
	arrive_at(r, "send", PIECE, 0);
	rd_until(r, r->delay_ms - 40);
	say_result("receive", rd_recv(r, r->fd, 100, 0));
	say_at(r, "received", rd_now(), r->delay_ms);
}

/* More than there are marks for: the last is on time, none is early. */
void case_arrivals_many(struct rd *r)
{
	enum {
		MANY = 60,
		APART_MS = 8,
	};
	struct rd_watch w;
	size_t got = 0;
	bool early = false;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	for (int i = 0; i < MANY; i++)
		arrive_at(r, "send", PIECE, i * APART_MS);
	while (got < (size_t)MANY * PIECE) {
		ssize_t n = receive(r, &w, 1000);

		if (n <= 0)
			break;
		got += (size_t)n;
		early |= rd_ms(r, rd_now()) <
		         r->delay_ms + ((double)got / PIECE - 1) * APART_MS;
	}
	say("bytes: %zu, %s", got, early ? "too early" : "none too early");
	say_at(r, "last", rd_now(), r->delay_ms + (MANY - 1) * APART_MS);
	rd_watch_end(&w);
}

/* Nobody reads: the FIN alone is waited for. */
void case_arrivals_rdhup(struct rd *r)
{
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLRDHUP);
	r->t0 = rd_now();
	arrive_at(r, "send", PIECE, 0);
	arrive_at(r, "fin", 0, 150);
	say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "event", rd_now(), r->delay_ms + 150);
	rd_watch_end(&w);
}

/* Both have finished by the end of the hold: the FIN is no byte of data. */
void case_arrivals_closed(struct rd *r)
{
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN);
	r->t0 = rd_now();
	arrive_at(r, "send", PIECE, 0);
	arrive_at(r, "fin", 0, 0);
	if (!r->real)
		rd_raw_await_state(r->fd, TCP_CLOSE_WAIT);
	say_result("shutdown", shutdown(r->fd, SHUT_WR));
	if (!r->real)
		rd_raw_await_state(r->fd, TCP_CLOSE);
	say_result("receive", receive(r, &w, 1000));
	say_at(r, "data", rd_now(), r->delay_ms);
	say_result("receive", receive(r, &w, 1000));
	say_at(r, "end", rd_now(), r->delay_ms);
	rd_watch_end(&w);
}
