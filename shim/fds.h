/*
 * fds.h - the descriptor table of this process: descriptor -> socket.
 *
 * One 64-bit word per descriptor, 0 = foreign: no TCP socket, or one that
 * nothing can happen to.  Low 16 bits: families that must leave the fast path.
 * Then the generation and index of its fault_sock, and what it is.
 *
 * The first 65,536 descriptors lie in one array of .bss (untouched pages cost
 * nothing), the others in chunks mapped when the first socket of a chunk
 * appears; there is no descriptor that cannot be tracked.
 *
 * Words are read and written atomically, one by one.  The program closes a
 * descriptor through us *before* the kernel frees the number, so a word never
 * describes the next owner of its number; a close behind our back (raw system
 * call) leaves a stale word, which is found out when a fault is about to fire.
 *
 * vfork: the child runs in the parent's memory.  A thread that has called
 * vfork is marked; its table changes are made only if it is not the child,
 * which getpid tells.
 */
#ifndef FAULT_SHIM_FDS_H
#define FAULT_SHIM_FDS_H

#include "shim.h"

enum {
	FDS_NEAR = 65536
};

extern _Atomic uint64_t fds_near[FDS_NEAR];

enum fds_kind {
	FDS_FOREIGN,
	FDS_TCP,
	FDS_UNIX,
	FDS_EPOLL /* a tracked socket is registered with it */
};

#define FDS_INDEX_SHIFT 32
#define FDS_KIND_SHIFT  60
#define FDS_CLOEXEC     (1ULL << 62) /* closed by exec */
#define FDS_FORKING     (1ULL << 63) /* a fork under way has its reference */

static inline uint64_t fds_make(enum fds_kind kind, uint32_t index,
                                uint32_t generation, uint32_t families)
{
	return (uint64_t)kind << FDS_KIND_SHIFT |
	       (uint64_t)(index & 0xfffffff) << FDS_INDEX_SHIFT |
	       (uint64_t)(generation & 0xffff) << 16 | (families & 0xffff);
}

static inline enum fds_kind fds_kind(uint64_t word)
{
	return (enum fds_kind)(word >> FDS_KIND_SHIFT & 3);
}

static inline uint32_t fds_index(uint64_t word)
{
	return (uint32_t)(word >> FDS_INDEX_SHIFT) & 0xfffffff;
}

uint64_t fds_word_far(int fd);

/* The word of any int; negative numbers are foreign. */
static inline __attribute__((always_inline)) uint64_t fds_word(int fd)
{
	if (LIKELY((unsigned)fd < FDS_NEAR))
		return atomic_load_explicit(&fds_near[fd],
		                            memory_order_relaxed);
	return fds_word_far(fd);
}

/* Replace a word; returns the old one.  0 is returned when it has no chunk. */
uint64_t fds_set(int fd, uint64_t word);

/* Compare and swap; *old is the word that was there. */
bool fds_replace(int fd, uint64_t *old, uint64_t word);

/* Set or clear a flag of a tracked descriptor's word. */
void fds_flag(int fd, uint64_t flag, bool on);

/* May this thread change the table?  false in a child of vfork. */
bool fds_mine(void);

/* No descriptor above it was ever tracked; -1: none was. */
int fds_highest(void);

/* Call visit for each tracked descriptor in [first, last]. */
typedef void fds_visit(int fd, uint64_t word, const void *context);
void fds_each(unsigned first, unsigned last, fds_visit *visit,
              const void *context);

#endif
