/*
 * epoll.c - a held socket in poll and epoll sets: what programs do with them.
 */
#include "cases.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void say_silent(const char *what, int ep, int ms)
{
	struct epoll_event ev = {0};
	int n = epoll_wait(ep, &ev, 1, ms);

	say("%s: %s", what, n ? rd_mask(ev.events) : "silent");
}

/* ---- the other direction ------------------------------------------------- */

static void recv_hold_and_out(struct rd *r, unsigned extra)
{
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | extra, 7);
	rd_hold(r, 5);
	rd_say_event(r, "writable", ep, 0);
	say_result("send", send(r->fd, "abc", 3, 0));
	say("the peer has: %ld", rd_peer(r, "await", r->conn, 3, 0));
	say_at(r, "sent", rd_now(), 0);
}

void case_recv_hold_out_lt(struct rd *r)
{
	struct pollfd p = {.events = POLLIN | POLLOUT};

	recv_hold_and_out(r, 0);
	p.fd = r->fd;
	say_result("poll", poll(&p, 1, RD_WAIT_MS));
	say("poll: %s", rd_mask((unsigned)p.revents));
	say_at(r, "poll", rd_now(), 0);
	rd_take_all(r, r->fd, 5);
}

/* The edge of OUT comes once, and once more with that of IN. */
void case_recv_hold_out_et(struct rd *r)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned n = 0;

	rd_open(r);
	epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	rd_hold(r, 5);
	do {
		ev.events = 0;
		epoll_wait(ep, &ev, 1, RD_WAIT_MS);
		n++;
	} while (ev.events && !(ev.events & EPOLLIN));
	say("event: %s", rd_mask(ev.events));
	say_at(r, "event", rd_now(), r->delay_ms);
	say("events: %u", n);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_silent("then", ep, 30);
}

/* ---- registrations ------------------------------------------------------- */

void case_two_sets(struct rd *r)
{
	int one, two;

	rd_open(r);
	one = rd_set_with(r->fd, EPOLLIN, 42);
	two = rd_set_with(r->fd, EPOLLIN | EPOLLET, 42);
	rd_hold(r, 5);
	rd_say_event(r, "first set", one, r->delay_ms);
	rd_say_event(r, "second set", two, r->delay_ms);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_silent("first set", one, 30);
	say_silent("second set", two, 30);
}

static void say_ctl(const char *what, int ep, int op, int fd, unsigned events,
                    uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	say_result(what, epoll_ctl(ep, op, fd, &ev));
}

void case_ctl_errors(struct rd *r)
{
	int ep, closed, other;
	struct epoll_event ev = {.events = EPOLLIN};

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	other = epoll_create1(EPOLL_CLOEXEC);
	closed = dup(r->fd);
	close(closed);
	rd_hold(r, 5);
	say_ctl("ADD again", ep, EPOLL_CTL_ADD, r->fd, EPOLLIN, 2);
	say_ctl("MOD in another set", other, EPOLL_CTL_MOD, r->fd, EPOLLIN, 2);
	say_ctl("DEL in another set", other, EPOLL_CTL_DEL, r->fd, 0, 0);
	say_ctl("ADD of a closed one", ep, EPOLL_CTL_ADD, closed, EPOLLIN, 2);
	say_ctl("ADD to a closed set", closed, EPOLL_CTL_ADD, r->fd, EPOLLIN,
	        2);
	say_ctl("ADD to a socket", r->fd, EPOLL_CTL_ADD, ep, EPOLLIN, 2);
	say_ctl("an unknown operation", ep, 9, r->fd, EPOLLIN, 2);
	say_ctl("MOD with EXCLUSIVE", ep, EPOLL_CTL_MOD, r->fd,
	        EPOLLIN | EPOLLEXCLUSIVE, 2);
	say_result("a bad pointer",
	           epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, (void *)8));
	rd_say_event(r, "event", ep, r->delay_ms);
	say_result("DEL", epoll_ctl(ep, EPOLL_CTL_DEL, r->fd, &ev));
	say_result("DEL", epoll_ctl(ep, EPOLL_CTL_DEL, r->fd, NULL));
}

