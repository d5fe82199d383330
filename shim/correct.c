/*
 * correct.c - see correct.h.
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "correct.h"
#include "levers.h"

#include "poison.h"

/*
 * The peer had closed before it reset: recv gives 0 for ever; the first send
 * gives EPIPE and SIGPIPE, for which the pending ECONNRESET must go first.
 */
bool correct_io(struct shim_call *c)
{
	uint8_t flags;

	if (!c->sock || c->row->effect != EFFECT_IO)
		return false;
	flags = atomic_load_explicit(&c->sock->flags, memory_order_relaxed);
	if (LIKELY(!(flags & SOCK_FIN_RESET)))
		return false;
	if (c->row->family == FAMILY_RECV) {
		c->result = 0;
		c->made = true;
		return true;
	}
	lever_clear_error(c->fd);
	return false;
}

/* Another thread reset the connection while this one waited in recv. */
static bool woken_by_lever(const struct shim_call *c)
{
	uint8_t now =
		atomic_load_explicit(&c->sock->flags, memory_order_relaxed);

	return UNLIKELY(now & ~c->sock_flags & SOCK_LEVER) && !c->rule &&
	       !(now & SOCK_FIN_RESET) && c->row->family == FAMILY_RECV &&
	       (!c->result || (c->result < 0 && c->err == EPIPE));
}

void correct_told(struct shim_call *c)
{
	uint16_t told;

	if (!c->sock)
		return;
	if (woken_by_lever(c)) {
		lever_clear_error(c->fd);
		call_fail(c, ECONNRESET);
	}
	told = atomic_load_explicit(&c->sock->told_err, memory_order_relaxed);
	if (LIKELY(!told) || c->result >= 0 ||
	    c->err != atomic_load(&c->sock->kernel_err))
		return;
	/* A pending error is told once. */
	if (atomic_exchange(&c->sock->told_err, 0))
		c->err = told;
}

int correct_so_error(struct shim_call *c, int value)
{
	uint16_t told = atomic_load(&c->sock->told_err);

	if (atomic_load(&c->sock->flags) & SOCK_FIN_RESET &&
	    value == ECONNRESET)
		return EPIPE;
	if (!told || value != atomic_load(&c->sock->kernel_err))
		return value;
	atomic_store(&c->sock->told_err, 0);
	return told;
}

bool correct_call(struct shim_call *c, int err)
{
	if (!c->sock || !(atomic_load(&c->sock->flags) & SOCK_LEVER))
		return false;
	call_fail(c, err);
	return true;
}

static unsigned make_sockaddr(const struct plan_addr *a, bool ipv6,
                              struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (ipv6) {
		struct sockaddr_in6 *in6 = (void *)ret;
		char *to = (char *)&in6->sin6_addr;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		if (a->family == 4)
			memset(to + 10, 0xff, 2);
		memcpy(to + (a->family == 4 ? 12 : 0), a->bytes,
		       a->family == 4 ? 4 : 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (void *)ret;

	in->sin_family = AF_INET;
	in->sin_port = htons(a->port);
	memcpy(&in->sin_addr, a->bytes, 4);
	return sizeof(*in);
}

void correct_local(struct shim_call *c, unsigned room)
{
	uint8_t flags = atomic_load(&c->sock->flags);
	struct sockaddr_storage local;
	unsigned full;

	if (!(flags & SOCK_LEVER) || c->result || !c->sock->local.family)
		return;
	/* The length that is told now may be more than what was written. */
	full = make_sockaddr(&c->sock->local, flags & SOCK_IPV6, &local);
	memcpy((void *)c->a[1], &local, room < full ? room : full);
}

void correct_outq(struct shim_call *c)
{
	if (atomic_load(&c->sock->flags) & SOCK_LEVER && !c->result &&
	    (unsigned long)c->a[1] == SIOCOUTQ)
		*(int *)c->a[2] = 0;
}
