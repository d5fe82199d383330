/*
 * quiet.c - the short way of transfers that a rule may touch, but not now
 * (io.h).  On a socket with a pending rule nearly all calls go this way; the
 * long one costs several times as much (bench/).
 *
 * What is seen before the call may have changed after it: another thread may
 * have closed the descriptor (generation) or reset the connection
 * (correct_told), exactly as on the long way.
 */
#include <sys/socket.h>

#include "correct.h"
#include "decide.h"
#include "io.h"

#include "poison.h"

/* One buffer, moved in the ordinary way, and nobody keeps a record. */
static bool is_plain(const struct fault_call_row *row, const long *args)
{
	int flags = row->flags < 0 ? 0 : (int)args[(int)row->flags];

	return row->effect == EFFECT_IO && row->shape.kind == SHAPE_BUF &&
	       args[2] && !shim.traced && !shim.timed &&
	       !(flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) &&
	       !atomic_load_explicit(&shim.left, memory_order_relaxed);
}

/* Connected, with nothing pending that a call would have to heed. */
static bool is_at_rest(const struct fault_sock *s, bool rx)
{
	enum fault_state state =
		atomic_load_explicit(&s->state, memory_order_relaxed);

	return state >= STATE_ESTABLISHED && state <= STATE_LAST_ACK &&
	       !(atomic_load_explicit(&s->flags, memory_order_relaxed) &
	         ~SOCK_IPV6) &&
	       !atomic_load_explicit(&s->told_err, memory_order_relaxed) &&
	       !atomic_load_explicit(rx ? &s->rx_until : &s->tx_until,
	                             memory_order_relaxed) &&
	       !atomic_load_explicit(&s->rx_visible, memory_order_relaxed);
}

/* Everything that follows from the call, as on the long way. */
static NOINLINE long finish(enum fault_call id, const long *args,
                            struct fault_sock *s, uint32_t generation,
                            long result)
{
	int saved = errno;
	struct shim_call c = {.id = id,
	                      .row = &fault_calls[id],
	                      .fd = (int)args[0],
	                      .sock = s,
	                      .generation = generation,
	                      .result = result,
	                      .err = result < 0 ? saved : 0};

	decide_describe(&c.e, id, s);
	correct_told(&c);
	if (io_account(&c))
		decide_count(&c);
	errno = c.result < 0 ? c.err : saved;
	return c.result;
}

bool io_quiet(enum fault_call id, const long *args, long *ret_result)
{
	const struct fault_call_row *row = &fault_calls[id];
	struct fault_sock *s;
	uint32_t generation, watch;
	long result;

	if (!is_plain(row, args))
		return false;
	s = socks_of(fds_word((int)args[0]));
	if (!s)
		return false;
	generation = atomic_load_explicit(&s->generation, memory_order_acquire);
	watch = atomic_load_explicit(&s->first_watch, memory_order_relaxed);
	if (!is_at_rest(s, row->family == FAMILY_RECV) ||
	    !engine_quiet(shim.run, watch, FAMILY_BIT(row->family)))
		return false;
	result = next_call(id, args);
	/* Nothing was moved and nothing is over: the call was none. */
	if (result < 0 && (errno == EAGAIN || errno == EINTR))
		*ret_result = result;
	else
		*ret_result = finish(id, args, s, generation, result);
	return true;
}
