/*
 * engine.h - decisions: (plan, call, socket, counters) -> what happens.
 *
 * Pure: no libc beyond memory, no clock, no I/O, no allocation, no errno.
 * Runs inside target processes, in signal handlers, in any number of threads
 * and processes at once: state is fault_cell and fault_rule_state words of
 * run.h, changed by single atomic operations.  The same code can serve an
 * engine that does not live in the target.
 *
 * How a call goes (the shim):
 *
 *   engine_look()   cheap, no side effect: may anything be due at this call?
 *   ... if so the shim makes sure that the kernel would satisfy the call
 *       (decisions.md 25), and asks the gates ...
 *   engine_take()   the call counts; the first due rule, if any, is claimed
 *   ... carry it out, or make the real call ...
 * or, when nothing was due, after the real call succeeded:
 *   engine_count()  the call counts for every class that selects it
 */
#ifndef FAULT_ENGINE_ENGINE_H
#define FAULT_ENGINE_ENGINE_H

#include "plan/plan.h"
#include "plan/run.h"

/* What of a socket the *which* keys see. */
struct engine_socket {
	uint32_t program;
	const char *process;   /* comm of the process */
	enum fault_role role;  /* ROLE_NONE for a fresh socket */
	uint16_t port;         /* of the service: remote for a client, local
	                          otherwise; 0 = none */
	struct plan_addr peer; /* family 0 = none yet */
	uint32_t families;     /* only classes with one of these; 0: any */
};

/*
 * Does this class select calls on the socket as it is now?  Programs, role,
 * port, peer, process; not `connection`, and neither `host` nor `caller`,
 * which belong to a call.  What the socket does not have (ROLE_NONE, port 0,
 * peer family 0) matches no class that asks for it.  An IPv4-mapped peer equals
 * the IPv4 one; process NULL is not compared.
 */
bool engine_class_matches(const struct fault_plan *plan,
                          const struct plan_class *c,
                          const struct engine_socket *s);

/* The calls that rules can touch without a socket: families of program. */
uint32_t engine_program_families(const struct fault_plan *plan,
                                 uint32_t program);

/*
 * A connection is established (ordinal: per program and role).  Builds its
 * watches: one for each class that matches it, its `connection` pick
 * included, with a cell by the class's `per`; for `per: process` that is
 * ENGINE_CELL_OF_PROCESS, since processes share the socket and its list.
 * Also for a listener and for a fresh socket: ordinal 0.  Classes with a
 * `connection` are then not in the list, but their families are returned: they
 * may be touched once the connection stands.
 *
 * Stores the first watch in ret_first (RUN_NONE: nothing can touch it).
 * Returns the families that can be touched, as bits; with the tables full the
 * socket goes unwatched, run->lost_socks is counted.
 */
uint32_t engine_watch(const struct fault_plan *plan, struct fault_run *run,
                      const struct engine_socket *s, uint32_t ordinal,
                      uint32_t *ret_first);

/* fault_watch.cell: see engine_call.process_cells. */
#define ENGINE_CELL_OF_PROCESS UINT32_MAX

/* One call, as the engine sees it. */
struct engine_call {
	enum fault_call call;
	uint32_t first_watch;
	uint32_t program;
	uint32_t process_cells; /* engine_process_cells(), 0 = none: such
	                           classes count per program then */
	uint32_t connection;    /* ordinal, 0 = none */
	enum fault_role role;
	enum fault_state state;
	enum fault_direction direction;
	uint64_t want;    /* bytes asked for */
	uint64_t offset;  /* bytes of this direction before this call */
	uint64_t seen;    /* bytes received so far */
	uint32_t turn;    /* of this direction, this call included; 0: none */
	bool turn_begins; /* for the caller's accounts; not looked at */
	/* Clock readings, only looked at for plans with PLAN_TIMED. */
	uint64_t now_ns;
	uint64_t program_started_ns;
	uint64_t opened_ns;
	uint64_t last_ns;
};

