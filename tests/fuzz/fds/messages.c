/*
 * messages.c - descriptors that change hands in messages (unix(7)): looked at
 * before they are taken, cut off, many at a time.  Needs the channel at its
 * number, which a process may have closed.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

union rights {
	char buf[CMSG_SPACE(N_RIGHTS * sizeof(int))];
	struct cmsghdr align;
};

static bool has_channel(void)
{
	return kind_of(CHANNEL + 1) == KIND_UNIX &&
	       cookie_of(CHANNEL + 1) == world->channel &&
	       kind_of(CHANNEL) == KIND_UNIX &&
	       !world->members[self].stale[CHANNEL] &&
	       !world->members[self].stale[CHANNEL + 1];
}

static long send_one(struct msghdr *m, unsigned how)
{
	struct mmsghdr v = {.msg_hdr = *m};

	if (how & 1)
		return sendmmsg(CHANNEL, &v, 1, MSG_DONTWAIT) == 1 ? 1 : -1;
	return sendmsg(CHANNEL, m, MSG_DONTWAIT);
}

void op_pass(const struct step *s)
{
	union rights control = {0};
	struct iovec byte = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1};
	struct message *q = &world->queue[world->n_queued];
	int fds[N_RIGHTS];
	unsigned n = 1 + s->b % N_RIGHTS;
	struct cmsghdr *c = &control.align;

	if (world->n_queued == N_QUEUED || !has_channel())
		return;
	m.msg_control = control.buf;
	m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	q->n = 0;
	for (unsigned i = 0; i < n; i++) {
		fds[i] = pick(i == 2 ? KIND_LISTENER : KIND_TCP, s->a + i * 3u);
		if (fds[i] < 0)
			return;
		q->entry[q->n++] = view_entry(fds[i]);
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (s->b & 16) { /* one that is not sent */
		fds[n - 1] = 1000;
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (send_one(&m, s->c) == 1)
		world->n_queued++;
}

static long receive_one(int fd, struct msghdr *m, unsigned how, int flags)
{
	struct mmsghdr v = {.msg_hdr = *m};
	long n;

	if (!(how & 1))
		return recvmsg(fd, m, flags);
	n = recvmmsg(fd, &v, 1, flags, NULL);
	*m = v.msg_hdr;
	return n;
}

/* How many descriptors came. */
static unsigned arrived(struct msghdr *m, int *fds)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	unsigned n;

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

static void taken(unsigned n)
{
	const struct message *q = &world->queue[0];

	for (unsigned i = n; i < q->n; i++)
		lose(run_socks(view_run())[q->entry[i]].serial);
	world->n_queued--;
	memmove(world->queue, world->queue + 1,
	        world->n_queued * sizeof(world->queue[0]));
}

/* Bits of b: a look, a short buffer, none at all, close-on-exec. */
void op_receive(const struct step *s)
{
	union rights control = {0};
	struct iovec byte = {.iov_base = (char[1]){0}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1};
	int fds[N_RIGHTS], flags = MSG_DONTWAIT;
	bool peek = s->b % 4 == 0;
	unsigned n;

	if (!world->n_queued || !has_channel())
		return;
	flags |= (peek ? MSG_PEEK : 0) | (s->b & 4 ? MSG_CMSG_CLOEXEC : 0);
	m.msg_control = control.buf;
	m.msg_controllen = sizeof(control);
	if (s->a % 8 == 6)
		m.msg_controllen = CMSG_SPACE(sizeof(int));
	if (s->a % 16 == 7)
		m.msg_controllen = 0;
	if (receive_one(CHANNEL + 1, &m, s->c, flags) < 0) {
		fail("a message that was sent is not there");
		return;
	}
	n = arrived(&m, fds);
	for (unsigned i = 0; i < n; i++)
		defined(fds[i]);
	if (!peek)
		taken(n);
}

int messages_drain(int fd)
{
	int drained = 0;

	for (;;) {
		union rights control = {0};
		struct iovec byte = {.iov_base = (char[1]){0}, .iov_len = 1};
		struct msghdr m = {.msg_iov = &byte,
		                   .msg_iovlen = 1,
		                   .msg_control = control.buf,
		                   .msg_controllen = sizeof(control)};
		int fds[N_RIGHTS];
		unsigned n;

		if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
			return drained;
		n = arrived(&m, fds);
		for (unsigned i = 0; i < n; i++)
			close(fds[i]);
		drained++;
	}
}
