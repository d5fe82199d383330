/*
 * regs.c - see regs.h.
 */
#include "early.h"
#include "exclusive.h"
#include "fdinfo.h"
#include "gates.h"
#include "keeper.h"
#include "lock.h"
#include "ours.h"
#include "park.h"
#include "regs.h"

#include "poison.h"

/* One that the kernel has as it was asked for, and that is not known yet. */
static void add_found(struct our_sock *o, int epfd, int fd, uint32_t events,
                      uint64_t data)
{
	struct our_reg *r =
		ours_find_reg(o, epfd, fd) ? NULL : ours_add_reg(o, epfd, fd);

	if (!r)
		return;
	r->events = r->kernel = events;
	r->data = data;
	early_mark_set(epfd);
}

/* The entry of s, with all that is known; NULL before ours_prepare(). */
static struct our_sock *all_of(const struct fault_sock *s)
{
	struct our_sock *o = ours_of(s);
	struct early e;

	if (o && early_take(s, &e))
		add_found(o, e.epfd, e.fd, e.events, e.data);
	return o;
}

/* how: only those with these of PARK_HOW.  false: one is to be tried again. */
static bool apply(struct fault_sock *s, struct our_sock *o, uint32_t how)
{
	const struct park_view v = park_look_at(s);
	bool all = true, due = false;

	/* A hold: what its end wakes is counted from 0. */
	if (v.rx && v.listener)
		atomic_store(&s->roused, 0);
	for (uint32_t i = o->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);
		const struct park_wanted w = park_wanted(r, &v, false);

		if ((r->events & how) != how || socks_of(fds_word(r->fd)) != s)
			continue;
		if (exclusive_is_due(r, &w, &v))
			due = true;
		else
			all &= park_change(r, w);
	}
	if (due)
		all &= exclusive_add(s, o, &v);
	return all;
}

enum {
	SOON_NS = 2000000
};

/* Is it to be tried again, and not yet planned?  all: nothing is left. */
static bool plan_look(struct our_sock *o, bool all)
{
	uint64_t now = shim_now();

	if (all) {
		atomic_store(&o->look_at, 0);
		o->looks = 0;
	} else if (atomic_load(&o->look_at) <= now) {
		atomic_store(&o->look_at, now + SOON_NS);
		o->looks++;
		return true;
	}
	return false;
}

static bool is_recorded(const struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);

	return o && o->first_reg;
}

static void apply_all(struct fault_sock *s, uint32_t how)
{
	int saved = errno;
	struct lock_guard guard;
	struct our_sock *o;
	bool again = false;
	int fd = -1;

	/* What is only kept in mind is as the program asked for. */
	if (!regs_any(s) || (!is_recorded(s) && park_is_natural(s)) ||
	    !ours_prepare())
		return;
	lock_take(&guard);
	o = all_of(s);
	if (o && o->first_reg) {
		fd = ours_reg(o->first_reg)->fd;
		again = plan_look(o, apply(s, o, how));
	}
	lock_give(&guard);
	/* If what was ready has gone before it was told, nothing fires. */
	if (again) {
		keeper_open_at(fd, s, GATE_OF_RX, shim_now() + SOON_NS);
		keeper_start();
	}
	errno = saved;
}

void regs_apply(struct fault_sock *s)
{
	apply_all(s, 0);
}

void regs_apply_exclusive(struct fault_sock *s)
{
	apply_all(s, EPOLLEXCLUSIVE);
}

void regs_show_end(struct fault_sock *s)
{
	static const struct park_view natural;
	struct lock_guard guard;
	struct our_sock *o;
	int saved = errno;

	if (!(atomic_load(&s->families) & PLAN_CUTTING) || !is_recorded(s))
		return;
	lock_take(&guard);
	o = ours_of(s);
	for (uint32_t i = o ? o->first_reg : 0; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (socks_of(fds_word(r->fd)) == s && r->events & EPOLLRDHUP)
			park_change(r, park_wanted(r, &natural, true));
	}
	lock_give(&guard);
	errno = saved;
}

