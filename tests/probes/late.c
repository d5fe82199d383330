/*
 * late.c - connects that take their time (tests/e2e/late.sh): what becomes of
 * one when its descriptor is copied, its process forks or becomes another, and
 * what everyone sees who waits for it.
 *
 * Most cases run with `connect:delay=200ms:nth=1`, STALL ones with
 * `connect:stall:nth=1`.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	DELAY_MS = 200,
	LONG_MS = 1000,
	WAIT_MS = 5000,
	MANY = 60
};

static int to_listener(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	getsockname(listener(), (void *)&a, &len);
	return connect(fd, (void *)&a, len);
}

/* A connect under way. */
static int start(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	listener();
	if (to_listener(fd) != -1 || errno != EINPROGRESS)
		die("connect");
	return fd;
}

/*
 * The hold may be over, which is asked behind what was to be seen while it
 * lasts: on a busy machine there may have been no time to look.
 */
static bool over_since(long began)
{
	return now_ms() - began >= DELAY_MS;
}

static int tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
	               ? -1
	               : info.tcpi_state;
}

static int so_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static int watch(int fd, unsigned how)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | how,
	                        .data.fd = fd};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	return set;
}

/* The next event of the set, 0 when none comes. */
static unsigned event(int set, int ms)
{
	struct epoll_event e = {0};

	return epoll_wait(set, &e, 1, ms) == 1 ? e.events : 0;
}

static bool is_socket(int fd)
{
	char path[32], text[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, text, sizeof(text)) > 6 &&
	       !memcmp(text, "socket", 6);
}

static int open_sockets_from(int first, int *ret_last)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	int n = 0;

	while ((d = readdir(dir))) {
		int fd = atoi(d->d_name);

		if (fd < first || !is_socket(fd))
			continue;
		*ret_last = fd;
		n++;
	}
	closedir(dir);
	return n;
}

static int open_sockets(void)
{
	int last;

	return open_sockets_from(0, &last);
}

/* --- descriptors and processes ------------------------------------------- */

static int copy(void)
{
	long began = now_ms();
	int fd = start();
	int other = dup(fd);
	int set = watch(other, EPOLLET);

	close(fd);
	WANT(tcp_state(other) == TCP_SYN_SENT || over_since(began), true);
	WANT(event(set, WAIT_MS), EPOLLOUT);
	WANT(now_ms() - began >= DELAY_MS, true);
	WANT(event(set, 0), 0);
	WANT(to_listener(other), 0);
	WANT(to_listener(other), -1);
	WANT(errno, EISCONN);
	return 0;
}

