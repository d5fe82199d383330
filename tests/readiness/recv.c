/*
 * recv.c - receiving while it is held: what each call says.
 */
#include "cases.h"

#include <netinet/tcp.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

void case_peek(struct rd *r)
{
	struct rd_watch w;

	rd_open(r);
	rd_hold(r, 5);
	say_result("peek", rd_recv(r, r->fd, 10, MSG_PEEK | MSG_DONTWAIT));
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
	rd_watch(&w, POLL, r->fd, POLLIN);
	say("poll: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "readable", rd_now(), r->delay_ms);
	say_result("peek", rd_recv(r, r->fd, 10, MSG_PEEK | MSG_DONTWAIT));
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

static void say_queued(const struct rd *r)
{
	int n = -1;

	say_result("FIONREAD", ioctl(r->fd, FIONREAD, &n));
	say("queued: %d", n);
}

void case_fionread(struct rd *r)
{
	int out = -1;

	rd_open(r);
	rd_hold(r, 5);
	say_queued(r);
	ioctl(r->fd, TIOCOUTQ, &out);
	say("unsent: %d", out);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	say_queued(r);
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

/* Ten bytes in two pieces; the second comes 20 ms after the first. */
void case_waitall(struct rd *r)
{
	ssize_t n;

	rd_open(r);
	rd_blocking(r->fd, true);
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 5, r->real ? r->delay_ms : 0);
	rd_peer(r, "send", r->conn, 5, r->real ? r->delay_ms + 20 : 20);
	n = rd_recv(r, r->fd, 10, MSG_WAITALL);
	say_at(r, "all", rd_now(), r->delay_ms);
	say_result("bytes", n);
}

/* With a time-out of its own, poll says when; nothing is delivered early. */
static void wait_with_rcvtimeo(struct rd *r, int ms)
{
	ssize_t n = -1;
	unsigned again = 0;
	uint64_t before;

	do {
		before = rd_now();
		n = rd_recv(r, r->fd, 10, 0);
		if (n >= 0)
			break;
		if (errno != EAGAIN || again++ > 10)
			break;
		/* The kernel counts in jiffies: up to one more is usual. */
		if ((double)(rd_now() - before) / 1e6 < ms)
			say("the time-out was not kept");
	} while (true);
	say_result("receive", n);
	say_at(r, "received", rd_now(), r->delay_ms);
	note("%u time-outs", again);
	say("time-outs: %s", again >= 2 && again <= 4 ? "a few" : "wrong");
}

void case_rcvtimeo(struct rd *r)
{
	struct timeval tv = {.tv_usec = 60000};
	struct timeval got = {0};
	socklen_t len = sizeof(got);

	rd_open(r);
	rd_blocking(r->fd, true);
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	rd_hold(r, 5);
	wait_with_rcvtimeo(r, 60);
	getsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len);
	say("SO_RCVTIMEO: %ld us", (long)got.tv_usec);
}

/* ---- signals ------------------------------------------------------------- */

static volatile sig_atomic_t n_signals;

static void count_signal(int sig)
{
	(void)sig;
	n_signals = n_signals + 1;
}

static void install(int flags)
{
	struct sigaction sa = {.sa_handler = count_signal, .sa_flags = flags};

	n_signals = 0;
	sigaction(SIGUSR1, &sa, NULL);
}

/* SIGUSR1 once, `ms` after r->t0. */
static void signal_at(const struct rd *r, int ms)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL,
	                      .sigev_signo = SIGUSR1};
	uint64_t at = r->t0 + (uint64_t)ms * 1000000u;
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(at / 1000000000u),
	                     .tv_nsec = (long)(at % 1000000000u)}};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &ev, &timer) ||
	    timer_settime(timer, TIMER_ABSTIME, &when, NULL))
		rd_broken("timer");
}

/* The delay goes on, it does not start again. */
void case_eintr(struct rd *r)
{
	rd_open(r);
	rd_blocking(r->fd, true);
	install(0);
	rd_hold(r, 5);
	signal_at(r, 80);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_at(r, "interrupted", rd_now(), 80);
	say_result("again", rd_recv(r, r->fd, 10, 0));
	say_at(r, "received", rd_now(), r->delay_ms);
	say("signals: %d", (int)n_signals);
}

