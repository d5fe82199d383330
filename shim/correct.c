/*
 * correct.c - see correct.h.
 */
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "correct.h"
#include "eof.h"
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
	if (UNLIKELY(flags & SOCK_LEVERING))
		lever_settle(c->sock);
	return UNLIKELY(flags & (SOCK_EOF | SOCK_FIN_RESET)) && eof_answers(c);
}

bool correct_finished(struct shim_call *c)
{
	if (!(atomic_load(&c->sock->flags) & SOCK_EOF) ||
	    !eof_finished(c->fd, c->sock))
		return false;
	/* Even one that fails makes an edge. */
	if (c->row->family == FAMILY_SHUTDOWN)
		call_real(c);
	call_fail(c, ENOTCONN);
	return true;
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

/* Another thread met the end of the stream, and may have gone on to a RST. */
static bool woken_at_end(const struct shim_call *c)
{
	return UNLIKELY(c->result < 0) && c->row->family == FAMILY_RECV &&
	       (c->err == ECONNRESET || c->err == EPIPE) &&
	       atomic_load_explicit(&c->sock->flags, memory_order_relaxed) &
	               SOCK_EOF;
}

void correct_told(struct shim_call *c)
{
	uint16_t told;

	if (!c->sock)
		return;
	if (woken_at_end(c)) {
		eof_tell(c);
	} else if (woken_by_lever(c)) {
		lever_settle(c->sock);
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

	if (atomic_load(&c->sock->flags) & (SOCK_EOF | SOCK_FIN_RESET) &&
	    value == ECONNRESET)
		/* With both sides finished there was nothing to reset. */
		return atomic_load(&c->sock->state) == STATE_LAST_ACK ? 0
		                                                      : EPIPE;
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

void correct_local(struct shim_call *c, unsigned room)
{
	uint8_t flags = atomic_load(&c->sock->flags);
	struct sockaddr_storage local;
	unsigned full;

	if (!(flags & SOCK_LEVER) || c->result || !c->sock->local.family)
		return;
	/* The length that is told now may be more than what was written. */
	full = socks_sockaddr(&c->sock->local, flags & SOCK_IPV6, &local);
	memcpy((void *)c->a[1], &local, room < full ? room : full);
}

void correct_outq(struct shim_call *c)
{
	uint8_t flags = atomic_load(&c->sock->flags);

	/* What a closed peer never acknowledged stays outstanding. */
	if (flags & SOCK_LEVER && !c->result &&
	    (unsigned long)c->a[1] == SIOCOUTQ)
		*(int *)c->a[2] =
			flags & SOCK_EOF ? (int)atomic_load(&c->sock->tx_budget)
					 : 0;
}
