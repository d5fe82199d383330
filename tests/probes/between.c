/*
 * between.c - what can be seen between two steps of the library: a library
 * below it (tests/e2e/between.sh) calls back in the middle of them.
 *
 *   LD_PRELOAD=libfault.so:below.so FAULT_INJECT=RULE between CASE
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	WAIT_MS = 5000,
};

/*
 * "connect", "flags", "asks for ...": before it is made; "dissolved", "shut",
 * "has ...", "set ...": when it has been.
 */
typedef void hook(const char *what, int fd);

static hook **below;

static void call_back(hook *h)
{
	below = dlsym(RTLD_DEFAULT, "below_hook");
	if (!below)
		die("the library below");
	*below = h;
}

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
	if (fd != held_fd || strcmp(what, "dissolved"))
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
static pthread_t program;

/* They may be kept from it, which is as well. */
static void await(sem_t *event)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	while (sem_timedwait(event, &end) && errno == EINTR)
		;
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

	sem_init(&asked, 0, 0);
	sem_init(&raised, 0, 0);
	sem_init(&lowered, 0, 0);
	program = pthread_self();
	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
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

/* --- a number that is taken again ----------------------------------------- */

static struct pair fresh, last_freed;

/* Another connection, with an entry that p did not have. */
static void take_again(const char *what, int fd)
{
	if (fd != held_fd || strcmp(what, "asks what it is"))
		return;
	*below = NULL;
	close(p.accepted);
	close(last_freed.accepted);
	fresh.accepted = accept(listener(), NULL, NULL);
}

/* recv:short=1B:role=accepted.  The next owner is known. */
static int replaced(void)
{
	char data[DATA];

	p = make_pair();
	last_freed = make_pair();
	fresh.client = connect_one();
	held_fd = p.accepted;
	call_back(take_again);
	WANT(recv(held_fd, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(fresh.accepted, held_fd);
	WANT(recv_fed(fresh.client, fresh.accepted), 1);
	return 0;
}

/* --- two threads that close the same -------------------------------------- */

static void close_first(const char *what, int fd)
{
	if (fd != held_fd || strcmp(what, "asks for the peer"))
		return;
	*below = NULL;
	close(held_fd);
	if (open("/dev/null", O_RDONLY) != held_fd)
		die("/dev/null");
	p = make_pair();
}

/* recv:short=1B:role=client.  By then the entry is that of another client. */
static int twice(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int full = socket(AF_INET, SOCK_STREAM, 0);

	listener();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(full, (void *)&a, len) || listen(full, 0) ||
	    getsockname(full, (void *)&a, &len) ||
	    connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, len))
		die("listen");
	held_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	WANT(connect(held_fd, (void *)&a, len), -1);
	WANT(errno, EINPROGRESS);
	call_back(close_first);
	WANT(close(held_fd), 0);
	WANT(*below == NULL, true);
	WANT(recv_fed(p.accepted, p.client), 1);
	return 0;
}

/* --- two forks at once ---------------------------------------------------- */

static sem_t other_prepared, other_may_fork, other_forked, other_may_end;
static bool other_ends_first;
static int blocked_in_child;

static int n_blocked(void)
{
	sigset_t now;
	int n = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	for (int sig = 1; sig < NSIG; sig++)
		n += sigismember(&now, sig) == 1;
	return n;
}

/* The other one forks between the program's preparation and its fork. */
static void fork_in_turn(const char *what, int fd)
{
	bool is_program = pthread_equal(pthread_self(), program);

	(void)fd;
	if (!strcmp(what, "prepared") && is_program) {
		sem_post(&other_may_fork);
		await(&other_forked);
	} else if (!strcmp(what, "prepared")) {
		sem_post(&other_prepared);
		sem_wait(&other_may_fork);
	} else if (!strcmp(what, "forked") && !is_program &&
	           !other_ends_first) {
		sem_post(&other_forked);
		await(&other_may_end);
	}
}

static void *fork_beside(void *ret)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(n_blocked());
	*(int *)ret = n_blocked();
	sem_post(&other_forked);
	waitpid(pid, &status, 0);
	blocked_in_child = WEXITSTATUS(status);
	return NULL;
}

/* Between the preparations of the two, `meanwhile`. */
static int fork_two(void (*meanwhile)(void))
{
	int blocked = -1, status = -1;
	pthread_t other;
	pid_t pid;

	program = pthread_self();
	sem_init(&other_prepared, 0, 0);
	sem_init(&other_may_fork, 0, 0);
	sem_init(&other_forked, 0, 0);
	sem_init(&other_may_end, 0, 0);
	call_back(fork_in_turn);
	pthread_create(&other, NULL, fork_beside, &blocked);
	sem_wait(&other_prepared);
	meanwhile();
	pid = fork();
	if (!pid)
		_exit(n_blocked());
	*below = NULL;
	sem_post(&other_may_end);
	pthread_join(other, NULL);
	waitpid(pid, &status, 0);
	WANT(WEXITSTATUS(status), 0);
	WANT(blocked_in_child, 0);
	WANT(blocked, 0);
	WANT(n_blocked(), 0);
	return 0;
}

static void connect_meanwhile(void)
{
	p = make_pair();
}

/* recv:short=1B:role=accepted.  The children have given back their own. */
static int forks(void)
{
	listener();
	WANT(fork_two(connect_meanwhile), 0);
	WANT(known(&p), true);
	return 0;
}

static void hold_meanwhile(void)
{
	char data[DATA];

	if (send(p.client, "12345678", DATA, 0) != DATA ||
	    read(p.accepted, data, DATA) != -1)
		die("read");
}

/* read:delay=20ms:nth=1:role=accepted.  The first hold comes in between. */
static int masks(void)
{
	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	other_ends_first = true;
	return fork_two(hold_meanwhile);
}

/* --- the first calls of a child ------------------------------------------- */

static void *make_socket(void *arg)
{
	(void)arg;
	close(socket(AF_INET, SOCK_STREAM, 0));
	return NULL;
}

static void begin_beside(const char *what, int fd)
{
	pthread_t other;

	(void)fd;
	if (strcmp(what, "asks for the time"))
		return;
	*below = NULL;
	pthread_create(&other, NULL, make_socket, NULL);
	pthread_join(other, NULL);
}

/* Traced.  The first call is in the midst of its beginning. */
static int first(void)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		call_back(begin_beside);
		make_socket(NULL);
		_exit(*below != NULL);
	}
	waitpid(pid, &status, 0);
	WANT(status, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct probe_case cases[] = {
		{"moved", moved}, {"slow", slow},   {"begun", begun},
		{"shut", shut},   {"mark", mark},   {"replaced", replaced},
		{"forks", forks}, {"masks", masks}, {"first", first},
		{"twice", twice},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
