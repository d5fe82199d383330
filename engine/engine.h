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
 *   ... if so the shim makes sure that the kernel would satisfy the call,
 *       and asks the gates ...
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
	uint32_t families;     /* 0: any class; else it is no socket but the
	                          process: only classes with one of these,
	                          and rules without `call` that act on it */
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

/*
 * Is the name that is resolved the one that a rule means?  Host names have no
 * case, and a dot at the end says only that it is whole (RFC 1034).  want is
 * in lower case without that dot; host NULL is none.
 */
bool engine_host_matches(const char *want, const char *host);

/*
 * The calls that rules can touch without a socket: families of program, with
 * PLAN_LASTING.
 */
uint32_t engine_program_families(const struct fault_plan *plan,
                                 uint32_t program);

/*
 * A connection is established (ordinal: per program and role).  Builds its
 * watches: one for each class that matches it, its `connection` pick
 * included, with a cell by the class's `per`; for `per: process` that is
 * ENGINE_CELL_OF_PROCESS, since processes share the socket and its list.
 * Also for a listener and for a fresh socket: ordinal 0.  Classes with a
 * `connection` are then not in the list, but their families are returned: they
 * may be touched once the connection stands.  So are those of rules without
 * `call`, which act on connections; of those that act on the process, the list
 * of the process alone has them (engine_socket.families).
 *
 * Stores the first watch in ret_first (RUN_NONE: nothing can touch it).
 * Returns the families that can be touched, as bits, with PLAN_LASTING if one
 * of them can last; with the tables full the socket goes unwatched,
 * run->lost_socks is counted.
 */
uint32_t engine_watch(const struct fault_plan *plan, struct fault_run *run,
                      const struct engine_socket *s, uint32_t ordinal,
                      uint32_t *ret_first);

/* fault_watch.cell: see engine_call.process_cells. */
#define ENGINE_CELL_OF_PROCESS UINT32_MAX

/* One call, as the engine sees it. */
struct engine_call {
	enum fault_call call; /* NONE: nobody calls, engine_self_take() */
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
	const char *host; /* the name that is resolved, NULL: another call */
	uint64_t callers; /* bit: index of plan_callers() that is among its
	                     frames; looked for only if engine_callers() says */
	/*
	 * Clock readings, looked at only for plans with PLAN_TIMED; now_ns also
	 * when a rule is claimed, for its first hit.
	 */
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
 * Of which callers must be known whether they make this call (first_watch and
 * call are filled in)?  Bits as in engine_call.callers; 0: nobody asks.  Those
 * of rules that can never be due again are left out, their count stands still.
 */
uint64_t engine_callers(const struct fault_plan *plan,
                        const struct fault_run *run,
                        const struct engine_call *call);

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
 * due when the call then counts (fault-scenario(5), RULES).
 */
void engine_gated(struct fault_run *run, const struct engine_choice *choice,
                  enum fault_gate gate);

/*
 * The claimed rule could not be made real, and nothing of it was done: its hit
 * is taken back and counted as gated.  The event is spent all the same, and
 * the last of its `times` does not come back.
 */
void engine_withdraw(struct fault_run *run, const struct engine_choice *choice,
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

/*
 * What the byte at this offset of the call's direction is XORed with when the
 * rule corrupts it: never 0, and the same however the calls are cut.
 */
uint8_t engine_noise(const struct fault_plan *plan,
                     const struct engine_call *call, uint32_t rule,
                     uint64_t offset);

/*
 * A connect that a rule delays or stalls ends without its caller: how, as the
 * actions behind that one say?  0: it succeeds; an errno that the network can
 * answer with at any time; -1: what they say happens only in the call itself.
 */
int engine_late_outcome(const struct plan_rule *rule,
                        const struct plan_action *lasting);

/* Is the connection itself reset for this errno of the call (errnos.def)? */
bool engine_by_reset(enum fault_call call, int err);

/* What of the process the gates see; read only when a rule is due. */
struct engine_facts {
	bool nonblocking; /* O_NONBLOCK, or MSG_DONTWAIT */
	bool timeout;     /* SO_RCVTIMEO or SO_SNDTIMEO of the direction */
	bool handler;     /* some signal handler is installed, not blocked */
	bool handler_norestart; /* and one of these without SA_RESTART */
	bool peek_promised;     /* G5 */
	bool whole;             /* blocking with MSG_WAITALL: never short */
	bool no_buffer;         /* MSG_ZEROCOPY: the pages themselves are sent;
	                           MSG_TRUNC: nothing is written to it */
	/* Both ends have finished, or the peer's RST is here. */
	bool over;
	bool at_end; /* the peer's end is next: no byte is left before it */
};

/*
 * May this action be carried out on this call?  GATE_NONE: yes.  action lies in
 * rule->actions.  Of a call that is NONE only the state is looked at, with
 * over and at_end.
 */
enum fault_gate engine_gate(const struct engine_call *call,
                            const struct plan_rule *rule,
                            const struct plan_action *action,
                            const struct engine_facts *facts);

/*
 * Rules without `call`.  `call` describes a connection, with
 * .call NONE, or the process: then first_watch is the process's list and only
 * rules that act on it (`exhaust`) are found.  first_watch, connection, role,
 * state, program, process_cells, seen, and all clocks have to be filled in; of
 * the facts over and at_end.
 *
 * Each such rule acts once on each connection (process) for each time that it
 * is armed.
 *
 * engine_self_take: the first rule in file order that is due here is claimed:
 * its hit is counted, nobody else gets it on this connection.  false: none is.
 * One that the gates forbid here is counted as due and gated, and will not ask
 * again for this arming: a connection never goes back to an earlier state.
 * choice->ordinal is the number of the arming, there is no cut.
 */
bool engine_self_take(const struct fault_plan *plan, struct fault_run *run,
                      const struct engine_call *call,
                      const struct engine_facts *facts,
                      struct engine_choice *choice);

/*
 * The earliest CLOCK_MONOTONIC ns at which engine_self_take() may find a rule
 * here because of the clock alone (age, idle, after): 0: now; UINT64_MAX: no
 * rule waits for the clock.  The other conditions come true at an event, and
 * whoever causes it asks again: armed (engine_arm()), state and seen (a call on
 * the socket), after a rule (engine_self_follows()).
 */
uint64_t engine_self_when(const struct fault_plan *plan,
                          const struct fault_run *run,
                          const struct engine_call *call);

/* Has a rule without `call` waited for a first hit of this one? */
bool engine_self_follows(const struct fault_plan *plan, uint32_t rule);

/*
 * Arm or disarm a rule while the program runs.  Arming one that is armed
 * counts, too.  What an arming begins anew: the window of `for`, and rules
 * without `call` act again where they have acted.  What it does not: events
 * (nth, turn, bytes) that passed meanwhile, and `times`.  Wakes nobody: see
 * fault_process.bell.
 */
void engine_arm(struct fault_run *run, uint32_t rule, bool armed);

/* For one who does not trust the run's own word where its rules are. */
void engine_arm_rule(struct fault_rule_state *s, bool armed);

/*
 * Of the rules of this program that last (plan_rule_lasts()): is there one
 * that is armed and may still be due?  One that can be armed later?  Windows
 * of `for` are not looked at (no clock): true may be said too long.
 */
bool engine_lasting_alive(const struct fault_plan *plan,
                          const struct fault_run *run, uint32_t program);
bool engine_may_be_armed(const struct fault_plan *plan,
                         const struct fault_run *run, uint32_t program);

#endif
