/*
 * accuracy.c - how exactly does a delay keep its time?  A worker of bench/run:
 *
 *	accuracy LATE_US
 *
 * A question of one byte is answered by a peer, a process without the library,
 * LATE_US later (timerfd): that is the real thing.  With LATE_US 0 and a rule
 * `recv:delay=…:role=client` the library makes the same of an answer that comes
 * at once.  Protocol, on stdin and stdout: a line "STYLE COUNT" is answered by
 * a line with COUNT times in ns, from before the question is sent until the
 * answer has been received.  Styles: blocking, epoll-lt, epoll-et.
 *
 *	accuracy holds N LATE_US
 *
 * N connections within the process, each with an answer under way at the same
 * time, all registered with one epoll, level-triggered.  A byte is sent to
 *each; with LATE_US that is done so much later, by a timerfd and in the order
 *of the connections.  One line on stdout: "CPU_NS OWN_NS T T T ...", processor
 *time of the process and of the program's own thread from the first byte on
 *until the last is received, and the times of all, from the moment at which a
 *byte was due to be sent without LATE_US.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/worker.h"

enum {
	BACKLOG = 4096,
	N_EVENTS = 1024,
	EACH = 20,  /* bytes per ms */
	SPARE = 600 /* descriptors that are not of pairs */
};

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int make_listener(struct sockaddr_in *ret_address)
{
	socklen_t len = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ret_address->sin_family = AF_INET;
	ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, len) ||
	    listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)ret_address, &len))
		worker_die("listener");
	return fd;
}

static int dial(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		worker_die("connect");
	no_delay(fd);
	return fd;
}

/* Waits until then with a timerfd; a time that is over is no wait. */
static void wait_until(int timer, int64_t when_ns)
{
	struct itimerspec t = {
		.it_value = {when_ns / 1000000000, when_ns % 1000000000}};
	uint64_t n;

	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL) ||
	    read(timer, &n, sizeof(n)) != sizeof(n))
		worker_die("timerfd");
}

/* ---- one connection, and its peer --------------------------------------- */

/* `accuracy peer LATE_US`, the listener is descriptor 0: until the client ends.
 */
static int peer(int64_t late_ns)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int fd = accept(0, NULL, NULL);
	char c;

	if (timer < 0 || fd < 0)
		worker_die("peer");
	no_delay(fd);
	while (recv(fd, &c, 1, 0) == 1) {
		if (late_ns)
			wait_until(timer, worker_now() + late_ns);
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			return 1;
	}
	return 0;
}

/* The peer is executed anew, so that it is without the library. */
static int start_peer(const char *late_us)
{
	struct sockaddr_in address = {0};
	int listener = make_listener(&address);
	pid_t pid = fork();

	if (pid < 0)
		worker_die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unsetenv("LD_PRELOAD");
		dup2(listener, 0);
		execl("/proc/self/exe", "accuracy", "peer", late_us, NULL);
		_exit(127);
	}
	close(listener);
	return dial(&address);
}

static int64_t ask_blocking(int fd, int set)
{
	int64_t start = worker_now();
	char c = 'x';

	(void)set;
	if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
		worker_die("send, recv");
	return worker_now() - start;
}

static int64_t ask_epoll(int fd, int set)
{
	int64_t start = worker_now();
	struct epoll_event event;
	char c = 'x';

	if (send(fd, &c, 1, 0) != 1)
		worker_die("send");
	while (recv(fd, &c, 1, MSG_DONTWAIT) != 1)
		if (errno != EAGAIN || epoll_wait(set, &event, 1, -1) < 0)
			worker_die("recv");
	return worker_now() - start;
}

static const struct {
	const char *name;
	uint32_t events; /* 0: not registered */
	int64_t (*ask)(int fd, int set);
} styles[] = {
	{"blocking", 0, ask_blocking},
	{"epoll-lt", EPOLLIN, ask_epoll},
	{"epoll-et", EPOLLIN | EPOLLET, ask_epoll},
};

