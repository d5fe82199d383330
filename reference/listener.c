/*
 * listener.c - accept(2) error by error; contract in listener.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "deadline.h"
#include "listener.h"
#include "message.h"

enum reaction {
	UNKNOWN, /* not in the table: say so, pause, go on serving */
	NONE,
	RETRY, /* our own business, nothing to report */
	LOST,  /* one connection was lost: accept(2), "treat like EAGAIN" */
	SHORT, /* no memory */
	SHORT_OF_DESCRIPTORS,
	BROKEN,
};

static const unsigned char reactions[] = {
	[EAGAIN] = NONE,
	[EINTR] = RETRY,
	[ECONNABORTED] = LOST,
	[EPERM] = LOST, /* forbidden by a firewall */
	[EPROTO] = LOST,
	[ENETDOWN] = LOST,
	[ENOPROTOOPT] = LOST,
	[EHOSTDOWN] = LOST,
	[ENONET] = LOST,
	[EHOSTUNREACH] = LOST,
	[EOPNOTSUPP] = LOST,
	[ENETUNREACH] = LOST,
	[ENOSR] = LOST,
	[ESOCKTNOSUPPORT] = LOST,
	[EPROTONOSUPPORT] = LOST,
	[ETIMEDOUT] = LOST,
	[EMFILE] = SHORT_OF_DESCRIPTORS,
	[ENFILE] = SHORT_OF_DESCRIPTORS,
	[ENOBUFS] = SHORT,
	[ENOMEM] = SHORT,
	[EBADF] = BROKEN,
	[EFAULT] = BROKEN,
	[EINVAL] = BROKEN, /* somebody shut it down */
	[ENOTSOCK] = BROKEN,
};

static enum reaction reaction_to(int err)
{
	if (err < 0 || (size_t)err >= sizeof(reactions))
		return UNKNOWN;
	return (enum reaction)reactions[err];
}

static void take_reserve(struct listener *l)
{
	if (l->reserve_fd < 0)
		l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void listener_init(struct listener *l, int fd)
{
	l->fd = fd;
	l->reserve_fd = -1;
	l->short_ns = 0;
	take_reserve(l);
}

void listener_release(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	l->fd = -1;
	l->reserve_fd = -1;
}

/* Without blocking: a blocking listener must not sit in accept meanwhile. */
static void shed_one(struct listener *l, accept_call *call)
{
	struct pollfd waiting = {.fd = l->fd, .events = POLLIN};
	int fd;

	if (l->reserve_fd < 0 || poll(&waiting, 1, 0) != 1)
		return;
	close(l->reserve_fd);
	l->reserve_fd = -1;
	fd = call(l->fd);
	if (fd >= 0) {
		net_reset(fd);
		message("reset a waiting peer: still no descriptor for it");
	}
	take_reserve(l);
}

static enum accepted run_short(struct listener *l, accept_call *call, int err)
{
	int64_t now = now_ns();

	if (l->short_ns == 0) {
		l->short_ns = now;
		message_call("accept on", l->name, err);
	}
	if (reaction_to(err) == SHORT_OF_DESCRIPTORS &&
	    now - l->short_ns >= LISTENER_PATIENCE_MS * NS_PER_MS)
		shed_one(l, call);
	return ACCEPT_PAUSE;
}

static enum accepted react(struct listener *l, accept_call *call, int err)
{
	switch (reaction_to(err)) {
	case NONE:
		l->short_ns = 0;
		return ACCEPT_NONE;
	case RETRY:
		return ACCEPT_AGAIN;
	case LOST:
		message_call("accept on", l->name, err);
		return ACCEPT_AGAIN;
	case SHORT:
	case SHORT_OF_DESCRIPTORS:
	case UNKNOWN:
		return run_short(l, call, err);
	case BROKEN:
	default:
		message_call("accept on", l->name, err);
		return ACCEPT_BROKEN;
	}
}

enum accepted listener_accept(struct listener *l, accept_call *call,
                              int *ret_fd)
{
	int fd = call(l->fd);

	if (fd < 0)
		return react(l, call, errno);
	l->short_ns = 0;
	take_reserve(l);
	*ret_fd = fd;
	return ACCEPTED;
}
