/*
 * peer.c - the sockets of a scripted program, and its loop.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/machine.h"
#include "runner/peer_internal.h"

enum {
	BACKLOG = 4096,
	N_EVENTS = 64,
	FILL_MS = 1000 /* a connection over loopback takes microseconds */
};

/* ---- addresses ----------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t to_address(const struct plan_addr *from, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (from->family == 6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(from->port);
		memcpy(&ret->v6.sin6_addr, from->bytes, 16);
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(from->port);
	ret->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (from->family == 4)
		memcpy(&ret->v4.sin_addr, from->bytes, 4);
	return sizeof(ret->v4);
}

static uint16_t local_port(int fd)
{
	union address a = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(a);

	getsockname(fd, &a.any, &len);
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port
	                                         : a.v4.sin_port);
}

/* ---- connections --------------------------------------------------------- */

/* Tells epoll what c waits for now.  What waits for nothing is not in it: a
 * hang-up would be reported again and again. */
static void watch(struct conn *c)
{
	struct epoll_event e = {.events = c->want, .data.ptr = c};
	int op = EPOLL_CTL_MOD;

	if (c->fd < 0 || c->want == c->watched)
		return;
	if (!c->watched)
		op = EPOLL_CTL_ADD;
	else if (!c->want)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(c->peer->epoll, op, c->fd, &e) < 0 &&
	    op != EPOLL_CTL_DEL) {
		/* It would wait for ever. */
		machine_failed(-errno, "watching a connection");
		say_program(c->peer, &c->peer->program->loc, "%s",
		            machine_failure());
		c->over = true;
		return;
	}
	c->watched = c->want;
}

static void play(struct conn *c)
{
	if (!c->over && !c->connecting)
		conn_play(c);
	watch(c);
}

/* Owns fd, also without memory; NULL then. */
static struct conn *add_conn(struct peer *p, int fd, uint32_t ordinal)
{
	size_t size = sizeof(struct conn) + p->depth * sizeof(struct frame);
	struct conn *c = calloc(1, size);
	int on = 1;

	if (c && p->n_conns == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct conn **v = realloc(p->conns, cap * sizeof(*v));

		if (v) {
			p->conns = v;
			p->cap = cap;
		}
	}
	if (!c || p->n_conns == p->cap) {
		machine_failed(-ENOMEM, "taking a connection");
		say_program(p, &p->program->loc, "out of memory");
		free(c);
		close(fd);
		return NULL;
	}
	/* Each send of a script is to arrive as such, as far as that goes. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->peer = p;
	c->fd = fd;
	c->file = -1;
	c->ordinal = ordinal;
	p->conns[p->n_conns++] = c;
	return c;
}

static void free_conn(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->file >= 0)
		close(c->file);
	free(c->in);
	free(c);
}

/* Those that are over: not before all events of a round were looked at. */
static void sweep(struct peer *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_conns; i++) {
		if (p->conns[i]->over)
			free_conn(p->conns[i]);
		else
			p->conns[n++] = p->conns[i];
	}
	p->n_conns = n;
}

/* ---- listen -------------------------------------------------------------- */

static void accept_all(struct peer *p)
{
	for (;;) {
		int fd = accept4(p->listener, NULL, NULL,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if (machine_is_short(-errno))
				machine_failed(-errno, "accept");
			/* Not again at once, for ever: that is its end. */
			say_program(p, &p->program->loc, "accept: %s",
			            strerror(errno));
			epoll_ctl(p->epoll, EPOLL_CTL_DEL, p->listener, NULL);
			return;
		}
		c = add_conn(p, fd, ++p->n_accepted);
		if (!c)
			continue;
		conn_begin(c);
		play(c);
	}
}

/*
 * Until the queue is full a stranger could get into it: SYNs of others than
 * filler are dropped meanwhile.
 */
static void admit_only(int listener, uint16_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), /* the source port */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	/* Where filters are forbidden, a narrow race is left. */
	setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
	           sizeof(filter));
}

