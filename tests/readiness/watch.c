/*
 * watch.c - waiting for readiness in the style of the run, and taking what has
 * come.  Two threads of a run share its counts under one mutex; the receive is
 * made under it too, so that the order of the bytes can be checked.
 */
#include "ready.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/select.h>

enum {
	TIMEOUT_MS = 50,
	TIMEOUT_SLACK_MS = 60,
};

/* What this thread's events say: never a socket's number. */
static const uint64_t wake_up = UINT64_MAX;

enum rd_style rd_style(const struct rd *r)
{
	return r->style == ANY_STYLE ? EPOLL_LT : r->style;
}

static unsigned extra(enum rd_style style)
{
	return style == EPOLL_ET          ? EPOLLET
	       : style == ONESHOT_THREADS ? EPOLLONESHOT
	                                  : 0;
}

void rd_watch(struct rd_watch *w, enum rd_style style, int fd, unsigned want)
{
	struct epoll_event ev = {.events = want | extra(style),
	                         .data.u64 = (uint64_t)fd};

	*w = (struct rd_watch){
		.style = style, .ep = -1, .fd = fd, .want = want};
	if (style < EPOLL_LT)
		return;
	w->ep = epoll_create1(EPOLL_CLOEXEC);
	if (w->ep < 0 || epoll_ctl(w->ep, EPOLL_CTL_ADD, fd, &ev))
		rd_broken("epoll_ctl ADD");
}

void rd_watch_end(struct rd_watch *w)
{
	if (w->ep >= 0)
		close(w->ep);
	w->ep = -1;
}

static void rearm(struct rd_watch *w)
{
	struct epoll_event ev = {.events = w->want | EPOLLONESHOT,
	                         .data.u64 = (uint64_t)w->fd};

	if (w->style == ONESHOT_THREADS &&
	    epoll_ctl(w->ep, EPOLL_CTL_MOD, w->fd, &ev))
		rd_broken("epoll_ctl MOD");
}

static unsigned wait_select(const struct rd_watch *w, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	fd_set in, out;
	int n;

	FD_ZERO(&in);
	FD_ZERO(&out);
	if (w->want & POLLIN)
		FD_SET(w->fd, &in);
	if (w->want & POLLOUT)
		FD_SET(w->fd, &out);
	n = select(w->fd + 1, &in, &out, NULL, &tv);
	if (n < 0)
		rd_broken("select");
	return (unsigned)((FD_ISSET(w->fd, &in) ? POLLIN : 0) |
	                  (FD_ISSET(w->fd, &out) ? POLLOUT : 0));
}

static unsigned wait_poll(const struct rd_watch *w, int ms)
{
	struct pollfd p = {.fd = w->fd, .events = (short)w->want};

	if (poll(&p, 1, ms) < 0)
		rd_broken("poll");
	return (unsigned)p.revents;
}

static unsigned wait_epoll(const struct rd_watch *w, int ms)
{
	struct epoll_event ev = {0};

	if (epoll_wait(w->ep, &ev, 1, ms) < 0)
		rd_broken("epoll_wait");
	return ev.data.u64 == wake_up ? 0 : ev.events;
}

/* Each time-out is kept: never early, and not much later. */
static unsigned wait_50ms(struct rd_watch *w, int ms)
{
	for (int waited = 0; waited < ms; waited += TIMEOUT_MS) {
		uint64_t begin = rd_now();
		unsigned mask = wait_epoll(w, TIMEOUT_MS);
		double took = (double)(rd_now() - begin) / 1e6;

		if (mask)
			return mask;
		w->early += took < TIMEOUT_MS;
		w->late += took > TIMEOUT_MS + TIMEOUT_SLACK_MS;
	}
	return 0;
}

unsigned rd_watch_wait(struct rd_watch *w, int ms)
{
	switch (w->style) {
	case SELECT:
		return wait_select(w, ms);
	case EPOLL_50MS:
		return wait_50ms(w, ms);
	case BLOCKING:
	case POLL:
		return wait_poll(w, ms);
	case EPOLL_LT:
	case EPOLL_ET:
	case LT_THREADS:
	case ONESHOT_THREADS:
	case ANY_STYLE:
	case N_STYLES:
		break;
	}
	return wait_epoll(w, ms);
}

/* ---- one event of a set -------------------------------------------------- */

int rd_set_with(int fd, unsigned events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		rd_broken("epoll_ctl ADD");
	return ep;
}

