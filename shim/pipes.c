/*
 * pipes.c - see pipes.h.
 */
#include <fcntl.h>
#include <poll.h>

#include "facts.h"
#include "pipes.h"

#include "poison.h"

int pipes_of(const struct shim_call *c)
{
	switch ((int)c->id) {
	case FAULT_CALL_splice:
	case FAULT_CALL_sendfile_in:
	case FAULT_CALL_sendfile64_in:
		return (int)c->a[0];
	case FAULT_CALL_splice_in:
		return (int)c->a[2];
	default:
		return -1;
	}
}

/* SPLICE_F_NONBLOCK is about the pipe alone. */
static bool waits(const struct shim_call *c, int pipe)
{
	bool splices =
		c->id == FAULT_CALL_splice || c->id == FAULT_CALL_splice_in;
	int flags = next.fcntl(pipe, F_GETFL, 0);

	return !(flags & O_NONBLOCK) &&
	       !(splices && c->a[5] & SPLICE_F_NONBLOCK);
}

bool pipes_ready(struct shim_call *c)
{
	struct pollfd p = {.fd = pipes_of(c)};
	short ends = POLLNVAL;
	int n, timeout;

	if (c->row->shape.kind != SHAPE_LEN || p.fd < 0)
		return true;
	if (next.fcntl(p.fd, F_GETPIPE_SZ, 0) < 0)
		return false;
	p.events = c->row->family == FAMILY_RECV ? POLLOUT : POLLIN;
	/* Room that nobody reads from; data may be there without a writer. */
	if (p.events == POLLOUT)
		ends |= POLLERR;
	timeout = waits(c, p.fd) ? -1 : 0;
	do
		n = next.poll(&p, 1, timeout);
	while (n < 0 && errno == EINTR && facts_all_restart());
	if (n < 0)
		call_fail(c, errno);
	return n > 0 && p.revents & p.events && !(p.revents & ends);
}
