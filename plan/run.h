/*
 * run.h - the writable segment of a run: counters, sockets, processes, trace.
 *
 * One flat piece of shared memory (a System V segment under `fault`, anonymous
 * shared memory under the bare library) that every process of the run maps
 * read-write: over fork, exec, setuid, chroot.  The runner maps it too and
 * must survive anything that a broken target writes here.
 *
 * Locking model: none.  Every field that two processes may write is _Atomic
 * and each is meaningful alone; arrays are filled by taking the next free
 * index with one atomic add.  Order: a new entry's fields are written before
 * the index that publishes it (release), and read after it (acquire).
 * A crash at any instruction leaves other processes able to go on.
 */
#ifndef FAULT_PLAN_RUN_H
#define FAULT_PLAN_RUN_H

#include <stdatomic.h>
#include <stdint.h>

#include "plan.h"
#include "trace.h"

#define RUN_MAGIC   0x004e5552544c4600ULL
#define RUN_VERSION 4u
#define RUN_NONE    0u /* index 0 of sockets and watches is never used */

/* A counter that rules compare with: per connection, process, program, run. */
struct fault_cell {
	_Atomic uint32_t count;    /* calls counted so far */
	_Atomic uint32_t next_due; /* no rule is due before count + 1 == it */
	_Atomic uint32_t mark;     /* events, see engine/rule.h: bytes: the
	                              last mark spent; turn: the last spent
	                              << 1 | held; nth: bit i: an event of
	                              the class's i-th rule is held; without
	                              `call`: the arming it last acted in */
	_Atomic uint32_t
		connections; /* established ones that the class matches */
};

/* "This class can touch this socket": a list per socket, in class order. */
struct fault_watch {
	uint32_t class_index;
	uint32_t cell; /* index into cells */
	uint32_t next; /* index into watches, RUN_NONE ends */
	uint32_t families;
};

/*
 * A call that is delayed, or was refused for once: the next one of its
 * direction is the same call.  Until then the direction is
 * held: calls and readiness both say that there is nothing yet.
 */
struct fault_hold {
	_Atomic uint64_t until; /* CLOCK_MONOTONIC, 0 = none, 1 = long past,
	                           RUN_FOREVER = as long as the rule is armed */
	_Atomic uint32_t
		rule; /* index + 1 of the rule to go on with, 0: none */
	_Atomic uint32_t owner; /* thread whose call it is, 0: whoever comes;
	                           of open_hold: its phase (shim/late.h) */
};

#define RUN_FOREVER UINT64_MAX
/* In fault_hold.rule: the hit has no record yet; the call's gets it. */
#define RUN_UNRECORDED 0x80000000u
/* ... no call was held: the first that gets through is new, not a retry. */
#define RUN_NO_CALL       0x40000000u
#define RUN_RULE_OF(word) ((word) & ~(RUN_UNRECORDED | RUN_NO_CALL))

enum fault_sock_flag {
	SOCK_IPV6 = 1,
	SOCK_PEEKED = 2, /* a peek or FIONREAD promised bytes: G5 */
	SOCK_EOF = 4,    /* an injected end of the peer's stream: recv 0 */
	SOCK_LEVER = 8,  /* reset by us: connect, bind, listen, ... corrected */
	SOCK_FIN_RESET = 16, /* ... after the peer's FIN: recv 0, send EPIPE */
	SOCK_SHUT_RD = 32,   /* its program shut down receiving: 0 is no FIN */
	SOCK_GONE = 64,      /* ... and the peer is gone: one send is lost */
	SOCK_LEVERING = 128, /* another thread is at it: SOCK_LEVER is next */
};

/*
 * Who has the socket of the same index: refs counts descriptor table entries
 * over all processes; a process that dies without closing leaves them behind,
 * which only costs the entry.  Apart from the entries, and small: fork and exit
 * count all that a process has, and touch no entry for it.
 */
struct fault_ref {
	_Atomic uint32_t refs;
	_Atomic uint32_t generation; /* changes when the entry is reused */
};
_Static_assert(sizeof(struct fault_ref) == 8, "sixteen thousand in 32 pages");

/*
 * One open file description of a TCP socket; dups, fork and SCM_RIGHTS share
 * it (fault_ref).
 */
