/*
 * events.c - a connection's turn in an event loop; contract in events.h.
 */
#include <errno.h>

#include "calls.h"
#include "events.h"

static bool wants_to_read(struct connection *c)
{
	unsigned char *room;

	return session_room(&c->session, &room) > 0;
}

static bool wants_to_write(struct connection *c)
{
	const unsigned char *bytes;

	return session_output(&c->session, &bytes) > 0;
}

static bool can_read(struct connection *c)
{
	return c->readable && wants_to_read(c);
}

static bool can_write(struct connection *c)
{
	return c->writable && wants_to_write(c);
}

bool events_can_go_on(struct connection *c)
{
	return can_read(c) || can_write(c) ||
	       session_owes_half_close(&c->session);
}

static unsigned interest_of(const struct waiter *w, struct connection *c)
{
	if (w->kind->edges)
		return WAIT_READ | WAIT_WRITE;
	return (wants_to_read(c) ? WAIT_READ : 0) |
	       (wants_to_write(c) ? WAIT_WRITE : 0);
}

int events_add(struct waiter *w, struct connection *c)
{
	/* An edge may have been before it was watched: try. */
	c->readable = w->kind->edges;
	c->writable = w->kind->edges;
	c->interest = interest_of(w, c);
	return w->kind->add(w, c->fd, c->interest, c, c->peer);
}

void events_remove(struct waiter *w, const struct connection *c)
{
	w->kind->remove(w, c->fd);
}

void events_note(struct connection *c, unsigned news)
{
	if (news & WAIT_READ)
		c->readable = true;
	if (news & WAIT_WRITE)
		c->writable = true;
	if (news & WAIT_ERROR)
		c->failing = true;
}

static int read_some(struct connection *c)
{
	unsigned char *room;
	size_t len = session_room(&c->session, &room);
	ssize_t n = c->calls->receive(c->fd, room, len);

	if (n < 0 && errno == EAGAIN)
		c->readable = false;
	else if (n < 0 && errno != EINTR)
		return connection_failed(c, c->calls->receive_name, errno);
	else if (n == 0)
		session_input_end(&c->session);
	else if (n > 0)
		session_received(&c->session, (size_t)n);
	c->drained = n < 0 && !c->readable;
	if (n >= 0)
		connection_progress(c);
	return connection_check(c);
}

static int write_some(struct connection *c)
{
	const unsigned char *bytes;
	size_t len = session_output(&c->session, &bytes);
	ssize_t n = c->calls->send(c->fd, bytes, len);

	if (n < 0 && errno == EAGAIN)
		c->writable = false;
	else if (n < 0 && errno != EINTR)
		return connection_failed(c, c->calls->send_name, errno);
	else if (n > 0)
		session_sent(&c->session, (size_t)n);
	if (n > 0)
		connection_progress(c);
	return 0;
}

/* An error was told, but neither call has reported it. */
static int check_failing(struct connection *c)
{
	int err;

	if (!c->failing || events_can_go_on(c))
		return 0;
	if (wants_to_read(c) && !c->drained)
		return 0;
	c->failing = false;
	err = net_socket_error(c->fd);
	return err ? connection_failed(c, "SO_ERROR of", -err) : 0;
}

/* The interest follows what the session wants now. */
static int ask_again(struct waiter *w, struct connection *c)
{
	unsigned interest = interest_of(w, c);

	c->failing = false;
	if (interest == c->interest)
		return 0;
	c->interest = interest;
	return w->kind->modify(w, c->fd, interest, c, c->peer);
}

int events_turn(struct waiter *w, struct connection *c)
{
	int n_calls = w->kind->edges ? EVENTS_TURN_CALLS : 1;
	int err = 0;

	for (int i = 0; i < n_calls && !err && events_can_go_on(c); i++) {
		if (can_write(c))
			err = write_some(c);
		if (!err && can_read(c))
			err = read_some(c);
		if (!err && session_owes_half_close(&c->session))
			err = connection_half_close(c);
	}
	if (err || session_finished(&c->session))
		return err;
	/* A level is told again, so nothing is remembered of it. */
	if (!w->kind->edges) {
		c->readable = false;
		c->writable = false;
	}
	err = check_failing(c);
	if (!err && !w->kind->edges)
		err = ask_again(w, c);
	return err;
}
