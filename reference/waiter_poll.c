/*
 * waiter_poll.c - poll(2); contract in waiter.h.
 *
 * The entries are kept without gaps: poll refuses more of them than the limit
 * of descriptors, which may have been lowered below the highest number open.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "message.h"
#include "waiter.h"

struct poll_set {
	struct pollfd *entries;
	void **whats; /* of the same index */
	size_t n;
	size_t n_room;
};

static int out_of_memory(void)
{
	message_call("memory for poll", NULL, ENOMEM);
	return -ENOMEM;
}

static int open_poll(struct waiter *w)
{
	w->set = calloc(1, sizeof(struct poll_set));
	return w->set ? 0 : out_of_memory();
}

static void close_poll(struct waiter *w)
{
	struct poll_set *set = w->set;

	free(set->entries);
	free(set->whats);
	free(set);
}

static int make_room(struct poll_set *set)
{
	size_t n_room = set->n_room ? 2 * set->n_room : 16;
	struct pollfd *entries;
	void **whats;

	if (set->n < set->n_room)
		return 0;
	entries = realloc(set->entries, n_room * sizeof(*entries));
	if (!entries)
		return out_of_memory();
	set->entries = entries;
	whats = realloc(set->whats, n_room * sizeof(*whats));
	if (!whats)
		return out_of_memory();
	set->whats = whats;
	set->n_room = n_room;
	return 0;
}

/* The index of a watched descriptor. */
static size_t find(const struct poll_set *set, int fd)
{
	size_t i = 0;

	while (i < set->n && set->entries[i].fd != fd)
		i++;
	return i;
}

static short events_of(unsigned interest)
{
	return (short)((interest & WAIT_READ ? POLLIN : 0) |
	               (interest & WAIT_WRITE ? POLLOUT : 0));
}

static int add(struct waiter *w, int fd, unsigned interest, void *what,
               const char *name)
{
	struct poll_set *set = w->set;
	int err = make_room(set);

	(void)name;
	if (err)
		return err;
	set->entries[set->n] =
		(struct pollfd){.fd = fd, .events = events_of(interest)};
	set->whats[set->n] = what;
	set->n++;
	return 0;
}

static int modify(struct waiter *w, int fd, unsigned interest, void *what,
                  const char *name)
{
	struct poll_set *set = w->set;
	size_t i = find(set, fd);

	(void)what;
	(void)name;
	if (i < set->n)
		set->entries[i].events = events_of(interest);
	return 0;
}

static void remove_entry(struct waiter *w, int fd)
{
	struct poll_set *set = w->set;
	size_t i = find(set, fd);

	if (i == set->n)
		return;
	set->n--;
	set->entries[i] = set->entries[set->n];
	set->whats[i] = set->whats[set->n];
}

static unsigned news_of(int events)
{
	unsigned news = 0;

	if (events & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
		news |= WAIT_READ;
	if (events & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
		news |= WAIT_WRITE;
	if (events & POLLERR)
		news |= WAIT_ERROR;
	return news;
}

static int wait_poll(struct waiter *w, int timeout_ms, waiter_note *note,
                     void *context)
{
	struct poll_set *set = w->set;
	int n = poll(set->entries, set->n, timeout_ms);
	int err;

	if (n < 0 && errno != EINTR) {
		err = errno;
		message_call("poll", NULL, err);
		return -err;
	}
	for (size_t i = 0; n > 0 && i < set->n; i++) {
		if (!set->entries[i].revents)
			continue;
		note(context, set->whats[i], news_of(set->entries[i].revents));
		n--;
	}
	return 0;
}

const struct waiter_kind waiter_poll = {
	.edges = false,
	.open = open_poll,
	.close = close_poll,
	.add = add,
	.modify = modify,
	.remove = remove_entry,
	.wait = wait_poll,
};
