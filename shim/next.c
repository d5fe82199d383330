/*
 * next.c - see next.h.  Everything here is expanded from calls.def.
 */
#include <dlfcn.h>

#include "shim.h"
#include "libc.h"
#include "next.h"
#include "notes.h"
#include "wrap.h"

/*
 * Before attach: attach, then enter the wrapper again.  A symbol that this libc
 * lacks, called all the same: as the kernel says.
 */
#define CALL(symbol, ret, n, proto, ...)                                       \
	static NOINLINE ret early_##symbol PARAMS_##n proto                    \
	{                                                                      \
		shim_attach();                                                 \
		return next.symbol == early_##symbol                           \
		               ? (ret)libc_missing()                           \
		               : wrap_##symbol ARGS_##n proto;                 \
	}

#include "plan/calls.def"

struct next_calls next = {
#define CALL(symbol, ret, n, proto, ...) .symbol = early_##symbol,
#include "plan/calls.def"
};

void next_resolve(void)
{
	void *p;

	libc_resolve();
#define CALL(symbol_, ret, n, proto, ...)                                      \
	p = dlsym(RTLD_NEXT, #symbol_);                                        \
	if (p)                                                                 \
		next.symbol_ = (__typeof__(next.symbol_))p;
#define NOTE(symbol_, hook) note_##symbol_.next = dlsym(RTLD_NEXT, #symbol_);
#define STUB(symbol_)                                                          \
	p = dlsym(RTLD_NEXT, #symbol_);                                        \
	if (p)                                                                 \
		stub_##symbol_ = note_##symbol_.next = p;
#define VARIADIC(symbol_, by)                                                  \
	p = dlsym(RTLD_NEXT, #symbol_);                                        \
	if (p)                                                                 \
		stub_##symbol_ = p;
#include "plan/calls.def"
}

#define UNPACK_1(t1, a1)                 ((t1)a[0])
#define UNPACK_2(t1, a1, t2, a2)         ((t1)a[0], (t2)a[1])
#define UNPACK_3(t1, a1, t2, a2, t3, a3) ((t1)a[0], (t2)a[1], (t3)a[2])
#define UNPACK_4(t1, a1, t2, a2, t3, a3, t4, a4)                               \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3])
#define UNPACK_5(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                       \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4])
#define UNPACK_6(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)               \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4], (t6)a[5])
#define UNPACK_7(t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7)       \
	((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4], (t6)a[5], (t7)a[6])

#define CALL(symbol, ret, n, proto, ...)                                       \
	static long call_##symbol(const long *a)                               \
	{                                                                      \
		return (long)RESULT_##ret(next.symbol UNPACK_##n proto);       \
	}
#include "plan/calls.def"

static long (*const callers[N_CALLS])(const long *) = {
#define CALL(symbol, ...)     [FAULT_CALL_##symbol] = call_##symbol,
#define TWIN(id, symbol, ...) [FAULT_CALL_##id] = call_##symbol,
#include "plan/calls.def"
};

long next_call(unsigned call, const long *args)
{
	return callers[call](args);
}
