/*
 * asleep.h - has a program come to rest?
 */
#ifndef FAULT_RUNNER_ASLEEP_H
#define FAULT_RUNNER_ASLEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Was there a moment, during this call, at which all threads of these n
 * processes and of all processes below them slept (or were stopped)?  Then
 * nothing that happened before is still on its way in them: what they do next
 * begins with a timer, or with something from outside.
 *
 * false as well when one of the n is gone or a zombie (its end is about to be
 * reported), is dumping core, or sleeps uninterruptibly: that ends by itself.
 * Zombies below them do not count.
 *
 * Reads /proc only; a thread costs some 20 us.
 */
bool all_asleep(const pid_t *pids, size_t n);

#endif
