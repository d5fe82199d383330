/*
 * deaf.c - see deaf.h.
 *
 * listen(2) with a backlog of 0 takes one connection; the queue is full then,
 * and stays full when the far end of that one has gone (probed: a connection
 * that is closed or reset does not leave the queue).  So nothing but the
 * listener has to be kept.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "deaf.h"
#include "lock.h"
#include "next.h"
#include "private_fd.h"

#include "poison.h"

enum {
	N_LISTENERS = 4, /* addresses of this machine in use at once */
	FILL_MS = 1000,  /* a connection over loopback takes microseconds */
};

static struct listener {
	int fd; /* + 1; 0: none */
	uint64_t cookie;
	struct deaf_addr addr;
} listeners[N_LISTENERS];
static unsigned taken;
static _Atomic bool exists; /* there is one: looked at without the lock */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	unsigned len = sizeof(cookie);

	return next.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len)
	               ? 0
	               : cookie;
}

/* --- addresses ------------------------------------------------------------ */

static bool is_any(const struct deaf_addr *a)
{
	static const struct in6_addr any,
		mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (a->any.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == htonl(INADDR_ANY);
	return !memcmp(&a->in6.sin6_addr, &any, sizeof(any)) ||
	       !memcmp(&a->in6.sin6_addr, &mapped, sizeof(mapped));
}

static bool is_mapped(const struct deaf_addr *a)
{
	return a->any.sa_family == AF_INET6 &&
	       IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

static void set_port(struct deaf_addr *a, in_port_t port)
{
	if (a->any.sa_family == AF_INET6)
		a->in6.sin6_port = port;
	else
		a->in.sin_port = port;
}

/* Of the same kind as peer: IPv4, IPv6, IPv4 in an IPv6 socket. */
static void loopback(const struct deaf_addr *peer, struct deaf_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = peer->any.sa_family;
	if (peer->any.sa_family == AF_INET) {
		ret->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ret->len = sizeof(ret->in);
		return;
	}
	ret->len = sizeof(ret->in6);
	ret->in6.sin6_addr.s6_addr[15] = 1;
	if (!is_mapped(peer))
		return;
	memset(&ret->in6.sin6_addr.s6_addr[10], 0xff, 2);
	ret->in6.sin6_addr.s6_addr[12] = 127;
}

static bool name_of(int fd, struct deaf_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->room);
	return !next.getsockname(fd, ret, &ret->len) && !is_any(ret);
}

/* udp(7): connect sends nothing and finds the route. */
static bool routed(const struct deaf_addr *peer, struct deaf_addr *ret)
{
	int fd = next.socket(peer->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	found = !next.connect(fd, peer, peer->len) && name_of(fd, ret);
	next.close(fd);
	return found;
}

void deaf_local(int fd, const struct deaf_addr *peer, struct deaf_addr *ret)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (!name_of(fd, ret) && !routed(peer, ret))
		loopback(peer, ret);
	set_port(ret, 0);
	pthread_setcancelstate(cancel, NULL);
}

static bool same_host(const struct deaf_addr *a, const struct deaf_addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
	       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
	               sizeof(a->in6.sin6_addr));
}

/* A socket bound to a free port of the address in a, which is told; or -1. */
static int bound(struct deaf_addr *a)
{
	int fd = next.socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (!next.bind(fd, a, a->len) && !next.getsockname(fd, a, &a->len))
		return fd;
	next.close(fd);
	return -1;
}

/* --- the listener that does not answer ------------------------------------ */

static bool fill(const struct deaf_addr *a)
{
	int fd = next.socket(a->any.sa_family,
	                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	bool done;

	if (fd < 0)
		return false;
	next.connect(fd, a, a->len);
	done = next.poll(&p, 1, FILL_MS) == 1 && p.revents == POLLOUT;
	next.close(fd);
	return done;
}

static bool make(struct listener *l, const struct deaf_addr *local)
{
	struct deaf_addr a = *local;
	int fd = bound(&a);

	if (fd < 0)
		return false;
	if (next.listen(fd, 0) || !fill(&a)) {
		next.close(fd);
		return false;
	}
	l->cookie = cookie_of(fd);
	l->addr = a;
	l->fd = private_fd_move(fd) + 1;
	atomic_store(&exists, true);
	return true;
}

/* The program closes what it finds: is the number still ours? */
static bool is_ours(const struct listener *l)
{
	return l->fd && cookie_of(l->fd - 1) == l->cookie;
}

/* The one at this address, else a free place; NULL: none is left. */
static struct listener *find(const struct deaf_addr *local)
{
	struct listener *free_one = NULL;

	for (int i = 0; i < N_LISTENERS; i++) {
		struct listener *l = &listeners[i];

		if (!is_ours(l))
			l->fd = 0;
		if (l->fd && same_host(&l->addr, local))
			return l;
		if (!l->fd)
			free_one = l;
	}
	return free_one;
}

static bool take_at(const struct deaf_addr *local, struct deaf_addr *ret)
{
	struct listener *l = find(local);

	if (!l || (!l->fd && !make(l, local)))
		return false;
	*ret = l->addr;
	return true;
}

bool deaf_take(const struct deaf_addr *local, struct deaf_addr *ret)
{
	struct lock_guard guard;
	struct deaf_addr here;
	bool found;

	lock_take(&guard);
	found = take_at(local, ret);
	if (!found) {
		loopback(local, &here);
		found = take_at(&here, ret);
	}
	taken += found;
	lock_give(&guard);
	return found;
}

void deaf_give_back(void)
{
	struct lock_guard guard;

	lock_take(&guard);
	taken--;
	lock_give(&guard);
}

void deaf_sweep(bool (*needed)(void))
{
	struct lock_guard guard;

	if (!atomic_load(&exists))
		return;
	lock_take(&guard);
	if (!taken && !needed()) {
		atomic_store(&exists, false);
		for (int i = 0; i < N_LISTENERS; i++) {
			if (is_ours(&listeners[i]))
				private_fd_close(listeners[i].fd - 1);
			listeners[i].fd = 0;
		}
	}
	lock_give(&guard);
}

/* --- the port that refuses ------------------------------------------------ */

int deaf_refuse(int fd, const struct deaf_addr *local)
{
	struct deaf_addr a = *local;
	int cancel, port_holder, err;

	/* connect and close are cancellation points: none here. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	port_holder = bound(&a);
	if (port_holder < 0) {
		loopback(local, &a);
		port_holder = bound(&a);
	}
	err = port_holder < 0 || next.connect(fd, &a, a.len) ? errno : 0;
	if (port_holder >= 0)
		next.close(port_holder);
	pthread_setcancelstate(cancel, NULL);
	return err;
}
