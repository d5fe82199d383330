/*
 * fds.c - see fds.h.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fds.h"
#include "next.h"

#include "poison.h"

enum {
	CHUNK_BITS = 16,
	N_CHUNKS = 1 << (31 - CHUNK_BITS)
};

typedef _Atomic uint64_t fd_word;

fd_word fds_near[FDS_NEAR];

/* [0] stays NULL: those are fds_near. */
static fd_word *_Atomic chunks[N_CHUNKS];

/* Bounds fds_each, and see fds_highest(). */
static _Atomic int highest = -1;

static fd_word *chunk_of(int fd)
{
	return atomic_load_explicit(&chunks[(unsigned)fd >> CHUNK_BITS],
	                            memory_order_acquire);
}

uint64_t fds_word_far(int fd)
{
	fd_word *chunk;

	if (fd < 0)
		return 0;
	chunk = chunk_of(fd);
	return chunk ? chunk[fd & (FDS_NEAR - 1)] : 0;
}

static fd_word *chunk_map(int fd)
{
	fd_word *expected = NULL;
	size_t len = sizeof(fd_word) << CHUNK_BITS;
	fd_word *fresh = mmap(NULL, len, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&chunks[(unsigned)fd >> CHUNK_BITS],
	                                   &expected, fresh))
		return fresh;
	munmap(fresh, len);
	return expected;
}

static fd_word *slot_of(int fd, bool make)
{
	fd_word *chunk;

	if (fd < 0)
		return NULL;
	if (fd < FDS_NEAR)
		return &fds_near[fd];
	chunk = chunk_of(fd);
	if (!chunk && make)
		chunk = chunk_map(fd);
	return chunk ? &chunk[fd & (FDS_NEAR - 1)] : NULL;
}

static void raise_highest(int fd)
{
	int seen = atomic_load_explicit(&highest, memory_order_relaxed);

	while (seen < fd && !atomic_compare_exchange_weak(&highest, &seen, fd))
		;
}

int fds_highest(void)
{
	return atomic_load_explicit(&highest, memory_order_relaxed);
}

uint64_t fds_set(int fd, uint64_t word)
{
	fd_word *slot = slot_of(fd, word != 0);

	if (!slot)
		return 0;
	if (word)
		raise_highest(fd);
	return atomic_exchange_explicit(slot, word, memory_order_acq_rel);
}

bool fds_replace(int fd, uint64_t *old, uint64_t word)
{
	fd_word *slot = slot_of(fd, false);

	return slot && atomic_compare_exchange_strong(slot, old, word);
}

void fds_flag(int fd, uint64_t flag, bool on)
{
	fd_word *slot = slot_of(fd, false);

	if (!slot || !atomic_load_explicit(slot, memory_order_relaxed))
		return;
	if (on)
		atomic_fetch_or(slot, flag);
	else
		atomic_fetch_and(slot, ~flag);
}

bool fds_mine(void)
{
	int pid;

	if (LIKELY(!shim_thread.vforked))
		return true;
	pid = getpid();
	if (pid != atomic_load_explicit(&shim.pid, memory_order_relaxed))
		return false;
	shim_thread.vforked = false;
	return true;
}

void fds_each(unsigned first, unsigned last, fds_visit *visit,
              const void *context)
{
	int top = fds_highest();

	if (top < 0)
		return;
	if (last > (unsigned)top)
		last = (unsigned)top;
	for (unsigned fd = first; fd <= last; fd++) {
		uint64_t word;

		if (fd >= FDS_NEAR && !chunk_of((int)fd)) {
			fd |= FDS_NEAR - 1;
			continue;
		}
		word = fds_word((int)fd);
		if (word)
			visit((int)fd, word, context);
	}
}
