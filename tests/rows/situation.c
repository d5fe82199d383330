/*
 * situation.c - the sockets before the call.
 *
 * The socket under test is made by libc's own functions, of which none is the
 * row under test, so that a library sees it live; the far end by raw system
 * calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/raw.h"
#include "rows.h"

_Noreturn void rows_die(const char *what, int err)
{
	fprintf(stderr, "rows: %s: %s\n", what, strerror(err));
	exit(2);
}

static int must(const char *what, long result)
{
	if (result < 0)
		rows_die(what, (int)-result);
	return (int)result;
}

static int must_libc(const char *what, int result)
{
	if (result < 0)
		rows_die(what, errno);
	return result;
}

static struct sockaddr_in loopback(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void far_listener(struct rows_test *t)
{
	struct sockaddr_in a = loopback();
	unsigned len = sizeof(a);
	int fd = must("socket",
	              raw(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0));

	must("bind", raw(SYS_bind, fd, (long)&a, len, 0, 0, 0));
	must("listen", raw(SYS_listen, fd, 8, 0, 0, 0, 0));
	must("getsockname",
	     raw(SYS_getsockname, fd, (long)&a, (long)&len, 0, 0, 0));
	t->listener = fd;
	t->addr = a;
}

static void fresh(struct rows_test *t, bool bound)
{
	struct sockaddr_in any = loopback();

	t->fd = must_libc("socket", socket(AF_INET, SOCK_STREAM, 0));
	if (bound)
		must_libc("bind", bind(t->fd, (void *)&any, sizeof(any)));
}

static void connected(struct rows_test *t)
{
	far_listener(t);
	fresh(t, false);
	must_libc("connect", connect(t->fd, (void *)&t->addr, sizeof(t->addr)));
	t->peer = must("accept", raw(SYS_accept, t->listener, 0, 0, 0, 0, 0));
}

/* One connection waits. */
static void listening(struct rows_test *t)
{
	struct sockaddr_in a;
	unsigned len = sizeof(a);

	fresh(t, true);
	must_libc("listen", listen(t->fd, 8));
	must("getsockname",
	     raw(SYS_getsockname, t->fd, (long)&a, (long)&len, 0, 0, 0));
	t->peer = must("socket",
	               raw(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0));
	must("connect", raw(SYS_connect, t->peer, (long)&a, len, 0, 0, 0));
}

static void queue_data(struct rows_test *t)
{
	unsigned char data[ROWS_BYTES];

	for (size_t i = 0; i < ROWS_BYTES; i++)
		data[i] = rows_pattern(i);
	must("write", raw(SYS_write, t->peer, (long)data, ROWS_BYTES, 0, 0, 0));
}

static void file_of_data(struct rows_test *t)
{
	unsigned char data[ROWS_BYTES];

	for (size_t i = 0; i < ROWS_BYTES; i++)
		data[i] = rows_pattern(i);
	t->file = must_libc("memfd_create", memfd_create("rows", 0));
	must("write", raw(SYS_write, t->file, (long)data, ROWS_BYTES, 0, 0, 0));
}

static void waiting(struct rows_test *t)
{
	struct epoll_event e = {.events = EPOLLIN};

	connected(t);
	queue_data(t);
	t->epfd = must_libc("epoll_create1", epoll_create1(0));
	if (t->row->effect == EFFECT_WAIT)
		must("epoll_ctl", raw(SYS_epoll_ctl, t->epfd, EPOLL_CTL_ADD,
		                      t->fd, (long)&e, 0, 0));
}

/* The far end has nothing more to say; its FIN is here when this returns. */
static void end_of_far_end(struct rows_test *t)
{
	struct pollfd p = {.fd = t->fd, .events = POLLRDHUP};

	if (t->half) {
		must("shutdown",
		     raw(SYS_shutdown, t->peer, SHUT_WR, 0, 0, 0, 0));
	} else {
		must("close", raw(SYS_close, t->peer, 0, 0, 0, 0, 0));
		t->peer = -1;
	}
	must("poll", raw_poll(&p, 1000));
}

static void make(struct rows_test *t)
{
	enum fault_effect effect = t->row->effect;

	if (effect == EFFECT_CREATE)
		return;
	if (t->fresh || t->bound || effect == EFFECT_BIND ||
	    effect == EFFECT_LISTEN) {
		t->addr = loopback();
		fresh(t, t->bound || effect == EFFECT_LISTEN);
	} else if (effect == EFFECT_ACCEPT) {
		listening(t);
	} else if (effect == EFFECT_CONNECT) {
		far_listener(t);
		fresh(t, false);
	} else if (effect == EFFECT_WAIT || effect == EFFECT_EPOLL_CTL) {
		waiting(t);
	} else {
		connected(t);
	}
	if (t->closed || t->half)
		end_of_far_end(t);
	else if (effect == EFFECT_IO && t->row->family == FAMILY_RECV &&
	         !t->fresh)
		queue_data(t);
	if (t->row->shape.kind == SHAPE_LEN) {
		file_of_data(t);
		must("pipe2",
		     raw(SYS_pipe2, (long)t->pipe, O_NONBLOCK, 0, 0, 0, 0));
	}
}

void situation_make(struct rows_test *t)
{
	t->fd = t->listener = t->peer = t->epfd = t->file = -1;
	make(t);
	if (t->nonblock && t->fd >= 0)
		must("fcntl",
		     raw(SYS_fcntl, t->fd, F_SETFL, O_NONBLOCK, 0, 0, 0));
}
