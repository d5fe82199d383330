/*
 * shut.c - another process shuts down what is held here: that shows at once,
 * as it does where nothing has come yet, or nothing can be sent.
 */
#include "cases.h"

#include <sys/syscall.h>

enum {
	SHUT_AT_MS = 50
};

struct shutter {
	struct rd *r;
	int fd, how;
	bool past_us; /* no library sees it */
	pid_t pid;
	pthread_t thread;
};

static void shut(const struct shutter *s)
{
	rd_until(s->r, SHUT_AT_MS);
	if (s->past_us)
		rd_raw(SYS_shutdown, s->fd, s->how, 0, 0, 0);
	else
		shutdown(s->fd, s->how);
}

static void *shut_in_thread(void *arg)
{
	shut(arg);
	return NULL;
}

static void begin_thread(struct shutter *s)
{
	if (pthread_create(&s->thread, NULL, shut_in_thread, s))
		rd_broken("pthread_create");
}

static void begin_process(struct shutter *s)
{
	s->pid = rd_child();
	if (s->pid)
		return;
	shut(s);
	_exit(0);
}

static void begin(struct shutter *s, bool by_thread)
{
	if (by_thread)
		begin_thread(s);
	else
		begin_process(s);
}

static void end(struct shutter *s)
{
	if (s->pid)
		rd_await_child(s->pid);
	else
		pthread_join(s->thread, NULL);
}

static void wait_for_event(struct rd *r, int fd, unsigned want)
{
	struct rd_watch w;

	if (r->style == BLOCKING)
		return;
	rd_watch(&w, rd_style(r), fd, want);
	say("event: %s", rd_mask(rd_watch_wait(&w, RD_WAIT_MS)));
	say_at(r, "event", rd_now(), SHUT_AT_MS);
	rd_watch_end(&w);
}

/* ---- receiving ----------------------------------------------------------- */

static void shut_receiving(struct rd *r, bool past_us)
{
	struct shutter s = {.r = r, .how = SHUT_RD, .past_us = past_us};

	rd_open(r);
	s.fd = r->fd;
	rd_hold(r, 5);
	begin(&s, false);
	wait_for_event(r, r->fd, POLLIN | POLLRDHUP);
	say_result("receive", rd_recv(r, r->fd, 10, 0));
	say_at(r, "returned", rd_now(), SHUT_AT_MS);
	end(&s);
}

void case_shut_by_process(struct rd *r)
{
	shut_receiving(r, false);
}

void case_shut_past_us(struct rd *r)
{
	shut_receiving(r, true);
}

/* ---- sending ------------------------------------------------------------- */

static volatile sig_atomic_t n_sigpipe;

static void count_sigpipe(int sig)
{
	(void)sig;
	n_sigpipe++;
}

static void say_sent(struct rd *r)
{
	say_result("send", send(r->fd, "abc", 3, 0));
	say("SIGPIPE: %d", (int)n_sigpipe);
}

static void shut_sending(struct rd *r, bool by_thread, bool past_us)
{
	struct sigaction act = {.sa_handler = count_sigpipe};
	struct shutter s = {.r = r, .how = SHUT_WR, .past_us = past_us};

	sigaction(SIGPIPE, &act, NULL);
	rd_open(r);
	s.fd = r->fd;
	case_hold_sending(r);
	if (r->style != BLOCKING)
		say_sent(r);
	begin(&s, by_thread);
	wait_for_event(r, r->fd, POLLOUT);
	say_sent(r);
	say_at(r, "returned", rd_now(), SHUT_AT_MS);
	end(&s);
}

void case_send_shut_by_process(struct rd *r)
{
	shut_sending(r, false, false);
}

void case_send_shut_by_thread(struct rd *r)
{
	shut_sending(r, true, false);
}

void case_send_shut_past_us(struct rd *r)
{
	shut_sending(r, false, true);
}

/* ---- accepting ----------------------------------------------------------- */

static void say_accept(struct rd *r)
{
	say_result("accept", accept4(r->listener, NULL, NULL, SOCK_CLOEXEC));
}

/* A connection is held that for real does not come. */
static void shut_listener(struct rd *r, bool past_us)
{
	struct shutter s = {.r = r, .how = SHUT_RD, .past_us = past_us};
	int port = rd_listen(r, 16);

	s.fd = r->listener;
	if (r->style == BLOCKING)
		rd_blocking(r->listener, true);
	r->t0 = rd_now();
	if (!r->real)
		rd_peer(r, "connect", port, 0, 0);
	if (r->style != BLOCKING)
		say_accept(r);
	begin(&s, false);
	wait_for_event(r, r->listener, POLLIN);
	say_accept(r);
	say_at(r, "returned", rd_now(), SHUT_AT_MS);
	end(&s);
}

void case_accept_shut_by_process(struct rd *r)
{
	shut_listener(r, false);
}

void case_accept_shut_past_us(struct rd *r)
{
	shut_listener(r, true);
}

/* As a server that forks its workers first stops them: none has anything. */
void case_accept_shut_by_parent(struct rd *r)
{
	pid_t pid[2];

	rd_listen(r, 16);
	rd_blocking(r->listener, true);
	r->t0 = rd_now();
	for (int i = 0; i < 2; i++) {
		pid[i] = rd_child();
		if (pid[i])
			continue;
		alarm(RD_WAIT_MS / 1000);
		_exit(accept4(r->listener, NULL, NULL, SOCK_CLOEXEC) < 0 &&
		                      errno == EINVAL
		              ? 0
		              : 1);
	}
	rd_until(r, SHUT_AT_MS);
	say_result("shutdown", shutdown(r->listener, SHUT_RD));
	for (int i = 0; i < 2; i++)
		rd_await_child(pid[i]);
}
