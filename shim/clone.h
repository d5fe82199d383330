/*
 * clone.h - what is entered in place of clone(2) for a child with memory of its
 * own (no CLONE_VM): to the kernel it is a fork, to libc it is none, so that no
 * handler of pthread_atfork runs.
 *
 * Entered by the stubs of note_stubs.S, with the program's own arguments; those
 * that it has not given are passed on as they are found.  The child begins in a
 * function of ours, on the stack that the program has made for it, and goes on
 * with the program's.
 */
#ifndef FAULT_SHIM_CLONE_H
#define FAULT_SHIM_CLONE_H

int with_clone(int (*fn)(void *), void *stack, int flags, void *arg,
               void *parent_tid, void *tls, void *child_tid);

#endif
