/*
 * next.h - the real functions: the next definition of each symbol of
 * calls.def after ours.
 *
 * Until next_resolve() has run, each pointer leads to a stub that attaches and
 * enters the wrapper again: another library's constructor may call before our
 * own has run.  Afterwards the pointers never change.
 */
#ifndef FAULT_SHIM_NEXT_H
#define FAULT_SHIM_NEXT_H

#include <stddef.h>
#include <sys/types.h>

/* Prototypes as calls.def spells them: (T1, a1, T2, a2, ...). */
#define PARAMS_1(t1, a1)                         (t1 a1)
#define PARAMS_2(t1, a1, t2, a2)                 (t1 a1, t2 a2)
#define PARAMS_3(t1, a1, t2, a2, t3, a3)         (t1 a1, t2 a2, t3 a3)
#define PARAMS_4(t1, a1, t2, a2, t3, a3, t4, a4) (t1 a1, t2 a2, t3 a3, t4 a4)
#define PARAMS_5(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                       \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define PARAMS_6(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)               \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)
#define PARAMS_7(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7)       \
	(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7)

#define ARGS_1(t1, a1)                                 (a1)
#define ARGS_2(t1, a1, t2, a2)                         (a1, a2)
#define ARGS_3(t1, a1, t2, a2, t3, a3)                 (a1, a2, a3)
#define ARGS_4(t1, a1, t2, a2, t3, a3, t4, a4)         (a1, a2, a3, a4)
#define ARGS_5(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) (a1, a2, a3, a4, a5)
#define ARGS_6(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                 \
	(a1, a2, a3, a4, a5, a6)
#define ARGS_7(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7)         \
	(a1, a2, a3, a4, a5, a6, a7)

/* closefrom returns nothing; the comma gives it the 0 of success. */
#define RESULT_int(call)     (call)
#define RESULT_ssize_t(call) (call)
#define RESULT_long(call)    (call)
#define RESULT_void(call)    ((call), 0L)

enum {
	MAX_ARITY = 7
};

struct next_calls {
#define CALL(symbol, ret, n, proto, ...) ret(*symbol) PARAMS_##n proto;
#include "plan/calls.def"
};
extern struct next_calls next;

/*
 * Look up every row, those of notes.h and libc.h too (dlsym).  A function that
 * this libc lacks is never called by a program that runs with it.
 */
void next_resolve(void);

/* Call the next function of a row with packed arguments; sets errno. */
long next_call(unsigned call, const long *args);

#endif
