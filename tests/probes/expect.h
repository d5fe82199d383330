/*
 * expect.h - a probe that ends at the first thing that is wrong: status 1, and
 * a line on stdout about it.
 */
#ifndef TESTS_PROBES_EXPECT_H
#define TESTS_PROBES_EXPECT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline _Noreturn void wrong(const char *what, long got)
{
	printf("%s: %ld (%s)\n", what, got, strerror(errno));
	exit(1);
}

static inline void expect(const char *what, bool holds, long got)
{
	if (!holds)
		wrong(what, got);
}

#endif
