/*
 * latency.c - a client of a server with one thread: does one slow connection
 * make the others wait?
 *
 *	latency PROTOCOL PORT ROUNDS kept|fresh [PATH]
 *
 * PROTOCOL is http, redis or memcached.  Each round makes CONNECTIONS new
 * connections, one after the other, so that the last one's number is the round
 * times CONNECTIONS: it is the one that a rule is about (`connection: 8+16`,
 * the last of every other round).  The others have had an answer when the clock
 * starts, and so has the last one when it is `kept`; when `fresh` it is opened
 * then.  It asks for PATH, once, while the others ask again and again; in the
 * rounds after ROUNDS, which are two, the others are idle, so that the server's
 * processor time is that of the last connection.
 *
 * First line, and the only one of 0 rounds: "pid PID", the process that serves:
 * nobody's parent of those that hold the listener.  Then, for each round:
 *
 *	ROUND busy|quiet LAST MAX MEDIAN N CPU STARVED
 *
 * Times are in microseconds.  LAST: until the last one's answer, with its
 * connect if fresh; below 0: none in time.  MAX, MEDIAN, N: the others'
 *answers. CPU: the server's processor time during the round.  STARVED: how long
 *it and this program were ready and had no processor, which is the machine's
 *fault.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/mortal.h"

enum {
	CONNECTIONS = 8, /* a round, the last one among them */
	N_QUIET = 2,
	ROUND_US = 350000,     /* longer than any delay in question */
	PAUSE_US = 2000,       /* of a connection between two requests */
	DEADLINE_US = 5000000, /* of the last one's answer */
	MAX_ANSWERS = 100000,  /* a round */
	MAX_PIDS = 64
};

struct connection {
	int fd;
	bool waits;     /* for an answer */
	int64_t asked;  /* when */
	int64_t took;   /* until the answer was whole */
	int64_t rested; /* not before this does it ask again */
	char reply[70000];
	size_t len;
};

struct protocol {
	const char *name;
	const char *request; /* %s is the path */
	const char *wanted;  /* the reply begins with this */
};

static const struct protocol protocols[] = {
	{"http", "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200"},
	{"redis", "PING\r\n", "+PONG\r\n"},
	{"memcached", "version\r\n", "VERSION "},
};

static const struct protocol *protocol;
static struct sockaddr_in address;
static struct connection conns[CONNECTIONS];
static int64_t answers[MAX_ANSWERS];
static size_t n_answers;
static int set;
static pid_t server;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the server's process --------------------------------------------- */

/* The inode of the socket that listens on the port. */
static unsigned long listener_inode(unsigned port)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	char line[256];
	unsigned long inode;
	unsigned at;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line,
		           "%*d: %*8x:%x %*8x:%*x 0A %*x:%*x %*x:%*x %*x "
		           "%*u %*u %lu",
		           &at, &inode) == 2 &&
		    at == port) {
			fclose(f);
			return inode;
		}
	errno = ENOENT;
	die("no listener");
}

static bool holds(pid_t pid, const char *wanted)
{
	char path[64], target[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target,
		                       sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = !strcmp(target, wanted);
	}
	if (d)
		closedir(d);
	return found;
}

/* Field `index` of /proc/PID/NAME, after the last ')' if there is one. */
static long field_of(pid_t pid, const char *name, int index)
{
	char path[64], text[1024], *at, *save;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	at = strtok_r(at ? at + 1 : text, " ", &save);
	while (at && index--)
		at = strtok_r(NULL, " ", &save);
	return at ? strtol(at, NULL, 10) : 0;
}

static pid_t parent_of(pid_t pid)
{
	return (pid_t)field_of(pid, "stat", 1);
}

static pid_t server_of(unsigned port)
{
	pid_t pids[MAX_PIDS];
	char wanted[64];
	struct dirent *e;
	int n = 0;
	DIR *d = opendir("/proc");

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", listener_inode(port));
	while (d && n < MAX_PIDS && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && holds(pid, wanted))
			pids[n++] = pid;
	}
	if (d)
		closedir(d);
	for (int i = 0; i < n; i++) {
		bool parent = false;

		for (int j = 0; j < n; j++)
			parent |= parent_of(pids[j]) == pids[i];
		if (!parent)
			return pids[i];
	}
	errno = ESRCH;
	die("no process");
}

/* Of all its threads, those that have ended too. */
static int64_t cpu_us(void)
{
	struct timespec t = {0};
	clockid_t clock;

	if (!clock_getcpuclockid(server, &clock))
		clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t starved_us(void)
{
	return (field_of(server, "schedstat", 1) +
	        field_of(getpid(), "schedstat", 1)) /
	       1000;
}

/* ---- connections -------------------------------------------------------- */

static void open_one(struct connection *c)
{
	struct epoll_event in = {.events = EPOLLIN, .data.ptr = c};
	int on = 1;

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &in))
		die("connect");
}

