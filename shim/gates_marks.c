/*
 * gates_marks.c - the marks of a socket as its program knows and sets them: see
 * gates.h.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "gates.h"
#include "lock.h"

#include "poison.h"

static bool is_lowat(const struct shim_call *c)
{
	return c->a[1] == SOL_SOCKET && c->a[2] == SO_RCVLOWAT;
}

/* Of one that is read here and set again to make an edge. */
static bool is_mark(const struct shim_call *c)
{
	return gates_concern(c->sock) &&
	       (is_lowat(c) ||
	        (c->a[1] == IPPROTO_TCP && c->a[2] == TCP_NOTSENT_LOWAT));
}

/* As the program knows it. */
static void tell_lowat(struct shim_call *c)
{
	uint32_t theirs = atomic_load(&c->sock->rcvlowat);

	if (theirs && is_lowat(c) && *(const unsigned *)c->a[4] >= sizeof(int))
		*(int *)c->a[3] = (int)theirs - 1;
}

void gates_getsockopt(struct shim_call *c)
{
	bool locked = is_mark(c);
	struct lock_guard guard;

	if (locked)
		lock_take(&guard);
	call_real(c);
	if (!c->result)
		tell_lowat(c);
	if (locked)
		lock_give(&guard);
}

/* While ours is raised it is kept for later. */
static bool keep_lowat(struct shim_call *c)
{
	uint32_t theirs = atomic_load(&c->sock->rcvlowat);
	uint32_t value;

	if (!is_lowat(c) || (uintptr_t)c->a[3] < 4096 ||
	    (unsigned)c->a[4] < sizeof(int))
		return false;
	value = *(const uint32_t *)c->a[3];
	/* socket(7): 0 is 1, and a negative one the greatest. */
	value = !value ? 1 : value > INT32_MAX ? INT32_MAX : value;
	while (theirs)
		if (atomic_compare_exchange_strong(&c->sock->rcvlowat, &theirs,
		                                   value + 1)) {
			c->result = 0;
			c->made = true;
			return true;
		}
	return false;
}

bool gates_set_lowat(struct shim_call *c)
{
	/* What has come by now has come under the old mark. */
	if (is_lowat(c) && atomic_load(&c->sock->rx_armed))
		gates_arrived(c->fd, c->sock);
	return keep_lowat(c);
}

void gates_setsockopt(struct shim_call *c)
{
	struct lock_guard guard;

	if (!is_mark(c)) {
		call_real(c);
		return;
	}
	lock_take(&guard);
	if (!keep_lowat(c))
		call_real(c);
	lock_give(&guard);
}
