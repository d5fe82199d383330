/*
 * watch.h - the tables behind the watches: lists and cells, given and taken
 * back.  For whoever keeps the sockets; engine.h has the rest.
 *
 * Locking model: free lists are a stack whose head carries a tag against ABA;
 * one compare-and-swap each way, from any thread and process.
 */
#ifndef FAULT_ENGINE_WATCH_H
#define FAULT_ENGINE_WATCH_H

#include "engine/engine.h"

/*
 * Give back the list that engine_watch() made, RUN_NONE allowed.  The caller
 * has taken it off its socket before.  Who still walks it (a call of another
 * thread on a socket that is being closed) sees what is reused, never more
 * than n_classes entries, and nothing outside the tables.
 */
void engine_unwatch(struct fault_run *run, uint32_t first);

/*
 * The number of the first call at which a rule of the class may be due, of
 * calls that are counted from the beginning; UINT32_MAX: never.
 */
uint32_t engine_first_due(const struct fault_plan *plan,
                          const struct fault_run *run, uint32_t class_index);

/*
 * The same whatever has been hit so far: never later than engine_first_due().
 */
uint32_t engine_earliest_due(const struct fault_plan *plan,
                             uint32_t class_index);

/*
 * Families of calls that have to be looked at on a socket of which nothing is
 * known (no port, role or peer: bind, connect and listen tell them).  At the
 * others nothing is ever due, and nothing has to be counted: such a socket is
 * no connection yet, so that a count per connection never goes beyond 1.
 */
uint32_t engine_blank_families(const struct fault_plan *plan,
                               const struct fault_run *run,
                               const struct engine_socket *blank);

/*
 * Cells of a process that has just attached, for rules with `per: process`:
 * index of the first of n_classes, 0 when no rule needs them or none are left
 * (such rules then count per program).
 */
uint32_t engine_process_cells(const struct fault_plan *plan,
                              struct fault_run *run);

#endif
