/*
 * table_gates.c - what a rule must not do, and the edges that must come again:
 * gates G2, G4, G5 and of length and state, kicks (tests/e2e/table.sh).
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "table.h"

static char data[DATA];

/* recv:short=1B.  What a peek or FIONREAD has promised is there. */
static int promise(void)
{
	struct pair p = make_pair();
	int queued = 0;

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, DATA, MSG_PEEK), DATA);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(ioctl(p.accepted, FIONREAD, &queued), 0);
	WANT(queued, DATA);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, DATA, MSG_WAITALL), DATA);
	WANT(known(&p), true);
	return 0;
}

/* recv:error=EAGAIN:nth=1.  After a peek it would be a lie; it comes later. */
static int promise_of_again(void)
{
	struct pair p = make_pair();

	WANT(fcntl(p.accepted, F_SETFL, O_NONBLOCK), 0);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, 1, MSG_PEEK), 1);
	WANT(recv(p.accepted, data, 4, 0), 4);
	WANT(recv(p.accepted, data, 4, 0), -1);
	WANT(errno, EAGAIN);
	WANT(recv(p.accepted, data, 4, 0), 4);
	return 0;
}

/* recv:short=1B:nth=1.  A call for one byte cannot be cut: the next one is. */
static int length(void)
{
	struct pair p = make_pair();

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, 1, 0), 1);
	WANT(recv(p.accepted, data, 2, 0), 1);
	WANT(recv(p.accepted, data, DATA, 0), 6);
	return 0;
}

/* send:short=1B.  Nothing could cut a blocking send short; SO_SNDTIMEO can. */
static int blocking_send(void)
{
	struct pair p = make_pair();
	struct timeval second = {.tv_sec = 1};

	WANT(send(p.accepted, data, DATA, 0), DATA);
	WANT(setsockopt(p.accepted, SOL_SOCKET, SO_SNDTIMEO, &second,
	                sizeof(second)),
	     0);
	WANT(send(p.accepted, data, DATA, 0), 1);
	return 0;
}

/* recv:error=EAGAIN:nth=1.  Not when it may block; then the once it may. */
static int blocking_recv(void)
{
	struct pair p = make_pair();

	WANT(recv_fed(p.client, p.accepted), DATA);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(recv(p.accepted, data, DATA, MSG_DONTWAIT), DATA);
	return 0;
}