/* The program changes what it has asked for while it is held. */
void case_mod_parked(struct rd *r)
{
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	rd_hold(r, 5);
	say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLIN | EPOLLOUT, 2);
	rd_say_event(r, "writable", ep, 0);
	say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLIN | EPOLLRDHUP, 3);
	say_silent("at 50 ms", ep, 50);
	rd_say_event(r, "readable", ep, r->delay_ms);
	say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLOUT, 4);
	rd_say_event(r, "writable", ep, r->delay_ms);
}

/* A mask without IN that gets it, and one that loses it. */
void case_mod_mask(struct rd *r)
{
	int gets, loses;

	rd_open(r);
	gets = rd_set_with(r->fd, 0, 1);
	loses = rd_set_with(r->fd, EPOLLIN, 2);
	rd_hold(r, 5);
	say_ctl("MOD", gets, EPOLL_CTL_MOD, r->fd, EPOLLIN, 3);
	say_ctl("MOD", loses, EPOLL_CTL_MOD, r->fd, 0, 4);
	say_silent("at 50 ms", gets, 50);
	rd_say_event(r, "the one that gets it", gets, r->delay_ms);
	say_silent("the one that loses it", loses, 50);
}

void case_del_parked(struct rd *r)
{
	int ep, later;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	rd_hold(r, 5);
	say_ctl("DEL", ep, EPOLL_CTL_DEL, r->fd, 0, 0);
	later = rd_set_with(r->fd, EPOLLIN | EPOLLET, 2);
	rd_say_event(r, "added during the hold", later, r->delay_ms);
	say_silent("taken out", ep, 30);
	say_ctl("ADD", ep, EPOLL_CTL_ADD, r->fd, EPOLLIN, 3);
	rd_say_event(r, "added again", ep, r->delay_ms);
}

/*
 * The set is shared with a child, which was made during the hold; what the
 * child changes when it is over is changed.
 */
void case_changed_by_child(struct rd *r)
{
	int ep, other;
	pid_t pid;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN, 1);
	other = rd_set_with(r->fd, EPOLLIN, 3);
	rd_hold(r, 5);
	say_silent("held", ep, 0);
	pid = fork();
	if (pid < 0)
		rd_broken("fork");
	if (!pid) {
		/* It has not noticed the hold: it has asked for nothing. */
		rd_until(r, r->delay_ms + 50);
		say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLIN | EPOLLOUT, 2);
		rd_say_event(r, "changed", ep, r->delay_ms + 50);
		say_ctl("DEL", ep, EPOLL_CTL_DEL, r->fd, 0, 0);
		say_silent("taken out", ep, 30);
		say_ctl("DEL", other, EPOLL_CTL_DEL, r->fd, 0, 0);
		say_silent("taken out", other, 30);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	say_silent("in the parent", ep, 30);
}

/* One that fires for what is not held is disarmed, and stays it. */
void case_oneshot_stays(struct rd *r)
{
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1);
	rd_hold(r, 5);
	rd_say_event(r, "writable", ep, 0);
	say_silent("fired", ep, r->delay_ms + RD_SLACK_MS);
	say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLIN | EPOLLONESHOT, 2);
	rd_say_event(r, "readable", ep, r->delay_ms + RD_SLACK_MS);
	say_silent("fired", ep, 30);
}

