/*
 * invoke.c - one call of a row, its arguments made from the row's shape.
 *
 * Each symbol is declared with the row's own prototype under another C name,
 * as shim/wrap.h does, and weak: one that this libc lacks is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "tests/raw.h"
#include "rows.h"

#define PARAMS_1(t1, a1)                         (t1 a1)
#define PARAMS_2(t1, a1, t2, a2)                 (t1 a1, t2 a2)
#define PARAMS_3(t1, a1, t2, a2, t3, a3)         (t1 a1, t2 a2, t3 a3)
#define PARAMS_4(t1, a1, t2, a2, t3, a3, t4, a4) (t1 a1, t2 a2, t3 a3, t4 a4)
#define PARAMS_5(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                       \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define PARAMS_6(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)               \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)
#define PARAMS_7(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7)       \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7)

#define UNPACK_1(t1, a1)                 ((t1)a[0])
#define UNPACK_2(t1, a1, t2, a2)         ((t1)a[0], (t2)a[1])
#define UNPACK_3(t1, a1, t2, a2, t3, a3) ((t1)a[0], (t2)a[1], (t3)a[2])
#define UNPACK_4(t1, a1, t2, a2, t3, a3, t4, a4)                               \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3])
#define UNPACK_5(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                       \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4])
#define UNPACK_6(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)               \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4], (t6)a[5])
#define UNPACK_7(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7)       \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4], (t6)a[5], (t7)a[6])

#define RESULT_int(call)     (call)
#define RESULT_ssize_t(call) (call)
#define RESULT_long(call)    (call)
#define RESULT_void(call)    ((call), 0L)

#define CALL(symbol, ret, n, proto, ...)                                       \
	extern ret row_##symbol PARAMS_##n proto __asm__(#symbol)              \
		__attribute__((weak));                                         \
	static long call_##symbol(const long *a)                               \
	{                                                                      \
		return (long)RESULT_##ret(row_##symbol UNPACK_##n proto);      \
	}
#include "plan/calls.def"

static long (*const callers[N_CALLS])(const long *) = {
#define CALL(symbol, ...)     [FAULT_CALL_##symbol] = call_##symbol,
#define TWIN(id, symbol, ...) [FAULT_CALL_##id] = call_##symbol,
#include "plan/calls.def"
};

const char *const rows_names[N_CALLS] = {
#define CALL(symbol, ...) [FAULT_CALL_##symbol] = #symbol,
#define TWIN(id, ...)     [FAULT_CALL_##id] = #id,
#include "plan/calls.def"
};

bool invoke_exists(enum fault_call call)
{
	switch (call) {
#define CALL(symbol, ...)                                                      \
	case FAULT_CALL_##symbol:                                              \
		return row_##symbol != NULL;
#define TWIN(id, symbol, ...)                                                  \
	case FAULT_CALL_##id:                                                  \
		return row_##symbol != NULL;
#include "plan/calls.def"
#define NOTE(symbol, hook)   case FAULT_CALL_##symbol:
#define STUB(symbol)         case FAULT_CALL_##symbol:
#define VARIADIC(symbol, by) case FAULT_CALL_##symbol:
#include "plan/calls.def"
	case FAULT_CALL_NONE:
	case N_CALLS:
		break;
	}
	return false;
}

unsigned char rows_received[ROWS_BYTES];

unsigned char rows_pattern(size_t i)
{
	return (unsigned char)(i * 7 + 1);
}

/* --- transfers -------------------------------------------------------- */

/* Room for every shape: the message in two pieces, as far as there are two. */
struct piece {
	unsigned char *data;
	size_t len;
	struct iovec iov[2];
	struct mmsghdr msgs[2];
	off_t file_offset;
};