bool regs_wait(const struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);

	return o && atomic_load_explicit(&o->look_at, memory_order_relaxed);
}

bool regs_any(const struct fault_sock *s)
{
	return is_recorded(s) || early_any(s);
}

/* --- the program's side --------------------------------------------------- */

/* ADD of what must not be seen: the kernel says whether it may be. */
static void add_deleted(struct shim_call *c, const struct our_reg *r)
{
	struct epoll_event none = {.events = r->events & PARK_HOW};
	long theirs = c->a[3];

	c->a[3] = (long)&none;
	call_real(c);
	c->a[3] = theirs;
	if (!c->result)
		park_ctl(r, EPOLL_CTL_DEL, 0);
}

static void make_masked(struct shim_call *c, const struct our_reg *r,
                        uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = r->data};
	long theirs = c->a[3];

	c->a[3] = (long)&e;
	call_real(c);
	c->a[3] = theirs;
}

/* What the kernel is told of it, or what it would have said. */
static void tell(struct shim_call *c, const struct our_reg *r,
                 const struct our_reg *known, const struct park_wanted *w)
{
	int op = (int)c->a[1];

	if (known && known->deleted && op == EPOLL_CTL_ADD) {
		call_fail(c, EEXIST);
	} else if (known && known->deleted &&
	           (r->events | known->events) & EPOLLEXCLUSIVE) {
		call_fail(c, EINVAL); /* epoll_ctl(2): refuses MOD */
	} else if (known && known->deleted) {
		c->result = 0;
		c->made = true;
		/* There already: a process that shares the set was first. */
		if (!w->deleted && !park_ctl(r, EPOLL_CTL_ADD, w->events))
			park_ctl(r, EPOLL_CTL_MOD, w->events);
	} else if (w->deleted && op == EPOLL_CTL_ADD) {
		add_deleted(c, r);
	} else {
		make_masked(c, r, w->events);
		if (w->deleted && !c->result)
			park_ctl(r, EPOLL_CTL_DEL, 0);
	}
}

/* ADD or MOD: the program's mask, without what is held. */
static void set(struct shim_call *c, struct our_sock *o,
                const struct epoll_event *event)
{
	int epfd = (int)c->a[0];
	const struct park_view v = park_look_at(c->sock);
	struct our_reg *known = ours_find_reg(o, epfd, c->fd);
	struct our_reg *kept = known ? known : ours_add_reg(o, epfd, c->fd);
	struct our_reg fresh;
	struct park_wanted w;

	/* No room: the kernel has all of it, whatever is held (limits.md). */
	if (!kept) {
		call_real(c);
		return;
	}
	fresh = *kept;
	fresh.events = event->events;
	fresh.data = event->data.u64;
	w = park_wanted(&fresh, &v, true);
	tell(c, &fresh, known, &w);
	if (c->result) {
		if (!known)
			ours_drop_reg(kept);
		return;
	}
	kept->events = fresh.events;
	kept->kernel = w.events;
	kept->data = fresh.data;
	kept->deleted = w.deleted;
	early_mark_set(epfd);
}

static void del(struct shim_call *c, struct our_sock *o)
{
	struct our_reg *known = ours_find_reg(o, (int)c->a[0], c->fd);

	if (known && known->deleted) {
		park_ctl(known, EPOLL_CTL_DEL, 0);
		c->result = 0;
		c->made = true;
	} else {
		call_real(c);
	}
	if (!c->result && known)
		ours_drop_reg(known);
}

/* Lasting or cutting rules, or an accept whose edge may have to come again. */
static bool is_kept(const struct fault_sock *s)
{
	return gates_concern(s) || gates_cutting(s) ||
	       atomic_load(&s->families) & FAMILY_BIT(FAMILY_ACCEPT);
}

static void ctl_locked(struct shim_call *c)
{
	struct lock_guard guard;
	struct our_sock *o;

	lock_take(&guard);
	o = all_of(c->sock);
	if (c->a[1] == EPOLL_CTL_DEL)
		del(c, o);
	else
		set(c, o, (const struct epoll_event *)c->a[3]);
	lock_give(&guard);
}