/* The same when it could not fire again: there is no room to write. */
void case_oneshot_full(struct rd *r)
{
	char buf[1 << 14] = {0};
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1);
	rd_hold(r, 5);
	rd_say_event(r, "writable", ep, 0);
	while (send(r->fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
		;
	say_silent("fired", ep, r->delay_ms + RD_SLACK_MS);
	say_ctl("MOD", ep, EPOLL_CTL_MOD, r->fd, EPOLLIN | EPOLLONESHOT, 2);
	rd_say_event(r, "readable", ep, r->delay_ms + RD_SLACK_MS);
}

/* It has finished itself: with the FIN, which is held, comes HUP. */
void case_finished(struct rd *r)
{
	int ep;

	rd_open(r);
	ep = rd_set_with(r->fd, EPOLLIN | EPOLLPRI, 1);
	say_result("shutdown", shutdown(r->fd, SHUT_WR));
	r->t0 = rd_now();
	rd_peer(r, "fin", r->conn, 0, r->real ? r->delay_ms : 0);
	if (!r->real)
		rd_raw_await_state(r->fd, TCP_CLOSE);
	rd_provoke(r);
	rd_say_event(r, "the end", ep, r->delay_ms);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* By system calls that no library sees: one of libc's, one by hand. */
static void raw_registration(struct rd *r, bool by_hand, bool ends)
{
	struct epoll_event ev = {.events = EPOLLIN,
	                         .data.u64 = 0xfedcba9876543210};
	struct rd_watch w = {.style = EPOLL_LT, .want = POLLIN};
	struct rd_take t;
	double cpu;

	rd_open(r);
	w.fd = r->fd;
	w.ep = epoll_create1(EPOLL_CLOEXEC);
	if (by_hand ? rd_raw(SYS_epoll_ctl, w.ep, EPOLL_CTL_ADD, r->fd,
	                     (long)&ev, 0)
	            : syscall(SYS_epoll_ctl, w.ep, EPOLL_CTL_ADD, r->fd, &ev))
		rd_broken("epoll_ctl");
	cpu = rd_cpu_ms();
	if (ends)
		rd_hold_fin(r);
	else
		rd_hold(r, 5);
	rd_take(r, &w, ends ? 0 : 5, &t);
	/* Unseen, it is found when the socket keeps being read. */
	r->trigger = CALL;
	if (ends)
		note("early events: %u", t.early);
	else
		rd_say_take(r, &t, r->delay_ms);
	rd_say_spin(cpu);
	if (!ends)
		rd_peer(r, "send", r->conn, 3, 0);
	rd_say_event(r, "more", w.ep, r->delay_ms);
}

void case_raw_asm(struct rd *r)
{
	raw_registration(r, true, false);
}

/* No low-water mark hides a FIN: the registration has to be found. */
void case_raw_fin(struct rd *r)
{
	raw_registration(r, true, true);
}

void case_raw_syscall(struct rd *r)
{
	raw_registration(r, false, false);
}

void case_nested(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};
	int inner, level, edge;

	rd_open(r);
	inner = rd_set_with(r->fd, EPOLLIN, 1);
	level = rd_set_with(inner, EPOLLIN, 2);
	edge = rd_set_with(inner, EPOLLIN | EPOLLET, 3);
	rd_hold(r, 5);
	say_silent("level", level, 0);
	p.fd = inner;
	say_result("poll", poll(&p, 1, RD_WAIT_MS));
	say_at(r, "poll", rd_now(), r->delay_ms);
	rd_say_event(r, "level", level, r->delay_ms);
	rd_say_event(r, "edge", edge, r->delay_ms);
	rd_say_event(r, "inner", inner, r->delay_ms);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_silent("level", level, 0);
}

/*
 * A connect that is late is made anew when its time has come, under the eyes of
 * a program that keeps asking.
 */
void case_connects_asked(struct rd *r)
{
	int port = (int)rd_peer(r, "listen", 256, 0, 0);
	unsigned other = 0;
	struct sockaddr_storage sa;
	socklen_t len;

	rd_loopback(r->family, port, &sa, &len);
	for (int i = 0; i < 200; i++) {
		int fd = socket(r->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct epoll_event ev = {0};
		int ep;

		connect(fd, (struct sockaddr *)&sa, len);
		ep = rd_set_with(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1);
		while (epoll_wait(ep, &ev, 1, 0) == 0)
			;
		if (ev.events != EPOLLOUT) {
			other++;
			note("an event: %s", rd_mask(ev.events));
		}
		close(ep);
		close(fd);
	}
	say("other events than OUT: %u", other);
}

/* ---- threads that wait already ------------------------------------------- */

struct waiter {
	int ep;
	pthread_t id;
	_Atomic int tid;
	int n;
	uint64_t at;
	int ms;
};

static void *wait_once(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev;

	atomic_store(&w->tid, gettid());
	w->n = epoll_wait(w->ep, &ev, 1, w->ms);
	w->at = rd_now();
	return NULL;
}

static void start_waiter(struct waiter *w, int ep, int ms)
{
	*w = (struct waiter){.ep = ep, .ms = ms};
	if (pthread_create(&w->id, NULL, wait_once, w))
		rd_broken("pthread_create");
	while (!atomic_load(&w->tid))
		sched_yield();
	rd_await_asleep(w->tid);
}

void case_already_waiting(struct rd *r)
{
	struct waiter level, edge;

	rd_open(r);
	start_waiter(&level, rd_set_with(r->fd, EPOLLIN, 1), RD_WAIT_MS);
	start_waiter(&edge, rd_set_with(r->fd, EPOLLIN | EPOLLET, 1),
	             RD_WAIT_MS);
	rd_hold(r, 5);
	pthread_join(level.id, NULL);
	pthread_join(edge.id, NULL);
	say("events: %d %d", level.n, edge.n);
	say_at(r, "level", level.at, r->delay_ms);
	say_at(r, "edge", edge.at, r->delay_ms);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* The set is empty when the thread goes to sleep in it. */
void case_added_to_waiting(struct rd *r)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct waiter w;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	rd_open(r);
	start_waiter(&w, ep, RD_WAIT_MS);
	rd_hold(r, 5);
	epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev);
	pthread_join(w.id, NULL);
	say("events: %d", w.n);
	say_at(r, "event", w.at, r->delay_ms);
}

/* Of three sets with a sleeper each, one is woken for one arrival. */
void case_exclusive(struct rd *r)
{
	struct waiter w[3];
	int woken = 0;

	rd_open(r);
	for (int i = 0; i < 3; i++)
		start_waiter(&w[i],
		             rd_set_with(r->fd, EPOLLIN | EPOLLEXCLUSIVE, 1),
		             r->delay_ms + 3 * RD_SLACK_MS);
	rd_hold(r, 5);
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i].id, NULL);
		/* One that slept to its end finds the data as well. */
		if (rd_ms(r, w[i].at) < r->delay_ms + 2 * RD_SLACK_MS) {
			woken++;
			say_at(r, "woken", w[i].at, r->delay_ms);
		}
	}
	say("woken: %d", woken);
}