struct fault_sock {
	_Atomic uint32_t index;  /* its own: no division where it is at hand */
	_Atomic uint64_t cookie; /* SO_COOKIE once asked for, 0 before */
	_Atomic uint32_t serial; /* identity in the trace, never reused */
	_Atomic uint32_t connection; /* ordinal per program and role, 0: none */
	_Atomic uint32_t first_watch;
	_Atomic uint32_t families; /* FAMILY bits that rules can touch */
	_Atomic uint8_t state;     /* enum fault_state */
	_Atomic uint8_t role;      /* enum fault_role */
	_Atomic uint8_t flags;     /* enum fault_sock_flag */
	_Atomic uint8_t last_direction;
	_Atomic uint16_t program;
	_Atomic uint16_t local_port; /* host order */
	struct plan_addr peer;       /* of a connection */
	struct plan_addr local;      /* kept when the lever takes it away */
	_Atomic uint32_t peer_scope; /* ipv6(7): sin6_scope_id of peer */
	/* When the kernel reports kernel_err, the program is told told_err. */
	_Atomic uint16_t kernel_err, told_err;
	_Atomic uint32_t rx_visible; /* bytes that came before a delay ended */
	_Atomic uint64_t rx_bytes, tx_bytes;
	_Atomic uint32_t rx_turn, tx_turn;
	_Atomic uint64_t opened_ns; /* established */
	_Atomic uint64_t last_ns;   /* last transfer */
	/* Receiving and accepting; sending; connecting. */
	struct fault_hold rx_hold, tx_hold, open_hold;
	_Atomic uint32_t rx_armed; /* rule index + 1: the next arrival starts
	                              its hold */
	_Atomic uint32_t rcvlowat; /* the program's own + 1 while ours is
	                              raised; 0: ours is not */
	/* When the next byte may move (rate), CLOCK_MONOTONIC; and until when
	   the line is busy from then on (shim/line.h). */
	_Atomic uint64_t rx_next_ns, tx_next_ns;
	_Atomic uint64_t rx_busy_ns, tx_busy_ns;
	_Atomic uint64_t tx_budget; /* stalled: bytes that are still taken;
	                               peer gone: bytes that it never took */
	_Atomic uint32_t next_free;
	/* References on their way: in SCM_RIGHTS messages; over exec. */
	_Atomic uint32_t in_messages, in_images;
	/* Process whose next image gives a reference back: its exec closes the
	   last descriptor, unless it fails, or it has others by then. */
	_Atomic uint32_t closing;
	_Atomic uint32_t roused; /* of a listener: sets that the end of a
	                            hold has woken (shim/exclusive.h) */
};

/*
 * Sockets by cookie: those of a bucket are cookies that are next to each other,
 * as the kernel hands them out.  A slot is the low half of a cookie and the
 * index of the socket that had it, 0: never used.  One whose socket has gone is
 * used again; while a bucket has an unused one, it has all that there are.
 */
enum {
	RUN_COOKIE_WAYS = 8
};
struct fault_cookies {
	_Atomic uint64_t slot[RUN_COOKIE_WAYS];
};

static inline uint64_t run_n_buckets(uint32_t n_socks)
{
	return n_socks / 4u + 1;
}

struct fault_rule_state {
	_Atomic uint32_t hits;
	_Atomic uint32_t due;      /* how often it was due */
	_Atomic uint32_t shadowed; /* due, but an earlier rule acted */
	_Atomic uint32_t armed;
	/* CLOCK_MONOTONIC, 0 = never; of the last arming (engine_arm()). */
	_Atomic uint64_t first_hit_ns;
	_Atomic uint32_t armings; /* how often it has been armed so far */
	_Atomic uint32_t gated[N_GATES + 1];
};

enum fault_process_status {
	PROCESS_FREE,
	PROCESS_ATTACHED,
	PROCESS_FAILED, /* could not attach; what_off says why */
	PROCESS_EXITED, /* its destructor ran */
};

struct fault_process {
	_Atomic uint32_t status;
	_Atomic uint32_t pid;
	uint32_t parent; /* slot + 1, 0 = none */
	uint32_t program;
	uint64_t started_ns;
	/*
	 * Arming and disarming.  Calls read fault_rule_state.armed themselves;
	 * what goes on without a call (a hold, a rule without `call`) is put in
	 * accord by the helper thread of the process, if it has one.
	 *
	 *   who arms                      the helper
	 *   1 armed = ...                 a listens = 1, when it starts
	 *   2 generation += 1             b heard = bell
	 *   3 used_processes, and of each c g = generation
	 *     bell += 1, FUTEX_WAKE       d reads `armed`, acts
	 *   4 of each: listens?           e acked = g, FUTEX_WAKE
	 *     waits for acked >= 2's      f FUTEX_WAIT on bell == heard, to b
	 *
	 * All of it is sequentially consistent, so nobody is missed.  Is
	 * `listens` still 0 in step 4, or the slot not taken in 3, then a comes
	 * later, and so does d: it sees 1.  If not, c reads the new generation,
	 * or it read an old one before 2; then b was before 3 too, f does not
	 * sleep, and the next round acknowledges it.
	 *
	 * Whoever sets `listens` must come to hear the bell: it is 0 without a
	 * named rule that lasts, before exec, and after the helper has ended. A
	 * process that died, or whose pid a later slot has, owes nothing.
	 */
	_Atomic uint32_t bell;
	_Atomic uint32_t acked;
	_Atomic uint32_t listens;
	uint32_t pad;
	/* RLIMIT_NOFILE as we have lowered it, 0: never; and as it was. */
	_Atomic uint64_t files_meanwhile, files;
	char name[16]; /* comm at attach */
	char what[88]; /* why it failed */
};

