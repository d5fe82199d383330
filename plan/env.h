/*
 * env.h - the environment between `fault` and the library in its programs.
 *
 * Under `fault`:
 *   LD_PRELOAD      absolute path of libfault.so, before what is there already
 *   FAULT_SHM       "PLAN:RUN": System V shared memory ids, decimal.  Both
 *                   segments are marked for removal as soon as `fault` itself
 *                   has attached them; mode 0666, so that a process of another
 *                   user or in a chroot can attach.
 *   FAULT_PROGRAM   index of the program in the plan, decimal
 * Alone:
 *   FAULT_SCENARIO  path of a file of faults
 *   FAULT_INJECT    rules in the one-line form, after those of the file
 *   FAULT_SEED      decimal, default 0
 *   FAULT_VAR_x     value of ${x}
 * Both, and `fault` itself:
 *   FAULT_TRUST_FILES  1: scenarios whoever may have written them, lang/trust.h
 * With none of these the library is inert.
 */
#ifndef FAULT_PLAN_ENV_H
#define FAULT_PLAN_ENV_H

#define FAULT_ENV_PRELOAD  "LD_PRELOAD"
#define FAULT_ENV_SHM      "FAULT_SHM"
#define FAULT_ENV_PROGRAM  "FAULT_PROGRAM"
#define FAULT_ENV_SCENARIO "FAULT_SCENARIO"
#define FAULT_ENV_INJECT   "FAULT_INJECT"
#define FAULT_ENV_SEED     "FAULT_SEED"
#define FAULT_ENV_VAR      "FAULT_VAR_"
#define FAULT_ENV_TRUST    "FAULT_TRUST_FILES"

/* Exit status of a program whose faults were not understood. */
#define FAULT_EXIT_ATTACH 97

#endif
