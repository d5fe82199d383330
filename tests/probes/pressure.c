/*
 * pressure.c - very many registrations, holds, sockets and sets, one after the
 * other or at once (tests/e2e/pressure.sh).  Accepted sockets are those that a
 * rule may hold.
 *
 *   pressure CASE NUMBERS...
 *
 * Exit 1 and the line of what is not as it should be.  Prints what an operation
 * took, in nanoseconds.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "table.h"

enum {
	WAIT_MS = 20000,
	MAX_SOCKS = 8000,
	MAX_SETS = 1000,
	MAX_THREADS = 64,
};

static struct pair socks[MAX_SOCKS];
static int sets[MAX_SETS];
static int n_socks, n_sets;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void said(const char *what, long n, double began)
{
	double took = now() - began;

	printf("%-24s %9ld in %8.3f s, %9.0f ns each\n", what, n, took,
	       took / (double)n * 1e9);
}

static int count_fds(void)
{
	struct rlimit limit;
	int n = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < (int)limit.rlim_cur; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static long rss_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void open_socks(int n)
{
	n_socks = n < MAX_SOCKS ? n : MAX_SOCKS;
	for (int i = 0; i < n_socks; i++) {
		socks[i] = make_pair();
		fcntl(socks[i].accepted, F_SETFL, O_NONBLOCK);
	}
}

static void register_all(int n, uint32_t events)
{
	double began = now();

	n_sets = n < MAX_SETS ? n : MAX_SETS;
	for (int s = 0; s < n_sets; s++) {
		sets[s] = epoll_create1(0);
		for (int i = 0; i < n_socks; i++) {
			struct epoll_event e = {.events = events, .data.fd = i};

			if (epoll_ctl(sets[s], EPOLL_CTL_ADD, socks[i].accepted,
			              &e))
				die("epoll_ctl");
		}
	}
	said("ADD", (long)n_sets * n_socks, began);
}

static void feed_all(void)
{
	double began = now();

	for (int i = 0; i < n_socks; i++)
		if (send(socks[i].client, "x", 1, 0) != 1)
			die("send");
	said("send", n_socks, began);
}

/* The number of sockets that each set tells of, when it has told of all. */
static int told(int set)
{
	static struct epoll_event e[MAX_SOCKS];
	static char seen[MAX_SOCKS];
	double end = now() + WAIT_MS / 1000.0;
	int n = 0;

	memset(seen, 0, sizeof(seen));
	while (n < n_socks && now() < end) {
		int got = epoll_wait(set, e, MAX_SOCKS, WAIT_MS);

		for (int i = 0; i < got; i++) {
			n += !seen[e[i].data.fd];
			seen[e[i].data.fd] = 1;
		}
	}
	return n;
}

static int fetch_all(void)
{
	char byte[2];

	for (int i = 0; i < n_socks; i++)
		WANT(recv(socks[i].accepted, byte, 2, 0), 1);
	return 0;
}

/*
 * registrations SOCKS SETS ROUNDS [et|oneshot]: each socket in each set; a byte
 * for each, held, is told of by every set.
 */
static int registrations(long a, long b, long rounds, const char *how)
{
	uint32_t events =
		EPOLLIN | (!strcmp(how, "et")        ? (uint32_t)EPOLLET
	                   : !strcmp(how, "oneshot") ? (uint32_t)EPOLLONESHOT
	                                             : 0);
	double began;

	open_socks((int)a);
	register_all((int)b, events);
	for (int r = 0; r < rounds; r++) {
		feed_all();
		began = now();
		for (int s = 0; s < n_sets; s++)
			WANT(told(sets[s]), n_socks);
		said("told of", (long)n_socks * n_sets, began);
		WANT(fetch_all(), 0);
		for (int s = 0; s < n_sets && events & EPOLLONESHOT; s++)
			for (int i = 0; i < n_socks; i++) {
				struct epoll_event e = {.events = events,
				                        .data.fd = i};

				epoll_ctl(sets[s], EPOLL_CTL_MOD,
				          socks[i].accepted, &e);
			}
	}
	began = now();
	for (int s = 0; s < n_sets; s++)
		close(sets[s]);
	said("close a set", n_sets, began);
	began = now();
	for (int i = 0; i < n_socks; i++)
		close(socks[i].accepted);
	said("close", n_socks, began);
	return 0;
}

