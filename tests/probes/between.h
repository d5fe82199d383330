/*
 * between.h - what between.c and between_table.c share: a library below
 * libfault (tests/e2e/between.sh) calls back in the middle of what libfault
 * does.
 */
#ifndef FAULT_TESTS_PROBES_BETWEEN_H
#define FAULT_TESTS_PROBES_BETWEEN_H

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "table.h"

/*
 * "connect", "flags", "asks for ...": before it is made; "dissolved",
 * "shut", "has ...", "set ...": when it has been.
 */
typedef void hook(const char *what, int fd);

static hook **below;
static pthread_t program;

static void call_back(hook *h)
{
	below = dlsym(RTLD_DEFAULT, "below_hook");
	if (!below)
		die("the library below");
	*below = h;
}

/* They may be kept from it, which is as well. */
MAYBE_UNUSED static void await(sem_t *event)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	while (sem_timedwait(event, &end) && errno == EINTR)
		;
}

#endif
