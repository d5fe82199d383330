/*
 * trace.h - the event ring shared by all processes of a run.
 *
 * Writers (any thread of any process) take a ticket with one atomic add and
 * own the slot ticket % n_records; the runner is the only reader and drains in
 * ticket order.  A record is reserved at the entry of a call and completed at
 * its return; one that stays ENTERED means "still inside, or unwound by a
 * signal handler, longjmp or cancellation".
 *
 * The state word tells who may touch the rest of the slot:
 *
 *   ticket*8 + ENTERED    written at entry, the call is under way
 *   ticket*8 + RETURNING  the writer is filling in the result
 *   ticket*8 + DONE       complete; the reader may take and free it
 *   ticket*8 + TAKEN      the reader took it while ENTERED; the writer then
 *                         leaves the slot alone and writes a new record of
 *                         kind RECORD_RETURN whose `caller` is the old ticket
 *
 * ENTERED -> RETURNING and ENTERED -> TAKEN are compare-and-swap.  Nothing is
 * ever overwritten and nobody waits: a full ring drops the record and counts
 * it in fault_run.dropped.  Sequence proves order within one thread; across
 * threads compare [entry_ns, return_ns].
 */
#ifndef FAULT_PLAN_TRACE_H
#define FAULT_PLAN_TRACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum fault_record_state {
	RECORD_FREE,
	RECORD_ENTERED,
	RECORD_RETURNING,
	RECORD_DONE,
	RECORD_TAKEN
};

/*
 * `call` is an enum fault_call, or from RECORD_EVENT on one of these; `want`
 * and `result` then mean what is said here.
 */
enum fault_record_event {
	RECORD_EVENT = 0xc0,
	RECORD_ATTACH = RECORD_EVENT, /* want: pid */
	RECORD_EXIT,                  /* destructor ran; want: pid */
	RECORD_FORK,                  /* first life of a child; want: pid */
	RECORD_FAILED,                /* could not attach; want: pid */
	RECORD_RETURN,                /* see above; caller: the old ticket */
	RECORD_GATED,                 /* rule due but held; want: fault_gate */
	RECORD_SHADOWED,              /* rule due, an earlier one acted */
	RECORD_ESTABLISHED,           /* a connection got its ordinal */
	RECORD_SELF,    /* a rule without `call` acts; want: enum action kind */
	RECORD_MODULE,  /* a module that is first met when stacks are looked at
	                   (children of fork know their parent's); caller: where
	                   it begins; its `name` */
	RECORD_SPAWNED, /* posix_spawn has started it; want: pid; `name` */
	RECORD_OTHER_RUN, /* what is executed next is not given this run's
	                     environment: it has another's; want: pid */
	RECORD_NO_ROOM,   /* ... there is no room for it; want: pid */
	RECORD_URING, /* io_uring_setup: what goes through it has no record */
	RECORD_LAST = RECORD_URING
};

enum fault_record_flag {
	/* 1 is free */
	RECORD_PEEK = 2,      /* MSG_PEEK, or length 0: moves nothing */
	RECORD_UNCOUNTED = 4, /* a retry of a held call; a name that is none */
	RECORD_IPV6 = 8,
	RECORD_ADDRESS = 16, /* `address` was written */
	RECORD_FRAMES = 32,  /* `frames` were written */
	RECORD_NAME = 64,    /* `name` was written instead of both */
};

/* `want` of fdopen: what a stream of libc's own moves has no record. */
enum fault_record_unseen {
	RECORD_UNSEEN_RX = 1,
	RECORD_UNSEEN_TX = 2,
};

/* The first line of 64 bytes is all that an ordinary transfer touches. */
struct fault_record {
	_Atomic uint64_t state; /* ticket * 8 + enum fault_record_state */
	uint64_t entry_ns;      /* CLOCK_MONOTONIC */
	uint64_t return_ns;
	uint64_t caller;     /* return address of the wrapper */
	uint32_t serial;     /* of the socket; the new one for accept, socket */
	uint32_t connection; /* ordinal, 0 = none */
	int32_t fd;          /* the descriptor argument; -1 = none */
	int32_t result;      /* as returned; the new descriptor for accept; of
	                        the resolver, 0 or the EAI_ code; 0
	                        or -1 of what returns a stream */
	uint32_t want;       /* I/O: bytes asked; exec*: pid (`name`: the path);
	                        shutdown: how; get-,       setsockopt: name; fdopen:
	                        enum       fault_record_unseen; bind, listen, connect,
	                        accept:       local port << 16 | remote port */
	uint32_t tid;
	uint16_t process; /* slot in fault_run.processes */
	uint8_t call;
	uint8_t flags;  /* enum fault_record_flag */
	uint16_t rule;  /* index + 1 of the rule that acted, 0 = none */
	uint8_t err;    /* errno when result is -1, or EAI_SYSTEM; what
	                   getsockopt(SO_ERROR) told, else 0 */
	uint8_t status; /* enum fault_state << 4 | enum fault_role */

	union {
		struct {
			uint8_t address[16]; /* of the peer; IPv4 in the
			                        first four */
			uint64_t frames[6];  /* return addresses behind
			                        `caller`; 0: no more */
		};
		char name[64]; /* resolved, executed; cut to fit, with its end
		                */
	};
};
_Static_assert(sizeof(struct fault_record) == 128, "layout");
_Static_assert(offsetof(struct fault_record, address) == 64, "layout");

#endif