/* ---- poll ---------------------------------------------------------------- */

void case_poll_twice(struct rd *r)
{
	struct pollfd p[3] = {{.events = POLLIN},
	                      {.events = POLLIN | POLLRDHUP},
	                      {.fd = -1, .events = POLLIN}};
	int n;

	rd_open(r);
	p[0].fd = p[1].fd = r->fd;
	rd_hold(r, 5);
	n = poll(p, 3, RD_WAIT_MS);
	say("poll: %d, %s", n, rd_mask((unsigned)p[0].revents));
	say("second: %s", rd_mask((unsigned)p[1].revents));
	say("negative: %s", rd_mask((unsigned)p[2].revents));
	say_at(r, "poll", rd_now(), r->delay_ms);
}

void case_poll_twice_out(struct rd *r)
{
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLOUT}};
	int n;

	rd_open(r);
	p[0].fd = p[1].fd = r->fd;
	rd_hold(r, 5);
	n = poll(p, 2, RD_WAIT_MS);
	say("poll: %d, %s", n, rd_mask((unsigned)p[0].revents));
	say("second: %s", rd_mask((unsigned)p[1].revents));
	say_at(r, "poll", rd_now(), 0);
}

/* Another descriptor is ready while this one is held, and time-outs hold. */
void case_poll_others(struct rd *r)
{
	struct pollfd p[3] = {{.events = POLLIN}, {.events = POLLIN}};
	int pair[2], n;

	rd_open(r);
	if (pipe(pair) || write(pair[1], "x", 1) != 1)
		rd_broken("pipe");
	p[0].fd = r->fd;
	p[1].fd = pair[0];
	rd_hold(r, 5);
	n = poll(p, 2, RD_WAIT_MS);
	say("poll: %d, %s", n, rd_mask((unsigned)p[0].revents));
	say("the pipe: %s", rd_mask((unsigned)p[1].revents));
	say_at(r, "poll", rd_now(), 0);
	r->t0 = rd_now();
	n = poll(p, 1, 40);
	say("poll: %d, %s", n, rd_mask((unsigned)p[0].revents));
	say_at(r, "time-out", rd_now(), 40);
	n = poll(p, 1, 0);
	say("poll: %d, %s", n, rd_mask((unsigned)p[0].revents));
}

