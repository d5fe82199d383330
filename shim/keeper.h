/*
 * keeper.h - the helper thread: what has to happen when nobody calls.
 *
 * One per process, made when the first socket with lasting rules appears, all
 * signals blocked.  It opens gates when their time has come, starts the clock
 * when something arrives at an armed gate, notices that a hold has collapsed,
 * lets rules without a call act, and answers arming and disarming (run.h).
 *
 * It waits in epoll_wait with two private descriptors (an epoll set, a timer);
 * a second thread that only waits on a futex exists under `fault` while a
 * lasting rule has a name, by which it can be armed and disarmed from outside.
 *
 * Both end when no lasting rule can act any more.  A child of fork makes its
 * own when it needs them.  Where a thread cannot be made (seccomp), calls and
 * waits look at the clock themselves; only epoll waiters are late then.
 */
#ifndef FAULT_SHIM_KEEPER_H
#define FAULT_SHIM_KEEPER_H

#include "gates.h"

/* There is work for it, now or later: make it if it does not exist. */
bool keeper_start(void);

/* gates_open(fd, s, gate) at until_ns.  Any number, also for the same. */
void keeper_open_at(int fd, struct fault_sock *s, enum gate gate,
                    uint64_t until_ns);

/* arrivals_look(fd, s) then. */
void keeper_look_at(int fd, struct fault_sock *s, uint64_t when_ns);

/*
 * Without a helper (shim.helpless) a thread that waits does its work: what is
 * due now; when is the next.
 */
void keeper_work(void);
uint64_t keeper_next(void);

/*
 * Watch for arrivals at an armed gate; at a held one for errors, and for who
 * shuts the socket down.  Is it?
 */
void keeper_watch(int fd, struct fault_sock *s);
bool keeper_watches(struct fault_sock *s);

/*
 * fd, one of s, is about to be closed, its word taken out of the table: what
 * the helper does to the socket under the lock it has done, or will not do.
 */
void keeper_unwatch(int fd, struct fault_sock *s);

/*
 * A task of the process: run by the helper, under no lock, at `when`
 * (CLOCK_MONOTONIC ns; 0: not at all, UINT64_MAX as well).  keeper_task_at may
 * be called from anywhere, from the task itself too.
 */
enum keeper_task {
	TASK_EXHAUST, /* exhaust_end() */
	TASK_SELF,    /* self_act(): rules without a call */
	N_TASKS
};
void keeper_task_at(enum keeper_task task, uint64_t when_ns);

/* ... only if it is earlier than what is planned. */
void keeper_task_by(enum keeper_task task, uint64_t when_ns);

/*
 * A thread waits in a blocking call for a gate: timer_fd ends its wait.  When
 * the gate opens before its time it is set off (keeper_wake_waits).  false:
 * 4,096 are waited for already, nobody will wake this one.
 */
bool keeper_wait_begins(int timer_fd, const struct fault_sock *s,
                        enum gate gate);
void keeper_wait_ends(int timer_fd);
void keeper_wake_waits(const struct fault_sock *s, enum gate gate);

/* Somebody armed or disarmed in this process. */
void keeper_ring(void);

/*
 * Before exec: nobody in this image answers any more; false: it failed, and the
 * helper is there as before.
 */
void keeper_leaves(bool leaves);

/*
 * The main thread has called pthread_exit: the process ends with the last
 * thread of the program, and ours must not keep it.
 */
void keeper_main_ends(void);

/* There is a helper, and but for ours this thread is the only one. */
bool keeper_is_company(void);

/* The program's dup2 is about to take this number of ours. */
void keeper_yield(int fd);

/*
 * fork: the child has no helper yet; it is made when a call on s needs it, or
 * one that waits for any socket (NULL).
 */
void keeper_child(void);
void keeper_waits_child(void);
void keeper_revive(const struct fault_sock *s);

#endif
