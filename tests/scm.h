/*
 * scm.h - one descriptor in a message over a UNIX socket (unix(7), SCM_RIGHTS).
 */
#ifndef TESTS_SCM_H
#define TESTS_SCM_H

#include <string.h>
#include <sys/socket.h>

union scm_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static inline struct msghdr scm_message(struct iovec *byte,
                                        union scm_control *control)
{
	return (struct msghdr){.msg_iov = byte,
	                       .msg_iovlen = 1,
	                       .msg_control = control->buf,
	                       .msg_controllen = sizeof(control->buf)};
}

/* The result of sendmsg: 1. */
static inline ssize_t scm_send(int to, int fd)
{
	union scm_control control = {0};
	struct iovec byte = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr m = scm_message(&byte, &control);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, 0);
}

/* The descriptor, or -1: the message had none. */
static inline int scm_recv(int from, int flags)
{
	union scm_control control = {0};
	struct iovec byte = {.iov_base = (char[1]){0}, .iov_len = 1};
	struct msghdr m = scm_message(&byte, &control);
	int fd = -1;

	if (recvmsg(from, &m, flags) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

#endif
