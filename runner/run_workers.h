/*
 * run_workers.h - the processes that run the cases of `fault run`.
 *
 * Each worker is forked from `fault` when every file has been read, so it has
 * the cases; it has a guardian of its own (guardian.h), and runs one case at a
 * time.  What goes to it is the number of a case and a seed, what comes back
 * are the bytes of a report.
 *
 *   fault ----+-- worker -- guardian -- programs
 *             +-- worker -- guardian -- programs
 *
 * A worker that crashes costs its case only: its guardian ends what it had
 * started, and another one takes its place.  Workers end when their socket
 * does, and by PDEATHSIG when `fault` is killed; each is in a process group of
 * its own, so a signal from the terminal reaches `fault` alone, which passes
 * it on once.
 *
 * One thread; the signals of interrupt.h are blocked when workers are made.
 */
#ifndef FAULT_RUNNER_RUN_WORKERS_H
#define FAULT_RUNNER_RUN_WORKERS_H

#include <signal.h>

#include "runner/out_lock.h"
#include "runner/run_case.h"

struct worker {
	pid_t pid; /* 0: there is none */
	int fd;    /* to poll for POLLIN while it is busy */
	bool busy;
	bool hung;    /* it was killed for that */
	bool unheard; /* it was killed: no memory for what it says */
	char *data;   /* of the report, as far as it has come */
	size_t len, cap;
};

struct workers {
	struct worker *v;
	size_t n;
	const struct selected_case *cases;
	const struct run_settings *settings;
	struct out_lock *lock; /* not theirs */
	sigset_t mask;         /* that programs start with */
	void (*terminal_output)(int);
	bool crashed; /* one of them did */
};

/*
 * Room for n of them, each forked at its first order.  Call it before signals
 * are blocked: what is blocked and ignored now is what programs begin with.
 * 0 or -ENOMEM.
 */
int workers_open(struct workers *w, size_t n, const struct selected_case *cases,
                 const struct run_settings *settings, struct out_lock *lock);

/*
 * Lets worker i run a case; round: of --repeat, 0 = none.  0 or -errno: there
 * is no process for it.
 */
int workers_start(struct workers *w, size_t i, size_t index, uint64_t seed,
                  unsigned round);

/*
 * Reads what has come from a busy worker, without waiting.  1 with a report:
 * it is idle again.  0: not yet.  A worker that is gone gives a report too, of
 * what became of it.
 */
int workers_receive(struct workers *w, size_t i, struct case_report *ret);

/*
 * For a busy worker that takes too long.  First it is killed: 0, and its
 * report comes as that of any other when what it had started is gone.  When it
 * does not, called again: 1 with a report, and nothing is waited for any more.
 */
int workers_give_up(struct workers *w, size_t i, struct case_report *ret);

/* Signals those that are busy. */
void workers_signal(struct workers *w, int sig);

/* Ends all of them and what they have started; waits for that. */
void workers_close(struct workers *w);

#endif
