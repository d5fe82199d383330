/*
 * libc.h - libc's own functions, whatever the program calls its own: the rows
 * of libc.def.
 *
 * Whoever calls one of them writes its name; see libc.def for how the call gets
 * there.
 */
#ifndef FAULT_SHIM_LIBC_H
#define FAULT_SHIM_LIBC_H

/*
 * Look up every row (dlsym).  Until then, and for what this libc lacks, each is
 * a function that says ENOSYS.
 */
void libc_resolve(void);

/* -1 and ENOSYS, which is MAP_FAILED, too. */
long libc_missing(void);

#endif
