/*
 * capture.h - what a program writes to one of its streams.
 *
 * A pipe whose reading end is here.  The first `max` bytes are kept, the rest
 * is read and counted, so that a program that writes for ever neither blocks
 * nor fills the memory.
 */
#ifndef FAULT_RUNNER_CAPTURE_H
#define FAULT_RUNNER_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CAPTURE_MAX = 8 << 20, /* of one program */
	CAPTURE_MIN = 16 << 10 /* of one of many instances */
};

struct capture {
	int fd;     /* -1: closed, or never opened */
	char *data; /* always 0-terminated behind len; NULL when empty */
	size_t len, cap, max;
	uint64_t lost; /* bytes beyond max, or without memory (machine.h) */
};

/* ret_write is close-on-exec and the caller's to close.  0 or -errno. */
int capture_open(struct capture *c, size_t max, int *ret_write);

/* Reads what there is; true when something came or the end was reached. */
bool capture_read(struct capture *c);

/* The last lines of it: at most n, and at most size bytes. */
const char *capture_tail(const struct capture *c, size_t n, size_t size,
                         size_t *ret_len);
void capture_release(struct capture *c);

#endif
