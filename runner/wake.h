/*
 * wake.h - a futex word that programs bump, as a descriptor that poll() sees.
 *
 * The session waits for two kinds of thing at once: what the library reports
 * (attach, listen, accept, exec, exit: it bumps fault_run.wake) and what the
 * kernel reports (ends of processes, output, signals).  A futex cannot be
 * polled, so a thread does nothing but wait on it and write an eventfd.  It
 * sets fault_run.waiting once and for all: a bump between two waits changes
 * the word, so the next wait returns at once and none is lost.
 */
#ifndef FAULT_RUNNER_WAKE_H
#define FAULT_RUNNER_WAKE_H

#include <pthread.h>
#include <stdbool.h>

#include "plan/run.h"

struct wake {
	struct fault_run *run;
	pthread_t thread;
	int fd; /* readable: drain the trace */
	_Atomic bool stop;
};

/* w must not move until wake_stop().  0 or -errno. */
int wake_start(struct wake *w, struct fault_run *run);
void wake_stop(struct wake *w);

/* Makes fd quiet until the next bump. */
void wake_clear(struct wake *w);

#endif
