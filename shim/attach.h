/*
 * attach.h - between attach.c and attach_env.c.
 */
#ifndef FAULT_SHIM_ATTACH_H
#define FAULT_SHIM_ATTACH_H

#include "shim.h"

/* Read the FAULT_ variables (plan/env.h) and attach what they name. */
void attach_from_environment(void);

void attach_run(const struct fault_plan *plan, struct fault_run *run,
                uint32_t program);

/*
 * The plan looks at stacks and they cannot be taken: does not return in the
 * library used alone, and in the first image of a program.  In a later one no
 * call has a caller.
 */
void attach_refuse_stacks(const char *why);

#endif
