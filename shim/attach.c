/*
 * attach.c - how the library comes to life in a process.
 *
 * At the first wrapped call or in the constructor, whichever is first (the
 * constructor of a library that the program needs runs before a preload's).
 * This and attach_*.c are the only files of the library that may allocate:
 * the program's main has not run.  Symbols are resolved first, so that calls
 * made while attaching pass through.
 *
 * Inert: no FAULT_ variable is set; nothing more happens, ever.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "accord.h"
#include "attach.h"
#include "early.h"
#include "engine/engine.h"
#include "envp.h"
#include "exhaust.h"
#include "fdsize.h"
#include "hold.h"
#include "private_fd.h"
#include "process.h"
#include "self.h"
#include "socks.h"
#include "stack.h"
#include "streams.h"
#include "next.h"

enum {
	NEW,
	RESOLVING,
	ATTACHING,
	ATTACHED
};
static _Atomic int progress = NEW;

/*
 * The connection is reset by it: a call that waits in the other direction is
 * woken in a way that has to be corrected.
 */
static bool resets(const struct plan_action *a)
{
	return a->kind == ACTION_RESET || a->kind == ACTION_EOF ||
	       (a->kind == ACTION_ERROR &&
	        (a->err == ECONNRESET || a->err == EPIPE ||
	         a->err == ETIMEDOUT || a->err == ENOTCONN));
}

/* Calls may wait in a descriptor of ours (hold.h). */
static bool waits(const struct plan_action *a)
{
	return a->kind == ACTION_DELAY || a->kind == ACTION_STALL ||
	       a->kind == ACTION_RATE;
}

/* Look at every rule once: what the fast path must watch for. */
static void note_needs(const struct fault_plan *plan)
{
	const struct plan_rule *rules = plan_rules(plan);
	const struct plan_class *classes = plan_classes(plan);
	bool delays = false;

	for (uint32_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *r = &rules[i];

		if (r->turn.first || r->seen || r->idle_ns)
			shim.both_ways = true;
		for (unsigned j = 0; j < r->n_actions; j++) {
			delays |= waits(&r->actions[j]);
			shim.both_ways |= resets(&r->actions[j]);
		}
	}
	for (uint32_t i = 0; i < plan->n_classes; i++) {
		shim.ports |= classes[i].port || classes[i].peer.port;
		shim.both_ways |= classes[i].states != 0;
		shim.per_process |= classes[i].per == PER_PROCESS;
	}
	if (delays || shim.lasting)
		hold_prepare();
	if (shim.fresh_families & (PLAN_TRAITS | FAMILY_BIT(FAMILY_ACCEPT)))
		early_prepare();
	if (shim.readiness)
		fdsize_attach();
	if (shim.lasting) {
		private_fd_reserve();
		shim.switched = accord_from_outside();
	}
}

static bool asks_callers(const struct fault_plan *plan, uint32_t program)
{
	const struct plan_class *classes = plan_classes(plan);

	for (uint32_t i = 0; i < plan->n_classes; i++) {
		if (classes[i].caller && classes[i].programs >> program & 1)
			return true;
	}
	return false;
}

/* Inherited descriptors: /proc/self/fd lists exactly those that are open. */
static void adopt_inherited(void)
{
	char buf[4096] __attribute__((aligned(8)));
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return;
	while ((n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);
			int fd = atoi(d->d_name);

			if (d->d_name[0] != '.' && fd != dir)
				socks_inherited(fd);
			fdsize_raise(fd);
			at += d->d_reclen;
		}
	}
	close(dir);
}

/* Everything is mapped and checked: become armed or traced. */
void attach_run(const struct fault_plan *plan, struct fault_run *run,
                uint32_t program)
{
	uint64_t none = 0;

	shim.plan = plan;
	shim.run = run;
	shim.program = program;
	shim.traced = plan->flags & PLAN_TRACE && run->n_records;
	shim.alone = !run->n_records;
	shim.timed = plan->flags & PLAN_TIMED;
	shim.stacks = shim.traced && plan->flags & PLAN_STACKS;
	shim.callers = asks_callers(plan, program);
	prctl(PR_GET_NAME, shim.comm);
	shim_pid();
	atomic_compare_exchange_strong(&run_programs(run)[program].started_ns,
	                               &none, shim_now());
	shim.fresh_families = engine_program_families(plan, program);
	shim.lasting = shim.fresh_families & PLAN_LASTING;
	shim.readiness = shim.fresh_families & PLAN_TRAITS;
	note_needs(plan);
	self_prepare();
	process_watch();
	if (shim.traced)
		process_attached();
	pthread_atfork(process_atfork_prepare, process_atfork_parent,
	               process_atfork_child);
	adopt_inherited();
	socks_closed_by_exec();
	exhaust_attached();
	envp_keep();
	shim.interest =
		FAMILY_BIT(FAMILY_SOCKET) | FAMILY_BIT(FAMILY_TABLE) |
		(shim.fresh_families &
	         (FAMILY_BIT(FAMILY_POLL) | FAMILY_BIT(FAMILY_RESOLVE))) |
		(shim.readiness ? FAMILY_BIT(FAMILY_POLL) : 0) |
		(shim.traced || plan->n_hosts ? FAMILY_BIT(FAMILY_RESOLVE) : 0);
}

void shim_attach(void)
{
	int expected = NEW;

	if (atomic_load_explicit(&progress, memory_order_acquire) > RESOLVING)
		return;
	/*
	 * Another thread waits until it has a function to go to, and passes
	 * through from then on; our own calls do so at once.
	 */
	if (!atomic_compare_exchange_strong(&progress, &expected, RESOLVING)) {
		while (!shim_thread.attaching &&
		       atomic_load_explicit(&progress, memory_order_acquire) ==
		               RESOLVING)
			sched_yield();
		return;
	}
	int saved = errno;

	shim_thread.attaching = true;
	next_resolve();
	atomic_store_explicit(&progress, ATTACHING, memory_order_release);
	attach_from_environment();
	shim_thread.attaching = false;
	atomic_store_explicit(&progress, ATTACHED, memory_order_release);
	errno = saved;
}

/*
 * Not while attaching, which may happen inside the allocator of the program:
 * jemalloc's constructor reads files.  What calls before this has no stack.
 */
static void prepare_stacks(void)
{
	const char *why = NULL;

	if (shim.callers || shim.stacks)
		why = stack_prepare();
	if (why)
		attach_refuse_stacks(why);
}

__attribute__((constructor)) static void on_load(void)
{
	int saved = errno;

	shim_attach();
	prepare_stacks();
	errno = saved;
}

__attribute__((destructor)) static void on_exit_(void)
{
	if (!shim.run)
		return;
	streams_flush();
	/* A child of vfork that exits has all of this in common with us. */
	if (fds_mine())
		process_exit();
}
