/*
 * rare.c - options and sizes that few programs use, and what must not stay
 * behind.
 */
#include "cases.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

/* ---- addresses ----------------------------------------------------------- */

/* An IPv6 listener; v4 clients are let in or not. */
static void v6_listener(struct rd *r, int v6only, int family)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
	                          .sin6_addr = IN6ADDR_ANY_INIT};

	r->listener =
		socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(r->listener, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
	           sizeof(v6only));
	if (bind(r->listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(r->listener, 8))
		rd_broken("listen");
	r->conn = rd_peer(r, "connect", rd_port(r->listener), family, 0);
	r->fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (r->fd < 0)
		rd_broken("accept4");
	rd_hold(r, 5);
	rd_take_all(r, r->fd, 5);
}

void case_v6only(struct rd *r)
{
	v6_listener(r, 1, AF_INET6);
}

void case_v4_mapped(struct rd *r)
{
	v6_listener(r, 0, AF_INET);
}

/* ---- data that come with the connection ---------------------------------- */

/*
 * For real the data come later, on a plain listener; here they are there when
 * accept returns.
 */
static void with_data(struct rd *r, int option)
{
	int value = 5;
	int port = rd_listen(r, 16);
	struct pollfd p = {.fd = r->listener, .events = POLLIN};
	bool fast = option == TCP_FASTOPEN && !r->real;

	if (!r->real &&
	    setsockopt(r->listener, IPPROTO_TCP, option, &value, sizeof(value)))
		rd_skip("the option is not there");
	r->t0 = rd_now();
	r->conn = rd_peer(r, fast ? "fastopen" : "connect", port, fast ? 5 : 0,
	                  0);
	if (!fast)
		rd_peer(r, "send", r->conn, 5, r->real ? r->delay_ms : 0);
	say_result("poll", poll(&p, 1, RD_WAIT_MS));
	r->fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (r->fd < 0)
		rd_broken("accept4");
	if (fast) {
		struct tcp_info info = {0};
		socklen_t len = sizeof(info);

		getsockopt(r->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
		note("data in the SYN: %s",
		     info.tcpi_options & TCPI_OPT_SYN_DATA ? "yes" : "no");
	}
	rd_provoke(r);
	rd_take_all(r, r->fd, 5);
}

void case_defer_accept(struct rd *r)
{
	with_data(r, TCP_DEFER_ACCEPT);
}

static bool allow_fastopen(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "519", 3) == 3; /* without cookies */

	if (fd >= 0)
		close(fd);
	return done;
}

/* In a network namespace of its own, made by readiness.c. */
void case_fastopen(struct rd *r)
{
	if (!allow_fastopen())
		rd_skip("tcp_fastopen cannot be switched on");
	with_data(r, TCP_FASTOPEN);
}

/* ---- urgent data --------------------------------------------------------- */

void case_urgent(struct rd *r)
{
	char byte = 0;
	int at_mark = -1;

	rd_open(r);
	r->t0 = rd_now();
	rd_peer(r, "send", r->conn, 5, r->real ? r->delay_ms : 0);
	rd_peer(r, "urgent", r->conn, 0, r->real ? r->delay_ms : 0);
	if (!r->real)
		rd_raw_await_queued(r->fd, 5);
	rd_provoke(r);
	rd_take_all(r, r->fd, 5);
	rd_until(r, r->delay_ms + RD_SLACK_MS);
	ioctl(r->fd, SIOCATMARK, &at_mark);
	say("at the mark: %d", at_mark);
	say_result("urgent byte", recv(r->fd, &byte, 1, MSG_OOB));
	say("it is: %c", byte ? byte : '?');
	say_result("urgent byte", recv(r->fd, &byte, 1, MSG_OOB));
	say_result("receive", rd_recv(r, r->fd, 10, 0));
}

/* ---- many ---------------------------------------------------------------- */

enum {
	MANY = 10000
};

static long n_many(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur < MANY + 300 ? (long)limit.rlim_cur - 300 : MANY;
}

static int *open_many(struct rd *r, long n, int ep)
{
	int *fds = calloc((size_t)n, sizeof(*fds));
	int port = rd_listen(r, 4096);

	for (long i = 0; i < n; i += 1000) {
		long part = n - i < 1000 ? n - i : 1000;

		rd_peer(r, "many", port, part, 0);
		for (long k = i; k < i + part; k++) {
			struct epoll_event ev = {
				.events = EPOLLIN | (k & 1 ? EPOLLET : 0),
				.data.u64 = (uint64_t)k};

			fds[k] = accept4(r->listener, NULL, NULL,
			                 SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fds[k] < 0 ||
			    epoll_ctl(ep, EPOLL_CTL_ADD, fds[k], &ev))
				rd_broken("accept4");
		}
	}
	return fds;
}