void case_restart(struct rd *r)
{
	rd_open(r);
	rd_blocking(r->fd, true);
	install(SA_RESTART);
	rd_hold(r, 5);
	signal_at(r, 80);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_at(r, "received", rd_now(), r->delay_ms);
	say("signals: %d", (int)n_signals);
}

/* With a time-out there is no restart, whatever the handler says. */
void case_eintr_rcvtimeo(struct rd *r)
{
	struct timeval tv = {.tv_sec = 2};

	rd_open(r);
	rd_blocking(r->fd, true);
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	install(SA_RESTART);
	rd_hold(r, 5);
	signal_at(r, 80);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_at(r, "interrupted", rd_now(), 80);
	say_result("again", rd_recv(r, r->fd, 10, 0));
	say_at(r, "received", rd_now(), r->delay_ms);
}

/* poll and its kin never restart. */
void case_eintr_wait(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};

	rd_open(r);
	p.fd = r->fd;
	install(SA_RESTART);
	rd_hold(r, 5);
	signal_at(r, 80);
	say_result("poll", poll(&p, 1, RD_WAIT_MS));
	say_at(r, "interrupted", rd_now(), 80);
	say_result("again", poll(&p, 1, RD_WAIT_MS));
	say_at(r, "readable", rd_now(), r->delay_ms);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* ---- threads ------------------------------------------------------------- */

void case_cancel(struct rd *r)
{
	struct rd_thread t;
	void *result;

	rd_open(r);
	rd_blocking(r->fd, true);
	rd_hold(r, 5);
	rd_thread_recv(&t, r, 10, 0);
	rd_until(r, 60);
	pthread_cancel(t.id);
	pthread_join(t.id, &result);
	say("cancelled: %s", result == PTHREAD_CANCELED ? "yes" : "no");
	say_at(r, "joined", rd_now(), 60);
	say("low-water mark of the program: %d", case_lowat(r->fd));
	rd_blocking(r->fd, false);
	rd_take_all(r, r->fd, 5);
}

/* Data had come, then the reset: 50 ms after the begin, in both runs. */
static void arrive_then_reset(struct rd *r, long n)
{
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, n, r->real ? 50 : 0);
	rd_peer(r, "reset", r->conn, 0, r->real ? 51 : 50);
	if (!r->real)
		rd_raw_await_queued(r->fd, (int)n);
	rd_provoke(r);
}

void case_reset_collapses(struct rd *r)
{
	struct rd_watch w;
	struct pollfd p = {.events = POLLIN | POLLOUT | POLLRDHUP};

	rd_open(r);
	rd_watch(&w, rd_style(r), r->fd, POLLIN | POLLRDHUP);
	arrive_then_reset(r, 5);
	say("event: %s",
	    rd_watch_wait(&w, RD_WAIT_MS) & POLLIN ? "readable" : "none");
	say_at(r, "event", rd_now(), 50);
	rd_raw_await_state(r->fd, TCP_CLOSE);
	p.fd = r->fd;
	poll(&p, 1, 0);
	say("poll: %s", rd_mask((unsigned)p.revents));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_result("send", send(r->fd, "x", 1, MSG_NOSIGNAL));
}

void case_reset_blocked(struct rd *r)
{
	struct rd_thread t;

	rd_open(r);
	rd_blocking(r->fd, true);
	arrive_then_reset(r, 5);
	rd_thread_recv(&t, r, 10, 0);
	rd_thread_join(&t);
	say_result("blocked receive", t.n);
	say_at(r, "returned", t.at, 50);
	rd_raw_await_state(r->fd, TCP_CLOSE);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

static void shut_by_another(struct rd *r, int how)
{
	struct rd_thread t;

	rd_open(r);
	rd_blocking(r->fd, true);
	rd_hold(r, 5);
	rd_thread_recv(&t, r, 10, 0);
	rd_until(r, 50);
	say_result("shutdown", shutdown(r->fd, how));
	rd_thread_join(&t);
	say_result("blocked receive", t.n);
	say_at(r, "returned", t.at, 50);
}

void case_shut_blocked(struct rd *r)
{
	shut_by_another(r, SHUT_RD);
}

void case_shut_both_blocked(struct rd *r)
{
	shut_by_another(r, SHUT_RDWR);
}

/* Sending ends; the hold of receiving does not. */
void case_shut_wr(struct rd *r)
{
	rd_open(r);
	rd_hold(r, 5);
	say_result("shutdown", shutdown(r->fd, SHUT_WR));
	rd_take_all(r, r->fd, 5);
}

/* ---- the low-water mark -------------------------------------------------- */

int case_lowat(int fd)
{
	int n = -1;
	socklen_t len = sizeof(n);

	getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, &len);
	return n;
}

