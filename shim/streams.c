/*
 * streams.c - see streams.h.
 *
 * A stream of ours is made of two:
 *
 *   the body   the FILE that the real fdopen gave.  It has judged the mode and
 *              the descriptor; its buffer (of the size that libc takes for a
 *              socket) goes to the stream, its data for wide characters serve
 *              it.  Nothing is ever read or written by it.
 *   the stream that of fopencookie, which the program gets
 *
 * The body goes when the stream is closed.  A stream that becomes wide is one
 * of libc's own from then on (fwide gives it the functions of such), with the
 * data of its body, which therefore goes after fclose.
 *
 * Locking model: a slot belongs to who has taken it by its state, until the
 * stream is closed; libc's lock of the stream guards the rest.  The table only
 * grows.
 */
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plan/trace.h"

#include "call.h"
#include "regs.h"
#include "streams.h"

#include "poison.h"

enum {
	N_SLOTS = 126,
	MAX_YIELDS = 1000 /* for some instructions of another thread */
};

enum slot_state {
	SLOT_FREE,
	SLOT_TAKEN,
	SLOT_OPEN
};

struct slot {
	_Atomic int state; /* enum slot_state */
	int fd;
	FILE *stream;
	FILE *body;
};

struct slots {
	struct slots *_Atomic next;
	struct slot v[N_SLOTS];
};

static struct slots first_slots;

/* That of fopencookie's streams; NULL: none of ours was made yet. */
static const void *_Atomic cookie_vtable;

/* --- the table ------------------------------------------------------------ */

static struct slots *slots_after(struct slots *last)
{
	struct slots *expected = NULL;
	struct slots *fresh = mmap(NULL, sizeof(*fresh), PROT_READ | PROT_WRITE,
	                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&last->next, &expected, fresh))
		return fresh;
	munmap(fresh, sizeof(*fresh));
	return expected;
}

static struct slot *slot_in(struct slots *t)
{
	for (size_t i = 0; i < N_SLOTS; i++) {
		int state = SLOT_FREE;

		if (!atomic_load(&t->v[i].state) &&
		    atomic_compare_exchange_strong(&t->v[i].state, &state,
		                                   SLOT_TAKEN))
			return &t->v[i];
	}
	return NULL;
}

/* NULL: no memory. */
static struct slot *slot_take(void)
{
	struct slots *t = &first_slots;
	struct slot *s;

	while (!(s = slot_in(t))) {
		struct slots *more = atomic_load(&t->next);

		if (!more)
			more = slots_after(t);
		if (!more)
			return NULL;
		t = more;
	}
	return s;
}

/* The slot of a stream that the caller owns; NULL: it has none. */
static struct slot *slot_of(const FILE *stream)
{
	for (struct slots *t = &first_slots; t; t = atomic_load(&t->next))
		for (size_t i = 0; i < N_SLOTS; i++)
			if (atomic_load(&t->v[i].state) == SLOT_OPEN &&
			    t->v[i].stream == stream)
				return &t->v[i];
	return NULL;
}

/* fclose of one that is not open frees it, and leaves the descriptor alone. */
static void free_body(FILE *body)
{
	const long a[MAX_ARITY] = {(long)body};
	int saved = errno;

	body->_fileno = -1;
	next_call(FAULT_CALL_fclose, a);
	errno = saved;
}

static void slot_give(struct slot *s)
{
	FILE *body = s->body;

	atomic_store(&s->state, SLOT_FREE);
	free_body(body);
}

/*
 * The stream is being closed, under its lock: streams_flush() of another thread
 * finds that out at once, and leaves it.
 */
static void slot_await(struct slot *s)
{
	for (int i = 0; i < MAX_YIELDS; i++) {
		int state = SLOT_OPEN;

		if (atomic_compare_exchange_strong(&s->state, &state,
		                                   SLOT_TAKEN))
			return;
		sched_yield();
	}
}

/* --- the functions of a stream -------------------------------------------- */

