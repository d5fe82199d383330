/*
 * corrupt.c - see corrupt.h.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "corrupt.h"

#include "poison.h"

enum {
	N_PARTS = 64
};

/* Where in the stream we are, and how much is still to be changed. */
struct change {
	const struct shim_call *c;
	uint64_t offset;
	uint64_t left;
};

uint64_t corrupt_amount(const struct plan_rule *r)
{
	for (unsigned i = 0; i < r->n_actions; i++)
		if (r->actions[i].kind == ACTION_CORRUPT)
			return r->actions[i].value;
	return 0;
}

static struct change begin(const struct shim_call *c)
{
	return (struct change){c, c->e.offset, c->corrupt};
}

static void change(struct change *x, unsigned char *at, size_t n)
{
	const uint32_t rule = (uint32_t)x->c->choice.rule;

	for (size_t i = 0; i < n && x->left; i++, x->left--)
		at[i] ^= engine_noise(shim.plan, &x->c->e, rule, x->offset++);
}

/* --- received ------------------------------------------------------------ */

static void change_parts(struct change *x, const struct iovec *iov,
                         uint64_t moved)
{
	for (; moved && x->left; iov++) {
		size_t n = iov->iov_len < moved ? iov->iov_len : (size_t)moved;

		change(x, iov->iov_base, n);
		moved -= n;
	}
}

static void change_received(const struct shim_call *c)
{
	void *at = (void *)c->a[(int)c->row->shape.ptr];
	struct change x = begin(c);
	const struct mmsghdr *v = at;

	if (c->row->shape.kind == SHAPE_BUF)
		change(&x, at, (size_t)c->result);
	else if (c->row->shape.kind == SHAPE_IOV)
		change_parts(&x, at, (uint64_t)c->result);
	else if (c->row->shape.kind == SHAPE_MSG)
		change_parts(&x, ((const struct msghdr *)at)->msg_iov,
		             (uint64_t)c->result);
	else
		for (long i = 0; i < c->result; i++)
			change_parts(&x, v[i].msg_hdr.msg_iov, v[i].msg_len);
}

static void receive(struct shim_call *c)
{
	call_real(c);
	if (c->result > 0) /* in a buffer of the program: GATE_DATA */
		change_received(c);
}

/* --- sent ---------------------------------------------------------------- */

/* How far a request has been handed to the kernel. */
struct cursor {
	const struct iovec *iov;
	size_t n;
	size_t done; /* of the first */
};

/* The next part of it, at most `most` bytes; 0 at its end. */
static size_t next_part(struct cursor *at, size_t most, struct iovec *ret)
{
	while (at->n && at->done == at->iov->iov_len) {
		at->iov++;
		at->n--;
		at->done = 0;
	}
	if (!at->n)
		return 0;
	ret->iov_base = (char *)at->iov->iov_base + at->done;
	ret->iov_len = at->iov->iov_len - at->done;
	if (ret->iov_len > most)
		ret->iov_len = most;
	at->done += ret->iov_len;
	return ret->iov_len;
}

/* A changed copy of the next bytes. */
static size_t copy_changed(struct cursor *at, struct change *x,
                           unsigned char copy[CORRUPT_COPY])
{
	size_t n = 0, most = CORRUPT_COPY;
	struct iovec part;

	if (x->left < most)
		most = (size_t)x->left;
	while (n < most && next_part(at, most - n, &part)) {
		memcpy(copy + n, part.iov_base, part.iov_len);
		n += part.iov_len;
	}
	change(x, copy, n);
	return n;
}

static ssize_t send_parts(const struct shim_call *c, const struct msghdr *m,
                          int flags)
{
	return c->number ? next.syscall(SYS_sendmsg, c->fd, (long)m, flags, 0,
	                                0, 0)
	                 : next.sendmsg(c->fd, m, flags);
}

/*
 * One message, as sendmsg(2).  The first part may raise SIGPIPE; the others
 * end a call that has sent something.
 */
