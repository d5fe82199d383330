/*
 * stress.c - many connections at once, each end read and written in a way of
 * its own: blocking threads, poll, select, epoll level- and edge-triggered,
 * one-shot with two threads.  Both directions at the same time, in pieces of
 * odd lengths; both ends shut down when they have sent all.
 *
 *   stress SECONDS [SEED]
 *
 * Rounds until the time is over.  Each byte is checked by its place.  Exit 1
 * and who is stuck: a wrong byte, or a round that took longer than LIMIT_S.
 * The last line of the output: rounds, and processor time in per cent.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	N_BYTES = 24000,
	PIECE = 4096,
	PER_STYLE = 4, /* connections */
	LIMIT_S = 20,
};

enum style {
	BLOCKING,
	POLL,
	SELECT,
	LEVEL,
	EDGE,
	ONESHOT,
	N_STYLES
};
static const char *const names[] = {"blocking", "poll", "select",
                                    "level",    "edge", "oneshot"};

enum {
	N_LINKS = N_STYLES * PER_STYLE,
	N_ENDS = 2 * N_LINKS,
};

struct end {
	int fd, epfd;
	_Atomic int *left; /* of its loop: ends that are not done */
	enum style style;
	uint8_t sends, gets; /* which stream */
	_Atomic unsigned sent, got;
	_Atomic bool shut, over; /* all sent; the end of file is here */
	_Atomic unsigned busy;   /* one-shot: never two at once */
};
static struct end ends[N_ENDS];
static unsigned seed;

static void die(const char *what)
{
	perror(what);
	_exit(2);
}

static void wrong(const struct end *e, const char *what)
{
	dprintf(1, "wrong: %s, end %d (%s): sent %u, got %u, errno %s\n", what,
	        (int)(e - ends), names[e->style], e->sent, e->got,
	        strerrorname_np(errno));
	_exit(1);
}

static uint8_t byte_at(uint8_t stream, unsigned at)
{
	return (uint8_t)(at * 7 + (at >> 8) * 13 + stream * 31);
}

static size_t piece(unsigned at, unsigned left)
{
	unsigned n = 1 + (at * 2654435761u + seed) % PIECE;

	return n < left ? n : left;
}

/* --- one call, and what follows ------------------------------------------- */

/* false: it would block; or the end has nothing left to send. */
static bool send_some(struct end *e)
{
	uint8_t buf[PIECE];
	unsigned at = e->sent;
	size_t n = piece(at, N_BYTES - at);
	ssize_t r;

	if (e->shut)
		return false;
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(e->sends, at + (unsigned)i);
	r = send(e->fd, buf, n, MSG_NOSIGNAL);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (r <= 0)
		wrong(e, "send");
	e->sent = at + (unsigned)r;
	if (e->sent < N_BYTES)
		return true;
	e->shut = true;
	if (shutdown(e->fd, SHUT_WR))
		wrong(e, "shutdown");
	return false;
}

static bool recv_some(struct end *e)
{
	uint8_t buf[PIECE];
	unsigned at = e->got;
	ssize_t r;

	if (e->over)
		return false;
	r = recv(e->fd, buf, piece(at, PIECE), 0);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (r < 0)
		wrong(e, "recv");
	for (ssize_t i = 0; i < r; i++)
		if (buf[i] != byte_at(e->gets, at + (unsigned)i))
			wrong(e, "a byte");
	e->got = at + (unsigned)r;
	if (!r && e->got != N_BYTES)
		wrong(e, "the end of file");
	e->over = !r;
	return r;
}

static bool done(struct end *e)
{
	return e->shut && e->over;
}

static void is_over(struct end *e)
{
	if (e->left)
		--*e->left;
}

/* --- the styles ----------------------------------------------------------- */

static void *block_send(void *arg)
{
	struct end *e = arg;

	while (!e->shut)
		send_some(e);
	return NULL;
}

static void *block_recv(void *arg)
{
	struct end *e = arg;

	while (!e->over)
		recv_some(e);
	return NULL;
}

