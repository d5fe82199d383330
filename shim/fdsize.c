/*
 * fdsize.c - see fdsize.h.
 *
 * Of the past not all is known: a number that was opened past us, or before an
 * exec, and closed again has left no trace.  All that then differs is that a
 * bit of a closed number is no EBADF.
 */
#include <poll.h>
#include <sys/select.h>

#include "fdinfo.h"
#include "fds.h"
#include "fdsize.h"
#include "next.h"
#include "private_fd.h"
#include "sets.h"

#include "poison.h"

enum {
	LEAST = 64,
	ASKED = 64 /* numbers asked for at once */
};

_Atomic int fdsize = LEAST;

/* In a child: that of the parent, until it is known what was inherited. */
static _Atomic int of_parent;

/* The highest socket that is in it by now. */
static _Atomic int seen = -1;

static int size_with(int fd)
{
	int size = LEAST;

	while (size <= fd && size < 1 << 30)
		size *= 2;
	return size;
}

void fdsize_raise(int fd)
{
	int size = size_with(fd);
	int now = atomic_load(&fdsize);

	while (now < size && !atomic_compare_exchange_weak(&fdsize, &now, size))
		;
}

/*
 * One that ends below ours has not grown for our sake.  Else an image before
 * this one may have had ours: what is inherited tells (fdsize_raise).
 */
void fdsize_attach(void)
{
	int now = fdinfo_table_size();
	int lowest = private_fd_lowest();

	if (now && (!lowest || now <= lowest))
		fdsize_raise(now - 1);
}

/* Nothing is asked here.  Sockets are known. */
void fdsize_child(void)
{
	int size = atomic_exchange(&fdsize, LEAST);
	int fd = fds_highest();

	if (size > atomic_load(&of_parent))
		atomic_store(&of_parent, size);
	atomic_store(&seen, fd);
	while (fd >= LEAST && !fds_word(fd))
		fd--;
	fdsize_raise(fd);
}

/* The highest of these that the program has open, -1: none. */
static int highest_open(struct pollfd *fds, int n)
{
	int highest = -1;
	int told;

	do
		told = next.poll(fds, (unsigned long)n, 0);
	while (told < 0 && errno == EINTR);
	for (int i = 0; told >= 0 && i < n; i++)
		if (!(fds[i].revents & POLLNVAL) && fds[i].fd > highest &&
		    !private_fd_is(fds[i].fd))
			highest = fds[i].fd;
	return highest;
}

static void ask_for(struct pollfd *fds, int n, int first)
{
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = first + i};
}

/* No more is open in a child than fits the table of its parent. */
static void find_inherited(void)
{
	int first = atomic_exchange(&of_parent, 0);
	struct pollfd fds[ASKED];
	int highest = -1;

	while (highest < 0 && (first -= ASKED) >= LEAST) {
		ask_for(fds, ASKED, first);
		highest = highest_open(fds, ASKED);
	}
	fdsize_raise(highest);
}

static void add_sockets(void)
{
	int highest = fds_highest();

	if (highest > atomic_load(&seen))
		fdsize_raise(highest);
}

/*
 * No byte behind an fd_set is read, unless it is known that the kernel would.
 * true: there are bits of which nothing can be said.
 */
static bool look_at_sets(const long *a)
{
	int n = (int)a[0] < FD_SETSIZE ? (int)a[0] : FD_SETSIZE;
	int first = atomic_load(&fdsize);
	int last = -1;

	for (; first < n; first += SETS_WORD) {
		unsigned long bits = sets_asked(a, first);
		struct pollfd fds[SETS_WORD];
		int asked = 0;

		for (; bits; bits &= bits - 1) {
			last = first + __builtin_ctzl(bits);
			fds[asked++] = (struct pollfd){.fd = last};
		}
		if (asked)
			fdsize_raise(highest_open(fds, asked));
	}
	return last >= atomic_load(&fdsize);
}

/*
 * The lowest number is always taken first, so a table that has grown has had
 * the first one beyond the old size.  Who counts has the last one that is asked
 * for.  Or some that are near.
 */
static void look_around(int n)
{
	struct pollfd fds[ASKED];
	int size;

	do {
		size = atomic_load(&fdsize);
		ask_for(fds, ASKED / 2, size);
		ask_for(fds + ASKED / 2, ASKED / 2, FD_SETSIZE);
		fds[ASKED - 1].fd = n - 1;
		fdsize_raise(highest_open(fds, ASKED));
	} while (fdsize_exceeded(n) && size < atomic_load(&fdsize));
}

int fdsize_cut(const long *a)
{
	int n = (int)a[0];

	if (fdsize_exceeded(n))
		add_sockets();
	if (fdsize_exceeded(n))
		find_inherited();
	if (fdsize_exceeded(n) && (look_at_sets(a) || n > FD_SETSIZE))
		look_around(n);
	return fdsize_exceeded(n) ? atomic_load(&fdsize) : n;
}
