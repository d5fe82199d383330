/*
 * park.c - see park.h.
 */
#include <poll.h>

#include "fdinfo.h"
#include "late.h"
#include "park.h"

#include "poison.h"

enum {
	IN = EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP,
	OUT = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
};

struct park_view park_look_at(struct fault_sock *s)
{
	uint64_t now = shim_now();

	/* This image ends: nobody would open them. */
	if (atomic_load(&shim.left) || atomic_load(&shim.ended))
		return (struct park_view){0};
	return (struct park_view){
		.rx = gates_held(s, GATE_OF_RX, now) && !gates_shut_down(s),
		.tx = gates_hidden(s, now) & POLLOUT,
		.open = late_moving(s),
		.armed = atomic_load(&s->rx_armed),
		.cutting = gates_cutting(s) || gates_fin_due(s, now),
		.listener = atomic_load(&s->state) == STATE_LISTEN,
		.finished = gates_finished(s),
	};
}

bool park_is_natural(struct fault_sock *s)
{
	const struct park_view v = park_look_at(s);

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
static uint32_t removable(const struct our_reg *r, const struct park_view *v,
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

/*
 * The FIN of the peer, which is held, makes HUP as well if its program has
 * finished.  An armed gate may be so for ever: OUT is not to be missed for it.
 */
static bool hangs_up(const struct our_reg *r, const struct park_view *v,
                     uint32_t events)
{
	return v->finished && !(r->events & (EPOLLET | EPOLLONESHOT)) &&
	       (v->rx || (v->armed && !(events & OUT)));
}

struct park_wanted park_wanted(const struct our_reg *r,
                               const struct park_view *v, bool asked)
{
	uint32_t hide = 0;
	struct park_wanted w = {.events = r->events};

	if (v->rx || v->armed)
		hide |= IN;
	if (v->tx)
		hide |= OUT;
	if (v->cutting)
		hide |= EPOLLRDHUP;
	hide &= r->events & removable(r, v, asked);
	w.events &= ~hide;
	w.deleted = v->open || hangs_up(r, v, w.events) ||
	            (v->listener && hide && r->events & EPOLLEXCLUSIVE) ||
	            (hide & EPOLLIN && !(w.events & ~(uint32_t)PARK_HOW) &&
	             !(r->events & (EPOLLET | EPOLLONESHOT)));
	return w;
}

bool park_ctl(const struct our_reg *r, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = r->data};

	return !next.epoll_ctl(r->epfd, op, r->fd, &e);
}

/* Asked for nothing, it fires by an error or a hang-up, which stay. */
static bool may_have_fired(const struct our_reg *r)
{
	struct pollfd p = {.fd = r->fd};

	return r->events & EPOLLONESHOT && !r->deleted &&
	       (r->kernel & (IN | OUT | EPOLLPRI) || next.poll(&p, 1, 0) > 0);
}

/* A ONESHOT that has fired keeps nothing but how it was registered. */
static bool has_fired(const struct our_reg *r)
{
	struct epoll_target t;

	return may_have_fired(r) && fdinfo_target(r->epfd, r->fd, &t) &&
	       !(t.events & ~(uint32_t)PARK_HOW);
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

bool park_change(struct our_reg *r, struct park_wanted w)
{
	if (w.deleted == !!r->deleted && (w.deleted || w.events == r->kernel))
		return true;
	if (w.deleted) {
		park_ctl(r, EPOLL_CTL_DEL, 0);
	} else if (r->deleted || r->events & EPOLLEXCLUSIVE) {
		/* It refuses MOD. */
		if (!r->deleted)
			park_ctl(r, EPOLL_CTL_DEL, 0);
		park_ctl(r, EPOLL_CTL_ADD, w.events);
	} else if (!has_fired(r)) {
		if (is_firing(r))
			return false;
		park_ctl(r, EPOLL_CTL_MOD, w.events);
	}
	r->deleted = w.deleted;
	r->kernel = w.events;
	return true;
}