static unsigned poll_now(struct rd *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};

	poll(&p, 1, 0);
	return (unsigned)p.revents;
}

/* The program's mark is what it has set, and counts when the hold is over. */
void case_rcvlowat(struct rd *r)
{
	int ten = 10, one = 1;

	rd_open(r);
	say("poll: %s", rd_mask(poll_now(r)));
	rd_hold(r, 5);
	say("poll: %s", rd_mask(poll_now(r)));
	say("mark: %d", case_lowat(r->fd));
	say_result("set", setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &ten,
	                             sizeof(ten)));
	say("mark: %d", case_lowat(r->fd));
	say("poll: %s", rd_mask(poll_now(r)));
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	/* The helper may be late on a busy machine; what counts is the end. */
	rd_raw_await_lowat(r->fd, ten);
	say("mark: %d, in the kernel %d", case_lowat(r->fd),
	    rd_raw_lowat(r->fd));
	say("poll: %s", rd_mask(poll_now(r)));
	setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	say("poll: %s", rd_mask(poll_now(r)));
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

void case_rcvbuf(struct rd *r)
{
	int size = 8192, got = 0;
	socklen_t len = sizeof(got);

	rd_open(r);
	rd_hold(r, 5);
	say_result("set", setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &size,
	                             sizeof(size)));
	getsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	say("buffer: %d", got);
	say("mark: %d", case_lowat(r->fd));
	rd_take_all(r, r->fd, 5);
	say("mark in the kernel: %d", rd_raw_lowat(r->fd));
}

/* ---- the peer falls silent ----------------------------------------------- */

void case_recv_stall(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	rd_arrive(r, 1000);
	rd_take(r, &w, 1000, &t);
	rd_say_take(r, &t, r->delay_ms);
	say_result("the other direction", send(r->fd, "x", 1, MSG_NOSIGNAL));
	say("the peer has: %ld", rd_peer(r, "await", r->conn, 1, 0));
}

/* 200 kB at 200 kB/s: a second. */
void case_recv_rate(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;
	double ms, cpu;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	cpu = rd_cpu_ms();
	r->t0 = rd_now();
	rd_peer(r, r->real ? "trickle" : "send", r->conn, 200000, 0);
	rd_take(r, &w, 200000, &t);
	ms = rd_ms(r, t.last);
	note("all after %.1f ms, %u events", ms, t.events);
	say("bytes: %zu", t.n);
	say("time: %s", ms < 900    ? "too short"
	                : ms < 1150 ? "as asked"
	                            : "too long");
	say("quanta: %s",
	    t.events < 10 && r->style != BLOCKING ? "too few" : "several");
	rd_say_spin(cpu);
}

