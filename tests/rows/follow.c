/*
 * follow.c - the call, and what can be seen after it.
 *
 *   result VALUE ERRNO    a descriptor is printed as `fd`
 *   moved N               transfers: bytes of the stream
 *   signal SIGPIPE|-
 *   ready MASK            a connect under way: readiness at its end
 *   so_error E, then E    taken twice
 *   again ...             the same call once more, without blocking
 *   peer N END            what the far end gets after we have closed
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/raw.h"
#include "rows.h"

enum {
	DEADLINE_MS = 2000
};

static const char *name_of(int err)
{
	const char *name = err ? fault_errno_name(err) : "0";

	return name ? name : "?";
}

static bool gives_descriptor(const struct rows_test *t)
{
	return t->row->effect == EFFECT_CREATE ||
	       t->row->effect == EFFECT_ACCEPT;
}

static void show(const struct rows_test *t, const char *word,
                 const struct rows_result *r)
{
	if (r->value < 0)
		printf("%s -1 %s\n", word, name_of(r->err));
	else if (gives_descriptor(t))
		printf("%s fd\n", word);
	else
		printf("%s %ld\n", word, r->value);
	/* A call that succeeds leaves errno as it was. */
	if (r->value >= 0 && r->err != ENOTTY)
		printf("%s changed errno to %s\n", word, name_of(r->err));
	if (t->row->effect == EFFECT_IO) {
		printf("moved %ld\n", r->moved);
		printf("signal %s\n", r->sigpipe ? "SIGPIPE" : "-");
	}
}

/* --- readiness and the pending error ------------------------------------- */

static void show_readiness(int fd)
{
	static const struct {
		short bit;
		const char *name;
	} bits[] = {{POLLIN, "IN"},
	            {POLLOUT, "OUT"},
	            {POLLRDHUP, "RDHUP"},
	            {POLLHUP, "HUP"},
	            {POLLERR, "ERR"}};
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	raw_poll(&p, DEADLINE_MS);
	printf("ready");
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (p.revents & bits[i].bit)
			printf(" %s", bits[i].name);
	printf("\n");
}

static void show_so_error(const struct rows_test *t)
{
	int first = -1, second = -1;
	socklen_t len = sizeof(int);

	if (t->fd < 0 || t->row->effect == EFFECT_CLOSE)
		return;
	getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &first, &len);
	getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &second, &len);
	printf("so_error %s, then %s\n", name_of(first), name_of(second));
}

/* "" or " changed FIRST..LAST", all between them included or " patchy". */
static const char *changes(const unsigned char *got, size_t n)
{
	static char text[64];
	size_t first = n, last = 0, many = 0;

	for (size_t i = 0; i < n; i++) {
		if (got[i] == rows_pattern(i % ROWS_BYTES))
			continue;
		first = first == n ? i : first;
		last = i;
		many++;
	}
	if (!many)
		return "";
	snprintf(text, sizeof(text), " changed %zu..%zu%s", first, last,
	         many == last - first + 1 ? "" : " patchy");
	return text;
}

/* --- the far end --------------------------------------------------------- */

static void close_raw(int *fd)
{
	if (*fd >= 0)
		raw(SYS_close, *fd, 0, 0, 0, 0, 0);
	*fd = -1;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return raw_poll(&p, DEADLINE_MS) == 1;
}

/* All that comes, up to its end. */
static void show_stream(int peer)
{
	unsigned char got[4 * ROWS_BYTES];
	size_t n = 0;
	long r = 1;

	while (r > 0 && n < sizeof(got) && readable(peer)) {
		r = raw(SYS_read, peer, (long)(got + n),
		        (long)(sizeof(got) - n), 0, 0, 0);
		n += r > 0 ? (size_t)r : 0;
	}
	printf("peer %zu%s %s\n", n, changes(got, n),
	       r > 0   ? "open"
	       : r < 0 ? name_of((int)-r)
	               : "eof");
}

/* Has the listener of the far end got a connection? */
static void show_arrival(struct rows_test *t)
{
	struct sockaddr_in a;
	unsigned len = sizeof(a);
	struct pollfd p = {.fd = t->listener, .events = POLLIN};
	bool open = !raw(SYS_getpeername, t->fd, (long)&a, (long)&len, 0, 0, 0);

	raw_poll(&p, open ? DEADLINE_MS : 0);
	printf("peer %s\n", p.revents & POLLIN ? "connected" : "nothing");
}

static void show_peer(struct rows_test *t)
{
	if (t->row->effect == EFFECT_CONNECT) {
		show_arrival(t);
		return;
	}
	if (t->peer < 0)
		return;
	if (t->row->effect != EFFECT_CLOSE)
		close_raw(&t->fd);
	show_stream(t->peer);
}

/* --- the order ----------------------------------------------------------- */

static void keep(struct rows_test *t, const struct rows_result *r, int *kept)
{
	if (gives_descriptor(t) && r->value >= 0)
		*kept = (int)r->value;
}

/* Goes on until all is moved; what was received is compared. */
static void move_all(struct rows_test *t, const struct rows_result *first)
{
	size_t n = first->moved > 0 ? (size_t)first->moved : 0;
	struct rows_result r = *first;
	const char *changed;

	while (n < ROWS_BYTES && (r.value > 0 || r.err == EAGAIN)) {
		invoke(t, n, &r);
		n += r.moved > 0 ? (size_t)r.moved : 0;
	}
	changed =
		t->row->family == FAMILY_SEND ? "" : changes(rows_received, n);
	printf("rest %zu%s\n", n, *changed ? changed : " intact");
}

void follow(struct rows_test *t)
{
	struct rows_result r;
	int kept[2] = {-1, -1};

	invoke(t, 0, &r);
	show(t, "result", &r);
	keep(t, &r, &kept[0]);
	if (t->row->effect == EFFECT_CONNECT) {
		show_readiness(t->fd);
		show_so_error(t);
	}
	if (t->all) {
		move_all(t, &r);
	} else if (t->row->effect != EFFECT_CLOSE) {
		if (t->fd >= 0)
			raw(SYS_fcntl, t->fd, F_SETFL, O_NONBLOCK, 0, 0, 0);
		invoke(t,
		       r.moved > 0 && r.moved < ROWS_BYTES ? (size_t)r.moved
		                                           : 0,
		       &r);
		show(t, "again", &r);
		keep(t, &r, &kept[1]);
	}
	show_so_error(t);
	close_raw(&kept[0]);
	close_raw(&kept[1]);
	show_peer(t);
}
