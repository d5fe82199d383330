/*
 * matrix.c - each style of waiting with each kind of traffic.
 */
#include "cases.h"

/* What the socket is like when all is over. */
static void say_after(struct rd *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	poll(&p, 1, 0);
	say("afterwards: %s", rd_mask((unsigned)p.revents));
	if (r->trigger == ARMED || r->trigger == CALL)
		say("low-water mark in the kernel: %d", rd_raw_lowat(r->fd));
}

/* Registered before anything arrives; the receive that triggers is the loop's.
 */
static void run_matrix(struct rd *r, size_t n, void (*begin)(struct rd *))
{
	struct rd_watch w;
	struct rd_take t;
	double cpu;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	cpu = rd_cpu_ms();
	begin(r);
	rd_take(r, &w, n, &t);
	rd_say_take(r, &t, r->delay_ms);
	rd_say_spin(cpu);
	if (w.style == EPOLL_50MS)
		say("time-outs: %s", w.early  ? "early"
		                     : w.late ? "late"
		                              : "kept");
	say_after(r);
}

static void begin_data(struct rd *r)
{
	rd_arrive(r, 1000);
}

static void begin_fin(struct rd *r)
{
	r->t0 = rd_now();
	rd_peer(r, "fin", r->conn, 0, r->real ? r->delay_ms : 0);
}

/* Data now, the end of the stream in the middle of their hold. */
static void begin_fin_during(struct rd *r)
{
	rd_arrive(r, 1000);
	rd_peer(r, "fin", r->conn, 0, r->real ? r->delay_ms : r->delay_ms / 2);
}

static void begin_flood(struct rd *r)
{
	rd_arrive(r, RD_FLOOD_LEN);
}

void case_data(struct rd *r)
{
	run_matrix(r, 1000, begin_data);
}

void case_fin(struct rd *r)
{
	run_matrix(r, 0, begin_fin);
}

void case_fin_during(struct rd *r)
{
	run_matrix(r, 0, begin_fin_during);
}

void case_flood(struct rd *r)
{
	run_matrix(r, RD_FLOOD_LEN, begin_flood);
}