/* What the line has carried meanwhile is there: of 200 kB in a second. */
static size_t take_at(struct rd *r, int ms, size_t taken)
{
	size_t n = 0;
	ssize_t got;
	double at;

	rd_until(r, ms);
	at = rd_ms(r, rd_now());
	while ((got = rd_recv(r, r->fd, 1 << 14, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	note("%zu bytes at %.1f ms", n, at);
	say("by %d ms: %s", ms,
	    (double)(taken + n) < 200 * at - 40000   ? "too few"
	    : (double)(taken + n) > 200 * at + 14000 ? "too many"
	                                             : "what came");
	return taken + n;
}

/* The program is elsewhere, twice: nothing of the rate is lost by it. */
void case_recv_rate_away(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;
	size_t n;
	double ms;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	rd_peer(r, r->real ? "trickle" : "send", r->conn, 200000, 0);
	n = take_at(r, 60, 0);
	n = take_at(r, 360, n);
	n = take_at(r, 660, n);
	rd_take(r, &w, 200000 - n, &t);
	ms = rd_ms(r, t.last);
	note("all after %.1f ms", ms);
	say("bytes: %zu", n + t.n);
	say("time: %s", ms < 900    ? "too short"
	                : ms < 1100 ? "as asked"
	                            : "too long");
}

/* It came before the program asked for the first time. */
void case_recv_rate_late(struct rd *r)
{
	rd_open(r);
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 40000, 0);
	rd_raw_await_queued(r->fd, 40000);
	rd_until(r, 300);
	say_result("receive", rd_recv(r, r->fd, 1 << 16, MSG_DONTWAIT));
}

/* A line that is idle saves up nothing: what comes then takes its time. */
void case_recv_rate_idle(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 100, 0);
	rd_take(r, &w, 100, &t);
	rd_until(r, 600);
	r->t0 = rd_now();
	rd_peer(r, r->real ? "trickle" : "send", r->conn, 200000, 0);
	rd_take(r, &w, 200000, &t);
	note("all after %.1f ms", rd_ms(r, t.last));
	say("bytes: %zu", t.n);
	say("time: %s", rd_ms(r, t.last) < 900 ? "too short" : "as asked");
}

/* ---- the rule is disarmed ------------------------------------------------ */

/* `fault disarm slow` at r->delay_ms; for real it comes then. */
static void *disarm(void *arg)
{
	const struct rd *r = arg;
	char *words[] = {(char[]){"fault"}, (char[]){"disarm"},
	                 (char[]){"slow"}, NULL};
	pid_t pid;
	int status;

	rd_until(r, r->delay_ms);
	if (posix_spawn(&pid, getenv("READINESS_FAULT"), NULL, NULL, words,
	                environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		rd_broken("fault disarm");
	return NULL;
}

/* Whoever waits already, in whichever way, wakes. */
void case_disarmed(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;
	pthread_t thread;
	bool disarms = !r->real && getenv("READINESS_FAULT");

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN | POLLRDHUP);
	r->delay_ms = 50;
	rd_arrive(r, 1000);
	if (disarms && pthread_create(&thread, NULL, disarm, r))
		rd_broken("pthread_create");
	rd_take(r, &w, 1000, &t);
	rd_say_take(r, &t, 50);
	if (disarms)
		pthread_join(thread, NULL);
}

/* No more of it is hidden, the FIN as little as the rest. */
void case_disarmed_fin(struct rd *r)
{
	unsigned both = POLLIN | POLLRDHUP, seen = 0;
	bool disarms = !r->real && getenv("READINESS_FAULT");
	pthread_t thread;
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, both);
	r->delay_ms = 50;
	rd_arrive(r, 1000);
	rd_peer(r, "fin", r->conn, 0, r->real ? 60 : 10);
	if (disarms && pthread_create(&thread, NULL, disarm, r))
		rd_broken("pthread_create");
	while ((seen & both) != both && rd_ms(r, rd_now()) < RD_WAIT_MS)
		seen |= rd_watch_wait(&w, RD_WAIT_MS);
	say("seen: %s", rd_mask(seen));
	say_at(r, "both", rd_now(), 50);
	if (disarms)
		pthread_join(thread, NULL);
}

/* Nothing is held any more, nobody reads: the FIN was not due before 450 ms. It
 * comes long before the bytes are due at 300, for a machine that is busy. */
void case_disarmed_rdhup(struct rd *r)
{
	bool disarms = !r->real && getenv("READINESS_FAULT");
	pthread_t thread;
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLRDHUP);
	r->delay_ms = 400;
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 1000, r->real ? 300 : 0);
	rd_peer(r, "fin", r->conn, 0, r->real ? 400 : 150);
	if (disarms && pthread_create(&thread, NULL, disarm, r))
		rd_broken("pthread_create");
	say("seen: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "seen", rd_now(), 400);
	if (disarms)
		pthread_join(thread, NULL);
}
