/*
 * deadline.h - absolute deadlines on CLOCK_MONOTONIC, in nanoseconds.
 *
 * Every wait in the reference programs ends at a deadline; absolute ones
 * survive EINTR and short waits without arithmetic.  All functions are
 * async-signal-safe.
 */
#ifndef REFERENCE_DEADLINE_H
#define REFERENCE_DEADLINE_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS   INT64_C(1000000)
#define NS_PER_S    INT64_C(1000000000)
#define NO_DEADLINE INT64_MAX

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static inline int64_t earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/*
 * The time-out for poll and epoll_wait: milliseconds, rounded up so that a
 * wait never ends just before its deadline and spins; -1 for NO_DEADLINE.
 */
static inline int deadline_timeout_ms(int64_t deadline_ns)
{
	int64_t left_ms;

	if (deadline_ns == NO_DEADLINE)
		return -1;
	left_ms = (deadline_ns - now_ns() + NS_PER_MS - 1) / NS_PER_MS;
	if (left_ms < 0)
		return 0;
	return left_ms > 3600000 ? 3600000 : (int)left_ms;
}

#endif
