/*
 * hold.c - see hold.h.
 *
 * Without a time-out a call waits in a real read of a timer descriptor: the
 * kernel then restarts it under SA_RESTART, returns EINTR otherwise, and
 * cancels it.  With SO_RCVTIMEO or SO_SNDTIMEO a real call is never restarted
 * (signal(7)), which is what ppoll does.
 *
 * The descriptor exists while the call waits, put high, out of the way of the
 * program's own numbers.  A thread keeps its descriptors in a few slots: one
 * for the wait, more when signal handlers wait inside it.  A thread that is
 * cancelled in the wait closes them by the destructor of a thread-specific
 * key, which tells of the end of the main thread, too.  One that left a wait by
 * longjmp closes that one's when it waits again.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "facts.h"
#include "hold.h"
#include "keeper.h"
#include "private_fd.h"

#include "poison.h"

enum {
	N_SLOTS = 4
};

struct slot {
	int fd;         /* + 1; 0 = free */
	bool alternate; /* on the stack of sigaltstack(2) */
	const char *frame;
};
static __thread struct slot slots[N_SLOTS]
	__attribute__((tls_model("initial-exec")));

static pthread_key_t key;
static bool key_made;

static void close_slot(struct slot *s)
{
	int fd = s->fd - 1;

	s->fd = 0;
	if (fd < 0)
		return;
	keeper_wait_ends(fd);
	private_fd_close(fd);
}

static void close_slots(void *value)
{
	struct slot *of_thread = value;

	for (int i = 0; i < N_SLOTS; i++)
		close_slot(&of_thread[i]);
	if (shim_tid() == shim_pid())
		keeper_main_ends();
}

void hold_prepare(void)
{
	key_made = !pthread_key_create(&key, close_slots);
	hold_main();
}

void hold_main(void)
{
	if (key_made)
		pthread_setspecific(key, slots);
}

static bool on_alternate_stack(void)
{
	stack_t now;

	return !sigaltstack(NULL, &now) && now.ss_flags & SS_ONSTACK;
}

/*
 * A wait whose frame does not lie above the present one was left by longjmp,
 * and so was one of a handler on its own stack when that stack is not in use.
 */
static bool is_over(const struct slot *s, const struct slot *now)
{
	if (s->alternate == now->alternate)
		return s->frame <= now->frame;
	return s->alternate;
}

/* A free slot for a wait in this frame; NULL: four handlers deep. */
static struct slot *take_slot(const char *frame)
{
	const struct slot now = {0, on_alternate_stack(), frame};
	struct slot *taken = NULL;

	for (int i = 0; i < N_SLOTS; i++) {
		if (slots[i].fd && is_over(&slots[i], &now))
			close_slot(&slots[i]);
		if (!slots[i].fd)
			taken = &slots[i];
	}
	if (taken)
		*taken = now;
	if (taken && key_made && !pthread_getspecific(key))
		pthread_setspecific(key, slots);
	return taken;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
	                         .tv_nsec = (long)(ns % 1000000000u)};
}

/* Its time, and whose wait it is: a gate that opens early ends it. */
struct wait {
	uint64_t until;
	struct fault_sock *sock; /* NULL: nothing ends it early */
	enum gate gate;
};

/* When a wait that nobody can wake is over, or looks again. */
static uint64_t looks_at(const struct wait *w, uint64_t until)
{
	uint64_t soon = shim_now() + HOLD_LOOKS_NS;

	return w->sock && until > soon ? soon : until;
}

static int make_timer(const struct wait *w)
{
	int fd = private_fd_timer();

	if (fd < 0)
		return -1;
	/* First, or it could be set off before it is set. */
	private_fd_set_timer(fd, w->until == RUN_FOREVER ? 0 : w->until);
	if (w->sock && (!keeper_wait_begins(fd, w->sock, w->gate) ||
	                UNLIKELY(shim.helpless)))
		private_fd_set_timer(fd, looks_at(w, w->until));
	/* What ended it in between has found no timer. */
	if (w->sock && (!gates_held(w->sock, w->gate, shim_now()) ||
	                gates_ended(w->sock, w->gate)))
		private_fd_set_timer(fd, 1);
	return fd;
}

/* A call with a time-out of its own: any handler interrupts it. */
static int wait_poll(int timer, uint64_t until_ns)
{
	struct pollfd p = {.fd = timer, .events = POLLIN};
	uint64_t now = shim_now();
	struct timespec left;
	int n;

	if (now >= until_ns)
		return 0;
	left = to_timespec(until_ns - now);
	n = next.ppoll(&p, 1, until_ns == RUN_FOREVER ? NULL : &left, NULL);
	return n < 0 ? errno : 0;
}

static int read_timer(int fd)
{
	uint64_t expirations;

	return next.read(fd, &expirations, sizeof(expirations)) < 0 ? errno : 0;
}

/*
 * Cancelled in the wait, and nowhere else: no descriptor is between hands.
 * poll_until: 0, or the time-out of the call.
 */
static int wait_timer(const struct wait *w, uint64_t poll_until)
{
	int cancel, fd, err;
	struct slot *s;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	s = take_slot(__builtin_frame_address(0));
	fd = s ? make_timer(w) : -1;
	if (fd < 0) {
		pthread_setcancelstate(cancel, NULL);
		/* No descriptor, or four handlers deep: without SA_RESTART. */
		return wait_poll(
			-1, looks_at(w, poll_until ? poll_until : w->until));
	}
	s->fd = fd + 1;
	pthread_setcancelstate(cancel, NULL);
	err = poll_until ? wait_poll(fd, poll_until) : read_timer(fd);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	close_slot(s);
	pthread_setcancelstate(cancel, NULL);
	return err;
}

int hold_poll_begins(const char *frame)
{
	int cancel, fd = -1;
	struct slot *s;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	s = take_slot(frame);
	if (s)
		fd = private_fd_timer();
	if (fd >= 0)
		s->fd = fd + 1;
	pthread_setcancelstate(cancel, NULL);
	return fd;
}

void hold_poll_ends(int fd)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (int i = 0; fd >= 0 && i < N_SLOTS; i++)
		if (slots[i].fd == fd + 1)
			close_slot(&slots[i]);
	pthread_setcancelstate(cancel, NULL);
}

int hold_until(uint64_t until_ns, uint64_t timeout_ns, struct fault_sock *s,
               enum gate gate)
{
	const struct wait w = {until_ns, s, gate};
	uint64_t now = shim_now();
	uint64_t end = timeout_ns ? now + timeout_ns : 0;
	int err;

	if (now >= until_ns)
		return 0;
	err = wait_timer(&w, end && end > until_ns ? until_ns : end);
	if (err || !end || shim_now() < end)
		return err;
	return end < until_ns ? EAGAIN : 0;
}

void hold_through(uint64_t until_ns)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	while (wait_poll(-1, until_ns) == EINTR)
		;
	pthread_setcancelstate(cancel, NULL);
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
	if (!n)
		return EAGAIN;
	return p.revents & POLLIN ? 0 : ESHUTDOWN;
}
