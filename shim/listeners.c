/*
 * listeners.c - see listeners.h.
 *
 * A small table without locks: a slot is claimed by its epfd (compare and
 * swap), its fields are single words.  A registration that changes while it is
 * kicked is written back by the program's own MOD.  A process with more than
 * MAX_LISTENERS registrations gets no kicks for the later ones, nor does one
 * that has EPOLLONESHOT on a listener (docs/limits.md).
 */
#include <stdatomic.h>
#include <stdint.h>

#include "call.h"
#include "listeners.h"

#include "poison.h"

enum {
	MAX_LISTENERS = 256
};

static struct {
	_Atomic int epfd; /* + 1; 0 = free */
	_Atomic int fd;
	_Atomic uint32_t events;
	_Atomic uint64_t data;
} table[MAX_LISTENERS];

static int find(int epfd, int fd)
{
	for (int i = 0; i < MAX_LISTENERS; i++)
		if (atomic_load(&table[i].epfd) == epfd + 1 &&
		    atomic_load(&table[i].fd) == fd)
			return i;
	return -1;
}

static int claim(int epfd)
{
	for (int i = 0; i < MAX_LISTENERS; i++) {
		int expected = 0;

		if (atomic_compare_exchange_strong(&table[i].epfd, &expected,
		                                   epfd + 1))
			return i;
	}
	return -1;
}

static bool may_listen(int fd)
{
	const struct fault_sock *s = socks_of(fds_word(fd));

	if (!s)
		return false;
	return atomic_load(&s->state) == STATE_LISTEN ||
	       atomic_load(&s->state) == STATE_BOUND;
}

void listeners_registered(int epfd, int op, int fd,
                          const struct epoll_event *event)
{
	int i = find(epfd, fd);

	if (op == EPOLL_CTL_DEL) {
		if (i >= 0)
			atomic_store(&table[i].epfd, 0);
		return;
	}
	if (i < 0 && may_listen(fd))
		i = claim(epfd);
	if (i < 0)
		return;
	atomic_store(&table[i].fd, fd);
	atomic_store(&table[i].events, event->events);
	atomic_store(&table[i].data, event->data.u64);
}

void listeners_closed(int fd)
{
	for (int i = 0; i < MAX_LISTENERS; i++)
		if (atomic_load(&table[i].fd) == fd)
			atomic_store(&table[i].epfd, 0);
}

void listeners_kick(int fd)
{
	for (int i = 0; i < MAX_LISTENERS; i++) {
		int epfd = atomic_load(&table[i].epfd) - 1;
		struct epoll_event event = {
			.events = atomic_load(&table[i].events),
			.data.u64 = atomic_load(&table[i].data),
		};

		if (epfd < 0 || atomic_load(&table[i].fd) != fd ||
		    !(event.events & EPOLLET) || event.events & EPOLLONESHOT)
			continue;
		/* EXCLUSIVE refuses MOD (epoll_ctl(2)). */
		if (event.events & EPOLLEXCLUSIVE) {
			next.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, &event);
			next.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
			continue;
		}
		next.epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event);
	}
}
