/*
 * conf_real.c - how each situation is made for real.
 */
#include "conf_real.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Waits for what the peer has just done to arrive here. */
static void arrived(struct conf_probe *p, short bits)
{
	if (!conf_await(p->fd, bits, CONF_WAIT_MS))
		conf_die("what the peer did did not arrive");
}

void peer_sends(struct conf_probe *p)
{
	conf_peer_do(p, "send", 5);
	arrived(p, POLLIN);
}

/*
 * SIOCINQ by a raw system call: what is said of bytes that nobody is to see.
 * The socket may be dead already, and then nothing comes.
 */
void peer_sends_unasked(struct conf_probe *p)
{
	struct timespec ts;
	int before = 0, now = 0;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	end = ts.tv_sec + CONF_WAIT_MS / 1000;
	syscall(SYS_ioctl, p->fd, FIONREAD, &before);
	conf_peer_do(p, "send", 5);
	while (syscall(SYS_ioctl, p->fd, FIONREAD, &now) == 0 &&
	       now <= before && ts.tv_sec <= end) {
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &ts);
	}
	if (now <= before)
		conf_die("what the peer sent did not arrive");
}

void peer_sends_one(struct conf_probe *p)
{
	conf_peer_do(p, "send", 1);
	arrived(p, POLLIN);
}

void peer_sends_four(struct conf_probe *p)
{
	conf_peer_do(p, "send", 4);
	arrived(p, POLLIN);
}

void real_peer_resets(struct conf_probe *p)
{
	conf_peer_do(p, "rst", 0);
	arrived(p, 0);
}

void real_peer_reset_and_read(struct conf_probe *p)
{
	int err;
	socklen_t len = sizeof(err);

	real_peer_resets(p);
	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);
}

void real_peer_closes(struct conf_probe *p)
{
	conf_peer_do(p, "close", 0);
	arrived(p, POLLRDHUP);
}

void peer_half_closes(struct conf_probe *p)
{
	conf_peer_do(p, "fin", 0);
	arrived(p, POLLRDHUP);
}

void real_fin_then_reset(struct conf_probe *p)
{
	peer_half_closes(p);
	real_peer_resets(p);
}

void trigger_shut(struct conf_probe *p)
{
	if (shutdown(p->fd, SHUT_WR))
		conf_die("shutdown");
	conf_peer_do(p, "send", 5);
	arrived(p, POLLIN);
}

void real_shut_then_reset(struct conf_probe *p)
{
	if (shutdown(p->fd, SHUT_WR))
		conf_die("shutdown");
	real_peer_resets(p);
}

void real_shut_then_closed(struct conf_probe *p)
{
	if (shutdown(p->fd, SHUT_WR))
		conf_die("shutdown");
	real_peer_closes(p);
}

/* Both are finished, and what the peer said before has not been read. */
void trigger_closed(struct conf_probe *p)
{
	trigger_shut(p);
	conf_peer_do(p, "close", 0);
	arrived(p, 0);
}

