/*
 * hold.c - see hold.h.
 *
 * Without a time-out a call waits in a real read of a timer descriptor: the
 * kernel then restarts it under SA_RESTART, returns EINTR otherwise, and
 * cancels it.  With SO_RCVTIMEO or SO_SNDTIMEO a real call is never restarted
 * (signal(7)), which is what ppoll does.
 *
 * The descriptor exists while the call waits.  It is put high, out of the way
 * of the program's own numbers; a thread that is cancelled in the wait closes
 * it by the destructor of a thread-specific key, one that leaves by longjmp
 * does when it waits again.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "facts.h"
#include "hold.h"

#include "poison.h"

static pthread_key_t key;
static bool key_made;

static void close_timer(void *value)
{
	next.close((int)(intptr_t)value - 1);
}

void hold_prepare(void)
{
	key_made = !pthread_key_create(&key, close_timer);
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
	                         .tv_nsec = (long)(ns % 1000000000u)};
}

static int high_number(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 256 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return 0;
	return (int)(limit.rlim_cur > 65536 ? 65536 : limit.rlim_cur) - 128;
}

/* A timer descriptor that ends at until_ns, or -1. */
static int make_timer(uint64_t until_ns)
{
	struct itimerspec when = {.it_value = to_timespec(until_ns)};
	int low = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int fd = low < 0 ? -1 : next.fcntl(low, F_DUPFD_CLOEXEC, high_number());

	if (fd < 0)
		return low;
	next.close(low);
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
	return fd;
}

static int wait_timer(uint64_t until_ns)
{
	void *stale = key_made ? pthread_getspecific(key) : NULL;
	uint64_t expirations;
	ssize_t n;
	int err;
	int fd;

	if (stale)
		close_timer(stale);
	fd = make_timer(until_ns);
	if (fd < 0)
		return 0;
	if (key_made)
		pthread_setspecific(key, (void *)(intptr_t)(fd + 1));
	n = next.read(fd, &expirations, sizeof(expirations));
	err = n < 0 ? errno : 0;
	if (key_made)
		pthread_setspecific(key, NULL);
	next.close(fd);
	return err;
}

/* A call with a time-out of its own: any handler interrupts it. */
static int wait_poll(uint64_t until_ns)
{
	uint64_t now = shim_now();

	if (now >= until_ns)
		return 0;
	struct timespec left = to_timespec(until_ns - now);
	int n = next.ppoll(NULL, 0, &left, NULL);

	return n < 0 ? errno : 0;
}

int hold_until(uint64_t until_ns, uint64_t timeout_ns)
{
	uint64_t now = shim_now();
	int err;

	if (now >= until_ns)
		return 0;
	if (!timeout_ns)
		return wait_timer(until_ns);
	if (now + timeout_ns >= until_ns)
		return wait_poll(until_ns);
	err = wait_poll(now + timeout_ns);
	return err ? err : EAGAIN;
}

int hold_acceptable(int fd, uint64_t timeout_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec limit = to_timespec(timeout_ns);
	int n;

	do
		n = next.ppoll(&p, 1, timeout_ns ? &limit : NULL, NULL);
	while (n < 0 && errno == EINTR && !timeout_ns && facts_all_restart());
	if (n < 0)
		return errno;
	return n ? 0 : EAGAIN;
}
