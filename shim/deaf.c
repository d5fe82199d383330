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
#include "exhaust.h"
#include "lock.h"
#include "next.h"
#include "private_fd.h"

#include "poison.h"

enum {
	N_LISTENERS = 4, /* addresses of this machine in use at once */
	FILL_MS = 1000,  /* a connection over loopback takes microseconds */
};

/* A socket of ours.  The program closes what it finds: its cookie tells. */
struct own {
	int fd; /* + 1; 0: none */
	uint64_t cookie;
};

static struct listener {
	struct own sock;
	struct own filler; /* on its way into the queue; 0: it is there */
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

bool deaf_name(int fd, struct deaf_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->room);
	return !next.getsockname(fd, ret, &ret->len) &&
	       (!is_any(ret) || ret->in.sin_port);
}

static bool name_of(int fd, struct deaf_addr *ret)
{
	return deaf_name(fd, ret) && !is_any(ret);
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

/* Nothing waits in between; and of ours there is always one (exhaust.h). */
static void begin_making(struct lock_guard *guard)
{
	lock_take(guard);
	exhaust_lift(true);
}

static void end_making(const struct lock_guard *guard)
{
	exhaust_lift(false);
	lock_give(guard);
}

void deaf_local(int fd, const struct deaf_addr *peer, struct deaf_addr *ret)
{
	struct lock_guard guard;

	begin_making(&guard);
	if (!name_of(fd, ret) && !routed(peer, ret))
		loopback(peer, ret);
	end_making(&guard);
	set_port(ret, 0);
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

static struct own keep(int fd)
{
	int moved = fd < 0 ? -1 : private_fd_move(fd);

	return (struct own){moved + 1, moved < 0 ? 0 : cookie_of(moved)};
}

static bool is_ours(const struct own *o)
{
	return o->fd && cookie_of(o->fd - 1) == o->cookie;
}

/* In a child of fork it is no longer known to be private. */
static void let_go(struct own *o)
{
	if (is_ours(o))
		private_fd_close(o->fd - 1);
	if (is_ours(o))
		next.close(o->fd - 1);
	o->fd = 0;
}

/* The one connection that there is room for: it gets there by itself. */
static int begin_filling(const struct deaf_addr *a)
{
	int fd = next.socket(a->any.sa_family,
	                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || !next.connect(fd, a, a->len) || errno == EINPROGRESS)
		return fd;
	next.close(fd);
	return -1;
}

static bool make(struct listener *l, const struct deaf_addr *local)
{
	int fd, filler;

	l->addr = *local;
	fd = bound(&l->addr);
	if (fd < 0)
		return false;
	filler = next.listen(fd, 0) ? -1 : begin_filling(&l->addr);
	if (filler < 0) {
		next.close(fd);
		return false;
	}
	l->sock = keep(fd);
	l->filler = keep(filler);
	atomic_store(&exists, true);
	return true;
}

/* The one at this address, else a free place; NULL: none is left. */
static struct listener *find(const struct deaf_addr *local)
{
	struct listener *free_one = NULL;

	for (int i = 0; i < N_LISTENERS; i++) {
		struct listener *l = &listeners[i];

		if (!is_ours(&l->sock)) {
			l->sock.fd = 0;
			let_go(&l->filler);
		}
		if (l->sock.fd && same_host(&l->addr, local))
			return l;
		if (!l->sock.fd)
			free_one = l;
	}
	return free_one;
}

/* Its descriptor; *ret_filled: it does not answer.  -1: it cannot be made. */
static int find_or_make(const struct deaf_addr *local, struct deaf_addr *ret,
                        bool *ret_filled)
{
	struct lock_guard guard;
	struct listener *l;
	int fd = -1;

	begin_making(&guard);
	l = find(local);
	if (l && (l->sock.fd || make(l, local))) {
		fd = l->sock.fd - 1;
		*ret = l->addr;
		*ret_filled = !l->filler.fd;
		taken++;
	}
	end_making(&guard);
	return fd;
}

static void fillers_done(int fd)
{
	struct lock_guard guard;

	lock_take(&guard);
	for (int i = 0; i < N_LISTENERS; i++)
		if (listeners[i].sock.fd == fd + 1)
			let_go(&listeners[i].filler);
	lock_give(&guard);
}

/*
 * Until what fills the queue is in it, which is when the listener itself says
 * so: the far end is connected a moment earlier.
 */
static bool wait_filled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t ms = 0;
	int cancel, n;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	do
		n = next.poll(&p, 1, 1);
	while (n != 1 && ++ms < FILL_MS);
	pthread_setcancelstate(cancel, NULL);
	if (n != 1 || p.revents != POLLIN)
		return false;
	fillers_done(fd);
	return true;
}

static bool take_at(const struct deaf_addr *local, struct deaf_addr *ret)
{
	bool filled = false;
	int fd = find_or_make(local, ret, &filled);

	if (fd < 0 || filled || wait_filled(fd))
		return fd >= 0;
	deaf_give_back();
	return false;
}

bool deaf_take(const struct deaf_addr *local, struct deaf_addr *ret)
{
	struct deaf_addr here;

	if (take_at(local, ret))
		return true;
	loopback(local, &here);
	return take_at(&here, ret);
}

void deaf_give_back(void)
{
	struct lock_guard guard;

	lock_take(&guard);
	taken -= taken > 0;
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
			let_go(&listeners[i].sock);
			let_go(&listeners[i].filler);
		}
	}
	lock_give(&guard);
}

/*
 * Those who have taken one are threads of the parent; with its descriptors it
 * keeps the listeners, too.
 */
void deaf_child(bool shares_files)
{
	taken = 0;
	if (!shares_files)
		return;
	memset(listeners, 0, sizeof(listeners));
	atomic_store(&exists, false);
}

/* --- the port that refuses ----------------------------------------------- */

/* A port that is ours; without a descriptor 0, where nobody can listen. */
static int refusing_port(struct deaf_addr *a)
{
	const struct deaf_addr there = *a;
	struct lock_guard guard;
	int port_holder;

	begin_making(&guard);
	port_holder = bound(a);
	if (port_holder < 0 && errno != EMFILE && errno != ENFILE) {
		loopback(&there, a);
		port_holder = bound(a);
	}
	end_making(&guard);
	return port_holder;
}

int deaf_refuse(int fd, const struct deaf_addr *local)
{
	struct deaf_addr a = *local;
	int cancel, port_holder, err;

	/* connect and close are cancellation points: none here. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	port_holder = refusing_port(&a);
	err = next.connect(fd, &a, a.len) ? errno : 0;
	if (port_holder >= 0)
		next.close(port_holder);
	pthread_setcancelstate(cancel, NULL);
	return err;
}
