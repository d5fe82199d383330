/*
 * pipes.c - splice(2), sendfile(2) from a socket, preadv2(2) and pwritev2(2):
 * when they are calls of the socket, and when they are not
 * (tests/e2e/pipes.sh).  The rule is for accepted sockets.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "table.h"

enum {
	HELD_MS = 100
};

struct piped {
	int far, fd; /* fd: accepted, what the rule is for */
	int out, in; /* the pipe: read from `out`, write to `in` */
};

static struct piped make_piped(void)
{
	struct pair p = make_pair();
	int ends[2];

	if (pipe(ends))
		die("pipe");
	signal(SIGPIPE, SIG_IGN);
	return (struct piped){p.client, p.accepted, ends[0], ends[1]};
}

static ssize_t send_from(const struct piped *p, unsigned how)
{
	return splice(p->out, NULL, p->fd, NULL, DATA, how);
}

static ssize_t recv_into(const struct piped *p, unsigned how)
{
	return splice(p->fd, NULL, p->in, NULL, DATA, how);
}

static int feed(int fd)
{
	return write(fd, "12345678", DATA) == DATA ? 0 : 1;
}

/*
 * A reset by a rule whose own call the kernel answers otherwise would show
 * here. What is peeked counts for no rule.
 */
static bool lives(const struct piped *p)
{
	char byte;
	ssize_t n = recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 1 || (n < 0 && errno == EAGAIN);
}

/* send:reset:nth=1.  What finds no data in the pipe is no call of the socket.
 */
