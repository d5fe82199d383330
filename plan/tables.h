/*
 * tables.h - the .def tables as enums and constant arrays.
 *
 * Everything that both the target process and the runner must agree on and
 * that is a list of facts: calls, families, errnos, actions, verdicts.
 * Includes nothing of ours; the arrays are constant and shared by all threads.
 */
#ifndef FAULT_PLAN_TABLES_H
#define FAULT_PLAN_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_family {
#define FAMILY(id, word, per, direction) FAMILY_##id,
#include "families.def"
	N_FAMILIES
};

enum fault_call {
	FAULT_CALL_NONE,
#define CALL(symbol, ...)    FAULT_CALL_##symbol,
#define TWIN(id, ...)        FAULT_CALL_##id,
#define NOTE(symbol, hook)   FAULT_CALL_##symbol,
#define STUB(symbol)         FAULT_CALL_##symbol,
#define VARIADIC(symbol, by) FAULT_CALL_##symbol,
#include "calls.def"
	N_CALLS
};

enum fault_kind {
	FAULT_INJECT,
	FAULT_BOOK,
	FAULT_NOTE
};

/* What the call does to a socket: the shim has one handler per effect. */
enum fault_effect {
	EFFECT_NOTE,
	EFFECT_CREATE,
	EFFECT_BIND,
	EFFECT_LISTEN,
	EFFECT_ACCEPT,
	EFFECT_CONNECT,
	EFFECT_IO,
	EFFECT_SHUTDOWN,
	EFFECT_CLOSE,
	EFFECT_GETSOCKOPT,
	EFFECT_SETSOCKOPT,
	EFFECT_GETNAME,
	EFFECT_EPOLL_CTL,
	EFFECT_WAIT,
	EFFECT_SOCKETPAIR,
	EFFECT_DUP,
	EFFECT_DUP2,
	EFFECT_FCNTL,
	EFFECT_IOCTL,
	EFFECT_CLOSE_RANGE,
	EFFECT_CLOSEFROM,
	EFFECT_SYSCALL,
	EFFECT_FORK,
	EFFECT_RESOLVE,
	EFFECT_DPRINTF,
	EFFECT_FDOPEN,
	EFFECT_FCLOSE,
	EFFECT_FREOPEN,
	N_EFFECTS
};

/* Where a call's data are; ptr and len are argument indexes. */
enum fault_shape_kind {
	SHAPE_NONE,
	SHAPE_BUF,  /* ptr, len bytes */
	SHAPE_IOV,  /* struct iovec array, count */
	SHAPE_MSG,  /* struct msghdr */
	SHAPE_MMSG, /* struct mmsghdr array, count */
	SHAPE_LEN,  /* a length alone: sendfile, splice */
};

struct fault_shape {
	enum fault_shape_kind kind;
	int8_t ptr;
	int8_t len;
};

enum fault_direction {
	DIRECTION_NONE,
	DIRECTION_RX,
	DIRECTION_TX
};

/* What a rule's `nth` counts over. */
enum fault_per {
	PER_DEFAULT,
	PER_CONNECTION,
	PER_PROCESS,
	PER_PROGRAM,
	PER_RUN
};

struct fault_call_row {
	const char *symbol;
	enum fault_family family;
	enum fault_kind kind;
	enum fault_effect effect;
	struct fault_shape shape;
	int8_t fd;    /* argument index, -1: none */
	int8_t flags; /* argument index, -1: none */
	uint8_t arity;
};

struct fault_family_row {
	const char *word; /* "" for TABLE */
	enum fault_per per;
	enum fault_direction direction;
};

extern const struct fault_call_row fault_calls[N_CALLS];
extern const struct fault_family_row fault_families[N_FAMILIES];

/* The other row of a symbol that has two (TWIN); FAULT_CALL_NONE: it has one.
 */
extern const uint8_t fault_call_twins[N_CALLS];

/*
 * Lifecycle of a TCP socket as its program has seen it.  The names are those
 * of RFC 9293 where it has one; NEW, BOUND, RESET and REFUSED are all CLOSE
 * to the kernel.  CLOSE_WAIT is entered when the program has *read* the FIN.
 */
