/*
 * loop_events.c - the styles `poll`, `select`, `epoll-lt` and `epoll-et`:
 * non-blocking sockets under a waiter, many connections at once.
 *
 * What a connection does is in events.h; here is who gets a turn and how long
 * to wait.  The listener follows the same rule: with edges it is asked until
 * EAGAIN, which is the only thing that ends an edge; with levels once per
 * news, and while a resource is short it is not watched at all, or the loop
 * would spin on a peer that it cannot take.
 *
 * SIGTERM comes through a signalfd, in the order of the loop.
 *
 * Locking model: one thread, no handlers.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events.h"
#include "loop.h"
#include "message.h"

struct event_loop {
	struct server *server;
	struct waiter waiter;
	int64_t accept_at_ns; /* 0: now; NO_DEADLINE: when there is news */
	int64_t stop_ns;      /* by when all has to be over */
	bool watches;         /* the listener, for the level kinds */
	bool signalled;       /* the signalfd has something to say */
	bool broken;          /* the listener is */
	struct connection *connections;
};

/* ---- client ---- */

static void note_client(void *context, void *what, unsigned news)
{
	(void)context;
	events_note(what, news);
}

static int converse_with(struct waiter *w, struct connection *c)
{
	int err = events_add(w, c);

	while (!err) {
		err = events_turn(w, c);
		if (err || session_finished(&c->session))
			break;
		if (now_ns() >= c->deadline_ns)
			return connection_late(c, ETIMEDOUT);
		err = w->kind->wait(
			w,
			events_can_go_on(c)
				? 0
				: deadline_timeout_ms(c->deadline_ns),
			note_client, NULL);
	}
	return err;
}

int events_converse(const struct io_loop *io, struct connection *c)
{
	struct waiter w;
	int err = waiter_open(&w, io->waiter);

	if (err)
		return err;
	err = converse_with(&w, c);
	w.kind->close(&w);
	return err;
}

static void note_connected(void *context, void *what, unsigned news)
{
	(void)what;
	(void)news;
	*(bool *)context = true;
}

static int await_connected(struct waiter *w, int fd, const char *name,
                           int64_t deadline_ns)
{
	bool connected = false;
	int err = w->kind->add(w, fd, WAIT_WRITE, NULL, name);

	while (!err && !connected && now_ns() < deadline_ns)
		err = w->kind->wait(w, deadline_timeout_ms(deadline_ns),
		                    note_connected, &connected);
	if (err)
		return err;
	/* Writable is not yet connected: SO_ERROR says how it ended. */
	err = connected ? net_socket_error(fd) : -ETIMEDOUT;
	if (err)
		message_call("connect to", name, -err);
	return err;
}

static int finish_connect(const struct io_loop *io, int fd, const char *name,
                          int64_t deadline_ns)
{
	struct waiter w;
	int err = waiter_open(&w, io->waiter);

	if (err)
		return err;
	err = await_connected(&w, fd, name, deadline_ns);
	w.kind->close(&w);
	return err;
}

int events_connect(const struct io_loop *io, int fd, const struct addrinfo *ai,
                   const char *name, int64_t deadline_ns)
{
	int err;

	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	err = -errno;
	if (err == -EINPROGRESS || err == -EINTR)
		return finish_connect(io, fd, name, deadline_ns);
	message_call("connect to", name, -err);
	return err;
}

/* ---- server ---- */

static void add_connection(struct event_loop *loop, int fd)
{
	struct connection *c;

	if (server_take(loop->server, fd, &c) < 0)
		return;
	if (events_add(&loop->waiter, c) < 0) {
		connection_reset(c);
		return;
	}
	c->next = loop->connections;
	loop->connections = c;
}

static void stop_listening(struct event_loop *loop)
{
	struct listener *l = &loop->server->listener;

	if (l->fd >= 0)
		loop->waiter.kind->remove(&loop->waiter, l->fd);
	listener_release(l);
}

/* Ask a level kind for news of the listener, or not during a pause. */
static int watch_listener(struct event_loop *loop, bool watch)
{
	struct listener *l = &loop->server->listener;

	if (loop->waiter.kind->edges || loop->watches == watch || l->fd < 0)
		return 0;
	loop->watches = watch;
	return loop->waiter.kind->modify(&loop->waiter, l->fd,
	                                 watch ? WAIT_READ : 0, l, l->name);
}

