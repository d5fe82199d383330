/*
 * calls.c - one set of calls per style; contract in calls.h.
 *
 * write and writev have no MSG_NOSIGNAL: that is why SIGPIPE is ignored, and
 * not left to the flag alone.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"

/* ---- accept ---- */

/* accept(2) has no flags: they are set afterwards. */
static int accept_blocking(int listener_fd)
{
	int fd = accept(listener_fd, NULL, NULL);

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int accept_nonblocking(int listener_fd)
{
	int fd = accept_blocking(listener_fd);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	return fd;
}

static int accept4_blocking(int listener_fd)
{
	return accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
}

static int accept4_nonblocking(int listener_fd)
{
	return accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* ---- bytes ---- */

static ssize_t receive_by_recv(int fd, void *bytes, size_t len)
{
	return recv(fd, bytes, len, 0);
}

static ssize_t send_by_send(int fd, const void *bytes, size_t len)
{
	return send(fd, bytes, len, MSG_NOSIGNAL);
}

static ssize_t receive_by_recvfrom(int fd, void *bytes, size_t len)
{
	return recvfrom(fd, bytes, len, 0, NULL, NULL);
}

static ssize_t send_by_sendto(int fd, const void *bytes, size_t len)
{
	return sendto(fd, bytes, len, MSG_NOSIGNAL, NULL, 0);
}

/*
 * Two pieces, as a program with a header and a body has them.  Only reading
 * and writing calls get these: the bytes of a sender stay as they are.
 */
static int split(const void *bytes, size_t len, struct iovec pieces[static 2])
{
	size_t half = len / 2;

	pieces[0].iov_base = (char *)(uintptr_t)bytes;
	pieces[0].iov_len = half;
	pieces[1].iov_base = (char *)(uintptr_t)bytes + half;
	pieces[1].iov_len = len - half;
	return 2;
}

static ssize_t receive_by_readv(int fd, void *bytes, size_t len)
{
	struct iovec pieces[2];

	return readv(fd, pieces, split(bytes, len, pieces));
}

static ssize_t send_by_writev(int fd, const void *bytes, size_t len)
{
	struct iovec pieces[2];

	return writev(fd, pieces, split(bytes, len, pieces));
}

static ssize_t receive_by_recvmsg(int fd, void *bytes, size_t len)
{
	struct iovec pieces[2];
	struct msghdr message = {
		.msg_iov = pieces,
		.msg_iovlen = (size_t)split(bytes, len, pieces),
	};

	return recvmsg(fd, &message, 0);
}

static ssize_t send_by_sendmsg(int fd, const void *bytes, size_t len)
{
	struct iovec pieces[2];
	struct msghdr message = {
		.msg_iov = pieces,
		.msg_iovlen = (size_t)split(bytes, len, pieces),
	};

	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* ---- the sets ---- */

const struct calls calls_blocking = {
	.names = "accept, recv, send",
	.accept = accept_blocking,
	.receive_name = "recv from",
	.receive = receive_by_recv,
	.send_name = "send to",
	.send = send_by_send,
};

const struct calls calls_fork = {
	.names = "accept, read, write",
	.accept = accept_blocking,
	.receive_name = "read from",
	.receive = read,
	.send_name = "write to",
	.send = write,
};

const struct calls calls_thread = {
	.names = "accept4, recvfrom, sendto",
	.accept = accept4_blocking,
	.receive_name = "recvfrom of",
	.receive = receive_by_recvfrom,
	.send_name = "sendto to",
	.send = send_by_sendto,
};

const struct calls calls_poll = {
	.names = "accept4, recv, send",
	.accept = accept4_nonblocking,
	.receive_name = "recv from",
	.receive = receive_by_recv,
	.send_name = "send to",
	.send = send_by_send,
};

const struct calls calls_select = {
	.names = "accept, readv, writev",
	.accept = accept_nonblocking,
	.receive_name = "readv from",
	.receive = receive_by_readv,
	.send_name = "writev to",
	.send = send_by_writev,
};

const struct calls calls_epoll_lt = {
	.names = "accept4, recvmsg, sendmsg",
	.accept = accept4_nonblocking,
	.receive_name = "recvmsg from",
	.receive = receive_by_recvmsg,
	.send_name = "sendmsg to",
	.send = send_by_sendmsg,
};

const struct calls calls_epoll_et = {
	.names = "accept4, read, write",
	.accept = accept4_nonblocking,
	.receive_name = "read from",
	.receive = read,
	.send_name = "write to",
	.send = write,
};
