/*
 * probes.c - see probes.h.
 *
 * The levers are tried as shim/levers.c uses them: what they must do is
 * tests/conformance/FACTS.md, sections 0 and 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/probes.h"

/* ---- a connection to try things on -------------------------------------- */

struct pair {
	int ours, peer;
};

static int listen_local(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){.sin_family = AF_INET};
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)a, len) || listen(fd, 1) ||
	                getsockname(fd, (struct sockaddr *)a, &len))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* False with the reason in why; descriptors end with the child. */
static bool connect_pair(struct pair *p, char *why, size_t size)
{
	struct sockaddr_in a;
	int listener = listen_local(&a);

	p->ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener >= 0 && p->ours >= 0 &&
	    !connect(p->ours, (struct sockaddr *)&a, sizeof(a))) {
		p->peer = accept(listener, NULL, NULL);
		if (p->peer >= 0)
			return true;
	}
	snprintf(why, size, "no TCP over 127.0.0.1: %m; is `lo` up?");
	return false;
}

static bool fail(char *why, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool fail(char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return false;
}

/* ---- probes -------------------------------------------------------------- */

static bool probe_reset(char *why, size_t size)
{
	static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	const short all = POLLIN | POLLOUT | POLLERR | POLLHUP;
	struct pollfd poll_ours, poll_peer;
	struct pair p;
	char byte;

	if (!connect_pair(&p, why, size))
		return false;
	if (shutdown(p.ours, SHUT_RD) ||
	    connect(p.ours, &unspec, sizeof(unspec)))
		return fail(why, size, "refused by the kernel: %m");
	shutdown(p.ours, SHUT_RDWR);
	poll_ours = (struct pollfd){.fd = p.ours, .events = POLLIN | POLLOUT};
	poll_peer = (struct pollfd){.fd = p.peer, .events = POLLIN};
	if (poll(&poll_ours, 1, 1000) != 1 || (poll_ours.revents & all) != all)
		return fail(why, size, "poll says %#x instead of %#x",
		            (unsigned)poll_ours.revents, (unsigned)all);
	if (recv(p.ours, &byte, 1, 0) != -1 || errno != ECONNRESET ||
	    recv(p.ours, &byte, 1, 0) != 0)
		return fail(why, size, "recv does not say ECONNRESET, then 0");
	if (poll(&poll_peer, 1, 1000) != 1 || recv(p.peer, &byte, 1, 0) != -1 ||
	    errno != ECONNRESET)
		return fail(why, size, "the peer does not see the reset");
	return true;
}

/* Is there an edge now, and was there none without the kick? */
static bool kicks(int epoll, int fd, int level, int name)
{
	struct epoll_event event;
	int value;
	socklen_t len = sizeof(value);

	while (epoll_wait(epoll, &event, 1, 0) > 0)
		;
	return !getsockopt(fd, level, name, &value, &len) &&
	       !setsockopt(fd, level, name, &value, len) &&
	       epoll_wait(epoll, &event, 1, 0) == 1;
}

static bool probe_kick(char *why, size_t size)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd ready;
	struct pair p;

	if (!connect_pair(&p, why, size))
		return false;
	ready = (struct pollfd){.fd = p.ours, .events = POLLIN};
	if (send(p.peer, "x", 1, 0) != 1 || poll(&ready, 1, 1000) != 1 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, p.ours, &event))
		return fail(why, size, "no event on the loopback: %m");
	if (!kicks(epoll, p.ours, SOL_SOCKET, SO_RCVLOWAT))
		return fail(why, size, "SO_RCVLOWAT gives no new edge");
	if (!kicks(epoll, p.ours, IPPROTO_TCP, TCP_NOTSENT_LOWAT))
		return fail(why, size, "TCP_NOTSENT_LOWAT gives no new edge");
	return true;
}

