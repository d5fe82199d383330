/*
 * interrupt.h - SIGINT, SIGTERM, SIGHUP and SIGQUIT as a descriptor.
 *
 * Blocked for the whole process (so open it after the guardian was forked and
 * before any thread is made) and read from a signalfd: nothing of `fault` runs
 * in a signal handler.  SIGTTOU and SIGXFSZ are ignored from then on, by us and
 * not by the guardian's programs.  A signal that was ignored when `fault`
 * started stays ignored (nohup, background jobs of a shell).
 */
#ifndef FAULT_RUNNER_INTERRUPT_H
#define FAULT_RUNNER_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
	int fd;
	int first; /* the first signal that came, 0 = none */
	unsigned count;
};

/* 0 or -errno. */
int interrupt_open(struct interrupt *i);
void interrupt_close(struct interrupt *i);

/*
 * The next signal, 0 when there is none.  ret_keyboard: the terminal sent it,
 * so the foreground group has it already.
 */
int interrupt_next(struct interrupt *i, bool *ret_keyboard);

/* Exit code of a command that a signal ended. */
int interrupt_exit_code(const struct interrupt *i);

#endif
