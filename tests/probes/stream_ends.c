/*
 * stream_ends.c - an injected end of the peer's stream, seen from threads,
 * processes, event loops and the other end (tests/e2e/ends.sh).
 *
 * Most cases run with `recv:eof:nth=1:role=accepted` or its half.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

static struct pair p;

static void feed(int fd)
{
	if (send(fd, "12345678", DATA, 0) != DATA)
		die("send");
}

/* Until the kernel has n bytes for fd, by a call that nobody wraps. */
static void await_queued(int fd, int n)
{
	int queued = 0;

	while (!syscall(SYS_ioctl, fd, FIONREAD, &queued) && queued < n)
		sched_yield();
}

static int recv_one(int fd)
{
	return (int)recv(fd, (char[DATA]){0}, DATA, 0);
}

static int recv_now(int fd)
{
	return (int)recv(fd, (char[DATA]){0}, DATA, MSG_DONTWAIT);
}

/* What the client sees at last, with what comes before it. */
static int at_other_end(int *ret_err)
{
	char data[64];
	int total = 0;
	ssize_t n;

	while ((n = recv(p.client, data, sizeof(data), 0)) > 0)
		total += (int)n;
	*ret_err = n < 0 ? errno : 0;
	return total;
}

/* --- waiting threads ----------------------------------------------------- */

static _Atomic int waiter;
static int (*wait_in)(void);

static int in_recv(void)
{
	return recv_one(p.accepted);
}

static int in_poll(void)
{
	struct pollfd fd = {p.accepted, POLLIN | POLLRDHUP, 0};

	poll(&fd, 1, -1);
	return fd.revents;
}

static int in_epoll(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	int set = epoll_create1(0);

	epoll_ctl(set, EPOLL_CTL_ADD, p.accepted, &e);
	e.events = 0;
	epoll_wait(set, &e, 1, -1);
	return (int)e.events;
}

static void *wait_there(void *ret)
{
	waiter = (int)syscall(SYS_gettid);
	*(int *)ret = wait_in();
	return NULL;
}

/* The rule acts at a send of this thread. */
static int woken(int (*in)(void))
{
	pthread_t thread;
	int got = -1;

	p = make_pair();
	wait_in = in;
	waiter = 0;
	if (pthread_create(&thread, NULL, wait_there, &got))
		die("pthread_create");
	while (!waiter)
		sched_yield();
	await_sleep(waiter);
	if (send(p.accepted, "12345678", DATA, 0) != DATA)
		die("send");
	pthread_join(thread, NULL);
	return got;
}

static int recv_woken(void)
{
	WANT(woken(in_recv), 0);
	return 0;
}

/* A peer that is gone answers the send: then it is more. */
static int poll_woken(void)
{
	WANT(woken(in_poll) & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	return 0;
}

static int epoll_woken(void)
{
	WANT(woken(in_epoll) & (EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
	return 0;
}

/* --- what comes later ---------------------------------------------------- */

static int edges(int set)
{
	struct epoll_event e;

	return epoll_wait(set, &e, 1, 0);
}

static int watch(int fd)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	int set = epoll_create1(0);

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
	return set;
}

/* half: no event, no byte, and the client sees an orderly close. */
static int later_data(void)
{
	int queued = -1, err, set;

	p = make_pair();
	set = watch(p.accepted);
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	WANT(edges(set), 1);
	feed(p.client);
	await_queued(p.accepted, DATA);
	WANT(edges(set), 0);
	WANT(ioctl(p.accepted, FIONREAD, &queued), 0);
	WANT(queued, 0);
	WANT(recv_one(p.accepted), 0);
	feed(p.client);
	await_queued(p.accepted, DATA);
	WANT(edges(set), 0);
	feed(p.accepted);
	close(p.accepted);
	WANT(at_other_end(&err), DATA);
	WANT(err, 0);
	return 0;
}

/* `recv:eof:bytes=5B` */
static int after_bytes(void)
{
	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 5);
	WANT(recv_one(p.accepted), 0);
	WANT(recv_one(p.accepted), 0);
	return 0;
}

/* `[{delay: 50ms}, {eof: half}]`: the end is held as data would be. */
static int after_delay(void)
{
	int set;

	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	set = watch(p.accepted);
	feed(p.client);
	while (recv_one(p.accepted) < 0)
		WANT(errno, EAGAIN);
	WANT(edges(set), 1);
	for (int i = 0; i < 20; i++) {
		feed(p.client);
		await_queued(p.accepted, DATA);
		WANT(edges(set), 0);
		WANT(recv_one(p.accepted), 0);
	}
	return 0;
}

/*
 * `recv:delay=100ms:nth=1` and `send:eof=half:nth=1`: the end shows during the
 * hold, and nothing more when its time is over.
 */
static int during_hold(void)
{
	struct pollfd fd = {.events = POLLIN | POLLRDHUP};
	long held;
	int set;

	p = make_pair();
	fd.fd = p.accepted;
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	set = watch(p.accepted);
	feed(p.client);
	held = now_ms() + 100;
	WANT(recv_one(p.accepted), -1);
	WANT(poll(&fd, 1, 0) == 0 || now_ms() >= held, true);
	feed(p.accepted);
	WANT(poll(&fd, 1, 0), 1);
	WANT(fd.revents, POLLIN | POLLRDHUP);
	WANT(recv_one(p.accepted), 0);
	WANT(edges(set), 1);
	while (now_ms() < held + 50) {
		feed(p.client);
		await_queued(p.accepted, DATA);
		WANT(edges(set), 0);
		WANT(recv_one(p.accepted), 0);
	}
	return 0;
}

/* --- the send that is lost ----------------------------------------------- */

static int lost(void)
{
	int err, before = open_descriptors();

	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	WANT(send(p.accepted, "12345678", DATA, 0), DATA);
	WANT(at_other_end(&err), 0);
	WANT(err, ECONNRESET);
	signal(SIGPIPE, SIG_IGN);
	WANT(send(p.accepted, "12345678", DATA, 0), -1);
	WANT(errno, EPIPE);
	/* The pair, and the listener. */
	WANT(open_descriptors(), before + 3);
	return 0;
}

/* No descriptor, no place to lose it: the RST has come before. */
static int nowhere_to_lose(void)
{
	struct rlimit limit = {3, 4096};
	int err;

	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &limit);
	WANT(send(p.accepted, "12345678", DATA, 0), -1);
	WANT(errno, EPIPE);
	WANT(at_other_end(&err), 0);
	WANT(err, ECONNRESET);
	return 0;
}

