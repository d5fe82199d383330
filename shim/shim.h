/*
 * shim.h - what every file of the library shares: the process's own state,
 * and the rules of the place.
 *
 * THE RULES.  This code runs inside other people's
 * programs, in any thread, in signal handlers, in children of vfork:
 *   - no allocation, stdio, lock, locale, output or exit (attach*.c excepted;
 *     the one lock, lock.h, is taken only for sockets with lasting rules);
 *   - no system call on a path where no fault fires;
 *   - errno is what the real call would have left;
 *   - nothing is held across the real call: it may never return (longjmp,
 *     cancellation) or be entered again (signal handler);
 *   - the kernel is entered through libc's own function (next.h), never by an
 *     inline system call: a blocked thread must stay cancellable.
 * poison.h and the checks of the build enforce what can be enforced.
 *
 * Locking model: there are no locks but the one of lock.h, for readiness.
 * `shim` is written while attaching and read-only afterwards, but for the
 * atomics and what fork sets in the child.  Everything that processes share
 * is in plan/run.h.
 */
#ifndef FAULT_SHIM_SHIM_H
#define FAULT_SHIM_SHIM_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"
#include "plan/run.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NOINLINE    __attribute__((noinline))
#define EXPORT      __attribute__((visibility("default")))

#define FAMILY_BIT(f) (1u << (f))
enum {
	ALL_FAMILIES = (1u << N_FAMILIES) - 1
};

struct shim {
	/*
	 * Families that leave the fast path without a tracked descriptor:
	 * 0 = inert.  The only word that a silent call without a descriptor
	 * reads.
	 */
	uint32_t interest;
	/* Families of rules that may touch a socket before it is connected. */
	uint32_t fresh_families;
	/* ... and those that may touch one of which nothing is known yet. */
	uint32_t blank_families;
	bool attached;
	bool traced;
	bool timed;       /* rules look at the clock */
	bool lasting;     /* rules of this program last: readiness */
	bool readiness;   /* they last, or cut receives: so do poll, epoll */
	bool switched;    /* they can be disarmed from outside */
	bool both_ways;   /* rules need both directions: turn, seen, reset */
	bool ports;       /* rules look at ports */
	bool per_process; /* rules count per process */
	bool callers;     /* rules ask who calls */
	bool stacks;      /* records have frames */
	bool alone;       /* no runner: an exec starts anew */
	uint32_t program;
	uint32_t process_cells; /* first cell for `per: process`, 0 = none */
	uint32_t process_watch; /* rules for calls without a socket */
	_Atomic uint32_t slot;  /* of run->processes, + 1; 0 = not yet */
	_Atomic bool left;      /* references given back: socks_exec() */
	_Atomic bool ended;     /* process_exit() has run */
	_Atomic bool orphaned;  /* child of a process with a helper: keeper.h */
	_Atomic bool helpless;  /* no thread can be made here: keeper.h */
	uint32_t parent_slot;   /* the same of the process that forked us */
	_Atomic int pid;        /* 0 = not asked for since fork */
	const struct fault_plan *plan;
	struct fault_run *run;
	char comm[16];
};
extern struct shim shim;

/* Of the thread; initial-exec TLS, no destructors. */
struct shim_thread {
	int tid;        /* 0 = not asked for */
	bool attaching; /* in shim_attach(): its own calls must not wait */
	bool vforked;   /* this thread has called vfork: see fds.h */
	uint32_t moved; /* socket that the child of vfork has copied, 0 */
	bool helper;    /* ours: all its signals are blocked for good */
};
extern __thread struct shim_thread shim_thread;

/* Attach if that has not happened; idempotent, any thread (attach.c). */
void shim_attach(void);

/* The cached process id; one getpid after each fork, only when needed. */
int shim_pid(void);
int shim_tid(void);

/* CLOCK_MONOTONIC in ns; no system call (vDSO). */
uint64_t shim_now(void);

#endif
