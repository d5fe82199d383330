/*
 * waiter.h - readiness behind one interface: poll, select, epoll.
 *
 * A waiter watches descriptors and tells which are ready.  The four kinds
 * differ in how they are asked and in what they promise: a level-triggered
 * kind says so again as long as it is true, an edge-triggered one once per
 * edge.  loops.c names the kind of each style; loop_events.c drives all of
 * them in the same way and looks at nothing but `edges`.
 *
 * Functions that return int give 0 or -errno, and have said why.
 *
 * Locking model: a waiter belongs to one thread.
 */
#ifndef REFERENCE_WAITER_H
#define REFERENCE_WAITER_H

#include <stdbool.h>

/* Interest in, and news of, a descriptor; an error is always news. */
#define WAIT_READ  1U
#define WAIT_WRITE 2U
#define WAIT_ERROR 4U /* news only: SO_ERROR has something to say */

struct waiter_kind;

struct waiter {
	const struct waiter_kind *kind;
	int fd;    /* epoll's; else unused */
	void *set; /* what poll and select keep; else unused */
};

/*
 * Called for each ready descriptor, with what was given when it was added.
 * Must not add, modify or remove.
 */
typedef void waiter_note(void *context, void *what, unsigned news);

struct waiter_kind {
	bool edges; /* told once: ask until EAGAIN, and modify is not needed */

	int (*open)(struct waiter *w);
	void (*close)(struct waiter *w);

	/*
	 * Watch fd, which is not watched yet; name is for messages.  -EMFILE
	 * when this kind cannot watch a number so high (FD_SETSIZE).
	 */
	int (*add)(struct waiter *w, int fd, unsigned interest, void *what,
	           const char *name);

	/* Another interest; 0: none for the time being. */
	int (*modify)(struct waiter *w, int fd, unsigned interest, void *what,
	              const char *name);

	/* Before the descriptor is closed.  Cannot fail. */
	void (*remove)(struct waiter *w, int fd);

	/*
	 * Wait for at most so many milliseconds (-1: for ever) and note what
	 * is ready, possibly nothing; a signal ends the wait as well.
	 */
	int (*wait)(struct waiter *w, int timeout_ms, waiter_note *note,
	            void *context);
};

extern const struct waiter_kind waiter_poll;
extern const struct waiter_kind waiter_select;
extern const struct waiter_kind waiter_epoll_lt;
extern const struct waiter_kind waiter_epoll_et;

/* An empty waiter of this kind. */
int waiter_open(struct waiter *w, const struct waiter_kind *kind);

#endif
