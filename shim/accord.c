/*
 * accord.c - see accord.h.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accord.h"
#include "arrivals.h"
#include "engine/engine.h"
#include "exhaust.h"
#include "gates.h"
#include "keeper.h"
#include "ours.h"
#include "process.h"
#include "regs.h"
#include "self.h"

#include "poison.h"

/* Without a slot (table full, or used alone) nobody outside can ring. */
static _Atomic uint32_t own_bell;

static struct fault_process *process(void)
{
	uint32_t slot = shim.alone ? 0 : process_slot();

	return slot ? &run_processes(shim.run)[slot - 1] : NULL;
}

static _Atomic uint32_t *bell(void)
{
	struct fault_process *p = process();

	return p ? &p->bell : &own_bell;
}

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	next.syscall(SYS_futex, (long)word, op, (long)value, 0, 0, 0);
}

uint32_t accord_bell(void)
{
	return atomic_load(bell());
}

void accord_wait_bell(uint32_t heard)
{
	futex(bell(), FUTEX_WAIT, heard);
}

void accord_hush(void)
{
	/* Changed, or one that is about to wait would not be woken. */
	atomic_fetch_add(bell(), 1);
	futex(bell(), FUTEX_WAKE, INT_MAX);
}

/* Another process that shares it may have unarmed it: masks in any case. */
static void settle_one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);

	(void)context;
	if (!gates_concern(s))
		return;
	gates_reconsider(fd, s);
	regs_apply(s);
}

static void one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);
	uint64_t now = shim_now();

	if (!gates_concern(s))
		return;
	for (enum gate g = 0; g < N_GATES_OF; g++)
		if (atomic_load(&gates_hold(s, g)->until) > now &&
		    !gates_held(s, g, now))
			gates_end(fd, s, g);
	gates_follow(fd, s);
	settle_one(fd, word, context);
	/* A poll that waits for a FIN which was hidden. */
	if (arrivals_fin_due(s))
		keeper_wake_waits(s, GATE_OF_RX);
}

static void note_endless(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);
	const struct our_sock *o = gates_concern(s) ? ours_peek(s) : NULL;
	bool *endless = *(bool *const *)context;

	(void)fd;
	for (enum gate g = 0; o && g < N_GATES_OF; g++)
		*endless |= atomic_load(&o->until[g]) == RUN_FOREVER &&
		            gates_held(s, g, shim_now());
}

bool accord_settle(void)
{
	bool endless = false, *p = &endless;

	fds_each(0, INT_MAX, settle_one, NULL);
	fds_each(0, INT_MAX, note_endless, &p);
	return endless;
}

void accord_all(void)
{
	struct fault_process *p = process();
	uint32_t generation = atomic_load(&shim.run->generation);

	fds_each(0, INT_MAX, one, NULL);
	accord_exhaust();
	accord_self();
	if (!p)
		return;
	atomic_store(&p->acked, generation);
	futex(&p->acked, FUTEX_WAKE, INT_MAX);
}

void accord_exhaust(void)
{
	exhaust_check();
}

void accord_self(void)
{
	self_act();
}

bool accord_needed(void)
{
	return engine_lasting_alive(shim.plan, shim.run, shim.program) ||
	       (!shim.alone &&
	        engine_may_be_armed(shim.plan, shim.run, shim.program));
}

bool accord_from_outside(void)
{
	const struct plan_rule *rules = plan_rules(shim.plan);
	const struct plan_class *classes = plan_classes(shim.plan);

	for (uint32_t i = 0; !shim.alone && i < shim.plan->n_rules; i++)
		if ((rules[i].name_off &&
		     classes[rules[i].class_index].families & PLAN_LASTING) ||
		    (rules[i].after_rule && self_is(i + 1)))
			return true;
	return false;
}

void accord_tell_others(void)
{
	uint32_t n = atomic_load(&shim.run->used_processes);
	struct fault_process *own = process();

	for (uint32_t i = 0; i < n && i < shim.run->n_processes; i++) {
		struct fault_process *p = &run_processes(shim.run)[i];

		if (p == own)
			continue;
		atomic_fetch_add(&p->bell, 1);
		futex(&p->bell, FUTEX_WAKE, INT_MAX);
	}
}

void accord_listens(bool yes)
{
	struct fault_process *p = process();

	if (p)
		atomic_store(&p->listens, yes);
}
