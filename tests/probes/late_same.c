/*
 * late_same.c - a connect that is held beside one that the kernel itself leaves
 * unanswered (a listener whose queue is full): what can be asked of the one and
 * the other is the same (tests/e2e/late.sh).
 *
 * The rule is `connect:stall:nth=2`: the first connect of a case fills the
 * queue, the second is held, the third is real.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>

#include "table.h"

enum {
	SHORT_MS = 150,
	GIVES_UP_MS = 9000,
	ALL = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLERR | POLLHUP,
};

union addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct both {
	int held, real;
};

static union addr target;
static socklen_t target_len;

/* What a case does to both sockets before they connect. */
typedef void prepare(int fd);

static int differs(int line, const char *what, const long v[2], const int e[2])
{
	printf("line %d: %s: held %ld (%s), real %ld (%s)\n", line, what, v[0],
	       strerrorname_np(e[0]), v[1], strerrorname_np(e[1]));
	return 1;
}

/* In a case that has `struct both b`: an expression of fd, result and errno. */
#define SAME(expression)                                                       \
	do {                                                                   \
		long v_[2];                                                    \
		int e_[2];                                                     \
                                                                               \
		for (int i_ = 0; i_ < 2; i_++) {                               \
			int fd = i_ ? b.real : b.held;                         \
                                                                               \
			v_[i_] = (long)(expression);                           \
			e_[i_] = v_[i_] < 0 ? errno : 0;                       \
		}                                                              \
		if (v_[0] != v_[1] || e_[0] != e_[1])                          \
			return differs(__LINE__, #expression, v_, e_);         \
	} while (0)

/* --- a listener that is full, and the two --------------------------------- */

static void loopback(int family)
{
	memset(&target, 0, sizeof(target));
	target.any.sa_family = (sa_family_t)family;
	target_len =
		family == AF_INET6 ? sizeof(target.in6) : sizeof(target.in);
	if (family == AF_INET6)
		target.in6.sin6_addr = in6addr_loopback;
	else
		target.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static int to_target(int fd)
{
	return connect(fd, &target.any, target_len);
}

static void fill_queue(int family)
{
	int listening = socket(family, SOCK_STREAM, 0);
	int filler = socket(family, SOCK_STREAM, 0);
	struct pollfd p = {.fd = listening, .events = POLLIN};

	loopback(family);
	if (bind(listening, &target.any, target_len) || listen(listening, 0) ||
	    getsockname(listening, &target.any, &target_len) ||
	    to_target(filler) || poll(&p, 1, GIVES_UP_MS) != 1)
		die("a full queue");
}

/* IPv4 in an IPv6 socket. */
static void map_target(void)
{
	union addr mapped = {.in6 = {.sin6_family = AF_INET6,
	                             .sin6_port = target.in.sin_port}};

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.in6.sin6_addr);
	target = mapped;
	target_len = sizeof(target.in6);
}

static int started(int family, prepare *first)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (first)
		first(fd);
	if (to_target(fd) != -1 || errno != EINPROGRESS)
		die("connect");
	return fd;
}

static int option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) ? -1 : value;
}

/* The library has a listener of its own, high; else this compares nothing. */
static void check_held(void)
{
	for (int fd = 128; fd < 66000; fd++)
		if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
			return;
	puts("nothing is held");
	exit(1);
}

static struct both start_both(int family, prepare *first)
{
	struct both b;

	b.held = started(family, first);
	check_held();
	b.real = started(family, first);
	return b;
}

static struct both both(void)
{
	fill_queue(AF_INET);
	return start_both(AF_INET, NULL);
}

/* --- questions ------------------------------------------------------------ */

static int so_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static int tcp_state(int fd)
{
	return option(fd, IPPROTO_TCP, TCP_INFO) & 0xff;
}

static long asked(int fd, unsigned long what)
{
	int n = -1;

	return ioctl(fd, what, &n) ? -1 : n;
}

static long peer_of(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	return getpeername(fd, &a.any, &len);
}

/* Family and address as a number; a port is there or it is not. */
static long local_of(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);
	long sum = 0;

	if (getsockname(fd, &a.any, &len))
		return -1;
	if (a.any.sa_family == AF_INET)
		return (long)a.in.sin_addr.s_addr << 8 | (a.in.sin_port != 0);
	for (int i = 0; i < 16; i++)
		sum = sum * 31 + a.in6.sin6_addr.s6_addr[i];
	return sum << 1 | (a.in6.sin6_port != 0);
}

static int polled(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = ALL & ~(POLLERR | POLLHUP)};

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

static int selected(int fd)
{
	struct timeval none = {0};
	fd_set in, out, other;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = other = in;
	return select(fd + 1, &in, &out, &other, &none);
}

static long epolled(int fd, unsigned how, int ms)
{
	struct epoll_event e = {.events = ALL | how};
	int set = epoll_create1(EPOLL_CLOEXEC);
	int n;

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	n = epoll_wait(set, &e, 1, ms);
	close(set);
	return n == 1 ? (long)e.events : n;
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_timeout(int fd, int name, long ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};

	return setsockopt(fd, SOL_SOCKET, name, &t, sizeof(t));
}

