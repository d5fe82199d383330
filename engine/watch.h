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
 * Nothing has been counted in this cell: forecasts when a rule of its class may
 * first be due, so that calls which do not count are cheap from the beginning.
 */
void engine_cell_begin(const struct fault_plan *plan, struct fault_run *run,
                       uint32_t class_index, uint32_t cell);

/*
 * Cells of a process that has just attached, for rules with `per: process`:
 * index of the first of n_classes, 0 when no rule needs them or none are left
 * (such rules then count per program).
 */
uint32_t engine_process_cells(const struct fault_plan *plan,
                              struct fault_run *run);

#endif
