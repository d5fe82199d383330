/*
 * keeper.c - what must not become of those who depend on the helper thread.
 *
 *   keeper CASE      under recv:delay=100ms, or as the case says
 *
 * Exit 1 and the line of what is not as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/clock.h"
#include "tests/mortal.h"

enum {
	LIMIT_S = 20,
	DELAY_MS = 100,
	WAIT_MS = 5000,
	N_OWN = 12,
};

#define WANT(got_, want_)                                                      \
	do {                                                                   \
		long g_ = (got_), w_ = (want_);                                \
		if (g_ != w_) {                                                \
			printf("line %d: %s is %ld, not %ld (%s)\n", __LINE__, \
			       #got_, g_, w_, strerror(errno));                \
			return 1;                                              \
		}                                                              \
	} while (0)

struct link {
	int near, far, set;
};

/* near is non-blocking and registered, level-triggered. */
static struct link make_link(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct link l;

	bind(listener, (struct sockaddr *)&a, len);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&a, &len);
	l.far = socket(AF_INET, SOCK_STREAM, 0);
	connect(l.far, (struct sockaddr *)&a, len);
	l.near = accept(listener, NULL, NULL);
	close(listener);
	fcntl(l.near, F_SETFL, O_NONBLOCK);
	l.set = epoll_create1(0);
	epoll_ctl(l.set, EPOLL_CTL_ADD, l.near, &e);
	return l;
}

static int threads(void)
{
	char line[128];
	int n = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &n);
	if (f)
		fclose(f);
	return n;
}

/* Sent now; milliseconds until it is there, -1: never. */
static long arrival(const struct link *l)
{
	struct epoll_event e;
	long began = now_ms();
	char buf[8];

	if (send(l->far, "hello", 5, 0) != 5 ||
	    epoll_wait(l->set, &e, 1, WAIT_MS) != 1 || e.events != EPOLLIN)
		return -1;
	return recv(l->near, buf, sizeof(buf), 0) == 5 ? now_ms() - began : -1;
}