/* A socket on a port of its own, from where the listener can be reached. */
static int open_filler(const union address *at)
{
	union address from = *at;
	bool v6 = at->any.sa_family == AF_INET6;
	int fd = socket(at->any.sa_family,
	                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (v6)
		from.v6.sin6_port = 0;
	else
		from.v4.sin_port = 0;
	if (fd >= 0 && bind(fd, &from.any, sizeof(from)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* With a backlog of 0 one connection is taken, and the queue is full. */
static int fill(struct peer *p, union address *at)
{
	struct pollfd ready = {p->filler, POLLOUT, 0};
	int err = 0;
	socklen_t len = sizeof(err);

	if (at->any.sa_family == AF_INET6)
		at->v6.sin6_port = htons(p->port);
	else
		at->v4.sin_port = htons(p->port);
	if (connect(p->filler, &at->any, sizeof(*at)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	if (poll(&ready, 1, FILL_MS) != 1)
		return -ETIMEDOUT;
	getsockopt(p->filler, SOL_SOCKET, SO_ERROR, &err, &len);
	return -err;
}

static int listen_full(struct peer *p, union address *at)
{
	int none = 0, r;

	p->filler = open_filler(at);
	if (p->filler < 0)
		return -errno;
	admit_only(p->listener, local_port(p->filler));
	if (listen(p->listener, 0) < 0)
		return -errno;
	p->port = local_port(p->listener);
	r = fill(p, at);
	setsockopt(p->listener, SOL_SOCKET, SO_DETACH_FILTER, &none,
	           sizeof(none));
	return r;
}

static int open_listener(struct peer *p)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = &p->listener};
	union address at;
	socklen_t len = to_address(&p->program->address, &at);
	int on = 1;

	p->listener = socket(at.any.sa_family,
	                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listener < 0)
		return -errno;
	setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(p->listener, &at.any, len) < 0)
		return -errno;
	if (!p->program->accept)
		return listen_full(p, &at);
	if (listen(p->listener, BACKLOG) < 0)
		return -errno;
	p->port = local_port(p->listener);
	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->listener, &e) < 0)
		return -errno;
	return 0;
}

/* ---- connect ------------------------------------------------------------- */

static int begin_connect(struct peer *p)
{
	union address to;
	socklen_t len = to_address(&p->program->address, &to);
	int fd = socket(to.any.sa_family,
	                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct conn *c;

	if (fd < 0)
		return -errno;
	if (connect(fd, &to.any, len) < 0 && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		return -err;
	}
	c = add_conn(p, fd, 1);
	if (!c)
		return -ENOMEM;
	c->connecting = true;
	c->want = EPOLLOUT;
	conn_begin(c);
	watch(c);
	return c->over ? -ENOMEM : 0;
}

static void say_connect(struct peer *p, int err)
{
	say_program(p, &p->program->loc, "cannot connect to port %u: %s",
	            p->program->address.port, strerror(err));
}

/* It is connected, or will never be. */
static void end_connect(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	c->connecting = false;
	if (!err)
		return;
	say_connect(c->peer, err);
	c->over = true;
}

/* ---- the whole ----------------------------------------------------------- */

struct peer *peer_new(const struct program *program, uint64_t seed, FILE *err)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct peer){
		.program = program,
		.seed = seed,
		.err = err,
		.listener = -1,
		.filler = -1,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.used = calloc(program->n_scripts + 1, sizeof(*p->used))};
	for (size_t i = 0; i < program->n_scripts; i++) {
		size_t n = script_depth(&program->scripts[i].steps);

		p->depth = n > p->depth ? n : p->depth;
	}
	if (p->epoll >= 0 && p->used)
		return p;
	peer_free(p);
	return NULL;
}

void peer_set_hits(struct peer *p,
                   bool (*hits)(void *context, const char *rule, uint64_t *ret),
                   void *context)
{
	p->hits = hits;
	p->hits_context = context;
}

