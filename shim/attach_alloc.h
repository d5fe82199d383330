/*
 * attach_alloc.h - the memory that a scenario is compiled in.
 *
 * The first wrapped call may come from inside the program's own allocator
 * (jemalloc reads a file while it initialises, under its lock): whoever
 * allocates there waits for ever.  The linker redirects malloc and its kin of
 * everything in this library (lang, libyaml) to here (--wrap, Makefile).
 */
#ifndef FAULT_SHIM_ATTACH_ALLOC_H
#define FAULT_SHIM_ATTACH_ALLOC_H

/* Give everything back; what was allocated is gone. */
void attach_alloc_release(void);

#endif
