/*
 * held.c - what few programs do while a hold lasts, and ends of a hold that few
 * meet.
 */
#include "cases.h"
#include "tests/mortal.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* The next event; 0 when none comes. */
static unsigned event(int ep, int ms)
{
	struct epoll_event ev = {0};

	return epoll_wait(ep, &ev, 1, ms) == 1 ? ev.events : 0;
}

/* ---- arguments ----------------------------------------------------------- */

static void say_mark_set_to(struct rd *r, int value)
{
	int mark;

	say_result("set", setsockopt(r->fd, SOL_SOCKET, SO_RCVLOWAT, &value,
	                             sizeof(value)));
	mark = case_lowat(r->fd);
	/* The greatest is what the buffer allows. */
	say("%d set: %s", value,
	    mark == 1      ? "1"
	    : mark > 10000 ? "the greatest"
	                   : "something else");
}

/* socket(7): 0 is 1; a negative one is the greatest. */
void case_lowat_values(struct rd *r)
{
	rd_open(r);
	rd_hold(r, 5);
	say_mark_set_to(r, -1);
	say_mark_set_to(r, 0);
	rd_take_all(r, r->fd, 5);
	say("mark in the kernel: %d", rd_raw_lowat(r->fd));
}

static void say_ppoll(struct pollfd *p, const char *what, long s, long ns)
{
	struct timespec t = {.tv_sec = s, .tv_nsec = ns};

	say_result(what, ppoll(p, 1, &t, NULL));
}

static void say_pselect(int fd, const char *what, long s, long ns)
{
	struct timespec t = {.tv_sec = s, .tv_nsec = ns};
	fd_set in;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	say_result(what, pselect(fd + 1, &in, NULL, NULL, &t, NULL));
}

/* Times that are none. */
void case_bad_times(struct rd *r)
{
	struct timeval t = {.tv_usec = -1};
	struct pollfd p = {.events = POLLIN};
	fd_set in;

	rd_open(r);
	p.fd = r->fd;
	rd_hold(r, 5);
	say_ppoll(&p, "a billion nanoseconds", 0, 1000000000);
	say_ppoll(&p, "nanoseconds below 0", 0, -1);
	say_ppoll(&p, "seconds below 0", -1, 0);
	say_pselect(r->fd, "a billion nanoseconds", 0, 1000000000);
	say_pselect(r->fd, "nanoseconds below 0", 0, -1);
	say_pselect(r->fd, "seconds below 0", -1, 0);
	FD_ZERO(&in);
	FD_SET(r->fd, &in);
	say_result("microseconds below 0",
	           select(r->fd + 1, &in, NULL, NULL, &t));
	t = (struct timeval){.tv_sec = 5, .tv_usec = -1000000};
	say_result("a million less", select(r->fd + 1, &in, NULL, NULL, &t));
	t = (struct timeval){.tv_usec = 3000000};
	say_result("three million microseconds",
	           select(r->fd + 1, &in, NULL, NULL, &t));
	say_at(r, "readable", rd_now(), r->delay_ms);
}

/* Something else in the set has hung up, which makes nothing writable. */
void case_select_writer_hup(struct rd *r)
{
	struct timeval t = {.tv_usec = 800000};
	fd_set in, out;
	int pair[2];
	double cpu;

	rd_open(r);
	if (pipe(pair))
		rd_broken("pipe");
	close(pair[1]);
	rd_hold(r, 5);
	cpu = rd_cpu_ms();
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(r->fd, &in);
	FD_SET(pair[0], &out);
	say_result("select", select(pair[0] + 1, &in, &out, NULL, &t));
	say_at(r, "time-out", rd_now(), 800);
	rd_say_spin(cpu);
	t = (struct timeval){.tv_sec = 3};
	FD_SET(r->fd, &in);
	FD_SET(pair[0], &out);
	say_result("select", select(pair[0] + 1, &in, &out, NULL, &t));
	say("%s", FD_ISSET(r->fd, &in) ? "readable" : "something else");
	say_at(r, "readable", rd_now(), r->delay_ms);
}

/* ---- registrations ------------------------------------------------------- */

/* Registered behind the library's back: what it says stays what it was. */
void case_raw_data(struct rd *r)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x123456789a};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	rd_open(r);
	if (rd_raw(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, r->fd, (long)&ev, 0))
		rd_broken("epoll_ctl");
	rd_hold(r, 5);
	for (int i = 0; i < 10; i++)
		rd_recv(r, r->fd, 10, MSG_DONTWAIT);
	ev = (struct epoll_event){0};
	say_result("event", epoll_wait(ep, &ev, 1, RD_WAIT_MS));
	say("data: %#jx", (uintmax_t)ev.data.u64);
	say_at(r, "event", rd_now(), r->delay_ms);
}