/* recv:reset:nth=1.  The first call that the kernel would satisfy. */
static int empty_queue(void)
{
	struct pair p = make_pair();

	/* Nothing to read is no call. */
	WANT(recv(p.accepted, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	WANT(recv(p.client, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* recv:error=EINTR;recv:error=ECONNRESET:nth=3.  The first is always gated. */
static int second_rule(void)
{
	struct pair p = make_pair();

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(p.accepted, data, 1, 0), 1);
	WANT(recv(p.accepted, data, 1, 0), 1);
	WANT(recv(p.accepted, data, 1, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* --- what a reset leaves behind --------------------------------------- */

static short ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	poll(&p, 1, 0);
	return p.revents;
}

/* recv:reset:nth=1:role=client.  As if the peer's RST had arrived. */
static int dead(void)
{
	struct pair p = make_pair();
	struct sockaddr_in before, after;
	socklen_t len = sizeof(before);
	int queued = -1;

	WANT(getsockname(p.client, (void *)&before, &len), 0);
	WANT(send(p.accepted, data, DATA, 0), DATA);
	WANT(send(p.client, data, DATA, 0), DATA);
	WANT(recv(p.client, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	WANT(ready(p.client), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	WANT(recv(p.client, data, DATA, 0), 0);
	WANT(getsockname(p.client, (void *)&after, &len), 0);
	WANT(after.sin_addr.s_addr, before.sin_addr.s_addr);
	WANT(after.sin_port, before.sin_port);
	WANT(ioctl(p.client, SIOCOUTQ, &queued), 0);
	WANT(queued, 0);
	WANT(getpeername(p.client, (void *)&after, &len), -1);
	WANT(errno, ENOTCONN);
	WANT(connect(p.client, (void *)&before, sizeof(before)), -1);
	WANT(errno, EISCONN);
	WANT(listen(p.client, 1), -1);
	WANT(errno, EINVAL);
	return 0;
}

/* recv:reset:nth=1.  The peer had closed before: 0 for ever, then EPIPE. */
static int dead_after_fin(void)
{
	struct pair p = make_pair();
	int value = 0;
	socklen_t len = sizeof(value);

	WANT(shutdown(p.client, SHUT_WR), 0);
	while (!(ready(p.accepted) & POLLRDHUP))
		;
	errno = ENOTTY; /* a call that succeeds leaves it */
	WANT(recv(p.accepted, data, DATA, 0), 0);
	WANT(errno, ENOTTY);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	WANT(getsockopt(p.accepted, SOL_SOCKET, SO_ERROR, &value, &len), 0);
	WANT(value, EPIPE);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	return 0;
}

/* A real RST behind eight bytes, of which a send has told. */
static struct pair make_told(void)
{
	const struct linger none = {.l_onoff = 1};
	struct pair p = make_pair();

	send(p.client, "12345678", DATA, 0);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(p.client);
	while (!(ready(p.accepted) & POLLERR))
		;
	if (send(p.accepted, data, DATA, MSG_NOSIGNAL) != -1 ||
	    errno != ECONNRESET)
		die("a send on a reset connection");
	return p;
}

/* recv:short=1B:nth=2.  They are received, cut and counted as ever. */
static int before_a_reset(void)
{
	struct pair p = make_told();

	WANT(recv(p.accepted, data, 4, 0), 4);
	WANT(recv(p.accepted, data, DATA, 0), 1);
	WANT(recv(p.accepted, data, DATA, 0), 3);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	return 0;
}

/* accept:reset:nth=1.  It is handed out, and dead already. */
static int born_dead(void)
{
	struct pair p = make_pair();
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);

	WANT(getpeername(p.accepted, (void *)&a, &len), -1);
	WANT(errno, ENOTCONN);
	WANT(ready(p.accepted),
	     POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	WANT(recv(p.accepted, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	WANT(connect(p.accepted, (void *)&a, sizeof(a)), -1);
	WANT(errno, EISCONN);
	WANT(recv(p.client, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* close:reset.  The last copy's close is an RST. */
static int close_resets(void)
{
	struct pair p = make_pair();
	int copy = dup(p.accepted);

	WANT(close(p.accepted), 0);
	WANT(recv(p.client, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(close(copy), 0);
	WANT(recv(p.client, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

static void nothing(int sig)
{
	(void)sig;
}

/* connect:error=EINTR.  The socket blocks as before. */
static int interrupted(void)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sigaction(SIGUSR1, &sa, NULL);
	WANT(getsockname(listener(), (void *)&a, &len), 0);
	WANT(connect(fd, (void *)&a, len), -1);
	WANT(errno, EINTR);
	WANT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	return 0;
}

/* --- edges ------------------------------------------------------------ */

static int watch(int fd, uint32_t events)
{
	struct epoll_event e = {.events = events | EPOLLET};
	int epfd = epoll_create1(0);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	return epfd;
}

static bool edge(int epfd)
{
	struct epoll_event e;

	return epoll_wait(epfd, &e, 1, 500) == 1;
}

/* recv:short=1B:nth=1 */
static int edge_of_short_recv(void)
{
	struct pair p = make_pair();
	int epfd = watch(p.accepted, EPOLLIN);

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(edge(epfd), true);
	WANT(recv(p.accepted, data, DATA, 0), 1);
	WANT(edge(epfd), true);
	WANT(recv(p.accepted, data, DATA, 0), DATA - 1);
	return 0;
}

/* recv:error=EAGAIN:nth=1 */
static int edge_of_again(void)
{
	struct pair p = make_pair();
	int epfd = watch(p.accepted, EPOLLIN);

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(edge(epfd), true);
	WANT(recv(p.accepted, data, DATA, 0), -1);
	WANT(errno, EAGAIN);
	WANT(edge(epfd), true);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	return 0;
}

/* accept:delay=1us:nth=1.  The hold is over before the set knows of it. */
static int edge_of_short_hold(void)
{
	int fd = listener(), epfd = watch(fd, EPOLLIN);
	int exclusive = watch(fd, EPOLLIN | EPOLLEXCLUSIVE);

	connect_one();
	WANT(edge(epfd), true);
	WANT(edge(exclusive), true);
	WANT(accept(fd, NULL, NULL), -1);
	WANT(errno, EAGAIN);
	WANT(edge(epfd), true);
	WANT(edge(exclusive), true);
	WANT(accept(fd, NULL, NULL) >= 0, true);
	WANT(edge(epfd), false);
	return 0;
}

/*
 * read:delay=100ms.  What comes during a hold is not visible at its end; a
 * program that takes the short count for the end of it is told of it later.
 */
static int edge_of_rest(void)
{
	struct pair p = make_pair();
	int epfd = watch(p.accepted, EPOLLIN);
	long n, total = 0;

	WANT(send(p.client, "1", 1, 0), 1);
	WANT(edge(epfd), true);
	WANT(read(p.accepted, data, DATA), -1);
	poll(NULL, 0, 50);
	WANT(send(p.client, "23", 2, 0), 2);
	while (total < 3 && edge(epfd)) {
		n = read(p.accepted, data, DATA);
		total += n > 0 ? n : 0;
	}
	WANT(total, 3);
	return 0;
}

/* send:short=1B:nth=1 */
static int edge_of_short_send(void)
{
	struct pair p = make_pair();
	int epfd = watch(p.accepted, EPOLLOUT);

	WANT(edge(epfd), true);
	WANT(send(p.accepted, data, DATA, 0), 1);
	WANT(edge(epfd), true);
	WANT(send(p.accepted, data, DATA, 0), DATA);
	return 0;
}

/* send:error=EAGAIN:nth=1 */
static int edge_of_send_again(void)
{
	struct pair p = make_pair();
	int epfd = watch(p.accepted, EPOLLOUT);

	WANT(edge(epfd), true);
	WANT(send(p.accepted, data, DATA, 0), -1);
	WANT(errno, EAGAIN);
	WANT(edge(epfd), true);
	WANT(send(p.accepted, data, DATA, 0), DATA);
	return 0;
}

/* accept:delay=200ms.  What was shut down holds again when it listens again. */
static int listens_again(void)
{
	WANT(fcntl(listener(), F_SETFL, O_NONBLOCK), 0);
	WANT(shutdown(listener(), SHUT_RD), 0);
	WANT(accept(listener(), NULL, NULL), -1);
	WANT(errno, EINVAL);
	WANT(listen(listener(), 64), 0);
	connect_one();
	WANT(accept(listener(), NULL, NULL), -1);
	WANT(errno, EAGAIN);
	return 0;
}

/* recv:delay=200ms:role=client.  ... or when it is another connection. */
static int connects_again(void)
{
	static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct pair p = make_pair();
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	WANT(getsockname(listener(), (void *)&at, &len), 0);
	WANT(shutdown(p.client, SHUT_RD), 0);
	WANT(connect(p.client, &nobody, sizeof(nobody)), 0);
	WANT(connect(p.client, (void *)&at, len), 0);
	p.accepted = accept(listener(), NULL, NULL);
	WANT(send(p.accepted, "12345678", DATA, 0), DATA);
	WANT(recv(p.client, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	return 0;
}

/* --- shut down while a call waits ------------------------------------------
 */

struct waiting {
	int fd;
	int (*call)(int fd);
	_Atomic int tid;
	int err;
};

static int call_accept(int fd)
{
	return accept(fd, NULL, NULL);
}

static int call_send(int fd)
{
	return (int)send(fd, "12345678", DATA, MSG_NOSIGNAL);
}

static void *wait_in_call(void *arg)
{
	struct waiting *w = arg;

	atomic_store(&w->tid, gettid());
	w->err = w->call(w->fd) < 0 ? errno : 0;
	return NULL;
}

/* The errno of a call that waits when this end is shut down. */
static int shut_in_call(struct waiting w, int how)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_in_call, &w))
		die("pthread_create");
	while (!atomic_load(&w.tid))
		sched_yield();
	await_sleep(atomic_load(&w.tid));
	if (shutdown(w.fd, how))
		die("shutdown");
	pthread_join(thread, NULL);
	return w.err;
}

/* accept:delay=200ms.  Nobody has come that could be held. */
static int accept_of_nobody(void)
{
	const struct waiting w = {.fd = listener(), .call = call_accept};

	WANT(shut_in_call(w, SHUT_RD), EINVAL);
	return 0;
}

/* send:delay=60s:error=ECONNRESET:role=client.  Nothing is to be reset. */
static int send_that_fails_late(void)
{
	const struct waiting w = {.fd = make_pair().client, .call = call_send};

	WANT(shut_in_call(w, SHUT_WR), EPIPE);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"listens-again", listens_again},
		{"connects-again", connects_again},
		{"accept-of-nobody", accept_of_nobody},
		{"send-that-fails-late", send_that_fails_late},
		{"promise", promise},
		{"promise-of-again", promise_of_again},
		{"length", length},
		{"blocking-send", blocking_send},
		{"blocking-recv", blocking_recv},
		{"empty-queue", empty_queue},
		{"second-rule", second_rule},
		{"dead", dead},
		{"dead-after-fin", dead_after_fin},
		{"before-a-reset", before_a_reset},
		{"born-dead", born_dead},
		{"close-resets", close_resets},
		{"interrupted", interrupted},
		{"edge-of-short-recv", edge_of_short_recv},
		{"edge-of-again", edge_of_again},
		{"edge-of-short-hold", edge_of_short_hold},
		{"edge-of-rest", edge_of_rest},
		{"edge-of-short-send", edge_of_short_send},
		{"edge-of-send-again", edge_of_send_again},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