static short wants(struct end *e)
{
	return (short)((e->over ? 0 : POLLIN) | (e->shut ? 0 : POLLOUT));
}

static int mine(enum style style, struct end *ret[])
{
	int n = 0;

	for (int i = 0; i < N_ENDS; i++)
		if (ends[i].style == style)
			ret[n++] = &ends[i];
	return n;
}

static void serve(struct end *e, bool in, bool out)
{
	bool before = done(e);

	if (in)
		recv_some(e);
	if (out)
		send_some(e);
	if (done(e) && !before)
		is_over(e);
}

static void *loop_poll(void *arg)
{
	struct end *my[N_ENDS];
	struct pollfd p[N_ENDS];
	int n = mine(POLL, my), left;

	(void)arg;
	do {
		left = 0;
		for (int i = 0; i < n; i++) {
			p[i].fd = done(my[i]) ? -1 : my[i]->fd;
			p[i].events = wants(my[i]);
			p[i].revents = 0;
		}
		if (poll(p, (nfds_t)n, 1000) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < n; i++) {
			if (p[i].fd >= 0 && p[i].revents)
				serve(my[i], p[i].revents & (POLLIN | POLLHUP),
				      p[i].revents & POLLOUT);
			left += !done(my[i]);
		}
	} while (left);
	return NULL;
}

static void *loop_select(void *arg)
{
	struct end *my[N_ENDS];
	int n = mine(SELECT, my), left;

	(void)arg;
	do {
		struct timeval t = {1, 0};
		fd_set in, out;
		int top = -1, got;

		FD_ZERO(&in);
		FD_ZERO(&out);
		for (int i = 0; i < n; i++) {
			if (!my[i]->over)
				FD_SET(my[i]->fd, &in);
			if (!my[i]->shut)
				FD_SET(my[i]->fd, &out);
			if (my[i]->fd > top)
				top = my[i]->fd;
		}
		got = select(top + 1, &in, &out, NULL, &t);
		if (got < 0 && errno != EINTR)
			die("select");
		left = 0;
		for (int i = 0; i < n; i++) {
			if (got > 0)
				serve(my[i], FD_ISSET(my[i]->fd, &in),
				      FD_ISSET(my[i]->fd, &out));
			left += !done(my[i]);
		}
	} while (left);
	return NULL;
}

static uint32_t events_of(struct end *e)
{
	uint32_t in = e->over ? 0 : EPOLLIN | EPOLLRDHUP;
	uint32_t out = e->shut ? 0 : EPOLLOUT;

	if (e->style == EDGE)
		return EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET;
	return in | out | (e->style == ONESHOT ? EPOLLONESHOT : 0);
}

static void ctl(struct end *e, int op)
{
	struct epoll_event ev = {.events = events_of(e), .data.ptr = e};

	if (epoll_ctl(e->epfd, op, e->fd, &ev))
		wrong(e, "epoll_ctl");
}

static void on_event(struct end *e, uint32_t events)
{
	bool shut = e->shut, over = e->over, before = done(e);

	if (e->style == ONESHOT && e->busy++)
		wrong(e, "two at once");
	if (e->style == EDGE) {
		while (recv_some(e))
			;
		while (send_some(e))
			;
		if (done(e) && !before)
			is_over(e);
	} else {
		serve(e, events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP),
		      events & EPOLLOUT);
	}
	if (e->style == ONESHOT)
		e->busy--;
	if (done(e))
		epoll_ctl(e->epfd, EPOLL_CTL_DEL, e->fd, NULL);
	else if (e->style == ONESHOT ||
	         (e->style == LEVEL && (e->shut != shut || e->over != over)))
		ctl(e, EPOLL_CTL_MOD);
}

struct epoll_loop {
	int epfd;
	_Atomic int left;
};

static void *loop_epoll(void *arg)
{
	struct epoll_loop *l = arg;
	struct epoll_event ev[8];

	while (l->left) {
		int n = epoll_wait(l->epfd, ev, 8, 20);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			on_event(ev[i].data.ptr, ev[i].events);
	}
	return NULL;
}

/* --- a round -------------------------------------------------------------- */

