/*
 * notes.h - calls that are noted and jumped to (NOTE rows of calls.def).
 *
 * vfork returns twice through the caller's frame, exec does not return: the
 * stubs of note_stubs.S keep every argument register, tell note_call() and
 * jump where it says.  That is the next function, or one of ours, which is
 * entered with the same arguments and the same stack: that of exec.h for what
 * makes a new image while something may have to be put back into its
 * environment, that of clone.h for a child with memory of its own.
 */
#ifndef FAULT_SHIM_NOTES_H
#define FAULT_SHIM_NOTES_H

#include "plan/tables.h"

enum note_hook {
	HOOK_VFORK,
	HOOK_CLONE,
	HOOK_EXEC,
	HOOK_SPAWN,
	HOOK_EXIT,
	HOOK_NONE, /* of STUB rows: attach, nothing else */
	N_HOOKS
};

struct note {
	void *next;    /* the real function */
	void *instead; /* exec.h, clone.h; NULL: none */
	enum fault_call call;
	enum note_hook hook;
};

/*
 * note_SYMBOL for each row; its stub passes the address.  stub_SYMBOL is where
 * the stub of a STUB row jumps: until we are attached, to a way through
 * note_call(); that of a VARIADIC row to more_SYMBOL of dprintf.c.
 */
#define NOTE(symbol, hook) extern struct note note_##symbol;
#define STUB(symbol)                                                           \
	extern struct note note_##symbol;                                      \
	extern void *stub_##symbol;
#define VARIADIC(symbol, by) extern void *stub_##symbol;
#include "plan/calls.def"

/*
 * Called by the stubs, with the first three arguments of the call: returns
 * where to jump.
 */
void *note_call(const struct note *note, void *caller, long first, long second,
                long third);

#endif
