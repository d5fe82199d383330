/*
 * between.c - what can be seen between two steps of the library: a library
 * below it (tests/e2e/between.sh) calls back in the middle of them.
 *
 *   LD_PRELOAD=libfault.so:below.so FAULT_INJECT=RULE between CASE
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>

#include "between.h"

enum {
	WAIT_MS = 5000,
};

/* Time is the event here. */
static void sleep_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static int to_listener(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	getsockname(listener(), (void *)&a, &len);
	return connect(fd, (void *)&a, len);
}

static int watch(int fd, unsigned events)
{
	struct epoll_event e = {.events = events};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
	return set;
}

static unsigned event(int set, int ms)
{
	struct epoll_event e = {0};

	return epoll_wait(set, &e, 1, ms) == 1 ? e.events : 0;
}

static int polled(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

static int selected(int fd)
{
	struct timeval none = {0};
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	return select(fd + 1, &in, &out, NULL, &none);
}

/* --- a connect that is held ---------------------------------------------- */

static sem_t moving, seen;
static int held_fd;

static void stop_there(const char *what, int fd)
{
	(void)fd;
	if (pthread_equal(pthread_self(), program) || strcmp(what, "dissolved"))
		return;
	*below = NULL;
	sem_post(&moving);
	sem_wait(&seen);
}

static void *sleep_in_poll(void *ret)
{
	*(int *)ret = polled(held_fd, POLLIN | POLLOUT | POLLRDHUP, WAIT_MS);
	return NULL;
}

static long cpu_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/* connect:delay=100ms:nth=1.  Between its two connects it is not connected. */
static int moved(void)
{
	const unsigned all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
	int level, edge, exclusive, mask = 0;
	pthread_t sleeper;
	long cpu;

	listener();
	sem_init(&moving, 0, 0);
	sem_init(&seen, 0, 0);
	program = pthread_self();
	held_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	call_back(stop_there);
	WANT(to_listener(held_fd), -1);
	WANT(errno, EINPROGRESS);
	level = watch(held_fd, all);
	edge = watch(held_fd, all | EPOLLET);
	exclusive = watch(held_fd, EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE);
	pthread_create(&sleeper, NULL, sleep_in_poll, &mask);
	sem_wait(&moving);
	WANT(event(level, 0), 0);
	WANT(event(edge, 0), 0);
	WANT(event(exclusive, 0), 0);
	WANT(polled(held_fd, POLLIN | POLLOUT | POLLRDHUP, 0), 0);
	WANT(selected(held_fd), 0);
	cpu = cpu_ms();
	WANT(polled(held_fd, POLLIN | POLLOUT | POLLRDHUP, 100), 0);
	WANT(cpu_ms() - cpu < 50, true);
	sem_post(&seen);
	WANT(event(level, WAIT_MS), EPOLLOUT);
	WANT(event(edge, WAIT_MS), EPOLLOUT);
	WANT(event(edge, 0), 0);
	WANT(event(exclusive, WAIT_MS), EPOLLOUT);
	pthread_join(sleeper, NULL);
	WANT(mask, POLLOUT);
	WANT(to_listener(held_fd), 0);
	return 0;
}

static void be_slow(const char *what, int fd)
{
	if (fd != held_fd || strcmp(what, "connect"))
		return;
	*below = NULL;
	sleep_ms(60);
}

/* connect:delay=5ms:nth=1.  It is over before it has begun. */
static int slow(void)
{
	listener();
	held_fd = socket(AF_INET, SOCK_STREAM, 0);
	call_back(be_slow);
	WANT(to_listener(held_fd), 0);
	WANT(to_listener(held_fd), -1);
	WANT(errno, EISCONN);
	return 0;
}

/* How often the flags of one that is under way are asked for. */
static int n_flags, at_flags;

static void stop_at_flags(const char *what, int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (fd != held_fd || strcmp(what, "flags"))
		return;
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	if (info.tcpi_state != TCP_SYN_SENT || ++n_flags != at_flags)
		return;
	sem_post(&moving);
	sem_wait(&seen);
}

static void *connect_held(void *ret)
{
	*(int *)ret = to_listener(held_fd) ? errno : 0;
	sem_post(&moving);
	return NULL;
}

/* connect:stall.  Shut down by another thread at each moment of its beginning.
 */
static int begun(void)
{
	pthread_t thread;
	int err;

	listener();
	sem_init(&moving, 0, 0);
	sem_init(&seen, 0, 0);
	call_back(stop_at_flags);
	for (at_flags = 1; at_flags <= 2; at_flags++) {
		n_flags = err = 0;
		held_fd = socket(AF_INET, SOCK_STREAM, 0);
		pthread_create(&thread, NULL, connect_held, &err);
		sem_wait(&moving);
		WANT(n_flags, at_flags);
		WANT(shutdown(held_fd, SHUT_RDWR), 0);
		sem_post(&seen);
		pthread_join(thread, NULL);
		sem_wait(&moving);
		WANT(err, ECONNRESET);
		close(held_fd);
	}
	return 0;
}

/* The helper knows the socket, and is about to move its connect. */
static void stop_mover(const char *what, int fd)
{
	(void)fd;
	if (pthread_equal(pthread_self(), program) ||
	    strcmp(what, "has the cookie"))
		return;
	*below = NULL;
	sem_post(&moving);
	sem_wait(&seen);
}

/* connect:delay=100ms.  What is done to the old one is not the new one's. */
static int reused(void)
{
	struct sockaddr_in to, now = {0};
	socklen_t len = sizeof(to);
	int other;

	listener();
	listener_at(1, &to);
	sem_init(&moving, 0, 0);
	sem_init(&seen, 0, 0);
	program = pthread_self();
	held_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	other = socket(AF_INET, SOCK_STREAM, 0);
	WANT(to_listener(held_fd), -1);
	call_back(stop_mover);
	sem_wait(&moving);
	/* The new one is to have the number, but not what is known of it. */
	WANT(close(held_fd), 0);
	WANT(close(other), 0);
	WANT(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), held_fd);
	WANT(connect(held_fd, (void *)&to, len), -1);
	WANT(errno, EINPROGRESS);
	sem_post(&seen);
	WANT(polled(held_fd, POLLOUT, WAIT_MS), POLLOUT);
	WANT(getpeername(held_fd, (void *)&now, &len), 0);
	WANT(ntohs(now.sin_port), ntohs(to.sin_port));
	return 0;
}

