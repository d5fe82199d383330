/*
 * conf_peer.c - the far end. A process of its own that is never under
 * injection: it is made before the library is loaded into the probe. One
 * message on a SOCK_SEQPACKET pair is a verb and a number, the answer is one
 * message, sent when the thing is done; "interrupt" and those that wait until
 * the probe is asleep have none.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/clock.h"

#define ANSWER_LEN 1024

static struct {
	int family;
	int listener;        /* or -1 */
	int fd;              /* the connection, or -1 */
	int full;            /* a listener whose queue is full, or -1 */
	uint64_t n_received; /* of fd */
	bool in_order;       /* so far */
	char answer[ANSWER_LEN];
	size_t answer_len;
} peer = {.listener = -1, .fd = -1, .full = -1};

__attribute__((format(printf, 1, 2))) static void answer(const char *fmt, ...)
{
	size_t room = sizeof(peer.answer) - peer.answer_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(peer.answer + peer.answer_len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		peer.answer_len += (size_t)n < room ? (size_t)n : room - 1;
}

static void answer_ok(bool ok)
{
	answer("%s", ok ? "ok" : conf_errno(errno));
}

static void take_over(int fd)
{
	if (peer.fd >= 0)
		close(peer.fd);
	peer.fd = fd;
	peer.n_received = 0;
	peer.in_order = true;
	answer_ok(fd >= 0);
}

static void do_listen(long unused)
{
	struct sockaddr_storage sa;
	socklen_t len;

	(void)unused;
	if (peer.listener >= 0)
		close(peer.listener);
	conf_loopback(peer.family, &sa, &len);
	peer.listener = socket(peer.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer.listener, (struct sockaddr *)&sa, len) ||
	    listen(peer.listener, 8) ||
	    getsockname(peer.listener, (struct sockaddr *)&sa, &len))
		answer("0");
	else
		answer("%ld", conf_port(&sa));
}

/* Listens on a port that the probe has bound with SO_REUSEADDR. */
static void do_occupy(long port)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;

	if (peer.listener >= 0)
		close(peer.listener);
	conf_loopback(peer.family, &sa, &len);
	conf_set_port(&sa, port);
	peer.listener = socket(peer.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(peer.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	answer_ok(!bind(peer.listener, (struct sockaddr *)&sa, len) &&
	          !listen(peer.listener, 8));
}

static void do_unlisten(long unused)
{
	(void)unused;
	close(peer.listener);
	peer.listener = -1;
	answer("ok");
}

/* Listens with room for one connection, which is there: SYNs are dropped. */
static void do_fill(long unused)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int filler = socket(peer.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)unused;
	peer.full = conf_listen(peer.family, 0, &sa, &len);
	if (connect(filler, (struct sockaddr *)&sa, len))
		answer("0");
	else
		answer("%ld", conf_port(&sa));
}

/* The queue has room again: the next SYN is answered. */
static void drain(void)
{
	close(accept4(peer.full, NULL, NULL, SOCK_CLOEXEC));
}

static void do_drain(long unused)
{
	(void)unused;
	drain();
	answer("ok");
}

/* Nobody listens any more: the next SYN is refused. */
static void do_unfill(long unused)
{
	(void)unused;
	answer_ok(!close(peer.full));
}

static void do_connect(long port)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(peer.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	conf_loopback(peer.family, &sa, &len);
	conf_set_port(&sa, port);
	if (connect(fd, (struct sockaddr *)&sa, len)) {
		answer_ok(false);
		close(fd);
		return;
	}
	take_over(fd);
}

static void do_accept(long unused)
{
	(void)unused;
	if (!conf_await(peer.listener, POLLIN, CONF_WAIT_MS)) {
		answer("nobody connected");
		return;
	}
	take_over(accept4(peer.listener, NULL, NULL, SOCK_CLOEXEC));
}

/* Is a connection there that nobody has taken? */
static void do_look(long unused)
{
	(void)unused;
	answer("%s", conf_await(peer.listener, POLLIN, 0) ? "a connection"
	                                                  : "nobody");
}

static void do_send(long n)
{
	char buf[4096];

	memset(buf, 'p', sizeof(buf));
	answer_ok(send(peer.fd, buf, (size_t)n, MSG_NOSIGNAL) == n);
}

static void do_fin(long unused)
{
	(void)unused;
	answer_ok(!shutdown(peer.fd, SHUT_WR));
}

static void do_close(long unused)
{
	(void)unused;
	answer_ok(!close(peer.fd));
	peer.fd = -1;
}

static void do_rst(long unused)
{
	(void)unused;
	conf_reset_close(peer.fd);
	peer.fd = -1;
	answer("ok");
}

/* From now on (or no longer) nothing that arrives at fd is heard. */
static void deafen(int fd, long on)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};
	int unused = 0;

	if (on)
		answer_ok(!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		                      sizeof(prog)));
	else
		answer_ok(!setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
		                      sizeof(unused)));
}

static void do_deafen(long on)
{
	deafen(peer.fd, on);
}

static void do_deafen_listener(long on)
{
	deafen(peer.listener, on);
}

static void check_pattern(const unsigned char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != conf_pattern(peer.n_received + i))
			peer.in_order = false;
	peer.n_received += n;
}

