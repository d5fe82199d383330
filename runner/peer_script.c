/*
 * peer_script.c - from step to step: a program counter for each list of steps
 * that is being played.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "runner/clock.h"
#include "runner/peer_internal.h"
#include "runner/text.h"

#define LOOK_NS (20 * NS_PER_MS) /* so often at a file */

/* ---- lists --------------------------------------------------------------- */

size_t script_depth(const struct step_list *l)
{
	size_t deepest = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct step_list inner = {l->v[i].steps, l->v[i].n_steps};
		size_t n = inner.n ? script_depth(&inner) : 0;

		if (n > deepest)
			deepest = n;
	}
	return deepest + 1;
}

static struct frame *top(struct conn *c)
{
	return &c->frames[c->depth - 1];
}

static void enter(struct conn *c, const struct step *repeat,
                  const struct step *v, size_t n)
{
	c->frames[c->depth++] =
		(struct frame){.repeat = repeat, .v = v, .n = n};
}

/* At the end of a list: once more, or out of it. */
static void end_round(struct conn *c)
{
	struct frame *f = top(c);

	f->round++;
	f->at = 0;
	if (f->repeat && f->repeat->times && f->round == f->repeat->times)
		f->repeat = NULL;
	if (f->repeat)
		return;
	c->depth--;
	if (c->depth)
		top(c)->at++;
}

/* The step to be played, NULL at the end. */
static const struct step *current(struct conn *c)
{
	while (c->depth) {
		const struct frame *f = top(c);
		const struct step *s = &f->v[f->at];

		if (f->at == f->n)
			end_round(c);
		else if (s->kind == STEP_REPEAT && s->n_steps)
			enter(c, s, s->steps, s->n_steps);
		else
			return s;
	}
	return NULL;
}

static bool is_forever(const struct frame *f)
{
	return f->repeat && !f->repeat->times;
}

bool conn_leave_loop(struct conn *c, bool receiving)
{
	for (size_t i = c->depth; i-- > 0;) {
		const struct frame *f = &c->frames[i];

		if (receiving && f->at)
			return false;
		if (is_forever(f)) {
			/* As if its last step were done. */
			c->depth = i + 1;
			top(c)->repeat = NULL;
			top(c)->at = top(c)->n - 1;
			return true;
		}
		if (receiving && f->round)
			return false;
	}
	return false;
}

const struct step *conn_next_step(const struct conn *c)
{
	const struct frame *f = &c->frames[c->depth - 1];

	return f->at + 1 < f->n ? &f->v[f->at + 1] : NULL;
}

/* `echo` and `drain` have no end of their own; nothing must wait behind. */
static bool is_endless(const struct frame *f)
{
	enum step_kind kind = f->v[f->at].kind;

	if (f->repeat || (kind != STEP_ECHO && kind != STEP_DRAIN))
		return false;
	for (size_t i = f->at + 1; i < f->n; i++) {
		kind = f->v[i].kind;
		if (kind != STEP_CLOSE && kind != STEP_RESET &&
		    kind != STEP_HALF_CLOSE)
			return false;
	}
	return true;
}

/* Steps that nobody sees whose other side has gone. */
static bool all_unseen(const struct step *v, size_t n)
{
	static const bool unseen[N_STEP_KINDS] = {
		[STEP_WAIT_TIME] = true,  [STEP_REPEAT] = true,
		[STEP_CLOSE] = true,      [STEP_RESET] = true,
		[STEP_HALF_CLOSE] = true,
	};

	for (size_t i = 0; i < n; i++)
		if (!unseen[v[i].kind] || !all_unseen(v[i].steps, v[i].n_steps))
			return false;
	return true;
}

/* From the current step to the end, with the rounds that are to come. */
static bool rest_is_unseen(const struct conn *c)
{
	for (size_t i = 0; i < c->depth; i++) {
		const struct frame *f = &c->frames[i];
		size_t at = f->at + (i + 1 < c->depth);

		if (f->repeat && f->round + 1 < f->repeat->times)
			at = 0;
		if (!all_unseen(f->v + at, f->n - at))
			return false;
	}
	return true;
}

/* It has said FIN or RST, whether the script has read that or not. */
static bool other_side_has_gone(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (c->fd < 0)
		return true;
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	return info.tcpi_state == TCP_CLOSE_WAIT ||
	       info.tcpi_state == TCP_LAST_ACK ||
	       info.tcpi_state == TCP_CLOSING ||
	       info.tcpi_state == TCP_TIME_WAIT || info.tcpi_state == TCP_CLOSE;
}

const struct step *conn_unfinished(const struct conn *c)
{
	const struct frame *f;

	if (!c->script || c->over || !c->depth)
		return NULL;
	for (size_t i = 0; i < c->depth; i++)
		if (is_forever(&c->frames[i]))
			return NULL;
	f = &c->frames[c->depth - 1];
	if (f->at == f->n || is_endless(f) ||
	    (rest_is_unseen(c) && other_side_has_gone(c)))
		return NULL;
	return &f->v[f->at];
}

/* ---- steps that transfer nothing ----------------------------------------- */

static enum turn wait_time(struct conn *c, const struct step *s)
{
	c->wake_ns = c->begin_ns + s->time_ns;
	return now_ns() < c->wake_ns ? TURN_WAITS : TURN_DONE;
}