/*
 * select(2): the time that is left is written back; a closed descriptor in a
 * set is refused.
 */
void case_select_left(struct rd *r)
{
	struct timeval t = {.tv_usec = 40000};
	fd_set in;
	int closed;

	rd_open(r);
	closed = dup(r->fd);
	close(closed);
	rd_hold(r, 5);
	FD_ZERO(&in);
	FD_SET(r->fd, &in);
	say_result("select", select(r->fd + 1, &in, NULL, NULL, &t));
	say("left: %ld.%06ld s", (long)t.tv_sec, (long)t.tv_usec);
	FD_SET(r->fd, &in);
	FD_SET(closed, &in);
	t.tv_usec = 40000;
	say_result("with a closed one",
	           select(closed + 1, &in, NULL, NULL, &t));
	FD_ZERO(&in);
	FD_SET(r->fd, &in);
	t = (struct timeval){.tv_sec = 100};
	say_result("select", select(r->fd + 1, &in, NULL, NULL, &t));
	say_at(r, "select", rd_now(), r->delay_ms);
	say("left: %s", t.tv_sec == 99 ? "what is left" : "something else");
}

/* poll sleeps while the reset ends the hold before its time. */
void case_poll_ends_early(struct rd *r)
{
	struct pollfd p = {.events = POLLIN};
	int n;

	rd_open(r);
	p.fd = r->fd;
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 5, r->real ? 50 : 0);
	rd_peer(r, "reset", r->conn, 0, r->real ? 51 : 50);
	if (!r->real)
		rd_raw_await_queued(r->fd, 5);
	rd_provoke(r);
	n = poll(&p, 1, RD_WAIT_MS);
	say("poll: %d, %s", n,
	    p.revents & POLLIN ? "readable" : rd_mask((unsigned)p.revents));
	say_at(r, "poll", rd_now(), 50);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* Another thread shuts the socket down while it is polled. */
struct shutter {
	struct rd *r;
	pthread_t id;
};

static void *shut_at_50(void *arg)
{
	struct shutter *s = arg;

	rd_until(s->r, 50);
	shutdown(s->r->fd, SHUT_RD);
	return NULL;
}

static void shut_while_waiting(struct rd *r, enum rd_style style)
{
	struct shutter s = {.r = r};
	struct rd_watch w;

	rd_open(r);
	rd_watch(&w, style, r->fd, POLLIN | POLLRDHUP);
	rd_hold(r, 5);
	if (pthread_create(&s.id, NULL, shut_at_50, &s))
		rd_broken("pthread_create");
	say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "event", rd_now(), 50);
	pthread_join(s.id, NULL);
	say_result("receive", rd_recv(r, r->fd, 10, MSG_DONTWAIT));
}

void case_shut_polled(struct rd *r)
{
	shut_while_waiting(r, POLL);
}

void case_shut_epolled(struct rd *r)
{
	shut_while_waiting(r, EPOLL_LT);
}