/* What cannot be read is not sent, and nothing answers it. */
static int not_sent(void)
{
	int value = -1;
	socklen_t len = sizeof(value);

	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	WANT(send(p.accepted, (char *)8, DATA, 0), -1);
	WANT(errno, EFAULT);
	WANT(getsockopt(p.accepted, SOL_SOCKET, SO_ERROR, &value, &len), 0);
	WANT(value, 0);
	WANT(send(p.accepted, "12345678", DATA, 0), DATA);
	WANT(getsockopt(p.accepted, SOL_SOCKET, SO_ERROR, &value, &len), 0);
	WANT(value, EPIPE);
	return 0;
}

/* --- options, copies, processes ------------------------------------------ */

static int lowat(void)
{
	int value = -1;
	socklen_t len = sizeof(value);

	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	WANT(getsockopt(p.accepted, SOL_SOCKET, SO_RCVLOWAT, &value, &len), 0);
	WANT(value, 1);
	value = 7;
	WANT(setsockopt(p.accepted, SOL_SOCKET, SO_RCVLOWAT, &value, len), 0);
	value = -1;
	WANT(getsockopt(p.accepted, SOL_SOCKET, SO_RCVLOWAT, &value, &len), 0);
	WANT(value, 7);
	return 0;
}

static int copies(void)
{
	int copy;

	p = make_pair();
	copy = dup(p.accepted);
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	feed(p.client);
	await_queued(copy, DATA);
	WANT(recv_now(copy), 0);
	return 0;
}

/* A child made before the end asks after it. */
static int other_process(void)
{
	int go[2], status = -1;
	pid_t child;

	p = make_pair();
	if (pipe(go))
		die("pipe");
	child = fork();
	if (!child) {
		if (read(go[0], &status, 1) != 1)
			_exit(9);
		await_queued(p.accepted, DATA);
		_exit(recv_now(p.accepted) == 0 ? 0 : 1);
	}
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	feed(p.client);
	if (write(go[1], "!", 1) != 1)
		die("write");
	waitpid(child, &status, 0);
	WANT(status, 0);
	return 0;
}

/* --- what else recv writes ----------------------------------------------- */

struct told {
	struct sockaddr_storage name;
	char control[64];
	struct iovec iov;
	struct mmsghdr v[3];
	unsigned addr_len;
	char data[DATA];
};

static void ask(int fd, struct told *t)
{
	memset(t, 0x5a, sizeof(*t));
	t->iov = (struct iovec){t->data, DATA};
	for (int i = 0; i < 3; i++) {
		struct msghdr *m = &t->v[i].msg_hdr;

		m->msg_iov = &t->iov;
		m->msg_iovlen = 1;
		m->msg_name = i == 1 ? NULL : (void *)&t->name;
		m->msg_namelen = sizeof(t->name);
		m->msg_control = t->control;
		m->msg_controllen = sizeof(t->control);
	}
	t->addr_len = sizeof(t->name);
	recvfrom(fd, t->data, DATA, 0, (void *)&t->name, &t->addr_len);
	recvmsg(fd, &t->v[2].msg_hdr, MSG_CMSG_CLOEXEC);
}

/* The first connection ends by itself, the rule is for the second. */
static int out_arguments(void)
{
	static struct told real, injected;
	struct pair other = make_pair();

	close(other.client);
	p = make_pair();
	feed(p.client);
	WANT(recv_one(p.accepted), 0);
	ask(other.accepted, &real);
	ask(p.accepted, &injected);
	WANT(injected.addr_len, real.addr_len);
	WANT(injected.v[2].msg_hdr.msg_namelen, real.v[2].msg_hdr.msg_namelen);
	WANT(injected.v[2].msg_hdr.msg_flags, real.v[2].msg_hdr.msg_flags);
	WANT(recvmmsg(p.accepted, injected.v, 3, 0, NULL),
	     recvmmsg(other.accepted, real.v, 3, 0, NULL));
	for (int i = 0; i < 3; i++) {
		const struct msghdr *a = &injected.v[i].msg_hdr;
		const struct msghdr *b = &real.v[i].msg_hdr;

		WANT(injected.v[i].msg_len, real.v[i].msg_len);
		WANT(a->msg_namelen, b->msg_namelen);
		WANT(a->msg_controllen, (long)b->msg_controllen);
		WANT(a->msg_flags, b->msg_flags);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"recv-woken", recv_woken},
		{"poll-woken", poll_woken},
		{"epoll-woken", epoll_woken},
		{"later-data", later_data},
		{"after-bytes", after_bytes},
		{"after-delay", after_delay},
		{"during-hold", during_hold},
		{"lost", lost},
		{"nowhere-to-lose", nowhere_to_lose},
		{"not-sent", not_sent},
		{"lowat", lowat},
		{"copies", copies},
		{"other-process", other_process},
		{"out-arguments", out_arguments},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
