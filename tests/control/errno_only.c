/*
 * errno_only.c - the control of the conformance table: an injector of the usual
 * kind, to be preloaded instead of libfault.so.
 *
 * It reads the one rule of FAULT_INJECT as far as such injectors go: the call
 * returns the errno (or fewer bytes, or 0 for an end), or sleeps before it is
 * made. The socket is left as it is, nothing is told to poll, select and epoll.
 * What the suites find of that is what they are for: docs/conformance.md has
 * the number. No part of the product; nothing of it is linked with it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{"EACCES", EACCES},
	{"EADDRINUSE", EADDRINUSE},
	{"EADDRNOTAVAIL", EADDRNOTAVAIL},
	{"EAGAIN", EAGAIN},
	{"ECONNABORTED", ECONNABORTED},
	{"ECONNREFUSED", ECONNREFUSED},
	{"ECONNRESET", ECONNRESET},
	{"EHOSTUNREACH", EHOSTUNREACH},
	{"EINTR", EINTR},
	{"EINVAL", EINVAL},
	{"EMFILE", EMFILE},
	{"ENETUNREACH", ENETUNREACH},
	{"ENOTCONN", ENOTCONN},
	{"EPIPE", EPIPE},
	{"ETIMEDOUT", ETIMEDOUT},
};

static struct {
	char family[16];
	unsigned nth, every; /* 0: each call */
	long delay_ms;
	int error;
	bool one_byte, end;
} rule;

static unsigned n_calls;

static int errno_named(const char *name)
{
	size_t len = strcspn(name, ":;");

	for (size_t i = 0; i < sizeof(errnos) / sizeof(*errnos); i++)
		if (strlen(errnos[i].name) == len &&
		    !strncmp(errnos[i].name, name, len))
			return errnos[i].value;
	return 0;
}

static long duration_ms(const char *text)
{
	char *unit;
	long n = strtol(text, &unit, 10);

	return *unit == 'm' ? n : *unit == 's' ? n * 1000 : 3600 * 1000;
}

static void read_part(const char *part)
{
	char *plus;

	if (!strncmp(part, "nth=", 4)) {
		rule.nth = (unsigned)strtoul(part + 4, &plus, 10);
		rule.every = *plus == '+' ? (unsigned)atoi(plus + 1) : 0;
	} else if (!strncmp(part, "error=", 6)) {
		rule.error = errno_named(part + 6);
	} else if (!strncmp(part, "delay=", 6) || !strncmp(part, "stall=", 6)) {
		rule.delay_ms = duration_ms(part + 6);
	} else if (!strncmp(part, "reset", 5)) {
		rule.error = ECONNRESET;
	} else if (!strncmp(part, "exhaust", 7)) {
		rule.error = EMFILE;
	} else if (!strncmp(part, "short", 5)) {
		rule.one_byte = true;
	} else if (!strncmp(part, "eof", 3)) {
		rule.end = true;
	} else if (!strcmp(part, "stall")) {
		rule.error = ETIMEDOUT;
	}
}

__attribute__((constructor)) static void read_rule(void)
{
	static char text[256];
	const char *inject = getenv("FAULT_INJECT");
	char *rest = text, *part;

	if (!inject)
		return;
	strncpy(text, inject, sizeof(text) - 1);
	text[strcspn(text, ";")] = '\0';
	part = strsep(&rest, ":");
	/* The suites name one symbol of a family here and there. */
	if (!strncmp(part, "recv", 4))
		part[4] = '\0';
	strncpy(rule.family, part, sizeof(rule.family) - 1);
	while ((part = strsep(&rest, ":")))
		read_part(part);
}

static bool is_tcp(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return false;
	return (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM;
}

static bool due(const char *family)
{
	unsigned n;

	if (strcmp(family, rule.family) != 0)
		return false;
	n = __atomic_add_fetch(&n_calls, 1, __ATOMIC_RELAXED);
	if (!rule.nth || n == rule.nth)
		return true;
	return rule.every && n > rule.nth && !((n - rule.nth) % rule.every);
}

/* true: the call is over, with *ret. len: of a transfer, or NULL. */
static bool fault(const char *family, size_t *len, ssize_t *ret)
{
	struct timespec ts = {rule.delay_ms / 1000,
	                      rule.delay_ms % 1000 * 1000000};

	if (!due(family))
		return false;
	if (rule.delay_ms)
		nanosleep(&ts, NULL);
	if (rule.one_byte && len && *len)
		*len = 1;
	if (rule.end && !strcmp(family, "recv")) {
		*ret = 0;
		return true;
	}
	if (rule.end)
		rule.error = EPIPE;
	if (!rule.error)
		return false;
	errno = rule.error;
	*ret = -1;
	return true;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRAP_LEN(type, name, family, tcp, len_, parameters, arguments)         \
	type name parameters;                                                  \
	type name parameters                                                   \
	{                                                                      \
		ssize_t ret;                                                   \
                                                                               \
		if ((tcp) && fault(family, len_, &ret))                        \
			return (type)ret;                                      \
		return NEXT(name) arguments;                                   \
	}
#define WRAP_MOVE(name, family, parameters, arguments)                         \
	WRAP_LEN(ssize_t, name, family, is_tcp(fd), &len, parameters, arguments)
#define WRAP(type, name, family, tcp, parameters, arguments)                   \
	WRAP_LEN(type, name, family, tcp, NULL, parameters, arguments)

WRAP_MOVE(recv, "recv", (int fd, void *buf, size_t len, int flags),
          (fd, buf, len, flags))
WRAP_MOVE(send, "send", (int fd, const void *buf, size_t len, int flags),
          (fd, buf, len, flags))
WRAP_MOVE(read, "recv", (int fd, void *buf, size_t len), (fd, buf, len))
WRAP_MOVE(write, "send", (int fd, const void *buf, size_t len), (fd, buf, len))
WRAP(ssize_t, recvmsg, "recv", is_tcp(fd),
     (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(ssize_t, sendmsg, "send", is_tcp(fd),
     (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP_MOVE(recvfrom, "recv",
          (int fd, void *buf, size_t len, int flags, struct sockaddr *sa,
           socklen_t *sa_len),
          (fd, buf, len, flags, sa, sa_len))
WRAP(int, connect, "connect", is_tcp(fd),
     (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(int, bind, "bind", is_tcp(fd),
     (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(int, listen, "listen", is_tcp(fd), (int fd, int backlog), (fd, backlog))
WRAP(int, accept, "accept", is_tcp(fd),
     (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))
WRAP(int, accept4, "accept", is_tcp(fd),
     (int fd, struct sockaddr *sa, socklen_t *len, int flags),
     (fd, sa, len, flags))
WRAP(int, shutdown, "shutdown", is_tcp(fd), (int fd, int how), (fd, how))
WRAP(int, getpeername, "getpeername", is_tcp(fd),
     (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))
WRAP(int, socket, "socket", domain != AF_UNIX,
     (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, poll, "poll", true, (struct pollfd * fds, nfds_t n, int ms),
     (fds, n, ms))
WRAP(int, select, "poll", true,
     (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t),
     (n, r, w, e, t))
WRAP(int, epoll_wait, "poll", true,
     (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms))
