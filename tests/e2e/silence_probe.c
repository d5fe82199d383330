/*
 * silence_probe.c - the two ends of silence.sh: a program whose system calls
 * are the same ones in each run, and a client that asks one thing at a time.
 *
 *   silence_probe life N        N connections from birth to death, each call
 *                               of the TCP lifecycle at both ends; what each
 *                               process has in the end, threads and
 *                               descriptors, is printed
 *   silence_probe ask PORT N REQUEST
 *                               N connections, one after another, each open
 *                               until the server closes it; before and after
 *                               them one whose request says "begin-here" and
 *                               "end-here" where REQUEST says "one"
 *
 * Deterministic by construction: no call can give one result or another by the
 * clock.  Where two processes meet, one waits for the other in a blocking call.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0 && !connect(fd, (const struct sockaddr *)&address,
	                          sizeof(address)),
	      "connect");
	return fd;
}

/* --- ask ------------------------------------------------------------------ */

static void ask(const char *request, const char *word)
{
	const char *at = strstr(request, "one");
	char text[256], reply[4096];
	int fd = dial();
	ssize_t n;
	int len;

	check(at != NULL, "a request without \"one\"");
	len = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - request),
	               request, word, at + 3);
	check(send(fd, text, (size_t)len, 0) == len, "send");
	do
		n = recv(fd, reply, sizeof(reply), 0);
	while (n > 0);
	check(!n, "recv");
	close(fd);
}

static int ask_all(const char *port, int n, const char *request)
{
	address.sin_port = htons((uint16_t)atoi(port));
	ask(request, "begin-here");
	for (int i = 0; i < n; i++)
		ask(request, "one");
	ask(request, "end-here");
	return 0;
}

/* --- life ----------------------------------------------------------------- */

static void tell_entries(const char *what, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *d;
	int n = 0;

	check(dir != NULL, path);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	dprintf(1, " %d %s", n, what);
}

static void tell(const char *who)
{
	dprintf(1, "%s:", who);
	tell_entries("threads", "/proc/self/task");
	tell_entries("descriptors\n", "/proc/self/fd");
}

/* --- life: the client ----------------------------------------------------- */

static int dial_nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int err = 1;

	check(fd >= 0, "socket");
	check(connect(fd, (const struct sockaddr *)&address, sizeof(address)) &&
	              errno == EINPROGRESS,
	      "non-blocking connect");
	check(poll(&p, 1, -1) == 1, "poll");
	check(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && !err,
	      "SO_ERROR");
	check(!fcntl(fd, F_SETFL, 0), "F_SETFL");
	return fd;
}

/* Registered before it is connected, edge-triggered, as event loops do it. */
static int dial_registered(int epoll)
{
	struct epoll_event e = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	check(fd >= 0 && !epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), "ADD");
	check(connect(fd, (const struct sockaddr *)&address, sizeof(address)) &&
	              errno == EINPROGRESS,
	      "non-blocking connect");
	do
		check(epoll_wait(epoll, &e, 1, -1) == 1, "epoll_wait");
	while (!(e.events & EPOLLOUT) || e.events & EPOLLHUP);
	e.events = EPOLLIN | EPOLLET;
	check(!epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e), "MOD");
	check(!fcntl(fd, F_SETFL, 0), "F_SETFL");
	return fd;
}

/* Two messages, the half-close, the other end's last word, the end. */
static void client_talk(int fd)
{
	char c, b = 'b';
	struct iovec iov = {&b, 1};

	check(send(fd, "a", 1, 0) == 1 && recv(fd, &c, 1, 0) == 1, "a");
	check(writev(fd, &iov, 1) == 1 && read(fd, &c, 1) == 1, "b");
	check(!shutdown(fd, SHUT_WR), "shutdown");
	check(recv(fd, &c, 1, 0) == 1 && recv(fd, &c, 1, 0) == 0, "the end");
	check(!close(fd), "close");
}

/*
 * Each connection is over at both ends before the next begins: the server
 * writes a byte into the pipe when it has closed.
 */
