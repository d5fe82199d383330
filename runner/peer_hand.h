/*
 * peer_hand.h - a scripted program on its way from `fault run` to the process
 * that plays it.
 *
 * As it was bound: the scenario is not read a second time, so that an edit
 * meanwhile changes nothing, and each step knows its place in the user's file.
 * Both ends are the same executable (/proc/self/exe), so structs travel as they
 * are; what their pointers point to follows in order.
 */
#ifndef FAULT_RUNNER_PEER_HAND_H
#define FAULT_RUNNER_PEER_HAND_H

#include <stdint.h>

#include "lang/scenario.h"

/* A descriptor to read it from, close-on-exec, or -errno. */
int peer_hand_over(const struct program *p, uint64_t seed);

/*
 * Reads fd to its end.  0; -EINVAL: it is none of ours; or -errno.  What
 * ret_program points to is in *ret_memory, to be freed.
 */
int peer_take_over(int fd, struct program *ret_program, uint64_t *ret_seed,
                   void **ret_memory);

#endif