int peer_open(struct peer *p)
{
	struct rlimit files;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (p->program->kind == PROGRAM_CONNECT) {
		r = begin_connect(p);
		if (r < 0)
			say_connect(p, -r);
		return r;
	}
	r = open_listener(p);
	if (r < 0)
		say_program(p, &p->program->loc, "cannot listen on port %u: %s",
		            p->program->address.port, strerror(-r));
	return r;
}

uint16_t peer_port(const struct peer *p)
{
	return p->port;
}

/* Of epoll_wait(); rounded up, so that it is not asked too early. */
static int timeout_ms(const struct peer *p)
{
	int64_t at = INT64_MAX, ns;

	for (size_t i = 0; i < p->n_conns; i++)
		if (p->conns[i]->wake_ns && p->conns[i]->wake_ns < at)
			at = p->conns[i]->wake_ns;
	if (at == INT64_MAX)
		return -1;
	ns = at - now_ns();
	if (ns <= 0)
		return 0;
	ns = (ns + NS_PER_MS - 1) / NS_PER_MS;
	return ns < 3600000 ? (int)ns : 3600000;
}

/* One round of events and deadlines; true: told to stop. */
static bool turn(struct peer *p, int timeout, int *ret_n)
{
	struct epoll_event events[N_EVENTS];
	int n = epoll_wait(p->epoll, events, N_EVENTS, timeout);
	bool stop = false;

	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (!c) {
			stop = true;
		} else if (events[i].data.ptr == &p->listener) {
			accept_all(p);
		} else {
			if (c->connecting)
				end_connect(c);
			play(c);
		}
	}
	for (size_t i = 0; i < p->n_conns; i++)
		if (p->conns[i]->wake_ns && p->conns[i]->wake_ns <= now_ns())
			play(p->conns[i]);
	sweep(p);
	*ret_n = n;
	return stop;
}

/* What nobody came for, and what was not played to its end. */
static void say_unfinished(struct peer *p)
{
	for (size_t i = 0; i < p->n_conns; i++) {
		struct conn *c = p->conns[i];
		const struct step *s = conn_unfinished(c);

		if (s && c->connecting)
			say_program(p, &p->program->loc,
			            "not connected when it was stopped");
		else if (s)
			say_failed(c, s, c->in_len ? c->in_len : c->moved,
			           "was stopped before that");
	}
	for (size_t i = 0; i < p->program->n_scripts; i++) {
		const struct plan_pick *pick =
			&p->program->scripts[i].connections;

		if (p->used[i] || (!pick->first && pick->ratio))
			continue; /* a draw may always fail */
		if (pick->first)
			say_program(p, &p->program->loc,
			            "connection %" PRIu32 " never came",
			            pick->first);
		else
			say_program(p, &p->program->loc, "no connection came");
	}
}

int peer_play(struct peer *p, int stop_fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
	bool client = p->program->kind == PROGRAM_CONNECT;
	bool stop = false;
	int n = 0;

	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, stop_fd, &e) < 0) {
		machine_failed(-errno, "watching for signals");
		say_program(p, &p->program->loc, "%s", machine_failure());
		return 1;
	}
	while (!stop && !(client && !p->n_conns))
		stop = turn(p, timeout_ms(p), &n);
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, stop_fd, NULL);
	/* What has come already counts, also what epoll does not tell. */
	for (size_t i = 0; stop && i < p->n_conns; i++)
		play(p->conns[i]);
	for (int i = 0; stop && i < 100; i++) {
		turn(p, 0, &n);
		if (n <= 0)
			break;
	}
	if (p->n_conns || !client)
		say_unfinished(p);
	return p->failed ? 1 : 0;
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_conns; i++)
		free_conn(p->conns[i]);
	if (p->listener >= 0)
		close(p->listener);
	if (p->filler >= 0)
		close(p->filler);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p->conns);
	free(p->used);
	free(p);
}