void rd_say_event(struct rd *r, const char *what, int ep, int expected_ms)
{
	struct epoll_event ev = {0};
	int n = epoll_wait(ep, &ev, 1, RD_WAIT_MS);
	char text[80];

	say("%s: %s, data %ju", what, n ? rd_mask(ev.events) : "no event",
	    (uintmax_t)ev.data.u64);
	snprintf(text, sizeof(text), "%s at its time", what);
	say_at(r, text, rd_now(), expected_ms);
}

/* ---- taking -------------------------------------------------------------- */

struct loop {
	struct rd *r;
	struct rd_watch *w;
	struct rd_take *t;
	size_t n;
	pthread_mutex_t lock;
	_Atomic bool done;
	int bell; /* eventfd, in the epoll set: the other thread ends too */
};

/* One receive; true if another may bring more. */
static bool receive(struct loop *l)
{
	struct rd_take *t = l->t;
	ssize_t n = rd_recv(l->r, l->w->fd, 1 << 16, 0);

	if (n > 0) {
		if (!t->first)
			t->first = rd_now();
		t->last = rd_now();
		t->n += (size_t)n;
		return true;
	}
	if (n == 0) {
		t->eof = true;
		t->ended = rd_now();
	} else if (errno != EAGAIN) {
		t->err = errno;
		t->ended = rd_now();
	}
	return false;
}

static bool is_done(const struct loop *l)
{
	return l->t->eof || l->t->err || (l->n && l->t->n >= l->n);
}

/* What an event brings: all of it (edges), or one receive. */
static void take_event(struct loop *l)
{
	struct rd *r = l->r;
	uint64_t at = rd_now();
	size_t before = l->t->n;

	if (is_done(l))
		return;
	l->t->events++;
	while (receive(l) && l->w->style == EPOLL_ET && !is_done(l))
		;
	if (l->t->n == before && !l->t->eof && !l->t->err &&
	    rd_ms(r, at) < r->delay_ms)
		l->t->early++;
}

static void end_other(struct loop *l)
{
	uint64_t one = 1;

	atomic_store(&l->done, true);
	if (l->bell >= 0 && write(l->bell, &one, sizeof(one)) < 0)
		rd_broken("eventfd");
}

static void *run(void *arg)
{
	struct loop *l = arg;

	while (!atomic_load(&l->done)) {
		unsigned mask = rd_watch_wait(l->w, RD_WAIT_MS);

		if (!mask) {
			end_other(l);
			break;
		}
		pthread_mutex_lock(&l->lock);
		take_event(l);
		if (is_done(l))
			end_other(l);
		else
			rearm(l->w);
		pthread_mutex_unlock(&l->lock);
	}
	return NULL;
}

static void run_two(struct loop *l)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = wake_up};
	pthread_t other;

	l->bell = eventfd(0, EFD_CLOEXEC);
	if (epoll_ctl(l->w->ep, EPOLL_CTL_ADD, l->bell, &ev) ||
	    pthread_create(&other, NULL, run, l))
		rd_broken("two threads");
	run(l);
	pthread_join(other, NULL);
	close(l->bell);
}

void rd_take(struct rd *r, struct rd_watch *w, size_t n, struct rd_take *ret)
{
	struct loop l = {
		.r = r,
		.w = w,
		.t = ret,
		.n = n,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.bell = -1,
	};

	*ret = (struct rd_take){0};
	if (w->style == BLOCKING)
		while (!is_done(&l) && (receive(&l) || !ret->eof))
			;
	else if (w->style == LT_THREADS || w->style == ONESHOT_THREADS)
		run_two(&l);
	else
		run(&l);
}

void rd_say_early(const struct rd *r, unsigned early)
{
	unsigned allowed = r->trigger == CALL ? 2 : 0;

	note("%u events that were too early", early);
	if (early <= allowed)
		say("early events: few enough");
	else
		say("early events: %u", early);
}

void rd_say_take(struct rd *r, const struct rd_take *t, int expected_ms)
{
	note("%u events", t->events);
	rd_say_early(r, t->early);
	say("bytes: %zu", t->n);
	if (t->n)
		say_at(r, "first byte", t->first, expected_ms);
	if (t->eof || t->err)
		say_at(r, t->eof ? "end" : rd_errno(t->err), t->ended,
		       expected_ms);
}

void rd_take_all(struct rd *r, int fd, size_t n)
{
	struct rd_watch w;
	struct rd_take t;

	rd_watch(&w, rd_style(r), fd, POLLIN | POLLRDHUP);
	rd_take(r, &w, n, &t);
	rd_say_take(r, &t, r->delay_ms);
	rd_watch_end(&w);
}
