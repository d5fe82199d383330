/*
 * tree.h - everything below this process, and the end of it.
 *
 * For a process that is a subreaper (PR_SET_CHILD_SUBREAPER): whatever its
 * programs do (double fork, setsid, stop themselves, ignore SIGTERM), they and
 * their children stay its descendants, and are found through
 * /proc/PID/task/TID/children.
 */
#ifndef FAULT_RUNNER_TREE_H
#define FAULT_RUNNER_TREE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * SIGKILLs and reaps all descendants of this process until none is left, or
 * for at most ten seconds (a process that hangs inside the kernel or belongs
 * to another user cannot be killed).  SIGCHLD must be blocked.  reaped(context,
 * pid, status) is called for each own child that ends, NULL: nobody asks.
 *
 * Stores how many live processes had to be killed in ret_killed.  Returns 0,
 * or -ETIMEDOUT when some are left.
 */
int tree_kill(void (*reaped)(void *context, pid_t pid, int status),
              void *context, size_t *ret_killed);

/*
 * Removes path and all below it without leaving its file system or following
 * a link.  0 or the last -errno.
 */
int tree_remove(const char *path);

#endif
