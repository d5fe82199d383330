/*
 * wrap.h - the C names of the wrappers.
 *
 * Each exported symbol is the asm name of a function wrap_SYMBOL, so that
 * libc's own declarations, its fortified inlines and variadic prototypes
 * never meet ours.
 */
#ifndef FAULT_SHIM_WRAP_H
#define FAULT_SHIM_WRAP_H

#include "next.h"

#define CALL(symbol, ret, n, proto, ...)                                       \
	ret wrap_##symbol PARAMS_##n proto __asm__(#symbol) EXPORT;
#include "plan/calls.def"

#endif