static void run_style(size_t style, int fd, int set, unsigned count)
{
	struct epoll_event in = {.events = styles[style].events};

	if (in.events && epoll_ctl(set, EPOLL_CTL_ADD, fd, &in))
		worker_die("epoll_ctl");
	for (unsigned i = 0; i < count; i++)
		printf("%" PRId64 "%c", styles[style].ask(fd, set),
		       i + 1 < count ? ' ' : '\n');
	fflush(stdout);
	if (in.events)
		epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

static int one_connection(const char *late_us)
{
	int fd = start_peer(late_us), set = epoll_create1(EPOLL_CLOEXEC);
	char line[64], name[32];
	unsigned count;

	while (fgets(line, sizeof(line), stdin)) {
		size_t i = 0, n = sizeof(styles) / sizeof(styles[0]);

		if (sscanf(line, "%31s %u", name, &count) != 2)
			return 1;
		while (i < n && strcmp(styles[i].name, name))
			i++;
		if (i == n)
			return 1;
		run_style(i, fd, set, count);
	}
	return 0;
}

/* ---- many of them ------------------------------------------------------- */

/* How many of n pairs this process may have; root may raise the limit. */
static unsigned allowed(unsigned n)
{
	struct rlimit limit, more;
	rlim_t wanted = 2 * (rlim_t)n + SPARE;

	getrlimit(RLIMIT_NOFILE, &limit);
	more = limit;
	more.rlim_cur = wanted;
	if (more.rlim_max < wanted)
		more.rlim_max = wanted;
	if (limit.rlim_cur >= wanted || !setrlimit(RLIMIT_NOFILE, &more))
		return n;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= SPARE)
		worker_die("RLIMIT_NOFILE");
	return limit.rlim_cur < wanted ? (unsigned)(limit.rlim_cur - SPARE) / 2
	                               : n;
}

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct pair {
	int client, server;
	int64_t due, took;
};

static struct pair *make_pairs(unsigned n, int set)
{
	struct pair *pairs = calloc(n, sizeof(*pairs));
	struct sockaddr_in address = {0};
	int listener = make_listener(&address);

	if (!pairs)
		worker_die("calloc");
	for (unsigned i = 0; i < n; i++) {
		struct epoll_event in = {.events = EPOLLIN, .data.u32 = i};

		pairs[i].client = dial(&address);
		pairs[i].server = accept(listener, NULL, NULL);
		if (pairs[i].server < 0 ||
		    epoll_ctl(set, EPOLL_CTL_ADD, pairs[i].client, &in))
			worker_die("pair");
		no_delay(pairs[i].server);
	}
	close(listener);
	return pairs;
}

static unsigned take_answers(int set, struct pair *pairs, int wait_ms)
{
	struct epoll_event events[N_EVENTS];
	int n = epoll_wait(set, events, N_EVENTS, wait_ms);
	unsigned taken = 0;
	char c;

	for (int i = 0; i < n; i++) {
		struct pair *p = &pairs[events[i].data.u32];

		if (recv(p->client, &c, 1, MSG_DONTWAIT) != 1)
			continue;
		p->took = worker_now() - p->due;
		taken++;
	}
	return taken;
}

/*
 * EACH bytes every ms; an answer that comes at once has its due time then, one
 * of a peer that is late had it `late` before.
 */
static void answer_all(struct pair *pairs, unsigned n, int64_t late, int set)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int64_t at = worker_now() + late;
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i % EACH == 0) {
			got += take_answers(set, pairs, 0);
			at += 1000000;
			wait_until(timer, at);
		}
		pairs[i].due = worker_now() - late;
		if (send(pairs[i].server, "x", 1, 0) != 1)
			worker_die("send");
	}
	while (got < n)
		got += take_answers(set, pairs, -1);
	close(timer);
}

static int many(unsigned n, int64_t late_ns)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct pair *pairs;
	int64_t cpu, own;

	n = allowed(n);
	pairs = make_pairs(n, set);
	cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
	own = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	answer_all(pairs, n, late_ns, set);
	printf("%" PRId64 " %" PRId64, cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       cpu_ns(CLOCK_THREAD_CPUTIME_ID) - own);
	for (unsigned i = 0; i < n; i++)
		printf(" %" PRId64, pairs[i].took);
	putchar('\n');
	free(pairs);
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_TIMERSLACK, 1);
	if (argc == 4 && !strcmp(argv[1], "holds"))
		return many((unsigned)strtoul(argv[2], NULL, 10),
		            strtoll(argv[3], NULL, 10) * 1000);
	if (argc == 3 && !strcmp(argv[1], "peer"))
		return peer(strtoll(argv[2], NULL, 10) * 1000);
	if (argc == 2)
		return one_connection(argv[1]);
	fputs("accuracy LATE_US | holds N LATE_US\n", stderr);
	return 2;
}
