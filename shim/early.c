/*
 * early.c - see early.h.
 */
#include <sys/epoll.h>
#include <sys/mman.h>

#include "early.h"

#include "poison.h"

enum state {
	NONE,
	BUSY, /* everything but state belongs to who made it so */
	KNOWN
};

struct entry {
	_Atomic uint32_t state;
	_Atomic uint32_t generation; /* of the fault_sock of the same index */
	uint64_t set;                /* word of epfd */
	struct early reg;
};

static struct entry *all;

void early_prepare(void)
{
	void *mem = mmap(NULL, sizeof(*all) * shim.run->n_socks,
	                 PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem != MAP_FAILED)
		all = mem;
}

static struct entry *entry_of(const struct fault_sock *s)
{
	return all ? &all[socks_index(s)] : NULL;
}

static uint64_t set_of(int epfd)
{
	uint64_t word = fds_word(epfd);

	return fds_kind(word) == FDS_EPOLL ? word & ~(FDS_CLOEXEC | FDS_FORKING)
	                                   : 0;
}

uint64_t early_mark_set(int epfd)
{
	static _Atomic uint32_t marked;

	if (!fds_word(epfd))
		fds_set(epfd,
		        fds_make(FDS_EPOLL, atomic_fetch_add(&marked, 1), 0,
		                 FAMILY_BIT(FAMILY_CLOSE) |
		                         FAMILY_BIT(FAMILY_TABLE)));
	return set_of(epfd);
}

static bool is_of(const struct entry *e, const struct fault_sock *s)
{
	return atomic_load(&e->generation) == socks_generation(s);
}

bool early_any(const struct fault_sock *s)
{
	const struct entry *e = entry_of(s);

	return e && atomic_load(&e->state) == KNOWN && is_of(e, s);
}

/* From KNOWN to BUSY. */
static struct entry *claim(const struct fault_sock *s)
{
	struct entry *e = entry_of(s);
	uint32_t known = KNOWN;

	return e && is_of(e, s) &&
	                       atomic_compare_exchange_strong(&e->state, &known,
	                                                      BUSY)
	               ? e
	               : NULL;
}

bool early_take(const struct fault_sock *s, struct early *ret)
{
	struct entry *e = claim(s);
	bool there;

	if (!e)
		return false;
	*ret = e->reg;
	there = e->set && e->set == set_of(e->reg.epfd);
	atomic_store(&e->state, NONE);
	return there;
}

void early_closed(int fd, const struct fault_sock *s)
{
	struct entry *e = claim(s);

	if (e)
		atomic_store(&e->state, e->reg.fd == fd ? NONE : KNOWN);
}

/* May this call use the entry?  was: its state before it became BUSY. */
static bool fits(const struct entry *e, const struct shim_call *c, uint32_t was)
{
	bool known = was == KNOWN && is_of(e, c->sock);

	if (c->a[1] == EPOLL_CTL_ADD)
		return !known;
	return known && e->reg.fd == c->fd && e->reg.epfd == (int)c->a[0] &&
	       e->set && e->set == set_of(e->reg.epfd);
}

static void keep(struct entry *e, const struct shim_call *c)
{
	const struct epoll_event *event = (const void *)c->a[3];

	e->set = early_mark_set((int)c->a[0]);
	e->reg = (struct early){(int)c->a[0], c->fd, event->events,
	                        event->data.u64};
	atomic_store(&e->generation, socks_generation(c->sock));
}

bool early_ctl(struct shim_call *c)
{
	struct entry *e = entry_of(c->sock);
	uint32_t was = e ? atomic_load(&e->state) : BUSY;

	if (was == BUSY ||
	    !atomic_compare_exchange_strong(&e->state, &was, BUSY))
		return false;
	if (!fits(e, c, was)) {
		atomic_store(&e->state, was);
		return false;
	}
	call_real(c);
	if (!c->result && c->a[1] != EPOLL_CTL_DEL) {
		keep(e, c);
		was = KNOWN;
	} else if (!c->result || c->a[1] == EPOLL_CTL_ADD) {
		was = NONE;
	}
	atomic_store(&e->state, was);
	return true;
}
