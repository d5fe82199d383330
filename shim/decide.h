/*
 * decide.h - rules and one call: from "may anything happen?" to done.
 */
#ifndef FAULT_SHIM_DECIDE_H
#define FAULT_SHIM_DECIDE_H

#include "call.h"
#include "facts.h"

/*
 * The call as the engine sees it, but for `want`: what looking at a call costs
 * when no rule is due.  Memory only; s may be NULL.
 */
void decide_describe(struct engine_call *e, enum fault_call id,
                     const struct fault_sock *s);

/* Fill c->e and c->choice.  true: a rule is due, or the call is to be cut. */
bool decide_look(struct shim_call *c);

/*
 * A rule is due and the call would be satisfied: ask the gates, claim it.
 * true: act.  false: the call goes on as if no rule were there; it has been
 * counted when ret_counted says so.
 */
bool decide_claim(struct shim_call *c, bool *ret_counted);

/*
 * Is the descriptor another's by now (closed behind our back)?  Then it is
 * forgotten, and the call is the kernel's.  Asked before anything is done to
 * the descriptor.
 */
bool decide_stale(struct shim_call *c);

/* The call counts (nothing was due, it succeeded). */
void decide_count(struct shim_call *c);

/* The rule that is due. */
const struct plan_rule *decide_rule(const struct shim_call *c);

/*
 * The whole way for calls that count at each entry: look, claim, act, and the
 * real call unless an error stands.
 */
void decide_and_make(struct shim_call *c);

/* The same where the real call is made by `make` (which fills the result). */
void decide_and_make_by(struct shim_call *c, void (*make)(struct shim_call *));

/*
 * What was needed to make the claimed rule real failed: unless something else
 * of it was done, it was no hit, and the call is one that no rule touched.
 */
void decide_failed(struct shim_call *c);

/* The same of an action whose own lever failed: of a rule with others they go
 * on. */
void decide_not_made(struct shim_call *c);

/* Carry out the claimed rule's actions, and the real call (act.c). */
void act(struct shim_call *c);

/* The same from the rule's action `first` on. */
void act_from(struct shim_call *c, unsigned first);

/* Disarmed while it waited: what is left of the rule is void. */
bool act_is_void(const struct shim_call *c);

/* connect was interrupted: err is told, the handshake goes on. */
void act_interrupted(struct shim_call *c, int err);

/*
 * The retry of a call whose delay was interrupted: what is left of the delay,
 * then the rest of the rule's actions.  false: there is none.  The call does
 * not count again.
 */
bool act_resume(struct shim_call *c);

#endif