/* The peer hears nothing any more, and something is on the way to it. */
void real_path_dies(struct conf_probe *p)
{
	unsigned ms = 300;

	setsockopt(p->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	conf_peer_do(p, "deafen", 1);
	if (send(p->fd, "lost", 4, MSG_DONTWAIT | MSG_NOSIGNAL) != 4)
		conf_die("send");
	arrived(p, 0);
	conf_peer_do(p, "deafen", 0);
}

void real_we_reset(struct conf_probe *p)
{
	conf_open(p);
	conf_reset_close(p->fd);
}

void real_we_reset_after_fin(struct conf_probe *p)
{
	conf_open(p);
	peer_half_closes(p);
	conf_reset_close(p->fd);
}

void real_we_reset_queued(struct conf_probe *p)
{
	p->fd = conf_listen(p->family, 8, &p->live, &p->addr_len);
	conf_peer_do(p, "connect", conf_port(&p->live));
	arrived(p, POLLIN);
	conf_reset_close(accept4(p->fd, NULL, NULL, SOCK_CLOEXEC));
	close(p->fd);
}

static bool send_pattern(struct conf_probe *p, size_t len)
{
	unsigned char buf[1 << 14];
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		buf[i] = conf_pattern(p->n_sent + i);
	n = send(p->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		p->n_sent += (uint64_t)n;
	return n > 0;
}

/*
 * To the last byte, and still full when the acknowledgements on the way have
 * come: space for a byte is not yet enough for poll to say OUT.
 */
void real_send_buffer_full(struct conf_probe *p)
{
	do {
		while (send_pattern(p, 1 << 14))
			;
		while (send_pattern(p, 1))
			;
	} while (conf_await(p->fd, POLLOUT, 100) || send_pattern(p, 1));
}

void real_peer_takes_all(struct conf_probe *p)
{
	conf_peer_do(p, "take", (long)p->n_sent);
	arrived(p, POLLOUT);
}

static struct rlimit usual_limit;

/* The usual soft limit, and every number below it is in use. */
void real_no_descriptors(struct conf_probe *p)
{
	struct rlimit limit;
	int fd;

	(void)p;
	getrlimit(RLIMIT_NOFILE, &usual_limit);
	limit = usual_limit;
	if (limit.rlim_cur > 1024)
		limit.rlim_cur = 1024;
	setrlimit(RLIMIT_NOFILE, &limit);
	do
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0 && fd < 1024);
	if (fd >= 0)
		conf_die("descriptors without end");
}

void real_no_descriptors_queued(struct conf_probe *p)
{
	peer_connects(p);
	real_no_descriptors(p);
}

/* All that were filled are empty again. */
void real_descriptors(struct conf_probe *p)
{
	(void)p;
	setrlimit(RLIMIT_NOFILE, &usual_limit);
	for (int fd = 1023; fd > p->listener && fd > p->epfd; fd--)
		if (fd != p->peer && fd != p->accepted)
			close(fd);
}

/* The peer signals us once we sleep in the next call. */
void real_interrupt(struct conf_probe *p)
{
	conf_peer_say(p, "interrupt", getpid());
}

void real_full_and_interrupt(struct conf_probe *p)
{
	real_send_buffer_full(p);
	real_interrupt(p);
}

void peer_connects(struct conf_probe *p)
{
	conf_peer_do(p, "connect", conf_port(&p->live));
	arrived(p, POLLIN);
}

void real_born_dead(struct conf_probe *p)
{
	peer_connects(p);
	conf_peer_do(p, "rst", 0);
}

void real_dead_arrived(struct conf_probe *p)
{
	if (p->accepted < 0 || !conf_await(p->accepted, 0, CONF_WAIT_MS))
		conf_die("the accepted connection is not dead");
}

void real_listener_shut(struct conf_probe *p)
{
	peer_connects(p);
	if (shutdown(p->fd, SHUT_RDWR))
		conf_die("shutdown");
}

/* Linux never says ECONNABORTED: what it would stand for is done by hand. */
void real_stand_in_aborted(struct conf_probe *p)
{
	peer_connects(p);
	conf_reset_close(accept4(p->fd, NULL, NULL, SOCK_CLOEXEC));
	p->stand_in = ECONNABORTED;
}

/* The socket that holds the port stays open until the program ends. */
void real_to_bound_port(struct conf_probe *p)
{
	conf_listen(p->family, -1, &p->target, &p->addr_len);
}

static int deaf_listener(struct conf_probe *p)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};
	int fd = conf_listen(p->family, 8, &p->target, &p->addr_len);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		conf_skip("SO_ATTACH_FILTER is not allowed");
	return fd;
}

