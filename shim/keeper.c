/*
 * keeper.c - see keeper.h.
 *
 * The thread is libc's (pthread_create): it allocates a little inside libc, on
 * a path where a lasting rule can act, never in a child of vfork.  A program
 * that makes its first such socket inside its own allocator would meet itself
 * there.
 *
 * Locking: `k` and the heap are under the lock of lock.h.  What is due is taken
 * out under it and carried out without it.  Callers set the timer themselves
 * when their deadline is the earliest, so that the helper sleeps until there is
 * something to do.
 */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accord.h"
#include "arrivals.h"
#include "engine/engine.h"
#include "exhaust.h"
#include "fdinfo.h"
#include "keeper.h"
#include "keeper_internal.h"
#include "lock.h"
#include "ours.h"
#include "private_fd.h"
#include "process.h"
#include "regs.h"
#include "self.h"

#include "poison.h"

enum {
	/* In place of a gate: a look at what has come. */
	LOOK = N_GATES_OF,
	MAX_DEADLINES = 1 << 18,
	N_EVENTS = 64,
	STACK_SIZE = 256 << 10,
	LAST_LOOKS_MS = 50,
};
#define TIMER_EVENT UINT64_MAX

struct deadline {
	uint64_t when;
	int fd;
	uint32_t sock;
	uint32_t generation;
	uint32_t gate;
};

/* Atomic is what is looked at without the lock, too. */
static struct {
	_Atomic bool exists;
	_Atomic bool main_ended;
	bool relays;
	bool rung;
	_Atomic int epfd, timer; /* + 1; 0: none */
	_Atomic uint64_t timer_at;
	_Atomic uint32_t armings; /* gates armed or held: go_on() */
	uint64_t tasks[N_TASKS];  /* 0: none */
	struct deadline *heap;
	uint32_t n_heap;
} k;

/* Tells a relay that its helper is gone. */
static _Atomic uint32_t life;

/* --- deadlines: a binary heap -------------------------------------------- */

static void sift_up(uint32_t i)
{
	struct deadline d = k.heap[i];

	while (i && k.heap[(i - 1) / 2].when > d.when) {
		k.heap[i] = k.heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	k.heap[i] = d;
}

static void sift_down(void)
{
	struct deadline d = k.heap[0];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= k.n_heap)
			break;
		if (child + 1 < k.n_heap &&
		    k.heap[child + 1].when < k.heap[child].when)
			child++;
		if (k.heap[child].when >= d.when)
			break;
		k.heap[i] = k.heap[child];
		i = child;
	}
	k.heap[i] = d;
}

enum {
	SOON_NS = 10000000
};

/*
 * Of a socket that is closed, or of a hold that ended before its time.  What
 * looks again soon has another time than the hold, and goes soon.
 */
static bool is_stale(const struct deadline *d, uint64_t soon)
{
	const struct fault_sock *s = &run_socks(shim.run)[d->sock];
	const struct our_sock *o = ours_peek(s);

	if (!o || socks_generation(s) != d->generation)
		return true;
	if (d->gate == LOOK)
		return !gates_closed_here(s, GATE_OF_RX);
	return d->when > soon && atomic_load(&o->until[d->gate]) != d->when &&
	       !regs_wait(s);
}

static void purge(void)
{
	uint64_t soon = shim_now() + SOON_NS;
	uint32_t n = k.n_heap;

	k.n_heap = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (is_stale(&k.heap[i], soon))
			continue;
		k.heap[k.n_heap] = k.heap[i];
		sift_up(k.n_heap++);
	}
}

static void push(const struct deadline *d)
{
	if (k.heap && k.n_heap == MAX_DEADLINES)
		purge();
	if (!k.heap || k.n_heap == MAX_DEADLINES)
		return;
	k.heap[k.n_heap] = *d;
	sift_up(k.n_heap++);
}

static void pop(struct deadline *ret)
{
	*ret = k.heap[0];
	k.heap[0] = k.heap[--k.n_heap];
	if (k.n_heap)
		sift_down();
}

