/*
 * envp.h - the environment of the next image: is what brought this run here
 * still in it, and a copy in which it is.
 *
 * A program that executes another with an environment of its own making (env
 * -i, inetd, sudo-like launchers) takes LD_PRELOAD and the FAULT_ variables of
 * plan/env.h out of it.  They are put back in a copy: what the program has put
 * into its environment stays as it is and where it is, ours come last.
 *
 *   - LD_PRELOAD without us: ours comes first, as the runner has it, but behind
 *     an ASan run-time library, which has to be the first.  Of several, ld.so
 *     takes the last.
 *   - A FAULT_ variable that is there stays, whatever its value.
 *   - FAULT_SHM, FAULT_SCENARIO or FAULT_INJECT with another value is another
 *     run's environment (`fault` under `fault`): left alone as a whole.
 *
 * Async-signal-safe, also in a child of vfork: nothing is written but the copy.
 * Another thread may change the environment meanwhile, as at any exec: the copy
 * never has more than what was counted.
 */
#ifndef FAULT_SHIM_ENVP_H
#define FAULT_SHIM_ENVP_H

#include <stdbool.h>
#include <stddef.h>

#include "plan/env.h"

#define ENVP_PRELOAD FAULT_ENV_PRELOAD "="

/* Written while attaching (attach_envp.c), read-only afterwards. */
struct envp_kept {
	/*
	 * "NAME=value" as they were when we attached, LD_PRELOAD first, cut to
	 * the entries that are ours.  0: we were not preloaded, or there is no
	 * run: nothing is put back.
	 */
	size_t n;
	const char *const *vars;
	const char *library;   /* our file's name, without the folder */
	char **const *environ; /* the program's */
};
extern struct envp_kept envp_kept;

/* Remember them: attached to a run, before main. */
void envp_keep(void);

/* What is to be done to an environment. */
struct envp_need {
	bool other;   /* it is another run's: nothing is to be done */
	size_t bytes; /* of the copy; 0: nothing is missing */
	size_t n;     /* variables that are there */
	size_t n_new; /* ours that are not */
	bool merge;   /* LD_PRELOAD is there without us: variable AT */
	size_t at;
	size_t preload_len; /* of its value */
};

/* Look; envp may be NULL, which the kernel takes as empty. */
struct envp_need envp_look(char *const *envp);

/* The copy, in need->bytes of memory that is aligned for pointers. */
char **envp_copy(const struct envp_need *need, char *const *envp, void *memory);

/* Where in the value of LD_PRELOAD, of len bytes, ours is to stand. */
size_t envp_preload_place(const char *value, size_t len);

/* Is our library among the entries of this value of LD_PRELOAD? */
bool envp_has_library(const char *value);

/* The value in an entry of this name ("NAME="), NULL if it has another. */
const char *envp_value(const char *entry, const char *name);

#endif
