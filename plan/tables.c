/*
 * tables.c - the constant arrays behind tables.h, expanded from the .def
 * files.  No code but look-ups; async-signal-safe; used on both sides.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "tables.h"

#define TWIN(id_, symbol_, n_, family_, kind_, effect_, fd_, shape_, flags_)   \
	[FAULT_CALL_##id_] = {                                                 \
		.symbol = #symbol_,                                            \
		.family = FAMILY_##family_,                                    \
		.kind = FAULT_##kind_,                                         \
		.effect = EFFECT_##effect_,                                    \
		.shape = SHAPE_INIT_##shape_,                                  \
		.fd = fd_,                                                     \
		.flags = flags_,                                               \
		.arity = n_,                                                   \
	},
#define CALL(symbol_, ret_, n_, proto_, ...)                                   \
	TWIN(symbol_, symbol_, n_, __VA_ARGS__)
/* Of one that goes through a stub no arguments are known. */
#define ENTERED(symbol_, family_, kind_, effect_)                              \
	TWIN(symbol_, symbol_, 0, family_, kind_, effect_, -1, NONE, -1)
#define NOTE(symbol_, hook_)   ENTERED(symbol_, TABLE, NOTE, NOTE)
#define STUB(symbol_)          ENTERED(symbol_, TABLE, NOTE, NOTE)
#define VARIADIC(symbol_, by_) ENTERED(symbol_, SEND, BOOK, DPRINTF)
#define SHAPE_INIT_NONE                                                        \
	{                                                                      \
		SHAPE_NONE, -1, -1                                             \
	}
#define SHAPE_INIT_BUF(ptr, len)                                               \
	{                                                                      \
		SHAPE_BUF, ptr, len                                            \
	}
#define SHAPE_INIT_IOV(ptr, len)                                               \
	{                                                                      \
		SHAPE_IOV, ptr, len                                            \
	}
#define SHAPE_INIT_MSG(ptr)                                                    \
	{                                                                      \
		SHAPE_MSG, ptr, -1                                             \
	}
#define SHAPE_INIT_MMSG(ptr, len)                                              \
	{                                                                      \
		SHAPE_MMSG, ptr, len                                           \
	}
#define SHAPE_INIT_LEN(len)                                                    \
	{                                                                      \
		SHAPE_LEN, -1, len                                             \
	}

const struct fault_call_row fault_calls[N_CALLS] = {
#include "calls.def"
};

const uint8_t fault_call_twins[N_CALLS] = {
#define TWIN(id, symbol, ...)                                                  \
	[FAULT_CALL_##symbol] = FAULT_CALL_##id,                               \
	[FAULT_CALL_##id] = FAULT_CALL_##symbol,
#include "calls.def"
};
_Static_assert(N_CALLS <= UINT8_MAX, "fault_call_twins has bytes");

const struct fault_family_row fault_families[N_FAMILIES] = {
#define FAMILY(id, word_, per_, direction_)                                    \
	[FAMILY_##id] = {word_, PER_##per_, DIRECTION_##direction_},
#include "families.def"
};

const char *const fault_state_names[N_STATES] = {
	[STATE_NONE] = "-",
	[STATE_NEW] = "NEW",
	[STATE_BOUND] = "BOUND",
	[STATE_LISTEN] = "LISTEN",
	[STATE_SYN_SENT] = "SYN_SENT",
	[STATE_ESTABLISHED] = "ESTABLISHED",
	[STATE_FIN_WAIT] = "FIN_WAIT",
	[STATE_CLOSE_WAIT] = "CLOSE_WAIT",
	[STATE_LAST_ACK] = "LAST_ACK",
	[STATE_RESET] = "RESET",
	[STATE_REFUSED] = "REFUSED",
	[STATE_CLOSED] = "CLOSED",
};

const char *const fault_role_names[N_ROLES] = {
	[ROLE_NONE] = "-",
	[ROLE_CLIENT] = "client",
	[ROLE_LISTENER] = "listener",
	[ROLE_ACCEPTED] = "accepted",
};

const char *const fault_gate_names[N_GATES] = {
	[GATE_NONE] = "",
	[GATE_G1] = "G1: no signal handler that could interrupt the call",
	[GATE_G2] = "G2: blocking socket",
	[GATE_G4] =
		"G4: blocking socket with nothing that could cut a send short",
	[GATE_G5] =
		"G5: a peek, FIONREAD or MSG_WAITALL has promised more bytes",
	[GATE_STATE] = "the socket is in a state where this cannot happen",
	[GATE_LOOP] = "a delay after the call would stall the event loop",
	[GATE_LEVER] = "the kernel did not allow to make it real",
	[GATE_LENGTH] = "the call asks for no more than this",
	[GATE_DATA] = "the data do not pass through this call",
	[GATE_OVER] = "the connection, or this direction of it, has ended",
};

#define STATES(s)  STATE_BIT(STATE_##s)
#define ANY        0
#define F(family_) (1u << FAMILY_##family_)
#define ALL        0x7fff
#define SELF       ACTION_SELF
#define UNTIL_FIN  (STATES(ESTABLISHED) | STATES(FIN_WAIT))
#define OPEN       (UNTIL_FIN | STATES(CLOSE_WAIT) | STATES(LAST_ACK))
#define READY      true
#define LATER      false

const struct fault_action_row fault_actions[N_ACTIONS] = {
#define ACTION(id, word_, value_, families_, states_, ready_, meaning_)        \
	[ACTION_##id] = {word_,   VALUE_##value_, families_,                   \
	                 states_, ready_,         meaning_},
#include "actions.def"
};

const struct fault_verdict_row fault_verdicts[N_VERDICTS] = {
#define VERDICT(id, word_, ready_, rule_)                                      \
	[VERDICT_##id] = {word_, ready_, rule_},
#include "verdicts.def"
};

#define GATE_OF_0  GATE_NONE
#define GATE_OF_G1 GATE_G1
#define GATE_OF_G2 GATE_G2

const struct fault_errno_row fault_errnos[] = {
#define ERRNO(family_, symbol_, err_, tier_, gate_, states_, how_, when_,      \
              after_)                                                          \
	{                                                                      \
		.family = FAMILY_##family_,                                    \
		.symbol = symbol_,                                             \
		.err = err_,                                                   \
		.tier = TIER_##tier_,                                          \
		.gate = GATE_OF_##gate_,                                       \
		.states = (uint16_t)(states_),                                 \
		.how = HOW_##how_,                                             \
		.when = when_,                                                 \
		.after = after_,                                               \
	},
#include "errnos.def"
};
const size_t n_fault_errnos = sizeof(fault_errnos) / sizeof(fault_errnos[0]);

const struct fault_errno_row *fault_errno_find(enum fault_call call, int err)
{
	const struct fault_call_row *row = &fault_calls[call];

	for (size_t i = 0; i < n_fault_errnos; i++) {
		const struct fault_errno_row *e = &fault_errnos[i];

		if (e->err == err && e->family == row->family &&
		    (!*e->symbol || !strcmp(e->symbol, row->symbol)))
			return e;
	}
	return NULL;
}
