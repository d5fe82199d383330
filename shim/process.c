/*
 * process.c - see process.h.
 */
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "deaf.h"
#include "engine/watch.h"
#include "exhaust.h"
#include "fdsize.h"
#include "gates.h"
#include "hold.h"
#include "keeper.h"
#include "lock.h"
#include "ours.h"
#include "own.h"
#include "private_fd.h"
#include "process.h"
#include "record.h"
#include "self.h"
#include "socks.h"
#include "streams.h"

#include "poison.h"

struct shim shim;
__thread struct shim_thread shim_thread
	__attribute__((tls_model("initial-exec")));

int shim_pid(void)
{
	int pid = atomic_load_explicit(&shim.pid, memory_order_relaxed);

	if (UNLIKELY(!pid)) {
		pid = getpid();
		atomic_store_explicit(&shim.pid, pid, memory_order_relaxed);
	}
	return pid;
}

int shim_tid(void)
{
	if (UNLIKELY(!shim_thread.tid))
		shim_thread.tid = gettid();
	return shim_thread.tid;
}

uint64_t shim_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * Slot + 1, or 0 when the table is full.  *ret_other: another thread, or a
 * handler in this one, has begun the process meanwhile, and that is its slot;
 * ours stays free.
 */
static uint32_t take_slot(uint32_t parent, bool *ret_other)
{
	struct fault_run *run = shim.run;
	uint32_t slot, taken = 0;
	struct fault_process *p;

	*ret_other = false;
	if (atomic_load(&run->used_processes) >= run->n_processes)
		return 0;
	slot = atomic_fetch_add(&run->used_processes, 1);
	if (slot >= run->n_processes)
		return 0;
	p = &run_processes(run)[slot];
	p->parent = parent;
	p->program = shim.program;
	p->started_ns = shim_now();
	memcpy(p->name, shim.comm, sizeof(p->name));
	atomic_store(&p->pid, (uint32_t)shim_pid());
	if (!atomic_compare_exchange_strong(&shim.slot, &taken, slot + 1)) {
		atomic_store(&p->pid, 0);
		*ret_other = true;
		return taken;
	}
	atomic_fetch_add(&run_programs(run)[shim.program].processes, 1);
	return slot + 1;
}

uint32_t process_slot(void)
{
	uint32_t slot = atomic_load_explicit(&shim.slot, memory_order_relaxed);
	bool other;
	uint32_t pid;

	if (LIKELY(slot))
		return slot;
	slot = take_slot(shim.parent_slot, &other);
	if (!slot || other)
		return slot;
	atomic_store(&run_processes(shim.run)[slot - 1].status,
	             PROCESS_ATTACHED);
	pid = (uint32_t)shim_pid();
	record_event(shim.parent_slot ? RECORD_FORK : RECORD_ATTACH, pid, 0,
	             NULL);
	return slot;
}

void process_attached(void)
{
	process_slot();
	record_wake();
}

/* Families of calls that have no socket yet, or never. */
enum {
	WITHOUT_SOCKET = FAMILY_BIT(FAMILY_SOCKET) | FAMILY_BIT(FAMILY_POLL) |
	                 FAMILY_BIT(FAMILY_RESOLVE),
};

static void take_cells(void)
{
	if (shim.per_process)
		shim.process_cells = engine_process_cells(shim.plan, shim.run);
}

void process_watch(void)
{
	struct engine_socket nobody = {.program = shim.program,
	                               .process = shim.comm,
	                               .families = WITHOUT_SOCKET};

	take_cells();
	if (shim.plan->n_classes)
		engine_watch(shim.plan, shim.run, &nobody, 0,
		             &shim.process_watch);
	nobody.families = 0;
	shim.blank_families =
		engine_blank_families(shim.plan, shim.run, &nobody);
}

/*
 * fork under the lock, where it is used at all: the child finds everything
 * whole.  It may be used for the first time while another thread forks.
 */
static void unlock_fork(const struct process_fork *f)
{
	if (f->locked)
		lock_give(&f->guard);
}

void process_prepare(struct process_fork *ret)
{
	ret->marked = socks_fork_begins();
	ret->locked = false;
	if (!ours_exist())
		return;
	lock_take(&ret->guard);
	ret->locked = true;
}

void process_parent(const struct process_fork *f)
{
	unlock_fork(f);
	socks_fork_ends(f->marked);
}

/*
 * A child may be in a sandbox before its first record, and not be allowed to
 * ask: the one system call that is made here, and only where records are kept.
 */
static void know_child(void)
{
	int pid = shim.traced ? getpid() : 0;

	shim_thread.tid = pid;
	atomic_store(&shim.pid, pid);
}

void process_child(const struct process_fork *f, bool shares_files)
{
	if (!f->locked)
		lock_reset();
	ours_forget_holds();
	if (shares_files)
		private_fd_leave(true);
	keeper_child();
	hold_main();
	unlock_fork(f);
	shim_thread.vforked = false;
	atomic_store(&shim.ended, false);
	know_child();
	shim.parent_slot = atomic_exchange(&shim.slot, 0);
	socks_fork_child(f->marked);
	deaf_child(shares_files);
	exhaust_child(shares_files);
	own_child();
	if (shares_files)
		private_fd_leave(false);
	else
		private_fd_child();
	fdsize_child();
	take_cells(); /* the list is the parent's: it says "of the process" */
}

/*
 * glibc runs the handlers of several threads at once.  The handler of a signal
 * may fork in between, unless the lock is held: of each fork two bits are kept,
 * the innermost's lowest.
 */
enum {
	BY_LIBC_MARKED = 1,
	BY_LIBC_STREAMS = 2,
	BY_LIBC_BITS = 2
};
static __thread struct process_fork by_libc
	__attribute__((tls_model("initial-exec")));
static __thread uint32_t forks __attribute__((tls_model("initial-exec")));

static struct process_fork end_by_libc(bool *ret_streams)
{
	struct process_fork f = by_libc;

	f.marked = forks & BY_LIBC_MARKED;
	*ret_streams = forks & BY_LIBC_STREAMS;
	forks >>= BY_LIBC_BITS;
	by_libc.locked = false;
	return f;
}

void process_atfork_prepare(void)
{
	bool streams = ours_exist() && streams_fork_begins();
	struct process_fork f;

	process_prepare(&f);
	by_libc = f;
	forks = forks << BY_LIBC_BITS | (streams ? BY_LIBC_STREAMS : 0) |
	        (f.marked ? BY_LIBC_MARKED : 0);
}

void process_atfork_parent(void)
{
	bool streams;
	const struct process_fork f = end_by_libc(&streams);

	process_parent(&f);
	if (streams)
		streams_fork_ends();
}

void process_atfork_child(void)
{
	bool streams;
	const struct process_fork f = end_by_libc(&streams);

	process_child(&f, false);
	if (streams)
		streams_fork_child();
}

void process_exit(void)
{
	uint32_t slot = atomic_load(&shim.slot);

	/* exit runs destructors and may be followed by _exit: once. */
	if (atomic_exchange(&shim.ended, true))
		return;
	gates_release_all();
	socks_leave();
	if (!slot || !shim.traced)
		return;
	atomic_store(&run_processes(shim.run)[slot - 1].status, PROCESS_EXITED);
	record_event(RECORD_EXIT, (uint32_t)shim_pid(), 0, NULL);
	record_wake();
}
