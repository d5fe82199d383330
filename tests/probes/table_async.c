/*
 * table_async.c - calls that do not simply return: signal handlers that use
 * sockets themselves, longjmp, cancellation, a close from another thread
 * (tests/e2e/table.sh).
 *
 * DELAY cases run with `recv:delay=100ms:role=accepted`.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"
#include "tests/raw.h"

static struct pair outer, inner;
static sigjmp_buf back;
static _Atomic int n_signals;
static long inner_result;

static void on_alarm(void (*handler)(int), int flags, int ms)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval once = {.it_value = {.tv_usec = ms * 1000}};

	sigaction(SIGVTALRM, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
}

static void feed(int fd)
{
	if (send(fd, "12345678", DATA, 0) != DATA)
		die("send");
}

/* --- handlers that transfer ------------------------------------------- */

static void feed_and_recv(int sig)
{
	int saved = errno;

	(void)sig;
	n_signals++;
	feed(inner.client);
	inner_result = recv(inner.accepted, (char[DATA]){0}, DATA, 0);
	feed(outer.client);
	errno = saved;
}

/* The handler feeds the very recv that it interrupts. */
static int handler_transfers(void)
{
	outer = make_pair();
	inner = make_pair();
	on_alarm(feed_and_recv, SA_RESTART, 50);
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), 1);
	WANT(n_signals, 1);
	WANT(inner_result, 1);
	return 0;
}

static void recv_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	n_signals++;
	inner_result = recv(inner.accepted, (char[DATA]){0}, DATA, 0);
	errno = saved;
}

/* DELAY.  A delayed recv inside the delay of another. */
static int handler_waits(void)
{
	long start;

	outer = make_pair();
	inner = make_pair();
	feed(outer.client);
	feed(inner.client);
	on_alarm(recv_in_handler, SA_RESTART, 30);
	start = now_ms();
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	WANT(n_signals, 1);
	WANT(inner_result, DATA);
	WANT(now_ms() - start >= 100, true);
	return 0;
}

/* DELAY.  The same without SA_RESTART: EINTR, and the retry has waited. */
static int handler_waits_norestart(void)
{
	outer = make_pair();
	inner = make_pair();
	feed(outer.client);
	feed(inner.client);
	on_alarm(recv_in_handler, 0, 30);
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), -1);
	WANT(errno, EINTR);
	WANT(inner_result, DATA);
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	return 0;
}

/* --- longjmp ---------------------------------------------------------- */

static void jump(int sig)
{
	(void)sig;
	n_signals++;
	siglongjmp(back, 1);
}

/* recv:short=1B:nth=2: a call that never returned has not been counted. */
static int longjmp_out(void)
{
	outer = make_pair();
	WANT(recv_fed(outer.client, outer.accepted), DATA);
	if (!sigsetjmp(back, 1)) {
		on_alarm(jump, 0, 50);
		recv(outer.accepted, (char[DATA]){0}, DATA, 0);
		return 1;
	}
	WANT(n_signals, 1);
	WANT(recv_fed(outer.client, outer.accepted), 1);
	WANT(recv_fed(outer.client, outer.accepted), DATA);
	return 0;
}

/*
 * DELAY:nth=1+.  Many times: of the waits that were left a few may keep a
 * descriptor, as nothing tells that they are over, and no more than that.
 */
static int longjmp_out_of_delay(void)
{
	const int few = 4 + 2; /* and the helper's own two */
	int before;
	long start;

	outer = make_pair();
	feed(outer.client);
	before = open_descriptors();
	for (volatile int i = 0; i < 20; i++) {
		if (!sigsetjmp(back, 1)) {
			on_alarm(jump, 0, 2);
			recv(outer.accepted, (char[DATA]){0}, DATA, 0);
			return 1;
		}
	}
	WANT(n_signals, 20);
	WANT(open_descriptors() - before <= few, true);
	start = now_ms();
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	WANT(now_ms() - start <= 1000, true);
	feed(outer.client);
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	WANT(open_descriptors() - before <= few, true);
	return 0;
}

/* --- cancellation ----------------------------------------------------- */

static _Atomic bool entered;

static void *recv_once(void *arg)
{
	(void)arg;
	entered = true;
	recv(outer.accepted, (char[DATA]){0}, DATA, 0);
	return NULL;
}

