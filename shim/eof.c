/*
 * eof.c - see eof.h.  What is said about the kernel was observed
 * (tests/conformance/FACTS.md, "The peer's end").
 */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "cut.h"
#include "decide.h"
#include "eof.h"
#include "gates.h"
#include "levers.h"
#include "regs.h"
#include "ours.h"

#include "poison.h"

static uint8_t flags_of(const struct fault_sock *s)
{
	return atomic_load_explicit(&s->flags, memory_order_relaxed);
}

/*
 * What is queued goes, without being copied (tcp(7), MSG_TRUNC).  Asking for
 * no more than is there never takes a pending error.  The kernel would do all
 * of it at once and with no buffer; memcheck takes that for an error.
 */
static void discard_queued(int fd)
{
	char nothing[1024];
	int queued = 0;
	int cancel;
	ssize_t n;

	if (next.ioctl(fd, FIONREAD, (long)&queued) || queued <= 0)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	do {
		size_t len = (size_t)queued < sizeof(nothing) ? (size_t)queued
		                                              : sizeof(nothing);

		n = next.recv(fd, nothing, len, MSG_TRUNC | MSG_DONTWAIT);
		queued -= n > 0 ? (int)n : 0;
	} while (n > 0 && queued > 0);
	pthread_setcancelstate(cancel, NULL);
}

static void enter_state(int fd, struct fault_sock *s)
{
	enum fault_state state = atomic_load(&s->state);

	if (state == STATE_ESTABLISHED)
		state = STATE_CLOSE_WAIT;
	else if (state == STATE_FIN_WAIT)
		state = STATE_LAST_ACK;
	socks_state(fd, s, state);
}

/*
 * With both sides really finished the kernel has closed the socket, and the
 * last data may still be queued; ENOTCONN is then no reason to stop.
 */
static bool is_reset(int fd)
{
	struct pollfd p = {.fd = fd};

	return next.poll(&p, 1, 0) <= 0 || p.revents & POLLERR;
}

bool eof_begin(int fd, struct fault_sock *s, bool half)
{
	uint8_t flags = half ? SOCK_EOF : SOCK_EOF | SOCK_GONE;

	/* First: whoever is woken by the shutdown is to find it. */
	atomic_fetch_or(&s->flags, flags);
	regs_show_end(s);
	/* From now on a fork waits for the lock that is taken here. */
	ours_prepare();
	gates_raise_lowat(fd, s);
	if (next.shutdown(fd, SHUT_RD) && is_reset(fd)) {
		atomic_fetch_and(&s->flags, (uint8_t)~flags);
		gates_restore_lowat(fd, s);
		return false;
	}
	discard_queued(fd);
	/* What was held is not to come any more. */
	if (gates_held(s, GATE_OF_RX, shim_now()))
		gates_end(fd, s, GATE_OF_RX);
	enter_state(fd, s);
	return true;
}

void act_eof(struct shim_call *c, const struct plan_action *a)
{
	if (c->sock && !eof_begin(c->fd, c->sock, a->flags & PLAN_ACTION_HALF))
		decide_failed(c);
}

/* --- recv: the end of the stream ----------------------------------------- */

/* Of a NULL, or what is none, the kernel would have said EFAULT. */
static bool can_be_written(const void *p)
{
	return (uintptr_t)p >= 4096;
}

static void end_message(struct msghdr *m, int flags)
{
	if (!can_be_written(m))
		return;
	if (m->msg_name)
		m->msg_namelen = 0;
	m->msg_controllen = 0;
	m->msg_flags = flags & MSG_CMSG_CLOEXEC;
}

/* recvmmsg(2) goes on: each message is an empty one. */
static long end_messages(struct mmsghdr *v, unsigned n, int flags)
{
	if (n > UIO_MAXIOV)
		n = UIO_MAXIOV;
	for (unsigned i = 0; i < n && can_be_written(v); i++) {
		end_message(&v[i].msg_hdr, flags);
		v[i].msg_len = 0;
	}
	return n;
}

/* recvfrom has an address behind its flags: a stream's is empty. */
static void end_address(struct shim_call *c)
{
	int addr = c->row->flags + 1;

	if (c->row->flags < 0 || c->row->arity < addr + 2)
		return;
	if (c->a[addr] && can_be_written((void *)c->a[addr + 1]))
		*(unsigned *)c->a[addr + 1] = 0;
}

