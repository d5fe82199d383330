/*
 * waiter_select.c - select(2); contract in waiter.h.
 *
 * A set has FD_SETSIZE bits, and FD_SET beyond them writes somewhere else: a
 * descriptor with a higher number is refused, and its peer reset.  An error
 * makes a descriptor readable and writable, so that it shows in the next call;
 * the third set would only tell of urgent data, which nobody sends here.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/select.h>

#include "message.h"
#include "waiter.h"

struct select_set {
	fd_set read;
	fd_set write;
	int n; /* the highest number watched, plus one */
	void *whats[FD_SETSIZE];
};

static int open_select(struct waiter *w)
{
	/* Empty sets are all zero bits. */
	w->set = calloc(1, sizeof(struct select_set));
	if (w->set)
		return 0;
	message_call("memory for select", NULL, ENOMEM);
	return -ENOMEM;
}

static void close_select(struct waiter *w)
{
	free(w->set);
}

static int modify(struct waiter *w, int fd, unsigned interest, void *what,
                  const char *name)
{
	struct select_set *set = w->set;

	(void)name;
	FD_CLR(fd, &set->read);
	FD_CLR(fd, &set->write);
	if (interest & WAIT_READ)
		FD_SET(fd, &set->read);
	if (interest & WAIT_WRITE)
		FD_SET(fd, &set->write);
	set->whats[fd] = what;
	return 0;
}

static int add(struct waiter *w, int fd, unsigned interest, void *what,
               const char *name)
{
	struct select_set *set = w->set;

	if (fd >= FD_SETSIZE) {
		message("select cannot watch descriptor %d, of %s: "
		        "FD_SETSIZE is %d",
		        fd, name, FD_SETSIZE);
		return -EMFILE;
	}
	if (fd >= set->n)
		set->n = fd + 1;
	return modify(w, fd, interest, what, name);
}

static void remove_bits(struct waiter *w, int fd)
{
	struct select_set *set = w->set;

	modify(w, fd, 0, NULL, NULL);
	while (set->n > 0 && !set->whats[set->n - 1])
		set->n--;
}

static int wait_select(struct waiter *w, int timeout_ms, waiter_note *note,
                       void *context)
{
	struct select_set *set = w->set;
	struct timeval left = {.tv_sec = timeout_ms / 1000,
	                       .tv_usec = timeout_ms % 1000 * 1000};
	fd_set read = set->read;
	fd_set write = set->write;
	int n = select(set->n, &read, &write, NULL,
	               timeout_ms < 0 ? NULL : &left);
	int err;

	/* After an error the sets say nothing: select(2). */
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0) {
		err = errno;
		message_call("select", NULL, err);
		return -err;
	}
	for (int fd = 0; n > 0 && fd < set->n; fd++) {
		unsigned news = (FD_ISSET(fd, &read) ? WAIT_READ : 0) |
		                (FD_ISSET(fd, &write) ? WAIT_WRITE : 0);

		if (news)
			note(context, set->whats[fd], news);
	}
	return 0;
}

const struct waiter_kind waiter_select = {
	.edges = false,
	.open = open_select,
	.close = close_select,
	.add = add,
	.modify = modify,
	.remove = remove_bits,
	.wait = wait_select,
};
