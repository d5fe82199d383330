/*
 * raw.h - system calls that go past every library: the far end of a
 * connection is never under injection, and its socket is not tracked.
 */
#ifndef TESTS_ROWS_RAW_H
#define TESTS_ROWS_RAW_H

#include <sys/syscall.h>

#ifndef __x86_64__
#error "raw.h: write raw() for this machine"
#endif

/* The result, or -errno. */
static inline long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
	                   "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

#endif
