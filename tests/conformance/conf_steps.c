/*
 * conf_steps.c - the calls of a sequence. An order is a string, a letter is a
 * call. Capitals that stand first are the call that the rule is about, made
 * as the style says (blocking or not); all others never block.
 *
 *   R recv      r the same            k MSG_PEEK       q FIONREAD  o TIOCOUTQ
 *   X send      s the same, one byte  S with MSG_NOSIGNAL
 *   C connect   c connect again, now to somebody who listens
 *   A accept    a the same            j go on with the accepted socket
 *   B bind      b bind to a free port
 *   L listen    l the same
 *   D shutdown  d the same (SHUT_WR)  f SHUT_RDWR
 *   G getpeername  n the same         N getsockname
 *   O socket    u the same            v dup            V dup2 on a used number
 *   e SO_ERROR  t TCP state           h did our signal handler run?
 *   p readiness now   W readiness, with time   Z wait for HUP, nothing noted
 *   E what else needs a descriptor   g the soft limit of descriptors
 *   M poll with many entries   U close one, accept with it, open it again
 *   F wait until descriptors can be had again   T how long has it taken?
 *   m an injected end: the peer sends all the same   x the peer resets
 *   P what the peer sees    Q did the peer get just what was accepted?
 *   K has the peer's listener a connection?
 */
#include "conf.h"
#include "conf_real.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/clock.h"

unsigned char conf_pattern(uint64_t offset)
{
	return (unsigned char)('a' + offset % 23);
}

static void note_int(struct conf_probe *p, const char *name, long ret)
{
	if (ret < 0)
		conf_line(p, name, "-1 %s", conf_errno(errno));
	else
		conf_line(p, name, "%ld", ret);
}

static void do_recv(struct conf_probe *p, int flags, const char *name)
{
	char buf[64];

	note_int(p, name, recv(p->fd, buf, sizeof(buf), flags));
}

static void first_recv(struct conf_probe *p)
{
	do_recv(p, 0, "recv");
}

static void step_recv(struct conf_probe *p)
{
	do_recv(p, MSG_DONTWAIT, "recv");
}

static void step_peek(struct conf_probe *p)
{
	do_recv(p, MSG_DONTWAIT | MSG_PEEK, "peek");
}

static void note_send(struct conf_probe *p, ssize_t n, size_t len, int err)
{
	const struct conf_signals *s = &conf_signals;
	char text[64] = "";

	if (n > 0)
		p->n_sent += (uint64_t)n;
	if (n < 0)
		snprintf(text, sizeof(text), "-1 %s", conf_errno(err));
	else if (n > 0 && (size_t)n < len)
		strcpy(text, "short");
	else
		snprintf(text, sizeof(text), "all of %zu", len);
	conf_line(p, "send", "%s; SIGPIPE %d%s%s", text, s->n_pipe,
	          !s->n_pipe     ? ""
	          : s->pipe_here ? " in this thread"
	                         : " in another thread",
	          !s->n_pipe ? ""
	          : s->pipe_code == SI_USER && s->pipe_self
	                  ? ", from the kernel"
	                  : ", forged");
}

static void do_send(struct conf_probe *p, size_t len, int flags)
{
	unsigned char *buf = malloc(len);
	ssize_t n;
	int err;

	for (size_t i = 0; i < len; i++)
		buf[i] = conf_pattern(p->n_sent + i);
	conf_signals.n_pipe = 0;
	n = send(p->fd, buf, len, flags);
	err = errno;
	free(buf);
	note_send(p, n, len, err);
}

static void first_send(struct conf_probe *p)
{
	do_send(p, p->c->len ? p->c->len : 1, 0);
}

static void step_send(struct conf_probe *p)
{
	do_send(p, 1, MSG_DONTWAIT);
}

