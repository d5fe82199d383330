/*
 * loop_epoll_et.c - the style `epoll-et`: non-blocking sockets under
 * edge-triggered epoll, many connections at once.
 *
 * Theory of operation.  An edge is told once.  So each connection remembers
 * what the kernel has said: `readable` and `writable` are set by events and
 * cleared only by EAGAIN, never by a short count.  epoll(7) allows to take a
 * short count for "drained"; a signal or a peer that sends in between makes
 * that wrong often enough.  A connection that could go on when its turn is
 * over keeps its flags, and the loop comes back to it without waiting (the
 * ready list of epoll(7)), so that a fast peer does not starve the others.
 * The same holds for the listener.
 *
 * EPOLLERR and EPOLLHUP only set the flags as well: read and write then give
 * the buffered bytes first and the error after them, each error once.  SO_ERROR
 * is read after connect, and as a last resort when both calls keep silent; read
 * earlier, it would take the error away and leave an end of file that is none.
 *
 * SIGTERM comes through a signalfd, in the order of the loop.
 *
 * Locking model: one thread, no handlers.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "message.h"

#define MAX_EVENTS 64

/* Calls per direction before the others get their turn. */
#define TURN_CALLS 16

#define PEER_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct event_loop {
	struct server *server;
	int epoll_fd;
	int64_t accept_at_ns; /* 0: now; NO_DEADLINE: when an edge comes */
	int64_t stop_ns;      /* by when all has to be over */
	bool broken;          /* the listener is */
	struct connection *connections;
};

/* ---- one connection ---- */

static int watch(int epoll_fd, int fd, uint32_t events, void *what,
                 const char *name)
{
	struct epoll_event event = {.events = events, .data = {.ptr = what}};
	int err;

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	err = errno;
	message_call("epoll_ctl for", name, err);
	return -err;
}

static void note_events(struct connection *c, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		c->readable = true;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		c->writable = true;
	if (events & EPOLLERR)
		c->failing = true;
}

static bool can_read(struct connection *c)
{
	unsigned char *room;

	return c->readable && session_room(&c->session, &room) > 0;
}

static bool can_write(struct connection *c)
{
	const unsigned char *bytes;

	return c->writable && session_output(&c->session, &bytes) > 0;
}

static bool can_go_on(struct connection *c)
{
	return can_read(c) || can_write(c) ||
	       session_owes_half_close(&c->session);
}

static int read_some(struct connection *c)
{
	unsigned char *room;
	size_t len = session_room(&c->session, &room);
	ssize_t n = read(c->fd, room, len);

	if (n < 0 && errno == EAGAIN)
		c->readable = false;
	else if (n < 0 && errno != EINTR)
		return connection_failed(c, "read from", errno);
	else if (n == 0)
		session_input_end(&c->session);
	else if (n > 0)
		session_received(&c->session, (size_t)n);
	if (n >= 0)
		connection_progress(c);
	return connection_check(c);
}

static int write_some(struct connection *c)
{
	const unsigned char *bytes;
	size_t len = session_output(&c->session, &bytes);
	ssize_t n = write(c->fd, bytes, len);

	if (n < 0 && errno == EAGAIN)
		c->writable = false;
	else if (n < 0 && errno != EINTR)
		return connection_failed(c, "write to", errno);
	else if (n > 0)
		session_sent(&c->session, (size_t)n);
	if (n > 0)
		connection_progress(c);
	return 0;
}

/* EPOLLERR was told, but neither call has reported it. */
static int check_failing(struct connection *c)
{
	int err;

	if (!c->failing || can_go_on(c))
		return 0;
	c->failing = false;
	err = net_socket_error(c->fd);
	return err ? connection_failed(c, "SO_ERROR of", -err) : 0;
}

static int take_turn(struct connection *c)
{
	int err = 0;

	for (int i = 0; i < TURN_CALLS && !err && can_go_on(c); i++) {
		if (can_write(c))
			err = write_some(c);
		if (!err && can_read(c))
			err = read_some(c);
		if (!err && session_owes_half_close(&c->session))
			err = connection_half_close(c);
	}
	if (!err && !session_finished(&c->session))
		err = check_failing(c);
	return err;
}

