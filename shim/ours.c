/*
 * ours.c - see ours.h.
 */
#include <sys/mman.h>

#include "ours.h"

#include "poison.h"

enum {
	MAX_REGS = 1 << 18,
	N_BUCKETS = 1024
};

static _Atomic(struct our_sock *) of_socks;
static _Atomic(struct our_reg *) regs;
/*
 * Entries that something was written to, a bit each; beyond it: all.  The
 * others are not read: with thousands of sockets a child would fault in each
 * page.
 */
enum {
	N_TOUCHED = 1 << 18
};
static _Atomic uint64_t touched[N_TOUCHED / 64];
static uint32_t used, first_free;
static uint32_t of_sets[N_BUCKETS]; /* a registration of such an epfd */

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

static bool is_touched(uint32_t index)
{
	return index >= N_TOUCHED ||
	       atomic_load_explicit(&touched[index / 64],
	                            memory_order_acquire) >>
	                       (index % 64) &
	               1;
}

static void touch(uint32_t index)
{
	if (index < N_TOUCHED && !is_touched(index))
		atomic_fetch_or(&touched[index / 64],
		                (uint64_t)1 << (index % 64));
}

void ours_forget_holds(void)
{
	struct our_sock *all = atomic_load(&of_socks);
	uint32_t n = atomic_load(&shim.run->used_socks);

	for (uint32_t i = 1; all && i <= n && i < shim.run->n_socks; i++) {
		if (!is_touched(i))
			continue;
		for (int g = 0; g < N_GATES_OF; g++)
			if (atomic_load(&all[i].until[g]))
				atomic_store(&all[i].until[g], 0);
		if (atomic_load(&all[i].watched))
			atomic_store(&all[i].watched, 0);
		if (atomic_load(&all[i].registered))
			atomic_store(&all[i].registered, false);
		if (atomic_load(&all[i].asked))
			atomic_store(&all[i].asked, 0);
		if (atomic_load(&all[i].look_at))
			atomic_store(&all[i].look_at, 0);
	}
}

struct our_sock *ours_peek(const struct fault_sock *s)
{
	struct our_sock *all = atomic_load(&of_socks);
	uint32_t index = socks_index(s);

	return all && is_touched(index) &&
	                       all[index].generation ==
	                               socks_generation_at(index)
	               ? &all[index]
	               : NULL;
}

struct our_reg *ours_reg(uint32_t index)
{
	return &atomic_load(&regs)[index];
}

static uint32_t *bucket(int epfd)
{
	return &of_sets[(unsigned)epfd % N_BUCKETS];
}

static void link_in(uint32_t index, struct our_reg *r, struct our_sock *o)
{
	uint32_t *of_set = bucket(r->epfd);

	r->next = o->first_reg;
	r->set_next = *of_set;
	if (r->next)
		ours_reg(r->next)->prev = index;
	if (r->set_next)
		ours_reg(r->set_next)->set_prev = index;
	o->first_reg = *of_set = index;
}

static void link_out(const struct our_reg *r)
{
	struct our_sock *o = &atomic_load(&of_socks)[r->sock];

	if (r->prev)
		ours_reg(r->prev)->next = r->next;
	else
		o->first_reg = r->next;
	*(r->set_prev ? &ours_reg(r->set_prev)->set_next : bucket(r->epfd)) =
		r->set_next;
	if (r->next)
		ours_reg(r->next)->prev = r->prev;
	if (r->set_next)
		ours_reg(r->set_next)->set_prev = r->set_prev;
}

struct our_reg *ours_add_reg(struct our_sock *o, int epfd, int fd)
{
	uint32_t index = first_free;
	struct our_reg *r;

	if (index)
		first_free = ours_reg(index)->next;
	else if (used + 1 < MAX_REGS)
		index = ++used;
	else
		return NULL;
	r = ours_reg(index);
	*r = (struct our_reg){.epfd = epfd,
	                      .fd = fd,
	                      .sock = (uint32_t)(o - atomic_load(&of_socks))};
	link_in(index, r, o);
	return r;
}

/* It would be in both lists: the shorter one tells. */
struct our_reg *ours_find_reg(const struct our_sock *o, int epfd, int fd)
{
	uint32_t i = o->first_reg, j = *bucket(epfd);
	uint32_t sock = (uint32_t)(o - atomic_load(&of_socks));

	for (; i && j; i = ours_reg(i)->next, j = ours_reg(j)->set_next) {
		struct our_reg *r = ours_reg(i), *q = ours_reg(j);

		if (r->epfd == epfd && r->fd == fd)
			return r;
		if (q->epfd == epfd && q->fd == fd && q->sock == sock)
			return q;
	}
	return NULL;
}

void ours_drop_reg(struct our_reg *r)
{
	link_out(r);
	r->next = first_free;
	first_free = (uint32_t)(r - ours_reg(0));
}

void ours_drop_fd(struct our_sock *o, int fd)
{
	uint32_t after;

	for (uint32_t i = o->first_reg; i; i = after) {
		after = ours_reg(i)->next;
		if (ours_reg(i)->fd == fd)
			ours_drop_reg(ours_reg(i));
	}
}

void ours_drop_set(int epfd)
{
	uint32_t after;

	for (uint32_t i = *bucket(epfd); i; i = after) {
		after = ours_reg(i)->set_next;
		if (ours_reg(i)->epfd == epfd)
			ours_drop_reg(ours_reg(i));
	}
}

static void empty(struct our_sock *o)
{
	while (o->first_reg)
		ours_drop_reg(ours_reg(o->first_reg));
	for (int i = 0; i < N_GATES_OF; i++)
		atomic_store(&o->until[i], 0);
	atomic_store(&o->watched, 0);
	atomic_store(&o->registered, false);
	atomic_store(&o->asked, 0);
	atomic_store(&o->refused, 0);
	arrivals_forget(&o->come);
	atomic_store(&o->look_at, 0);
	o->looks = 0;
}

struct our_sock *ours_of(const struct fault_sock *s)
{
	struct our_sock *all = atomic_load(&of_socks);
	uint32_t generation = socks_generation(s);
	struct our_sock *o;

	if (!all)
		return NULL;
	touch(socks_index(s));
	o = &all[socks_index(s)];
	if (o->generation != generation) {
		empty(o);
		o->generation = generation;
	}
	return o;
}
