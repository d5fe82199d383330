/*
 * sets.h - the three sets of select(2), read word by word as the kernel does:
 * they may be shorter or longer than an fd_set.
 */
#ifndef FAULT_SHIM_SETS_H
#define FAULT_SHIM_SETS_H

#include <stddef.h>

enum {
	SETS_WORD = 8 * (int)sizeof(long) /* numbers in one */
};

/*
 * Which of the numbers of the word that begins with first are in one of the
 * sets.  a: the arguments, a[0] numbers of which count, a[1] to a[3] the sets.
 */
static inline unsigned long sets_asked(const long *a, int first)
{
	int left = (int)a[0] - first;
	unsigned long bits = 0;

	for (int set = 1; set <= 3; set++)
		if (a[set])
			bits |= ((const unsigned long *)
			                 a[set])[first / SETS_WORD];
	return left < SETS_WORD ? bits & ((1UL << left) - 1) : bits;
}

#endif