static void step_send_nosignal(struct conf_probe *p)
{
	do_send(p, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step_queued(struct conf_probe *p)
{
	int n = -1;

	note_int(p, "FIONREAD", ioctl(p->fd, FIONREAD, &n) ? -1 : n);
}

static void step_unsent(struct conf_probe *p)
{
	int n = -1;

	note_int(p, "TIOCOUTQ", ioctl(p->fd, TIOCOUTQ, &n) ? -1 : n);
}

/* A retransmitted SYN comes a second after the first. */
static void step_time(struct conf_probe *p)
{
	conf_line(p, "time", "%s",
	          now_ms() - p->began_ms < 900 ? "at once" : "a second");
}

static void first_connect(struct conf_probe *p)
{
	note_int(p, "connect",
	         connect(p->fd, (struct sockaddr *)&p->target, p->addr_len));
}

static void step_connect(struct conf_probe *p)
{
	fcntl(p->fd, F_SETFL, O_RDWR | O_NONBLOCK);
	note_int(p, "connect again",
	         connect(p->fd, (struct sockaddr *)&p->live, p->addr_len));
}

static void first_accept(struct conf_probe *p)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	int fd;

	if (p->stand_in) {
		errno = p->stand_in;
		p->stand_in = 0;
		fd = -1;
	} else {
		fd = accept4(p->listener, (struct sockaddr *)&sa, &len,
		             SOCK_CLOEXEC);
	}
	if (fd < 0) {
		note_int(p, "accept", -1);
		return;
	}
	p->accepted = fd;
	conf_line(p, "accept", "a connection from %s", conf_addr(&sa));
}

/* Never waits, in the blocking style either. */
static void step_accept(struct conf_probe *p)
{
	int flags = fcntl(p->listener, F_GETFL);

	fcntl(p->listener, F_SETFL, flags | O_NONBLOCK);
	first_accept(p);
}

static void step_switch(struct conf_probe *p)
{
	if (p->accepted < 0)
		return;
	p->fd = p->accepted;
	conf_ready_add(p);
}

static void first_bind(struct conf_probe *p)
{
	note_int(p, "bind",
	         bind(p->fd, (struct sockaddr *)&p->target, p->addr_len));
}

static void step_bind(struct conf_probe *p)
{
	struct sockaddr_storage sa;
	socklen_t len;

	conf_loopback(p->family, &sa, &len);
	note_int(p, "bind again", bind(p->fd, (struct sockaddr *)&sa, len));
}

static void step_listen(struct conf_probe *p)
{
	note_int(p, "listen", listen(p->fd, 8));
}

static void step_shut_wr(struct conf_probe *p)
{
	note_int(p, "shutdown write", shutdown(p->fd, SHUT_WR));
}

static void step_shut_rdwr(struct conf_probe *p)
{
	note_int(p, "shutdown both", shutdown(p->fd, SHUT_RDWR));
}

static void note_name(struct conf_probe *p, const char *name,
                      int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);

	if (get(p->fd, (struct sockaddr *)&sa, &len))
		note_int(p, name, -1);
	else
		conf_line(p, name, "%s", conf_addr(&sa));
}

static int peername(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

static int sockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

static void step_peername(struct conf_probe *p)
{
	note_name(p, "getpeername", peername);
}

static void step_sockname(struct conf_probe *p)
{
	note_name(p, "getsockname", sockname);
}

static void note_fd(struct conf_probe *p, const char *name, int fd)
{
	if (fd < 0) {
		note_int(p, name, -1);
		return;
	}
	conf_line(p, name, "a descriptor");
	close(fd);
}

static void step_socket(struct conf_probe *p)
{
	note_fd(p, "socket", socket(p->family, SOCK_STREAM, 0));
}

static void step_dup(struct conf_probe *p)
{
	note_fd(p, "dup", dup(p->fd));
}

static void step_dup2(struct conf_probe *p)
{
	int fd = dup2(STDERR_FILENO, STDIN_FILENO);

	conf_line(p, "dup2", "%s", fd < 0 ? conf_errno(errno) : "done");
}

static int a_pipe(void)
{
	int ends[2];

	if (pipe(ends))
		return -1;
	close(ends[1]);
	return ends[0];
}

static int a_pair(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -1;
	close(ends[1]);
	return ends[0];
}

static void step_everything(struct conf_probe *p)
{
	note_fd(p, "open", open("/dev/null", O_RDONLY));
	note_fd(p, "pipe", a_pipe());
	note_fd(p, "socketpair", a_pair());
	note_fd(p, "eventfd", eventfd(0, 0));
	note_fd(p, "epoll_create1", epoll_create1(0));
	note_fd(p, "F_DUPFD", fcntl(p->listener, F_DUPFD, 1000));
	note_int(p, "wrong protocol", socket(AF_INET, SOCK_STREAM, 999));
	note_int(p, "accept of none", accept(-1, NULL, NULL));
	note_int(p, "accept of a pipe", accept(STDOUT_FILENO, NULL, NULL));
}

static void step_limit(struct conf_probe *p)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	conf_line(p, "limit", "%ld", (long)limit.rlim_cur);
}

static void step_many(struct conf_probe *p)
{
	struct pollfd many[1024];

	for (int i = 0; i < 1024; i++)
		many[i] = (struct pollfd){.fd = i ? -1 : STDOUT_FILENO,
		                          .events = POLLOUT};
	note_int(p, "poll of 1024", poll(many, 1024, 0));
}

/* What a server keeps a descriptor in reserve for. */
static void step_reserve(struct conf_probe *p)
{
	close(STDIN_FILENO);
	step_accept(p);
	if (p->accepted >= 0)
		conf_line(p, "it got", "%d", p->accepted);
	if (p->accepted >= 0)
		conf_reset_close(p->accepted);
	p->accepted = -1;
	note_int(p, "reserve", open("/dev/null", O_RDONLY));
}