/* Receives until n bytes have come in all, or the time is over. */
static void take(uint64_t n)
{
	static unsigned char buf[1 << 16];
	long end = now_ms() + CONF_WAIT_MS;

	while (peer.n_received < n && now_ms() < end) {
		ssize_t got;

		conf_await(peer.fd, POLLIN, (int)(end - now_ms()));
		got = recv(peer.fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (got > 0)
			check_pattern(buf, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			return;
	}
}

static void do_take(long n)
{
	take((uint64_t)n);
	answer("ok");
}

/* The probe was told that n bytes are accepted: these came, and no others. */
static void do_stream(long n)
{
	char c;

	take((uint64_t)n);
	if (peer.n_received < (uint64_t)n)
		answer("bytes are missing");
	else if (peer.n_received > (uint64_t)n ||
	         recv(peer.fd, &c, 1, MSG_DONTWAIT) > 0)
		answer("more bytes than were accepted");
	else
		answer("complete, %s", peer.in_order ? "in order" : "corrupt");
}

static bool sleeping(pid_t pid)
{
	char path[64], buf[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	state = strrchr(buf, ')');
	return state && state[2] == 'S';
}

/* Until the probe sleeps in the call that it makes next. */
static void await_sleep(long pid)
{
	long end = now_ms() + CONF_WAIT_MS;

	while (!sleeping((pid_t)pid) && !kill((pid_t)pid, 0) && now_ms() < end)
		sched_yield();
}

static void do_interrupt(long pid)
{
	await_sleep(pid);
	kill((pid_t)pid, SIGUSR1);
}

static void do_drain_asleep(long pid)
{
	await_sleep(pid);
	drain();
}

static void do_unfill_asleep(long pid)
{
	await_sleep(pid);
	close(peer.full);
}

static void observe_recv(void)
{
	char c;
	ssize_t n = recv(peer.fd, &c, 1, MSG_DONTWAIT);

	answer(", recv %zd %s", n, n < 0 ? conf_errno(errno) : "");
}

static void observe_send(void)
{
	ssize_t n = send(peer.fd, "s", 1, MSG_DONTWAIT | MSG_NOSIGNAL);

	answer(", send %zd %s", n, n < 0 ? conf_errno(errno) : "");
}

/* All that the far end can see. An event is given the time to arrive. */
static void do_observe(long unused)
{
	const short all = POLLIN | POLLOUT | POLLRDHUP;
	struct pollfd pfd = {.fd = peer.fd, .events = all};
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	(void)unused;
	conf_await(peer.fd, POLLIN | POLLRDHUP, 300);
	poll(&pfd, 1, 0);
	answer("poll %s", conf_mask((unsigned)pfd.revents));
	observe_recv();
	observe_recv();
	observe_send();
	observe_send();
	answer(", getpeername %s",
	       getpeername(peer.fd, (struct sockaddr *)&sa, &len)
	               ? conf_errno(errno)
	               : conf_addr(&sa));
}

static const struct {
	const char *verb;
	void (*run)(long arg);
} verbs[] = {
	{"listen", do_listen},
	{"occupy", do_occupy},
	{"unlisten", do_unlisten},
	{"connect", do_connect},
	{"accept", do_accept},
	{"look", do_look},
	{"send", do_send},
	{"fin", do_fin},
	{"close", do_close},
	{"rst", do_rst},
	{"deafen", do_deafen},
	{"deafen-listener", do_deafen_listener},
	{"take", do_take},
	{"stream", do_stream},
	{"observe", do_observe},
	{"interrupt", do_interrupt},
	{"fill", do_fill},
	{"drain", do_drain},
	{"unfill", do_unfill},
	{"drain-asleep", do_drain_asleep},
	{"unfill-asleep", do_unfill_asleep},
};

static void serve(int ctl, const char *verb, long arg)
{
	peer.answer_len = 0;
	peer.answer[0] = '\0';
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verb, verbs[i].verb))
			verbs[i].run(arg);
	if (peer.answer_len && write(ctl, peer.answer, peer.answer_len + 1) < 0)
		_exit(1);
}

/* Ends with the probe: then the control socket says end of file. */
void conf_peer_main(int ctl, int family)
{
	char msg[128], verb[64];
	ssize_t n;
	long arg;

	peer.family = family;
	while ((n = read(ctl, msg, sizeof(msg) - 1)) > 0) {
		msg[n] = '\0';
		if (sscanf(msg, "%63s %ld", verb, &arg) == 2)
			serve(ctl, verb, arg);
	}
	_exit(0);
}

const char *conf_peer_say(struct conf_probe *p, const char *verb, long arg)
{
	static char text[ANSWER_LEN];
	char msg[128];
	int len = snprintf(msg, sizeof(msg), "%s %ld", verb, arg);

	if (write(p->peer, msg, (size_t)len) < 0)
		conf_die("peer");
	if (!strcmp(verb, "interrupt") || strstr(verb, "-asleep"))
		return "";
	if (!conf_await(p->peer, POLLIN, 2 * CONF_WAIT_MS) ||
	    read(p->peer, text, sizeof(text)) <= 0)
		conf_die(verb);
	return text;
}

void conf_peer_do(struct conf_probe *p, const char *verb, long arg)
{
	const char *text = conf_peer_say(p, verb, arg);
	char why[ANSWER_LEN + 64];

	if (!strcmp(text, "ok"))
		return;
	snprintf(why, sizeof(why), "peer: %s: %s", verb, text);
	conf_skip(why);
}