enum fault_state {
	STATE_NONE,
	STATE_NEW,
	STATE_BOUND,
	STATE_LISTEN,
	STATE_SYN_SENT,
	STATE_ESTABLISHED,
	STATE_FIN_WAIT,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_RESET,
	STATE_REFUSED,
	STATE_CLOSED,
	N_STATES
};
#define STATE_BIT(s) (1u << (s))

/* Words of `state` in a rule, and in every output; indexed by fault_state. */
extern const char *const fault_state_names[N_STATES];

enum fault_role {
	ROLE_NONE,
	ROLE_CLIENT,
	ROLE_LISTENER,
	ROLE_ACCEPTED,
	N_ROLES
};
#define ROLE_BIT(r) (1u << (r))
extern const char *const fault_role_names[N_ROLES];

enum fault_tier {
	TIER_A = 'A',
	TIER_B = 'B',
	TIER_C = 'C'
};

/* How an errno is carried out; the head of errnos.def explains each. */
enum fault_how {
	HOW_REPORT,
	HOW_AGAIN,
	HOW_RESET,
	HOW_BROKEN,
	HOW_RENAME,
	HOW_REFUSE,
	HOW_CONSUME,
	HOW_SHUT,
	HOW_INTERRUPT,
	HOW_FREE,
	HOW_CONDITION,
	N_HOWS
};

/*
 * The gates that can hold back a due rule at run time.
 * The others (G6, G7, G10, G11, G12) are met by how an errno is carried out.
 */
enum fault_gate {
	GATE_NONE,
	GATE_G1,     /* EINTR: no handler that could interrupt the call */
	GATE_G2,     /* EAGAIN: the call may block */
	GATE_G4,     /* short send on a blocking socket, nothing to cut it */
	GATE_G5,     /* short recv: MSG_PEEK or FIONREAD promised more */
	GATE_STATE,  /* the socket is in a state where this cannot occur */
	GATE_LOOP,   /* a delay after `pass` would stall an event loop */
	GATE_LEVER,  /* the kernel refused what was needed to make it real */
	GATE_LENGTH, /* nothing left to shorten: the call asks for one byte */
	GATE_DATA,   /* the data do not pass through the call: sendfile */
	GATE_OVER,   /* the connection, or its direction, has ended already */
	N_GATES
};
extern const char *const fault_gate_names[N_GATES]; /* "G2: blocking socket" */

struct fault_errno_row {
	enum fault_family family;
	const char *symbol; /* "" = every call of the family */
	int err;            /* negative: an EAI_ code */
	enum fault_tier tier;
	enum fault_gate gate; /* GATE_NONE, GATE_G1 or GATE_G2 */
	uint16_t states;      /* STATE_BITs; 0 = any */
	enum fault_how how;
	const char *when;
	const char *after;
};
extern const struct fault_errno_row fault_errnos[];
extern const size_t n_fault_errnos;

/* The row for this errno of this call, NULL if there is none. */
const struct fault_errno_row *fault_errno_find(enum fault_call call, int err);

/*
 * "ECONNRESET" <-> ECONNRESET, for every errno Linux has, and "EAI_AGAIN" <->
 * EAI_AGAIN, a negative number; NULL and 0.
 */
const char *fault_errno_name(int err);
int fault_errno_number(const char *name);

enum fault_action_kind {
#define ACTION(id, ...) ACTION_##id,
#include "actions.def"
	N_ACTIONS
};

enum fault_value {
	VALUE_NONE,
	VALUE_ERRNO,
	VALUE_DUR,
	VALUE_SIZE,
	VALUE_RATE,
	VALUE_SIGNAL,
	VALUE_INT,
	VALUE_WORD,
	VALUE_LIST
};

/* Beside the bits of FAMILY_x: rules without `call` may have it. */
#define ACTION_SELF 0x8000u

struct fault_action_row {
	const char *word;
	enum fault_value value;
	uint16_t families; /* 1 << FAMILY_x, and ACTION_SELF */
	uint16_t states;   /* STATE_BITs of a connection; 0 = any */
	bool ready;        /* false: in the grammar, not built yet */
	const char *meaning;
};
extern const struct fault_action_row fault_actions[N_ACTIONS];

enum fault_verdict {
#define VERDICT(id, ...) VERDICT_##id,
#include "verdicts.def"
	N_VERDICTS
};

struct fault_verdict_row {
	const char *word;
	bool ready;
	const char *rule;
};
extern const struct fault_verdict_row fault_verdicts[N_VERDICTS];

#endif