void eof_tell(struct shim_call *c)
{
	void *at = (void *)c->a[(int)c->row->shape.ptr];

	c->result = 0;
	c->made = true;
	if (c->row->shape.kind == SHAPE_MSG)
		end_message(at, call_flags(c));
	else if (c->row->shape.kind == SHAPE_MMSG)
		c->result =
			end_messages(at, (unsigned)c->a[(int)c->row->shape.len],
		                     call_flags(c));
	else if (c->row->shape.kind == SHAPE_BUF)
		end_address(c);
}

/* --- send: into the void ------------------------------------------------- */

static int so_error(int fd)
{
	int value = 0;
	unsigned len = sizeof(value);

	next.getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len);
	return value;
}

/*
 * The program's call on a connection whose far end has closed as well: what it
 * takes, how it fails, and the signal that goes with it, are the kernel's own.
 */
static void send_elsewhere(struct shim_call *c, int fd)
{
	long theirs = c->a[(int)c->row->fd];
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	c->a[(int)c->row->fd] = fd;
	call_real(c);
	c->a[(int)c->row->fd] = theirs;
	pthread_setcancelstate(cancel, NULL);
}

/*
 * The RST that answers it.  Until it is done others that send here lose their
 * bytes, too: SOCK_GONE goes last.
 */
static void answer_with_reset(struct shim_call *c, bool told)
{
	uint8_t before =
		atomic_fetch_or(&c->sock->flags, SOCK_LEVER | SOCK_FIN_RESET);

	if (before & SOCK_LEVER)
		return;
	lever_reset(c->fd, c->sock);
	if (told)
		lever_clear_error(c->fd);
	atomic_fetch_and(&c->sock->flags, (uint8_t)~SOCK_GONE);
}

/*
 * Where no such connection can be made (no descriptor, no loopback) the RST
 * has come already: EPIPE at once.
 */
static void lose(struct shim_call *c)
{
	int fd = lever_closed_peer(flags_of(c->sock) & SOCK_IPV6);
	bool told;

	if (fd < 0) {
		answer_with_reset(c, true);
		call_real(c);
		return;
	}
	send_elsewhere(c, fd);
	/* A call that sends in several steps runs into the RST by itself. */
	told = lever_tcp_state(fd) == TCP_CLOSE && !so_error(fd);
	lever_close(fd);
	if (c->result <= 0)
		return;
	atomic_store(&c->sock->tx_budget, cut_moved(c));
	answer_with_reset(c, told);
}

/* Our own end still can. */
static bool can_send(int fd)
{
	int state = lever_tcp_state(fd);

	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

bool eof_answers(struct shim_call *c)
{
	if (c->row->family == FAMILY_RECV) {
		/* A stream that has ended has neither. */
		if (call_flags(c) & (MSG_OOB | MSG_ERRQUEUE))
			return false;
		if (!(flags_of(c->sock) & SOCK_LEVER))
			discard_queued(c->fd);
		eof_tell(c);
		return true;
	}
	if (flags_of(c->sock) & SOCK_GONE && cut_want(c) && can_send(c->fd)) {
		lose(c);
		return true;
	}
	/* A RST after the FIN is EPIPE and SIGPIPE, not ECONNRESET. */
	lever_clear_error(c->fd);
	return false;
}

/* --- the rest of its life ------------------------------------------------ */

/*
 * A closed peer acknowledges our FIN at once; the real one may take its time
 * over it, so that having sent it is what counts.
 */
bool eof_finished(int fd, struct fault_sock *s)
{
	int unsent = 0;

	return flags_of(s) & SOCK_EOF &&
	       atomic_load(&s->state) == STATE_LAST_ACK &&
	       !next.ioctl(fd, SIOCOUTQNSD, (long)&unsent) && !unsent;
}

/* A stalled peer has sent nothing: only who is the last to close may say so. */
static bool is_stalled_for_good(struct fault_sock *s)
{
	return atomic_load(&s->rx_hold.until) == RUN_FOREVER &&
	       socks_holders(s) == 1;
}

void eof_closing(int fd, struct fault_sock *s)
{
	unsigned flags = flags_of(s) & (SOCK_EOF | SOCK_LEVER);

	if (flags == SOCK_EOF || (!flags && is_stalled_for_good(s)))
		discard_queued(fd);
}
