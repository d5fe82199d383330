/*
 * mortal.h - no process of a test outlives the test.
 *
 * What hangs or spins in a probe would still be there for the next tests, once
 * whoever waits for it was killed.  So a mortal process is killed when the one
 * that made it ends (PR_SET_PDEATHSIG), and by SIGALRM after some seconds in
 * any case.  Both outlast exec; each child of fork() has them too, anew.
 *
 * Not covered: vfork, and clone by its number.  Both happen in a few probes, to
 * processes that end at once.
 */
#ifndef TESTS_MORTAL_H
#define TESTS_MORTAL_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Weak: one of each in a program, whichever of its files include this. */
__attribute__((weak)) unsigned mortal_limit_s;
__attribute__((weak)) bool mortal_spared;

static inline void mortal_spend(void)
{
	mortal_spared = false;
}

static inline void mortal_begin(void)
{
	if (!mortal_spared)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	mortal_spend();
	alarm(mortal_limit_s);
}

/* Once, before the first fork. 0 s: no limit. */
static inline void mortal(unsigned limit_s)
{
	mortal_limit_s = limit_s;
	mortal_begin();
	pthread_atfork(NULL, mortal_spend, mortal_begin);
}

/*
 * The next child goes on when its parent ends: the seconds stay.  Said before
 * the fork, because the parent may end before the child says anything.
 */
static inline void mortal_spare_next(void)
{
	mortal_spared = true;
}

#endif
