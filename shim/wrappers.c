/*
 * wrappers.c - the exported functions, expanded from calls.def.
 *
 * A wrapper reads one word (the descriptor's, or shim.interest for calls
 * without one); when its family's bit is not set, nothing can happen here and
 * it jumps to the next function.  The build disassembles the result and
 * checks that jump (tests/build).  Everything else is in slow.c, entered by a
 * jump as well, so that its return address is the program's.  Between the two
 * lies the short way of quiet.h, for calls on which no rule is due yet.
 */
#include "shim.h"
#include "next.h"
#include "wrap.h"
#include "fds.h"
#include "call.h"
#include "quiet.h"

#include "poison.h"

#define PACK_1(t1, a1)      (long)(a1)
#define PACK_2(t1, a1, ...) (long)(a1), PACK_1(__VA_ARGS__)
#define PACK_3(t1, a1, ...) (long)(a1), PACK_2(__VA_ARGS__)
#define PACK_4(t1, a1, ...) (long)(a1), PACK_3(__VA_ARGS__)
#define PACK_5(t1, a1, ...) (long)(a1), PACK_4(__VA_ARGS__)
#define PACK_6(t1, a1, ...) (long)(a1), PACK_5(__VA_ARGS__)
#define PACK_7(t1, a1, ...) (long)(a1), PACK_6(__VA_ARGS__)

/* What a symbol is when another of its descriptors is the socket. */
static const struct twin {
	bool is;
	uint8_t fd;
	uint8_t family;
} twins[N_CALLS] = {
#define TWIN(id, symbol, n, family, kind, effect, fd, shape, flags)            \
	[FAULT_CALL_##symbol] = {true, fd, FAMILY_##family},
#include "plan/calls.def"
};

/* The word that decides.  All but the arguments is constant. */
static inline __attribute__((always_inline)) bool
wanted(enum fault_call id, enum fault_family family, int fd_index,
       const long *a)
{
	const struct twin twin = twins[id];
	uint64_t word =
		fd_index < 0 ? shim.interest : fds_word((int)a[fd_index]);

	return UNLIKELY(word & FAMILY_BIT(family)) ||
	       (twin.is &&
	        UNLIKELY(fds_word((int)a[twin.fd]) & FAMILY_BIT(twin.family)));
}

/* Is the row a transfer of one buffer?  Its length is argument 2. */
#define ONE_BUFFER_NONE           false
#define ONE_BUFFER_BUF(ptr, len)  true
#define ONE_BUFFER_IOV(ptr, len)  false
#define ONE_BUFFER_MSG(ptr)       false
#define ONE_BUFFER_MMSG(ptr, len) false
#define ONE_BUFFER_LEN(len)       false

/* One frame, with nothing packed: what is behind the call costs most. */
#define CALL(symbol, ret, n, proto, family, kind, effect, fd, shape, flags)    \
	static NOINLINE ret slow_##symbol PARAMS_##n proto                     \
	{                                                                      \
		const long a[MAX_ARITY] = {PACK_##n proto};                    \
                                                                               \
		return (ret)call_slow(FAULT_CALL_##symbol, a,                  \
		                      __builtin_return_address(0));            \
	}                                                                      \
	static NOINLINE ret quiet_##symbol PARAMS_##n proto                    \
	{                                                                      \
		const long a[MAX_ARITY] = {PACK_##n proto};                    \
                                                                               \
		if (EFFECT_##effect == EFFECT_WAIT) {                          \
			const enum quiet_way way =                             \
				quiet_wait(FAULT_CALL_##symbol, a);            \
                                                                               \
			if (way == QUIET_UNCOUNTED)                            \
				return next.symbol ARGS_##n proto;             \
			if (way == QUIET_COUNTED)                              \
				return (ret)quiet_waited(                      \
					FAULT_CALL_##symbol,                   \
					RESULT_##ret(                          \
						next.symbol ARGS_##n proto));  \
		}                                                              \
		if (EFFECT_##effect == EFFECT_IO && ONE_BUFFER_##shape) {      \
			const struct quiet q = quiet_transfer(                 \
				FAMILY_##family, (int)a[0], a[2],              \
				(flags) < 0                                    \
					? 0                                    \
					: (int)a[(flags) < 0 ? 0 : flags]);    \
                                                                               \
			if (q.sock)                                            \
				return (ret)quiet_transferred(                 \
					FAULT_CALL_##symbol, (int)a[0], q,     \
					RESULT_##ret(                          \
						next.symbol ARGS_##n proto));  \
		}                                                              \
		return slow_##symbol ARGS_##n proto;                           \
	}                                                                      \
	ret wrap_##symbol PARAMS_##n proto                                     \
	{                                                                      \
		const long a[MAX_ARITY] = {PACK_##n proto};                    \
                                                                               \
		if (wanted(FAULT_CALL_##symbol, FAMILY_##family, fd, a))       \
			return quiet_##symbol ARGS_##n proto;                  \
		return next.symbol ARGS_##n proto;                             \
	}
#include "plan/calls.def"
