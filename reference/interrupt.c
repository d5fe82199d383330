/*
 * interrupt.c - a timer that insists; contract in interrupt.h.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "deadline.h"
#include "interrupt.h"
#include "loop.h"
#include "message.h"

static timer_t timer;

/*
 * Relaxed is enough: one thread and its own signal handlers, which see each
 * other's stores in program order.
 */
static _Atomic int64_t stop_ns = NO_DEADLINE;
static atomic_bool pending;

static struct timespec timespec_of(int64_t time_ns)
{
	return (struct timespec){
		.tv_sec = time_ns / NS_PER_S,
		.tv_nsec = time_ns % NS_PER_S,
	};
}

/* First at this absolute time, then again and again; 0 would disarm. */
static void insist_from(int64_t time_ns)
{
	const struct itimerspec when = {
		.it_value = timespec_of(time_ns),
		.it_interval = timespec_of(INTERRUPT_INSIST_MS * NS_PER_MS),
	};

	timer_settime(timer, TIMER_ABSTIME, &when, NULL);
}

static void on_timer(int signal_number)
{
	(void)signal_number;
	atomic_store_explicit(&pending, true, memory_order_relaxed);
}

static void on_stop(int signal_number)
{
	int saved_errno = errno;
	int64_t now = now_ns();
	bool first = atomic_load_explicit(&stop_ns, memory_order_relaxed) ==
	             NO_DEADLINE;

	(void)signal_number;
	atomic_store_explicit(&stop_ns, first ? now + LOOP_GRACE_NS : now,
	                      memory_order_relaxed);
	atomic_store_explicit(&pending, true, memory_order_relaxed);
	insist_from(now);
	errno = saved_errno;
}

static void on_child(int signal_number)
{
	int saved_errno = errno;

	(void)signal_number;
	atomic_store_explicit(&pending, true, memory_order_relaxed);
	insist_from(now_ns());
	errno = saved_errno;
}

static void stop_by(int64_t time_ns)
{
	int saved_errno = errno;

	atomic_store_explicit(&stop_ns, earlier(time_ns, interrupt_stop_ns()),
	                      memory_order_relaxed);
	atomic_store_explicit(&pending, true, memory_order_relaxed);
	insist_from(now_ns());
	errno = saved_errno;
}

static void on_stop_child(int signal_number)
{
	(void)signal_number;
	stop_by(now_ns() + LOOP_GRACE_NS);
}

static void on_stop_child_now(int signal_number)
{
	(void)signal_number;
	stop_by(now_ns());
}

/* All that have handlers here: none interrupts another's. */
static sigset_t handled_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	return set;
}

static void handle(int signal_number, void (*handler)(int))
{
	/* No SA_RESTART: the point is to end the wait. */
	struct sigaction action = {
		.sa_handler = handler,
		.sa_mask = handled_signals(),
	};
	sigset_t this_one;

	sigaction(signal_number, &action, NULL);
	/* Whoever started us may have left it blocked. */
	sigemptyset(&this_one);
	sigaddset(&this_one, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &this_one, NULL);
}

int interrupt_init(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
	};
	int err;

	handle(SIGALRM, on_timer);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) {
		err = errno;
		message_call("timer_create", NULL, err);
		return -err;
	}
	return 0;
}

void interrupt_catch_stop(void)
{
	handle(SIGTERM, on_stop);
	handle(SIGINT, on_stop);
}

void interrupt_catch_children(void)
{
	handle(SIGCHLD, on_child);
}

void interrupt_hold(void)
{
	sigset_t set = handled_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void interrupt_release(void)
{
	sigset_t set = handled_signals();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int interrupt_init_child(void)
{
	int err;

	signal(SIGCHLD, SIG_DFL);
	err = interrupt_init();
	handle(SIGTERM, on_stop_child);
	handle(SIGINT, on_stop_child);
	handle(SIGUSR1, on_stop_child_now);
	return err;
}

void interrupt_at(int64_t deadline_ns)
{
	const struct itimerspec never = {.it_value = {0}};

	atomic_store_explicit(&pending, false, memory_order_relaxed);
	if (deadline_ns == NO_DEADLINE)
		timer_settime(timer, 0, &never, NULL);
	else
		insist_from(deadline_ns);
	/*
	 * A stop signal before this line had its ticks replaced; one after it
	 * starts them itself.  Not at once, or handling a tick would make one.
	 */
	if (interrupt_stop_ns() != NO_DEADLINE)
		insist_from(now_ns() + INTERRUPT_INSIST_MS * NS_PER_MS);
}

bool interrupt_pending(void)
{
	return atomic_load_explicit(&pending, memory_order_relaxed);
}

int64_t interrupt_stop_ns(void)
{
	return atomic_load_explicit(&stop_ns, memory_order_relaxed);
}
