/*
 * quiet.c - see quiet.h.
 */
#include <sys/socket.h>

#include "correct.h"
#include "decide.h"
#include "filter.h"
#include "gates.h"
#include "io.h"
#include "quiet.h"

#include "poison.h"

/* No references were given back, and the helper does its own work. */
static bool is_settled(void)
{
	return !atomic_load_explicit(&shim.orphaned, memory_order_relaxed) &&
	       !atomic_load_explicit(&shim.helpless, memory_order_relaxed) &&
	       !atomic_load_explicit(&shim.left, memory_order_relaxed);
}

/* ... and nobody keeps a record, or looks at the clock or the stack. */
static bool is_plain(void)
{
	return !shim.traced && !shim.timed && !shim.callers && is_settled();
}

static bool has_no_flags(const struct fault_sock *s)
{
	return !(atomic_load_explicit(&s->flags, memory_order_relaxed) &
	         ~SOCK_IPV6);
}

/* Connected, with nothing pending that a call would have to heed. */
static bool is_at_rest(const struct fault_sock *s, bool rx)
{
	enum fault_state state =
		atomic_load_explicit(&s->state, memory_order_relaxed);

	return state >= STATE_ESTABLISHED && state <= STATE_LAST_ACK &&
	       has_no_flags(s) &&
	       !atomic_load_explicit(&s->told_err, memory_order_relaxed) &&
	       !atomic_load_explicit(rx ? &s->rx_hold.until : &s->tx_hold.until,
	                             memory_order_relaxed) &&
	       !atomic_load_explicit(&s->rx_visible, memory_order_relaxed);
}

struct quiet quiet_transfer(enum fault_family family, int fd, long len,
                            int flags)
{
	struct fault_sock *s = socks_of(fds_word(fd));
	struct quiet q = {.sock = NULL};
	uint32_t watch;

	if (!s || !len || flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE) ||
	    !is_plain())
		return q;
	q.generation = socks_generation(s);
	if (!is_at_rest(s, family == FAMILY_RECV))
		return q;
	watch = atomic_load_explicit(&s->first_watch, memory_order_relaxed);
	if (engine_quiet(shim.run, watch, FAMILY_BIT(family)))
		q.sock = s;
	return q;
}

/* Everything that follows from the call, as on the long way. */
static NOINLINE long finish(enum fault_call id, int fd, struct quiet q,
                            long result)
{
	int saved = errno;
	struct shim_call c = {.id = id,
	                      .row = &fault_calls[id],
	                      .fd = fd,
	                      .sock = q.sock,
	                      .generation = q.generation,
	                      .result = result,
	                      .err = result < 0 ? saved : 0};

	decide_describe(&c.e, id, q.sock);
	correct_told(&c);
	if (io_account(&c))
		decide_count(&c);
	errno = c.result < 0 ? c.err : saved;
	return c.result;
}

static bool is_the_same(struct quiet q)
{
	return socks_generation(q.sock) == q.generation;
}

/* The same for what nearly always happened: bytes, and nothing else. */
static NOINLINE long finish_moved(enum fault_call id, int fd, struct quiet q,
                                  long result)
{
	struct engine_call e = {0};

	decide_describe(&e, id, q.sock);
	io_moved(q.sock, &e, (uint64_t)result);
	engine_count(shim.plan, shim.run, &e);
	if (e.direction == DIRECTION_RX && gates_concern(q.sock))
		io_expect(fd, q.sock);
	return result;
}

long quiet_transferred(enum fault_call id, int fd, struct quiet q, long result)
{
	/* Nothing was moved and nothing is over: the call was none. */
	if (result < 0 && (errno == EAGAIN || errno == EINTR))
		return result;
	if (result > 0 && has_no_flags(q.sock) && is_the_same(q))
		return finish_moved(id, fd, q, result);
	return finish(id, fd, q, result);
}

enum quiet_way quiet_wait(enum fault_call id, const long *args)
{
	if (!is_settled() || (shim.readiness && filter_concerns(id, args)))
		return QUIET_NOT;
	if (!shim.process_watch)
		return QUIET_UNCOUNTED;
	return is_plain() && engine_quiet(shim.run, shim.process_watch,
	                                  FAMILY_BIT(FAMILY_POLL))
	               ? QUIET_COUNTED
	               : QUIET_NOT;
}

long quiet_waited(enum fault_call id, long result)
{
	/* Without a socket, and no clock (is_plain), there is no more to it. */
	const struct engine_call e = {.call = id,
	                              .first_watch = shim.process_watch,
	                              .program = shim.program,
	                              .process_cells = shim.process_cells};

	engine_count(shim.plan, shim.run, &e);
	return result;
}
