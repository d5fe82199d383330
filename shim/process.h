/*
 * process.h - this process in the run's table of processes.
 *
 * A slot is taken at attach; a child of fork takes its own at the first record
 * that it writes (so that fork itself costs no system call).
 */
#ifndef FAULT_SHIM_PROCESS_H
#define FAULT_SHIM_PROCESS_H

#include "lock.h"
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

/*
 * A fork under way, of which there may be several: what is undone at its end,
 * and in the child.  shares_files: that has its parent's descriptors (clone(2),
 * CLONE_FILES): ours among them stay open and stay the parent's.
 */
struct process_fork {
	struct lock_guard guard;
	bool locked;
	bool marked; /* socks_fork_begins() */
};
void process_prepare(struct process_fork *ret);
void process_parent(const struct process_fork *f);
void process_child(const struct process_fork *f, bool shares_files);

/* All three, at those of libc: handlers for pthread_atfork. */
void process_atfork_prepare(void);
void process_atfork_parent(void);
void process_atfork_child(void);

/* The destructor's work. */
void process_exit(void);

#endif
