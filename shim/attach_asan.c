/*
 * attach_asan.c - told to the shared run-time library of AddressSanitizer, if
 * the process has one: that we come before it is all right.
 *
 * It refuses to start unless it is the first library of the process, which a
 * preloaded one takes from it.  In front of it (LD_PRELOAD=libasan.so:...) it
 * would get into every program that the target starts, and change them: perl
 * and python, not built for it, end with a report of leaks.  And it has no need
 * to be first: a call of the program reaches ours, which calls the sanitizer's
 * as the next one, which calls libc's.
 *
 * The function is the sanitizer's own way to be told defaults: its definition
 * is weak, ours is found before it; a program's own is found before ours, and
 * ASAN_OPTIONS of the environment has the last word (runner/launch.c).  Called
 * before any constructor, and before the sanitizer's memcpy and strlen work:
 * nothing may be called from here.
 */
#include "shim.h"

const char *__asan_default_options(void) EXPORT;

const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}