static ssize_t send_changed(struct change *x, const struct msghdr *theirs,
                            int flags)
{
	unsigned char copy[CORRUPT_COPY];
	struct iovec parts[N_PARTS];
	struct msghdr ours = *theirs;
	struct cursor at = {theirs->msg_iov, theirs->msg_iovlen, 0};
	size_t asked, sent = 0;
	ssize_t n;

	ours.msg_iov = parts;
	do {
		parts[0].iov_base = copy;
		parts[0].iov_len = asked = copy_changed(&at, x, copy);
		ours.msg_iovlen = 1;
		while (!x->left && ours.msg_iovlen < N_PARTS &&
		       next_part(&at, SIZE_MAX, &parts[ours.msg_iovlen]))
			asked += parts[ours.msg_iovlen++].iov_len;
		if (sent && !asked)
			break;
		n = send_parts(x->c, &ours, flags);
		if (n < 0)
			return sent ? (ssize_t)sent : n;
		sent += (size_t)n;
		ours.msg_control = ours.msg_name = NULL;
		ours.msg_controllen = ours.msg_namelen = 0;
		flags |= MSG_NOSIGNAL;
	} while ((size_t)n == asked && asked);
	return (ssize_t)sent;
}

static uint64_t length(const struct msghdr *m)
{
	uint64_t len = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++)
		len += m->msg_iov[i].iov_len;
	return len;
}

/* As sendmmsg(2): the number of messages, of which the last may be cut. */
static long send_messages(struct change *x, struct mmsghdr *v, unsigned n,
                          int flags)
{
	unsigned i = 0;
	bool whole = true;
	long r = 0;

	for (; i < n && i < UIO_MAXIOV && x->left && whole; i++) {
		r = send_changed(x, &v[i].msg_hdr, flags);
		if (r < 0)
			return i ? (long)i : r;
		v[i].msg_len = (unsigned)r;
		whole = (uint64_t)r == length(&v[i].msg_hdr);
	}
	if (whole && i < n)
		r = next.sendmmsg(x->c->fd, v + i, n - i, flags);
	else
		return i;
	return i ? (long)i + (r > 0 ? r : 0) : r;
}

/* The other shapes as one message; sendto has an address behind its flags. */
static struct msghdr as_message(const struct shim_call *c, struct iovec *buf)
{
	long at = c->a[(int)c->row->shape.ptr];
	int addr = c->row->flags + 1;
	struct msghdr m = {.msg_iov = buf, .msg_iovlen = 1};

	if (c->row->shape.kind == SHAPE_MSG)
		return *(const struct msghdr *)at;
	buf->iov_base = (void *)at;
	buf->iov_len = (size_t)c->a[(int)c->row->shape.len];
	if (c->row->shape.kind == SHAPE_IOV) {
		m.msg_iov = (void *)at;
		m.msg_iovlen = (size_t)c->a[(int)c->row->shape.len];
	} else if (c->row->flags >= 0 && c->row->arity >= addr + 2) {
		m.msg_name = (void *)c->a[addr];
		m.msg_namelen = (unsigned)c->a[addr + 1];
	}
	return m;
}

static void transmit(struct shim_call *c)
{
	const struct fault_shape *s = &c->row->shape;
	struct change x = begin(c);
	struct msghdr m;
	struct iovec buf;

	if (s->kind == SHAPE_MMSG) {
		c->result = send_messages(&x, (void *)c->a[(int)s->ptr],
		                          (unsigned)c->a[(int)s->len],
		                          call_flags(c));
	} else {
		m = as_message(c, &buf);
		c->result = send_changed(&x, &m, call_flags(c));
	}
	c->err = c->result < 0 ? errno : 0;
	c->made = true;
}

void corrupt_make(struct shim_call *c)
{
	if (c->row->family == FAMILY_RECV)
		receive(c);
	else
		transmit(c);
}