/* The parent goes; its child waits in a set that it had inherited. */
static int child(void)
{
	long began = now_ms();
	int fd = start();
	int set = watch(fd, EPOLLET);
	int report[2];
	unsigned events = 0;
	pid_t pid;

	if (pipe(report))
		die("pipe");
	pid = fork();
	if (!pid) {
		mortal_spare_next();
		if (!fork()) {
			events = event(set, WAIT_MS);
			if (events == EPOLLOUT && to_listener(fd))
				events = 0;
			_exit(write(report[1], &events, sizeof(events)) < 0);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(report[1]);
	close(fd);
	WANT(read(report[0], &events, sizeof(events)), sizeof(events));
	WANT(events, EPOLLOUT);
	WANT(now_ms() - began >= DELAY_MS, true);
	return 0;
}

/* The new image looks at the socket whose number is its argument. */
static int after_exec(void)
{
	int fd = atoi(getenv("LATE_FD"));
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	WANT(poll(&p, 1, WAIT_MS), 1);
	WANT(p.revents, POLLOUT);
	WANT(so_error(fd), 0);
	return 0;
}

/* STALL. exec ends the hold. */
static int image(void)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", start());
	setenv("LATE_FD", number, 1);
	execl("/proc/self/exe", "late", "after-exec", (char *)NULL);
	die("exec");
}

/* Nothing of ours is left when it is over; while it lasts one socket is. */
static int descriptors(void)
{
	int set, before, while_it_lasts;
	long began;

	listener();
	before = open_sockets();
	began = now_ms();
	set = watch(start(), 0);
	while_it_lasts = open_sockets();
	if (!over_since(began))
		WANT(while_it_lasts, before + 2);
	WANT(event(set, WAIT_MS), EPOLLOUT);
	for (int i = 0; open_sockets() > before + 1 && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	WANT(open_sockets(), before + 1);
	return 0;
}

/*
 * STALL, and the second a delay. To the program our socket is not open; it may
 * take its number all the same. The next hold makes another.
 */
static int closed(void)
{
	int fd = start(), other, ours;

	WANT(open_sockets_from(100, &ours), 1);
	WANT(close(ours), -1);
	WANT(dup2(0, ours), ours);
	other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	WANT(to_listener(other), -1);
	WANT(errno, EINPROGRESS);
	WANT(event(watch(other, 0), WAIT_MS), EPOLLOUT);
	WANT(so_error(other), 0);
	close(fd);
	return 0;
}

/* The other process may see the moment of the move (docs/limits.md). */
static int watched_to_the_end(int fd)
{
	int set = watch(fd, 0);
	unsigned seen;

	do
		seen = event(set, WAIT_MS);
	while (seen && seen != EPOLLOUT);
	if (seen != EPOLLOUT)
		return -1;
	return to_listener(fd) && errno != EISCONN ? errno : 0;
}

/*
 * Both wait. The child has our listener as well, and gives it up when the hold
 * is over.
 */
static int forked(void)
{
	int before, fd;
	pid_t pid;
	int status;

	listener();
	before = open_sockets();
	fd = start();
	pid = fork();
	WANT(watched_to_the_end(fd), 0);
	for (int i = 0; open_sockets() > before + 1 && i < WAIT_MS; i++)
		poll(NULL, 0, 1);
	WANT(open_sockets(), before + 1);
	if (!pid)
		_exit(0);
	WANT(waitpid(pid, &status, 0), pid);
	WANT(status, 0);
	return 0;
}

/* From now on no descriptor can be made. */
static void use_up_descriptors(void)
{
	struct rlimit limit;
	int lowest = dup(0);

	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit");
	limit.rlim_cur = (rlim_t)lowest;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("setrlimit");
}

static int start_with_none_left(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	listener();
	use_up_descriptors();
	if (to_listener(fd) != -1 || errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* STALL. Where our listener cannot be made, the connect is what it is. */
static int none_left(void)
{
	struct pollfd p = {.fd = start_with_none_left(), .events = POLLOUT};

	WANT(poll(&p, 1, WAIT_MS), 1);
	WANT(p.revents, POLLOUT);
	WANT(to_listener(p.fd), 0);
	return 0;
}

/* connect:error=ETIMEDOUT: a refusal needs none. */
static int refused_with_none_left(void)
{
	struct pollfd p = {.fd = start_with_none_left(), .events = POLLOUT};

	WANT(poll(&p, 1, WAIT_MS), 1);
	WANT(p.revents, POLLOUT | POLLERR | POLLHUP);
	WANT(so_error(p.fd), ETIMEDOUT);
	WANT(so_error(p.fd), 0);
	return 0;
}

/* --- it ends otherwise --------------------------------------------------- */

/* connect(2): AF_UNSPEC; what follows is a connect like any other. */
static int dissolve(void)
{
	static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	int fd = start();
	int set;

	WANT(connect(fd, &unspec, sizeof(unspec)), 0);
	WANT(so_error(fd), ECONNRESET);
	WANT(to_listener(fd), -1);
	WANT(errno, EINPROGRESS);
	set = watch(fd, EPOLLET);
	WANT(event(set, DELAY_MS / 2), EPOLLOUT);
	WANT(to_listener(fd), 0);
	/* And nothing comes at the time that was meant. */
	WANT(event(set, 2 * DELAY_MS), 0);
	WANT(tcp_state(fd), TCP_ESTABLISHED);
	return 0;
}

static int blocking_fd;
static _Atomic int connecting;

static void *connect_blocking(void *arg)
{
	int *ret_err = arg;

	connecting = 1;
	*ret_err = to_listener(blocking_fd) ? errno : 0;
	return NULL;
}

static void await_syn(void)
{
	while (!connecting || tcp_state(blocking_fd) != TCP_SYN_SENT)
		poll(NULL, 0, 1);
}

static int blocking_connect(pthread_t *ret_thread, int *ret_err)
{
	listener();
	blocking_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (pthread_create(ret_thread, NULL, connect_blocking, ret_err))
		die("pthread_create");
	await_syn();
	return blocking_fd;
}

/* STALL. */
static int shut_by_thread(void)
{
	pthread_t thread;
	int err = 0;
	int fd = blocking_connect(&thread, &err);

	WANT(shutdown(fd, SHUT_RDWR), 0);
	pthread_join(thread, NULL);
	WANT(err, ECONNRESET);
	WANT(so_error(fd), 0);
	return 0;
}

/* STALL. The connect goes on. */
static int cancel(void)
{
	pthread_t thread;
	void *result;
	int err = 0;
	int fd = blocking_connect(&thread, &err);

	pthread_cancel(thread);
	pthread_join(thread, &result);
	WANT(result == PTHREAD_CANCELED, true);
	WANT(tcp_state(fd), TCP_SYN_SENT);
	WANT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	return 0;
}

/*
 * The thread, asleep in its call, gets hardly any time to wake up in: an idle
 * one on the processor of one that does not rest until the hold is over.
 */
static _Atomic bool over;

static void *spin(void *arg)
{
	(void)arg;
	while (!over)
		;
	return NULL;
}

static pthread_t keep_asleep(pthread_t thread)
{
	const struct sched_param lowest = {0};
	pthread_t spinner;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	pthread_setschedparam(thread, SCHED_IDLE, &lowest);
	if (pthread_create(&spinner, NULL, spin, NULL))
		die("pthread_create");
	pthread_setaffinity_np(thread, sizeof(one), &one);
	pthread_setaffinity_np(spinner, sizeof(one), &one);
	return spinner;
}

/* STALL, named gone, under `fault`: what it was to connect to, it does. */
static int disarm(void)
{
	pthread_t thread, spinner;
	int err = -1;
	int fd = start();
	int set = watch(fd, EPOLLET);

	blocking_connect(&thread, &err);
	spinner = keep_asleep(thread);
	WANT(event(set, 50), 0);
	WANT(system("exec \"$FAULT\" disarm gone"), 0);
	over = true;
	WANT(event(set, WAIT_MS), EPOLLOUT);
	WANT(to_listener(fd), 0);
	pthread_join(spinner, NULL);
	pthread_join(thread, NULL);
	WANT(err, 0);
	return 0;
}

/*
 * STALL, named gone, under `fault`. A child of system() has copies of the
 * sockets; that it goes with them is nothing to the hold.
 */
static int relatives(void)
{
	pthread_t thread;
	int err = -1;
	int fd = start();
	int set = watch(fd, EPOLLET);

	blocking_connect(&thread, &err);
	WANT(system(":"), 0);
	WANT(system("exec \"$FAULT\" disarm gone"), 0);
	WANT(event(set, WAIT_MS), EPOLLOUT);
	WANT(to_listener(fd), 0);
	pthread_join(thread, NULL);
	WANT(err, 0);
	return 0;
}

static void *send_blocking(void *fd)
{
	return (void *)(intptr_t)send((int)(intptr_t)fd, "x", 1, 0);
}

/* STALL, named gone, under `fault`. A transfer that waits goes on. */
static int transfer_disarmed(void)
{
	pthread_t thread;
	int fd = start();
	void *sent;

	fcntl(fd, F_SETFL, O_RDWR);
	if (pthread_create(&thread, NULL, send_blocking, (void *)(intptr_t)fd))
		die("pthread_create");
	poll(NULL, 0, 50);
	WANT(system("exec \"$FAULT\" disarm gone"), 0);
	pthread_join(thread, &sent);
	WANT((intptr_t)sent, 1);
	return 0;
}

/* --- who waits ----------------------------------------------------------- */

/* All end at about the same time; nobody sees how. */
static int many(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	int events[MANY] = {0};
	int n = 0;

	for (int i = 0; i < MANY; i++) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLOUT |
		                                  EPOLLRDHUP | EPOLLET,
		                        .data.u32 = (uint32_t)i};

		if (epoll_ctl(set, EPOLL_CTL_ADD, start(), &e))
			die("epoll_ctl");
	}
	while (n < MANY) {
		struct epoll_event e;

		WANT(epoll_wait(set, &e, 1, WAIT_MS), 1);
		WANT(e.events, EPOLLOUT);
		WANT(events[e.data.u32]++, 0);
		n++;
	}
	WANT(event(set, DELAY_MS), 0);
	return 0;
}

/*
 * Four rules: 300, 600, 150, 450 ms. They end by the clock, not as they came;
 * which the clock says as far as it is known when each was begun.
 */
static int order(void)
{
	static const long delays[] = {300, 600, 150, 450};
	int set = epoll_create1(EPOLL_CLOEXEC);
	long from[4], to[4], ended_from = 0;
	struct epoll_event e;

	listener();
	for (uint32_t i = 0; i < 4; i++) {
		e = (struct epoll_event){.events = EPOLLOUT | EPOLLET,
		                         .data.u32 = i};
		from[i] = now_ms() + delays[i];
		if (epoll_ctl(set, EPOLL_CTL_ADD, start(), &e))
			die("epoll_ctl");
		to[i] = now_ms() + 1 + delays[i];
	}
	for (int i = 0; i < 4; i++) {
		WANT(epoll_wait(set, &e, 1, WAIT_MS), 1);
		WANT(to[e.data.u32] >= ended_from, true);
		if (from[e.data.u32] > ended_from)
			ended_from = from[e.data.u32];
	}
	return 0;
}

static void *wait_in_poll(void *arg)
{
	struct pollfd p = {.fd = (int)(intptr_t)arg,
	                   .events = POLLIN | POLLOUT | POLLRDHUP};

	poll(&p, 1, WAIT_MS);
	return (void *)(intptr_t)p.revents;
}

static void *wait_in_select(void *arg)
{
	int fd = (int)(intptr_t)arg;
	fd_set in, out;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = in;
	select(fd + 1, &in, &out, NULL, NULL);
	return (void *)(intptr_t)(FD_ISSET(fd, &in) ? -1 : FD_ISSET(fd, &out));
}

/* Threads that sleep in poll and select on the same socket. */
static int waiters(void)
{
	for (int i = 0; i < 5; i++) {
		int fd = start();
		pthread_t poller, selecter;
		void *events;

		pthread_create(&poller, NULL, wait_in_poll,
		               (void *)(intptr_t)fd);
		pthread_create(&selecter, NULL, wait_in_select,
		               (void *)(intptr_t)fd);
		pthread_join(poller, &events);
		WANT((intptr_t)events, POLLOUT);
		pthread_join(selecter, &events);
		WANT((intptr_t)events, 1);
		WANT(so_error(fd), 0);
		WANT(to_listener(fd), 0);
	}
	return 0;
}

/*
 * connect:delay=1s:nth=1. A transfer that may block waits for the connection,
 * as long as its own time-out lets it, and then for data.
 */
static int transfer(void)
{
	struct timeval tv = {.tv_usec = 50000};
	long began = now_ms();
	int fd = start();
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	WANT(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	fcntl(fd, F_SETFL, O_RDWR);
	WANT(recv(fd, &byte, 1, 0), -1);
	WANT(errno, EAGAIN);
	WANT(now_ms() - began < LONG_MS, true);
	WANT(send(fd, "x", 1, 0), 1);
	WANT(now_ms() - began >= LONG_MS, true);
	WANT(recv(accept(listener(), NULL, NULL), &byte, 1, 0), 1);
	return 0;
}

/*
 * Below us each connect takes its time (late.sh): the hold is over before the
 * call that waits for it has begun, or it begins in the midst of the move.
 */
static int slow_calls(void)
{
	int err = -1;

	listener();
	blocking_fd = socket(AF_INET, SOCK_STREAM, 0);
	connect_blocking(&err);
	WANT(err, 0);
	WANT(fcntl(blocking_fd, F_GETFL) & O_NONBLOCK, 0);
	WANT(tcp_state(blocking_fd), TCP_ESTABLISHED);
	return 0;
}

/* connect:delay=50ms:error=ETIMEDOUT */
static int slow_refusal(void)
{
	int err = -1;

	listener();
	blocking_fd = socket(AF_INET, SOCK_STREAM, 0);
	connect_blocking(&err);
	WANT(err, ETIMEDOUT);
	return 0;
}

/* One that is made to wait after all waits for the end of it. */
static int toggled(void)
{
	long began = now_ms();
	int fd = start();

	fcntl(fd, F_SETFL, O_RDWR);
	WANT(to_listener(fd), 0);
	WANT(now_ms() - began >= DELAY_MS, true);
	WANT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	return 0;
}

/* --- addresses ----------------------------------------------------------- */

static int local_name(int fd, struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockname(fd, (void *)ret, &len);
}

/* STALL. At this end it looks as towards the host that was asked for. */
static int address(void)
{
	struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in held, real;
	int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, "198.51.100.1", &far.sin_addr);
	WANT(connect(one, (void *)&far, sizeof(far)), -1);
	WANT(errno, EINPROGRESS);
	if (connect(other, (void *)&far, sizeof(far)) != -1 ||
	    errno != EINPROGRESS) {
		puts("skip: there is no route to anywhere");
		return 0;
	}
	WANT(local_name(one, &held), 0);
	WANT(local_name(other, &real), 0);
	WANT(held.sin_addr.s_addr == real.sin_addr.s_addr, true);
	WANT(tcp_state(one), TCP_SYN_SENT);
	return 0;
}

/* A port that was bound is the connection's, before and after. */
static int port_kept(void)
{
	struct sockaddr_in mine = {.sin_family = AF_INET}, now, seen;
	socklen_t len = sizeof(seen);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	listener();
	WANT(bind(fd, (void *)&mine, sizeof(mine)), 0);
	WANT(local_name(fd, &mine), 0);
	WANT(to_listener(fd), -1);
	WANT(local_name(fd, &now), 0);
	WANT(now.sin_port, mine.sin_port);
	WANT(event(watch(fd, 0), WAIT_MS), EPOLLOUT);
	WANT(local_name(fd, &now), 0);
	WANT(now.sin_port, mine.sin_port);
	WANT(accept(listener(), (void *)&seen, &len) >= 0, true);
	WANT(seen.sin_port, mine.sin_port);
	return 0;
}

/* setsockopt:error=ENOPROTOOPT:state=SYN_SENT, no rule for connect. */
static int in_syn_sent(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int one = 1;

	/*
	 * One fits into the queue, the next is not answered.  No other option
	 * call before: it would look for rules.
	 */
	listen(listener(), 0);
	connect_one();
	to_listener(fd);
	WANT(tcp_state(fd), TCP_SYN_SENT);
	WANT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), -1);
	WANT(errno, ENOPROTOOPT);
	return 0;
}

