/*
 * send.c - sending while it is held.  For real the send buffer is full, and the
 * peer begins to read at the deadline.
 */
#include "cases.h"

#include <stdlib.h>
#include <sys/time.h>

/* To the last byte, and still full when what is on the way has arrived. */
void case_fill(int fd)
{
	static char buf[1 << 16];
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	do {
		while (send(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		while (send(fd, buf, 1, MSG_DONTWAIT) > 0)
			;
	} while (poll(&p, 1, 60) == 1 || send(fd, buf, 1, MSG_DONTWAIT) > 0);
}

/* Until the deadline nothing can be sent. */
void case_hold_sending(struct rd *r)
{
	if (r->real)
		case_fill(r->fd);
	r->t0 = rd_now();
	if (r->real)
		rd_peer(r, "drain", r->conn, 0, r->delay_ms);
}

static void say_send(struct rd *r, int flags)
{
	say_result("send", send(r->fd, "abc", 3, flags | MSG_NOSIGNAL));
}

void case_send_delay(struct rd *r)
{
	struct rd_watch w;
	double cpu;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLOUT);
	if (w.ep >= 0 && r->style == EPOLL_ET)
		rd_watch_wait(&w, 0); /* the edge of the registration */
	cpu = rd_cpu_ms();
	case_hold_sending(r);
	if (r->style != BLOCKING) {
		say_send(r, 0);
		say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
		say_at(r, "event", rd_now(), r->delay_ms);
	}
	say_send(r, 0);
	say_at(r, "sent", rd_now(), r->delay_ms);
	if (!r->real)
		rd_say_spin(cpu);
	else
		say("spins: no");
	rd_peer(r, "drain", r->conn, 0, 0);
	if (!r->real)
		say("the peer has: %s", rd_peer(r, "await", r->conn, 3, 0) == 3
		                                ? "all"
		                                : "not all");
	else
		say("the peer has: all");
	if (r->real)
		stated("spins, the peer has: its buffer is filled first");
}

/* SO_SNDTIMEO is shorter than the delay. */
void case_sndtimeo(struct rd *r)
{
	struct timeval tv = {.tv_usec = 60000};

	rd_open(r);
	rd_blocking(r->fd, true);
	setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	case_hold_sending(r);
	say_send(r, 0);
	say_at(r, "timed out", rd_now(), 60);
	tv.tv_usec = 0;
	tv.tv_sec = 2;
	setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	say_send(r, 0);
	say_at(r, "sent", rd_now(), r->delay_ms);
}

static void in_during_send_hold(struct rd *r, unsigned extra)
{
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | extra, 1);
	if (extra & EPOLLET) {
		struct epoll_event ev;

		epoll_wait(ep, &ev, 1, 0);
	}
	case_hold_sending(r);
	say_send(r, 0);
	rd_peer(r, "send", r->conn, 5, 0);
	rd_say_event(r, "readable", ep, 0);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	rd_say_event(r, "writable", ep, r->delay_ms);
	say_send(r, 0);
}

void case_send_hold_in_lt(struct rd *r)
{
	in_during_send_hold(r, 0);
}

void case_send_hold_in_et(struct rd *r)
{
	in_during_send_hold(r, EPOLLET);
}

/* It fires for IN while OUT is parked: the end of the hold fires no more. */
void case_oneshot_out_parked(struct rd *r)
{
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLONESHOT};
	int ep;

	rd_open(r);
	case_hold_sending(r);
	say_send(r, 0);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1);
	rd_peer(r, "send", r->conn, 5, 0);
	rd_say_event(r, "readable", ep, 0);
	say("then: %d", epoll_wait(ep, &ev, 1, r->delay_ms + RD_SLACK_MS));
	ev.events = EPOLLOUT | EPOLLONESHOT;
	say_result("MOD", epoll_ctl(ep, EPOLL_CTL_MOD, r->fd, &ev));
	say("then: %d", epoll_wait(ep, &ev, 1, RD_WAIT_MS));
	say("event: %s", rd_mask(ev.events));
}

