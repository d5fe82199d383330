/*
 * capture.c - see capture.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/capture.h"
#include "runner/machine.h"

int capture_open(struct capture *c, size_t max, int *ret_write)
{
	int ends[2];

	*c = (struct capture){.fd = -1, .max = max};
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c->fd = ends[0];
	*ret_write = ends[1];
	return 0;
}

static void append(struct capture *c, const char *data, size_t len)
{
	size_t room = c->max - c->len;
	size_t take = len < room ? len : room;

	if (c->len + take + 1 > c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 8192;
		char *v;

		while (cap < c->len + take + 1)
			cap *= 2;
		v = realloc(c->data, cap);
		if (v) {
			c->data = v;
			c->cap = cap;
		} else {
			machine_failed(-ENOMEM, "keeping output");
			take = 0;
		}
	}
	if (take) {
		memcpy(c->data + c->len, data, take);
		c->len += take;
		c->data[c->len] = '\0';
	}
	c->lost += len - take;
}

bool capture_read(struct capture *c)
{
	bool any = false;
	char buf[16384];

	/* One that never stops writing must not hold us here for ever. */
	for (int i = 0; i < 64 && c->fd >= 0; i++) {
		ssize_t n = read(c->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		any = true;
		if (n <= 0) {
			close(c->fd);
			c->fd = -1;
			break;
		}
		append(c, buf, (size_t)n);
	}
	return any;
}

const char *capture_tail(const struct capture *c, size_t n, size_t size,
                         size_t *ret_len)
{
	size_t from = c->len;

	if (!c->data) {
		*ret_len = 0;
		return "";
	}
	while (from > 0 && c->len - from < size) {
		if (c->data[from - 1] == '\n' && from != c->len && n-- == 1)
			break;
		from--;
	}
	*ret_len = c->len - from;
	return c->data + from;
}

void capture_release(struct capture *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->data);
	*c = (struct capture){.fd = -1};
}
