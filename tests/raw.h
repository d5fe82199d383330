/*
 * raw.h - system calls that go past every library: for a far end that is never
 * under injection, and for what the kernel really has.
 */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

/* The result, or -errno. */
#if defined(__x86_64__)
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
#elif defined(__aarch64__)
static inline long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
	                 : "+r"(x0)
	                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
	                 : "memory");
	return x0;
}
#else
#error "write raw() for this machine"
#endif

/* poll(2) of one descriptor; not every machine has the call itself. */
static inline long raw_poll(struct pollfd *p, long ms)
{
	struct timespec limit = {.tv_sec = ms / 1000,
	                         .tv_nsec = ms % 1000 * 1000000};

	return raw(SYS_ppoll, (long)p, 1, (long)&limit, 0, 0, 0);
}

#endif
