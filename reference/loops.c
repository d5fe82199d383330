/*
 * loops.c - the table of I/O styles, and what their servers have in common;
 * contract in loop.h.
 */
#include <string.h>
#include <sys/socket.h>

#include "loop.h"

const struct io_loop io_loops[N_STYLES] = {
	[STYLE_BLOCKING] =
		{
			.name = "blocking",
			.about =
				"one connection after another, each call waits",
			.calls = "accept, connect, recv, send",
			.listener_flags = 0,
			/* Writes a chunk, then reads it back: cannot deadlock.
                         */
			.window = SESSION_CHUNK,
			.catch_stop = blocking_catch_stop,
			.serve = blocking_serve,
			.start_client = blocking_start_client,
			.connect = blocking_connect,
			.converse = blocking_converse,
		},
	[STYLE_EPOLL_ET] =
		{
			.name = "epoll-et",
			.about = "all at once, edge-triggered epoll, "
				 "non-blocking",
			.calls = "accept4, connect, read, write",
			.listener_flags = SOCK_NONBLOCK,
			/* Both directions at once. */
			.window = UINT64_MAX / 2,
			.catch_stop = epoll_et_catch_stop,
			.serve = epoll_et_serve,
			.connect = epoll_et_connect,
			.converse = epoll_et_converse,
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
	err = connection_open(fd, NULL, server->service, server->size,
	                      server->window, ret_c);
	if (err)
		return err;
	(*ret_c)->idle_ns = LOOP_IDLE_NS;
	connection_progress(*ret_c);
	return 0;
}
