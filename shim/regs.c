/*
 * regs.c - see regs.h.
 *
 * What may be changed when (readiness.md 1):
 *   level-triggered  any time
 *   EPOLLET          IN only by the program's own ADD or MOD: another MOD makes
 *                    an edge of OUT.  The low-water mark does the rest.  OUT
 *                    while there is nothing to read: no edge of IN is made
 *   EPOLLONESHOT     by the program's own, else only when it has not fired: a
 *                    MOD would arm it again
 *   EPOLLEXCLUSIVE   refuses MOD: deleted and added
 *   ERR, HUP         cannot be masked: deleted and added, also where nothing
 *                    else is left, or a RST would come as HUP|ERR alone
 */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "early.h"
#include "fdinfo.h"
#include "gates.h"
#include "keeper.h"
#include "late.h"
#include "lock.h"
#include "ours.h"
#include "regs.h"

#include "poison.h"

enum {
	IN = EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP,
	OUT = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
	HOW = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP,
	DELETED = 1, /* no bit of epoll: not registered at all */
};
_Static_assert(!(DELETED & (OUT | HOW)) && EPOLLIN == 1, "see wanted()");

/* What a registration should be now. */
struct wanted {
	uint32_t events;
	bool deleted;
};

/* What the gates of a socket say, looked at once for all registrations. */
struct view {
	bool rx, tx, open; /* held */
	bool armed;
	bool cutting;
	bool listener;
	bool half_closed; /* FIN and its own make HUP, which is not an error */
};

static struct view look_at(struct fault_sock *s)
{
	uint64_t now = shim_now();
	enum fault_state state = atomic_load(&s->state);

	/* This image ends: nobody would open them. */
	if (atomic_load(&shim.left) || atomic_load(&shim.ended))
		return (struct view){.listener = state == STATE_LISTEN};
	return (struct view){
		.rx = gates_held(s, GATE_OF_RX, now) && !gates_shut_down(s),
		.tx = gates_hidden(s, now) & POLLOUT,
		.open = late_moving(s),
		.armed = atomic_load(&s->rx_armed),
		.cutting = gates_cutting(s),
		.listener = state == STATE_LISTEN,
		.half_closed =
			state == STATE_FIN_WAIT || state == STATE_LAST_ACK,
	};
}

/*
 * The kernel may have all that the program asks for.  A socket that is not
 * connected yet is told of no FIN: RDHUP need not be hidden until it is.
 */
static bool is_natural(struct fault_sock *s)
{
	const struct view v = look_at(s);

	return !v.rx && !v.tx && !v.open && !v.armed &&
	       (!v.cutting || atomic_load(&s->state) == STATE_NEW ||
	        atomic_load(&s->state) == STATE_BOUND);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};

	return next.poll(&p, 1, 0) != 0;
}

/* Bits that a change by us may take away; `asked`: the program is changing. */
static uint32_t removable(const struct our_reg *r, const struct view *v,
                          bool asked)
{
	/* What the kernel does not have needs no change. */
	uint32_t gone = r->events & ~r->kernel;

	if (asked || !(r->events & (EPOLLET | EPOLLONESHOT)))
		return IN | OUT;
	if (r->events & EPOLLONESHOT)
		return gone;
	if (v->listener)
		return IN | OUT;
	return v->tx && r->kernel & OUT && !is_readable(r->fd) ? gone | OUT
	                                                       : gone;
}

static struct wanted wanted(const struct our_reg *r, const struct view *v,
                            bool asked)
{
	uint32_t hide = 0;
	struct wanted w = {.events = r->events};

	if (v->rx || v->armed)
		hide |= IN;
	if (v->tx)
		hide |= OUT;
	if (v->cutting)
		hide |= EPOLLRDHUP;
	hide &= r->events & removable(r, v, asked);
	w.events &= ~hide;
	w.deleted = v->open ||
	            (v->rx && v->half_closed &&
	             !(r->events & (EPOLLET | EPOLLONESHOT))) ||
	            (hide & EPOLLIN && !(w.events & ~(uint32_t)HOW) &&
	             !(r->events & (EPOLLET | EPOLLONESHOT)));
	return w;
}

/* --- the kernel's side ---------------------------------------------------- */

static bool ctl(const struct our_reg *r, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = r->data};

	return !next.epoll_ctl(r->epfd, op, r->fd, &e);
}

/* A ONESHOT that has fired keeps nothing but how it was registered. */
static bool has_fired(const struct our_reg *r)
{
	struct epoll_target t;

	return r->events & EPOLLONESHOT && !r->deleted &&
	       fdinfo_target(r->epfd, r->fd, &t) &&
	       !(t.events & ~(uint32_t)HOW);
}

