/*
 * loop_thread.c - the style `thread`: a thread per connection, blocking calls
 * with time-outs of the socket.
 *
 * A timer's signal reaches a process, not a thread; so here SO_RCVTIMEO and
 * SO_SNDTIMEO end each wait after THREAD_TICK_MS with EAGAIN (a send may then
 * have taken a part), and the thread looks at the clock and at the stop time.
 * connect keeps to SO_SNDTIMEO, too: when it expires it says EINPROGRESS.
 *
 * Server: threads that have ended are joined before each accept, and all of
 * them before the server ends.  Client: each connection in a thread, joined.
 *
 * Locking model: a connection belongs to its thread.  A worker's `done` is
 * stored by the thread and loaded by the main one, which alone has the list.
 * Signals are held while a thread is made and so for ever in that thread: all
 * come to the main one, which waits in accept.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "blocking.h"
#include "interrupt.h"
#include "message.h"
#include "shortage.h"

#define THREAD_TICK_MS 100

struct worker {
	pthread_t thread;
	void *(*run)(void *worker);
	struct connection *connection; /* server */
	int (*work)(void *context);    /* client */
	void *context;
	int err;
	atomic_bool done; /* the thread touches nothing here any more */
	struct worker *next;
};

struct crowd {
	struct server *server;
	struct worker *workers;
};

/* ---- time-outs ---- */

static void leave_to_socket(int64_t deadline_ns)
{
	(void)deadline_ns;
}

static bool always(void)
{
	return true;
}

static const struct blocking_time by_socket = {
	.until = leave_to_socket,
	.pending = always,
	.times_out = true,
};

static int set_timeout(int fd, int option, const char *name, int64_t time_ns)
{
	const struct timeval time = {
		.tv_sec = time_ns / NS_PER_S,
		/* All zero would be no time-out. */
		.tv_usec = time_ns % NS_PER_S / 1000 + 1,
	};
	int err;

	if (setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) == 0)
		return 0;
	err = errno;
	message_call("setsockopt", name, err);
	return -err;
}

/* Not optional: without them a wait might never end. */
static int set_ticks(int fd)
{
	int64_t tick_ns = THREAD_TICK_MS * NS_PER_MS;
	int err = set_timeout(fd, SO_RCVTIMEO, "SO_RCVTIMEO", tick_ns);

	return err ? err : set_timeout(fd, SO_SNDTIMEO, "SO_SNDTIMEO", tick_ns);
}

/* ---- threads ---- */

static int try_create(void *context)
{
	struct worker *worker = context;
	int err;

	interrupt_hold();
	err = pthread_create(&worker->thread, NULL, worker->run, worker);
	interrupt_release();
	return -err;
}

static int create(struct worker *worker, const char *name, int64_t deadline_ns)
{
	return shortage_wait_out(try_create, worker, "pthread_create for", name,
	                         deadline_ns);
}

/* ---- server ---- */

static void *serve_one(void *argument)
{
	struct worker *worker = argument;

	if (set_ticks(worker->connection->fd) < 0)
		connection_reset(worker->connection);
	else
		blocking_serve_by(&by_socket, worker->connection);
	/* Release: whoever sees it may free the worker after the join. */
	atomic_store_explicit(&worker->done, true, memory_order_release);
	return NULL;
}

static void begin(void *context, struct connection *c)
{
	struct crowd *crowd = context;
	struct worker *worker = calloc(1, sizeof(*worker));
	int err = worker ? 0 : -ENOMEM;

	if (err) {
		message_call("memory for a thread", NULL, -err);
	} else {
		worker->run = serve_one;
		worker->connection = c;
		err = create(worker, c->peer,
		             now_ns() + LISTENER_PATIENCE_MS * NS_PER_MS);
	}
	if (err) {
		free(worker);
		connection_reset(c);
		return;
	}
	worker->next = crowd->workers;
	crowd->workers = worker;
}

static void join(struct crowd *crowd, bool all)
{
	struct worker **link = &crowd->workers;

	while (*link) {
		struct worker *worker = *link;

		if (!all && !atomic_load_explicit(&worker->done,
		                                  memory_order_acquire)) {
			link = &worker->next;
			continue;
		}
		pthread_join(worker->thread, NULL);
		*link = worker->next;
		free(worker);
	}
}

static void join_ended(void *context)
{
	join(context, false);
}

int thread_serve(struct server *server)
{
	struct crowd crowd = {.server = server};
	int err = blocking_accept_all(server, begin, join_ended, &crowd);

	join(&crowd, true);
	return err;
}

/* ---- client ---- */

static void *work_apart(void *argument)
{
	struct worker *worker = argument;

	worker->err = worker->work(worker->context);
	return NULL;
}

int thread_apart(int (*work)(void *context), void *context, int64_t deadline_ns)
{
	struct worker worker = {
		.run = work_apart,
		.work = work,
		.context = context,
	};
	int err = create(&worker, "the connection", deadline_ns);

	if (err)
		return err;
	pthread_join(worker.thread, NULL);
	return worker.err;
}

/*
 * connect(2) says EINPROGRESS when SO_SNDTIMEO has expired: socket(7); and with
 * it a stop and a continue are EINTR, even without a handler: signal(7).
 */
static int connect_until(int fd, const struct addrinfo *ai, int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - now_ns();
	int err = 0;

	if (left_ns <= 0)
		return -ETIMEDOUT;
	if (set_timeout(fd, SO_SNDTIMEO, "SO_SNDTIMEO", left_ns) < 0)
		return -ENOPROTOOPT;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		err = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	if (err == -EINTR)
		err = blocking_finish_connect(fd, deadline_ns);
	return err ? err : set_ticks(fd);
}

int thread_connect(const struct io_loop *io, int fd, const struct addrinfo *ai,
                   const char *name, int64_t deadline_ns)
{
	(void)io;
	return blocking_connect_by(connect_until, fd, ai, name, deadline_ns);
}

int thread_converse(const struct io_loop *io, struct connection *c)
{
	(void)io;
	return blocking_converse_by(&by_socket, c);
}