/* Before the lock: under it nothing is mapped. */
static bool heap_prepare(void)
{
	size_t size = sizeof(struct deadline) * MAX_DEADLINES;
	struct deadline *none = NULL;
	struct deadline *mem;

	if (__atomic_load_n(&k.heap, __ATOMIC_ACQUIRE))
		return true;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return false;
	if (!__atomic_compare_exchange_n(&k.heap, &none, mem, false,
	                                 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		munmap(mem, size);
	return true;
}

/* --- the timer ----------------------------------------------------------- */

static void set_timer(uint64_t when)
{
	k.timer_at = when;
	if (k.timer)
		private_fd_set_timer(k.timer - 1,
		                     when == UINT64_MAX ? 0 : when);
}

static void wake_by(uint64_t when)
{
	if (when < k.timer_at)
		set_timer(when);
}

static uint64_t earliest(void)
{
	uint64_t when = k.n_heap ? k.heap[0].when : UINT64_MAX;

	for (int i = 0; i < N_TASKS; i++)
		if (k.tasks[i] && k.tasks[i] < when)
			when = k.tasks[i];
	return k.rung ? 1 : when;
}

/* --- what callers ask ---------------------------------------------------- */

static void plan_deadline(int fd, struct fault_sock *s, uint32_t gate,
                          uint64_t when)
{
	const struct deadline d = {.when = when,
	                           .fd = fd,
	                           .sock = socks_index(s),
	                           .generation = socks_generation(s),
	                           .gate = gate};
	struct lock_guard guard;

	if (!heap_prepare())
		return;
	lock_take(&guard);
	push(&d);
	wake_by(d.when);
	lock_give(&guard);
}

void keeper_open_at(int fd, struct fault_sock *s, enum gate gate,
                    uint64_t until_ns)
{
	if (until_ns != RUN_FOREVER)
		plan_deadline(fd, s, gate, gates_look_at(until_ns, shim_now()));
}

void keeper_look_at(int fd, struct fault_sock *s, uint64_t when_ns)
{
	plan_deadline(fd, s, LOOK, when_ns);
}

static void plan_task(enum keeper_task task, uint64_t when_ns, bool only_if)
{
	struct lock_guard guard;

	if (when_ns == UINT64_MAX)
		when_ns = 0;
	lock_take(&guard);
	if (!only_if ||
	    (when_ns && (!k.tasks[task] || when_ns < k.tasks[task])))
		k.tasks[task] = when_ns;
	if (k.tasks[task])
		wake_by(k.tasks[task]);
	lock_give(&guard);
}

void keeper_task_at(enum keeper_task task, uint64_t when_ns)
{
	plan_task(task, when_ns, false);
}

void keeper_task_by(enum keeper_task task, uint64_t when_ns)
{
	plan_task(task, when_ns, true);
}

void keeper_ring(void)
{
	struct lock_guard guard;

	lock_take(&guard);
	k.rung = true;
	wake_by(1);
	lock_give(&guard);
}

/* --- what it watches: keeper_watch.c ------------------------------------- */

int keeper_set(void)
{
	return k.epfd - 1;
}

uint32_t keeper_life(void)
{
	return atomic_load(&life);
}

void keeper_arms(void)
{
	k.armings++;
}

/* --- the helper ---------------------------------------------------------- */

static void deadline_due(const struct deadline *d)
{
	struct fault_sock *s = &run_socks(shim.run)[d->sock];
	uint64_t until;
	int fd;

	if (socks_generation(s) != d->generation)
		return;
	fd = keeper_descriptor(s, d->fd);
	if (fd < 0)
		return;
	if (d->gate == LOOK) {
		arrivals_look(fd, s);
		return;
	}
	until = atomic_load(&gates_hold(s, d->gate)->until);
	if (!gates_held(s, d->gate, shim_now())) {
		/* Opened already by who waited for it: no second edge. */
		if (d->gate == GATE_OF_OPEN || gates_closed_here(s, d->gate))
			gates_open(fd, s, d->gate);
		else
			regs_apply(s);
	} else if (until == GATES_ARRIVING) {
		keeper_open_at(fd, s, d->gate, until);
	} else {
		/* A later hold: it has its own deadline once we know of it. */
		gates_follow(fd, s);
	}
}

static void (*const tasks[N_TASKS])(void) = {
	[TASK_EXHAUST] = accord_exhaust,
	[TASK_SELF] = accord_self,
};

/* The next thing that is due: true: *ret_task or a deadline was taken. */
static bool take_due(uint64_t now, struct deadline *ret, int *ret_task)
{
	struct lock_guard guard;
	bool found = false;

	lock_take(&guard);
	*ret_task = -1;
	for (int i = 0; i < N_TASKS && !found; i++) {
		if (k.tasks[i] && k.tasks[i] <= now) {
			k.tasks[i] = 0;
			*ret_task = i;
			found = true;
		}
	}
	if (!found && k.n_heap && k.heap[0].when <= now) {
		pop(ret);
		found = true;
	}
	lock_give(&guard);
	return found;
}

static bool take_ring(void)
{
	struct lock_guard guard;
	bool rung;

	lock_take(&guard);
	rung = k.rung;
	k.rung = false;
	lock_give(&guard);
	return rung;
}

static void do_due(void)
{
	struct deadline d;
	int task;

	if (take_ring())
		accord_all();
	while (take_due(shim_now(), &d, &task)) {
		if (task >= 0)
			tasks[task]();
		else
			deadline_due(&d);
	}
}

void keeper_work(void)
{
	do_due();
}

uint64_t keeper_next(void)
{
	struct lock_guard guard;
	uint64_t when;

	lock_take(&guard);
	when = earliest();
	lock_give(&guard);
	return when;
}

static void arrived(uint64_t data)
{
	int fd = (int)(uint32_t)data;
	uint64_t word = fds_word(fd);
	struct fault_sock *s = socks_of(word);
	struct our_sock *o;

	/* Of a socket that had this number before: the registration, told
	 * once, is silent now, and the number may be that of another one. */
	if (!s || (word >> 16 & 0xffff) != data >> 32 || !socks_same(fd, s))
		return;
	/* An arrival is told once: EPOLLONESHOT. */
	o = ours_peek(s);
	if (o)
		atomic_store(&o->watched, 0);
	keeper_let_go(fd, s);
	gates_find_shutdown(fd, s);
	if (atomic_load(&s->rx_armed))
		gates_arrived(fd, s);
	/* Another process may have been first: its hold is ours too, or over.
	 */
	gates_follow(fd, s);
	gates_shutting_down(s);
	if (atomic_load(&s->rx_armed))
		return;
	for (enum gate g = 0; g < N_GATES_OF; g++)
		if (gates_held(s, g, shim_now()))
			gates_collapse(fd, s, g);
}

/* false: there is none left, or they are refused (seccomp). */
static bool make_descriptors(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET,
	                        .data.u64 = TIMER_EVENT};
	int timer;

	exhaust_lift(true);
	k.epfd = private_fd_epoll() + 1;
	timer = private_fd_timer();
	k.timer = timer + 1;
	if (k.epfd && k.timer)
		private_fd_epoll_ctl(k.epfd - 1, EPOLL_CTL_ADD, timer, &e);
	exhaust_lift(false);
	k.timer_at = UINT64_MAX;
	return k.epfd && k.timer;
}

/* A number more for the same file: the helper that waits in it goes on. */
static void yield_one(_Atomic int *at, int fd)
{
	if (*at == fd + 1)
		*at = private_fd_dup(fd) + 1;
}

void keeper_yield(int fd)
{
	struct lock_guard guard;

	lock_take(&guard);
	yield_one(&k.epfd, fd);
	yield_one(&k.timer, fd);
	lock_give(&guard);
	private_fd_taken(fd);
}

static void close_descriptors(void)
{
	if (k.epfd)
		private_fd_close(k.epfd - 1);
	if (k.timer)
		private_fd_close(k.timer - 1);
	k.epfd = k.timer = 0;
}

/*
 * The program has closed all it found in /proc/self/fd, ours too: not closed
 * again, the numbers may be its own by now.
 */
static bool remake_descriptors(void)
{
	struct lock_guard guard;
	bool made;

	lock_take(&guard);
	made = make_descriptors();
	ours_forget_holds();
	lock_give(&guard);
	keeper_ring();
	return made;
}

/* Under the lock: a new helper may be made as soon as it is given. */
static void end_life(void)
{
	k.exists = false;
	close_descriptors();
	accord_listens(false);
	atomic_fetch_add(&life, 1);
}

/* It cannot wait: who waits does its work. */
static void give_up(void)
{
	struct lock_guard guard;

	lock_take(&guard);
	shim.helpless = true;
	end_life();
	lock_give(&guard);
	accord_hush();
}

/*
 * Sets the timer for what comes next; false: there is nothing to come.  Gates
 * that were armed for rules that others have used up meanwhile would hide what
 * arrives for ever: they are opened first.
 */
static bool go_on(void)
{
	uint32_t armings = atomic_load(&k.armings);
	bool needed = accord_needed();
	struct lock_guard guard;
	uint64_t when;

	if (!needed)
		needed = accord_settle();
	lock_take(&guard);
	/* Under the lock, with what ends the helper: it may begin meanwhile. */
	needed |= exhaust_lasts();
	k.rung |= !needed && armings != k.armings;
	when = earliest();
	if (when == UINT64_MAX && !needed)
		end_life();
	else
		set_timer(when);
	lock_give(&guard);
	return when != UINT64_MAX || needed;
}

void keeper_main_ends(void)
{
	atomic_store(&k.main_ended, true);
	if (atomic_load(&k.exists))
		keeper_ring();
}

/* With the helper and one of the program, or what is left of that. */
static bool is_all(int n_threads)
{
	return n_threads && n_threads <= 2 + k.relays;
}

/* Only ours go on, and what is left of the main thread. */
static bool is_left_alone(void)
{
	return atomic_load(&k.main_ended) && is_all(fdinfo_threads());
}

bool keeper_is_company(void)
{
	return atomic_load(&k.exists) && is_all(fdinfo_threads());
}

/*
 * The timer ends the wait.  The time-out is for one that the program has
 * closed while we wait: then there is none any more.
 */
static int patience(void)
{
	uint64_t at = atomic_load(&k.timer_at);
	uint64_t now = shim_now();
	uint64_t ms = at > now ? (at - now) / 1000000u + 10 : 10;

	if (atomic_load(&k.main_ended) && ms > LAST_LOOKS_MS)
		return LAST_LOOKS_MS;
	return at == UINT64_MAX || ms > INT_MAX ? -1 : (int)ms;
}

static void *help(void *arg)
{
	struct epoll_event events[N_EVENTS];
	int n = 0;

	(void)arg;
	shim_thread.helper = true;
	prctl(PR_SET_TIMERSLACK, 1);
	accord_all();
	for (;;) {
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 != TIMER_EVENT)
				arrived(events[i].data.u64);
		do_due();
		if (is_left_alone()) {
			give_up();
			return NULL; /* which ends the process: libc counts */
		}
		if (!go_on())
			break;
		n = next.epoll_wait(k.epfd - 1, events, N_EVENTS, patience());
		if (n >= 0 || errno == EINTR)
			continue;
		if (errno != EBADF || !remake_descriptors()) {
			give_up();
			return NULL;
		}
	}
	accord_hush();
	return NULL;
}