/*
 * What the kernel has is ready: a ONESHOT is firing just now, and a MOD would
 * make it fire twice.  Its program arms it again, with all that it asks for.
 */
static bool is_firing(const struct our_reg *r)
{
	struct pollfd p = {.fd = r->fd,
	                   .events = (short)(r->kernel & (IN | OUT))};

	return r->events & EPOLLONESHOT && !r->deleted &&
	       next.poll(&p, 1, 0) > 0;
}

/* false: to be tried again. */
static bool change(struct our_reg *r, struct wanted w)
{
	if (w.deleted == !!r->deleted && (w.deleted || w.events == r->kernel))
		return true;
	if (w.deleted) {
		ctl(r, EPOLL_CTL_DEL, 0);
	} else if (r->deleted || r->events & EPOLLEXCLUSIVE) {
		if (!r->deleted)
			ctl(r, EPOLL_CTL_DEL, 0);
		ctl(r, EPOLL_CTL_ADD, w.events);
	} else if (!has_fired(r)) {
		if (is_firing(r))
			return false;
		ctl(r, EPOLL_CTL_MOD, w.events);
	}
	r->deleted = w.deleted;
	r->kernel = w.events;
	return true;
}

static struct our_reg *find(struct our_sock *o, int epfd, int fd)
{
	for (uint32_t i = o->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (r->epfd == epfd && r->fd == fd)
			return r;
	}
	return NULL;
}

/* A set for each request leaves nothing behind in a socket that lives on. */
static void sweep(struct our_sock *o)
{
	uint32_t *link = &o->first_reg;

	while (*link) {
		uint32_t index = *link;
		struct our_reg *r = ours_reg(index);

		if (r->epfd < 0) {
			*link = r->next;
			ours_free_reg(index);
			continue;
		}
		link = &r->next;
	}
}

static struct our_reg *add(struct our_sock *o, int epfd, int fd)
{
	uint32_t index;
	struct our_reg *r;

	sweep(o);
	index = ours_take_reg();

	if (!index)
		return NULL;
	r = ours_reg(index);
	r->epfd = epfd;
	r->fd = fd;
	r->next = o->first_reg;
	o->first_reg = index;
	early_mark_set(epfd);
	return r;
}

/* The entry of s, with all that is known; NULL before ours_prepare(). */
static struct our_sock *all_of(const struct fault_sock *s)
{
	struct our_sock *o = ours_of(s);
	struct our_reg *r = NULL;
	struct early e;

	if (o && early_take(s, &e) && !find(o, e.epfd, e.fd))
		r = add(o, e.epfd, e.fd);
	if (r) {
		r->events = r->kernel = e.events;
		r->data = e.data;
	}
	return o;
}

/* how: only registrations with these of HOW.  false: one is to be retried. */
static bool apply(struct fault_sock *s, struct our_sock *o, uint32_t how)
{
	const struct view v = look_at(s);
	bool all = true;

	for (uint32_t i = o->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (r->epfd >= 0 && (r->events & how) == how &&
		    socks_of(fds_word(r->fd)) == s)
			all &= change(r, wanted(r, &v, false));
	}
	return all;
}

enum {
	SOON_NS = 2000000
};

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
	bool all = true;
	int fd = -1;

	/* What is only kept in mind is as the program asked for. */
	if (!regs_any(s) || (!is_recorded(s) && is_natural(s)) ||
	    !ours_prepare())
		return;
	lock_take(&guard);
	o = all_of(s);
	if (o && o->first_reg) {
		fd = ours_reg(o->first_reg)->fd;
		all = apply(s, o, how);
	}
	lock_give(&guard);
	/* If what was ready has gone before it was told, nothing fires. */
	if (!all)
		keeper_open_at(fd, s, GATE_OF_RX, shim_now() + SOON_NS);
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
	static const struct view natural;
	struct lock_guard guard;
	struct our_sock *o;
	int saved = errno;

	if (!(atomic_load(&s->families) & PLAN_CUTTING) || !is_recorded(s))
		return;
	lock_take(&guard);
	o = ours_of(s);
	for (uint32_t i = o ? o->first_reg : 0; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (r->epfd >= 0 && socks_of(fds_word(r->fd)) == s &&
		    r->events & EPOLLRDHUP)
			change(r, wanted(r, &natural, true));
	}
	lock_give(&guard);
	errno = saved;
}

bool regs_any(const struct fault_sock *s)
{
	return is_recorded(s) || early_any(s);
}

/* --- the program's side ----------------------------------------------------
 */