static void fill_piece(struct piece *p, const struct rows_test *t,
                       size_t offset)
{
	static unsigned char sent[ROWS_BYTES];
	bool sends = t->row->family == FAMILY_SEND;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < ROWS_BYTES; i++)
		sent[i] = rows_pattern(i);
	p->data = (sends ? sent : rows_received) + offset;
	p->len = t->zero ? 0 : ROWS_BYTES - offset;
	p->file_offset = (off_t)offset;
	p->iov[0] = (struct iovec){p->data, p->len / 2};
	p->iov[1] = (struct iovec){p->data + p->len / 2, p->len - p->len / 2};
	p->msgs[0].msg_hdr.msg_iov = p->iov;
	p->msgs[0].msg_hdr.msg_iovlen = 2;
	if (t->row->shape.kind != SHAPE_MMSG)
		return;
	p->msgs[0].msg_hdr.msg_iovlen = 1;
	p->msgs[1].msg_hdr.msg_iov = &p->iov[1];
	p->msgs[1].msg_hdr.msg_iovlen = 1;
}

/* sendfile: a file into the socket; splice, and sendfile from a socket: a pipe.
 */
static bool has_pipe(const struct rows_test *t)
{
	return !strcmp(t->row->symbol, "splice") ||
	       (t->row->shape.kind == SHAPE_LEN &&
	        t->row->family == FAMILY_RECV);
}

/* What the pipe holds when the call is made: what is to be sent, or nothing. */
static void fill_pipe(const struct rows_test *t, const struct piece *p)
{
	unsigned char old[ROWS_BYTES];

	raw(SYS_read, t->pipe[0], (long)old, sizeof(old), 0, 0, 0);
	if (t->row->family == FAMILY_SEND)
		raw(SYS_write, t->pipe[1], (long)p->data, (long)p->len, 0, 0,
		    0);
}

static void drain_pipe(const struct rows_test *t, const struct piece *p)
{
	if (has_pipe(t) && t->row->family == FAMILY_RECV)
		raw(SYS_read, t->pipe[0], (long)p->data, (long)p->len, 0, 0, 0);
}

static void fill_length(const struct rows_test *t, struct piece *p, long *a)
{
	const struct fault_call_row *r = t->row;

	a[(int)r->shape.len] = (long)p->len;
	if (has_pipe(t)) {
		fill_pipe(t, p);
		/* In front of the socket, or behind it. */
		a[r->fd ? 0 : 2] = t->pipe[r->family == FAMILY_RECV];
		return;
	}
	a[1] = t->file;
	a[2] = (long)&p->file_offset;
}

static void fill_transfer(const struct rows_test *t, struct piece *p, long *a)
{
	const struct fault_shape *s = &t->row->shape;
	bool checked =
		t->row->arity == 4 && s->kind == SHAPE_BUF && t->row->flags < 0;

	switch (s->kind) {
	case SHAPE_BUF:
		a[(int)s->ptr] = (long)p->data;
		a[(int)s->len] = (long)p->len;
		/* The fortified twins are told how large the buffer is. */
		if (t->row->flags == 4 || checked)
			a[3] = ROWS_BYTES;
		break;
	case SHAPE_IOV:
		a[(int)s->ptr] = (long)p->iov;
		a[(int)s->len] = 2;
		/* preadv2 and its like: the current position. */
		a[3] = -1;
		break;
	case SHAPE_MSG:
		a[(int)s->ptr] = (long)&p->msgs[0].msg_hdr;
		break;
	case SHAPE_MMSG:
		a[(int)s->ptr] = (long)p->msgs;
		a[(int)s->len] = 2;
		break;
	case SHAPE_LEN:
		fill_length(t, p, a);
		break;
	case SHAPE_NONE:
		break;
	}
}

static long moved_by(const struct rows_test *t, const struct piece *p,
                     long result)
{
	long moved = 0;

	if (result <= 0 || t->row->effect != EFFECT_IO)
		return 0;
	if (t->row->shape.kind != SHAPE_MMSG)
		return result;
	for (long i = 0; i < result && i < 2; i++)
		moved += (long)p->msgs[i].msg_len;
	return moved;
}

/* --- the other calls -------------------------------------------------- */

static struct epoll_event event;
static struct pollfd pollfds[1];
static fd_set set;
static struct timeval second;
static const struct timespec one_second = {.tv_sec = 1};
static int value;
static unsigned value_len;
static struct sockaddr_storage name;
static unsigned name_len;