/* Is the file there, with all that it should have? */
static bool file_has(const struct event *e)
{
	return e->has.n ? text_is_in_file(&e->has, e->path)
	                : access(e->path, F_OK) == 0;
}

/* As on the timeline: `3` is the third, only `3..5` has an upper end. */
static int hits_came(const struct range *count, uint64_t hits)
{
	if (count->min != count->max && hits > (uint64_t)count->max)
		return -ERANGE;
	return (int64_t)hits >= count->min;
}

/*
 * 1: it has happened, 0: not yet; -ERANGE: too often; -ENOTSUP: a script
 * cannot see it.
 */
static int event_came(struct conn *c, const struct event *e)
{
	const struct peer *p = c->peer;
	uint64_t hits = 0;

	if (e->kind == EVENT_FILE)
		return file_has(e);
	if (e->kind == EVENT_HIT && p->hits &&
	    p->hits(p->hits_context, e->rule, &hits))
		return hits_came(&e->count, hits);
	return -ENOTSUP;
}

static enum turn wait_event(struct conn *c, const struct step *s)
{
	int64_t until = s->has_within ? s->within_ns.max : INT64_MAX;
	int came = event_came(c, &s->event);
	int64_t ns = now_ns() - c->begin_ns;

	if (came == -ERANGE)
		return say_failed(c, s, 0, "there were more hits than that");
	if (came < 0)
		return say_failed(c, s, 0, "a script cannot see that here");
	if (came && s->has_within && ns < s->within_ns.min)
		return say_failed(c, s, 0, "it came after %.3fs, too early",
		                  (double)ns / 1e9);
	if (came)
		return TURN_DONE;
	if (ns >= until)
		return say_failed(c, s, 0, "it did not come within %gs",
		                  (double)until / 1e9);
	ns = until - ns < LOOK_NS ? until - ns : LOOK_NS;
	c->wake_ns = now_ns() + ns;
	return TURN_WAITS;
}

static enum turn close_step(struct conn *c, const struct step *s)
{
	(void)s;
	conn_close(c);
	return TURN_DONE;
}

static enum turn reset_step(struct conn *c, const struct step *s)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	if (c->fd < 0)
		return say_failed(c, s, 0, "the script has closed it");
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(c->fd);
	c->fd = -1;
	c->watched = 0;
	return TURN_DONE;
}

static enum turn half_close_step(struct conn *c, const struct step *s)
{
	if (c->fd < 0)
		return say_failed(c, s, 0, "the script has closed it");
	if (shutdown(c->fd, SHUT_WR) < 0)
		return say_failed(c, s, 0, "%s",
		                  errno == ENOTCONN ? "got reset"
		                                    : strerror(errno));
	return TURN_DONE;
}

static enum turn empty_step(struct conn *c, const struct step *s)
{
	(void)c;
	(void)s;
	return TURN_DONE;
}

static enum turn (*const ways[N_STEP_KINDS])(struct conn *,
                                             const struct step *) = {
	[STEP_WAIT_TIME] = wait_time, [STEP_WAIT_EVENT] = wait_event,
	[STEP_REPEAT] = empty_step,   [STEP_SEND] = send_step,
	[STEP_RECV] = recv_step,      [STEP_CLOSE] = close_step,
	[STEP_RESET] = reset_step,    [STEP_HALF_CLOSE] = half_close_step,
	[STEP_ECHO] = echo_step,      [STEP_DRAIN] = drain_step,
};

/* ---- playing ------------------------------------------------------------- */

static uint64_t draw(const struct conn *c, size_t script)
{
	const struct peer *p = c->peer;

	return engine_hash(p->seed, (uint32_t)script,
	                   plan_hash_string(p->program->name), c->ordinal, 0,
	                   0);
}

void conn_begin(struct conn *c)
{
	const struct program *program = c->peer->program;

	for (size_t i = 0; i < program->n_scripts && !c->script; i++) {
		const struct script *s = &program->scripts[i];

		if (!engine_pick(&s->connections, c->ordinal, draw(c, i)))
			continue;
		c->script = s;
		c->peer->used[i] = true;
		enter(c, NULL, s->steps.v, s->steps.n);
	}
}

/* Kept open to the end, and nothing that comes of it is looked at. */
static void play_unpicked(struct conn *c)
{
	static const struct step drain = {.kind = STEP_DRAIN};

	c->want = 0;
	drain_step(c, &drain);
}

static void end_step(struct conn *c)
{
	c->begun = false;
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
}

static void end_script(struct conn *c)
{
	end_step(c);
	conn_close(c);
	c->over = true;
}

static enum turn play_step(struct conn *c, const struct step *s)
{
	if (!c->begun) {
		c->begun = true;
		c->begin_ns = now_ns();
		c->moved = c->base = 0;
		c->base_ns = 0;
		c->scanned = 0;
	}
	c->want = 0;
	c->wake_ns = 0;
	return ways[s->kind](c, s);
}

void conn_play(struct conn *c)
{
	if (!c->script) {
		play_unpicked(c);
		return;
	}
	for (int i = 0; i < PEER_FAIR; i++) {
		const struct step *s = current(c);
		enum turn t;

		if (!s) {
			end_script(c);
			return;
		}
		t = play_step(c, s);
		if (t == TURN_WAITS)
			return;
		if (t == TURN_FAILED) {
			end_script(c);
			return;
		}
		end_step(c);
		top(c)->at++;
	}
	/* At once again, behind the others. */
	c->want = 0;
	c->wake_ns = now_ns();
}
