/*
 * bytes.c - input piece by piece, and files of it (fuzz.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

void fuzz_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("fuzz: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

void take_into(struct bytes *b, void *to, size_t len)
{
	size_t n = len < b->left ? len : b->left;

	memset(to, 0, len);
	if (!n)
		return;
	memcpy(to, b->at, n);
	b->at += n;
	b->left -= n;
}

#define TAKE(bits)                                                             \
	uint##bits##_t take_u##bits(struct bytes *b)                           \
	{                                                                      \
		uint##bits##_t v;                                              \
                                                                               \
		take_into(b, &v, sizeof(v));                                   \
		return v;                                                      \
	}

TAKE(8)
TAKE(16)
TAKE(32)
TAKE(64)

void memory_file_open(struct memory_file *f, const void *data, size_t len)
{
	f->fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(f->fd >= 0, "no memory file");
	must(write(f->fd, data, len) == (ssize_t)len, "no memory for a file");
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

size_t memory_file_read(const struct memory_file *f, void *buf, size_t size)
{
	ssize_t n = pread(f->fd, buf, size, 0);

	must(n >= 0, "cannot read a file");
	return (size_t)n;
}

void memory_file_close(struct memory_file *f)
{
	close(f->fd);
}
