/*
 * waiter_epoll.c - epoll(7), level- and edge-triggered; contract in waiter.h.
 *
 * Both share all calls but for two: the edge-triggered kind adds EPOLLET, and
 * leaves a descriptor to close(2), which takes it out of the set as long as
 * nobody else has it; the level-triggered one removes it itself.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "message.h"
#include "waiter.h"

#define MAX_EVENTS 64

int waiter_open(struct waiter *w, const struct waiter_kind *kind)
{
	*w = (struct waiter){.kind = kind, .fd = -1};
	return kind->open(w);
}

static int open_epoll(struct waiter *w)
{
	int err;

	w->fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->fd >= 0)
		return 0;
	err = errno;
	message_call("epoll_create1", NULL, err);
	return -err;
}

static void close_epoll(struct waiter *w)
{
	close(w->fd);
}

static int control(struct waiter *w, int operation, int fd, unsigned interest,
                   void *what, const char *name)
{
	struct epoll_event event = {.data = {.ptr = what}};
	int err;

	if (w->kind->edges)
		event.events = EPOLLET | EPOLLRDHUP;
	if (interest & WAIT_READ)
		event.events |= EPOLLIN;
	if (interest & WAIT_WRITE)
		event.events |= EPOLLOUT;
	if (epoll_ctl(w->fd, operation, fd, &event) == 0)
		return 0;
	err = errno;
	message_call("epoll_ctl for", name, err);
	return -err;
}

static int add(struct waiter *w, int fd, unsigned interest, void *what,
               const char *name)
{
	return control(w, EPOLL_CTL_ADD, fd, interest, what, name);
}

static int modify(struct waiter *w, int fd, unsigned interest, void *what,
                  const char *name)
{
	return control(w, EPOLL_CTL_MOD, fd, interest, what, name);
}

static void remove_level(struct waiter *w, int fd)
{
	epoll_ctl(w->fd, EPOLL_CTL_DEL, fd, NULL);
}

static void remove_edge(struct waiter *w, int fd)
{
	(void)w;
	(void)fd;
}

static unsigned news_of(unsigned events)
{
	unsigned news = 0;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		news |= WAIT_READ;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		news |= WAIT_WRITE;
	if (events & EPOLLERR)
		news |= WAIT_ERROR;
	return news;
}

static int wait_epoll(struct waiter *w, int timeout_ms, waiter_note *note,
                      void *context)
{
	struct epoll_event events[MAX_EVENTS];
	int n = epoll_wait(w->fd, events, MAX_EVENTS, timeout_ms);
	int err;

	if (n < 0 && errno != EINTR) {
		err = errno;
		message_call("epoll_wait", NULL, err);
		return -err;
	}
	for (int i = 0; i < n; i++)
		note(context, events[i].data.ptr, news_of(events[i].events));
	return 0;
}

const struct waiter_kind waiter_epoll_lt = {
	.edges = false,
	.open = open_epoll,
	.close = close_epoll,
	.add = add,
	.modify = modify,
	.remove = remove_level,
	.wait = wait_epoll,
};

const struct waiter_kind waiter_epoll_et = {
	.edges = true,
	.open = open_epoll,
	.close = close_epoll,
	.add = add,
	.modify = modify,
	.remove = remove_edge,
	.wait = wait_epoll,
};