static void tick(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

/* A thread that says `entered` and then does its call. */
static pthread_t entering(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	entered = false;
	if (pthread_create(&thread, NULL, run, arg))
		die("pthread_create");
	while (!entered)
		;
	return thread;
}

/* ... and waits in it by now. */
static pthread_t waiting(void *(*run)(void *), void *arg)
{
	pthread_t thread = entering(run, arg);

	tick(20);
	return thread;
}

/* How the thread ended: PTHREAD_CANCELED or not. */
static bool cancelled(long after_ms)
{
	pthread_t thread = entering(recv_once, NULL);
	void *end = NULL;

	tick(after_ms);
	pthread_cancel(thread);
	pthread_join(thread, &end);
	return end == PTHREAD_CANCELED;
}

static int cancel_recv(void)
{
	int before;

	outer = make_pair();
	before = open_descriptors();
	for (int i = 0; i < 5; i++)
		WANT(cancelled(10), true);
	WANT(open_descriptors(), before);
	WANT(recv_fed(outer.client, outer.accepted), 1);
	return 0;
}

/*
 * recv:delay=300ms:nth=1+.  The data is still there for another thread, whose
 * call is a new one.
 */
static int cancel_delay(void)
{
	int before;
	long start;

	outer = make_pair();
	feed(outer.client);
	/* The first hold brings the helper, which stays: so does the rule. */
	WANT(cancelled(10), true);
	before = open_descriptors();
	for (int i = 0; i < 5; i++)
		WANT(cancelled(10), true);
	WANT(open_descriptors(), before);
	start = now_ms();
	WANT(recv(outer.accepted, (char[DATA]){0}, DATA, 0), DATA);
	WANT(now_ms() - start >= 299, true);
	return 0;
}

/* recv:delay=100ms:nth=1+.  At any moment, between our own steps too. */
static int cancel_anywhere(void)
{
	int before;

	outer = make_pair();
	feed(outer.client);
	WANT(cancelled(10), true); /* the helper is there */
	before = open_descriptors();
	for (int i = 0; i < 1000; i++) {
		pthread_t thread;

		feed(outer.client);
		thread = entering(recv_once, NULL);
		for (volatile int spin = 0; spin < i * 40; spin++)
			;
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	WANT(open_descriptors(), before);
	return 0;
}

/* --- close under a thread that waits ---------------------------------- */

/* Closes the number: a new connection is accepted at it. */
static struct pair pair_at(int number)
{
	struct pair p;

	close(number);
	p.client = fcntl(connect_one(), F_DUPFD, 100);
	close(number);
	p.accepted = accept(listener(), NULL, NULL);
	return p;
}

/*
 * recv:short=1B:nth=2.  While the thread waits in recv on it, the number is
 * closed and given to a new connection; then the old one ends.  The new one's
 * calls are counted from 1, and it is known afterwards.
 */
static int close_under_thread(void)
{
	struct pair fresh;
	pthread_t thread;
	int number;

	outer = make_pair();
	number = outer.accepted;
	thread = waiting(recv_once, NULL);
	fresh = pair_at(number);
	WANT(fresh.accepted, number);
	feed(outer.client);
	pthread_join(thread, NULL);
	WANT(recv_fed(fresh.client, fresh.accepted), DATA);
	WANT(recv_fed(fresh.client, fresh.accepted), 1);
	/* Nobody else's entry is given away when it is closed. */
	close(fresh.accepted);
	for (int i = 0; i < 3; i++) {
		struct pair p = make_pair();

		WANT(recv_fed(p.client, p.accepted), DATA);
		WANT(recv_fed(p.client, p.accepted), 1);
	}
	return 0;
}

/*
 * The old connection ends when its entry is another's, and the number is free:
 * the next socket of that number takes nothing from the other connection.
 */
static int end_under_thread(void)
{
	struct pair a, b;
	pthread_t thread;
	int number, file;

	outer = make_pair();
	number = outer.accepted;
	thread = waiting(recv_once, NULL);
	close(number);
	file = open("/dev/null", O_RDONLY);
	WANT(file, number);
	a = make_pair();
	close(file);
	close(outer.client);
	pthread_join(thread, NULL);
	b = make_pair();
	for (int i = 0; i < 2; i++) {
		WANT(recv_fed(a.client, a.accepted), i ? 1 : DATA);
		WANT(recv_fed(b.client, b.accepted), i ? 1 : DATA);
	}
	return 0;
}

static struct sockaddr_in told_addr;
static int told_fd;

static void *connect_and_tell(void *arg)
{
	long *told = arg;

	entered = true;
	told[0] = connect(told_fd, (void *)&told_addr, sizeof(told_addr));
	told[1] = errno;
	return NULL;
}

/*
 * recv:short=1B:role=client.  A socket is closed under its connect; its entry
 * is another client's by the time that the connect fails.
 */
static int close_under_connect(void)
{
	long told[2] = {0};
	struct pair fresh;
	pthread_t thread;
	int kept;

	listener();
	full_listener(&told_addr);
	told_fd = socket(AF_INET, SOCK_STREAM, 0);
	thread = waiting(connect_and_tell, told);
	kept = (int)raw(SYS_fcntl, told_fd, F_DUPFD, 50, 0, 0, 0);
	fresh = pair_at(told_fd);
	WANT(recv_fed(fresh.accepted, fresh.client), 1);
	WANT(raw(SYS_shutdown, kept, SHUT_RDWR, 0, 0, 0, 0), 0);
	pthread_join(thread, NULL);
	WANT(told[0], -1);
	WANT(recv_fed(fresh.accepted, fresh.client), 1);
	return 0;
}

static void *accept_one(void *ret)
{
	entered = true;
	*(int *)ret = accept(told_fd, NULL, NULL);
	return NULL;
}

/*
 * recv:short=1B:port=PORT.  A listener is closed under accept, which goes on;
 * its entry is another listener's by the time that the last connection comes.
 */
static int close_under_accept(void)
{
	const char *port = strstr(getenv("FAULT_INJECT"), "port=");
	struct sockaddr_in a = {.sin_family = AF_INET};
	int one = 1, other;
	pthread_t thread;
	struct pair p;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)atoi(port + strlen("port=")));
	told_fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(told_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(told_fd, (void *)&a, sizeof(a)) || listen(told_fd, 1))
		die("listen");
	thread = waiting(accept_one, &p.accepted);
	close(told_fd);
	other = listener();
	p.client = socket(AF_INET, SOCK_STREAM, 0);
	WANT(connect(p.client, (void *)&a, sizeof(a)), 0);
	pthread_join(thread, NULL);
	WANT(p.accepted >= 0, true);
	WANT(known(&p), true);
	/* The other listener is what it was. */
	WANT(other, listener());
	p = make_pair();
	WANT(known(&p), false);
	return 0;
}