/* An exclusive registration refuses MOD. */
void case_exclusive_out(struct rd *r)
{
	int before, after;

	rd_open(r);
	before = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE, 1);
	rd_hold(r, 5);
	after = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE, 2);
	rd_say_event(r, "registered before", before, 0);
	rd_say_event(r, "registered after", after, 0);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	say("before: %s", rd_mask(event(before, 0)));
	say("after: %s", rd_mask(event(after, 0)));
}

/*
 * Both ends have finished: the kernel's HUP comes of the FIN, which is held,
 * and is told to whoever watches as long as it is there.
 */
void case_half_closed(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};
	double cpu;
	int ep, urgent;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	urgent = rd_set_with(r->fd, EPOLLIN | EPOLLPRI, 2);
	rd_hold(r, 5);
	say_result("shutdown", shutdown(r->fd, SHUT_WR));
	rd_peer(r, "fin", r->conn, 0, r->real ? r->delay_ms : 0);
	if (!r->real)
		rd_raw_await_state(r->fd, TCP_CLOSE);
	p.fd = r->fd;
	say_result("poll", poll(&p, 1, 0));
	say("urgent: %s", rd_mask(event(urgent, 0)));
	cpu = rd_cpu_ms();
	say("event: %s", event(ep, RD_WAIT_MS) & EPOLLIN ? "readable" : "none");
	say_at(r, "event", rd_now(), r->delay_ms);
	rd_say_spin(cpu);
	rd_raw_await_state(r->fd, TCP_CLOSE);
	say("event: %s", rd_mask(event(ep, RD_WAIT_MS)));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* ---- processes ----------------------------------------------------------- */

/* A child looks at the socket and ends; its parent goes on with the hold. */
void case_child_joined(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};
	struct rd_watch w;
	struct rd_take t;
	pid_t pid;

	rd_open(r);
	p.fd = r->fd;
	rd_watch(&w, EPOLL_ET, r->fd, POLLIN);
	rd_hold(r, 5);
	pid = rd_child();
	if (!pid) {
		say_result("child polls", poll(&p, 1, 0));
		exit(0);
	}
	rd_await_child(pid);
	rd_take(r, &w, 5, &t);
	note("%u early events", t.early);
	say("bytes: %zu", t.n);
	say_at(r, "first byte", t.first, r->delay_ms);
}

/* The holder is killed; long after its time somebody else looks. */
void case_killed_late(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};
	int ready[2];
	char byte;
	pid_t pid;

	rd_open(r);
	p.fd = r->fd;
	if (pipe(ready))
		rd_broken("pipe");
	r->t0 = rd_now();
	pid = rd_child();
	if (!pid) {
		rd_hold(r, 5);
		rd_recv(r, r->fd, 10, MSG_DONTWAIT);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		rd_broken("the child");
	kill(pid, SIGKILL);
	rd_await_child(pid);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	say_result("poll", poll(&p, 1, RD_WAIT_MS));
	say_at(r, "readable", rd_now(), r->delay_ms + RD_SLACK_MS);
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
	say("mark in the kernel: %d", rd_raw_lowat(r->fd));
}

/* Makes a child that goes on; then its parent is killed, and all know it. */
static void outlive_parent(void)
{
	int gone[2];
	char byte;

	if (pipe(gone))
		rd_broken("pipe");
	mortal_spare_next();
	if (rd_child())
		kill(getpid(), SIGKILL);
	close(gone[1]);
	while (read(gone[0], &byte, 1) < 0)
		;
	close(gone[0]);
}

/* What is done in a child that is killed, and in its child until that ends. */
static void in_doomed(struct rd *r, void (*act)(struct rd *r))
{
	int ended[2];
	char byte;
	pid_t pid;

	if (pipe(ended))
		rd_broken("pipe");
	pid = rd_child();
	if (!pid) {
		act(r);
		exit(0);
	}
	close(ended[1]);
	rd_await_child(pid);
	while (read(ended[0], &byte, 1) < 0)
		;
}

static void watch_and_take(struct rd *r, struct rd_watch *w)
{
	struct rd_take t;

	rd_take(r, w, 5, &t);
	rd_say_take(r, &t, r->delay_ms);
}

/* The child waits in the set of both. */
static void wait_in_inherited_set(struct rd *r)
{
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, EPOLL_LT, r->fd, POLLIN);
	rd_hold(r, 5);
	outlive_parent();
	watch_and_take(r, &w);
}