static int wait_for(int epoll_fd, struct epoll_event *events, int64_t until_ns)
{
	int n = epoll_wait(epoll_fd, events, MAX_EVENTS,
	                   deadline_timeout_ms(until_ns));

	if (n >= 0 || errno == EINTR)
		return n < 0 ? 0 : n;
	message_call("epoll_wait", NULL, errno);
	return -errno;
}

/* ---- client ---- */

static int converse_on(int epoll_fd, struct connection *c)
{
	struct epoll_event events[MAX_EVENTS];
	int err;
	int n;

	err = watch(epoll_fd, c->fd, PEER_EVENTS, c, c->peer);
	c->readable = true;
	c->writable = true;
	while (!err) {
		err = take_turn(c);
		if (err || session_finished(&c->session))
			break;
		if (now_ns() >= c->deadline_ns)
			return connection_late(c, ETIMEDOUT);
		n = wait_for(epoll_fd, events,
		             can_go_on(c) ? 0 : c->deadline_ns);
		if (n < 0)
			err = n;
		for (int i = 0; i < n; i++)
			note_events(c, events[i].events);
	}
	return err;
}

/* A descriptor, or -errno. */
static int new_epoll(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	int err;

	if (fd >= 0)
		return fd;
	err = errno;
	message_call("epoll_create1", NULL, err);
	return -err;
}

int epoll_et_converse(struct connection *c)
{
	int epoll_fd = new_epoll();
	int err;

	if (epoll_fd < 0)
		return epoll_fd;
	err = converse_on(epoll_fd, c);
	close(epoll_fd);
	return err;
}

/* Writable is not yet connected: SO_ERROR says how it ended. */
static int finish_connect(int fd, const char *name, int64_t deadline_ns)
{
	struct epoll_event events[MAX_EVENTS];
	int epoll_fd = new_epoll();
	int n = 0;
	int err;

	if (epoll_fd < 0)
		return epoll_fd;
	err = watch(epoll_fd, fd, EPOLLOUT | EPOLLET, NULL, name);
	while (!err && n == 0 && now_ns() < deadline_ns) {
		n = wait_for(epoll_fd, events, deadline_ns);
		if (n < 0)
			err = n;
	}
	close(epoll_fd);
	if (err)
		return err;
	err = n == 0 ? -ETIMEDOUT : net_socket_error(fd);
	if (err)
		message_call("connect to", name, -err);
	return err;
}

static int start_connect(int fd, const struct addrinfo *ai, const char *name,
                         int64_t deadline_ns)
{
	int err;

	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	err = -errno;
	if (err == -EINPROGRESS || err == -EINTR)
		return finish_connect(fd, name, deadline_ns);
	message_call("connect to", name, -err);
	return err;
}

int epoll_et_connect(const struct addrinfo *ai, const char *name,
                     int64_t deadline_ns, int *ret_fd)
{
	int err;
	int fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	            0);
	if (fd < 0) {
		err = -errno;
		message_call("socket for", name, -err);
		return err;
	}
	err = start_connect(fd, ai, name, deadline_ns);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

/* ---- server ---- */

