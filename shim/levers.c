/*
 * levers.c - see levers.h.  What is said about the kernel here was observed;
 * tests/conformance has the probes.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "levers.h"
#include "lock.h"
#include "regs.h"
#include "socks.h"
#include "next.h"

#include "poison.h"

int lever_tcp_state(int fd)
{
	struct tcp_info info;
	unsigned len = sizeof(info);

	memset(&info, 0, sizeof(info));
	next.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_state;
}

bool lever_all_read(int fd)
{
	int unread = 0;

	return !next.ioctl(fd, FIONREAD, (long)&unread) && !unread;
}

/*
 * The peer's FIN is here and nothing else is: a RST that follows gives recv 0.
 * With bytes still unread it is the RST that came first, in place of them and
 * the FIN: the lever purges them, and an end of file would be a lie.
 */
static bool peer_has_closed(int fd)
{
	return lever_tcp_state(fd) == TCP_CLOSE_WAIT && lever_all_read(fd);
}

/* A client's own address is lost with connect(AF_UNSPEC). */
static void remember_local(int fd, struct fault_sock *s)
{
	struct sockaddr_storage local;
	unsigned len = sizeof(local);

	if (!next.getsockname(fd, &local, &len))
		socks_addr((const struct sockaddr *)&local, &s->local);
}

bool lever_reset(int fd, struct fault_sock *s)
{
	static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	uint8_t flags = SOCK_LEVER;
	int cancel;
	bool done;

	if (atomic_load(&s->flags) & SOCK_EOF || peer_has_closed(fd))
		flags |= SOCK_FIN_RESET;
	remember_local(fd, s);
	/* First: a thread that waits in recv is woken on the way. */
	atomic_fetch_or(&s->flags, flags | SOCK_LEVERING);
	regs_show_end(s);
	/* connect is a cancellation point: not in the middle of this. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	/* In this order: the mask then is IN|OUT|RDHUP|HUP|ERR. */
	done = !next.shutdown(fd, SHUT_RD) &&
	       !next.connect(fd, &unspec, sizeof(unspec));
	/* Fails with ENOTCONN and has its effect all the same. */
	if (done)
		next.shutdown(fd, SHUT_RDWR);
	pthread_setcancelstate(cancel, NULL);
	if (!done) {
		atomic_fetch_and(&s->flags, (uint8_t) ~(flags | SOCK_LEVERING));
		return false;
	}
	socks_state(fd, s, STATE_RESET);
	atomic_fetch_and(&s->flags, (uint8_t)~SOCK_LEVERING);
	return true;
}

/* A process that was killed in the midst of it keeps nobody for long. */
enum {
	PATIENCE_MS = 20
};

void lever_settle(const struct fault_sock *s)
{
	for (int ms = 0;
	     atomic_load(&s->flags) & SOCK_LEVERING && ms < PATIENCE_MS; ms++)
		next.poll(NULL, 0, ms > 0);
}

void lever_clear_error(int fd)
{
	int value;
	unsigned len = sizeof(value);

	next.getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len);
}

union any_addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static unsigned loopback(union any_addr *a, bool ipv6)
{
	memset(a, 0, sizeof(*a));
	if (ipv6) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_addr.s6_addr[15] = 1;
		return sizeof(a->in6);
	}
	a->in.sin_family = AF_INET;
	a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(a->in);
}

void lever_close(int fd)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	next.close(fd);
	pthread_setcancelstate(cancel, NULL);
}

/* Its far end is accepted and closed.  -1: no. */
static int connect_and_close(int fd, int listener, union any_addr *addr,
                             unsigned len)
{
	int far;

	if (next.bind(listener, addr, len) || next.listen(listener, 1) ||
	    next.getsockname(listener, addr, &len) ||
	    next.connect(fd, addr, len))
		return -1;
	far = next.accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (far < 0)
		return -1;
	next.close(far);
	/* Whatever happens, a send on it does not wait. */
	return next.fcntl(fd, F_SETFL, O_NONBLOCK);
}

int lever_closed_peer(bool ipv6)
{
	union any_addr addr;
	unsigned len = loopback(&addr, ipv6);
	int family = addr.any.sa_family;
	int cancel, listener, fd;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	listener = next.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = next.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    (listener < 0 || connect_and_close(fd, listener, &addr, len))) {
		next.close(fd);
		fd = -1;
	}
	if (listener >= 0)
		next.close(listener);
	pthread_setcancelstate(cancel, NULL);
	return fd;
}

void lever_discard(int fd)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	lever_linger_reset(fd);
	next.close(fd);
	pthread_setcancelstate(cancel, NULL);
}

/* Setting a low-water mark, even to what it is, makes the edge come again. */
void lever_kick_out(int fd)
{
	int value;
	unsigned len = sizeof(value);
	struct lock_guard guard;

	/* Or what the program sets between the two calls would be lost. */
	lock_take(&guard);
	if (!next.getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &len))
		next.setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value,
		                len);
	lock_give(&guard);
}

void lever_linger_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	next.setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}