static int empty_pipe(void)
{
	struct piped p = make_piped();

	WANT(send_from(&p, SPLICE_F_NONBLOCK), -1);
	WANT(errno, EAGAIN);
	WANT(fcntl(p.out, F_SETFL, O_NONBLOCK), 0);
	WANT(send_from(&p, 0), -1);
	WANT(errno, EAGAIN);
	WANT(lives(&p), true);
	WANT(feed(p.in), 0);
	WANT(send_from(&p, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* The same: nobody will write. */
static int no_writers(void)
{
	struct piped p = make_piped();
	struct piped q = make_piped();

	close(p.in);
	WANT(send_from(&p, 0), 0);
	WANT(lives(&p), true);
	p.out = q.out;
	WANT(feed(q.in), 0);
	WANT(send_from(&p, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* recv:reset:nth=1 */
static int full_pipe(void)
{
	struct piped p = make_piped();
	static char page[65536];

	WANT(feed(p.far), 0);
	WANT(write(p.in, page, sizeof(page)), sizeof(page));
	WANT(recv_into(&p, SPLICE_F_NONBLOCK), -1);
	WANT(errno, EAGAIN);
	WANT(lives(&p), true);
	WANT(read(p.out, page, sizeof(page)), sizeof(page));
	WANT(recv_into(&p, SPLICE_F_NONBLOCK), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* recv:reset:nth=1.  EPIPE of the pipe is not one of the connection. */
static int no_readers(void)
{
	struct piped p = make_piped();
	struct piped q = make_piped();

	WANT(feed(p.far), 0);
	close(p.out);
	WANT(recv_into(&p, 0), -1);
	WANT(errno, EPIPE);
	WANT(lives(&p), true);
	p.in = q.in;
	WANT(recv_into(&p, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

struct later {
	int tid, in;
};

static void *feed_later(void *arg)
{
	const struct later *l = arg;

	await_sleep(l->tid);
	if (feed(l->in))
		die("write");
	return NULL;
}

/* send:reset:nth=1.  It waits for the pipe, and is a call then. */
static int waits_for_pipe(void)
{
	struct piped p = make_piped();
	struct later l = {gettid(), p.in};
	pthread_t t;

	WANT(pthread_create(&t, NULL, feed_later, &l), 0);
	WANT(send_from(&p, 0), -1);
	WANT(errno, ECONNRESET);
	WANT(pthread_join(t, NULL), 0);
	return 0;
}

/* recv:reset:nth=1.  What the kernel refuses leaves the rule as it was. */
static int refused(void)
{
	struct piped p = make_piped();
	char data[DATA];
	struct iovec v = {data, DATA};
	loff_t at = 0;

	WANT(feed(p.far), 0);
	WANT(splice(p.fd, NULL, p.far, NULL, DATA, 0), -1);
	WANT(errno, EINVAL);
	WANT(splice(p.fd, &at, p.in, NULL, DATA, 0), -1);
	WANT(errno, EINVAL);
	WANT(splice(p.fd, NULL, p.in, &at, DATA, 0), -1);
	WANT(errno, ESPIPE);
	WANT(sendfile(p.far, p.fd, NULL, DATA), -1);
	WANT(errno, EINVAL);
	WANT(preadv2(p.fd, &v, 1, 0, 0), -1);
	WANT(errno, ESPIPE);
	WANT(lives(&p), true);
	WANT(recv_into(&p, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* recv:error=EAGAIN:nth=1.  Only a call that may not wait says so (G2). */
static int nowait(void)
{
	struct piped p = make_piped();
	char data[DATA];
	struct iovec v = {data, 1};

	WANT(feed(p.far), 0);
	WANT(preadv2(p.fd, &v, 1, -1, 0), 1);
	WANT(preadv2(p.fd, &v, 1, -1, RWF_NOWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(preadv2(p.fd, &v, 1, -1, RWF_NOWAIT), 1);
	return 0;
}

/* splice:reset:bytes=5B */
static int bytes(void)
{
	struct piped p = make_piped();

	WANT(feed(p.far), 0);
	WANT(recv_into(&p, 0), 5);
	WANT(recv_into(&p, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* splice:reset:bytes=5B, the other way */
static int bytes_sent(void)
{
	struct piped p = make_piped();
	char data[DATA];

	WANT(feed(p.in), 0);
	WANT(send_from(&p, 0), 5);
	WANT(send_from(&p, 0), -1);
	WANT(errno, ECONNRESET);
	WANT(read(p.out, data, DATA), 3);
	return 0;
}

/* recv:delay=100ms */
static int held(void)
{
	struct piped p = make_piped();
	struct pollfd ready = {.fd = p.fd, .events = POLLIN};
	const long from = now_ms();

	WANT(fcntl(p.fd, F_SETFL, O_NONBLOCK), 0);
	WANT(feed(p.far), 0);
	WANT(recv_into(&p, 0), -1);
	WANT(errno, EAGAIN);
	WANT(poll(&ready, 1, 5000), 1);
	WANT(recv_into(&p, 0), DATA);
	WANT(now_ms() - from >= HELD_MS - 1, 1);
	return 0;
}

/* recv:reset:nth=1 */
static int by_number(void)
{
	struct piped p = make_piped();

	WANT(feed(p.far), 0);
	WANT(syscall(SYS_splice, p.fd, NULL, p.in, NULL, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	p = make_piped();
	WANT(feed(p.far), 0);
	WANT(syscall(SYS_sendfile, p.in, p.fd, NULL, DATA), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* recv:error=EAGAIN:nth=1: the flags stand elsewhere than in libc's call. */
static int nowait_by_number(void)
{
	struct piped p = make_piped();
	char data[DATA];
	struct iovec v = {data, 1};

	WANT(feed(p.far), 0);
	WANT(syscall(SYS_preadv2, p.fd, &v, 1, -1L, 0L, RWF_NOWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(syscall(SYS_preadv2, p.fd, &v, 1, -1L, 0L, RWF_NOWAIT), 1);
	return 0;
}

/* recv:delay=100ms: a set that knows the socket by syscall(2) alone. */
static int registered_by_number(void)
{
	struct pair p = make_pair();
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	const long from = now_ms();

	WANT(syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, p.accepted, &e), 0);
	WANT(feed(p.client), 0);
	WANT(epoll_wait(set, &e, 1, 5000), 1);
	WANT(now_ms() - from >= HELD_MS - 1, 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"empty-pipe", empty_pipe},
		{"no-writers", no_writers},
		{"full-pipe", full_pipe},
		{"no-readers", no_readers},
		{"waits-for-pipe", waits_for_pipe},
		{"refused", refused},
		{"nowait", nowait},
		{"bytes", bytes},
		{"bytes-sent", bytes_sent},
		{"held", held},
		{"by-number", by_number},
		{"nowait-by-number", nowait_by_number},
		{"registered-by-number", registered_by_number},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
