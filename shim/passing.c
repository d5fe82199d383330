/*
 * passing.c - see passing.h.  recvmmsg and sendmmsg: each message of the
 * array.
 */
#include <string.h>
#include <sys/socket.h>

#include "passing.h"

#include "poison.h"

static void each_right(struct msghdr *m, void (*visit)(int fd))
{
	struct cmsghdr *cm;

	if (!m || !m->msg_control)
		return;
	for (cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS || cm->cmsg_len < CMSG_LEN(0))
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
			visit(fd);
		}
	}
}

static void received_cloexec(int fd)
{
	socks_received(fd);
	fds_flag(fd, FDS_CLOEXEC, true);
}

static void peeked_cloexec(int fd)
{
	socks_peeked(fd);
	fds_flag(fd, FDS_CLOEXEC, true);
}

/* [MSG_PEEK][MSG_CMSG_CLOEXEC] */
static void (*const receives[2][2])(int fd) = {
	{socks_received, received_cloexec},
	{socks_peeked, peeked_cloexec},
};

/* Messages [from, to) of the array; the one of sendmsg is number 0. */
static void each_message(const struct shim_call *c, long from, long to,
                         void (*visit)(int fd))
{
	void *ptr = (void *)c->a[1];

	if (c->row->shape.kind == SHAPE_MSG && from < to) {
		each_right(ptr, visit);
	} else if (c->row->shape.kind == SHAPE_MMSG) {
		struct mmsghdr *v = ptr;

		for (long i = from; i < to; i++)
			each_right(&v[i].msg_hdr, visit);
	}
}

static long n_messages(const struct shim_call *c)
{
	return c->row->shape.kind == SHAPE_MMSG ? c->a[2] : 1;
}

/* Before the call: the receiver may be quicker than we are after it. */
void passing_sends(const struct shim_call *c)
{
	if (c->row->family == FAMILY_SEND)
		each_message(c, 0, n_messages(c), socks_passed);
}

void passing_not_sent(const struct shim_call *c)
{
	long sent = c->row->shape.kind == SHAPE_MMSG ? c->result : 1;

	if (c->row->family == FAMILY_SEND)
		each_message(c, c->result < 0 ? 0 : sent, n_messages(c),
		             socks_not_passed);
}

void passing_received(const struct shim_call *c)
{
	int flags = call_flags(c);
	long n = c->row->shape.kind == SHAPE_MMSG ? c->result : 1;

	if (c->row->family == FAMILY_RECV && c->result >= 0)
		each_message(c, 0, n,
		             receives[!!(flags & MSG_PEEK)]
		                     [!!(flags & MSG_CMSG_CLOEXEC)]);
}
