/*
 * setup.c - connections, holds, and the truth about a socket.  What looks
 * behind the library's back is a system call made here by hand: syscall(2)
 * would be seen.
 */
#include "ready.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/raw.h"

/* ---- lines --------------------------------------------------------------- */

uint64_t rd_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double rd_ms(const struct rd *r, uint64_t at)
{
	return at < r->t0 ? -1 : (double)(at - r->t0) / 1e6;
}

void rd_skip(const char *why)
{
	printf("SKIP %s\n", why);
	fflush(stdout);
	_exit(RD_SKIP);
}

void rd_broken(const char *what)
{
	printf("BROKEN %s: %s\n", what, rd_errno(errno));
	fflush(stdout);
	_exit(3);
}

const char *rd_errno(int err)
{
	const char *name = err ? strerrorname_np(err) : "0";

	return name ? name : "?";
}

const char *rd_mask(unsigned bits)
{
	static __thread char text[64];
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{POLLIN, "IN "},       {POLLPRI, "PRI "}, {POLLOUT, "OUT "},
		{POLLRDHUP, "RDHUP "}, {POLLHUP, "HUP "}, {POLLERR, "ERR "},
		{POLLNVAL, "NVAL "},
	};

	strcpy(text, bits ? "" : "none ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bits & names[i].bit)
			strcat(text, names[i].name);
	text[strlen(text) - 1] = '\0';
	return text;
}

/* One write each: lines of threads and processes are never mixed. */
static void line(const char *begin, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void line(const char *begin, const char *fmt, va_list ap)
{
	char text[400];
	size_t len = strlen(begin);
	int n;

	memcpy(text, begin, len);
	n = vsnprintf(text + len, sizeof(text) - len - 1, fmt, ap);
	if (n < 0 || (size_t)n >= sizeof(text) - len - 1)
		_exit(3);
	len += (size_t)n;
	text[len++] = '\n';
	if (rd_raw(SYS_write, 1, (long)text, (long)len, 0, 0) < 0)
		_exit(3);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("# ", fmt, ap);
	va_end(ap);
}

void stated(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("# STATED ", fmt, ap);
	va_end(ap);
}

void say_at(const struct rd *r, const char *what, uint64_t at, int expected_ms)
{
	double ms = rd_ms(r, at);

	note("%s: at %.1f ms, expected at %d", what, ms, expected_ms);
	say("%s: %s", what,
	    !at                              ? "never"
	    : ms < expected_ms               ? "early"
	    : ms < expected_ms + RD_SLACK_MS ? "on time"
	                                     : "late");
}

void say_result(const char *what, ssize_t n)
{
	if (n < 0)
		say("%s: -1 %s", what, rd_errno(errno));
	else
		say("%s: %zd", what, n);
}

double rd_cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

void rd_say_spin(double before_ms)
{
	double ms = rd_cpu_ms() - before_ms;

	note("CPU: %.1f ms", ms);
	say("spins: %s", ms < RD_SPIN_MS ? "no" : "yes");
}

/* ---- raw system calls ---------------------------------------------------- */

long rd_raw(long nr, long a, long b, long c, long d, long e)
{
	return raw(nr, a, b, c, d, e, 0);
}

int rd_queued(int fd)
{
	int n = 0;

	rd_raw(SYS_ioctl, fd, FIONREAD, (long)&n, 0, 0);
	return n;
}

int rd_raw_lowat(int fd)
{
	int n = 0;
	socklen_t len = sizeof(n);

	rd_raw(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, (long)&n,
	       (long)&len);
	return n;
}

int rd_tcp_state(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	rd_raw(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, (long)&info,
	       (long)&len);
	return info.tcpi_state;
}

static void nap(void)
{
	struct timespec t = {.tv_nsec = 200000};

	rd_raw(SYS_nanosleep, (long)&t, 0, 0, 0, 0);
}

void rd_raw_await_queued(int fd, int n)
{
	uint64_t end = rd_now() + RD_WAIT_MS * 1000000ull;

	while (rd_queued(fd) < n) {
		if (rd_now() > end)
			rd_broken("what the peer sent did not arrive");
		nap();
	}
}

void rd_raw_await_lowat(int fd, int n)
{
	uint64_t end = rd_now() + RD_WAIT_MS * 1000000ull;

	while (rd_raw_lowat(fd) != n && rd_now() < end)
		nap();
}

void rd_raw_await_state(int fd, int state)
{
	uint64_t end = rd_now() + RD_WAIT_MS * 1000000ull;

	while (rd_tcp_state(fd) != state) {
		if (rd_now() > end)
			rd_broken("the state did not come");
		nap();
	}
}

void rd_until(const struct rd *r, int ms)
{
	uint64_t at = r->t0 + (uint64_t)ms * 1000000u;
	struct timespec t = {.tv_sec = (time_t)(at / 1000000000u),
	                     .tv_nsec = (long)(at % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	       EINTR)
		;
}

void rd_await_asleep(int tid)
{
	uint64_t end = rd_now() + RD_WAIT_MS * 1000000ull;
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	for (;;) {
		long fd = rd_raw(SYS_openat, AT_FDCWD, (long)path, O_RDONLY, 0,
		                 0);
		long n = rd_raw(SYS_read, fd, (long)text, sizeof(text) - 1, 0,
		                0);
		char *state;

		rd_raw(SYS_close, fd, 0, 0, 0, 0);
		text[n > 0 ? n : 0] = '\0';
		state = strrchr(text, ')');
		if (state && state[2] == 'S')
			return;
		if (rd_now() > end)
			rd_broken("the thread does not sleep");
		nap();
	}
}

/* ---- connections --------------------------------------------------------- */

long rd_peer(struct rd *r, const char *verb, long a, long b, long ms)
{
	char text[64];
	long result;
	int n = snprintf(text, sizeof(text), "%s %ld %ld %ld", verb, a, b, ms);

	if (rd_raw(SYS_sendto, r->ctl, (long)text, n, MSG_NOSIGNAL, 0) != n)
		rd_broken("the peer is gone");
	n = (int)rd_raw(SYS_read, r->ctl, (long)text, sizeof(text) - 1, 0, 0);
	if (n <= 0)
		rd_broken("the peer does not answer");
	text[n] = '\0';
	result = strtol(text, NULL, 10);
	if (result < 0) {
		errno = (int)-result;
		rd_broken(verb);
	}
	return result;
}

void rd_loopback(int family, int port, struct sockaddr_storage *ret_sa,
                 socklen_t *ret_len)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_sa;

	memset(ret_sa, 0, sizeof(*ret_sa));
	ret_sa->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
	} else {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons((uint16_t)port);
		*ret_len = sizeof(*v4);
	}
}

