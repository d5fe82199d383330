/*
 * dprintf.c - dprintf on a socket: each case prints what it returned, what it
 * left in errno, and what the peer got.  What is printed is to be the same
 * without the library and with it (tests/e2e/dprintf.sh).
 *
 *   dprintf [CASE…]
 */
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "stdio_probe.h"

/* Formats are what is tried here. */
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-zero-length"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);

static char big[300000];
static _Atomic int pipes;

static void broken(int sig)
{
	(void)sig;
	pipes++;
}

static int result(const char *what, int n)
{
	int err = errno;

	printf("%s: %d errno %d, %d SIGPIPE\n", what, n, err, pipes);
	pipes = 0;
	errno = 0;
	return n;
}

/* What the peer got: short ones as they are, of long ones a sum. */
static void arrived(int wanted)
{
	static char buf[sizeof(big)];
	ssize_t n = 0, got;
	unsigned sum = 0;

	if (wanted <= 0)
		wait_arrived(s.fd);
	do {
		got = recv(s.peer, buf + n, sizeof(buf) - (size_t)n,
		           n < wanted ? 0 : MSG_DONTWAIT);
		n += got > 0 ? got : 0;
	} while (got > 0);
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)buf[i];
	printf("  peer %zd %u", n, sum);
	if (n > 0 && n < 200)
		printf(" %.*s", (int)n, buf);
	putchar('\n');
	errno = 0;
}

static void start(void)
{
	begin();
	memset(big, 'x', sizeof(big) - 1);
	signal(SIGPIPE, broken);
	pipes = 0;
	errno = 0;
}

static int by_list(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vdprintf(fd, format, args);
	va_end(args);
	return n;
}

static int by_checked_list(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __vdprintf_chk(fd, 1, format, args);
	va_end(args);
	return n;
}

