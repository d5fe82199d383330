/*
 * machine.h - what of ours the machine failed, where no result can say so.
 *
 * A text that could not be looked for, output that could not be kept: whoever
 * meets that says so here and goes on with what there is.  No verdict counts
 * from then on: who asks at the end reports the machine instead.  One case at
 * a time is judged in a process, so there is one note for all of it.
 */
#ifndef FAULT_RUNNER_MACHINE_H
#define FAULT_RUNNER_MACHINE_H

#include <stdbool.h>

/*
 * Notes the first one.  r: -errno; doing: a constant, "looking for a text".
 * Any thread.
 */
void machine_failed(int r, const char *doing);

/* "looking for a text: Cannot allocate memory"; NULL: it held. */
const char *machine_failure(void);

/* For the next case. */
void machine_forget(void);

/*
 * Is it a want of the machine (memory, descriptors, processes, room), which
 * says nothing about a program?
 */
bool machine_is_short(int r);

#endif
