/*
 * ours.c - see ours.h.
 */
#include <string.h>
#include <sys/mman.h>

#include "ours.h"

#include "poison.h"

enum {
	MAX_REGS = 1 << 18
};

static _Atomic(struct our_sock *) of_socks;
static _Atomic(struct our_reg *) regs;
static uint32_t used, first_free;

static void *map(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* Two threads at once: one's memory is used, the other's given back. */
#define PUBLISH(at, mem, size)                                                 \
	do {                                                                   \
		__typeof__(mem) none_ = NULL;                                  \
		if (!atomic_compare_exchange_strong(at, &none_, mem))          \
			munmap(mem, size);                                     \
	} while (0)

bool ours_prepare(void)
{
	size_t socks_len = sizeof(struct our_sock) * shim.run->n_socks;
	size_t regs_len = sizeof(struct our_reg) * MAX_REGS;
	struct our_sock *s;
	struct our_reg *r;

	if (LIKELY(atomic_load_explicit(&of_socks, memory_order_acquire)))
		return true;
	r = map(regs_len);
	s = map(socks_len);
	if (!r || !s) {
		if (r)
			munmap(r, regs_len);
		if (s)
			munmap(s, socks_len);
		return false;
	}
	PUBLISH(&regs, r, regs_len);
	PUBLISH(&of_socks, s, socks_len);
	return true;
}

bool ours_exist(void)
{
	return atomic_load_explicit(&of_socks, memory_order_acquire);
}

void ours_forget_holds(void)
{
	struct our_sock *all = atomic_load(&of_socks);
	uint32_t n = atomic_load(&shim.run->used_socks);

	/* Pages that nothing was written to stay untouched. */
	for (uint32_t i = 1; all && i <= n && i < shim.run->n_socks; i++) {
		for (int g = 0; g < N_GATES_OF; g++)
			if (atomic_load(&all[i].until[g]))
				atomic_store(&all[i].until[g], 0);
		if (atomic_load(&all[i].watched))
			atomic_store(&all[i].watched, 0);
		if (atomic_load(&all[i].registered))
			atomic_store(&all[i].registered, false);
		if (atomic_load(&all[i].look_at))
			atomic_store(&all[i].look_at, 0);
	}
}

struct our_sock *ours_peek(const struct fault_sock *s)
{
	struct our_sock *all = atomic_load(&of_socks);
	struct our_sock *o;

	if (!all)
		return NULL;
	o = &all[socks_index(s)];
	return o->generation == atomic_load(&s->generation) ? o : NULL;
}

static void empty(struct our_sock *o)
{
	while (o->first_reg) {
		uint32_t index = o->first_reg;

		o->first_reg = ours_reg(index)->next;
		ours_free_reg(index);
	}
	for (int i = 0; i < N_GATES_OF; i++)
		atomic_store(&o->until[i], 0);
	atomic_store(&o->watched, 0);
	atomic_store(&o->registered, false);
	atomic_store(&o->refused, 0);
	atomic_store(&o->look_at, 0);
	o->looks = 0;
}

struct our_sock *ours_of(const struct fault_sock *s)
{
	struct our_sock *all = atomic_load(&of_socks);
	uint32_t generation = atomic_load(&s->generation);
	struct our_sock *o;

	if (!all)
		return NULL;
	o = &all[socks_index(s)];
	if (o->generation != generation) {
		empty(o);
		o->generation = generation;
	}
	return o;
}

struct our_reg *ours_reg(uint32_t index)
{
	return &atomic_load(&regs)[index];
}

uint32_t ours_take_reg(void)
{
	uint32_t index = first_free;

	if (index)
		first_free = ours_reg(index)->next;
	else if (used + 1 < MAX_REGS)
		index = ++used;
	if (index)
		memset(ours_reg(index), 0, sizeof(struct our_reg));
	return index;
}

void ours_free_reg(uint32_t index)
{
	struct our_reg *r = ours_reg(index);

	r->epfd = r->fd = -1;
	r->next = first_free;
	first_free = index;
}

uint32_t ours_used_regs(void)
{
	return used;
}
