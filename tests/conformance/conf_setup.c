/*
 * conf_setup.c - the socket of a case as it is before the first call, and the
 * small helpers that make addresses, listeners and connections.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct conf_signals conf_signals;

static void on_pipe(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	conf_signals.n_pipe++;
	conf_signals.pipe_here = gettid() == getpid();
	conf_signals.pipe_code = info->si_code;
	conf_signals.pipe_self = info->si_pid == getpid();
}

static void on_usr(int sig)
{
	(void)sig;
	conf_signals.n_usr++;
}

/* SIGPIPE restarts, so that it opens no gate for an injected EINTR. */
void conf_signals_install(bool interruptible)
{
	struct sigaction sa = {.sa_sigaction = on_pipe,
	                       .sa_flags = SA_SIGINFO | SA_RESTART};

	sigaction(SIGPIPE, &sa, NULL);
	if (interruptible) {
		sa.sa_flags = 0;
		sa.sa_handler = on_usr;
		sigaction(SIGUSR1, &sa, NULL);
	}
}

void conf_loopback(int family, struct sockaddr_storage *ret_sa,
                   socklen_t *ret_len)
{
	memset(ret_sa, 0, sizeof(*ret_sa));
	ret_sa->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		((struct sockaddr_in6 *)ret_sa)->sin6_addr = in6addr_loopback;
		*ret_len = sizeof(struct sockaddr_in6);
	} else {
		((struct sockaddr_in *)ret_sa)->sin_addr.s_addr =
			htonl(INADDR_LOOPBACK);
		*ret_len = sizeof(struct sockaddr_in);
	}
}

/* sin_port and sin6_port are the same bytes. */
void conf_set_port(struct sockaddr_storage *sa, long port)
{
	((struct sockaddr_in *)sa)->sin_port = htons((uint16_t)port);
}

long conf_port(const struct sockaddr_storage *sa)
{
	return ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

/* Bound to a free port of loopback; listening unless backlog is negative. */
int conf_listen(int family, int backlog, struct sockaddr_storage *ret_sa,
                socklen_t *ret_len)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	conf_loopback(family, &sa, &len);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len))
		conf_skip("no such address family");
	if (backlog >= 0 && listen(fd, backlog))
		conf_die("listen");
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		conf_die("getsockname");
	*ret_sa = sa;
	*ret_len = len;
	return fd;
}

void conf_reset_close(int fd)
{
	struct linger lg = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(fd);
}

bool conf_await(int fd, short bits, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = bits};
	struct timespec ts = {.tv_sec = ms / 1000,
	                      .tv_nsec = ms % 1000 * 1000000L};

	return syscall(SYS_ppoll, &pfd, 1, &ts, NULL, 0) > 0;
}

static void ask_peer_to_listen(struct conf_probe *p)
{
	long port = strtol(conf_peer_say(p, "listen", 0), NULL, 10);

	if (!port)
		conf_skip("no such address family");
	conf_loopback(p->family, &p->live, &p->addr_len);
	conf_set_port(&p->live, port);
	p->target = p->live;
}

static void open_client(struct conf_probe *p)
{
	ask_peer_to_listen(p);
	p->fd = socket(p->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(p->fd, (struct sockaddr *)&p->live, p->addr_len))
		conf_die("connect");
	conf_peer_do(p, "accept", 0);
}

static void open_accepted(struct conf_probe *p)
{
	int listener = conf_listen(p->family, 8, &p->live, &p->addr_len);

	conf_peer_do(p, "connect", conf_port(&p->live));
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (p->fd < 0)
		conf_die("accept");
	close(listener);
}

void conf_open(struct conf_probe *p)
{
	if (p->side == SIDE_ACCEPTED)
		open_accepted(p);
	else
		open_client(p);
}

static void set_timeouts(struct conf_probe *p)
{
	struct timeval tv = {.tv_usec = 50000};

	if (p->c->flags & CONF_RCVTIMEO)
		setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (p->c->flags & CONF_SNDTIMEO)
		setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void conf_setup(struct conf_probe *p)
{
	if (p->side == SIDE_LISTENER) {
		p->fd = conf_listen(p->family, 8, &p->live, &p->addr_len);
		p->listener = p->fd;
	} else if (p->side == SIDE_FRESH) {
		ask_peer_to_listen(p);
		p->fd = socket(p->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	} else {
		conf_open(p);
	}
	if (p->fd < 0)
		conf_die("socket");
	set_timeouts(p);
	if (p->style != STYLE_BLOCKING)
		fcntl(p->fd, F_SETFL, O_RDWR | O_NONBLOCK);
	conf_ready_add(p);
}