/* Half of them level-, half edge-triggered; all at once. */
void case_many(struct rd *r)
{
	static struct epoll_event evs[512];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	long n = n_many(), got = 0, early = 0, wrong = 0;
	int *fds = open_many(r, n, ep);
	double cpu = rd_cpu_ms();

	note("%ld connections", n);
	r->t0 = rd_now();
	rd_peer(r, "send_all", 1, 0, r->real ? r->delay_ms : 0);
	while (got < n) {
		int k = epoll_wait(ep, evs, 512, RD_WAIT_MS);

		if (k <= 0)
			break;
		for (int i = 0; i < k; i++) {
			char byte;
			int fd = fds[evs[i].data.u64];

			if (rd_ms(r, rd_now()) < r->delay_ms)
				early++;
			if (recvfrom(fd, &byte, 1, 0, NULL, NULL) == 1)
				got++;
			else
				wrong++;
		}
	}
	note("the last at %.1f ms; %.1f ms of CPU", rd_ms(r, rd_now()),
	     rd_cpu_ms() - cpu);
	say("received: %s", got == n ? "all" : "not all");
	say("early: %ld, empty: %ld", early, wrong);
	say("in time: %s",
	    rd_ms(r, rd_now()) < r->delay_ms + 2000 ? "yes" : "no");
	free(fds);
}

/* ---- what stays ---------------------------------------------------------- */

struct traces {
	int threads, fds, next_fd;
	uint64_t caught, blocked, ignored;
};

/*
 * glibc's own: the first pthread_create of a program installs the handler of
 * one (nptl(7)), whoever calls it.
 */
#define OF_GLIBC (UINT64_C(1) << 31 | UINT64_C(1) << 32)

static int count_in(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static uint64_t status_word(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	char text[256];
	uint64_t value = 0;

	while (fgets(text, sizeof(text), f))
		if (!strncmp(text, name, strlen(name)))
			value = strtoull(text + strlen(name), NULL, 16);
	fclose(f);
	return value & ~OF_GLIBC;
}

static struct traces traces_now(void)
{
	struct traces t = {.threads = count_in("/proc/self/task"),
	                   .fds = count_in("/proc/self/fd")};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	t.next_fd = fd;
	close(fd);
	t.caught = status_word("SigCgt:");
	t.blocked = status_word("SigBlk:");
	t.ignored = status_word("SigIgn:");
	return t;
}

static void say_traces(const char *when, const struct traces *a,
                       const struct traces *b)
{
	note("%s: threads %d %d, descriptors %d %d", when, a->threads,
	     b->threads, a->fds, b->fds);
	say("%s: next descriptor %s", when,
	    a->next_fd == b->next_fd ? "the same" : "another");
	say("%s: signals %s", when,
	    a->caught == b->caught && a->blocked == b->blocked &&
	                    a->ignored == b->ignored
	            ? "the same"
	            : "others");
}

/*
 * During a hold a thread of the library may be there, and descriptors out of
 * the program's way; afterwards nothing is.
 */
static void nothing_stays(struct rd *r, void (*act)(struct rd *))
{
	struct traces before = traces_now(), during, after;
	uint64_t end;

	act(r);
	during = traces_now();
	say_traces("during", &before, &during);
	say("during: at most one thread more: %s",
	    during.threads <= before.threads + 1 ? "yes" : "no");
	rd_take_all(r, r->fd, 5);
	close(r->fd);
	end = rd_now() + 1000000000u;
	do {
		after = traces_now();
	} while (rd_now() < end &&
	         (after.threads != before.threads || after.fds != before.fds));
	say_traces("after", &before, &after);
	say("after: threads %s",
	    after.threads == before.threads ? "the same" : "others");
	say("after: descriptors %s",
	    after.fds == before.fds ? "the same" : "others");
}

static void stays_hold(struct rd *r)
{
	long conn;

	r->fd = rd_open_another(r, &conn);
	r->conn = conn;
	rd_hold(r, 5);
}

void case_nothing_stays(struct rd *r)
{
	rd_listen(r, 16);
	nothing_stays(r, stays_hold);
}
