/*
 * table_fds.c - descriptors that come and go in one process: copies, numbers
 * that mean something else by now, ranges, high numbers (tests/e2e/table.sh).
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <signal.h>

#include "table.h"
#include "tests/raw.h"

enum {
	HIGH = 70000
};

/* A descriptor with data that is no socket; wants the number fd. */
static int file_at(int fd)
{
	int file = open("/proc/self/exe", O_RDONLY);

	if (file < 0)
		die("open");
	return file == fd ? 0 : -1;
}

static long read_file(int fd)
{
	char data[DATA];
	ssize_t n = read(fd, data, sizeof(data));

	return n < 0 ? -errno : n;
}

/* Each way to copy, then the original goes. */
static int copies(void)
{
	struct pair p = make_pair();
	int first = p.accepted;

	WANT(known(&p), true);
	p.accepted = dup(first);
	close(first);
	WANT(known(&p), true);
	WANT(dup2(p.accepted, first), first);
	close(p.accepted);
	p.accepted = first;
	WANT(known(&p), true);
	WANT(dup3(p.accepted, 99, O_CLOEXEC), 99);
	close(p.accepted);
	p.accepted = 99;
	WANT(known(&p), true);
	p.accepted = fcntl(99, F_DUPFD, 200);
	close(99);
	WANT(p.accepted, 200);
	WANT(known(&p), true);
	p.accepted = fcntl(200, F_DUPFD_CLOEXEC, 300);
	syscall(SYS_close, 200);
	WANT(known(&p), true);
	p.accepted = (int)syscall(SYS_dup, 300);
	close(300);
	WANT(known(&p), true);
	return 0;
}

/* dup2 onto itself, failed copies: nothing changes. */
static int failed_copies(void)
{
	struct pair p = make_pair();

	WANT(dup2(p.accepted, p.accepted), p.accepted);
	WANT(dup3(p.accepted, p.accepted, 0), -1);
	WANT(dup2(-1, p.accepted), -1);
	WANT(dup2(p.accepted, -1), -1);
	WANT(fcntl(p.accepted, F_DUPFD, -1), -1);
	WANT(known(&p), true);
	WANT(close(-1), -1);
	WANT(close(p.accepted), 0);
	WANT(close(p.accepted), -1);
	WANT(errno, EBADF);
	return 0;
}

/* A pipe over a socket, a socket over a pipe. */
static int replaced(void)
{
	struct pair p = make_pair();
	int pipe_fds[2], copy = dup(p.accepted);

	WANT(pipe(pipe_fds), 0);
	WANT(write(pipe_fds[1], "12345678", DATA), DATA);
	WANT(dup2(pipe_fds[0], p.accepted), p.accepted);
	WANT(read_file(p.accepted), DATA);
	p.accepted = pipe_fds[0];
	WANT(dup2(copy, pipe_fds[0]), pipe_fds[0]);
	WANT(known(&p), true);
	return 0;
}

static int closed_number(void)
{
	struct pair p = make_pair();

	close(p.accepted);
	WANT(file_at(p.accepted), 0);
	WANT(read_file(p.accepted), DATA);
	return 0;
}

/* A client at a high number: the lowest ones stay free. */
static int connect_high(void)
{
	int low = connect_one(), high = fcntl(low, F_DUPFD, 500);

	close(low);
	return high;
}

/* stdio closes inside libc. */
static int closed_by_stdio(void)
{
	struct pair p = make_pair();
	FILE *f = fdopen(p.accepted, "r+");

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(fclose(f), 0);
	WANT(file_at(p.accepted), 0);
	WANT(read_file(p.accepted), DATA);
	return 0;
}

/* A number that stdio closed goes to a new connection. */
static int closed_by_stdio_again(void)
{
	struct pair p = make_pair();
	int number = p.accepted;

	WANT(known(&p), true);
	WANT(fclose(fdopen(number, "r+")), 0);
	p.client = connect_high();
	p.accepted = accept(listener(), NULL, NULL);
	WANT(p.accepted, number);
	WANT(known(&p), true);
	return 0;
}

static int close_by_stdio(int fd)
{
	return fclose(fdopen(fd, "r+"));
}

