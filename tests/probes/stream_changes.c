/*
 * stream_changes.c - data that are corrupted on their way, and a short queue
 * of a listener (tests/e2e/ends.sh).
 *
 * The pattern of the stream has no repetitions within 251 bytes.  `show` cases
 * print what came, in hexadecimal.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "table.h"

enum {
	BIG = 1 << 20,
	PIECES = 200
};

static struct pair p;
static unsigned char *sent; /* read-only once it is filled */
static unsigned char got[BIG];

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i % 251);
}

static void prepare(void)
{
	p = make_pair();
	sent = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sent == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < BIG; i++)
		sent[i] = pattern(i);
	mprotect(sent, BIG, PROT_READ);
}

/* Takes n bytes at the other end while this one sends. */
static size_t n_wanted;

static void *take(void *ret)
{
	ssize_t n;

	*(size_t *)ret = 0;
	while (*(size_t *)ret < n_wanted &&
	       (n = read(p.accepted, got + *(size_t *)ret,
	                 n_wanted - *(size_t *)ret)) > 0)
		*(size_t *)ret += (size_t)n;
	return NULL;
}

/* Bytes that differ are first..first+n-1, and no others. */
static int changed(size_t total, size_t first, size_t n)
{
	for (size_t i = 0; i < total; i++)
		if ((got[i] != pattern(i)) != (i >= first && i < first + n)) {
			printf("byte %zu is %u, the pattern is %u\n", i, got[i],
			       pattern(i));
			return 0;
		}
	return 1;
}

static int hand_over(ssize_t (*sends)(void), size_t total, size_t n)
{
	pthread_t thread;
	size_t taken;

	prepare();
	n_wanted = total;
	if (pthread_create(&thread, NULL, take, &taken))
		die("pthread_create");
	WANT(sends(), (long)total);
	pthread_join(thread, NULL);
	WANT(taken, (long)total);
	WANT(changed(total, 0, n), 1);
	return 0;
}

/* --- sent: `send:corrupt=10KiB:nth=1:role=client` or 150B ---------------- */

static ssize_t send_big(void)
{
	return send(p.client, sent, BIG, 0);
}

static int big(void)
{
	return hand_over(send_big, BIG, 10240);
}

/* More parts than fit; the change ends inside the second. */
static ssize_t send_pieces(void)
{
	struct iovec iov[PIECES];

	for (size_t i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){sent + 100 * i, 100};
	return writev(p.client, iov, PIECES);
}

static int pieces(void)
{
	return hand_over(send_pieces, 100 * PIECES, 150);
}