/* A loop that keeps reading what is held: SOCKS TIMES SETS. */
static int refused(long a, long times, long n, const char *how)
{
	char byte;
	double began;

	(void)how;
	open_socks((int)a);
	register_all((int)n, EPOLLIN);
	feed_all();
	for (int i = 0; i < n_socks; i++) {
		struct pollfd p = {.fd = socks[i].accepted, .events = POLLIN};

		poll(&p, 1, 0);
	}
	began = now();
	for (int t = 0; t < times; t++)
		for (int i = 0; i < n_socks; i++)
			recv(socks[i].accepted, &byte, 1, MSG_PEEK);
	said("recv while held", times * n_socks, began);
	WANT(now() - began < 1, 1);
	return 0;
}

/* One by one beside SOCKS that are registered: churn N SOCKS. */
static int churn(long n, long beside, long rounds, const char *how)
{
	struct pair p;
	double began;
	long before, kb;

	(void)rounds;
	(void)how;
	open_socks((int)beside);
	register_all(2, EPOLLIN);
	p = make_pair();
	for (int warm = 0; warm < 2; warm++) {
		struct epoll_event e = {.events = EPOLLIN};

		before = count_fds();
		kb = rss_kb();
		began = now();
		for (long i = 0; i < n; i++) {
			epoll_ctl(sets[0], EPOLL_CTL_ADD, p.accepted, &e);
			epoll_ctl(sets[0], EPOLL_CTL_DEL, p.accepted, &e);
		}
		said("ADD and DEL", n, began);
		began = now();
		for (long i = 0; i < n / 10; i++) {
			int set = epoll_create1(0);

			epoll_ctl(set, EPOLL_CTL_ADD, p.accepted, &e);
			close(set);
		}
		said("a set, ADD, close", n / 10, began);
		began = now();
		for (long i = 0; i < n / 10; i++) {
			struct pair q = make_pair();

			epoll_ctl(sets[0], EPOLL_CTL_ADD, q.accepted, &e);
			close(q.client);
			close(q.accepted);
		}
		said("a pair, ADD, close", n / 10, began);
	}
	WANT(count_fds(), before);
	printf("%ld kB more\n", rss_kb() - kb);
	WANT(rss_kb() - kb < 1024, 1);
	return 0;
}

static long per_thread;

/* Blocking and by epoll in turn: one hold each time. */
static void *hold_many(void *arg)
{
	const struct pair *p = arg;
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(0);
	char byte;

	epoll_ctl(set, EPOLL_CTL_ADD, p->accepted, &e);
	for (long i = 0; i < per_thread; i++) {
		bool blocking = i % 64 < 32;

		if (i % 32 == 0)
			fcntl(p->accepted, F_SETFL, blocking ? 0 : O_NONBLOCK);
		if (send(p->client, "x", 1, 0) != 1)
			die("send");
		while (recv(p->accepted, &byte, 1, 0) != 1) {
			if (blocking || errno != EAGAIN)
				die("recv");
			if (epoll_wait(set, &e, 1, WAIT_MS) != 1)
				die("lost");
		}
	}
	close(set);
	return NULL;
}