static void drop(struct our_sock *o, int epfd, int fd)
{
	uint32_t *link = &o->first_reg;

	while (*link) {
		uint32_t index = *link;
		struct our_reg *r = ours_reg(index);

		if (r->fd == fd && (epfd < 0 || r->epfd == epfd)) {
			*link = r->next;
			ours_free_reg(index);
			continue;
		}
		link = &r->next;
	}
}

/* ADD of what must not be seen: the kernel says whether it may be. */
static void add_deleted(struct shim_call *c, const struct our_reg *r)
{
	struct epoll_event none = {.events = r->events & HOW};
	long theirs = c->a[3];

	c->a[3] = (long)&none;
	call_real(c);
	c->a[3] = theirs;
	if (!c->result)
		ctl(r, EPOLL_CTL_DEL, 0);
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

/* ADD or MOD: the program's mask, without what is held. */
static void set(struct shim_call *c, struct our_sock *o,
                const struct epoll_event *event)
{
	int op = (int)c->a[1];
	const struct view v = look_at(c->sock);
	struct our_reg *known = find(o, (int)c->a[0], c->fd);
	struct our_reg fresh = {.epfd = (int)c->a[0], .fd = c->fd};
	struct wanted w;

	if (known)
		fresh = *known;
	fresh.events = event->events;
	fresh.data = event->data.u64;
	w = wanted(&fresh, &v, true);
	if (known && known->deleted && op == EPOLL_CTL_ADD) {
		call_fail(c, EEXIST);
	} else if (known && known->deleted &&
	           (event->events | known->events) & EPOLLEXCLUSIVE) {
		call_fail(c, EINVAL); /* epoll_ctl(2): refuses MOD */
	} else if (known && known->deleted) {
		c->result = 0;
		c->made = true;
		if (!w.deleted)
			ctl(&fresh, EPOLL_CTL_ADD, w.events);
	} else if (w.deleted && op == EPOLL_CTL_ADD) {
		add_deleted(c, &fresh);
	} else {
		make_masked(c, &fresh, w.events);
		if (w.deleted && !c->result)
			ctl(&fresh, EPOLL_CTL_DEL, 0);
	}
	if (c->result)
		return;
	fresh.deleted = w.deleted;
	fresh.kernel = w.events;
	if (!known)
		known = add(o, fresh.epfd, fresh.fd);
	if (!known)
		return;
	fresh.next = known->next;
	*known = fresh;
}

static void del(struct shim_call *c, struct our_sock *o)
{
	struct our_reg *known = find(o, (int)c->a[0], c->fd);

	if (known && known->deleted) {
		c->result = 0;
		c->made = true;
	} else {
		call_real(c);
	}
	if (!c->result)
		drop(o, (int)c->a[0], c->fd);
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
	if (!is_recorded(c->sock) && is_natural(c->sock) && early_ctl(c)) {
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
		drop(o, -1, fd);
	lock_give(&guard);
}

void regs_set_closed(int epfd)
{
	struct lock_guard guard;

	if (!ours_exist())
		return;
	lock_take(&guard);
	for (uint32_t i = 1; i <= ours_used_regs(); i++)
		if (ours_reg(i)->epfd == epfd)
			ours_reg(i)->epfd = -1;
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
		if (r->epfd < 0 || r->deleted || !(r->events & EPOLLET) ||
		    r->events & EPOLLONESHOT)
			continue;
		if (r->events & EPOLLEXCLUSIVE) {
			ctl(r, EPOLL_CTL_DEL, 0);
			ctl(r, EPOLL_CTL_ADD, r->kernel);
		} else {
			ctl(r, EPOLL_CTL_MOD, r->kernel);
		}
	}
	lock_give(&guard);
}

/* --- what was registered behind our back ------------------------------------
 */

/* One epoll set of the process: has it any descriptor of the socket? */
static void adopt_from(int epfd, const struct epoll_target *t, void *context)
{
	struct fault_sock *s = context;
	struct our_sock *o;
	struct our_reg *r;
	struct lock_guard guard;

	/* A ONESHOT that has fired does not tell what it was. */
	if (socks_of(fds_word(t->fd)) != s || !(t->events & ~(uint32_t)HOW))
		return;
	lock_take(&guard);
	o = all_of(s);
	r = o && !find(o, epfd, t->fd) ? add(o, epfd, t->fd) : NULL;
	if (r) {
		r->events = r->kernel = t->events;
		r->data = t->data;
	}
	lock_give(&guard);
}

void regs_adopt(struct fault_sock *s)
{
	int saved = errno;

	if (ours_prepare()) {
		fdinfo_each_target(adopt_from, s);
		regs_apply(s);
	}
	errno = saved;
}