static void client(int n, int turns)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	char c;

	for (int i = 0; i < n; i++) {
		client_talk(dial());
		check(read(turns, &c, 1) == 1, "turn");
		client_talk(dial_nonblocking());
		check(read(turns, &c, 1) == 1, "turn");
		client_talk(dial_registered(epoll));
		check(read(turns, &c, 1) == 1, "turn");
	}
	tell("client");
	_exit(0);
}

/* --- life: the server ----------------------------------------------------- */

static void echo(int fd)
{
	struct iovec iov = {NULL, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	char c;

	iov.iov_base = &c;
	check(recvmsg(fd, &msg, 0) == 1 && sendmsg(fd, &msg, 0) == 1, "echo");
	check(readv(fd, &iov, 1) == 1 && write(fd, &c, 1) == 1, "echo");
}

/* In a child, on a duplicate: the rest of the conversation. */
static void finish(int fd)
{
	int copy = dup(fd);
	char c;

	check(copy >= 0 && !close(fd), "dup");
	check(recv(copy, &c, 1, 0) == 0 && send(copy, "c", 1, 0) == 1, "c");
	check(!shutdown(copy, SHUT_WR) && !close(copy), "the end");
	_exit(0);
}

/* What else a program may ask about a connection with a byte to read. */
static void look_closer(int fd)
{
	int value = 1, queued;
	socklen_t len = sizeof(value);
	char c;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	check(select(fd + 1, &set, NULL, NULL, NULL) == 1, "select");
	check(!setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, len) &&
	              !getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &len) &&
	              value == 1,
	      "SO_RCVLOWAT");
	check(!ioctl(fd, FIONREAD, &queued) && queued == 1, "FIONREAD");
	check(recv(fd, &c, 1, MSG_PEEK) == 1, "MSG_PEEK");
}

static void serve_one(int listener, int epoll)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int status;

	check(fd >= 0, "accept4");
	check(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) &&
	              epoll_wait(epoll, &e, 1, -1) == 1,
	      "epoll");
	check(poll(&p, 1, -1) == 1, "poll");
	look_closer(fd);
	echo(fd);
	check(!epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), "epoll_ctl");

	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (!pid)
		finish(fd);
	check(!close(fd) && waitpid(pid, &status, 0) == pid && !status,
	      "the child");
}

static int make_listener(void)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0 && !bind(fd, (const struct sockaddr *)&address, len) &&
	              !listen(fd, 8) &&
	              !getsockname(fd, (struct sockaddr *)&address, &len),
	      "listener");
	return fd;
}

/* Sockets that never meet anybody, and descriptors that are none. */
static void others(int epoll)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int ends[2], pair[2];
	char c;

	check(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) && !close(fd), "close");
	check(!close(socket(AF_INET, SOCK_DGRAM, 0)), "close");
	check(!pipe(ends) && write(ends[1], "x", 1) == 1 &&
	              read(ends[0], &c, 1) == 1,
	      "pipe");
	check(!close(ends[0]) && !close(ends[1]), "close");
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) &&
	              send(pair[0], "x", 1, 0) == 1 &&
	              recv(pair[1], &c, 1, 0) == 1,
	      "socketpair");
	check(!close(pair[0]) && !close(pair[1]), "close");
}

static int life(int n)
{
	int listener = make_listener();
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int turns[2], status;
	pid_t pid;

	check(epoll >= 0 && !pipe(turns), "descriptors");
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid)
		client(n, turns[0]);
	for (int i = 0; i < n; i++) {
		for (int style = 0; style < 3; style++) {
			serve_one(listener, epoll);
			check(write(turns[1], "t", 1) == 1, "turn");
		}
		others(epoll);
	}
	check(waitpid(pid, &status, 0) == pid && !status, "the client");
	tell("server");
	return 0;
}

int main(int argc, char **argv)
{
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (argc == 3 && !strcmp(argv[1], "life"))
		return life(atoi(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask_all(argv[2], atoi(argv[3]), argv[4]);
	fputs("usage: silence_probe life N | ask PORT N REQUEST\n", stderr);
	return 2;
}
