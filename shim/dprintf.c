/*
 * dprintf.c - dprintf(3) on a socket.
 *
 * libc's own makes a stream for the time of the call, whose buffer it writes
 * inside libc.  On a socket that a rule can touch, or that is traced, the
 * stream is one of fopencookie(3), which writes by the wrapped write: what is
 * sent, in which pieces, and what is returned is as it was.  On others the
 * stubs of note_stubs.S jump to libc's.
 *
 * dprintf links its stream into libc's list and allocates a buffer, and is not
 * async-signal-safe; a handler may have interrupted what it likes of ours,
 * since nothing here is shared or locked.  Who leaves a write for good
 * (cancellation, longjmp) leaves the stream behind: the cookie is the
 * descriptor itself, so that nothing of it points to that thread's stack.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "fds.h"
#include "streams.h"

#include "poison.h"

/* note_stubs.S compares with it. */
_Static_assert(FDS_NEAR == 65536, "`near` of note_stubs.S");

/*
 * A va_list is passed by the address of one, where it is an array (x86-64) and
 * where it is a larger struct (aarch64).
 */
int print(FILE *stream, const char *format, void *args) __asm__("vfprintf");
int print_checked(FILE *stream, int flag, const char *format,
                  void *args) __asm__("__vfprintf_chk");

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
	return streams_write((int)(intptr_t)cookie, buf, len,
	                     __builtin_return_address(0));
}

/*
 * Of the size that libc takes for the descriptor, fopencookie's streams having
 * none.  Without memory it takes a byte, and so do we.
 */
static void give_buffer(FILE *stream, int fd)
{
	struct stat st;

	if (setvbuf(stream, NULL, _IOFBF, 0) || fstat(fd, &st))
		return;
	if (st.st_blksize > 0 &&
	    st.st_blksize < stream->_IO_buf_end - stream->_IO_buf_base)
		stream->_IO_buf_end = stream->_IO_buf_base + st.st_blksize;
}

/*
 * NULL: no memory, or the descriptor is no socket (any more), which libc's own
 * question finds out as well.
 */
static FILE *open_stream(int fd)
{
	static const cookie_io_functions_t functions = {.write = stream_write};
	FILE *stream;

	if (lseek(fd, 0, SEEK_CUR) >= 0 || errno != ESPIPE)
		return NULL;
	stream = fopencookie((void *)(intptr_t)fd, "w", functions);
	if (!stream)
		return NULL;
	/* Nobody waits for a call that is blocked: fflush(NULL), exit. */
	__fsetlocking(stream, FSETLOCKING_BYCALLER);
	give_buffer(stream, fd);
	return stream;
}

static int print_by(const struct shim_call *c, FILE *stream)
{
	if (c->id == FAULT_CALL_vdprintf)
		return print(stream, (const char *)c->a[1], (void *)c->a[2]);
	return print_checked(stream, (int)c->a[1], (const char *)c->a[2],
	                     (void *)c->a[3]);
}

/* What was printed before an error of the format is sent all the same. */
static void print_and_close(struct shim_call *c, FILE *stream)
{
	const long a[MAX_ARITY] = {(long)stream};

	c->result = print_by(c, stream);
	if (c->result >= 0 && fflush_unlocked(stream))
		c->result = -1;
	next_call(FAULT_CALL_fclose, a);
	c->err = errno;
}

void handle_dprintf(struct shim_call *c)
{
	int saved = errno; /* %m */
	FILE *stream = c->sock ? open_stream(c->fd) : NULL;

	errno = saved;
	if (stream)
		print_and_close(c, stream);
	else
		call_real(c);
}

/* --- with variable arguments ---------------------------------------------- */

int more_dprintf(int fd, const char *format, ...);
int more___dprintf_chk(int fd, int flag, const char *format, ...);

/* The stub's test again: it leaves numbers beyond fds_near, too. */
static int go_on(enum fault_call id, const long *a, void *caller)
{
	if (fds_word((int)a[0]) & FAMILY_BIT(FAMILY_SEND))
		return (int)call_slow(id, a, caller);
	return (int)next_call(id, a);
}

int more_dprintf(int fd, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	{
		const long a[MAX_ARITY] = {fd, (long)format, (long)&args};

		result = go_on(FAULT_CALL_vdprintf, a,
		               __builtin_return_address(0));
	}
	va_end(args);
	return result;
}

int more___dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	{
		const long a[MAX_ARITY] = {fd, flag, (long)format, (long)&args};

		result = go_on(FAULT_CALL___vdprintf_chk, a,
		               __builtin_return_address(0));
	}
	va_end(args);
	return result;
}