/* recv:delay=100ms:times=1: both are armed, one is hit. */
static int used_up(void)
{
	struct link a = make_link(), b = make_link();

	WANT(arrival(&a) >= DELAY_MS, 1);
	for (int i = 0; threads() > 1 && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	WANT(threads(), 1);
	WANT(arrival(&b) >= 0, 1);
	return 0;
}

/* recv:delay=100ms:nth=1: the FIN is held, and HUP comes of it. */
static int finished(struct link *l)
{
	char byte;

	WANT(shutdown(l->near, SHUT_WR), 0);
	WANT(recv(l->far, &byte, 1, 0), 0);
	WANT(send(l->far, "hello", 5, 0), 5);
	WANT(close(l->far), 0);
	for (int i = 0; i < 20; i++) /* until the FIN is here */
		poll(NULL, 0, 1);
	return 0;
}

static int half_closed_poll(void)
{
	struct link l = make_link();
	struct pollfd p = {.fd = l.near, .events = POLLIN};
	char buf[8];
	int n = 0;

	WANT(finished(&l), 0);
	do {
		WANT(poll(&p, 1, WAIT_MS), 1);
		n++;
	} while (recv(l.near, buf, sizeof(buf), 0) < 0 && n < 100);
	WANT(p.revents, POLLIN | POLLHUP);
	WANT(n <= 2, 1);
	return 0;
}

static int half_closed_select(void)
{
	struct link l = make_link();
	struct timeval t = {WAIT_MS / 1000, 0};
	char buf[8];
	int n = 0;

	WANT(finished(&l), 0);
	do {
		fd_set in;

		FD_ZERO(&in);
		FD_SET(l.near, &in);
		WANT(select(l.near + 1, &in, NULL, NULL, &t), 1);
		n++;
	} while (recv(l.near, buf, sizeof(buf), 0) < 0 && n < 100);
	WANT(n <= 2, 1);
	return 0;
}

/* --- everything is closed ------------------------------------------------- */

static void by_one(void)
{
	for (int i = 3; i < 70000; i++)
		close(i);
}

static void by_range(void)
{
	close_range(3, ~0U, 0);
}

static void by_closefrom(void)
{
	closefrom(3);
}

static void by_parts(void)
{
	close_range(3, 20, 0);
	close_range(21, 70000, 0);
}

static int registered_with(int set)
{
	char path[64], text[512];
	int fd, found;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", set);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	found = strstr(text, "tfd:") != NULL;
	close(fd);
	return found;
}

/* The program's own sets and timers, wherever they lie, stay as they are. */
static int closed(void (*close_all)(void))
{
	struct link l = make_link();
	struct itimerspec left;
	int own[N_OWN];

	WANT(arrival(&l) >= DELAY_MS, 1);
	close_all();
	WANT(fcntl(l.near, F_GETFD), -1);
	for (int i = 0; i < N_OWN; i++)
		own[i] = i % 2 ? epoll_create1(0)
		               : timerfd_create(CLOCK_MONOTONIC, 0);
	WANT(own[N_OWN - 1] < 30, 1);
	l = make_link();
	WANT(arrival(&l) >= DELAY_MS, 1);
	for (int i = 0; i < N_OWN; i++) {
		WANT(fcntl(own[i], F_GETFD), 0);
		if (i % 2) {
			WANT(registered_with(own[i]), 0);
			continue;
		}
		WANT(timerfd_gettime(own[i], &left), 0);
		WANT(left.it_value.tv_sec | left.it_value.tv_nsec, 0);
	}
	return 0;
}

/* Numbers of ours are low, among the program's. */
static int low(void (*close_all)(void))
{
	const struct rlimit limit = {100, 100};

	WANT(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return closed(close_all);
}

/* dup2 takes each number there is, ours too. */
static int taken(void)
{
	struct link l = make_link();

	WANT(arrival(&l) >= DELAY_MS, 1);
	for (int i = 100; i < 1024; i++)
		dup2(0, i);
	WANT(arrival(&l) >= DELAY_MS, 1);
	for (int i = 100; i < 1024; i++)
		close(i);
	WANT(arrival(&l) >= DELAY_MS, 1);
	return 0;
}

/* fork twice, close everything: who goes on is held as before. */
static int daemonized(void)
{
	struct link l = make_link();
	int pipes[2];
	char result = 1;

	WANT(arrival(&l) >= DELAY_MS, 1);
	WANT(pipe(pipes), 0);
	if (!fork()) {
		mortal_spare_next();
		if (fork())
			_exit(0);
		dup2(pipes[1], 3);
		closefrom(4);
		l = make_link();
		result = arrival(&l) < DELAY_MS;
		_exit(write(3, &result, 1) != 1);
	}
	close(pipes[1]);
	WANT(read(pipes[0], &result, 1), 1);
	WANT(result, 0);
	return 0;
}

int main(int argc, char **argv)
{
	static void (*const ways[])(void) = {by_one, by_range, by_closefrom,
	                                     by_parts};
	static const char *const names[] = {"close", "close_range", "closefrom",
	                                    "parts"};
	const char *name = argc > 1 ? argv[1] : "";

	mortal(LIMIT_S);
	for (int i = 0; i < 4; i++) {
		if (!strcmp(name, names[i]))
			return closed(ways[i]);
		if (!strncmp(name, "low-", 4) && !strcmp(name + 4, names[i]))
			return low(ways[i]);
	}
	if (!strcmp(name, "used-up"))
		return used_up();
	if (!strcmp(name, "poll"))
		return half_closed_poll();
	if (!strcmp(name, "select"))
		return half_closed_select();
	if (!strcmp(name, "taken"))
		return taken();
	if (!strcmp(name, "daemon"))
		return daemonized();
	printf("no such case: %s\n", name);
	return 2;
}