/* --- a shutdown that the peer answers at once ----------------------------- */

static struct pair p;

static void answer_at_once(const char *what, int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	char byte;

	if (fd != p.accepted || strcmp(what, "shut"))
		return;
	*below = NULL;
	if (recv(p.client, &byte, 1, 0) != 0)
		die("recv of the peer");
	close(p.client);
	while (info.tcpi_state != TCP_CLOSE)
		getsockopt(p.accepted, IPPROTO_TCP, TCP_INFO, &info, &len);
	/* Whoever watches for errors has seen the hang-up by now. */
	sleep_ms(40);
}

/* recv:delay=300ms:nth=1:role=accepted.  What is held stays so. */
static int shut(void)
{
	long began;
	char data[DATA];

	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	began = now_ms();
	WANT(recv(p.accepted, data, DATA, 0), -1);
	call_back(answer_at_once);
	WANT(shutdown(p.accepted, SHUT_WR), 0);
	WANT(polled(p.accepted, POLLIN, WAIT_MS) & POLLIN, POLLIN);
	WANT(now_ms() - began >= 300, true);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	WANT(recv(p.accepted, data, DATA, 0), 0);
	return 0;
}

/* --- the low-water mark of two threads ------------------------------------ */

static sem_t asked, raised, lowered;

/* A connection whose accepted end does not wait, and nothing has happened. */
static void begin(void)
{
	sem_init(&asked, 0, 0);
	sem_init(&raised, 0, 0);
	sem_init(&lowered, 0, 0);
	program = pthread_self();
	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
}

/*
 * The program is about to raise the mark for its hold when the helper has ended
 * that already, and makes the edge; both go on in the worst order.
 */
static void go_in_turn(const char *what, int fd)
{
	static int n_set;
	bool is_program = pthread_equal(pthread_self(), program);

	if (fd != p.accepted)
		return;
	if (is_program && !strcmp(what, "asks for the buffer")) {
		sem_wait(&asked);
	} else if (is_program && !strcmp(what, "set the mark")) {
		sem_post(n_set++ ? &lowered : &raised);
	} else if (!is_program && !strcmp(what, "asks for the mark")) {
		sem_post(&asked);
		await(&raised);
	} else if (!is_program && !strcmp(what, "has the mark")) {
		await(&lowered);
	}
}