void real_to_deaf_listener(struct conf_probe *p)
{
	unsigned ms = 300;

	deaf_listener(p);
	setsockopt(p->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

void real_to_deaf_and_interrupt(struct conf_probe *p)
{
	p->listener = deaf_listener(p);
	p->live = p->target;
	real_interrupt(p);
}

void real_hears_again(struct conf_probe *p)
{
	int unused = 0;

	setsockopt(p->listener, SOL_SOCKET, SO_DETACH_FILTER, &unused,
	           sizeof(unused));
}

void real_to_full_listener(struct conf_probe *p)
{
	long port = strtol(conf_peer_say(p, "fill", 0), NULL, 10);

	if (!port)
		conf_skip("no full listener");
	conf_loopback(p->family, &p->target, &p->addr_len);
	conf_set_port(&p->target, port);
}

/* The first connect of this run returns before its SYN is answered. */
static bool returns_early(const struct conf_probe *p)
{
	return p->style != STYLE_BLOCKING ||
	       p->c->flags & (CONF_SNDTIMEO | CONF_HANDLER);
}

/*
 * The SYN is dropped, and answered when it is sent again a second later; what
 * is to answer is done while the probe sleeps in connect, or after the call.
 */
static void answers_late(struct conf_probe *p, const char *verb)
{
	real_to_full_listener(p);
	if (!returns_early(p))
		conf_peer_say(p, verb, getpid());
}

void real_accepts_late(struct conf_probe *p)
{
	answers_late(p, "drain-asleep");
}

void real_accepts_now(struct conf_probe *p)
{
	if (returns_early(p))
		conf_peer_do(p, "drain", 0);
}

void real_late_and_interrupt(struct conf_probe *p)
{
	real_to_full_listener(p);
	real_interrupt(p);
}

void real_refuses_late(struct conf_probe *p)
{
	answers_late(p, "unfill-asleep");
}

void real_refuses_now(struct conf_probe *p)
{
	if (returns_early(p))
		conf_peer_do(p, "unfill", 0);
}

void trigger_short_patience(struct conf_probe *p)
{
	unsigned ms = 300;

	setsockopt(p->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

void real_unanswered(struct conf_probe *p)
{
	trigger_short_patience(p);
	real_to_full_listener(p);
}

static void to_host(struct conf_probe *p, const char *v4, const char *v6,
                    long port)
{
	struct sockaddr_storage *sa = &p->target;

	if (p->family == AF_INET6)
		inet_pton(AF_INET6, v6,
		          &((struct sockaddr_in6 *)sa)->sin6_addr);
	else
		inet_pton(AF_INET, v4, &((struct sockaddr_in *)sa)->sin_addr);
	conf_set_port(sa, port);
}

void real_to_no_neighbour(struct conf_probe *p)
{
	to_host(p, "10.9.0.77", "fd09::77", 4444);
}

/*
 * For an ICMP error IPv4 raises POLLERR first and closes the socket a moment
 * later (ip_icmp_error, then tcp_done): only the end of it is the same in each
 * run.
 */
void real_unreachable_arrived(struct conf_probe *p)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	arrived(p, 0);
	do
		if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
			conf_die("TCP_INFO");
	while (info.tcpi_state != TCP_CLOSE);
}

void real_to_no_route(struct conf_probe *p)
{
	to_host(p, "192.0.2.1", "2001:db8::1", 4444);
}

void real_to_prohibited(struct conf_probe *p)
{
	to_host(p, "10.6.0.1", "fd06::1", 4444);
}

void real_to_used_port(struct conf_probe *p)
{
	conf_listen(p->family, 8, &p->target, &p->addr_len);
}

void real_to_foreign_address(struct conf_probe *p)
{
	to_host(p, "192.0.2.1", "2001:db8::1", 0);
}

void trigger_bind_any(struct conf_probe *p)
{
	conf_loopback(p->family, &p->target, &p->addr_len);
}

/* Bound with SO_REUSEADDR, as both must be that end in listen EADDRINUSE. */
void trigger_bound(struct conf_probe *p)
{
	int one = 1;

	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	conf_loopback(p->family, &p->target, &p->addr_len);
	if (bind(p->fd, (struct sockaddr *)&p->target, p->addr_len) ||
	    getsockname(p->fd, (struct sockaddr *)&p->target, &p->addr_len))
		conf_die("bind");
	p->listener = p->fd;
}

void real_port_listened(struct conf_probe *p)
{
	trigger_bound(p);
	conf_peer_do(p, "occupy", conf_port(&p->target));
}

void real_port_free_again(struct conf_probe *p)
{
	conf_peer_do(p, "unlisten", 0);
}