static void *recv_and_tell(void *arg)
{
	long *told = arg;

	entered = true;
	told[0] = recv(told_fd, (char[DATA]){0}, DATA, 0);
	told[1] = errno;
	return NULL;
}

/*
 * DELAY.  The call is on the connection that was closed, not on the next one of
 * the number; that one's data are left to it.
 */
static int close_under_delay(void)
{
	long told[2] = {0};
	struct pair fresh;
	pthread_t thread;

	outer = make_pair();
	told_fd = outer.accepted;
	feed(outer.client);
	thread = waiting(recv_and_tell, told);
	fresh = pair_at(told_fd);
	WANT(fresh.accepted, told_fd);
	feed(fresh.client);
	pthread_join(thread, NULL);
	WANT(told[0], -1);
	WANT(told[1], EBADF);
	WANT(recv(fresh.accepted, (char[DATA]){0}, DATA, 0), DATA);
	return 0;
}

static void *recv_much(void *ret)
{
	char much[4096];

	*(long *)ret = recv(outer.accepted, much, sizeof(much), 0);
	return NULL;
}

/*
 * recv:delay=300ms:nth=1:role=accepted.  A second thread that receives during
 * the delay of the first gets what is there, and does not wait for more.
 */
static int second_reader(void)
{
	long first = 0, second = 0;
	pthread_t thread, other;

	outer = make_pair();
	feed(outer.client);
	pthread_create(&thread, NULL, recv_much, &first);
	poll(NULL, 0, 50);
	pthread_create(&other, NULL, recv_much, &second);
	poll(NULL, 0, 400);
	feed(outer.client);
	pthread_join(thread, NULL);
	pthread_join(other, NULL);
	WANT(first, DATA);
	WANT(second, DATA);
	return 0;
}

/* --- fork while libc has its streams locked ---------------------------- */

static void *flush_all(void *arg)
{
	FILE *stream = arg;

	fputs("1234567", stream);
	entered = true;
	fflush(NULL);
	return NULL;
}

/*
 * send:delay=100ms:role=client.  libc's fork waits for the flush, which has to
 * come to its end.
 */
static int fork_while_flushed(void)
{
	pthread_t thread;
	FILE *stream;
	pid_t pid;

	outer = make_pair();
	stream = fdopen(outer.client, "w");
	thread = waiting(flush_all, stream);
	pid = fork();
	if (!pid) {
		/* Its own streams are free. */
		fclose(fopen("/dev/null", "r"));
		_exit(fputs("1234567", stream) < 0 || fflush(NULL));
	}
	pthread_join(thread, NULL);
	WANT(fclose(fopen("/dev/null", "r")), 0);
	WANT(waitpid(pid, &told_fd, 0), pid);
	WANT(told_fd, 0);
	WANT(recv(outer.accepted, (char[20]){0}, 14, MSG_WAITALL), 14);
	return 0;
}

/* send:reset:nth=1:role=client.  A thread that waits in recv is told so. */
static int reset_under_thread(void)
{
	long told[2] = {0};
	pthread_t thread;

	outer = make_pair();
	told_fd = outer.client;
	thread = waiting(recv_and_tell, told);
	WANT(send(outer.client, "12345678", DATA, 0), -1);
	WANT(errno, ECONNRESET);
	pthread_join(thread, NULL);
	WANT(told[0], -1);
	WANT(told[1], ECONNRESET);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"handler-transfers", handler_transfers},
		{"handler-waits", handler_waits},
		{"handler-waits-norestart", handler_waits_norestart},
		{"longjmp-out", longjmp_out},
		{"longjmp-out-of-delay", longjmp_out_of_delay},
		{"cancel-recv", cancel_recv},
		{"cancel-delay", cancel_delay},
		{"cancel-anywhere", cancel_anywhere},
		{"close-under-thread", close_under_thread},
		{"close-under-delay", close_under_delay},
		{"close-under-connect", close_under_connect},
		{"close-under-accept", close_under_accept},
		{"end-under-thread", end_under_thread},
		{"second-reader", second_reader},
		{"reset-under-thread", reset_under_thread},
		{"fork-while-flushed", fork_while_flushed},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