static int close_unseen(int fd)
{
	return (int)raw(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* recv:reset:nth=1, and the dead socket is closed: the next one lives. */
static int dead_by(int (*close_it)(int))
{
	struct pair p = make_pair();
	int number = p.accepted;
	char data[DATA];

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(number, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	/* The lowest free number is then that of the dead one. */
	p.client = connect_high();
	WANT(close_it(number), 0);
	p.accepted = accept(listener(), NULL, NULL);
	WANT(p.accepted, number);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(recv(number, data, DATA, 0), -1);
	WANT(errno, ECONNRESET);
	return 0;
}

static int dead_by_stdio(void)
{
	return dead_by(close_by_stdio);
}

static int dead_unseen(void)
{
	return dead_by(close_unseen);
}

static int ranges(void)
{
	struct pair p = make_pair();
	int kept = dup2(p.accepted, 100), gone = p.accepted;

	WANT(close_range((unsigned)gone, (unsigned)gone, 0), 0);
	p.accepted = kept;
	WANT(known(&p), true);
	WANT(close_range(100, 200, CLOSE_RANGE_CLOEXEC), 0);
	WANT(known(&p), true);
	/* Refused: nothing is closed. */
	WANT(close_range(100, 200, 1u << 20), -1);
	WANT(known(&p), true);
	WANT(close_range(200, 100, 0), -1);
	WANT(known(&p), true);
	WANT(file_at(gone), 0);
	WANT(read_file(gone), DATA);
	closefrom(100);
	WANT(fcntl(100, F_GETFD), -1);
	WANT(dup2(gone, 100), 100);
	WANT(read_file(100), DATA);
	return 0;
}

static int high_numbers(void)
{
	struct rlimit limit = {HIGH + 200, HIGH + 200};
	struct pair p = make_pair();
	int low = p.accepted;

	if (setrlimit(RLIMIT_NOFILE, &limit)) {
		puts("skip: RLIMIT_NOFILE cannot be raised");
		return 0;
	}
	WANT(fcntl(low, F_DUPFD, HIGH), HIGH);
	p.accepted = HIGH;
	WANT(known(&p), true);
	close(low);
	WANT(known(&p), true);
	WANT(dup2(HIGH, HIGH + 100), HIGH + 100);
	close(HIGH);
	p.accepted = HIGH + 100;
	WANT(known(&p), true);
	WANT(close_range(HIGH, ~0u, 0), 0);
	WANT(file_at(low), 0);
	WANT(dup2(low, HIGH + 100), HIGH + 100);
	WANT(read_file(HIGH + 100), DATA);
	return 0;
}

/* More than the table of sockets holds, if nothing were given back. */
static int many(void)
{
	struct pair p;

	for (int i = 0; i < 1000; i++) {
		p = make_pair();
		WANT(known(&p), true);
		close(p.client);
		close(p.accepted);
	}
	for (int i = 0; i < 140000; i++)
		close(socket(AF_INET, SOCK_STREAM, 0));
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

/* 0.0.0.0 is this machine; the kernel then names 127.0.0.1 as the peer. */
static int any_address(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), far;

	WANT(getsockname(listener(), (void *)&a, &len), 0);
	a.sin_addr.s_addr = INADDR_ANY;
	WANT(connect(fd, (void *)&a, len), 0);
	far = accept(listener(), NULL, NULL);
	WANT(recv_fed(far, fd), 1);
	return 0;
}

/* A copy made before connect shows the connect's own errno. */
static int so_error_of_copy(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = dup(fd), .events = POLLOUT};
	int value = 0;

	WANT(getsockname(listener(), (void *)&a, &len), 0);
	WANT(connect(fd, (void *)&a, len), -1);
	WANT(errno, EINPROGRESS);
	WANT(poll(&p, 1, 2000), 1);
	len = sizeof(value);
	WANT(getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &value, &len), 0);
	WANT(value, ETIMEDOUT);
	return 0;
}

/* accept:error=EAGAIN:nth=1 must not silence an edge-triggered listener. */
static int edge_of_listener(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int epfd = epoll_create1(0);

	WANT(fcntl(listener(), F_SETFL, O_NONBLOCK), 0);
	WANT(epoll_ctl(epfd, EPOLL_CTL_ADD, listener(), &e), 0);
	connect_one();
	WANT(epoll_wait(epfd, &e, 1, 2000), 1);
	WANT(accept(listener(), NULL, NULL), -1);
	WANT(errno, EAGAIN);
	WANT(epoll_wait(epfd, &e, 1, 2000), 1);
	WANT(accept(listener(), NULL, NULL) >= 0, true);
	return 0;
}

static void nothing(int sig)
{
	(void)sig;
}

/* poll:error=EINTR; the handler's signal is let in by pselect alone. */
static int mask_of_pselect(void)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct timespec second = {.tv_sec = 1};
	sigset_t usr1, none;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	WANT(ppoll(NULL, 0, &second, &none), -1);
	WANT(errno, EINTR);
	WANT(pselect(0, NULL, NULL, NULL, &second, &none), -1);
	/* And the other way round: what the call keeps out cannot interrupt. */
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	second.tv_sec = 0;
	second.tv_nsec = 1000000;
	WANT(ppoll(NULL, 0, &second, &usr1), 0);
	return 0;
}

/* A cut must not leave empty pieces only: that would look like the end. */
static int empty_pieces(void)
{
	struct pair p = make_pair();
	char data[DATA];
	struct iovec v[65] = {0};

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	v[64] = (struct iovec){data, DATA};
	WANT(readv(p.accepted, v, 65), 1);
	return 0;
}

/* recv:short=1B:nth=2.  What takes the long way (readv) counts as well. */
static int scattered_counts(void)
{
	struct pair p = make_pair();
	char data[DATA];
	struct iovec v = {data, DATA};

	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(readv(p.accepted, &v, 1), DATA);
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	WANT(readv(p.accepted, &v, 1), 1);
	WANT(readv(p.accepted, &v, 1), DATA - 1);
	return 0;
}

/* setsockopt:error=ENOPROTOOPT:nth=2.  A socket that is nothing yet counts. */
static int fresh_option(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	WANT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	WANT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), -1);
	WANT(errno, ENOPROTOOPT);
	WANT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"copies", copies},
		{"failed-copies", failed_copies},
		{"replaced", replaced},
		{"closed-number", closed_number},
		{"closed-by-stdio", closed_by_stdio},
		{"closed-by-stdio-again", closed_by_stdio_again},
		{"dead-by-stdio", dead_by_stdio},
		{"dead-unseen", dead_unseen},
		{"ranges", ranges},
		{"high-numbers", high_numbers},
		{"many", many},
		{"any-address", any_address},
		{"so-error-of-copy", so_error_of_copy},
		{"edge-of-listener", edge_of_listener},
		{"mask-of-pselect", mask_of_pselect},
		{"empty-pieces", empty_pieces},
		{"scattered-counts", scattered_counts},
		{"fresh-option", fresh_option},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