static void step_error(struct conf_probe *p)
{
	int err = -1;
	socklen_t len = sizeof(err);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len))
		note_int(p, "SO_ERROR", -1);
	else
		conf_line(p, "SO_ERROR", "%s", conf_errno(err));
}

static void step_state(struct conf_probe *p)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		note_int(p, "TCP state", -1);
	else
		conf_line(p, "TCP state", "%d", info.tcpi_state);
}

static void step_handler(struct conf_probe *p)
{
	conf_line(p, "handler", "ran %d", conf_signals.n_usr);
}

static void step_ready(struct conf_probe *p)
{
	conf_ready_show(p, 0);
}

static void step_wait(struct conf_probe *p)
{
	conf_ready_show(p, CONF_WAIT_MS);
}

static void step_settle(struct conf_probe *p)
{
	conf_await(p->fd, 0, 500);
}

/* Before anything has happened; conf_run() asks. */
static rlim_t usual_limit;

/*
 * The end of a shortage of descriptors is an event that only asking shows: the
 * numbers are free, then the limit is what it was.
 */
static bool is_over(int fd)
{
	struct rlimit limit;

	return fd >= 0 && !getrlimit(RLIMIT_NOFILE, &limit) &&
	       limit.rlim_cur >= usual_limit;
}

static void step_until_fds(struct conf_probe *p)
{
	struct timespec ts;
	time_t end;
	int fd;

	if (p->real)
		real_descriptors(p);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	end = ts.tv_sec + CONF_WAIT_MS / 1000;
	while (!is_over(fd = dup(p->listener)) && ts.tv_sec < end) {
		if (fd >= 0)
			close(fd);
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &ts);
	}
	conf_line(p, "dup", "%s",
	          fd < 0 ? conf_errno(errno) : "possible again");
	if (fd >= 0)
		close(fd);
}

/*
 * A peer whose end is real cannot send. What comes after an injected one is
 * waited for in the kernel's own count of it.
 */
static void step_send_on(struct conf_probe *p)
{
	if (!p->real)
		peer_sends_unasked(p);
}

static void step_peer_resets(struct conf_probe *p)
{
	real_peer_resets(p);
}

/*
 * The peer's view. When the situation was made for real by the peer, the peer
 * has no socket left to look at: then it is made on a connection of its own,
 * the other way round.
 */
static void step_peer(struct conf_probe *p)
{
	struct conf_probe other = *p;

	if (p->real && p->c->peer_real) {
		other.fd = other.epfd = -1;
		p->c->peer_real(&other);
	}
	conf_line(p, "peer", "%s", conf_peer_say(p, "observe", 0));
}

static void step_stream(struct conf_probe *p)
{
	conf_line(p, "peer's stream", "%s",
	          conf_peer_say(p, "stream", (long)p->n_sent));
}

static void step_look(struct conf_probe *p)
{
	conf_line(p, "peer's listener", "%s", conf_peer_say(p, "look", 0));
}

static const struct {
	char letter;
	void (*run)(struct conf_probe *p);
} steps[] = {
	{'R', first_recv},       {'r', step_recv},
	{'k', step_peek},        {'q', step_queued},
	{'o', step_unsent},      {'X', first_send},
	{'s', step_send},        {'S', step_send_nosignal},
	{'C', first_connect},    {'c', step_connect},
	{'A', first_accept},     {'a', step_accept},
	{'j', step_switch},      {'B', first_bind},
	{'b', step_bind},        {'L', step_listen},
	{'l', step_listen},      {'D', step_shut_wr},
	{'d', step_shut_wr},     {'f', step_shut_rdwr},
	{'G', step_peername},    {'n', step_peername},
	{'N', step_sockname},    {'O', step_socket},
	{'u', step_socket},      {'v', step_dup},
	{'V', step_dup2},        {'e', step_error},
	{'t', step_state},       {'h', step_handler},
	{'p', step_ready},       {'W', step_wait},
	{'Z', step_settle},      {'F', step_until_fds},
	{'P', step_peer},        {'Q', step_stream},
	{'E', step_everything},  {'g', step_limit},
	{'M', step_many},        {'U', step_reserve},
	{'K', step_look},        {'m', step_send_on},
	{'x', step_peer_resets}, {'T', step_time},
};

static void run_step(struct conf_probe *p, char letter)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (steps[i].letter == letter) {
			p->n_steps++;
			steps[i].run(p);
			return;
		}
	conf_die("no such step");
}

void conf_run(struct conf_probe *p, const char *order)
{
	conf_producer *make = p->real ? p->c->real : p->c->trigger;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	usual_limit = limit.rlim_cur;
	if (make)
		make(p);
	p->began_ms = now_ms();
	run_step(p, *order++);
	if (p->real && p->c->real_after)
		p->c->real_after(p);
	while (*order)
		run_step(p, *order++);
}
