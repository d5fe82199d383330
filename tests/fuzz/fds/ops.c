/*
 * ops.c - what one process does with its own descriptors in a step; see
 * world.h.  `a` chooses the descriptor, `b` and `c` how.  What cannot be done
 * now is left out: each step stands for itself, so that others can be taken
 * out of a sequence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

enum {
	DATA = 8
};

static bool *stale(int fd)
{
	return &world->members[self].stale[fd];
}

/* Any number that steps aim at, open or not. */
static int number(unsigned n)
{
	return 3 + (int)(n % (N_NUMBERS - 3));
}

/* An open descriptor of any kind; few are none. */
static int any(unsigned n)
{
	static const enum kind kinds[] = {KIND_TCP, KIND_TCP,  KIND_LISTENER,
	                                  KIND_TCP, KIND_UNIX, KIND_OTHER};
	int fd = pick(kinds[n % 6], n / 6);

	return fd < 0 ? pick(KIND_TCP, n) : fd;
}

/* --- made -------------------------------------------------------------------
 */

static void op_socket(const struct step *s)
{
	int domain = s->a % 3 ? AF_INET : AF_INET6;
	int type = SOCK_STREAM | (s->b & 1 ? SOCK_CLOEXEC : 0) |
	           (s->b & 2 ? SOCK_NONBLOCK : 0);
	int fd;

	if (s->b & 4)
		fd = (int)syscall(SYS_socket, domain, type, 0);
	else
		fd = socket(domain, type, s->b & 8 ? IPPROTO_TCP : 0);
	defined(fd);
}

static void op_other(const struct step *s)
{
	int pair[2] = {-1, -1};

	switch (s->a % 7) {
	case 0:
		socket(AF_INET, SOCK_DGRAM, 0);
		break;
	case 1:
		defined(socket(AF_UNIX, SOCK_STREAM, 0));
		break;
	case 2:
		socketpair(AF_UNIX, s->b & 1 ? SOCK_STREAM : SOCK_DGRAM, 0,
		           pair);
		defined(pair[0]);
		defined(pair[1]);
		break;
	case 3:
		if (!pipe2(pair, s->b & 1 ? O_CLOEXEC : 0) &&
		    write(pair[1], "12345678", DATA) != DATA)
			fail("a write to a pipe");
		break;
	case 4:
		epoll_create1(s->b & 1 ? EPOLL_CLOEXEC : 0);
		break;
	case 5:
		eventfd(0, 0);
		break;
	default:
		open("/proc/self/exe", O_RDONLY);
		break;
	}
}

/* --- connections
 * --------------------------------------------------------------- */

static bool is_v6(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	raw(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, (long)&domain,
	    (long)&len, 0);
	return domain == AF_INET6;
}

/* Loopback, as fd's domain and `at`'s have to say it. */
static socklen_t loopback(int fd, bool at_v6, uint16_t port,
                          struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (!is_v6(fd)) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = port;
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	inet_pton(AF_INET6, at_v6 ? "::1" : "::ffff:127.0.0.1",
	          &in6->sin6_addr);
	in6->sin6_port = port;
	return sizeof(*in6);
}

/* One that is closed again can be bound, and is a connection no longer. */
static void op_bind(const struct step *s)
{
	struct sockaddr_storage to;
	int fd = pick(KIND_TCP, s->a);
	socklen_t len;

	if (fd < 0 || !view_sock(fd) || view_sock(fd)->connection)
		return;
	len = loopback(fd, s->b & 1, 0, &to);
	bind(fd, (void *)&to, len);
}

/* Without an address it gets one: any. */
static void op_listen(const struct step *s)
{
	int fd = pick(s->b % 8 ? KIND_TCP : KIND_LISTENER, s->a);

	if (fd >= 0)
		listen(fd, 128);
}