/* One that the kernel does not refuse at once. */
static bool is_valid(const struct shim_call *c)
{
	return c->a[1] == EPOLL_CTL_DEL ||
	       ((c->a[1] == EPOLL_CTL_ADD || c->a[1] == EPOLL_CTL_MOD) &&
	        (uintptr_t)c->a[3] >= 4096);
}

void regs_ctl(struct shim_call *c)
{
	if (!is_valid(c) || !is_kept(c->sock)) {
		call_real(c);
		early_closed(c->fd, c->sock);
		return;
	}
	/* First, so that it is not registered with what is hidden at once. */
	if (c->a[1] != EPOLL_CTL_DEL && gates_concern(c->sock)) {
		gates_follow(c->fd, c->sock);
		gates_consider(c->fd, c->sock);
	}
	if (!is_recorded(c->sock) && park_is_natural(c->sock) && early_ctl(c)) {
		/* Held since, by who did not find it yet. */
		regs_apply(c->sock);
		return;
	}
	if (ours_prepare())
		ctl_locked(c);
	else
		call_real(c);
}

void regs_closed(int fd, const struct fault_sock *s)
{
	struct lock_guard guard;
	struct our_sock *o;

	early_closed(fd, s);
	if (!is_recorded(s))
		return;
	lock_take(&guard);
	o = ours_of(s);
	if (o)
		ours_drop_fd(o, fd);
	lock_give(&guard);
}

void regs_set_closed(int epfd)
{
	struct lock_guard guard;

	if (!ours_exist())
		return;
	lock_take(&guard);
	ours_drop_set(epfd);
	lock_give(&guard);
}

void regs_kick_accept(const struct fault_sock *s)
{
	struct lock_guard guard;
	struct our_sock *o;

	if (!regs_any(s) || !ours_prepare())
		return;
	lock_take(&guard);
	o = all_of(s);
	for (uint32_t i = o->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		/* A ONESHOT is armed again by the program itself. */
		if (!r->deleted && (r->events & (EPOLLET | EPOLLONESHOT |
		                                 EPOLLEXCLUSIVE)) == EPOLLET)
			park_ctl(r, EPOLL_CTL_MOD, r->kernel);
	}
	exclusive_kick(o);
	lock_give(&guard);
}

/* --- what was registered behind our back ---------------------------------- */

/* One epoll set of the process: which sockets of it are held? */
static void adopt_from(int epfd, const struct epoll_target *t, void *context)
{
	struct fault_sock *s = socks_of(fds_word(t->fd));
	struct our_sock *o;
	struct lock_guard guard;

	(void)context;
	/* A ONESHOT that has fired does not tell what it was. */
	if (!s || park_is_natural(s) || !(t->events & ~(uint32_t)PARK_HOW))
		return;
	lock_take(&guard);
	o = all_of(s);
	if (o)
		add_found(o, epfd, t->fd, t->events, t->data);
	lock_give(&guard);
	if (o)
		regs_apply(s);
}

/* Of the time, this part at most goes into looking. */
enum {
	ADOPTING_PART = 32,
	AT_LONGEST_NS = 1000000000, /* left by a fork in the middle of it */
};

bool regs_adopt(const struct fault_sock *s)
{
	static _Atomic uint64_t not_before;
	uint64_t begin = shim_now(), before = atomic_load(&not_before);
	int saved = errno;

	if (is_recorded(s))
		return true;
	/* One at a time, and what it finds is found for all that are held. */
	if (begin < before ||
	    !atomic_compare_exchange_strong(&not_before, &before,
	                                    begin + AT_LONGEST_NS))
		return false;
	if (ours_prepare())
		fdinfo_each_target(adopt_from, NULL);
	atomic_store(&not_before,
	             shim_now() + ADOPTING_PART * (shim_now() - begin));
	errno = saved;
	return true;
}
