/*
 * command.h - a command of a scenario while it runs: setup, teardown, and the
 * step `run` of the timeline.
 *
 *   command_start()   the guardian starts it, and this returns at once
 *   command_take()    for each event of guardian_next(): was it its end?
 *   command_failed()  it has ended: one text of how, or NULL if that was well
 *   command_release()
 *
 * The caller keeps its own time: command_kill() when it has waited enough, and
 * its end comes as an event too.  Nothing else has to be polled: the output
 * goes into a file without a name, so that neither much output nor a daemon
 * that is left behind with it ever waits for us.
 *
 * A command runs where `fault` was started, in a group of its own, with
 * /dev/null as stdin and the environment of `fault`: the library is not in it.
 */
#ifndef FAULT_RUNNER_COMMAND_H
#define FAULT_RUNNER_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lang/scenario.h"
#include "runner/guardian.h"
#include "runner/segments.h"

struct command_process {
	const struct command *command; /* not owned */
	pid_t pid;
	bool started;    /* its exec succeeded */
	bool exited;     /* status is that of wait(2) */
	bool killed;     /* by command_kill() */
	int start_errno; /* it could not be started: why */
	int status;
	int64_t started_ns, ended_ns;
	int output; /* both streams, -1: none */
};

/*
 * s: of the run that it belongs to, whose rules it may arm and disarm with
 * `fault arm`; NULL: there is none.  0, or -errno with p->start_errno: -EPIPE
 * if the guardian is gone.  Release p in either case.
 */
int command_start(struct guardian *g, const struct command *c,
                  const struct segments *s, struct command_process *p);

/* True: the event was of this process; if its end, then p->exited. */
bool command_take(struct command_process *p, const struct guardian_event *e);

/* SIGKILL, for its whole group. */
void command_kill(struct guardian *g, struct command_process *p);

/* It has exited with 0. */
bool command_is_well(const struct command_process *p);

/* It could not be started, for want of the machine: that is nobody's failure.
 */
bool command_not_possible(const struct command_process *p);

/*
 * "setup `sh -c 'exit 3'`: exit status 3, expected 0", and in further lines the
 * end of its output, fit for a terminal.  what: "setup".  NULL: it has exited
 * with 0, or there is no memory.  To be freed.
 */
char *command_failed(const struct command_process *p, const char *what);

/* The same of one that is said something else of; said NULL: how it ended.
 * NULL: no memory. */
char *command_says(const struct command_process *p, const char *what,
                   const char *said);

/* Its last line that is not empty, fit for a terminal, or NULL.  To be freed.
 */
char *command_last_line(const struct command_process *p);

void command_release(struct command_process *p);

#endif
