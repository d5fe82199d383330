/*
 * crowd.c - a server with very many connections, most of them idle, and the
 * clients that open them: what does a call cost there?
 *
 *   crowd SERVERS EACH          a worker (worker.h), after two lines: the port,
 *                               and once all are open their number
 *   crowd client PORT COUNT     opens so many, and holds them until stdin ends
 *
 * A process may not have as many descriptors as there are to be connections:
 * SERVERS processes hold EACH, the worker itself is the last of them.  Clients
 * come from addresses of their own, since one has 28,000 ports.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/worker.h"

enum {
	BACKLOG = 1024,
	PER_ADDRESS = 4000,
	STEP = 7919, /* from one connection to the next that is asked */
	BATCH = 64
};

static struct sockaddr_in address = {.sin_family = AF_INET};
static int listener = -1, epoll = -1;
static int *fds;
static unsigned n_fds, turn;
static int near = -1, far = -1; /* the two ends of one that is busy */

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		worker_die("socket");
	return fd;
}

static void may_have_all(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* --- the clients -----------------------------------------------------------
 */

static int client(uint16_t port, unsigned count)
{
	/* They go with a reset, so that no port stays in TIME_WAIT. */
	const struct linger reset = {.l_onoff = 1};
	const int on = 1;
	char c;

	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_in from = {.sin_family = AF_INET};
		int fd = new_socket();

		from.sin_addr.s_addr = htonl(
			INADDR_LOOPBACK + 1 +
			((unsigned)getpid() * 8 + i / PER_ADDRESS) % 60000);
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		           sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) ||
		    connect(fd, (const struct sockaddr *)&address,
		            sizeof(address)))
			worker_die("client");
	}
	return read(STDIN_FILENO, &c, 1) < 0;
}

/* --- the server ------------------------------------------------------------
 */

static void listen_somewhere(void)
{
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = new_socket();
	if (bind(listener, (const struct sockaddr *)&address, len) ||
	    listen(listener, BACKLOG) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		worker_die("listener");
}

static int answer(int flags)
{
	int fd = accept4(listener, NULL, NULL, flags | SOCK_CLOEXEC);

	if (fd < 0)
		worker_die("accept4");
	return fd;
}

static void take_all(unsigned each)
{
	struct epoll_event in = {.events = EPOLLIN};

	epoll = epoll_create1(EPOLL_CLOEXEC);
	fds = calloc(each, sizeof(*fds));
	if (epoll < 0 || !fds)
		worker_die("epoll");
	for (n_fds = 0; n_fds < each; n_fds++) {
		in.data.fd = fds[n_fds] = answer(SOCK_NONBLOCK);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[n_fds], &in))
			worker_die("epoll_ctl");
	}
}

/* Takes its share, says so, and stays until the worker has gone. */
static void be_another(unsigned each, const int *said, const int *stay)
{
	char c;

	close(stay[1]);
	take_all(each);
	if (write(said[1], "x", 1) != 1 || read(stay[0], &c, 1) < 0)
		_exit(1);
	_exit(0);
}

static void serve(unsigned servers, unsigned each)
{
	int said[2], stay[2];
	char c;

	listen_somewhere();
	if (pipe(said) || pipe(stay))
		worker_die("pipe");
	for (unsigned i = 1; i < servers; i++) {
		if (fork() == 0)
			be_another(each, said, stay);
	}
	close(stay[0]);
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	take_all(each);
	for (unsigned i = 1; i < servers; i++) {
		if (read(said[0], &c, 1) != 1)
			worker_die("another server");
	}
	near = new_socket();
	if (connect(near, (const struct sockaddr *)&address, sizeof(address)))
		worker_die("connect");
	far = answer(SOCK_NONBLOCK);
	printf("%u\n", servers * each);
	fflush(stdout);
}

/* --- cases -----------------------------------------------------------------
 */

static int another(void)
{
	turn = (turn + STEP) % n_fds;
	return fds[turn];
}

/* EAGAIN, each time on another connection. */
static int64_t run_recv(unsigned count)
{
	int64_t start = worker_now();
	char c;

	while (count--)
		if (recv(another(), &c, 1, 0) != -1 || errno != EAGAIN)
			worker_die("recv");
	return worker_now() - start;
}

/* One more that is told of among all: epoll_wait, recv, send. */
static int64_t run_serve(unsigned count)
{
	struct epoll_event in = {.events = EPOLLIN, .data.fd = far}, got;
	int64_t start;
	char c = 'x';

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, far, &in))
		worker_die("epoll_ctl");
	start = worker_now();
	while (count--)
		if (send(near, &c, 1, 0) != 1 ||
		    epoll_wait(epoll, &got, 1, 1000) != 1 ||
		    recv(got.data.fd, &c, 1, 0) != 1 ||
		    send(got.data.fd, &c, 1, 0) != 1 ||
		    recv(near, &c, 1, 0) != 1)
			worker_die("serve");
	start = worker_now() - start;
	epoll_ctl(epoll, EPOLL_CTL_DEL, far, NULL);
	return start;
}

static void hang_up(const int *clients, unsigned n)
{
	const struct linger reset = {.l_onoff = 1};

	for (unsigned i = 0; i < n; i++) {
		setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset,
		           sizeof(reset));
		close(clients[i]);
	}
}

typedef void connection_case(int fd);

/* What is done with connections that wait, and are new to the table. */
static int64_t with_new(unsigned count, connection_case *act)
{
	int64_t spent = 0;
	int clients[BATCH];

	while (count) {
		unsigned n = count < BATCH ? count : BATCH;
		int64_t start;

		for (unsigned i = 0; i < n; i++) {
			clients[i] = new_socket();
			if (connect(clients[i],
			            (const struct sockaddr *)&address,
			            sizeof(address)))
				worker_die("connect");
		}
		start = worker_now();
		for (unsigned i = 0; i < n; i++)
			act(answer(0));
		spent += worker_now() - start;
		hang_up(clients, n);
		count -= n;
	}
	return spent;
}

static void just_close(int fd)
{
	close(fd);
}

static int64_t run_accept(unsigned count)
{
	return with_new(count, just_close);
}

/* A second descriptor of it, and one half is closed: both have to know. */
static void copy_and_close(int fd)
{
	int copy = dup(fd);

	if (copy < 0 || shutdown(fd, SHUT_WR) || close(copy) || close(fd))
		worker_die("dup, shutdown, close");
}

static int64_t run_dup(unsigned count)
{
	return with_new(count, copy_and_close);
}

static int64_t run_fork(unsigned count)
{
	int64_t start = worker_now();

	while (count--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			worker_die("fork");
	}
	return worker_now() - start;
}

static const struct worker_case cases[] = {
	{"recv", run_recv}, {"serve", run_serve}, {"accept", run_accept},
	{"dup", run_dup},   {"fork", run_fork},   {NULL, NULL},
};

int main(int argc, char **argv)
{
	may_have_all();
	if (argc == 4 && !strcmp(argv[1], "client"))
		return client((uint16_t)strtoul(argv[2], NULL, 10),
		              (unsigned)strtoul(argv[3], NULL, 10));
	if (argc != 3) {
		fputs("usage: crowd SERVERS EACH | client PORT COUNT\n",
		      stderr);
		return 2;
	}
	serve((unsigned)strtoul(argv[1], NULL, 10),
	      (unsigned)strtoul(argv[2], NULL, 10));
	return worker_main(1, argv, cases);
}