static void op_server(const struct step *s)
{
	struct sockaddr_storage to;
	int fd = socket(s->a % 3 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	socklen_t len;

	if (fd < 0)
		return;
	defined(fd);
	len = loopback(fd, true, 0, &to);
	bind(fd, (void *)&to, len);
	listen(fd, 128);
}

static void count_client(int result)
{
	if (!result)
		world->ordinals[ROLE_CLIENT]++;
}

/*
 * A socket of IPv6 that was refused at an IPv4 address is of that side for the
 * kernel from then on: a connect to ::1 waits for minutes, library or not.
 */
static bool would_hang(int fd, bool at_v6)
{
	struct known *k = is_v6(fd) ? known_of(cookie_of(fd), true) : NULL;

	if (k && !at_v6)
		k->mapped = true;
	return k && k->mapped && at_v6;
}

static void connect_to(int fd, int listener, unsigned b)
{
	struct sockaddr_storage at, to;
	socklen_t len = sizeof(at);
	uint16_t port;

	if (raw(SYS_getsockname, listener, (long)&at, (long)&len, 0, 0, 0))
		return;
	port = ((struct sockaddr_in *)&at)->sin_port;
	if (b % 16 == 15)
		port = htons(1); /* nobody */
	if (would_hang(fd, at.ss_family == AF_INET6))
		return;
	len = loopback(fd, at.ss_family == AF_INET6, port, &to);
	if (b % 16 == 14)
		to.ss_family = AF_UNSPEC;
	if (b % 4 == 1)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (to.ss_family == AF_UNSPEC)
		connect(fd, (void *)&to, len);
	else if (b % 4 == 2)
		count_client((int)syscall(SYS_connect, fd, &to, len));
	else
		count_client(connect(fd, (void *)&to, len));
}

static void op_connect(const struct step *s)
{
	int fd = pick(KIND_TCP, s->a), listener = pick(KIND_LISTENER, s->c);

	/* A listener that was shut down could connect: it is one for us. */
	if (fd >= 0 && listener >= 0 && view_sock(fd) &&
	    view_sock(fd)->role != ROLE_LISTENER)
		connect_to(fd, listener, s->b);
}

/* A connection is the most wanted of all: in one step. */
static void op_client(const struct step *s)
{
	int listener = pick(KIND_LISTENER, s->a), fd;

	if (listener < 0)
		return;
	fd = socket(is_v6(listener) ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return;
	defined(fd);
	connect_to(fd, listener, s->b);
}

static void op_accept(const struct step *s)
{
	int listener = pick(KIND_LISTENER, s->a), fd;
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (listener < 0)
		return;
	if (raw(SYS_poll, (long)&p, 1, 0, 0, 0, 0) != 1)
		return;
	switch (s->b % 5) {
	case 0:
		fd = accept(listener, NULL, NULL);
		break;
	case 1:
		fd = accept(listener, (void *)&peer, &len);
		break;
	case 2:
		fd = accept4(listener, (void *)&peer, &len, SOCK_CLOEXEC);
		break;
	case 3:
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		break;
	default:
		fd = (int)syscall(SYS_accept4, listener, NULL, NULL, 0);
	}
	if (fd < 0)
		return;
	defined(fd);
	world->ordinals[ROLE_ACCEPTED]++;
}

static void op_shutdown(const struct step *s)
{
	int fd = pick(s->b % 16 ? KIND_TCP : KIND_LISTENER, s->a);

	if (fd >= 0)
		shutdown(fd, s->b % 3);
}

static void op_send(const struct step *s)
{
	int fd = pick(KIND_TCP, s->a);

	if (fd >= 0)
		send(fd, "12345678", DATA, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A rule cuts every receive of every second accepted connection to a byte. */
static void op_recv(const struct step *s)
{
	int fd = s->b % 4 ? pick(KIND_TCP, s->a) : number(s->a), queued = 0;
	const struct known *k;
	const struct fault_sock *believed;
	char data[DATA];
	ssize_t n, want;

	if (fd < 0 || kind_of(fd) != KIND_TCP ||
	    raw(SYS_ioctl, fd, FIONREAD, (long)&queued, 0, 0, 0) || queued < 2)
		return;
	k = known_of(cookie_of(fd), true);
	believed = view_sock(fd);
	want = queued < DATA ? queued : DATA;
	if (!*stale(fd) && k && k->role == ROLE_ACCEPTED && k->connection % 2)
		want = 1;
	if (!k || (*stale(fd) && believed && believed->serial == k->serial))
		return;
	n = recv(fd, data, DATA, MSG_DONTWAIT);
	if (n != want && !k->vague)
		fail("recv of descriptor %d, connection %u of role %u: %zd, "
		     "not %zd",
		     fd, k->connection, k->role, n, want);
}

/* At a number that was a socket's: what is there now is left alone. */
static void op_read(const struct step *s)
{
	int fd = number(s->a), queued = 0;
	char data[DATA];
	ssize_t n;

	if (kind_of(fd) != KIND_OTHER ||
	    raw(SYS_ioctl, fd, FIONREAD, (long)&queued, 0, 0, 0) ||
	    queued < DATA)
		return;
	n = read(fd, data, DATA);
	if (n >= 0 && n != DATA)
		fail("read of descriptor %d: %zd", fd, n);
}

/* --- copies
 * ------------------------------------------------------------------- */

/*
 * The new number is as known as the old one; a copy of what is no socket is not
 * looked at, as open is not.
 */
static void copied(int from, int to)
{
	if (to >= 0 && to < N_FDS && from != to)
		*stale(to) = *stale(from) ||
		             (*stale(to) && kind_of(from) == KIND_OTHER);
}

static void op_dup(const struct step *s)
{
	int fd = any(s->a);

	if (fd < 0)
		return;
	switch (s->b % 5) {
	case 0:
		copied(fd, dup(fd));
		break;
	case 1:
		copied(fd, fcntl(fd, F_DUPFD, number(s->c)));
		break;
	case 2:
		copied(fd, fcntl(fd, F_DUPFD_CLOEXEC, number(s->c)));
		break;
	case 3:
		copied(fd, (int)syscall(SYS_dup, fd));
		break;
	default:
		copied(fd, (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3));
	}
}

static void op_dup2(const struct step *s)
{
	int fd = any(s->a), to = number(s->c);

	if (s->b % 8 == 7)
		to = any(s->c);
	if (fd < 0 || to < 0)
		return;
	switch (s->b % 4) {
	case 0:
		copied(fd, dup2(fd, to));
		break;
	case 1:
		copied(fd, dup3(fd, to, s->b & 4 ? O_CLOEXEC : 0));
		break;
	case 2:
		copied(fd, (int)syscall(SYS_dup3, fd, to, O_CLOEXEC));
		break;
	default:
		dup2(-1, to);
		copied(fd, dup2(fd, to));
	}
}

/* Two entries may be one socket from now on, and one of them is left over. */
static void vague(int fd)
{
	struct known *k = known_of(cookie_of(fd), true);

	if (k)
		k->vague = true;
	world->vague = true;
}

static void op_raw_dup2(const struct step *s)
{
	int fd = pick(KIND_TCP, s->a), to = number(s->c);

	if (fd < 0 || fd == to)
		return;
	if (view_sock(to))
		vague(to);
	if (raw(SYS_dup3, fd, to, 0, 0, 0, 0) != to)
		return;
	*stale(to) = true;
	vague(fd);
}

/* --- ends
 * ---------------------------------------------------------------------- */

static void op_close(const struct step *s)
{
	int fd = s->b & 1 ? any(s->a) : number(s->a);

	if (fd < 0)
		return;
	if (s->b & 2)
		syscall(SYS_close, fd);
	else
		close(fd);
	defined(fd);
}

static void op_raw_close(const struct step *s)
{
	int fd = any(s->a);

	if (fd < 0)
		return;
	raw(SYS_close, fd, 0, 0, 0, 0, 0);
	*stale(fd) = true;
}

static void op_fclose(const struct step *s)
{
	int fd = any(s->a);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (f)
		fclose(f);
	if (f)
		defined(fd);
}

static void op_close_range(const struct step *s)
{
	static const unsigned flags[] = {0,
	                                 0,
	                                 CLOSE_RANGE_CLOEXEC,
	                                 CLOSE_RANGE_UNSHARE,
	                                 CLOSE_RANGE_CLOEXEC |
	                                         CLOSE_RANGE_UNSHARE,
	                                 0x100};
	unsigned how = flags[s->b % 6];
	int first = number(s->a), last = first + s->c % 8, r;

	if (s->b % 32 == 31)
		last = first - 1;
	if (s->b & 64)
		r = (int)syscall(SYS_close_range, first, last, how);
	else
		r = close_range((unsigned)first, (unsigned)last, (int)how);
	/* A thread has done it to its own table. */
	if (r || how & CLOSE_RANGE_CLOEXEC ||
	    (how & CLOSE_RANGE_UNSHARE && s->c & ALONE))
		return;
	for (int fd = first; fd <= last; fd++)
		defined(fd);
}

/* All but the channel, or all. */
static void op_closefrom(const struct step *s)
{
	int first = number(s->a);

	if (s->b % 4)
		close_range((unsigned)first, CHANNEL - 1, 0);
	else
		closefrom(first);
	for (int fd = first; fd < (s->b % 4 ? CHANNEL : N_FDS); fd++)
		defined(fd);
}

/* --- marks
 * ---------------------------------------------------------------------- */

static void op_cloexec(const struct step *s)
{
	int fd = any(s->a);

	if (fd < 0)
		return;
	switch (s->b % 5) {
	case 0:
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		break;
	case 1:
		fcntl(fd, F_SETFD, 0);
		break;
	case 2:
		ioctl(fd, FIOCLEX);
		break;
	case 3:
		ioctl(fd, FIONCLEX);
		break;
	default:
		syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	}
}

static int an_epoll(unsigned n)
{
	struct epoll_event e;

	for (int i = 0; i < N_NUMBERS; i++) {
		int fd = number(n + (unsigned)i);

		if (kind_of(fd) == KIND_OTHER &&
		    raw(SYS_epoll_pwait, fd, (long)&e, 1, 0, 0, 8) >= 0)
			return fd;
	}
	return -1;
}

static void op_epoll(const struct step *s)
{
	static const int ways[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
	                           EPOLL_CTL_DEL};
	struct epoll_event e = {.events = EPOLLIN | (s->b & 4 ? EPOLLET : 0)};
	int set = an_epoll(s->c), fd = any(s->a);

	if (set < 0 || fd < 0)
		return;
	e.data.fd = fd;
	epoll_ctl(set, ways[s->b % 4], fd, &e);
	epoll_wait(set, &e, 1, 0);
}

const struct op ops[] = {
	{"socket", op_socket, 4},
	{"server", op_server, 5},
	{"client", op_client, 12},
	{"accept", op_accept, 14},
	{"bind", op_bind, 3},
	{"listen", op_listen, 3},
	{"connect", op_connect, 3},
	{"other", op_other, 5},
	{"send", op_send, 8},
	{"recv", op_recv, 8},
	{"read", op_read, 3},
	{"shutdown", op_shutdown, 2},
	{"dup", op_dup, 6},
	{"dup2", op_dup2, 8},
	{"raw-dup2", op_raw_dup2, 1},
	{"close", op_close, 8},
	{"raw-close", op_raw_close, 2},
	{"fclose", op_fclose, 1},
	{"close-range", op_close_range, 3},
	{"closefrom", op_closefrom, 1},
	{"cloexec", op_cloexec, 4},
	{"epoll", op_epoll, 4},
	{"pass", op_pass, 5},
	{"receive", op_receive, 6},
	{"fork", op_fork, 4},
	{"vfork", op_vfork, 2},
	{"spawn", op_spawn, 2},
	{"exec", op_exec, 2},
	{"no-exec", op_no_exec, 2},
	{"exit", op_exit, 3},
};
const unsigned n_ops = sizeof(ops) / sizeof(ops[0]);
