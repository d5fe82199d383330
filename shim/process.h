/*
 * process.h - this process in the run's table of processes.
 *
 * A slot is taken at attach; a child of fork takes its own at the first record
 * that it writes (so that fork itself costs no system call).
 */
#ifndef FAULT_SHIM_PROCESS_H
#define FAULT_SHIM_PROCESS_H

#include "shim.h"

/* Slot + 1 of this process; takes one if needed. */
uint32_t process_slot(void);

/* The slot, the attach record, and the runner is told. */
void process_attached(void);

/*
 * What depends on nothing but the process: the rules for calls without a
 * socket, those for sockets of which nothing is known, cells for
 * `per: process`.  A child of fork takes new cells and keeps the rest.
 */
void process_watch(void);

/* Handlers for pthread_atfork, and the destructor's work. */
void process_prepare(void);
void process_parent(void);
void process_child(void);
void process_exit(void);

/*
 * In a child that shares its parent's descriptors (clone(2), CLONE_FILES):
 * ours among them stay open and stay the parent's.
 */
void process_child_among_files(void);

#endif
