/*
 * slow.c - call_slow: the one way from a wrapper to a handler and back.
 */
#include <sys/uio.h>

#include "call.h"

#include "poison.h"

static void (*const handlers[N_EFFECTS])(struct shim_call *) = {
	[EFFECT_CREATE] = handle_create,
	[EFFECT_BIND] = handle_bind,
	[EFFECT_LISTEN] = handle_listen,
	[EFFECT_ACCEPT] = handle_accept,
	[EFFECT_CONNECT] = handle_connect,
	[EFFECT_IO] = handle_io,
	[EFFECT_SHUTDOWN] = handle_shutdown,
	[EFFECT_CLOSE] = handle_close,
	[EFFECT_GETSOCKOPT] = handle_getsockopt,
	[EFFECT_SETSOCKOPT] = handle_setsockopt,
	[EFFECT_GETNAME] = handle_getname,
	[EFFECT_EPOLL_CTL] = handle_epoll_ctl,
	[EFFECT_WAIT] = handle_wait,
	[EFFECT_SOCKETPAIR] = handle_socketpair,
	[EFFECT_DUP] = handle_dup,
	[EFFECT_DUP2] = handle_dup2,
	[EFFECT_FCNTL] = handle_fcntl,
	[EFFECT_IOCTL] = handle_ioctl,
	[EFFECT_CLOSE_RANGE] = handle_close_range,
	[EFFECT_CLOSEFROM] = handle_closefrom,
	[EFFECT_SYSCALL] = handle_syscall,
	[EFFECT_FORK] = handle_fork,
	[EFFECT_RESOLVE] = handle_resolve,
	[EFFECT_DPRINTF] = handle_dprintf,
	[EFFECT_FDOPEN] = handle_fdopen,
	[EFFECT_FCLOSE] = handle_fclose,
	[EFFECT_FREOPEN] = handle_freopen,
};

/* syscall(2) is no cancellation point: it stays what the program chose. */
static long make_by_number(const struct shim_call *c)
{
	const long *a = c->a;

	return next.syscall(c->number - 1, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long make(const struct shim_call *c)
{
	if (UNLIKELY(c->closer != FAULT_CALL_NONE))
		return next_call(c->closer, &c->stream);
	return c->number ? make_by_number(c) : next_call(c->id, c->a);
}

void call_real(struct shim_call *c)
{
	c->result = make(c);
	c->err = c->result == -1 ? errno : 0;
	c->made = true;
}

void call_fail(struct shim_call *c, int err)
{
	c->result = -1;
	c->err = err;
	c->made = true;
}

bool call_owns_sock(const struct shim_call *c)
{
	return !c->sock || socks_generation(c->sock) == c->generation;
}

/* Those with RWF_ flags, one of which means something to a socket. */
static bool has_rwf(enum fault_call id)
{
	return id == FAULT_CALL_preadv2 || id == FAULT_CALL_preadv64v2 ||
	       id == FAULT_CALL_pwritev2 || id == FAULT_CALL_pwritev64v2;
}

int call_flags(const struct shim_call *c)
{
	if (has_rwf(c->id))
		return c->a[c->number ? 5 : 4] & RWF_NOWAIT ? MSG_DONTWAIT : 0;
	return c->row->flags < 0 ? 0 : (int)c->a[(int)c->row->flags];
}

/* splice(2) with the socket at its other end. */
static void take_twin(struct shim_call *c)
{
	const enum fault_call twin = fault_call_twins[c->id];
	const struct fault_call_row *row = &fault_calls[twin];

	if (UNLIKELY(twin) && socks_of(fds_word((int)c->a[(int)row->fd]))) {
		c->id = twin;
		c->row = row;
	}
}

void call_run(struct shim_call *c)
{
	take_twin(c);
	c->fd = c->row->fd < 0 ? -1 : (int)c->a[(int)c->row->fd];
	call_take_sock(c, c->fd < 0 ? NULL : socks_of(fds_word(c->fd)));
	handlers[c->row->effect](c);
}

/* They return no -1 when they fail; errno is what c->err says in any case. */
static const uint64_t tells_errno =
	1ull << EFFECT_RESOLVE | 1ull << EFFECT_FDOPEN |
	1ull << EFFECT_FREOPEN | 1ull << EFFECT_FCLOSE;
_Static_assert(N_EFFECTS <= 64, "tells_errno has a bit for each");

long call_slow(enum fault_call id, const long *args, void *caller)
{
	int saved = errno;
	struct shim_call c = {
		.id = id,
		.row = &fault_calls[id],
		.caller = caller,
		.choice.rule = -1,
	};

	if (UNLIKELY(atomic_load_explicit(&shim.left, memory_order_relaxed)))
		socks_return();
	for (size_t i = 0; i < MAX_ARITY; i++)
		c.a[i] = args[i];
	call_run(&c);
	errno = c.result == -1 || tells_errno >> c.row->effect & 1 ? c.err
	                                                           : saved;
	return c.result;
}