static int accept_nonblocking(int listener_fd)
{
	return accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void add_connection(struct event_loop *loop, int fd)
{
	struct connection *c;

	if (server_take(loop->server, fd, &c) < 0)
		return;
	if (watch(loop->epoll_fd, fd, PEER_EVENTS, c, c->peer) < 0) {
		connection_reset(c);
		return;
	}
	c->readable = true;
	c->writable = true;
	c->next = loop->connections;
	loop->connections = c;
}

/* Take peers until EAGAIN, which is the only thing that ends an edge. */
static void accept_turn(struct event_loop *loop)
{
	struct listener *l = &loop->server->listener;
	enum accepted what = ACCEPT_AGAIN;
	int fd = -1;

	for (int i = 0; i < TURN_CALLS && server_wants_more(loop->server) &&
	                (what == ACCEPTED || what == ACCEPT_AGAIN);
	     i++) {
		what = listener_accept(l, accept_nonblocking, &fd);
		if (what == ACCEPTED)
			add_connection(loop, fd);
	}
	if (what == ACCEPT_NONE)
		loop->accept_at_ns = NO_DEADLINE;
	if (what == ACCEPT_PAUSE)
		loop->accept_at_ns = now_ns() + LISTENER_PAUSE_MS * NS_PER_MS;
	if (what == ACCEPT_BROKEN)
		loop->broken = true;
	if (what == ACCEPT_BROKEN || !server_wants_more(loop->server))
		listener_release(l);
}

/* An edge during a pause for want of a resource does not end the pause. */
static void note_listener(struct event_loop *loop)
{
	if (loop->accept_at_ns == NO_DEADLINE)
		loop->accept_at_ns = 0;
}

/* The first signal stops accepting, the second does not wait any more. */
static void note_signal(struct event_loop *loop)
{
	struct signalfd_siginfo info;
	int64_t now = now_ns();

	if (read(loop->server->signal_fd, &info, sizeof(info)) < 0)
		return;
	loop->stop_ns =
		loop->stop_ns == NO_DEADLINE ? now + LOOP_GRACE_NS : now;
	listener_release(&loop->server->listener);
}

static int note_all(struct event_loop *loop, int64_t until_ns)
{
	struct epoll_event events[MAX_EVENTS];
	int n = wait_for(loop->epoll_fd, events, until_ns);

	for (int i = 0; i < n; i++) {
		void *what = events[i].data.ptr;

		if (what == &loop->server->listener)
			note_listener(loop);
		else if (what == &loop->server->signal_fd)
			note_signal(loop);
		else
			note_events(what, events[i].events);
	}
	return n < 0 ? n : 0;
}

/* True: it goes on.  False: it has ended, well or not, and is freed. */
static bool serve_turn(struct event_loop *loop, struct connection *c)
{
	int64_t now = now_ns();
	int err = take_turn(c);

	if (!err && session_finished(&c->session)) {
		connection_report(c);
		connection_close(c);
		return false;
	}
	if (!err && now >= loop->stop_ns)
		err = connection_late(c, ECANCELED);
	else if (!err && now >= c->deadline_ns)
		err = connection_late(c, ETIMEDOUT);
	if (err)
		connection_reset(c);
	return !err;
}

/* A turn for each; gives the time by which somebody has to be seen again. */
static int64_t serve_all(struct event_loop *loop)
{
	struct connection **link = &loop->connections;
	int64_t until_ns = loop->stop_ns;

	while (*link) {
		struct connection *c = *link;
		struct connection *next = c->next;

		if (!serve_turn(loop, c)) {
			*link = next;
			continue;
		}
		until_ns = earlier(until_ns, can_go_on(c) ? 0 : c->deadline_ns);
		link = &c->next;
	}
	return until_ns;
}

static int run(struct event_loop *loop)
{
	struct server *server = loop->server;
	int64_t until_ns;
	int err = 0;

	while (!err && (server->listener.fd >= 0 || loop->connections)) {
		if (server->listener.fd >= 0 && now_ns() >= loop->accept_at_ns)
			accept_turn(loop);
		until_ns = serve_all(loop);
		if (server->listener.fd >= 0)
			until_ns = earlier(until_ns, loop->accept_at_ns);
		else if (!loop->connections)
			break;
		err = note_all(loop, until_ns);
	}
	return loop->broken ? -EINVAL : err;
}

static int watch_server(struct event_loop *loop)
{
	struct server *server = loop->server;
	int err;

	err = watch(loop->epoll_fd, server->listener.fd, EPOLLIN | EPOLLET,
	            &server->listener, server->listener.name);
	if (err)
		return err;
	return watch(loop->epoll_fd, server->signal_fd, EPOLLIN,
	             &server->signal_fd, "signalfd");
}

int epoll_et_serve(struct server *server)
{
	struct event_loop loop = {
		.server = server,
		.epoll_fd = new_epoll(),
		.stop_ns = NO_DEADLINE,
	};
	int err;

	if (loop.epoll_fd < 0)
		return loop.epoll_fd;
	err = watch_server(&loop);
	if (!err)
		err = run(&loop);
	listener_release(&server->listener);
	close(server->signal_fd);
	close(loop.epoll_fd);
	return err;
}

int epoll_et_catch_stop(struct server *server)
{
	sigset_t stop;
	int err;

	/* An ignored signal (SIGINT behind a shell's &) is never pending. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	server->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (server->signal_fd < 0) {
		err = errno;
		message_call("signalfd", NULL, err);
		return -err;
	}
	return 0;
}