/* Under `fault`: the bell of the process rings the helper. */
static void *relay(void *arg)
{
	uint32_t mine = (uint32_t)(uintptr_t)arg;

	shim_thread.helper = true;
	for (;;) {
		uint32_t heard = accord_bell();

		if (atomic_load(&life) != mine)
			return NULL;
		keeper_ring();
		accord_wait_bell(heard);
	}
}

/* --- its life ------------------------------------------------------------ */

static bool make_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool done;

	if (pthread_attr_init(&attr))
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	done = !pthread_create(&thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return done;
}

/* Takes the place, so that only one thread makes it. */
static bool claim(void)
{
	struct lock_guard guard;
	bool mine, made = true;

	lock_take(&guard);
	mine = !k.exists;
	if (mine) {
		k.exists = true;
		made = make_descriptors();
	}
	lock_give(&guard);
	if (!made)
		give_up();
	return mine && made;
}

bool keeper_start(void)
{
	sigset_t all, old;
	bool done;

	if (LIKELY(atomic_load_explicit(&k.exists, memory_order_relaxed)))
		return true;
	if (shim.helpless || !fds_mine() || !ours_prepare() ||
	    !heap_prepare() || !claim())
		return false;
	shim.orphaned = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* First, so that the process only says that it listens if it hears. */
	k.relays = accord_from_outside() &&
	           make_thread(relay, (void *)(uintptr_t)atomic_load(&life));
	/* Before the helper runs: what is held from now on is its to open. */
	accord_listens(k.relays);
	done = make_thread(help, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!done)
		give_up();
	return done;
}

void keeper_leaves(bool leaves)
{
	if (atomic_load(&k.exists) && k.relays)
		accord_listens(!leaves);
}

void keeper_child(void)
{
	k.main_ended = false;
	if (!k.exists)
		return;
	/* They are the parent's: its set, its timer. */
	close_descriptors();
	k.exists = false;
	keeper_waits_child();
	shim.orphaned = true;
}

static void note_lasting(int fd, uint64_t word, const void *context)
{
	bool *lasts = *(bool *const *)context;

	(void)fd;
	/* The word has it: the entries are not touched. */
	*lasts |= fds_kind(word) == FDS_TCP && word & PLAN_LASTING;
}

/*
 * A child may be in a sandbox where a thread is more than it may make: none is
 * made unless a call needs it.
 */
void keeper_revive(const struct fault_sock *s)
{
	bool lasts = s, *p = &lasts;

	if (LIKELY(!shim.orphaned))
		return;
	if (s && !gates_concern(s)) {
		self_begin();
		return;
	}
	if (!s)
		fds_each(0, INT_MAX, note_lasting, &p);
	if (lasts) {
		keeper_start();
		return;
	}
	shim.orphaned = false;
	self_begin();
}
