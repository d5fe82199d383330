/*
 * cut.c - see cut.h.
 *
 * The copy of an iovec or message is on the stack and has CUT_MAX entries: a
 * request whose first CUT_MAX pieces hold less than `most` is cut after them,
 * which is a short request as well.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "correct.h"
#include "corrupt.h"
#include "cut.h"
#include "gates.h"
#include "levers.h"

#include "poison.h"

enum {
	CUT_MAX = 64
};

/* Not NULL, nor a small offset from it: those are EFAULT. */
static bool plausible(const void *p)
{
	return (uintptr_t)p >= 4096;
}

static uint64_t iov_len(const struct iovec *iov, size_t n)
{
	uint64_t len = 0;

	/* What the kernel refuses moves nothing, and is left to it. */
	if (!plausible(iov) || n > IOV_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return 0;
		len += iov[i].iov_len;
	}
	return len;
}

static uint64_t msg_len(const struct msghdr *m)
{
	return plausible(m) ? iov_len(m->msg_iov, m->msg_iovlen) : 0;
}

static uint64_t mmsg_len(const struct mmsghdr *v, unsigned n)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < n && i < IOV_MAX; i++)
		len += msg_len(&v[i].msg_hdr);
	return len;
}

/* A socket has no positions, only the current one: ESPIPE, EINVAL. */
static bool has_position(const struct shim_call *c)
{
	switch ((int)c->id) {
	case FAULT_CALL_preadv2:
	case FAULT_CALL_preadv64v2:
	case FAULT_CALL_pwritev2:
	case FAULT_CALL_pwritev64v2:
		return c->a[3] != -1;
	case FAULT_CALL_splice:
	case FAULT_CALL_splice_in:
		return c->a[1] || c->a[3];
	case FAULT_CALL_sendfile_in:
	case FAULT_CALL_sendfile64_in:
		return c->a[2];
	default:
		return false;
	}
}

uint64_t cut_want(const struct shim_call *c)
{
	const struct fault_shape *s = &c->row->shape;
	long ptr = s->ptr < 0 ? 0 : c->a[(int)s->ptr];
	long len = s->len < 0 ? 0 : c->a[(int)s->len];

	if (has_position(c))
		return 0;
	switch (s->kind) {
	case SHAPE_BUF:
	case SHAPE_LEN:
		return len > 0 ? (uint64_t)len : 0;
	case SHAPE_IOV:
		return ptr && len > 0 ? iov_len((const void *)ptr, (size_t)len)
		                      : 0;
	case SHAPE_MSG:
		return msg_len((const void *)ptr);
	case SHAPE_MMSG:
		return plausible((const void *)ptr)
		               ? mmsg_len((const void *)ptr, (unsigned)len)
		               : 0;
	case SHAPE_NONE:
		break;
	}
	return 0;
}

uint64_t cut_moved(const struct shim_call *c)
{
	const struct mmsghdr *v;
	uint64_t moved = 0;

	if (c->result <= 0)
		return 0;
	if (c->row->shape.kind != SHAPE_MMSG)
		return (uint64_t)c->result;
	v = (const void *)c->a[(int)c->row->shape.ptr];
	for (long i = 0; i < c->result; i++)
		moved += v[i].msg_len;
	return moved;
}

/* The real call, as it is asked for by now. */
static void ask(struct shim_call *c)
{
	if (UNLIKELY(c->corrupt))
		corrupt_make(c);
	else
		call_real(c);
}

/* Which bytes of a request are asked for. */
struct part {
	uint64_t skip;
	uint64_t most;
};

/* Entries of out (at most CUT_MAX) that hold no more than the part. */
static size_t cut_iov(const struct iovec *in, size_t n, struct part p,
                      struct iovec out[CUT_MAX])
{
	uint64_t most = p.most;
	size_t used = 0;

	for (size_t i = 0; i < n && used < CUT_MAX && most; i++) {
		/* Empty pieces only would make it a call of length 0. */
		if (in[i].iov_len <= p.skip) {
			p.skip -= in[i].iov_len;
			continue;
		}
		out[used].iov_base = (char *)in[i].iov_base + p.skip;
		out[used].iov_len = in[i].iov_len - p.skip;
		p.skip = 0;
		if (out[used].iov_len > most)
			out[used].iov_len = most;
		most -= out[used++].iov_len;
	}
	return used;
}