static long make_call(enum fault_call id, const long *a, void *caller)
{
	if (fds_word((int)a[0]) & FAMILY_BIT(fault_calls[id].family))
		return call_slow(id, a, caller);
	return next_call(id, a);
}

static ssize_t stream_read(void *cookie, char *buf, size_t len)
{
	const struct slot *s = cookie;
	const long a[MAX_ARITY] = {s->fd, (long)buf, (long)len};

	return make_call(FAULT_CALL_read, a, __builtin_return_address(0));
}

ssize_t streams_write(int fd, const char *buf, size_t len, void *caller)
{
	size_t done = 0;

	while (done < len) {
		const long a[MAX_ARITY] = {fd, (long)(buf + done),
		                           (long)(len - done)};
		long n = make_call(FAULT_CALL_write, a, caller);

		if (n < 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
	const struct slot *s = cookie;

	return streams_write(s->fd, buf, len, __builtin_return_address(0));
}

/* The kernel says ESPIPE, or EBADF. */
static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	const struct slot *s = cookie;

	*offset = lseek(s->fd, *offset, whence);
	return *offset < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
	struct slot *s = cookie;
	const long a[MAX_ARITY] = {s->fd};

	slot_await(s);
	slot_give(s);
	return (int)make_call(FAULT_CALL_close, a, __builtin_return_address(0));
}

/* --- fdopen --------------------------------------------------------------- */

/* Behind the public part of each FILE. */
static const void *vtable_of(const FILE *stream)
{
	return *(const void *const *)(stream + 1);
}

/* A program's own streams of fopencookie have no descriptor. */
static bool is_ours(const FILE *stream)
{
	const void *vtable = atomic_load(&cookie_vtable);

	return vtable && vtable_of(stream) == vtable && stream->_fileno >= 0;
}

/* The body's buffer, allocated by libc, is the stream's, which frees it. */
static void move_buffer(FILE *from, FILE *to)
{
	if (setvbuf(from, NULL, _IOFBF, 0))
		return;
	to->_IO_buf_base = from->_IO_buf_base;
	to->_IO_buf_end = from->_IO_buf_end;
	from->_IO_buf_base = from->_IO_buf_end = NULL;
}

static FILE *make_stream(struct slot *s, FILE *body, char mode)
{
	static const cookie_io_functions_t functions = {
		.read = stream_read,
		.write = stream_write,
		.seek = stream_seek,
		.close = stream_close,
	};
	bool both = __freadable(body) && __fwritable(body);
	const char how[] = {mode, both ? '+' : '\0', '\0'};
	FILE *stream = fopencookie(s, how, functions);

	if (!stream)
		return NULL;
	atomic_store(&cookie_vtable, vtable_of(stream));
	stream->_fileno = s->fd;
	stream->_mode = body->_mode;
	stream->_wide_data = body->_wide_data;
	move_buffer(body, stream);
	s->stream = stream;
	s->body = body;
	atomic_store(&s->state, SLOT_OPEN);
	return stream;
}

/* Takes the body; NULL: no memory. */
static FILE *open_stream(FILE *body, int fd, char mode)
{
	struct slot *s = slot_take();
	FILE *stream = NULL;

	if (s) {
		s->fd = fd;
		stream = make_stream(s, body, mode);
		if (!stream)
			atomic_store(&s->state, SLOT_FREE);
	}
	if (!stream)
		free_body(body);
	return stream;
}

/* What a stream of libc's own will move: trace.h. */
static uint32_t unseen_by(FILE *stream)
{
	return (__freadable(stream) ? RECORD_UNSEEN_RX : 0) |
	       (__fwritable(stream) ? RECORD_UNSEEN_TX : 0);
}

void handle_fdopen(struct shim_call *c)
{
	int saved = errno;
	bool ours = c->sock && fds_mine() && atomic_load(&c->sock->families);
	FILE *stream;

	record_enter(c);
	errno = saved;
	call_real(c);
	c->err = errno;
	stream = (FILE *)c->result;
	if (stream && ours) {
		stream = open_stream(stream, c->fd, *(const char *)c->a[1]);
		if (!stream)
			c->err = ENOMEM;
	} else if (stream) {
		c->e.want = unseen_by(stream);
	}
	c->result = stream ? 0 : -1;
	record_return(c);
	c->result = (long)stream;
}

/* --- what closes the descriptor ------------------------------------------- */

/* The descriptor of a stream if the table has it, else -1; errno is kept. */
static int tracked(FILE *stream)
{
	int saved = errno;
	int fd = fileno(stream);

	errno = saved;
	return fd >= 0 && fds_word(fd) && fds_mine() ? fd : -1;
}

/* It is a close: the same for rules, table and trace. */
static void close_by(struct shim_call *c, int fd)
{
	c->closer = c->id;
	c->stream = c->a[0];
	c->id = FAULT_CALL_close;
	c->row = &fault_calls[FAULT_CALL_close];
	c->a[0] = fd;
	call_run(c);
}

/* That of a stream which may not come to stream_close any more. */
static struct slot *slot_of_wide(const FILE *stream)
{
	return stream->_mode > 0 ? slot_of(stream) : NULL;
}

/* A stream of ours comes to close by itself (stream_close). */
void handle_fclose(struct shim_call *c)
{
	FILE *stream = (FILE *)c->a[0];
	int fd = is_ours(stream) ? -1 : tracked(stream);
	struct slot *s = slot_of_wide(stream);

	if (s)
		slot_await(s);
	if (fd >= 0) {
		close_by(c, fd);
	} else {
		call_real(c);
		c->err = errno;
	}
	if (s)
		slot_give(s);
}

/*
 * The descriptor is another file's afterwards, or closed, and the stream one of
 * libc's own.  It keeps what it has of its body.
 */
static void leave_socket(struct shim_call *c, FILE *stream)
{
	struct slot *s =
		is_ours(stream) ? slot_of(stream) : slot_of_wide(stream);

	fflush(stream);
	call_take_sock(c, socks_of(fds_set(c->fd, 0)));
	if (c->sock)
		regs_closed(c->fd, c->sock);
	if (s)
		atomic_store(&s->state, SLOT_FREE);
}

void handle_freopen(struct shim_call *c)
{
	FILE *stream = (FILE *)c->a[2];
	int saved = errno;
	int fd = tracked(stream);
	long result;

	if (fd >= 0) {
		c->fd = fd;
		call_take_sock(c, socks_of(fds_word(fd)));
		record_enter(c);
		leave_socket(c, stream);
	}
	errno = saved;
	call_real(c);
	c->err = errno;
	result = c->result;
	c->result = result ? 0 : -1;
	record_return(c);
	c->result = result;
	if (c->sock)
		socks_drop(c->sock);
}

/* --- the end -------------------------------------------------------------- */

static void flush_slot(struct slot *s)
{
	int state = SLOT_OPEN;

	if (!atomic_compare_exchange_strong(&s->state, &state, SLOT_TAKEN))
		return;
	if (__fpending(s->stream) && !ftrylockfile(s->stream)) {
		fflush_unlocked(s->stream);
		funlockfile(s->stream);
	}
	atomic_store(&s->state, SLOT_OPEN);
}

void streams_flush(void)
{
	for (struct slots *t = &first_slots; t; t = atomic_load(&t->next))
		for (size_t i = 0; i < N_SLOTS; i++)
			flush_slot(&t->v[i]);
}

/* --- fork ----------------------------------------------------------------- */

/* libc's own, which count how often the thread has it. */
void lock_list(void) __asm__("_IO_list_lock");
void unlock_list(void) __asm__("_IO_list_unlock");
void reset_list(void) __asm__("_IO_list_resetlock");

bool streams_fork_begins(void)
{
	if (!atomic_load(&cookie_vtable))
		return false;
	lock_list();
	return true;
}

void streams_fork_ends(void)
{
	unlock_list();
}

void streams_fork_child(void)
{
	reset_list();
}