static int accept_turn(struct event_loop *loop)
{
	struct listener *l = &loop->server->listener;
	int n_calls = loop->waiter.kind->edges ? EVENTS_TURN_CALLS : 1;
	enum accepted what = ACCEPT_AGAIN;
	int fd = -1;

	for (int i = 0; i < n_calls && server_wants_more(loop->server) &&
	                (what == ACCEPTED || what == ACCEPT_AGAIN);
	     i++) {
		what = listener_accept(l, loop->server->io->calls->accept, &fd);
		if (what == ACCEPTED)
			add_connection(loop, fd);
	}
	if (what == ACCEPT_NONE || !loop->waiter.kind->edges)
		loop->accept_at_ns = NO_DEADLINE;
	if (what == ACCEPT_PAUSE)
		loop->accept_at_ns = now_ns() + LISTENER_PAUSE_MS * NS_PER_MS;
	if (what == ACCEPT_BROKEN)
		loop->broken = true;
	if (what == ACCEPT_BROKEN || !server_wants_more(loop->server))
		stop_listening(loop);
	return watch_listener(loop, what != ACCEPT_PAUSE);
}

/* An edge during a pause for want of a resource does not end the pause. */
static void note_server(void *context, void *what, unsigned news)
{
	struct event_loop *loop = context;

	if (what == &loop->server->signal_fd)
		loop->signalled = true;
	else if (what != &loop->server->listener)
		events_note(what, news);
	else if (loop->accept_at_ns == NO_DEADLINE)
		loop->accept_at_ns = 0;
}

/* The first signal stops accepting, the second does not wait any more. */
static void read_signals(struct event_loop *loop)
{
	struct signalfd_siginfo info;
	int64_t now = now_ns();

	if (!loop->signalled)
		return;
	loop->signalled = false;
	while (read(loop->server->signal_fd, &info, sizeof(info)) > 0) {
		loop->stop_ns = loop->stop_ns == NO_DEADLINE
		                        ? now + LOOP_GRACE_NS
		                        : now;
		stop_listening(loop);
	}
}

/* True: it goes on.  False: it has ended, well or not, and is freed. */
static bool serve_turn(struct event_loop *loop, struct connection *c)
{
	int64_t now = now_ns();
	int err = events_turn(&loop->waiter, c);

	if (!err && session_finished(&c->session)) {
		connection_report(c);
		events_remove(&loop->waiter, c);
		connection_close(c);
		return false;
	}
	if (!err && now >= loop->stop_ns)
		err = connection_late(c, ECANCELED);
	else if (!err && now >= c->deadline_ns)
		err = connection_late(c, ETIMEDOUT);
	if (err) {
		events_remove(&loop->waiter, c);
		connection_reset(c);
	}
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
		until_ns = earlier(until_ns,
		                   events_can_go_on(c) ? 0 : c->deadline_ns);
		link = &c->next;
	}
	return until_ns;
}

static int run(struct event_loop *loop)
{
	struct server *server = loop->server;
	struct waiter *w = &loop->waiter;
	int64_t until_ns;
	int err = 0;

	while (!err && (server->listener.fd >= 0 || loop->connections)) {
		if (server->listener.fd >= 0 && now_ns() >= loop->accept_at_ns)
			err = accept_turn(loop);
		until_ns = serve_all(loop);
		if (server->listener.fd >= 0)
			until_ns = earlier(until_ns, loop->accept_at_ns);
		else if (!loop->connections)
			break;
		if (!err)
			err = w->kind->wait(w, deadline_timeout_ms(until_ns),
			                    note_server, loop);
		read_signals(loop);
	}
	return loop->broken ? -EINVAL : err;
}

static int watch_server(struct event_loop *loop)
{
	struct server *server = loop->server;
	struct waiter *w = &loop->waiter;
	int err;

	loop->watches = true;
	err = w->kind->add(w, server->listener.fd, WAIT_READ, &server->listener,
	                   server->listener.name);
	if (err)
		return err;
	return w->kind->add(w, server->signal_fd, WAIT_READ, &server->signal_fd,
	                    "signalfd");
}

int events_serve(struct server *server)
{
	struct event_loop loop = {
		.server = server,
		/* An edge may have been before it was watched. */
		.accept_at_ns = server->io->waiter->edges ? 0 : NO_DEADLINE,
		.stop_ns = NO_DEADLINE,
	};
	int err;

	err = waiter_open(&loop.waiter, server->io->waiter);
	if (!err) {
		err = watch_server(&loop);
		if (!err)
			err = run(&loop);
		stop_listening(&loop);
		loop.waiter.kind->close(&loop.waiter);
	}
	listener_release(&server->listener);
	close(server->signal_fd);
	return err;
}

int events_catch_stop(struct server *server)
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
