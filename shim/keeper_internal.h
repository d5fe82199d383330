/*
 * keeper_internal.h - what keeper.c and keeper_watch.c have of each other.
 */
#ifndef FAULT_SHIM_KEEPER_INTERNAL_H
#define FAULT_SHIM_KEEPER_INTERNAL_H

#include "shim.h"

/* Under the lock: the helper's epoll set, -1: there is none. */
int keeper_set(void);

/* Which helper it is: those before it have ended, and their sets with them. */
uint32_t keeper_life(void);

/* Under the lock: something has been asked for, it is not to end. */
void keeper_arms(void);

/* Any descriptor of s in this process, best this one; -1: none. */
int keeper_descriptor(struct fault_sock *s, int fd);

/*
 * Nothing of it is held or armed any more: what happens to it is not ours.
 * First: what is held from now on asks anew, and is told of what is there.
 */
void keeper_let_go(int fd, struct fault_sock *s);

#endif
