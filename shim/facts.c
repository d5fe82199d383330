/*
 * facts.c - see facts.h.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "eof.h"
#include "facts.h"
#include "levers.h"

#include "poison.h"

/* The time-out in ms of waiting calls that have one: argument index + 1. */
static const uint8_t timeout_ms[N_CALLS] = {
	[FAULT_CALL_poll] = 3,        [FAULT_CALL___poll] = 3,
	[FAULT_CALL___poll_chk] = 3,  [FAULT_CALL_epoll_wait] = 4,
	[FAULT_CALL_epoll_pwait] = 4,
};

/* The signal mask during the wait: argument index + 1. */
static const uint8_t wait_mask[N_CALLS] = {
	[FAULT_CALL_ppoll] = 4,        [FAULT_CALL___ppoll_chk] = 4,
	[FAULT_CALL_pselect] = 6,      [FAULT_CALL_epoll_pwait] = 5,
	[FAULT_CALL_epoll_pwait2] = 5,
};

/* NULL: the thread's own. */
static const sigset_t *mask_of(const struct shim_call *c)
{
	return wait_mask[c->id] ? (const sigset_t *)c->a[wait_mask[c->id] - 1]
	                        : NULL;
}

/* A struct timespec or timeval with the time-out: argument index + 1. */
static const uint8_t timeout_at[N_CALLS] = {
	[FAULT_CALL_ppoll] = 3,   [FAULT_CALL___ppoll_chk] = 3,
	[FAULT_CALL_select] = 5,  [FAULT_CALL___select] = 5,
	[FAULT_CALL_pselect] = 5, [FAULT_CALL_epoll_pwait2] = 4,
};

/* Both have two longs; all zero: do not wait. */
static bool is_zero_time(const long *t)
{
	return t && !t[0] && !t[1];
}

static bool wait_nonblocking(const struct shim_call *c)
{
	if (timeout_at[c->id])
		return is_zero_time((const long *)c->a[timeout_at[c->id] - 1]);
	return timeout_ms[c->id] && (int)c->a[timeout_ms[c->id] - 1] == 0;
}

bool facts_nonblocking(const struct shim_call *c)
{
	long args[MAX_ARITY] = {c->fd, F_GETFL};
	long flags;

	if (c->row->effect == EFFECT_WAIT)
		return wait_nonblocking(c);
	if (c->row->effect == EFFECT_IO && call_flags(c) & MSG_DONTWAIT)
		return true;
	if (c->fd < 0)
		return false;
	flags = next_call(FAULT_CALL_fcntl, args);
	return flags != -1 && flags & O_NONBLOCK;
}

uint64_t facts_timeout_ns(const struct shim_call *c)
{
	bool sending = c->row->family == FAMILY_SEND ||
	               c->row->family == FAMILY_CONNECT;
	struct timeval t = {0};
	unsigned len = sizeof(t);

	if (c->fd < 0 ||
	    next.getsockopt(c->fd, SOL_SOCKET,
	                    sending ? SO_SNDTIMEO : SO_RCVTIMEO, &t, &len))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

struct handlers {
	bool any, norestart;
};

/* A handler of a signal that is not blocked; mask NULL: by this thread. */
static struct handlers look_at_handlers(const sigset_t *mask)
{
	struct handlers h = {0};
	sigset_t own;

	pthread_sigmask(SIG_BLOCK, NULL, &own);
	if (!mask)
		mask = &own;
	for (int sig = 1; sig < 65; sig++) {
		struct sigaction sa;

		if (sig == SIGKILL || sig == SIGSTOP ||
		    (sig >= 32 && sig < SIGRTMIN) ||
		    sigismember(mask, sig) == 1 || sigaction(sig, NULL, &sa))
			continue;
		if (sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN)
			continue;
		h.any = true;
		if (!(sa.sa_flags & SA_RESTART))
			h.norestart = true;
	}
	return h;
}

bool facts_all_restart(void)
{
	return !look_at_handlers(NULL).norestart;
}

static bool asks_for_handlers(const struct shim_call *c,
                              const struct plan_rule *rule)
{
	for (unsigned i = 0; i < rule->n_actions; i++) {
		const struct plan_action *a = &rule->actions[i];

		if (a->kind == ACTION_ERROR && a->err == EINTR)
			return true;
		if (a->kind == ACTION_SHORT && c->row->family == FAMILY_SEND)
			return true;
	}
	return false;
}

static bool ends_connection(const struct shim_call *c,
                            const struct plan_rule *rule)
{
	for (unsigned i = 0; i < rule->n_actions; i++) {
		const struct plan_action *a = &rule->actions[i];

		if (a->kind == ACTION_RESET || a->kind == ACTION_EOF ||
		    (a->kind == ACTION_ERROR && engine_by_reset(c->id, a->err)))
			return true;
	}
	return false;
}

/* The peer's FIN has come, and what came before it has been read. */
static bool is_at_end(int fd, int tcp_state)
{
	return (tcp_state == TCP_CLOSE_WAIT || tcp_state == TCP_LAST_ACK ||
	        tcp_state == TCP_CLOSING || tcp_state == TCP_CLOSE) &&
	       lever_all_read(fd);
}

void facts_of_end(int fd, struct fault_sock *s, struct engine_facts *ret)
{
	enum fault_state state = atomic_load(&s->state);
	int tcp_state;

	if (state < STATE_ESTABLISHED || state > STATE_LAST_ACK)
		return;
	tcp_state = lever_tcp_state(fd);
	ret->over = tcp_state == TCP_CLOSE || eof_finished(fd, s);
	ret->at_end = is_at_end(fd, tcp_state);
}

/*
 * MSG_TRUNC drops what is received (tcp(7)); MSG_ZEROCOPY, of which the kernel
 * takes no notice without SO_ZEROCOPY, sends the program's own pages.
 */
static bool has_no_buffer(const struct shim_call *c)
{
	int on = 0;
	unsigned len = sizeof(on);

	if (c->row->family == FAMILY_RECV)
		return call_flags(c) & MSG_TRUNC;
	return c->row->family == FAMILY_SEND && call_flags(c) & MSG_ZEROCOPY &&
	       !next.getsockopt(c->fd, SOL_SOCKET, SO_ZEROCOPY, &on, &len) &&
	       on;
}

void facts_collect(const struct shim_call *c, const struct plan_rule *rule,
                   struct engine_facts *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->nonblocking = facts_nonblocking(c);
	ret->timeout = c->row->effect == EFFECT_WAIT ||
	               (!ret->nonblocking && facts_timeout_ns(c));
	if (c->sock && c->row->family == FAMILY_RECV) {
		ret->peek_promised = atomic_load(&c->sock->flags) & SOCK_PEEKED;
		ret->whole = call_flags(c) & MSG_WAITALL && !ret->nonblocking;
	}
	if (c->sock && ends_connection(c, rule))
		facts_of_end(c->fd, c->sock, ret);
	ret->at_end |= c->at_end;
	ret->no_buffer = has_no_buffer(c);
	if (asks_for_handlers(c, rule)) {
		struct handlers h = look_at_handlers(mask_of(c));

		ret->handler = h.any;
		ret->handler_norestart = h.norestart;
	}
}
