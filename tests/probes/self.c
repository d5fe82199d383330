/*
 * self.c - connections on which rules without `call` act: what happens to each,
 * and to no other.
 *
 *   LD_PRELOAD=libfault.so FAULT_INJECT=RULE self MODE PORT
 *
 * The connections are loopback pairs; the rule is about one end of them, which
 * tests/e2e/self.sh says for each mode. Exit status 0, or 1 and a line on
 * stdout about what was wrong. Waits are for events, with a deadline.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "tests/clock.h"
#include "tests/mortal.h"

enum {
	DEADLINE_MS = 5000,
	MANY = 4000,
	DEAD = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP,
};

static int port;

static struct sockaddr_in at_port(int number)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)number),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_at(int number)
{
	struct sockaddr_in sa = at_port(number);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1024))
		wrong("listen", number);
	return fd;
}

struct pair {
	int client, accepted;
};

static struct pair connected(int listener, int number)
{
	struct sockaddr_in sa = at_port(number);
	struct pair p;

	p.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p.client < 0 ||
	    connect(p.client, (struct sockaddr *)&sa, sizeof(sa)))
		wrong("connect", number);
	p.accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (p.accepted < 0)
		wrong("accept", number);
	return p;
}

static short await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, DEADLINE_MS) > 0 ? p.revents : 0;
}

/* What a program sees of a reset: the error once, then the end. */
static void is_reset(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	expect("recv after the reset", n < 0 && errno == ECONNRESET, n);
	n = recv(fd, &byte, 1, 0);
	expect("recv once more", n == 0, n);
	n = send(fd, "x", 1, MSG_NOSIGNAL);
	expect("send after the reset", n < 0 && errno == EPIPE, n);
}

/* The rule resets the accepted end while it waits in recv. */
static void in_recv(void)
{
	struct pair p = connected(listen_at(port), port);
	long start = now_ms();

	is_reset(p.accepted);
	expect("too early", now_ms() - start >= 150, now_ms() - start);
	is_reset(p.client);
}

static void in_poll(void)
{
	struct pair p = connected(listen_at(port), port);
	short mask;

	fcntl(p.accepted, F_SETFL, O_RDWR | O_NONBLOCK);
	mask = await(p.accepted, POLLIN | POLLRDHUP);
	expect("poll", mask, mask);
	/* Once it is done, wherever the wake-up came. */
	is_reset(p.accepted);
	mask = await(p.accepted, DEAD);
	expect("mask", mask == (DEAD & ~POLLERR), mask);
}

/* Of what the peer says, this much is taken; then it may be silent. */
static struct pair after_bytes(int listener, const char *said, ssize_t taken)
{
	struct pair p = connected(listener, port);
	char data[64];
	ssize_t n;

	if (send(p.client, said, strlen(said), 0) < 0)
		wrong("send", errno);
	n = recv(p.accepted, data, sizeof(data), 0);
	expect("what was taken", n == taken, n);
	return p;
}

static void after_bytes_in_recv(void)
{
	struct pair p = after_bytes(listen_at(port), "12345678", 8);

	is_reset(p.accepted);
	is_reset(p.client);
}

static void after_bytes_in_poll(void)
{
	struct pair p = after_bytes(listen_at(port), "12345678", 8);
	short mask = await(p.accepted, POLLIN | POLLRDHUP);

	expect("poll", mask, mask);
	is_reset(p.accepted);
}

/* The peer goes on, or it does not. */
static void at_mark(void)
{
	int listener = listen_at(port);
	struct pair p = after_bytes(listener, "123456789", 8);

	is_reset(p.accepted);
	p = after_bytes(listener, "12345678", 8);
	is_reset(p.accepted);
}

/* The number is used by a dup: it is one connection, and hit once. */
static void in_dup(void)
{
	struct pair p = connected(listen_at(port), port);
	int other = dup(p.accepted);

	close(p.accepted);
	is_reset(other);
	is_reset(p.client);
}

/* A peer that closes, says the rule. */
static void by_eof(void)
{
	struct pair p = connected(listen_at(port), port);
	char byte;
	ssize_t n = recv(p.accepted, &byte, 1, 0);

	expect("recv at the end of file", n == 0, n);
	expect("poll",
	       await(p.accepted, POLLIN | POLLRDHUP) == (POLLIN | POLLRDHUP),
	       0);
}

/* A peer that is silent for 400 ms from the beginning, says the rule. */
static void by_stall(void)
{
	struct pair p = connected(listen_at(port), port);
	long start = now_ms();
	char byte;
	ssize_t n;

	/* The helper may be a moment behind the accept. */
	while (now_ms() < start + 100)
		sched_yield();
	if (send(p.client, "x", 1, 0) != 1 || send(p.accepted, "x", 1, 0) != 1)
		wrong("send", 0);
	fcntl(p.accepted, F_SETFL, O_RDWR | O_NONBLOCK);
	n = recv(p.accepted, &byte, 1, 0);
	expect("recv meanwhile", n < 0 && errno == EAGAIN, n);
	expect("poll", await(p.accepted, POLLIN) == POLLIN, 0);
	expect("visible too early", now_ms() - start >= 350, now_ms() - start);
	n = recv(p.accepted, &byte, 1, 0);
	expect("recv afterwards", n == 1 && byte == 'x', n);
	expect("the peer's", recv(p.client, &byte, 1, 0) == 1, 0);
}

