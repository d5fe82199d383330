/*
 * rare.c - what few programs do (tests/e2e/rare.sh): waits on alternate stacks,
 * ends of a stream by state, sends that break off, children of vfork.
 *
 * DELAY cases run with `recv:delay=100ms:role=accepted`.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <wordexp.h>

#include "table.h"

enum {
	DELAY_MS = 100,
	WAIT_MS = 5000,
};

static struct pair outer, inner;
static char data[DATA];

/* Time is the event here. */
static void sleep_until(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000,
	                     .tv_nsec = ms % 1000 * 1000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static void feed(int fd)
{
	if (send(fd, "12345678", DATA, 0) != DATA)
		die("send");
}

static int polled(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

/* --- waits that are left, and waits on another stack ---------------------- */

static char stack_of_handlers[1 << 16];
static sigjmp_buf back;
static long inner_result;

static void use_other_stack(void)
{
	const stack_t s = {.ss_sp = stack_of_handlers,
	                   .ss_size = sizeof(stack_of_handlers)};

	if (sigaltstack(&s, NULL))
		die("sigaltstack");
}

static void on_signal(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	sigaction(sig, &sa, NULL);
}

static void alarm_in(int ms)
{
	struct itimerval once = {.it_value = {.tv_usec = ms * 1000}};

	setitimer(ITIMER_REAL, &once, NULL);
}

static void jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void recv_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	inner_result = recv(inner.accepted, data, DATA, 0);
	errno = saved;
}

/* DELAY:nth=1.  On the stack of handlers, inside a wait on the program's. */
static int alternate_nested(void)
{
	long start;

	outer = make_pair();
	inner = make_pair();
	feed(outer.client);
	feed(inner.client);
	use_other_stack();
	on_signal(SIGALRM, recv_in_handler, SA_RESTART | SA_ONSTACK);
	start = now_ms();
	alarm_in(30);
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	WANT(inner_result, DATA);
	WANT(now_ms() - start >= 130, true);
	return 0;
}

/* A delay that is waited for to its end. */
static int whole_delay(void)
{
	feed(outer.client);
	return (int)recv(outer.accepted, data, DATA, 0);
}

/* Bytes that the kernel has, by a call that nobody wraps. */
static int queued(int fd)
{
	int n = 0;

	syscall(SYS_ioctl, fd, FIONREAD, &n);
	return n;
}

/* DELAY.  What a wait that was left has kept, the next one gives back. */
static int left(void)
{
	int before;
	long fed;

	outer = make_pair();
	on_signal(SIGALRM, jump, 0);
	WANT(whole_delay(), DATA);
	before = open_descriptors();
	fed = now_ms();
	feed(outer.client);
	for (volatile int i = 0; i < 3; i++)
		if (!sigsetjmp(back, 1)) {
			alarm_in(10);
			recv(outer.accepted, data, DATA, 0);
			alarm_in(0);
			/* On a busy machine the delay may be over. */
			WANT(now_ms() - fed >= DELAY_MS, true);
		}
	if (!queued(outer.accepted))
		feed(outer.client);
	WANT(recv(outer.accepted, data, DATA, 0), DATA);
	WANT(whole_delay(), DATA);
	WANT(open_descriptors(), before);
	return 0;
}

static void jump_soon(int sig)
{
	sigset_t set;

	(void)sig;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	on_signal(SIGALRM, jump, SA_ONSTACK);
	alarm_in(10);
	recv(inner.accepted, data, DATA, 0);
}

/* DELAY.  The same on the stack of handlers, which nobody uses then. */
static int alternate_left(void)
{
	int before;

	outer = make_pair();
	inner = make_pair();
	use_other_stack();
	WANT(whole_delay(), DATA);
	before = open_descriptors();
	feed(inner.client);
	on_signal(SIGALRM, jump_soon, SA_ONSTACK);
	if (!sigsetjmp(back, 1)) {
		alarm_in(10);
		for (;;)
			pause();
	}
	WANT(whole_delay(), DATA);
	WANT(open_descriptors(), before);
	return 0;
}

/*
 * connect:delay=1s:nth=1.  A blocking receive on a connect that is held has a
 * time-out of its own; the connect goes on.
 */
static int timeout_of_held(void)
{
	const struct timeval t = {.tv_usec = 60000};
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	long start;

	getsockname(listener(), (void *)&a, &len);
	WANT(connect(fd, (void *)&a, len), -1);
	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	start = now_ms();
	WANT(recv(fd, data, DATA, 0), -1);
	WANT(errno, EAGAIN);
	WANT(now_ms() - start >= 60, true);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	WANT(connect(fd, (void *)&a, len), -1);
	WANT(errno, EALREADY);
	return 0;
}

/* --- states --------------------------------------------------------------- */

static int set_nodelay(int fd)
{
	const int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* The end shows a moment before the state does. */
static bool gets_into_state(int fd)
{
	long end = now_ms() + WAIT_MS;

	while (set_nodelay(fd) == 0 && now_ms() < end)
		sleep_until(now_ms() + 1);
	return set_nodelay(fd) == -1;
}

/* eof:age=300ms:role=accepted; setsockopt:error=ENOPROTOOPT:state=CLOSE_WAIT */
static int end_by_state(void)
{
	outer = make_pair();
	WANT(set_nodelay(outer.accepted), 0);
	WANT(polled(outer.accepted, POLLRDHUP, WAIT_MS), POLLRDHUP);
	WANT(gets_into_state(outer.accepted), true);
	return 0;
}

/* The same with state=LAST_ACK. */
static int end_of_both_by_state(void)
{
	outer = make_pair();
	WANT(shutdown(outer.accepted, SHUT_WR), 0);
	WANT(set_nodelay(outer.accepted), 0);
	WANT(polled(outer.accepted, POLLRDHUP, WAIT_MS) & POLLRDHUP, POLLRDHUP);
	WANT(gets_into_state(outer.accepted), true);
	return 0;
}

/* setsockopt:error=ENOPROTOOPT:state=FIN_WAIT.  One that failed was none. */
static int failed_shutdown(void)
{
	const struct linger now = {.l_onoff = 1};

	outer = make_pair();
	setsockopt(outer.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(outer.client);
	WANT(polled(outer.accepted, 0, WAIT_MS) & POLLERR, POLLERR);
	WANT(shutdown(outer.accepted, SHUT_WR), -1);
	WANT(set_nodelay(outer.accepted), 0);
	return 0;
}

static int unacknowledged(int fd)
{
	int n = -1;

	ioctl(fd, TIOCOUTQ, &n);
	return n;
}

/* recv:eof:connection=1.  What is lost is told as at a real end. */
static int lost_by_count(void)
{
	struct pair real;

	outer = make_pair();
	real = make_pair();
	close(real.client);
	WANT(recv(real.accepted, data, DATA, 0), 0);
	WANT(send(real.accepted, "12345", 5, 0), 5);
	WANT(polled(real.accepted, 0, WAIT_MS) & POLLHUP, POLLHUP);
	feed(outer.client);
	WANT(recv(outer.accepted, data, DATA, 0), 0);
	WANT(send(outer.accepted, "12345", 5, 0), 5);
	WANT(unacknowledged(outer.accepted), unacknowledged(real.accepted));
	return 0;
}

/* --- changed data --------------------------------------------------------- */

/*
 * send:corrupt=10B:nth=1:role=client.  A message that breaks off, at memory
 * that is not there, is the last: as without the rule.
 */
static int broken_message(void)
{
	static char good[1 << 16];
	char *hole =
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec parts[2] = {{good, sizeof(good)}, {hole, 4096}};
	struct iovec one = {good, 1};
	struct mmsghdr v[2] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}},
	                       {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}}};
	unsigned ours;

	outer = make_pair();
	WANT(sendmmsg(outer.client, v, 2, 0), 1);
	ours = v[0].msg_len;
	WANT(ours > 0 && ours <= sizeof(good), true);
	WANT(sendmmsg(outer.client, v, 2, 0), 1);
	WANT(v[0].msg_len > 0 && v[0].msg_len <= sizeof(good), true);
	return 0;
}

