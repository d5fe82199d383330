/*
 * which.h - the which-keys of the language against calls of a kept trace, and
 * as texts.
 *
 * One answer for rules (why did it not fire?) and for what is expected of
 * calls: the engine's own, as far as it has one.
 */
#ifndef FAULT_RUNNER_WHICH_H
#define FAULT_RUNNER_WHICH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"
#include "runner/replay.h"

/*
 * Do programs, roles, port and peer of the class (engine.h) select the socket
 * of this call?  The class has no strings.  A call without a program: no.
 */
bool which_socket(const struct plan_class *want, const struct replay_call *c);

bool which_has_calls(const uint64_t calls[PLAN_CALL_WORDS]);
bool which_has_call(const uint64_t calls[PLAN_CALL_WORDS],
                    enum fault_call call);

/* "recv,accept4": families whose calls are all there are named as such. */
void which_calls_text(const uint64_t calls[PLAN_CALL_WORDS], char *buf,
                      size_t size);

/* "3", "2..5", "3+", "3+2", "3..9+2", "10%" */
void which_pick_text(const struct plan_pick *p, char *buf, size_t size);

/* "client listener": the names of these bits behind word, if there is one. */
void which_bits_text(const char *word, unsigned bits, const char *const *names,
                     size_t n, char *buf, size_t size);

/* "127.0.0.1", "[::1]:80", "10.0.0.0/8" */
void which_address_text(const struct plan_addr *a, char *buf, size_t size);

#endif