/*
 * The peer falls silent: what fits is taken, then nothing, then all goes on.
 * How much fits is the kernel's affair.
 */
void case_send_stall(struct rd *r)
{
	static char buf[4096];
	int size = 32768;
	long sent = 0;
	struct rd_watch w;
	unsigned early = 0;
	ssize_t n;

	rd_open(r);
	setsockopt(r->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rd_watch(&w, rd_style(r), r->fd, POLLOUT);
	r->t0 = rd_now();
	rd_peer(r, "drain", r->conn, 0, r->real ? r->delay_ms : 0);
	n = send(r->fd, buf, sizeof(buf), MSG_DONTWAIT);
	sent += n > 0 ? n : 0;
	if (r->style != EPOLL_ET)
		say("room for more: %s", rd_mask(rd_watch_wait(&w, 0)));
	/* As the real side: acknowledgements on the way make room. There it may
	 * be a probe of the window, after 260 ms, that fills the window. */
	do {
		n = send(r->fd, buf, sizeof(buf), MSG_DONTWAIT);
		sent += n > 0 ? n : 0;
		if (r->real && n < 0)
			poll(NULL, 0, 1);
	} while (rd_ms(r, rd_now()) < (r->real ? r->delay_ms - 15
	                               : n > 0 ? 150
	                                       : 60));
	say_result("send", n);
	note("%ld bytes were taken", sent);
	say("taken: %s", sent < 16384 ? "too few" : "what fits");
	/* An edge of OUT comes with the acknowledgement of what was taken. */
	do {
		if (!rd_watch_wait(&w, RD_WAIT_MS))
			say("no event");
		n = send(r->fd, buf, 100, MSG_DONTWAIT);
		early += n < 0 && errno == EAGAIN;
	} while (n < 0 && errno == EAGAIN && early < 10);
	say_at(r, "writable", rd_now(), r->delay_ms);
	r->trigger = ARMED; /* none is allowed */
	rd_say_early(r, early);
	say_result("send", n);
	sent += n > 0 ? n : 0;
	rd_peer(r, "drain", r->conn, 0, 0);
	say("the peer has: %s",
	    rd_peer(r, "await", r->conn, sent, 0) == sent ? "all" : "not all");
}

void case_send_stall_blocking(struct rd *r)
{
	static char buf[16 << 20]; /* more than two sockets take */
	ssize_t n;

	rd_open(r);
	rd_blocking(r->fd, true);
	r->t0 = rd_now();
	rd_peer(r, "drain", r->conn, 0, r->real ? r->delay_ms : 0);
	n = send(r->fd, buf, sizeof(buf), MSG_NOSIGNAL);
	say_result("send", n);
	say_at(r, "sent", rd_now(), r->delay_ms);
	say("the peer has: %ld",
	    rd_peer(r, "await", r->conn, (long)sizeof(buf), 0));
}

void case_send_rate(struct rd *r)
{
	static char buf[200000];
	struct rd_watch w;
	size_t sent = 0;
	unsigned events = 0;
	double ms, cpu;

	if (r->real) { /* nobody reads so slowly */
		stated("all lines, they are what the rule promises");
		say("sent: 200000");
		say("time: as asked");
		say("spins: no");
		say("the peer has: 200000");
		return;
	}
	rd_open(r);
	rd_peer(r, "drain", r->conn, 0, 0);
	rd_watch(&w, r->style, r->fd, POLLOUT);
	cpu = rd_cpu_ms();
	r->t0 = rd_now();
	while (sent < sizeof(buf)) {
		ssize_t n = send(r->fd, buf + sent, sizeof(buf) - sent,
		                 MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (errno != EAGAIN || !rd_watch_wait(&w, RD_WAIT_MS))
			break;
		else
			events++;
	}
	say("sent: %zu", sent);
	long has = rd_peer(r, "await", r->conn, (long)sizeof(buf), 0);

	ms = rd_ms(r, rd_now());
	note("%.1f ms, %u events", ms, events);
	say("time: %s", ms < 900    ? "too short"
	                : ms < 1150 ? "as asked"
	                            : "too long");
	rd_say_spin(cpu);
	say("the peer has: %ld", has);
}

/* Bytes sent of n, as the socket takes them. */
static size_t send_part(struct rd *r, struct rd_watch *w, size_t n)
{
	static char buf[200000];
	size_t sent = 0;

	while (sent < n) {
		ssize_t got =
			send(r->fd, buf, n - sent < 16000 ? n - sent : 16000,
		             MSG_NOSIGNAL);

		if (got > 0)
			sent += (size_t)got;
		else if (errno != EAGAIN || !rd_watch_wait(w, RD_WAIT_MS))
			break;
	}
	return sent;
}

/* The program is elsewhere while the line has a send buffer full to carry. */
void case_send_rate_away(struct rd *r)
{
	static char buf[80000];
	struct rd_watch w;
	size_t n = 0;
	ssize_t got;
	double ms;

	if (r->real) {
		stated("all lines, they are what the rule promises");
		say("sent: 200000");
		say("time: as asked");
		return;
	}
	rd_open(r);
	rd_peer(r, "drain", r->conn, 0, 0);
	rd_watch(&w, r->style, r->fd, POLLOUT);
	r->t0 = rd_now();
	do {
		got = send(r->fd, buf, sizeof(buf) - n, MSG_NOSIGNAL);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0 && n < sizeof(buf));
	rd_until(r, 800);
	/* Small ones: what the line has carried meanwhile serves many calls. */
	for (size_t moved = 1; moved; n += moved)
		moved = send_part(r, &w, 200000 - n < 4000 ? 200000 - n : 4000);
	say("sent: %zu", n);
	rd_peer(r, "await", r->conn, 200000, 0);
	ms = rd_ms(r, rd_now());
	note("%.1f ms", ms);
	say("time: %s", ms < 900    ? "too short"
	                : ms < 1150 ? "as asked"
	                            : "too long");
}

/* ---- signal handlers ----------------------------------------------------- */

static int handler_fd;
static volatile sig_atomic_t n_written;

static void write_one(int sig)
{
	int err = errno;

	(void)sig;
	if (write(handler_fd, "x", 1) == 1)
		n_written = n_written + 1;
	errno = err;
}

/*
 * A handler writes on the socket each 2 ms while its program works on it in
 * every way: nothing may be locked that the handler needs.
 */
void case_handler_writes(struct rd *r)
{
	struct itimerval every = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = write_one, .sa_flags = SA_RESTART};
	struct epoll_event ev = {.events = EPOLLIN};
	int ep;
	bool got = false;

	rd_open(r);
	handler_fd = r->fd;
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	sigaction(SIGPROF, &sa, NULL);
	sigaction(SIGVTALRM, &sa, NULL);
	rd_hold(r, 5);
	sa.sa_handler = write_one;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (!got && rd_ms(r, rd_now()) < RD_WAIT_MS) {
		struct pollfd p = {.fd = r->fd, .events = POLLIN};

		ev.events = EPOLLIN;
		epoll_ctl(ep, EPOLL_CTL_MOD, r->fd, &ev);
		poll(&p, 1, 1);
		got = rd_recv(r, r->fd, 10, MSG_DONTWAIT) == 5;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	say("received: %s", got ? "yes" : "no");
	say_at(r, "received", rd_now(), r->delay_ms);
	note("%d writes", (int)n_written);
	say("written: %s", n_written > 20 ? "many" : "few");
	say("the peer has: %s",
	    rd_peer(r, "await", r->conn, n_written, 0) == n_written
	            ? "all"
	            : "not all");
}