static void make_iov(struct shim_call *c, struct part p)
{
	struct iovec cut[CUT_MAX];
	const struct fault_shape *s = &c->row->shape;
	long theirs = c->a[(int)s->ptr];
	long theirs_len = c->a[(int)s->len];

	c->a[(int)s->len] =
		(long)cut_iov((const void *)theirs, (size_t)theirs_len, p, cut);
	c->a[(int)s->ptr] = (long)cut;
	ask(c);
	c->a[(int)s->ptr] = theirs;
	c->a[(int)s->len] = theirs_len;
}

/* What the kernel writes back of a msghdr. */
static void copy_back(struct msghdr *to, const struct msghdr *from)
{
	to->msg_namelen = from->msg_namelen;
	to->msg_controllen = from->msg_controllen;
	to->msg_flags = from->msg_flags;
}

static void make_msg(struct shim_call *c, struct part p)
{
	struct iovec cut[CUT_MAX];
	int ptr = c->row->shape.ptr;
	struct msghdr *theirs = (void *)c->a[ptr];
	struct msghdr ours = *theirs;

	ours.msg_iovlen = cut_iov(theirs->msg_iov, theirs->msg_iovlen, p, cut);
	ours.msg_iov = cut;
	c->a[ptr] = (long)&ours;
	ask(c);
	c->a[ptr] = (long)theirs;
	if (c->row->family == FAMILY_RECV && c->result >= 0)
		copy_back(theirs, &ours);
}

/* One message, cut: a short count of messages follows. */
static void make_mmsg(struct shim_call *c, struct part p)
{
	struct iovec cut[CUT_MAX];
	const struct fault_shape *s = &c->row->shape;
	struct mmsghdr *theirs = (void *)c->a[(int)s->ptr];
	struct mmsghdr ours = theirs[0];

	ours.msg_hdr.msg_iovlen = cut_iov(theirs->msg_hdr.msg_iov,
	                                  theirs->msg_hdr.msg_iovlen, p, cut);
	ours.msg_hdr.msg_iov = cut;
	c->a[(int)s->ptr] = (long)&ours;
	c->a[(int)s->len] = 1;
	ask(c);
	c->a[(int)s->ptr] = (long)theirs;
	if (c->result < 0)
		return;
	theirs->msg_len = ours.msg_len;
	if (c->row->family == FAMILY_RECV)
		copy_back(&theirs->msg_hdr, &ours.msg_hdr);
}

static void make_buf(struct shim_call *c, struct part p)
{
	const struct fault_shape *s = &c->row->shape;
	long len = c->a[(int)s->len];

	if (s->kind == SHAPE_BUF)
		c->a[(int)s->ptr] += (long)p.skip;
	c->a[(int)s->len] = (long)p.most;
	ask(c);
	c->a[(int)s->len] = len;
	if (s->kind == SHAPE_BUF)
		c->a[(int)s->ptr] -= (long)p.skip;
}

static void make(struct shim_call *c, struct part p)
{
	switch (c->row->shape.kind) {
	case SHAPE_BUF:
	case SHAPE_LEN:
		make_buf(c, p);
		return;
	case SHAPE_IOV:
		make_iov(c, p);
		return;
	case SHAPE_MSG:
		make_msg(c, p);
		return;
	case SHAPE_MMSG:
		make_mmsg(c, p);
		return;
	case SHAPE_NONE:
		ask(c);
	}
}

void cut_make_from(struct shim_call *c, uint64_t skip, uint64_t most)
{
	if (!skip && most >= c->e.want)
		ask(c);
	else
		make(c, (struct part){skip, most});
}

/* What lies behind has not come yet, as far as the program is told. */
static bool rest_is_hidden(const struct shim_call *c)
{
	uint32_t visible = c->row->family == FAMILY_RECV && c->sock
	                           ? atomic_load(&c->sock->rx_visible)
	                           : 0;

	return visible && cut_moved(c) >= visible;
}

void cut_make(struct shim_call *c, uint64_t most)
{
	cut_make_from(c, 0, most);
	if (most >= c->e.want || c->result <= 0 || rest_is_hidden(c))
		return;
	if (c->row->family == FAMILY_RECV)
		gates_kick_in(c->fd, c->sock);
	else
		lever_kick_out(c->fd);
}

uint64_t cut_mark(const struct shim_call *c)
{
	bool promised = c->row->family == FAMILY_RECV && c->sock &&
	                atomic_load(&c->sock->flags) & SOCK_PEEKED;
	uint64_t mark = promised ? 0 : c->choice.cut;

	return c->visible && (!mark || c->visible < mark) ? c->visible : mark;
}

void cut_or_whole(struct shim_call *c)
{
	uint64_t mark = cut_mark(c);

	if (correct_io(c))
		return;
	if (mark)
		cut_make(c, mark);
	else
		ask(c);
}
