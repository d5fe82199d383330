/*
 * clock.h - the time of the tests: milliseconds of CLOCK_MONOTONIC.
 */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <time.h>

static inline long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