/* holds N THREADS: each thread one after the other, on a socket of its own. */
static int holds(long n, long n_threads, long rounds, const char *how)
{
	pthread_t t[MAX_THREADS];
	long before = 0, kb = 0;
	double began;

	(void)how;
	open_socks((int)n_threads);
	per_thread = n / n_threads / (rounds + 1) + 1;
	for (int r = 0; r <= rounds; r++) {
		if (r == 1) {
			before = count_fds();
			kb = rss_kb();
		}
		began = now();
		for (int i = 0; i < n_socks; i++)
			pthread_create(&t[i], NULL, hold_many, &socks[i]);
		for (int i = 0; i < n_socks; i++)
			pthread_join(t[i], NULL);
		said("holds", per_thread * n_threads, began);
	}
	WANT(count_fds(), before);
	printf("%ld kB more\n", rss_kb() - kb);
	WANT(rss_kb() - kb < 1024, 1);
	return 0;
}

/* --- waits that end early ------------------------------------------------- */

static void *wait_one(void *arg)
{
	const struct pair *p = arg;
	char byte;

	if (recv(p->accepted, &byte, 1, 0) == 1)
		return arg;
	perror("recv");
	return NULL;
}

static void await_fds(int n)
{
	double end = now() + WAIT_MS / 1000.0;

	while (count_fds() < n && now() < end)
		poll(NULL, 0, 10);
}

/* waiters THREADS, under a stall named gone: all wait, it is disarmed. */
static int waiters(long n, long b, long c, const char *how)
{
	static pthread_t t[MAX_SOCKS];
	pthread_attr_t small;
	struct pair p = make_pair();
	int fds = count_fds();
	void *got;

	(void)b;
	(void)c;
	(void)how;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	if (send(p.client, "x", 1, 0) != 1)
		die("send");
	for (long i = 0; i < n; i++)
		WANT(pthread_create(&t[i], &small, wait_one, &p), 0);
	await_fds(fds + (int)n);
	WANT(count_fds() >= fds + n, 1);
	WANT(system("fault disarm gone"), 0);
	for (long i = 1; i < n; i++)
		if (send(p.client, "x", 1, 0) != 1)
			die("send");
	for (long i = 0; i < n; i++) {
		WANT(pthread_join(t[i], &got), 0);
		WANT(got != NULL, 1);
	}
	return 0;
}

static void *poll_all(void *arg)
{
	struct pollfd *fds = calloc((size_t)n_socks, sizeof(*fds));
	double began = now();
	long n;

	for (int i = 0; i < n_socks; i++)
		fds[i] = (struct pollfd){.fd = socks[i].accepted,
		                         .events = POLLIN};
	/* The end may come while it looks at them: the last are ready by then,
	 * the first when it looks again. */
	do {
		n = poll(fds, (nfds_t)n_socks, WAIT_MS);
	} while (n > 0 && !fds[0].revents && now() - began < WAIT_MS / 1e3);
	*(long *)arg = fds[0].revents ? n : -n;
	free(fds);
	return NULL;
}

/* polled SOCKS: the same of one thread that waits for all of them in poll. */
static int polled(long n, long b, long c, const char *how)
{
	pthread_t t;
	double began;
	int fds;
	long got = 0;

	(void)b;
	(void)c;
	(void)how;
	open_socks((int)n);
	register_all(1, EPOLLIN);
	feed_all();
	/* The helper has taken note of them all. */
	WANT(epoll_wait(sets[0], &(struct epoll_event){0}, 1, 200), 0);
	fds = count_fds();
	WANT(pthread_create(&t, NULL, poll_all, &got), 0);
	await_fds(fds + 1);
	began = now();
	WANT(system("fault disarm gone"), 0);
	WANT(pthread_join(t, NULL), 0);
	said("poll woken", 1, began);
	WANT(got > 0, 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(long, long, long, const char *);
	} cases[] = {
		{"registrations", registrations},
		{"refused", refused},
		{"churn", churn},
		{"holds", holds},
		{"waiters", waiters},
		{"polled", polled},
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_limit();
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(*cases); i++)
		if (!strcmp(argv[1], cases[i].name))
			return cases[i].run(argc > 2 ? atol(argv[2]) : 1,
			                    argc > 3 ? atol(argv[3]) : 1,
			                    argc > 4 ? atol(argv[4]) : 1,
			                    argc > 5 ? argv[5] : "");
	return 2;
}
