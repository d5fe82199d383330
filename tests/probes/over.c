/*
 * over.c - connections, or directions of them, that have ended: what the kernel
 * says of them is what a program sees under a rule that comes too late
 * (tests/e2e/over.sh).  Each case passes without any rule, too.
 */
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "table.h"

enum {
	ENDED = POLLIN | POLLOUT | POLLRDHUP | POLLHUP,
};

static struct pair p;

/* By a call that nobody wraps; run_case() sets the limit. */
static void await_state(int fd, int state)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	do {
		sched_yield();
		if (syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info,
		            &len))
			die("TCP_INFO");
	} while (info.tcpi_state != state);
}

static long recv_one(void)
{
	return recv(p.accepted, (char[DATA]){0}, DATA, 0);
}

static long send_one(int flags)
{
	return send(p.accepted, "12345678", DATA, MSG_NOSIGNAL | flags) == -1
	               ? -errno
	               : 0;
}

static int readiness(void)
{
	struct pollfd fd = {p.accepted, POLLIN | POLLOUT | POLLRDHUP, 0};

	poll(&fd, 1, 0);
	return fd.revents;
}

static int so_error(void)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(p.accepted, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

/* Both ends have shut down; what the peer said before is unread. */
static void finish(const char *said)
{
	p = make_pair();
	if (*said && send(p.client, said, strlen(said), 0) < 0)
		die("send");
	if (shutdown(p.client, SHUT_WR))
		die("shutdown");
	await_state(p.accepted, TCP_CLOSE_WAIT);
	if (shutdown(p.accepted, SHUT_WR))
		die("shutdown");
	await_state(p.accepted, TCP_CLOSE);
}

static int rest_is_the_end(void)
{
	WANT(readiness(), ENDED);
	WANT(recv_one(), 0);
	WANT(recv_one(), 0);
	WANT(readiness(), ENDED);
	WANT(send_one(0), -EPIPE);
	WANT(so_error(), 0);
	WANT(shutdown(p.accepted, SHUT_RD), -1);
	WANT(errno, ENOTCONN);
	WANT(close(p.accepted), 0);
	return 0;
}

static int finished(void)
{
	finish("");
	return rest_is_the_end();
}

/* A RST of the peer comes too late: nobody is there for it. */
static int reset_by_peer(void)
{
	struct linger now = {1, 0};

	finish("");
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p.client);
	return rest_is_the_end();
}

static int unread(void)
{
	finish("abc");
	WANT(recv_one(), 3);
	return rest_is_the_end();
}

/* The last rule is a signal: those before it have been looked at. */
static void await_rules(const sigset_t *set)
{
	int sig;

	if (!getenv("FAULT_SHM"))
		kill(getpid(), SIGUSR1);
	sigwait(set, &sig);
}

static sigset_t block_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

static int by_itself(void)
{
	sigset_t set = block_signal();

	finish("");
	WANT(recv_one(), 0);
	await_rules(&set);
	return rest_is_the_end();
}

/* The peer has finished, we have not. */
static int at_end(void)
{
	p = make_pair();
	if (shutdown(p.client, SHUT_WR))
		die("shutdown");
	await_state(p.accepted, TCP_CLOSE_WAIT);
	WANT(recv_one(), 0);
	WANT(recv_one(), 0);
	WANT(send_one(0), 0);
	WANT(recv(p.client, (char[DATA]){0}, DATA, 0), DATA);
	return 0;
}

static int after_own_end(void)
{
	p = make_pair();
	if (shutdown(p.accepted, SHUT_WR))
		die("shutdown");
	WANT(send_one(MSG_DONTWAIT), -EPIPE);
	WANT(send_one(0), -EPIPE);
	return 0;
}

/* The first end is a rule's; the real peer is still there. */
static int after_eof(void)
{
	bool real = !getenv("FAULT_SHM");

	p = make_pair();
	if (real && shutdown(p.client, SHUT_WR))
		die("shutdown");
	if (!real && send(p.client, "12345678", DATA, 0) != DATA)
		die("send");
	WANT(recv_one(), 0);
	WANT(shutdown(p.accepted, SHUT_WR), 0);
	WANT(close(p.accepted), 0);
	WANT(recv(p.client, (char[DATA]){0}, DATA, 0), 0);
	return 0;
}

/* No descriptor is left for what holds a connect: it is as fast as ever. */
static int connect_alone(void)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	struct rlimit none;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd ready = {fd, POLLOUT, 0};

	if (listener < 0 || fd < 0 || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&to, &len))
		die("listen");
	none = (struct rlimit){(rlim_t)fd + 1, (rlim_t)fd + 1};
	if (setrlimit(RLIMIT_NOFILE, &none))
		die("setrlimit");
	WANT(connect(fd, (const struct sockaddr *)&to, len), -1);
	WANT(errno, EINPROGRESS);
	WANT(poll(&ready, 1, 10000), 1);
	return 0;
}

/* The peer's end has been read: silence is about what is sent. */
static int silence_at_end(void)
{
	sigset_t set = block_signal();

	p = make_pair();
	if (shutdown(p.client, SHUT_WR))
		die("shutdown");
	WANT(recv_one(), 0);
	await_rules(&set);
	WANT(recv_one(), 0);
	return 0;
}

/* The peer says so much, and is silent. */
static int silent_peer(void)
{
	p = make_pair();
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv_one(), DATA);
	WANT(recv(p.accepted, (char[DATA]){0}, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"finished", finished},
		{"unread", unread},
		{"reset-by-peer", reset_by_peer},
		{"by-itself", by_itself},
		{"at-end", at_end},
		{"connect-alone", connect_alone},
		{"after-eof", after_eof},
		{"after-own-end", after_own_end},
		{"silence-at-end", silence_at_end},
		{"silent-peer", silent_peer},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