int rd_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		rd_broken("getsockname");
	/* The port is at the same place in both. */
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

int rd_listen(struct rd *r, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t len;

	rd_loopback(r->family, 0, &sa, &len);
	r->listener = socket(r->family,
	                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(r->listener, (struct sockaddr *)&sa, len) ||
	    listen(r->listener, backlog))
		rd_broken("listen");
	return rd_port(r->listener);
}

int rd_open_another(struct rd *r, long *ret_conn)
{
	int fd;

	*ret_conn = rd_peer(r, "connect", rd_port(r->listener), 0, 0);
	fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		rd_broken("accept4");
	return fd;
}

void rd_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void rd_open(struct rd *r)
{
	rd_listen(r, 128);
	r->fd = rd_open_another(r, &r->conn);
	if (r->style == BLOCKING)
		rd_blocking(r->fd, true);
	if (r->trigger != SECOND)
		return;
	rd_peer(r, "send", r->conn, 1, 0);
	rd_raw_await_queued(r->fd, 1);
	if (rd_recv(r, r->fd, 10, 0) != 1)
		rd_broken("the first receive is not delayed");
}

void rd_arrive(struct rd *r, long n)
{
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, n, r->real ? r->delay_ms : 0);
	if (!r->real)
		rd_raw_await_queued(r->fd, n < 1000 ? (int)n : 1000);
}

void rd_provoke(struct rd *r)
{
	ssize_t n = -1;

	if (r->trigger != CALL)
		return;
	n = rd_recv(r, r->fd, 1 << 16, MSG_DONTWAIT);
	say_result("the receive that triggers", n);
}

void rd_hold(struct rd *r, long n)
{
	rd_arrive(r, n);
	rd_provoke(r);
}

void rd_hold_fin(struct rd *r)
{
	r->t0 = rd_now();
	rd_peer(r, "fin", r->conn, 0, r->real ? r->delay_ms : 0);
	if (!r->real)
		rd_raw_await_state(r->fd, TCP_CLOSE_WAIT);
	rd_provoke(r);
}

unsigned char rd_pattern(uint64_t offset)
{
	return (unsigned char)(offset * 7 + (offset >> 8) * 13);
}

ssize_t rd_recv(struct rd *r, int fd, size_t len, int flags)
{
	static __thread unsigned char buf[1 << 16];
	ssize_t n = recvfrom(fd, buf, len < sizeof(buf) ? len : sizeof(buf),
	                     flags, NULL, NULL);
	int err = errno;

	if (fd != r->fd)
		return n;
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != rd_pattern(r->received + (uint64_t)i)) {
			say("WRONG BYTE at %ju",
			    (uintmax_t)(r->received + (uint64_t)i));
			break;
		}
	if (n > 0 && !(flags & MSG_PEEK))
		r->received += (uint64_t)n;
	errno = err;
	return n;
}

/* ---- threads ------------------------------------------------------------- */

static void *receive(void *arg)
{
	struct rd_thread *t = arg;

	atomic_store(&t->tid, gettid());
	t->n = rd_recv(t->r, t->fd, t->len, t->flags);
	t->err = t->n < 0 ? errno : 0;
	t->at = rd_now();
	return NULL;
}

void rd_thread_recv(struct rd_thread *t, struct rd *r, size_t len, int flags)
{
	*t = (struct rd_thread){
		.r = r, .fd = r->fd, .len = len, .flags = flags};
	if (pthread_create(&t->id, NULL, receive, t))
		rd_broken("pthread_create");
	while (!atomic_load(&t->tid))
		nap();
	rd_await_asleep(t->tid);
}

void rd_thread_join(struct rd_thread *t)
{
	pthread_join(t->id, NULL);
	errno = t->err;
}

/* ---- processes ----------------------------------------------------------- */

pid_t rd_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		rd_broken("fork");
	return pid;
}

void rd_await_child(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		say("child: signal %d", WTERMSIG(status));
	else
		say("child: %d", WEXITSTATUS(status));
}
