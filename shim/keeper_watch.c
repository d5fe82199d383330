/*
 * keeper_watch.c - the sockets that the helper waits for in its epoll set: see
 * keeper.h, keeper_internal.h.
 */
#include <limits.h>
#include <sys/epoll.h>

#include "keeper.h"
#include "keeper_internal.h"
#include "lock.h"
#include "ours.h"
#include "private_fd.h"

#include "poison.h"

/* Any descriptor of s in this process, best the one it was held by. */
struct search {
	struct fault_sock *sock;
	int fd;
};

static void match(int fd, uint64_t word, const void *context)
{
	struct search *s = *(struct search *const *)context;

	if (socks_of(word) == s->sock)
		s->fd = fd;
}

int keeper_descriptor(struct fault_sock *s, int fd)
{
	struct search search = {s, -1};
	struct search *p = &search;

	if (socks_of(fds_word(fd)) == s)
		return fd;
	fds_each(0, INT_MAX, match, &p);
	return search.fd;
}

/*
 * ERR and HUP are always told; as an edge, or a hang-up would be told for ever.
 * Whoever shuts a socket down wakes all that wait for it, for whatever: of that
 * edge come RDHUP of one that receives, OUT of one that sends, HUP of a
 * listener.  Data make no edge of RDHUP, but a FIN does.
 */
static uint32_t events_of(struct fault_sock *s)
{
	uint64_t now = shim_now();
	uint32_t events = EPOLLET;

	if (atomic_load(&s->rx_armed))
		return EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
	if (gates_held(s, GATE_OF_RX, now))
		events |= EPOLLRDHUP;
	if (gates_held(s, GATE_OF_TX, now))
		events |= EPOLLOUT;
	return events;
}

/* What the helper of this life asks for. */
static uint64_t asked(uint32_t events)
{
	return (uint64_t)keeper_life() << 32 | events;
}

bool keeper_watches(struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);

	return shim.helpless ||
	       (o && atomic_load(&o->asked) == asked(events_of(s)));
}

/* Under the lock. */
static void ask(int fd, struct fault_sock *s, struct our_sock *o,
                uint32_t events)
{
	uint64_t generation = socks_generation(s) & 0xffff;
	struct epoll_event e = {.events = events,
	                        .data.u64 = generation << 32 | (uint32_t)fd};

	if (keeper_set() >= 0 &&
	    private_fd_epoll_ctl(keeper_set(), EPOLL_CTL_MOD, fd, &e))
		private_fd_epoll_ctl(keeper_set(), EPOLL_CTL_ADD, fd, &e);
	if (!o)
		return;
	atomic_store(&o->watched, events & EPOLLIN && keeper_set() >= 0
	                                  ? (uint32_t)fd + 1
	                                  : 0);
	atomic_store(&o->registered, true);
	atomic_store(&o->asked, keeper_set() >= 0 ? asked(events) : 0);
	o->asked_by = (uint32_t)fd + 1;
}

void keeper_watch(int fd, struct fault_sock *s)
{
	struct lock_guard guard;
	struct our_sock *o;
	uint32_t events;
	int saved = errno;

	lock_take(&guard);
	o = ours_of(s);
	events = events_of(s);
	keeper_arms();
	/* An edge that is asked for goes on; asked again it would be told of
	 * what it has told. */
	if (!o || events & EPOLLONESHOT ||
	    atomic_load(&o->asked) != asked(events))
		ask(fd, s, o, events);
	lock_give(&guard);
	errno = saved;
}

void keeper_let_go(int fd, struct fault_sock *s)
{
	struct epoll_event none = {0};
	struct lock_guard guard;
	struct our_sock *o;

	lock_take(&guard);
	o = ours_of(s);
	if (keeper_set() >= 0 && events_of(s) == EPOLLET) {
		private_fd_epoll_ctl(keeper_set(), EPOLL_CTL_DEL, fd, &none);
		if (o)
			atomic_store(&o->asked, 0);
	} else if (o && atomic_load(&o->asked) != asked(events_of(s))) {
		ask(fd, s, o, events_of(s));
	}
	lock_give(&guard);
}

/* Another descriptor of one that is still held. */
static void watch_another(struct fault_sock *s)
{
	int fd = events_of(s) == EPOLLET ? -1 : keeper_descriptor(s, -1);

	if (fd >= 0)
		keeper_watch(fd, s);
}

void keeper_unwatch(int fd, struct fault_sock *s)
{
	bool lost = false;
	struct epoll_event none = {0};
	struct lock_guard guard;
	struct our_sock *o;
	int saved = errno;

	if (keeper_set() < 0)
		return;
	/* Most sockets are closed without ever having been held. */
	o = ours_exist() ? ours_peek(s) : NULL;
	if (ours_exist() && !(o && atomic_load(&o->registered)))
		return;
	lock_take(&guard);
	o = ours_of(s);
	if (o && atomic_load(&o->watched) == (uint32_t)fd + 1)
		atomic_store(&o->watched, 0);
	if (o && o->asked_by == (uint32_t)fd + 1)
		lost = atomic_exchange(&o->asked, 0);
	if (keeper_set() >= 0)
		private_fd_epoll_ctl(keeper_set(), EPOLL_CTL_DEL, fd, &none);
	lock_give(&guard);
	if (lost && socks_holders(s) > 1)
		watch_another(s);
	errno = saved;
}
