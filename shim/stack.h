/*
 * stack.h - who calls: the frames above a wrapper, and the modules and
 * functions that they are in (`caller` of the language, PLAN_STACKS).
 *
 * Memory only, in any thread and in signal handlers: libgcc's unwinder, loaded
 * and warmed in our constructor, reads the tables of the modules, and
 * _dl_find_object() finds a module without a lock.  So nothing is kept here
 * that a dlclose could make untrue.
 *
 * Frames of this library are left out, wherever they lie.  What has no frame
 * is not there: a function that ends in a jump to the call.  Code without
 * unwind tables (a JIT's) ends the stack.
 */
#ifndef FAULT_SHIM_STACK_H
#define FAULT_SHIM_STACK_H

#include <dlfcn.h>
#include <unwind.h>

#include "shim.h"

enum {
	STACK_FRAMES = 8, /* that are looked at, from the wrapper's caller on */
};

/* What stack_prepare() has found; read-only afterwards. */
struct stack_tools {
	__typeof__(&_Unwind_Backtrace) backtrace; /* NULL: not prepared */
	__typeof__(&_Unwind_GetIPInfo) address;
	int (*find)(void *address, struct dl_find_object *ret);
	uintptr_t begin, end; /* of this library */
	/* The program's file, and what it was called by: basenames. */
	char file[256], called[256];
};
extern struct stack_tools stack_tools;

/* From the constructor only.  NULL, or a sentence: why there are no stacks
 * here. */
const char *stack_prepare(void);

/*
 * Which of the wanted callers of the plan (bits) are among the frames of this
 * call?  caller: the wrapper's return address, which alone is looked at when
 * that is enough.
 */
uint64_t stack_callers(void *caller, uint64_t wanted);

/* The return addresses above the wrapper's own; how many, at most n. */
size_t stack_frames(uint64_t *ret, size_t n);

#endif