/* Nothing arrives while the mark is raised; lowering it is an edge. */
static bool probe_hold(char *why, size_t size)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int mark = 0, one = 1;
	socklen_t len = sizeof(mark);
	struct pollfd ready;
	struct pair p;
	char byte;

	if (!connect_pair(&p, why, size))
		return false;
	ready = (struct pollfd){.fd = p.ours, .events = POLLIN};
	if (getsockopt(p.ours, SOL_SOCKET, SO_RCVBUF, &mark, &len))
		return fail(why, size, "SO_RCVBUF: %m");
	mark /= 2;
	if (setsockopt(p.ours, SOL_SOCKET, SO_RCVLOWAT, &mark, len) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, p.ours, &event) ||
	    send(p.peer, "x", 1, 0) != 1 ||
	    recv(p.ours, &byte, 1, MSG_PEEK) != 1)
		return fail(why, size, "no data over the loopback: %m");
	if (poll(&ready, 1, 0) || epoll_wait(epoll, &event, 1, 0))
		return fail(why, size,
		            "SO_RCVLOWAT does not hide what arrives");
	if (setsockopt(p.ours, SOL_SOCKET, SO_RCVLOWAT, &one, len) ||
	    poll(&ready, 1, 1000) != 1 || epoll_wait(epoll, &event, 1, 0) != 1)
		return fail(why, size, "lowering SO_RCVLOWAT wakes nobody");
	return true;
}

/* What the helper of the library waits in. */
static bool probe_helper(char *why, size_t size)
{
	struct itimerspec now = {.it_value = {.tv_nsec = 1}};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (epoll < 0 || timer < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) ||
	    timerfd_settime(timer, 0, &now, NULL) ||
	    epoll_wait(epoll, &event, 1, 1000) != 1)
		return fail(why, size, "no timer in an epoll set: %m");
	return true;
}

/* The third connect stays in SYN_SENT: one is queued, one beyond (listen(2)) */
static bool probe_silent(char *why, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.events = POLLOUT};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 0) ||
	    getsockname(listener, (struct sockaddr *)&a, &len))
		return fail(why, size, "no port on 127.0.0.1: %m");
	for (int i = 0; i < 3; i++) {
		p.fd = socket(AF_INET,
		              SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(p.fd, (struct sockaddr *)&a, len);
	}
	if (poll(&p, 1, 50))
		return fail(why, size,
		            "a full backlog answers (tcp_abort_on_overflow?)");
	return true;
}

static bool probe_refused(char *why, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(holder, (struct sockaddr *)&a, len) ||
	    getsockname(holder, (struct sockaddr *)&a, &len))
		return fail(why, size, "no port on 127.0.0.1: %m");
	if (!connect(fd, (struct sockaddr *)&a, len) || errno != ECONNREFUSED)
		return fail(why, size,
		            "a bound port does not refuse connections: %m");
	return true;
}

static bool probe_subreaper(char *why, size_t size)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return fail(why, size, "prctl: %m; Linux 3.4 has it");
	return true;
}

static bool probe_timer(char *why, size_t size)
{
	int before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);

	if (before < 0 || prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0))
		return fail(why, size,
		            "cannot be set: %m; delays may be 50 us late");
	snprintf(why, size, "%d ns, can be set to 1 ns", before);
	return true;
}

static bool probe_namespaces(char *why, size_t size)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return fail(why, size, "%m; nothing here needs it");
	return true;
}

const struct probe probes[] = {
	{"reset", "resets are real ones", true, probe_reset},
	{"kick", "edge-triggered loops go on after a fault", true, probe_kick},
	{"hold", "what is delayed is not ready either", true, probe_hold},
	{"helper", "held sockets become ready in time", true, probe_helper},
	{"silent", "connects that nobody answers", true, probe_silent},
	{"refuse", "connects are refused by the kernel", true, probe_refused},
	{"subreaper", "no process is left behind", true, probe_subreaper},
	{"timer", "precision of delays", false, probe_timer},
	{"namespaces", "a network of one's own (unshare)", false,
         probe_namespaces},
	{0}};

/* ---- the child ----------------------------------------------------------- */

static void run_in_child(const struct probe *p, int out)
{
	char why[256] = "";
	bool works;

	signal(SIGPIPE, SIG_IGN);
	alarm(5); /* ends a probe that hangs */
	works = p->run(why + 1, sizeof(why) - 1);
	why[0] = works ? '+' : '-';
	if (write(out, why, strlen(why)) < 0)
		_exit(1);
	_exit(0);
}

bool probe_run(const struct probe *p, char *why, size_t size)
{
	char buf[256];
	size_t len = 0;
	ssize_t n;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) || (pid = fork()) < 0)
		return fail(why, size, "cannot start a process: %m");
	if (!pid)
		run_in_child(p, ends[1]);
	close(ends[1]);
	while (len < sizeof(buf) - 1 &&
	       (n = read(ends[0], buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	buf[len] = '\0';
	if (!len)
		return fail(why, size, "the probe was killed or took too long");
	snprintf(why, size, "%s", buf + 1);
	return buf[0] == '+';
}
