/*
 * expect_match.h - one entry of `calls` or `order` against calls of a trace.
 *
 * Selects as a rule does: `connection` counts those that the other keys select,
 * `nth` the calls that count, by the `per` of their family.
 * Beyond rules there is `result`:
 *
 *   none given   the calls that count, and those that failed by themselves;
 *                not those on which nothing happened, nor retries
 *   given        each call that returned so: `ok` also the retry of a call that
 *                a fault had refused, EAGAIN also one that found nothing.  A
 *                connect that went on (EINPROGRESS) returned so when it was
 *                established, or SO_ERROR told so
 */
#ifndef FAULT_RUNNER_EXPECT_MATCH_H
#define FAULT_RUNNER_EXPECT_MATCH_H

#include "lang/scenario.h"
#include "runner/replay.h"

/* A call that matches, as far as order and time go. */
struct sighting {
	uint64_t entry_ns, return_ns; /* return UINT64_MAX: it never did */
	uint64_t ticket;              /* of its entry: order within a thread */
	uint16_t program;
	bool waits; /* for somebody else: accept, recv, poll, resolve */
};

/*
 * When it happened: a call that waits, when it returned; any other, when it
 * began.
 */
uint64_t sighting_moment(const struct sighting *s);

/* How near a call came; the higher, the nearer. */
enum match {
	MATCH_NONE, /* another call, another program, or it does not count */
	MATCH_SOCKET,
	MATCH_CONNECTION,
	MATCH_NTH,
	MATCH_RESULT,
	MATCH_AGAIN, /* a call that matched before goes on: only its bytes */
	MATCH_FULL,
};

struct matcher {
	const struct call_expect *e;
	struct plan_class sockets;
	bool per_connection; /* nth */
	uint32_t connections[PLAN_MAX_PROGRAMS], calls[PLAN_MAX_PROGRAMS];
	struct keyed connection_of, calls_of; /* numbers, by sockets */
	struct keyed pending; /* connects that go on, and are selected */
	bool lost; /* a call could not be counted: no memory, or too many */
	struct sighting seen; /* behind MATCH_FULL: the call that matches */
};

/* e must live as long. */
void matcher_init(struct matcher *m, const struct call_expect *e);
void matcher_release(struct matcher *m);

/*
 * Every call of the trace in its order, established connections too.  open: it
 * never returned (replay_next_open()).
 */
enum match matcher_look(struct matcher *m, const struct replay_call *c,
                        bool open);

/* Bytes that the call moved. */
uint64_t match_bytes(const struct replay_call *c);

/* "connect in client to port 5432", "recv on connection 2 #3" */
void match_text(const struct scenario *s, const struct call_expect *e,
                char *buf, size_t size);

/* "", " with ECONNREFUSED", " that succeeded" */
const char *match_result_text(const struct call_expect *e, char *buf,
                              size_t size);

#endif