void case_inherited_set_killed(struct rd *r)
{
	in_doomed(r, wait_in_inherited_set);
}

/* The same before anything has arrived, in that set or one of its own. */
static void arrive_after_death(struct rd *r, bool own)
{
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, EPOLL_LT, r->fd, POLLIN);
	outlive_parent();
	if (own) {
		rd_watch_end(&w);
		rd_watch(&w, EPOLL_LT, r->fd, POLLIN);
	} else {
		rd_watch_wait(&w, 50); /* it has waited by now */
	}
	rd_hold(r, 5);
	watch_and_take(r, &w);
}

static void arrive_in_own_set(struct rd *r)
{
	arrive_after_death(r, true);
}

static void arrive_in_inherited_set(struct rd *r)
{
	arrive_after_death(r, false);
}

void case_parent_killed(struct rd *r)
{
	in_doomed(r, arrive_in_own_set);
}

void case_parent_killed_set(struct rd *r)
{
	in_doomed(r, arrive_in_inherited_set);
}

/* Uses the rule up at its own connection, and has nothing to wait for then. */
static _Noreturn void use_up(struct rd *r, int fd, long conn)
{
	struct rd_watch w;

	rd_watch(&w, EPOLL_LT, fd, POLLIN);
	rd_peer(r, "send", conn, 5, r->real ? 100 : 0);
	say("child: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_result("child", recv(fd, (char[10]){0}, 10, MSG_DONTWAIT));
	rd_until(r, 300);
	_exit(0);
}

/*
 * Two processes have a connection that is armed for a rule; one of them uses it
 * up elsewhere.  The other has a rule of its own to wait for, and is told of
 * what arrives when that is over.
 */
void case_used_up_elsewhere(struct rd *r)
{
	struct rd_watch w;
	long second, third;
	int ep, two, three, go[2];
	char byte;
	pid_t pid;

	rd_open(r);
	two = rd_open_another(r, &second);
	three = rd_open_another(r, &third);
	r->t0 = rd_now();
	if (pipe(go))
		rd_broken("pipe");
	pid = rd_child();
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		use_up(r, two, second);
	}
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	rd_watch(&w, EPOLL_LT, three, POLLIN);
	rd_peer(r, "send", third, 5, r->real ? r->delay_ms : 0);
	if (write(go[1], "x", 1) != 1)
		rd_broken("pipe");
	rd_await_child(pid);
	say("third: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "third", rd_now(), r->delay_ms);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 5, 0);
	rd_say_event(r, "first", ep, 0);
}

/* ---- directions ---------------------------------------------------------- */

/* There is something to read all the time: OUT makes the edge. */
void case_send_hold_readable(struct rd *r)
{
	int ep;

	rd_open(r);
	rd_peer(r, "send", r->conn, 5, 0);
	rd_raw_await_queued(r->fd, 5);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLET, 1);
	say("registered: %s", rd_mask(event(ep, 0)));
	case_hold_sending(r);
	event(ep, 0); /* for real: of the room that was filled */
	say_result("send", send(r->fd, "abc", 3, MSG_NOSIGNAL | MSG_DONTWAIT));
	rd_say_event(r, "writable", ep, r->delay_ms);
	say_result("send", send(r->fd, "abc", 3, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* A short count means to this program that the next byte makes an edge. */
void case_recv_rate_short(struct rd *r)
{
	enum {
		N = 60000, /* more than is saved up */
		PIECE = 1000,
	};
	size_t n = 0, shorts = 0;
	int ep;

	rd_open(r);
	rd_peer(r, "send", r->conn, N, 0);
	rd_raw_await_queued(r->fd, N);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLET, 1);
	while (n < N && event(ep, RD_WAIT_MS)) {
		ssize_t got;

		do {
			got = rd_recv(r, r->fd, PIECE, 0);
			n += got > 0 ? (size_t)got : 0;
		} while (got == PIECE);
		shorts += got > 0;
	}
	note("%zu short counts", shorts);
	say("bytes: %zu", n);
}

/* Slower than a byte in the time that may be saved up. */
void case_recv_rate_slow(struct rd *r)
{
	struct rd_watch w;
	struct rd_take t;

	rd_open(r);
	rd_watch(&w, r->style, r->fd, POLLIN);
	r->t0 = rd_now();
	for (int i = 0; i < 5; i++)
		rd_peer(r, "send", r->conn, 1, r->real ? i * 100 : 0);
	rd_take(r, &w, 5, &t);
	say("bytes: %zu", t.n);
	say_at(r, "the last", t.last, r->delay_ms);
}