/* read:delay=20ms:nth=1:role=accepted.  What is there is told of. */
static int mark(void)
{
	char data[DATA];
	int set;

	begin();
	set = watch(p.accepted, EPOLLIN | EPOLLET);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(event(set, WAIT_MS), EPOLLIN);
	call_back(go_in_turn);
	WANT(read(p.accepted, data, DATA), -1);
	WANT(errno, EAGAIN);
	WANT(event(set, WAIT_MS), EPOLLIN);
	WANT(read(p.accepted, data, DATA), DATA);
	return 0;
}

/* The hold is there, and nothing else of it. */
static void stop_noting(const char *what, int fd)
{
	if (fd != p.accepted || strcmp(what, "asks for the cookie"))
		return;
	*below = NULL;
	sem_post(&asked);
	sem_wait(&raised);
}

static void *disarm(void *ret)
{
	sem_wait(&asked);
	*(int *)ret = system("fault disarm slow");
	sem_post(&raised);
	return NULL;
}

/* call: read, stall, until `slow` is disarmed. */
static int disarmed(void)
{
	struct pair first = make_pair();
	pthread_t thread;
	char data[DATA];
	int set, status = -1;

	/* So that there is a helper already. */
	fcntl(first.accepted, F_SETFL, O_NONBLOCK);
	WANT(send(first.client, "1", 1, 0), 1);
	WANT(read(first.accepted, data, DATA), -1);
	begin();
	set = watch(p.accepted, EPOLLIN);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(event(set, WAIT_MS), EPOLLIN);
	pthread_create(&thread, NULL, disarm, &status);
	call_back(stop_noting);
	WANT(read(p.accepted, data, DATA), -1);
	WANT(errno, EAGAIN);
	pthread_join(thread, NULL);
	WANT(status, 0);
	WANT(event(set, WAIT_MS), EPOLLIN);
	WANT(read(p.accepted, data, DATA), DATA);
	return 0;
}

/* --- a gate that one thread arms, and another one's call holds -------------
 */

/*
 * The other one has decided to hold, and does so when the program has armed the
 * gate, before the helper looks at it.
 */
static void arm_meanwhile(const char *what, int fd)
{
	bool is_program = pthread_equal(pthread_self(), program);
	static bool stopped;

	if (fd != p.accepted)
		return;
	if (!is_program && !stopped && !strcmp(what, "asks for the info")) {
		stopped = true;
		sem_post(&asked);
		await(&raised);
	} else if (is_program && !strcmp(what, "asks for the cookie")) {
		sem_post(&raised);
		await(&lowered);
	}
}

static void *receive(void *ret)
{
	char data[DATA];

	*(int *)ret = recv(p.accepted, data, DATA, 0) < 0 ? errno : 0;
	*below = NULL;
	sem_post(&lowered);
	return NULL;
}

/* recv:delay=100ms:role=accepted. */
static int armed(void)
{
	pthread_t thread;
	char data[DATA];
	int set, err = 0;
	long cpu;

	begin();
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	call_back(arm_meanwhile);
	pthread_create(&thread, NULL, receive, &err);
	sem_wait(&asked);
	set = watch(p.accepted, EPOLLIN);
	pthread_join(thread, NULL);
	WANT(err, EAGAIN);
	cpu = cpu_ms();
	WANT(event(set, WAIT_MS), EPOLLIN);
	WANT(cpu_ms() - cpu < 50, true);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	return 0;
}

/* --- a call that is refused for once ---------------------------------------
 */

static void stop_at_edge(const char *what, int fd)
{
	if (fd != p.accepted || !pthread_equal(pthread_self(), program) ||
	    strcmp(what, "set the mark"))
		return;
	*below = NULL;
	sem_post(&asked);
	await(&raised);
}

static void *refused(void *ret)
{
	char data[DATA];

	program = pthread_self();
	call_back(stop_at_edge);
	*(int *)ret = recv(p.accepted, data, DATA, 0) < 0 ? errno : 0;
	return NULL;
}