static void start(pthread_t *t, void *(*run)(void *), void *arg)
{
	if (pthread_create(t, NULL, run, arg))
		die("pthread_create");
}

/* Connections, the listener closed again. */
static void connect_all(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&a, len) ||
	    listen(listener, N_LINKS) ||
	    getsockname(listener, (struct sockaddr *)&a, &len))
		die("listen");
	for (int i = 0; i < N_LINKS; i++) {
		struct end *client = &ends[2 * i], *server = client + 1;

		client->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (client->fd < 0 ||
		    connect(client->fd, (struct sockaddr *)&a, len))
			die("connect");
		while ((server->fd = accept(listener, NULL, NULL)) < 0)
			if (errno != EAGAIN && errno != EINTR)
				die("accept");
		client->style = (enum style)(i % N_STYLES);
		server->style = (enum style)((unsigned)rand() % N_STYLES);
		client->sends = server->gets = (uint8_t)(2 * i);
		server->sends = client->gets = (uint8_t)(2 * i + 1);
	}
	close(listener);
}

static void set_up_epoll(struct epoll_loop *l, enum style style)
{
	struct end *my[N_ENDS];

	int n = mine(style, my);

	l->left = n;
	l->epfd = epoll_create1(0);
	for (int i = 0; i < n; i++) {
		my[i]->epfd = l->epfd;
		my[i]->left = &l->left;
		ctl(my[i], EPOLL_CTL_ADD);
	}
}

static void unblock(void)
{
	for (int i = 0; i < N_ENDS; i++)
		if (ends[i].style != BLOCKING) {
			int on = 1;

			if (ioctl(ends[i].fd, FIONBIO, &on))
				die("FIONBIO");
		}
}

static void round_of(void)
{
	struct epoll_loop level, edge, oneshot;
	pthread_t t[2 * N_ENDS + 8];
	int n = 0;

	memset(ends, 0, sizeof(ends));
	alarm(LIMIT_S);
	connect_all();
	unblock();
	set_up_epoll(&level, LEVEL);
	set_up_epoll(&edge, EDGE);
	set_up_epoll(&oneshot, ONESHOT);
	for (int i = 0; i < N_ENDS; i++) {
		if (ends[i].style != BLOCKING)
			continue;
		start(&t[n++], block_send, &ends[i]);
		start(&t[n++], block_recv, &ends[i]);
	}
	start(&t[n++], loop_poll, NULL);
	start(&t[n++], loop_select, NULL);
	start(&t[n++], loop_epoll, &level);
	start(&t[n++], loop_epoll, &edge);
	start(&t[n++], loop_epoll, &oneshot);
	start(&t[n++], loop_epoll, &oneshot);
	while (n)
		pthread_join(t[--n], NULL);
	for (int i = 0; i < N_ENDS; i++)
		close(ends[i].fd);
	close(level.epfd);
	close(edge.epfd);
	close(oneshot.epfd);
	alarm(0);
}

static void stuck(int signal)
{
	(void)signal;
	for (int i = 0; i < N_ENDS; i++)
		if (!done(&ends[i]))
			dprintf(1,
			        "stuck: end %d fd %d (%s, peer %s): sent %u%s, "
			        "got %u%s\n",
			        i, ends[i].fd, names[ends[i].style],
			        names[ends[i ^ 1].style], ends[i].sent,
			        ends[i].shut ? " shut" : "", ends[i].got,
			        ends[i].over ? " over" : "");
	if (getenv("STRESS_PAUSE"))
		pause();
	_exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double end = now() + (argc > 1 ? atof(argv[1]) : 1), begin = now();
	unsigned rounds = 0;
	struct rusage u;

	seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	srand(seed);
	signal(SIGALRM, stuck);
	do {
		seed++;
		round_of();
		rounds++;
	} while (now() < end);
	getrusage(RUSAGE_SELF, &u);
	printf("%u rounds, %.0f%% of a processor, %.1f s, %ld kB\n", rounds,
	       ((double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
	        (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6) /
	               (now() - begin) * 100,
	       now() - begin, u.ru_maxrss);
	return 0;
}