/* Three messages and an empty one; the change ends inside the second. */
static ssize_t send_messages(void)
{
	struct iovec iov[4] = {
		{sent, 100}, {sent, 0}, {sent + 100, 100}, {sent + 200, 100}};
	struct mmsghdr v[4] = {{{0}, 0}};

	for (int i = 0; i < 4; i++) {
		v[i].msg_hdr.msg_iov = &iov[i];
		v[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(p.client, v, 4, 0) != 4)
		return -1;
	return v[0].msg_len + v[1].msg_len + v[2].msg_len + v[3].msg_len;
}

static int messages(void)
{
	return hand_over(send_messages, 300, 150);
}

static ssize_t send_by_number(void)
{
	return syscall(SYS_write, p.client, sent, 300);
}

static int by_number(void)
{
	return hand_over(send_by_number, 300, 150);
}

/* `send:corrupt=1MiB`: the count is what was taken, and all of it changed. */
static int until_full(void)
{
	size_t taken;
	ssize_t n;
	int room = 4096;

	prepare();
	setsockopt(p.client, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(p.accepted, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	fcntl(p.client, F_SETFL, O_NONBLOCK);
	n = send(p.client, sent, BIG, 0);
	WANT(n > 4096 && n < BIG, 1);
	shutdown(p.client, SHUT_WR);
	n_wanted = BIG;
	take(&taken);
	WANT(taken, n);
	WANT(changed(taken, 0, taken), 1);
	return 0;
}

static volatile sig_atomic_t n_pipe;

static void on_pipe(int sig)
{
	(void)sig;
	n_pipe++;
}

/* A send that fails fails as any other. */
static int broken(void)
{
	prepare();
	signal(SIGPIPE, on_pipe);
	shutdown(p.client, SHUT_WR);
	WANT(send(p.client, sent, 300, 0), -1);
	WANT(errno, EPIPE);
	WANT(n_pipe, 1);
	WANT(send(p.client, sent, 300, MSG_NOSIGNAL), -1);
	WANT(n_pipe, 1);
	return 0;
}

/* The peer has closed: the first part is lost, its RST meets the second. */
static int broken_midway(void)
{
	ssize_t n;

	prepare();
	signal(SIGPIPE, on_pipe);
	close(p.accepted);
	n = send(p.client, sent, 20000, 0);
	WANT(n > 0, 1);
	WANT(n_pipe, 0);
	while (send(p.client, sent, 20000, 0) > 0)
		;
	WANT(n_pipe, 1);
	return 0;
}

/* --- received: `recv:corrupt=3B:nth=1:role=accepted` --------------------- */

static void feed(size_t n)
{
	prepare();
	if (send(p.client, sent, n, 0) != (ssize_t)n)
		die("send");
}

/* What a peek showed is not what comes: documented. */
static int peeked(void)
{
	feed(8);
	WANT(recv(p.accepted, got, 8, MSG_PEEK), 8);
	WANT(changed(8, 0, 0), 1);
	WANT(recv(p.accepted, got, 8, 0), 8);
	WANT(changed(8, 0, 3), 1);
	return 0;
}

/* The bytes are dropped, the buffer is the program's. */
static int truncated(void)
{
	feed(8);
	memset(got, 0x5a, sizeof(got));
	WANT(recv(p.accepted, got, 8, MSG_TRUNC), 8);
	for (size_t i = 0; i < 8; i++)
		WANT(got[i], 0x5a);
	/* Nothing was changed there: the rule waits for what is written. */
	WANT(send(p.client, sent, 8, 0), 8);
	WANT(recv(p.accepted, got, 8, 0), 8);
	WANT(changed(8, 0, 3), 1);
	return 0;
}

/* Parts of no length, in every place. */
static int empty_parts(void)
{
	struct iovec v[] = {{NULL, 0}, {got, 1}, {got + 1, 0}, {got + 1, 7}};

	feed(8);
	WANT(readv(p.accepted, v, 4), 8);
	WANT(changed(8, 0, 3), 1);
	return 0;
}

static int received_messages(void)
{
	struct iovec v[] = {{got, 2}, {got + 2, 0}, {got + 2, 2}, {got + 4, 4}};
	struct mmsghdr m[3] = {{{0}, 0}};

	m[0].msg_hdr.msg_iov = v;
	m[0].msg_hdr.msg_iovlen = 1;
	m[1].msg_hdr.msg_iov = v + 1;
	m[1].msg_hdr.msg_iovlen = 2;
	m[2].msg_hdr.msg_iov = v + 3;
	m[2].msg_hdr.msg_iovlen = 1;
	feed(8);
	WANT(recvmmsg(p.accepted, m, 3, 0, NULL), 3);
	WANT(m[0].msg_len, 2);
	WANT(m[1].msg_len, 2);
	WANT(m[2].msg_len, 4);
	WANT(changed(8, 0, 3), 1);
	return 0;
}

/*
 * Pages that the kernel sends from are not changed, and it says once that it is
 * done with them. Without SO_ZEROCOPY the flag means nothing.
 */
static int by_reference(void)
{
	struct pollfd fd = {.events = 0};
	char control[256];
	struct msghdr m = {.msg_control = control,
	                   .msg_controllen = sizeof(control)};
	int on = 1;

	prepare();
	if (setsockopt(p.client, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on))) {
		puts("skip: no SO_ZEROCOPY here");
		return 0;
	}
	WANT(send(p.client, sent, 4000, MSG_ZEROCOPY), 4000);
	WANT(recv(p.accepted, got, 4000, MSG_WAITALL), 4000);
	WANT(changed(4000, 0, 0), 1);
	fd.fd = p.client;
	WANT(poll(&fd, 1, 5000), 1);
	WANT(recvmsg(p.client, &m, MSG_ERRQUEUE | MSG_DONTWAIT), 0);
	WANT(recvmsg(p.client, &m, MSG_ERRQUEUE | MSG_DONTWAIT), -1);
	on = 0;
	WANT(setsockopt(p.client, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)), 0);
	WANT(send(p.client, sent, 4000, MSG_ZEROCOPY), 4000);
	WANT(recv(p.accepted, got, 4000, MSG_WAITALL), 4000);
	WANT(changed(4000, 0, 150), 1);
	return 0;
}

/* `recv:corrupt=3B:bytes=5B` */
static int at_mark(void)
{
	feed(16);
	WANT(recv(p.accepted, got, 16, 0), 5);
	WANT(recv(p.accepted, got + 5, 11, 0), 11);
	WANT(changed(16, 5, 3), 1);
	return 0;
}

/* `[{delay: 50ms}, {corrupt: 3B}]` or the other way round */
static int delayed(void)
{
	struct pollfd fd = {.events = POLLIN};

	feed(8);
	fd.fd = p.accepted;
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	WANT(recv(p.accepted, got, 8, 0), -1);
	WANT(errno, EAGAIN);
	while (recv(p.accepted, got, 8, 0) < 0)
		poll(&fd, 1, -1);
	WANT(changed(8, 0, 3), 1);
	return 0;
}

/* Ten bytes by 1, then 2, 3, 4 at a time: whatever the rule is. */
static int show(bool at_once)
{
	size_t at = 0;

	feed(10);
	for (size_t n = at_once ? 10 : 1; at < 10; n++) {
		if (recv(p.accepted, got + at, n, 0) != (ssize_t)n)
			die("recv");
		at += n;
	}
	for (size_t i = 0; i < 10; i++)
		printf("%02x", got[i]);
	printf("\n");
	return 0;
}

static int show_at_once(void)
{
	return show(true);
}

static int show_bit_by_bit(void)
{
	return show(false);
}

/* --- `listen:backlog=0` -------------------------------------------------- */

static int n_connected(int n)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int connected = 0;

	getsockname(listener(), (void *)&a, &len);
	for (int i = 0; i < n; i++) {
		struct pollfd fd = {
			socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
			POLLOUT, 0};

		connect(fd.fd, (void *)&a, len);
		connected += poll(&fd, 1, connected ? 0 : 5000) == 1;
	}
	return connected;
}

/* The length is in TCP_INFO of a listener (tcp_get_info). */
static int backlog(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	WANT(getsockopt(listener(), IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	WANT(info.tcpi_sacked, 0);
	/* One more than the length is let in. */
	WANT(n_connected(5), 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"big", big},
		{"pieces", pieces},
		{"messages", messages},
		{"by-number", by_number},
		{"until-full", until_full},
		{"broken", broken},
		{"broken-midway", broken_midway},
		{"peeked", peeked},
		{"truncated", truncated},
		{"empty-parts", empty_parts},
		{"received-messages", received_messages},
		{"by-reference", by_reference},
		{"at-mark", at_mark},
		{"delayed", delayed},
		{"show-at-once", show_at_once},
		{"show-bit-by-bit", show_bit_by_bit},
		{"backlog", backlog},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