/* recv:error=EAGAIN:role=accepted. */
static int again(void)
{
	char data[DATA];
	pthread_t thread;
	int set, err = 0;

	begin();
	set = watch(p.accepted, EPOLLIN | EPOLLET);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(event(set, WAIT_MS), EPOLLIN);
	pthread_create(&thread, NULL, refused, &err);
	sem_wait(&asked);
	WANT(event(set, WAIT_MS), EPOLLIN);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	sem_post(&raised);
	pthread_join(thread, NULL);
	WANT(err, EAGAIN);
	return 0;
}

/* --- looks at what has come -------------------------------------------------
 */

/* The hold has been announced, and is made only when the helper has looked. */
static void hold_late(const char *what, int fd)
{
	static bool announced;

	if (fd != p.accepted || !pthread_equal(pthread_self(), program))
		return;
	if (!strcmp(what, "asks for the info"))
		announced = true;
	if (announced && !strcmp(what, "flags")) {
		*below = NULL;
		sleep_ms(80);
	}
}

/* recv:delay=400ms:role=accepted.  A byte each at 350, 500 and 720 ms. */
static int looks(void)
{
	char data[DATA];
	long n;

	begin();
	WANT(send(p.client, "1", 1, 0), 1);
	WANT(recv(p.accepted, data, DATA, 0), -1);
	sleep_ms(350);
	WANT(send(p.client, "2", 1, 0), 1);
	WANT(polled(p.accepted, POLLIN, WAIT_MS), POLLIN);
	WANT(recv(p.accepted, data, DATA, 0), 1);
	call_back(hold_late);
	WANT(recv(p.accepted, data, DATA, 0), -1);
	WANT(errno, EAGAIN);
	WANT(send(p.client, "3", 1, 0), 1);
	sleep_ms(220);
	WANT(send(p.client, "4", 1, 0), 1);
	WANT(polled(p.accepted, POLLIN, WAIT_MS), POLLIN);
	WANT(recv(p.accepted, data, DATA, 0), 1);
	while ((n = recv(p.accepted, data, DATA, 0)) < 0)
		WANT(polled(p.accepted, POLLIN, WAIT_MS), POLLIN);
	WANT(n, 1);
	return 0;
}

/* --- a mark that the program sets while the helper is at it ----------------
 */

/* The helper has read the mark, and waits until the program has set it. */
static void stop_helper(const char *what, int fd)
{
	bool is_program = pthread_equal(pthread_self(), program);

	if (fd != p.accepted)
		return;
	if (!is_program && !strncmp(what, "has the mark", 12)) {
		sem_post(&asked);
		await(&raised);
	} else if (is_program && !strncmp(what, "set the mark", 12)) {
		sem_post(&raised);
	}
}

static int mark_of(int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	getsockopt(p.accepted, level, name, &value, &len);
	return value;
}

static int set_meanwhile(int level, int name)
{
	const int value = 3;

	sem_wait(&asked);
	WANT(setsockopt(p.accepted, level, name, &value, sizeof(value)), 0);
	*below = NULL;
	WANT(mark_of(level, name), value);
	return 0;
}

static void begin_marks(void)
{
	begin();
	call_back(stop_helper);
}

/* recv:delay=100ms:role=accepted.  The helper raises it at the arrival. */
static int own_mark(void)
{
	char data[DATA];
	int set;

	begin_marks();
	set = watch(p.accepted, EPOLLIN);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(set_meanwhile(SOL_SOCKET, SO_RCVLOWAT), 0);
	WANT(event(set, WAIT_MS), EPOLLIN);
	WANT(recv(p.accepted, data, DATA, 0), DATA);
	WANT(mark_of(SOL_SOCKET, SO_RCVLOWAT), 3);
	return 0;
}

/* send:delay=100ms:nth=1:role=accepted.  The helper makes the edge. */
static int own_mark_of_sending(void)
{
	begin_marks();
	WANT(send(p.accepted, "1", 1, 0), -1);
	WANT(set_meanwhile(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
	WANT(polled(p.accepted, POLLOUT, WAIT_MS), POLLOUT);
	WANT(mark_of(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 3);
	return 0;
}

int main(int argc, char **argv)
{
	const struct probe_case cases[] = {
		{"moved", moved},
		{"slow", slow},
		{"begun", begun},
		{"shut", shut},
		{"reused", reused},
		{"mark", mark},
		{"disarmed", disarmed},
		{"armed", armed},
		{"again", again},
		{"looks", looks},
		{"own_mark", own_mark},
		{"own_mark_of_sending", own_mark_of_sending},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