struct fault_program_state {
	_Atomic uint64_t started_ns;        /* 0 = not yet */
	_Atomic uint32_t ordinals[N_ROLES]; /* connections so far */
	_Atomic uint32_t processes;
	uint32_t pad;
};

/* Where things lie: offsets from the segment's first byte, and how many. */
struct fault_run {
	uint64_t magic;
	uint32_t version;
	uint32_t calls_hash; /* of calls.def: both sides know the same rows */
	uint64_t size;
	uint32_t n_programs, n_rules, n_classes;
	uint32_t n_processes, n_socks, n_watches, n_cells, n_records;
	uint64_t programs_off, rules_off, processes_off, socks_off;
	uint64_t refs_off, cookies_off, watches_off, cells_off, records_off;

	_Alignas(64) _Atomic uint32_t used_processes;
	_Atomic uint32_t used_socks;
	_Atomic uint32_t used_watches;
	_Atomic uint32_t used_cells; /* for processes; from the last watch's */
	_Atomic uint32_t next_serial;
	_Atomic uint32_t lost_socks; /* tables full: the run is incomplete */
	_Atomic uint32_t generation; /* arm, disarm */
	_Atomic uint32_t n_closing;  /* sockets with fault_sock.closing */
	/* Free lists: index in the low half, a tag against ABA in the high. */
	_Atomic uint64_t free_socks;
	_Atomic uint64_t free_watches; /* with their cells */

	_Alignas(64) _Atomic uint64_t head; /* next trace ticket, from 1 */
	_Alignas(64) _Atomic uint64_t tail; /* tickets below it are drained */
	_Atomic uint64_t dropped;
	_Alignas(64) _Atomic uint32_t wake; /* futex word: bumped on events */
	_Atomic uint32_t waiting; /* the runner sleeps on wake; who wakes
	                             it clears this */
};

/*
 * n_cells are those for `per: process` (n_classes for each process); the ones
 * per program, per run and per watch are added to them.
 */
struct fault_run_size {
	uint32_t n_processes, n_socks, n_watches, n_cells, n_records;
};

/* FNV-1a of the symbols of calls.def in order: the same rows, the same calls.
 */
uint32_t fault_calls_hash(void);

/* What the runner uses; the bare library takes n_records 0. */
extern const struct fault_run_size fault_run_default;

/* Bytes that a run of this plan takes. */
uint64_t fault_run_bytes(const struct fault_plan *plan,
                         const struct fault_run_size *size);

/*
 * Lay out zeroed memory of fault_run_bytes(), aligned to 64.  Cells 0 .. are:
 * one per (program, class), one per class for `per: run` (see below), one per
 * watch (run_watch_cell), then those handed out with used_cells.
 */
void fault_run_init(void *mem, const struct fault_plan *plan,
                    const struct fault_run_size *size);

/* As plan_check: NULL or what is wrong.  Fields may still change under us. */
const char *fault_run_check(const void *mem, uint64_t len,
                            const struct fault_plan *plan);

#define RUN_ARRAY(type, name)                                                  \
	static inline struct type *run_##name(struct fault_run *r)             \
	{                                                                      \
		return (struct type *)((char *)r + r->name##_off);             \
	}
RUN_ARRAY(fault_program_state, programs)
RUN_ARRAY(fault_rule_state, rules)
RUN_ARRAY(fault_process, processes)
RUN_ARRAY(fault_sock, socks)
RUN_ARRAY(fault_ref, refs)
RUN_ARRAY(fault_cookies, cookies)
RUN_ARRAY(fault_watch, watches)
RUN_ARRAY(fault_cell, cells)
RUN_ARRAY(fault_record, records)
#undef RUN_ARRAY

static inline struct fault_ref *run_ref(struct fault_run *r,
                                        const struct fault_sock *s)
{
	return &run_refs(
		r)[atomic_load_explicit(&s->index, memory_order_relaxed)];
}

static inline struct fault_cookies *run_bucket(struct fault_run *r,
                                               uint64_t cookie)
{
	return &run_cookies(r)[cookie / 4u % run_n_buckets(r->n_socks)];
}

static inline uint32_t run_program_cell(const struct fault_run *r,
                                        uint32_t program, uint32_t class_index)
{
	return program * r->n_classes + class_index;
}

static inline uint32_t run_watch_cell(const struct fault_run *r, uint32_t watch)
{
	return (r->n_programs + 1) * r->n_classes + watch;
}

static inline uint32_t run_run_cell(const struct fault_run *r,
                                    uint32_t class_index)
{
	return r->n_programs * r->n_classes + class_index;
}

#endif
