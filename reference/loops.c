/*
 * loops.c - the table of I/O styles, and what their servers have in common;
 * contract in loop.h.
 */
#include <string.h>
#include <sys/socket.h>

#include "loop.h"

/* Writes a chunk, then reads it back: cannot deadlock. */
#define ONE_CHUNK SESSION_CHUNK

/* Reads and writes as either is possible. */
#define BOTH_DIRECTIONS (UINT64_MAX / 2)

const struct io_loop io_loops[N_STYLES] = {
	[STYLE_BLOCKING] =
		{
			.name = "blocking",
			.about =
				"one connection after another, each call waits",
			.calls = &calls_blocking,
			.window = ONE_CHUNK,
			.catch_stop = blocking_catch_stop,
			.serve = blocking_serve,
			.start_client = blocking_start_client,
			.connect = blocking_connect,
			.converse = blocking_converse,
		},
	[STYLE_FORK] =
		{
			.name = "fork",
			.about = "a process per connection, each call waits",
			.calls = &calls_fork,
			.window = ONE_CHUNK,
			.catch_stop = fork_catch_stop,
			.serve = fork_serve,
			.apart = fork_apart,
			.connect = blocking_connect,
			.converse = blocking_converse,
		},
	[STYLE_THREAD] =
		{
			.name = "thread",
			.about = "a thread per connection, socket time-outs",
			.calls = &calls_thread,
			.window = ONE_CHUNK,
			.catch_stop = blocking_catch_stop,
			.serve = thread_serve,
			.apart = thread_apart,
			.connect = thread_connect,
			.converse = thread_converse,
		},
	[STYLE_POLL] =
		{
			.name = "poll",
			.about = "all at once, poll, non-blocking",
			.calls = &calls_poll,
			.waiter = &waiter_poll,
			.socket_flags = SOCK_NONBLOCK,
			.window = BOTH_DIRECTIONS,
			.catch_stop = events_catch_stop,
			.serve = events_serve,
			.connect = events_connect,
			.converse = events_converse,
		},
	[STYLE_SELECT] =
		{
			.name = "select",
			.about = "all at once, select, non-blocking",
			.calls = &calls_select,
			.waiter = &waiter_select,
			.socket_flags = SOCK_NONBLOCK,
			.window = BOTH_DIRECTIONS,
			.catch_stop = events_catch_stop,
			.serve = events_serve,
			.connect = events_connect,
			.converse = events_converse,
		},
	[STYLE_EPOLL_LT] =
		{
			.name = "epoll-lt",
			.about = "all at once, level-triggered epoll, "
				 "non-blocking",
			.calls = &calls_epoll_lt,
			.waiter = &waiter_epoll_lt,
			.socket_flags = SOCK_NONBLOCK,
			.window = BOTH_DIRECTIONS,
			.catch_stop = events_catch_stop,
			.serve = events_serve,
			.connect = events_connect,
			.converse = events_converse,
		},
	[STYLE_EPOLL_ET] =
		{
			.name = "epoll-et",
			.about = "all at once, edge-triggered epoll, "
				 "non-blocking",
			.calls = &calls_epoll_et,
			.waiter = &waiter_epoll_et,
			.socket_flags = SOCK_NONBLOCK,
			.window = BOTH_DIRECTIONS,
			.catch_stop = events_catch_stop,
			.serve = events_serve,
			.connect = events_connect,
			.converse = events_converse,
		},
};

const struct io_loop *io_loop_find(const char *name)
{
	for (size_t i = 0; i < N_STYLES; i++)
		if (strcmp(io_loops[i].name, name) == 0)
			return &io_loops[i];
	return NULL;
}

bool server_wants_more(const struct server *server)
{
	return server->once == 0 || server->n_taken < server->once;
}

int server_take(struct server *server, int fd, struct connection **ret_c)
{
	int err;

	server->n_taken++;
	err = connection_open(fd, NULL, server->io->calls, server->service,
	                      server->size, server->io->window, ret_c);
	if (err)
		return err;
	(*ret_c)->idle_ns = LOOP_IDLE_NS;
	connection_progress(*ret_c);
	return 0;
}