/*
 * recv:short=1B:role=client, with a library below that sends every connect to
 * the port after the one that was asked for: see late.sh.
 */
static int rewritten(void)
{
	struct sockaddr_in a;
	struct pair p;

	listener();
	WANT(local_name(listener(), &a), 0);
	a.sin_port = htons((uint16_t)(ntohs(a.sin_port) - 1));
	p.client = socket(AF_INET, SOCK_STREAM, 0);
	WANT(connect(p.client, (void *)&a, sizeof(a)), 0);
	p.accepted = accept(listener(), NULL, NULL);
	WANT(recv_fed(p.accepted, p.client), 1);
	return 0;
}

static const struct probe_case cases[] = {
	{"copy", copy},
	{"child", child},
	{"image", image},
	{"after-exec", after_exec},
	{"descriptors", descriptors},
	{"closed", closed},
	{"forked", forked},
	{"none-left", none_left},
	{"refused-with-none-left", refused_with_none_left},
	{"dissolve", dissolve},
	{"shut-by-thread", shut_by_thread},
	{"cancel", cancel},
	{"disarm", disarm},
	{"relatives", relatives},
	{"transfer-disarmed", transfer_disarmed},
	{"many", many},
	{"order", order},
	{"waiters", waiters},
	{"transfer", transfer},
	{"slow-calls", slow_calls},
	{"slow-refusal", slow_refusal},
	{"toggled", toggled},
	{"address", address},
	{"port-kept", port_kept},
	{"in-syn-sent", in_syn_sent},
	{"rewritten", rewritten},
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