static void ask(struct connection *c, const char *path)
{
	char request[256];
	int n;

	/* The only %s in a table of our own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(request, sizeof(request), protocol->request, path);
#pragma GCC diagnostic pop
	c->waits = true;
	c->len = 0;
	c->asked = now_us();
	if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("send");
}

/* A line, or a header and as much as it says. */
static bool complete(const struct connection *c)
{
	static const char name[] = "\r\ncontent-length:";
	const char *end, *length;

	if (protocol != protocols)
		return c->len && c->reply[c->len - 1] == '\n';
	end = strstr(c->reply, "\r\n\r\n");
	length = strcasestr(c->reply, name);
	if (!end || !length)
		return false;
	return c->len >= (size_t)(end + 4 - c->reply) +
	                         strtoul(length + sizeof(name) - 1, NULL, 10);
}

/* Takes what is there; true when the answer is whole. */
static bool take(struct connection *c)
{
	ssize_t n = recv(c->fd, c->reply + c->len,
	                 sizeof(c->reply) - 1 - c->len, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		die(n ? "recv" : "the server closed a connection");
	c->len += (size_t)n;
	c->reply[c->len] = '\0';
	if (!complete(c))
		return false;
	if (strncmp(c->reply, protocol->wanted, strlen(protocol->wanted))) {
		fprintf(stderr, "latency: the server says: %s\n", c->reply);
		exit(1);
	}
	c->waits = false;
	return true;
}

static void answered(struct connection *c)
{
	int64_t now = now_us();

	c->took = now - c->asked;
	c->rested = now + PAUSE_US;
	if (c != &conns[CONNECTIONS - 1] && n_answers < MAX_ANSWERS)
		answers[n_answers++] = c->took;
}

/* ---- rounds ------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void events(int wait_ms)
{
	struct epoll_event got[CONNECTIONS];
	int n = epoll_wait(set, got, CONNECTIONS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct connection *c = got[i].data.ptr;

		if (take(c))
			answered(c);
	}
}

static void open_first(int n)
{
	for (int i = 0; i < n; i++) {
		int64_t end = now_us() + DEADLINE_US;

		open_one(&conns[i]);
		ask(&conns[i], "/");
		while (conns[i].waits) {
			events(1);
			if (now_us() > end) {
				errno = ETIMEDOUT;
				die("no answer before the clock starts");
			}
		}
	}
	n_answers = 0;
}

static void others_ask(void)
{
	int64_t now = now_us();

	for (int i = 0; i < CONNECTIONS - 1; i++)
		if (!conns[i].waits && now >= conns[i].rested)
			ask(&conns[i], "/");
}

/* Answers that are outstanding at the end count with their age. */
static void count_unanswered(void)
{
	for (int i = 0; i < CONNECTIONS - 1; i++)
		if (conns[i].waits)
			answered(&conns[i]);
}

static int64_t run(bool busy, bool fresh, const char *path)
{
	struct connection *last = &conns[CONNECTIONS - 1];
	int64_t start = now_us(), connected, now;

	if (fresh)
		open_one(last);
	connected = now_us();
	ask(last, path);
	while ((now = now_us()) <
	       start + (last->waits ? DEADLINE_US : ROUND_US)) {
		if (busy)
			others_ask();
		events(1);
	}
	count_unanswered();
	return last->waits ? -1 : connected - start + last->took;
}

static void measure(int number, bool busy, bool fresh, const char *path)
{
	int64_t cpu, starved, took;

	open_first(fresh ? CONNECTIONS - 1 : CONNECTIONS);
	cpu = cpu_us();
	starved = starved_us();
	took = run(busy, fresh, path);
	cpu = cpu_us() - cpu;
	starved = starved_us() - starved;
	qsort(answers, n_answers, sizeof(answers[0]), by_value);
	printf("%d %s %" PRId64 " %" PRId64 " %" PRId64 " %zu %" PRId64
	       " %" PRId64 "\n",
	       number, busy ? "busy" : "quiet", took,
	       n_answers ? answers[n_answers - 1] : 0,
	       n_answers ? answers[n_answers / 2] : 0, n_answers, cpu, starved);
	fflush(stdout);
	for (int i = 0; i < CONNECTIONS; i++)
		close(conns[i].fd);
}

int main(int argc, char **argv)
{
	int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
	const char *path = argc > 5 ? argv[5] : "/";
	bool fresh = argc > 4 && !strcmp(argv[4], "fresh");

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (argc > 4 && !strcmp(argv[1], protocols[i].name))
			protocol = &protocols[i];
	mortal(0);
	if (!protocol || rounds < 0) {
		fputs("latency http|redis|memcached PORT ROUNDS kept|fresh "
		      "[PATH]\n",
		      stderr);
		return 2;
	}
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	set = epoll_create1(EPOLL_CLOEXEC);
	server = server_of(ntohs(address.sin_port));
	printf("pid %d\n", (int)server);
	for (int i = 1; rounds && i <= rounds + N_QUIET; i++)
		measure(i, i <= rounds, fresh, path);
	return 0;
}