#define SAY(...)                                                               \
	do {                                                                   \
		arrived(result(#__VA_ARGS__, dprintf(s.fd, __VA_ARGS__)));     \
		arrived(result("list", by_list(s.fd, __VA_ARGS__)));           \
		arrived(result("chk", __dprintf_chk(s.fd, 1, __VA_ARGS__)));   \
		arrived(result("list, chk",                                    \
		               by_checked_list(s.fd, __VA_ARGS__)));           \
	} while (0)

/* --- formats ----------------------------------------------------------------
 */

static void formats(void)
{
	static const char bad[] = "abc%";
	static const char odd[] = "abc%!";
	static char *volatile no_text[1];

	start();
	SAY("");
	SAY("%s", "");
	SAY("plain\n");
	SAY("%d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8);
	SAY("%f %g %a %e", 1.5, 2.5, 3.5, 4.5);
	SAY("%f %d %f %d %f %d %f %d %f %d %f %d %f %d %f %d %f %d %f", 1., 1,
	    2., 2, 3., 3, 4., 4, 5., 5, 6., 6, 7., 7, 8., 8, 9., 9, 10.);
	SAY("%Lf %d %Lg %s %f", 1.25L, 7, 2.5L, "text", 3.5);
	SAY("%2$s %1$d %3$f", 1, "two", 3.);
	SAY("%jd %zu %hhd %c%c", (intmax_t)-1, (size_t)2, 300, 0, 'c');
	SAY("%ls|%lc", L"wide", L'w');
	SAY("%s|%ls|", "before", L"\x20ac");
	SAY("%p", (void *)NULL);
	SAY("%s", *no_text);
	SAY(bad, 1);
	SAY(odd, 1);
	errno = EXDEV;
	arrived(result("errno printed", dprintf(s.fd, "%m %d", 1)));
	errno = EXDEV;
	arrived(result("errno kept", dprintf(s.fd, "%d", 1)));
}

static void counted(void)
{
	static const char format[] = "%s%n%s";
	int n = -1;

	start();
	arrived(result("%n", dprintf(s.fd, format, "12345", &n, "678")));
	printf("%%n %d\n", n);
	shutdown(s.fd, SHUT_WR);
	n = -1;
	result("%n, broken", dprintf(s.fd, format, big, &n, "678"));
	printf("%%n %d\n", n);
}

/* --- how much ------------------------------------------------------------- */

static void sizes(void)
{
	static const int lengths[] = {1,    4095, 4096,  4097,  5000,
	                              8192, 8193, 60000, 100000};

	start();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int n = lengths[i];

		SAY("%.*s", n, big);
		SAY("ab%.*scd%d\n", n, big, n);
		SAY("%*d|%*d", n, 1, n / 2, 2);
	}
}

/* --- errors --------------------------------------------------------------- */

static void errors(void)
{
	start();
	shutdown(s.fd, SHUT_WR);
	SAY("short");
	SAY("%s", "");
	SAY("%.*s%d", 100000, big, 3);
	SAY("a%.*s", 5000, big);
	close(s.peer);
	close(s.fd);
	start();
	peer_resets();
	SAY("after a reset");
	SAY("%.*s", 9000, big);
	close(s.fd);
	SAY("closed");
	SAY("");
	s.fd = -1;
	SAY("negative");
}

static void small_buffers(void)
{
	int size = 4096;

	setsockopt(s.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(s.peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* Until the peer has all that it takes, and not a byte more goes. */
static void fill(int fd, int n)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	do {
		while (dprintf(fd, "%.*s", n, big) > 0)
			;
	} while (send(fd, "", 1, MSG_DONTWAIT) > 0 || poll(&p, 1, 50));
}

static void full(void)
{
	static const int lengths[] = {20, 5000, 250000};

	for (size_t i = 0; i < 3; i++) {
		start();
		small_buffers();
		fcntl(s.fd, F_SETFL, O_NONBLOCK);
		result("part", dprintf(s.fd, "%s", big));
		fill(s.fd, lengths[i]);
		errno = 0;
		result("short", dprintf(s.fd, "x"));
		result("nothing", dprintf(s.fd, "%s", ""));
		result("long", dprintf(s.fd, "%.*s", 6000, big));
		close(s.peer);
		close(s.fd);
	}
}

static void timed(void)
{
	struct timeval t = {0, 50000};

	start();
	small_buffers();
	setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	result("in time", dprintf(s.fd, "%s", big));
}

static void not_connected(void)
{
	start();
	close(s.fd);
	s.fd = socket(AF_INET, SOCK_STREAM, 0);
	result("not connected", dprintf(s.fd, "text"));
	result("long", dprintf(s.fd, "%s", big));
}

/* --- who has the number --------------------------------------------------- */

static void numbers(void)
{
	struct rlimit l;
	int first;

	start();
	first = s.fd;
	if (!getrlimit(RLIMIT_NOFILE, &l)) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	s.fd = fcntl(first, F_DUPFD, 70000);
	if (s.fd < 0)
		s.fd = dup(first);
	SAY("%f %d %Lf", 1.5, 2, 2.5L);
	/* Behind the library's back: another file, and none. */
	syscall(SYS_dup2, s.peer, first);
	s.peer = s.fd;
	s.fd = first;
	SAY("the other end");
	syscall(SYS_close, first);
	SAY("none");
	SAY("");
}

/* --- no memory ------------------------------------------------------------ */

void *__libc_malloc(size_t size);
static int mallocs_left = -1;

void *malloc(size_t size)
{
	if (!mallocs_left) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

static void no_memory(void)
{
	int n;

	start();
	printf("x\n"); /* stdout's own */
	fflush(stdout);
	mallocs_left = 0;
	errno = 0;
	n = dprintf(s.fd, "%d %f\n", 1, 2.5);
	mallocs_left = -1;
	arrived(result("no memory", n));
}

/* --- at the same time ----------------------------------------------------- */

enum {
	THREADS = 8,
	LINES = 200
};

static void *talks(void *name)
{
	for (int i = 0; i < LINES; i++)
		if (dprintf(s.fd, "%s %4d %s\n", (char *)name, i,
		            "of a line that is sent at once") < 10)
			exit(3);
	return NULL;
}

/* Lines of the peer that are whole, until it has this many. */
static int whole(int wanted)
{
	FILE *in = fdopen(dup(s.peer), "r");
	char line[200];
	int n = 0;

	for (int i = 0; i < wanted && fgets(line, sizeof(line), in); i++)
		n += strlen(line) > 7 &&
		     !strcmp(line + 7, "of a line that is sent at once\n");
	fclose(in);
	return n;
}

static void threads(void)
{
	static char names[THREADS][2];
	pthread_t t[THREADS];

	start();
	for (int i = 0; i < THREADS; i++) {
		names[i][0] = (char)('a' + i);
		pthread_create(&t[i], NULL, talks, names[i]);
	}
	printf("whole lines %d\n", whole(THREADS * LINES));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* A handler that interrupts a call which waits: neither waits for the other. */
static int other_fd;
static _Atomic int handled;

static void handler(int sig)
{
	(void)sig;
	handled = dprintf(other_fd, "by the handler %d %f\n", 1, 2.5);
}

static void *reads_later(void *main_thread)
{
	static char buf[sizeof(big)];
	struct pollfd p = {.fd = s.fd, .events = POLLOUT};
	size_t n = 0;
	ssize_t got;

	while (poll(&p, 1, 50))
		;
	pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
	while (!handled)
		usleep(100);
	while (n < sizeof(big) - 1 &&
	       (got = read(s.peer, buf, sizeof(buf))) > 0)
		n += (size_t)got;
	printf("read %zu\n", n);
	return NULL;
}

static void signals(void)
{
	struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t reader, self = pthread_self();
	int other_peer, n, size = 4096;

	sigaction(SIGUSR1, &a, NULL);
	start();
	other_fd = s.fd;
	other_peer = s.peer;
	start();
	setsockopt(s.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pthread_create(&reader, NULL, reads_later, &self);
	n = dprintf(s.fd, "%s", big);
	pthread_join(reader, NULL);
	errno = 0;
	result("interrupted", n);
	s.fd = other_fd;
	s.peer = other_peer;
	arrived(handled);
}

/* A thread in a call that waits is cancelled. */
static void *waits(void *arg)
{
	(void)arg;
	for (;;)
		dprintf(s.fd, "%s", big);
	return NULL;
}

/* libc's own leaves its stream on that thread's stack: no exit. */
static void cancelled(void)
{
	struct pollfd p;
	pthread_t t;
	void *end;

	start();
	small_buffers();
	p = (struct pollfd){.fd = s.fd, .events = POLLOUT};
	pthread_create(&t, NULL, waits, NULL);
	while (poll(&p, 1, 50))
		;
	pthread_cancel(t);
	pthread_join(t, &end);
	printf("cancelled %d\n", end == PTHREAD_CANCELED);
	fflush(stdout);
	_exit(0);
}

/* --- for faults to hit ---------------------------------------------------- */

static void line(void)
{
	start();
	result("one", dprintf(s.fd, "first\n"));
	result("two", dprintf(s.fd, "%s %d\n", "second", 2));
}

static void two(void)
{
	start();
	arrived(result("long", dprintf(s.fd, "a%.*sb", 4999, big)));
}

static void nonblocking(void)
{
	start();
	fcntl(s.fd, F_SETFL, O_NONBLOCK);
	result("one", dprintf(s.fd, "first\n"));
	arrived(result("two", dprintf(s.fd, "%s %d\n", "second", 2)));
}

static void slow(void)
{
	struct timespec a, b;

	start();
	clock_gettime(CLOCK_MONOTONIC, &a);
	result("late", dprintf(s.fd, "%d\n", 1));
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("waited %d\n",
	       (b.tv_sec - a.tv_sec) * 1000 +
	                       (b.tv_nsec - a.tv_nsec) / 1000000 >=
	               95);
}

static const struct probe_case cases[] = {
	{"formats", formats},
	{"counted", counted},
	{"sizes", sizes},
	{"errors", errors},
	{"full", full},
	{"timed", timed},
	{"not-connected", not_connected},
	{"numbers", numbers},
	{"no-memory", no_memory},
	{"threads", threads},
	{"signals", signals},
	{"cancelled", cancelled},
};

static const struct probe_case faults[] = {
	{"line", line},
	{"two", two},
	{"nonblocking", nonblocking},
	{"slow", slow},
};

/* Without a name, those of `cases`. */
static int run(int argc, char **argv)
{
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	if (argc > 1)
		run_cases(faults, sizeof(faults) / sizeof(faults[0]), argc,
		          argv);
	return 0;
}

#ifndef DPRINTF_FORTIFY
int main(int argc, char **argv)
{
	return run(argc, argv);
}
#endif
