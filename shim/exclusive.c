/*
 * exclusive.c - see exclusive.h.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "exclusive.h"
#include "fdinfo.h"

#include "poison.h"

enum {
	MANY = 25,
};

bool exclusive_is_due(const struct our_reg *r, const struct park_wanted *w,
                      const struct park_view *v)
{
	return r->events & EPOLLEXCLUSIVE && v->listener && r->deleted &&
	       !w->deleted;
}

/* TCP_INFO of a listener: connections that wait for accept. */
static uint32_t queued(int fd)
{
	struct tcp_info info = {0};
	unsigned len = sizeof(info);

	if (next.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	return info.tcpi_unacked;
}

/* May one more be woken for what is in the queue? */
static bool claim(struct fault_sock *s, int fd)
{
	uint32_t n = atomic_load(&s->roused);

	while (n < queued(fd))
		if (atomic_compare_exchange_strong(&s->roused, &n, n + 1))
			return true;
	return false;
}

struct adding {
	struct fault_sock *sock;
	struct our_sock *ours;
	const struct park_view *view;
};

static bool is_left(const struct adding *a, const struct our_reg *r)
{
	const struct park_wanted w = park_wanted(r, a->view, false);

	return exclusive_is_due(r, &w, a->view) &&
	       socks_of(fds_word(r->fd)) == a->sock;
}

static void add(const struct adding *a, struct our_reg *r)
{
	park_change(r, park_wanted(r, a->view, false));
}

/* A set in which a thread sleeps.  false: enough have been woken. */
static bool add_idle(int epfd, const void *context)
{
	const struct adding *a = context;

	for (uint32_t i = a->ours->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (r->epfd != epfd || !is_left(a, r))
			continue;
		if (!claim(a->sock, r->fd))
			return false;
		add(a, r);
	}
	return true;
}

static bool may_add(const struct adding *a, const struct our_reg *r)
{
	if (!queued(r->fd)) {
		atomic_store(&a->sock->roused, 0);
		return true;
	}
	if (a->ours->looks > MANY) {
		a->ours->looks = 1;
		return true;
	}
	return a->ours->looks && claim(a->sock, r->fd);
}

bool exclusive_add(struct fault_sock *s, struct our_sock *o,
                   const struct park_view *v)
{
	const struct adding a = {s, o, v};

	if (!o->looks)
		fdinfo_each_sleeper(add_idle, &a);
	for (uint32_t i = o->first_reg; i; i = ours_reg(i)->next) {
		struct our_reg *r = ours_reg(i);

		if (!is_left(&a, r))
			continue;
		if (!may_add(&a, r))
			return false;
		add(&a, r);
	}
	return true;
}

/* --- the edge of an accept that was refused ------------------------------- */

static bool has_edges(const struct our_reg *r)
{
	return !r->deleted && r->events & EPOLLEXCLUSIVE && r->events & EPOLLET;
}

static void kick(const struct our_reg *r)
{
	park_ctl(r, EPOLL_CTL_DEL, 0);
	park_ctl(r, EPOLL_CTL_ADD, r->kernel);
}

struct kicking {
	struct our_sock *ours;
	bool *done;
};

static bool kick_idle(int epfd, const void *context)
{
	const struct kicking *k = context;

	for (uint32_t i = k->ours->first_reg; i; i = ours_reg(i)->next) {
		const struct our_reg *r = ours_reg(i);

		if (r->epfd != epfd || !has_edges(r))
			continue;
		kick(r);
		*k->done = true;
	}
	return !*k->done;
}

void exclusive_kick(struct our_sock *o)
{
	bool asked = false, done = false;
	const struct kicking k = {o, &done};

	for (uint32_t i = o->first_reg; i && !done; i = ours_reg(i)->next) {
		if (!has_edges(ours_reg(i)))
			continue;
		if (!asked)
			fdinfo_each_sleeper(kick_idle, &k);
		asked = true;
		if (!done)
			kick(ours_reg(i));
	}
}
