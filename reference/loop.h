/*
 * loop.h - an I/O style: how a program waits, and with which calls it moves
 * bytes.
 *
 * Each style is one row of io_loops in loops.c: options, help and both programs
 * know styles only through that table.  A row names the hooks of a loop_*.c,
 * its calls and, for an event loop, its waiter; several share one loop.  A loop
 * drives
 * sessions (service.h) over connections (connection.h) and takes peers from a
 * listener (listener.h); what a style may decide is which calls it makes and
 * where it waits.
 *
 * The hooks return 0 or -errno, and have said why by then.
 *
 * Locking model: one thread, unless a style says otherwise in its file.
 */
#ifndef REFERENCE_LOOP_H
#define REFERENCE_LOOP_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

#include "calls.h"
#include "connection.h"
#include "deadline.h"
#include "listener.h"
#include "waiter.h"

/* After a stop signal, connections in hand have so long to finish. */
#define LOOP_GRACE_NS NS_PER_S

/* A peer that lets a server wait so long has gone. */
#define LOOP_IDLE_NS (60 * NS_PER_S)

struct io_loop;

struct server {
	const struct io_loop *io;
	struct listener listener;
	const struct service *service;
	uint64_t size;    /* of a source's stream */
	unsigned once;    /* stop after so many connections; 0: never */
	unsigned n_taken; /* accepted so far */
	int signal_fd;    /* for styles that read their signals; else -1 */
};

struct io_loop {
	const char *name;
	const char *about;
	const struct calls *calls;
	const struct waiter_kind *waiter; /* of an event loop; else NULL */

	/* socket(2) type flags of the style's sockets. */
	int socket_flags;

	/* The most that an echo client may have in flight: session_init. */
	uint64_t window;

	/*
	 * Server: catch SIGTERM and SIGINT.  Before listen, so that whoever
	 * sees the port open can already stop the server properly.
	 */
	int (*catch_stop)(struct server *server);

	/*
	 * Server: accept and serve until stopped or, with once, until so many
	 * connections have ended.  No connection's failure ends it.  Releases
	 * the listener.
	 */
	int (*serve)(struct server *server);

	/* Client: once, before the first connect; NULL: nothing to do. */
	int (*start_client)(void);

	/*
	 * Client: do the work of one connection elsewhere, in a process or
	 * thread, and give its result; NULL: it is done in place.  The deadline
	 * is for the start of it.
	 */
	int (*apart)(int (*work)(void *context), void *context,
	             int64_t deadline_ns);

	/* Client: connect this socket, in the mode that converse needs. */
	int (*connect)(const struct io_loop *io, int fd,
	               const struct addrinfo *ai, const char *name,
	               int64_t deadline_ns);

	/* Client: until the session is finished or the deadline passed. */
	int (*converse)(const struct io_loop *io, struct connection *c);
};

enum io_style {
	STYLE_BLOCKING,
	STYLE_FORK,
	STYLE_THREAD,
	STYLE_POLL,
	STYLE_SELECT,
	STYLE_EPOLL_LT,
	STYLE_EPOLL_ET,
	N_STYLES,
};

extern const struct io_loop io_loops[N_STYLES];

/* NULL when there is none of that name. */
const struct io_loop *io_loop_find(const char *name);

/* May the server accept one more? */
bool server_wants_more(const struct server *server);

/*
 * Make a connection of an accepted descriptor and count it, born dead or not.
 */
int server_take(struct server *server, int fd, struct connection **ret_c);

/* loop_blocking.c */
int blocking_catch_stop(struct server *server);
int blocking_start_client(void);
int blocking_serve(struct server *server);
int blocking_connect(const struct io_loop *io, int fd,
                     const struct addrinfo *ai, const char *name,
                     int64_t deadline_ns);
int blocking_converse(const struct io_loop *io, struct connection *c);

/* loop_fork.c */
int fork_catch_stop(struct server *server);
int fork_serve(struct server *server);
int fork_apart(int (*work)(void *context), void *context, int64_t deadline_ns);

/* loop_thread.c */
int thread_serve(struct server *server);
int thread_apart(int (*work)(void *context), void *context,
                 int64_t deadline_ns);
int thread_connect(const struct io_loop *io, int fd, const struct addrinfo *ai,
                   const char *name, int64_t deadline_ns);
int thread_converse(const struct io_loop *io, struct connection *c);

/* loop_events.c */
int events_catch_stop(struct server *server);
int events_serve(struct server *server);
int events_connect(const struct io_loop *io, int fd, const struct addrinfo *ai,
                   const char *name, int64_t deadline_ns);
int events_converse(const struct io_loop *io, struct connection *c);

#endif