static volatile sig_atomic_t n_signals;

static void note_signal(int signal)
{
	(void)signal;
	n_signals++;
}

static void by_kill(void)
{
	long end = now_ms() + DEADLINE_MS;

	signal(SIGUSR1, note_signal);
	connected(listen_at(port), port);
	while (!n_signals && now_ms() < end)
		sched_yield();
	expect("signals", n_signals == 1, n_signals);
}

static bool can_open(int n)
{
	int fds[500];
	int got = 0, err;

	while (got < n && (fds[got] = dup(STDERR_FILENO)) >= 0)
		got++;
	err = errno;
	for (int i = 0; i < got; i++)
		close(fds[i]);
	errno = err;
	return got == n;
}

/*
 * From 200 ms on, for 300 ms, there are no descriptors, says the rule.  What a
 * program has at that moment it may close and have again: each time one more.
 */
static void by_exhaust(void)
{
	long start = now_ms();
	int n = 1;

	listen_at(port);
	expect("too early", can_open(n), n);
	while (can_open(n) && now_ms() < start + DEADLINE_MS)
		n += now_ms() < start + 150 ? 0 : n < 500;
	expect("open", !can_open(n) && errno == EMFILE, n);
	while (!can_open(n) && now_ms() < start + DEADLINE_MS)
		sched_yield();
	expect("over", can_open(n), n);
	expect("its length", now_ms() - start >= 400, now_ms() - start);
}

/* The connection is the child's alone by the time at which the rule acts. */
static void in_fork(void)
{
	struct pair p = connected(listen_at(port), port);
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		close(p.client);
		is_reset(p.accepted);
		exit(0);
	}
	close(p.accepted);
	waitpid(pid, &status, 0);
	expect("the child", status == 0, status);
	is_reset(p.client);
}

static long cpu_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/* Each of thousands dies, at little cost. */
static void many(void)
{
	static struct pair pairs[MANY];
	int listener = listen_at(port);
	long before, opened;

	for (int i = 0; i < MANY; i++)
		pairs[i] = connected(listener, port);
	before = cpu_ms();
	opened = now_ms();
	for (int i = 0; i < MANY; i++) {
		short mask = await(pairs[i].client, POLLIN);

		expect("mask of a peer", mask & POLLERR, mask);
	}
	expect("time", now_ms() - opened < 3000, now_ms() - opened);
	expect("processor time", cpu_ms() - before < 500, cpu_ms() - before);
	for (int i = 0; i < MANY; i++)
		is_reset(pairs[i].accepted);
}

/* Numbers go to and fro between connections that the rule is about and others.
 */
static void *churn(void *innocent)
{
	int listener = *(int *)innocent;
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	long end = now_ms() + 1000;
	char byte;

	getsockname(listener, (struct sockaddr *)&sa, &len);
	while (now_ms() < end) {
		struct sockaddr_in doomed = at_port(port);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct pair p;

		/* Its rule acts 1 ms after this, if it lives so long. */
		if (!connect(fd, (struct sockaddr *)&doomed, sizeof(doomed)))
			send(fd, "x", 1, MSG_NOSIGNAL);
		if (now_ms() % 3)
			await(fd, POLLIN);
		close(fd);
		p = connected(listener, ntohs(sa.sin_port));
		for (int i = 0; i < 20; i++)
			if (send(p.client, "x", 1, MSG_NOSIGNAL) != 1 ||
			    recv(p.accepted, &byte, 1, 0) != 1)
				wrong("a connection of no rule", i);
		close(p.client);
		close(p.accepted);
	}
	return NULL;
}

static void *drain(void *listener)
{
	int fd;

	while ((fd = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	return NULL;
}

static void among_others(void)
{
	pthread_t threads[4], drainer;
	int innocent[4];
	int doomed = listen_at(port);

	pthread_create(&drainer, NULL, drain, &doomed);
	for (int i = 0; i < 4; i++) {
		innocent[i] = listen_at(0);
		pthread_create(&threads[i], NULL, churn, &innocent[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"recv", in_recv},
	{"poll", in_poll},
	{"dup", in_dup},
	{"eof", by_eof},
	{"stall", by_stall},
	{"kill", by_kill},
	{"exhaust", by_exhaust},
	{"fork", in_fork},
	{"many", many},
	{"among", among_others},
	{"seen-recv", after_bytes_in_recv},
	{"seen-poll", after_bytes_in_poll},
	{"at-mark", at_mark},
};

int main(int argc, char **argv)
{
	mortal(30);
	port = argc == 3 ? atoi(argv[2]) : 0;
	for (size_t i = 0; port && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			modes[i].run();
			return 0;
		}
	return 2;
}
