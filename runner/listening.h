/*
 * listening.h - does a process tree listen?  For programs without the library.
 *
 * Reads /proc only: listening sockets of /proc/net/tcp and tcp6 against the
 * descriptors of the process and its descendants.  No connection is made.
 */
#ifndef FAULT_RUNNER_LISTENING_H
#define FAULT_RUNNER_LISTENING_H

#include <stdbool.h>
#include <sys/types.h>

bool tree_listens(pid_t pid);

#endif