static void fill_wait(const struct rows_test *t, long *a)
{
	const char *symbol = t->row->symbol;
	bool chk = strstr(symbol, "_chk");

	pollfds[0] = (struct pollfd){.fd = t->fd, .events = POLLIN};
	FD_ZERO(&set);
	FD_SET(t->fd, &set);
	second = (struct timeval){.tv_sec = 1};
	if (strstr(symbol, "poll") && !strstr(symbol, "epoll")) {
		bool precise = strstr(symbol, "ppoll");

		a[0] = (long)pollfds;
		a[1] = 1;
		a[2] = precise ? (long)&one_second : 1000;
		a[precise ? 4 : 3] = chk ? (long)sizeof(pollfds) : 0;
	} else if (strstr(symbol, "select")) {
		bool precise = strstr(symbol, "pselect");

		a[0] = t->fd + 1;
		a[1] = (long)&set;
		a[4] = precise ? (long)&one_second : (long)&second;
	} else {
		a[0] = t->epfd;
		a[1] = (long)&event;
		a[2] = 1;
		a[3] = strcmp(symbol, "epoll_pwait2") ? 1000
		                                      : (long)&one_second;
	}
}

static void fill_option(const struct rows_test *t, long *a)
{
	bool get = t->row->effect == EFFECT_GETSOCKOPT;

	value = 1;
	value_len = sizeof(value);
	a[1] = get ? SOL_SOCKET : IPPROTO_TCP;
	a[2] = get ? SO_TYPE : 1 /* TCP_NODELAY */;
	a[3] = (long)&value;
	a[4] = get ? (long)&value_len : (long)sizeof(value);
}

/* Everything but the descriptor, and nothing for transfers. */
static void fill_other(struct rows_test *t, long *a)
{
	const struct fault_call_row *r = t->row;

	name_len = sizeof(name);
	event = (struct epoll_event){.events = EPOLLIN};
	if (r->effect == EFFECT_CREATE) {
		a[0] = AF_INET;
		a[1] = SOCK_STREAM | (t->nonblock ? SOCK_NONBLOCK : 0);
	} else if (r->effect == EFFECT_BIND || r->effect == EFFECT_CONNECT) {
		a[1] = (long)&t->addr;
		a[2] = sizeof(t->addr);
	} else if (r->effect == EFFECT_LISTEN) {
		a[1] = 8;
	} else if (r->effect == EFFECT_ACCEPT || r->effect == EFFECT_GETNAME) {
		a[1] = (long)&name;
		a[2] = (long)&name_len;
	} else if (r->effect == EFFECT_SHUTDOWN) {
		a[1] = SHUT_WR;
	} else if (r->effect == EFFECT_EPOLL_CTL) {
		a[0] = t->epfd;
		a[1] = EPOLL_CTL_ADD;
		a[3] = (long)&event;
	} else if (r->effect == EFFECT_WAIT) {
		fill_wait(t, a);
	} else {
		fill_option(t, a);
	}
}

static bool take_sigpipe(void)
{
	const struct timespec now = {0};
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	return sigtimedwait(&pipe, NULL, &now) == SIGPIPE;
}

void invoke(struct rows_test *t, size_t offset, struct rows_result *ret)
{
	const struct fault_call_row *r = t->row;
	long a[ROWS_ARITY] = {0};
	struct piece p;

	if (r->fd >= 0)
		a[(int)r->fd] = t->fd;
	fill_piece(&p, t, offset);
	if (r->effect == EFFECT_IO)
		fill_transfer(t, &p, a);
	else if (r->effect != EFFECT_CLOSE)
		fill_other(t, a);
	/* Not touched by a call that succeeds. */
	errno = ENOTTY;
	ret->value = callers[t->call](a);
	ret->err = errno;
	drain_pipe(t, &p);
	ret->moved = moved_by(t, &p, ret->value);
	ret->sigpipe = take_sigpipe();
}
