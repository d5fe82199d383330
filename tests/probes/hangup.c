/*
 * hangup.c - a program that shuts down its sending side while what it would
 * receive is held, and a peer that closes as soon as it sees that: the hang-up
 * of both having finished is no error, and ends no hold (tests/e2e/ends.sh).
 *
 * The rule is `recv:delay=300ms:nth=1:role=accepted`; without it the kernel
 * says the same at once. A library below ours lets the call that shuts down
 * return late, so that the end of the peer is always first.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>

#include "table.h"

enum {
	DELAY_MS = 300,
	WAIT_MS = 5000,
	END = POLLIN | POLLRDHUP | POLLHUP,
};

static long began;

/* HANGUP_AT_ONCE: there is no rule, and no time to wait for. */
static bool in_time(void)
{
	return getenv("HANGUP_AT_ONCE") || now_ms() - began >= DELAY_MS;
}

static void *close_at_end(void *fd)
{
	char byte;

	if (recv((int)(intptr_t)fd, &byte, 1, 0) == 0)
		close((int)(intptr_t)fd);
	return NULL;
}

/* One byte is held; both sides have finished. */
static int finished(void)
{
	struct pair p = make_pair();
	pthread_t peer;
	char byte;

	fcntl(p.accepted, F_SETFL, O_RDWR | O_NONBLOCK);
	if (send(p.client, "x", 1, 0) != 1 ||
	    pthread_create(&peer, NULL, close_at_end,
	                   (void *)(intptr_t)p.client))
		die("peer");
	began = now_ms();
	/* The hold begins; without a rule it is only looked at. */
	if (getenv("HANGUP_AT_ONCE"))
		recv(p.accepted, &byte, 1, MSG_PEEK);
	else if (recv(p.accepted, &byte, 1, 0) != -1 || errno != EAGAIN)
		die("recv");
	if (shutdown(p.accepted, SHUT_WR))
		die("shutdown");
	pthread_join(peer, NULL);
	return p.accepted;
}

static int rest_of(int fd)
{
	char bytes[2];

	WANT(recv(fd, bytes, sizeof(bytes), 0), 1);
	WANT(in_time(), true);
	WANT(recv(fd, bytes, sizeof(bytes), 0), 0);
	WANT(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	WANT(errno, EPIPE);
	return 0;
}

static int by_poll(void)
{
	struct pollfd p = {.fd = finished(), .events = POLLIN | POLLRDHUP};

	WANT(poll(&p, 1, WAIT_MS), 1);
	WANT(p.revents, END);
	return rest_of(p.fd);
}

static int by_epoll(unsigned how)
{
	int fd = finished();
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | how};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	WANT(epoll_wait(set, &e, 1, WAIT_MS), 1);
	WANT(e.events, END);
	return rest_of(fd);
}

static int by_epoll_lt(void)
{
	return by_epoll(0);
}

static int by_recv(void)
{
	int fd = finished();

	fcntl(fd, F_SETFL, O_RDWR);
	return rest_of(fd);
}

/*
 * recv:short=1B:state=FIN_WAIT:role=accepted. One that fails changes nothing;
 * one more is nothing new.
 */
static int refused(void)
{
	struct pair p = make_pair();
	int fresh = socket(AF_INET, SOCK_STREAM, 0);

	WANT(shutdown(fresh, SHUT_WR), -1);
	WANT(errno, ENOTCONN);
	WANT(shutdown(p.accepted, 7), -1);
	WANT(errno, EINVAL);
	WANT(recv_fed(p.client, p.accepted), DATA);
	WANT(shutdown(p.accepted, SHUT_WR), 0);
	WANT(recv_fed(p.client, p.accepted), 1);
	WANT(shutdown(p.accepted, SHUT_WR), 0);
	WANT(send(p.accepted, "x", 1, MSG_NOSIGNAL), -1);
	WANT(errno, EPIPE);
	return 0;
}

static const struct probe_case cases[] = {
	{"poll", by_poll},
	{"epoll", by_epoll_lt},
	{"recv", by_recv},
	{"refused", refused},
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