struct engine_choice {
	int32_t rule;     /* index; -1: none is due */
	uint32_t ordinal; /* number of the call in the rule's class, from 1 */
	uint64_t draw;    /* 64 bits for the rule's per cent, jitter, ratio */
	uint64_t cut;     /* bytes that may be moved so that a `bytes` mark
	                     falls on a call boundary; 0 = no cut */
};

/*
 * What would happen to this call if it counts.  No side effect.  A fast
 * answer "none" when no class has reached its next_due.  With rule -1 and a
 * cut, the call is to be shortened and then counts as any other.
 */
void engine_look(const struct fault_plan *plan, const struct fault_run *run,
                 const struct engine_call *call, struct engine_choice *ret);

/*
 * Is engine_look() going to find nothing, and no cut?  A false no is possible.
 */
bool engine_quiet(const struct fault_run *run, uint32_t first_watch,
                  uint32_t family_bit);

/*
 * The next rule in file order that is due at this call, after one that a gate
 * forbids: choice->rule is moved on, -1 when there is none.
 */
void engine_look_next(const struct fault_plan *plan,
                      const struct fault_run *run,
                      const struct engine_call *call,
                      struct engine_choice *choice);

/*
 * The call counts, whatever is returned: each class that selects it advances
 * by one and the events at it are settled (rule.h).  Do not engine_count() it
 * again.  With rule >= 0 (from engine_look) that rule is claimed: returns true
 * and counts its hit; later due rules are shadowed, earlier ones, which a gate
 * held, stay due.  Returns false when the number for which the rule was due
 * went to another thread meanwhile, or its `times` are used up: the real call
 * follows, and what this call's own numbers make due is held for the next.
 * ordinal and draw of the choice are then those of the number it really got.
 */
bool engine_take(const struct fault_plan *plan, struct fault_run *run,
                 const struct engine_call *call, struct engine_choice *choice);

/*
 * A due rule was held by a gate; counted as due and gated.  Its event stays
 * due when the call then counts (language.md 3, Precedence).
 */
void engine_gated(struct fault_run *run, const struct engine_choice *choice,
                  enum fault_gate gate);

/* The real call succeeded and nothing was due: it counts. */
void engine_count(const struct fault_plan *plan, struct fault_run *run,
                  const struct engine_call *call);

/*
 * Decisions: 64 bits from what is the same in every repetition of a run,
 * whatever the threads do.  role_hash: plan_program.name_hash + enum role.
 */
uint64_t engine_hash(uint64_t seed, uint32_t rule, uint64_t role_hash,
                     uint32_t connection, uint32_t ordinal, uint32_t purpose);

/* Does the pick contain n (from 1)?  draw decides a per-cent pick. */
bool engine_pick(const struct plan_pick *pick, uint32_t n, uint64_t draw);

/* The smallest element >= n of a pick, UINT32_MAX if none; n for per cent. */
uint32_t engine_pick_next(const struct plan_pick *pick, uint32_t n);

/* The duration of a delay action for this draw: value +- jitter, >= 0. */
uint64_t engine_delay(const struct fault_plan *plan,
                      const struct plan_action *action, uint64_t draw);

/* Bytes that a `short` action allows of want: at least 1, at most want (0). */
uint64_t engine_short(const struct plan_action *action, uint64_t want);

/* What of the process the gates see; read only when a rule is due. */
struct engine_facts {
	bool nonblocking; /* O_NONBLOCK, or MSG_DONTWAIT */
	bool timeout;     /* SO_RCVTIMEO or SO_SNDTIMEO of the direction */
	bool handler;     /* some signal handler is installed, not blocked */
	bool handler_norestart; /* and one of these without SA_RESTART */
	bool peek_promised;     /* G5 */
	bool whole;             /* blocking with MSG_WAITALL: never short */
};

/* May this action be carried out on this call?  GATE_NONE: yes. */
enum fault_gate engine_gate(const struct engine_call *call,
                            const struct plan_rule *rule,
                            const struct plan_action *action,
                            const struct engine_facts *facts);

#endif
