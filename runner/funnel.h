/*
 * funnel.h - why did a rule not fire?  Told from the trace.
 *
 *   recv 412 -> in app 412 -> port 5432: 0; ports seen: 5433
 *   recv 12 -> role accepted 12 -> nth 5: at most 3 on one connection
 *   recv 12 -> 4 times due, gated by G2: blocking socket
 *   connections 2 -> in app 1 -> idle never held
 *
 * Stages in the order of the rule's which-keys, then its when-keys, then the
 * gates; the first stage that lets nothing through is the answer and names
 * what it saw instead.
 */
#ifndef FAULT_RUNNER_FUNNEL_H
#define FAULT_RUNNER_FUNNEL_H

#include "lang/scenario.h"
#include "runner/session.h"

/*
 * For every rule that judge_rule_missing(), at most the first twenty: an array
 * of n_rules texts for judge(), NULL: none, or the trace cannot be read.  r: of
 * the session that wrote trace_path.  NULL without memory.
 */
char **funnels_explain(const char *trace_path, const struct scenario *s,
                       const struct session_result *r);
void funnels_free(char **funnels, size_t n);

#endif
