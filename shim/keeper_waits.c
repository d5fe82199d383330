/*
 * keeper_waits.c - threads that wait in a blocking call, or in poll, for a gate
 * that may open before its time: see keeper.h.
 *
 * Everything under the lock of lock.h, but whether there are any.
 */
#include "keeper.h"
#include "lock.h"
#include "private_fd.h"

#include "poison.h"

enum {
	MAX_WAITS = 4096
};

struct wait {
	int timer; /* + 1; 0: free */
	uint32_t sock;
	uint32_t generation;
	uint32_t gate;
};

static struct wait waits[MAX_WAITS];
static _Atomic uint32_t n_waits; /* above the last one in use */
static uint32_t no_free;         /* below it */

bool keeper_wait_begins(int timer_fd, const struct fault_sock *s,
                        enum gate gate)
{
	const struct wait w = {.timer = timer_fd + 1,
	                       .sock = socks_index(s),
	                       .generation = socks_generation(s),
	                       .gate = gate};
	struct lock_guard guard;
	uint32_t i;

	lock_take(&guard);
	i = no_free;
	while (i < n_waits && waits[i].timer)
		i++;
	no_free = i;
	if (i < MAX_WAITS) {
		waits[i] = w;
		if (i == n_waits)
			n_waits++;
	}
	lock_give(&guard);
	return i < MAX_WAITS;
}

void keeper_wait_ends(int timer_fd)
{
	struct lock_guard guard;

	lock_take(&guard);
	for (uint32_t i = n_waits; i-- > 0;) {
		if (waits[i].timer != timer_fd + 1)
			continue;
		waits[i].timer = 0;
		if (i < no_free)
			no_free = i;
	}
	while (n_waits && !waits[n_waits - 1].timer)
		n_waits--;
	lock_give(&guard);
}

void keeper_wake_waits(const struct fault_sock *s, enum gate gate)
{
	uint32_t index = socks_index(s);
	uint32_t generation = socks_generation(s);
	struct lock_guard guard;

	if (!atomic_load(&n_waits))
		return;
	lock_take(&guard);
	for (uint32_t i = 0; i < n_waits; i++) {
		const struct wait *w = &waits[i];

		if (w->timer && w->sock == index &&
		    w->generation == generation && w->gate == gate)
			private_fd_set_timer(w->timer - 1, 1);
	}
	lock_give(&guard);
}

void keeper_waits_child(void)
{
	n_waits = no_free = 0;
}