/* --- no descriptors ------------------------------------------------------- */

/*
 * socket:exhaust=descriptors:for=300ms:nth=1, and the same for 2: a child of
 * vfork has the one, its parent the other.
 */
static int exhaust_in_vfork(void)
{
	int fd, status = 0;
	pid_t pid = vfork();

	if (!pid) {
		close(socket(AF_INET, SOCK_STREAM, 0));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	WANT(status, 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	WANT(fd, -1);
	WANT(errno, EMFILE);
	return 0;
}

/*
 * socket:exhaust=descriptors:for=300ms:nth=1.  The limit is that of the program
 * as far as it has numbers.
 */
static int exhaust_above(void)
{
	static struct pollfd none[1500];
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < 4096) {
		puts("skip: the hard limit is low");
		return 0;
	}
	limit.rlim_cur = 4096;
	setrlimit(RLIMIT_NOFILE, &limit);
	WANT(dup2(STDERR_FILENO, 2000), 2000);
	for (int i = 0; i < 1500; i++)
		none[i].fd = -1;
	WANT(socket(AF_INET, SOCK_STREAM, 0), -1);
	WANT(errno, EMFILE);
	WANT(poll(none, 1500, 0), 0);
	WANT(dup2(STDERR_FILENO, 1999), 1999);
	return 0;
}

/* --- rules without a call ------------------------------------------------- */

static int is_reset(int fd)
{
	WANT(polled(fd, 0, WAIT_MS) & POLLHUP, POLLHUP);
	WANT(recv(fd, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

/* reset:age=150ms:role=accepted.  Each has its own time. */
static int each_in_its_time(void)
{
	struct pair first, second;
	long start = now_ms();

	first = make_pair();
	sleep_until(start + 100);
	start = now_ms();
	second = make_pair();
	WANT(is_reset(first.accepted), 0);
	WANT(is_reset(second.accepted), 0);
	WANT(now_ms() - start >= 150, true);
	return 0;
}

/* --- under `fault exec` --------------------------------------------------- */

static int threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = -2; /* . and .. */

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static bool is_asleep(int tid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %c", &state) != 1)
		state = '?';
	if (f)
		fclose(f);
	return state == 'S';
}

/* Until all threads but this one have nothing to do. */
static void await_others_asleep(void)
{
	bool all;

	do {
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;

		all = true;
		sleep_until(now_ms() + 20);
		while (d && (e = readdir(d)))
			if (atoi(e->d_name) && atoi(e->d_name) != gettid())
				all &= is_asleep(atoi(e->d_name));
		if (d)
			closedir(d);
	} while (!all);
}

/*
 * `first` is hit in a child; its parent, which only waits, has the rule after
 * it, for once.  Then there is nothing to wait for any more.
 */
static int told(void)
{
	pid_t pid;
	int status = 0;
	long end;

	listener();
	pid = fork();
	if (!pid) {
		outer.client = connect_one();
		WANT(recv(outer.client, data, DATA, 0), 1);
		_exit(polled(outer.client, 0, WAIT_MS) & POLLHUP ? 0 : 1);
	}
	outer.accepted = accept(listener(), NULL, NULL);
	await_others_asleep();
	feed(outer.accepted);
	WANT(is_reset(outer.accepted), 0);
	waitpid(pid, &status, 0);
	WANT(status, 0);
	end = now_ms() + WAIT_MS;
	while (threads() > 1 && now_ms() < end)
		sleep_until(now_ms() + 1);
	WANT(threads(), 1);
	return 0;
}

/*
 * recv:short=1B:role=accepted:connection=2.  What system(3) and popen(3) start
 * has the first connection, too, which makes it no other one; and what
 * wordexp(3) starts, which nobody is told of, takes nothing from its caller.
 */
static int after_system(void)
{
	wordexp_t words;
	FILE *f;

	outer = make_pair();
	WANT(recv_fed(outer.client, outer.accepted), DATA);
	WANT(system("exit 0"), 0);
	f = popen("exit 0", "r");
	WANT(pclose(f), 0);
	inner = make_pair();
	WANT(recv_fed(inner.client, inner.accepted), 1);
	WANT(recv_fed(outer.client, outer.accepted), DATA);
	WANT(system("exit 0"), 0);
	WANT(wordexp("$(exit 0)", &words, 0), 0);
	wordfree(&words);
	WANT(recv_fed(inner.client, inner.accepted), 1);
	return 0;
}

static int fault(const char *words)
{
	char line[128];

	snprintf(line, sizeof(line), "fault %s slow", words);
	return system(line);
}

/* recv:delay=1h:role=accepted:name=slow, while the program only waits. */
static int armed_again(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int set = epoll_create1(EPOLL_CLOEXEC);

	outer = make_pair();
	epoll_ctl(set, EPOLL_CTL_ADD, outer.accepted, &e);
	WANT(fault("disarm"), 0);
	feed(outer.client);
	WANT(epoll_wait(set, &e, 1, WAIT_MS), 1);
	WANT(recv(outer.accepted, data, DATA, 0), DATA);
	WANT(fault("arm"), 0);
	feed(outer.client);
	WANT(epoll_wait(set, &e, 1, 50), 0);
	WANT(fault("disarm"), 0);
	WANT(epoll_wait(set, &e, 1, WAIT_MS), 1);
	WANT(recv(outer.accepted, data, DATA, 0), DATA);
	return 0;
}

int main(int argc, char **argv)
{
	const struct probe_case cases[] = {
		{"alternate-nested", alternate_nested},
		{"left", left},
		{"alternate-left", alternate_left},
		{"timeout-of-held", timeout_of_held},
		{"end-by-state", end_by_state},
		{"end-of-both-by-state", end_of_both_by_state},
		{"failed-shutdown", failed_shutdown},
		{"lost-by-count", lost_by_count},
		{"broken-message", broken_message},
		{"exhaust-in-vfork", exhaust_in_vfork},
		{"exhaust-above", exhaust_above},
		{"each-in-its-time", each_in_its_time},
		{"told", told},
		{"after-system", after_system},
		{"armed-again", armed_again},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