static int bind_any(int fd)
{
	union addr a = {.in.sin_family = AF_INET};

	return bind(fd, &a.any, sizeof(a.in));
}

static char byte;

#define SAME_STATE()                                                           \
	do {                                                                   \
		SAME(tcp_state(fd));                                           \
		SAME(local_of(fd));                                            \
		SAME(peer_of(fd));                                             \
		SAME(polled(fd, 0));                                           \
		SAME(selected(fd));                                            \
		SAME(epolled(fd, 0, 0));                                       \
		SAME(epolled(fd, EPOLLET, 0));                                 \
		SAME(epolled(fd, EPOLLONESHOT, 0));                            \
	} while (0)

/* --- while it is held ----------------------------------------------------- */

static int calls(void)
{
	struct both b = both();

	SAME_STATE();
	SAME(to_target(fd));
	SAME(so_error(fd));
	SAME(send(fd, "x", 1, MSG_NOSIGNAL));
	SAME(send(fd, "x", 0, 0));
	SAME(send(fd, "x", 1, MSG_OOB | MSG_DONTWAIT));
	SAME(write(fd, "x", 1));
	SAME(recv(fd, &byte, 1, 0));
	SAME(recv(fd, &byte, 1, MSG_PEEK | MSG_TRUNC));
	SAME(recv(fd, &byte, 1, MSG_OOB));
	SAME(recv(fd, &byte, 1, MSG_ERRQUEUE));
	SAME(recv(fd, &byte, 0, 0));
	SAME(read(fd, &byte, 1));
	SAME(asked(fd, FIONREAD));
	SAME(asked(fd, SIOCOUTQ));
	SAME(asked(fd, SIOCOUTQNSD));
	SAME(asked(fd, SIOCATMARK));
	SAME(bind_any(fd));
	SAME(listen(fd, 1));
	SAME(accept(fd, NULL, NULL));
	SAME(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
	SAME(set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 7));
	SAME(option(fd, SOL_SOCKET, SO_RCVLOWAT));
	SAME(option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	SAME(option(fd, IPPROTO_TCP, TCP_MAXSEG));
	SAME(option(fd, IPPROTO_TCP, TCP_SYNCNT));
	SAME(fcntl(fd, F_GETFL));
	SAME_STATE();
	return 0;
}

/* Whichever side: in SYN_SENT it is the end of the connect. */
static int shut(int how)
{
	struct both b = both();

	SAME(shutdown(fd, how));
	SAME_STATE();
	SAME(send(fd, "x", 1, MSG_NOSIGNAL));
	SAME(so_error(fd));
	SAME(so_error(fd));
	SAME(shutdown(fd, how));
	SAME_STATE();
	SAME(recv(fd, &byte, 1, 0));
	SAME(to_target(fd));
	SAME_STATE();
	return 0;
}

static int shut_receiving(void)
{
	return shut(SHUT_RD);
}

static int shut_sending(void)
{
	return shut(SHUT_WR);
}

static int shut_wholly(void)
{
	return shut(SHUT_RDWR);
}

static int copy_of(int fd)
{
	int other = dup(fd);

	close(fd);
	return other;
}

static int copies(void)
{
	struct both b = both();

	b.held = copy_of(b.held);
	b.real = copy_of(b.real);
	SAME_STATE();
	SAME(to_target(fd));
	SAME(so_error(fd));
	return 0;
}

/* A descriptor that may wait now: each call waits for its time-out. */
static int toggled(void)
{
	struct both b = both();

	SAME(fcntl(fd, F_SETFL, O_RDWR));
	SAME(set_timeout(fd, SO_SNDTIMEO, SHORT_MS));
	SAME(set_timeout(fd, SO_RCVTIMEO, SHORT_MS));
	SAME(to_target(fd));
	SAME(send(fd, "x", 1, MSG_NOSIGNAL));
	SAME(recv(fd, &byte, 1, 0));
	SAME(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
	SAME(to_target(fd));
	SAME_STATE();
	return 0;
}

/* The time-out of a connect that waits, and what follows it. */
static int timed_out(void)
{
	struct both b;
	long began;

	fill_queue(AF_INET);
	b.held = socket(AF_INET, SOCK_STREAM, 0);
	b.real = socket(AF_INET, SOCK_STREAM, 0);
	SAME(set_timeout(fd, SO_SNDTIMEO, SHORT_MS));
	began = now_ms();
	SAME(to_target(fd));
	WANT(now_ms() - began >= 2 * SHORT_MS, true);
	SAME(fcntl(fd, F_GETFL));
	SAME(to_target(fd));
	SAME_STATE();
	return 0;
}

/* The kernel gives up; both at the same time, in the same way. */
static void impatient(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
}

static void hurried(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
}

static int giving_up(prepare *first)
{
	struct both b;
	long ended[2];

	fill_queue(AF_INET);
	b = start_both(AF_INET, first);
	for (int i = 0; i < 2; i++) {
		WANT(polled(i ? b.real : b.held, GIVES_UP_MS) != 0, true);
		ended[i] = now_ms();
	}
	/* Whichever was first: the second is told at about the same time. */
	WANT(ended[1] - ended[0] < 500, true);
	SAME_STATE();
	SAME(so_error(fd));
	SAME(so_error(fd));
	SAME_STATE();
	SAME(to_target(fd));
	SAME(to_target(fd));
	return 0;
}

static int syn_count(void)
{
	return giving_up(impatient);
}

static int user_timeout(void)
{
	return giving_up(hurried);
}

static _Atomic int waiter;
static int wait_ms;

static void *wait_in_poll(void *fd)
{
	waiter = gettid();
	return (void *)(intptr_t)polled((int)(intptr_t)fd, wait_ms);
}

static void *wait_in_epoll(void *fd)
{
	waiter = gettid();
	return (void *)(intptr_t)epolled((int)(intptr_t)fd, 0, wait_ms);
}

/* A thread sleeps in `wait` when the connect is dissolved, or shut down. */
static long seen_by(void *(*wait)(void *), int fd, int (*end)(int))
{
	pthread_t thread;
	void *seen;

	waiter = 0;
	if (pthread_create(&thread, NULL, wait, (void *)(intptr_t)fd))
		die("pthread_create");
	while (!waiter)
		sched_yield();
	await_sleep(waiter);
	end(fd);
	pthread_join(thread, &seen);
	return (intptr_t)seen;
}

static int dissolve(int fd)
{
	static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	return connect(fd, &unspec, sizeof(unspec));
}

static int shut_down(int fd)
{
	return shutdown(fd, SHUT_RDWR);
}

static int nothing(int fd)
{
	return fd;
}

static int sleeping(int (*end)(int))
{
	struct both b = both();

	wait_ms = GIVES_UP_MS;
	SAME(seen_by(wait_in_poll, fd, end));
	wait_ms = 2 * SHORT_MS;
	SAME(seen_by(wait_in_epoll, fd, nothing));
	SAME(so_error(fd));
	SAME_STATE();
	return 0;
}

static int sleeping_shut(void)
{
	return sleeping(shut_down);
}

static int sleeping_dissolved(void)
{
	return sleeping(dissolve);
}

static int sleeping_closed(void)
{
	struct both b = both();

	wait_ms = 2 * SHORT_MS;
	SAME(seen_by(wait_in_poll, fd, close));
	SAME(fcntl(fd, F_GETFL));
	return 0;
}

/* --- sockets of all kinds ------------------------------------------------- */

static void only_ipv6(int fd)
{
	if (set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		die("IPV6_V6ONLY");
}

static void to_address(int fd)
{
	union addr a = {.in = {.sin_family = AF_INET}};

	a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	if (bind(fd, &a.any, sizeof(a.in)))
		die("bind");
}

static void to_port(int fd)
{
	if (bind_any(fd))
		die("bind");
}

static void without_port(int fd)
{
	set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	to_address(fd);
}

static void to_device(int fd)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
		die("SO_BINDTODEVICE");
}

static void transparent(int fd)
{
	union addr a = {.in = {.sin_family = AF_INET}};

	if (set_option(fd, IPPROTO_IP, IP_TRANSPARENT, 1)) {
		puts("skip: IP_TRANSPARENT needs a privilege");
		exit(0);
	}
	inet_pton(AF_INET, "198.51.100.7", &a.in.sin_addr);
	if (bind(fd, &a.any, sizeof(a.in)))
		die("bind");
}

static int kind(int family, prepare *first)
{
	struct both b = start_both(family, first);

	SAME_STATE();
	SAME(to_target(fd));
	SAME(send(fd, "x", 1, MSG_NOSIGNAL));
	SAME(shutdown(fd, SHUT_RDWR));
	SAME(so_error(fd));
	SAME_STATE();
	return 0;
}

#define KIND(name, family, first)                                              \
	static int name##_kind(void)                                           \
	{                                                                      \
		fill_queue(family);                                            \
		return kind(family, first);                                    \
	}
KIND(ipv6, AF_INET6, NULL)
KIND(v6only, AF_INET6, only_ipv6)
KIND(address, AF_INET, to_address)
KIND(port, AF_INET, to_port)
KIND(no_port, AF_INET, without_port)
KIND(device, AF_INET, to_device)
KIND(transparent, AF_INET, transparent)

static int mapped_kind(void)
{
	fill_queue(AF_INET);
	map_target();
	return kind(AF_INET6, NULL);
}

static const struct probe_case cases[] = {
	{"calls", calls},
	{"shut-receiving", shut_receiving},
	{"shut-sending", shut_sending},
	{"shut-wholly", shut_wholly},
	{"copies", copies},
	{"toggled", toggled},
	{"timed-out", timed_out},
	{"syn-count", syn_count},
	{"user-timeout", user_timeout},
	{"sleeping-shut", sleeping_shut},
	{"sleeping-dissolved", sleeping_dissolved},
	{"sleeping-closed", sleeping_closed},
	{"ipv6", ipv6_kind},
	{"v6only", v6only_kind},
	{"mapped", mapped_kind},
	{"address", address_kind},
	{"port", port_kind},
	{"no-port", no_port_kind},
	{"device", device_kind},
	{"transparent", transparent_kind},
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
