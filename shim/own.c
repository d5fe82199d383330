/*
 * own.c - see own.h.
 */
#include "lock.h"
#include "ours.h"
#include "own.h"
#include "private_fd.h"
#include "socks.h"

#include "poison.h"

/*
 * Those in use, + 1: a child of fork has to close them, or they would keep the
 * connections open.  Several threads can be at it; with none free the program's
 * descriptor has to do.
 */
enum {
	N_OWN = 8
};
static _Atomic int own[N_OWN];

static int hold_own(int fd)
{
	struct lock_guard guard;
	int own_fd = -1;
	int i = 0;

	/* fork takes the lock: it comes before or after both. */
	ours_prepare();
	lock_take(&guard);
	while (i < N_OWN && atomic_load(&own[i]))
		i++;
	if (i < N_OWN) {
		own_fd = private_fd_dup(fd);
		atomic_store(&own[i], own_fd + 1);
	}
	lock_give(&guard);
	return own_fd;
}

static void drop_own(int own_fd)
{
	struct lock_guard guard;

	if (own_fd < 0)
		return;
	lock_take(&guard);
	for (int i = 0; i < N_OWN; i++)
		if (atomic_load(&own[i]) == own_fd + 1)
			atomic_store(&own[i], 0);
	private_fd_close(own_fd);
	lock_give(&guard);
}

void own_child(void)
{
	for (int i = 0; i < N_OWN; i++) {
		int own_fd = atomic_exchange(&own[i], 0) - 1;

		if (own_fd >= 0)
			private_fd_close(own_fd);
	}
}

/*
 * A reference of ours, or the entry could be another connection's by the time
 * something is done to it: the program closes and opens meanwhile.
 */
static bool take_entry(struct fault_sock *s, uint64_t word)
{
	_Atomic uint32_t *at = &run_ref(shim.run, s)->refs;
	uint32_t refs = atomic_load(at);

	while (refs && !atomic_compare_exchange_weak(at, &refs, refs + 1))
		;
	if (refs && socks_of(word) == s)
		return true;
	if (refs)
		socks_drop(s);
	return false;
}

/*
 * The word is compared after the dup: then ours is what the word says, unless
 * it is stale, which socks_same() finds out.  Without a descriptor of our own
 * (EMFILE) the program's has to do.
 */
bool own_take(int fd, uint64_t word, struct fault_sock *s, struct own *ret)
{
	if (!take_entry(s, word))
		return false;
	ret->sock = s;
	ret->dup = hold_own(fd);
	ret->fd = ret->dup < 0 ? fd : ret->dup;
	if (socks_of(fds_word(fd)) == s)
		return true;
	own_give(ret);
	return false;
}

void own_give(const struct own *o)
{
	drop_own(o->dup);
	socks_drop(o->sock);
}
