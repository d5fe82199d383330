/*
 * arrivals.c - see arrivals.h.
 *
 * System calls are made before the lock is taken: what two threads find at the
 * same time may be noted in the wrong order, and then it counts for nothing.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "arrivals.h"
#include "cut.h"
#include "decide.h"
#include "facts.h"
#include "keeper.h"
#include "lock.h"
#include "ours.h"
#include "regs.h"

#include "poison.h"

enum {
	EVERY = 16, /* looks in a delay */
	SHORTEST_NS = 1000000,
	LOOK_NS = 20000, /* what a look may cost: 2 % of the time in all */
};

bool arrivals_count(const struct plan_rule *r)
{
	return r->n_actions == 1 && r->actions[0].kind == ACTION_DELAY &&
	       !r->nth.first && !r->turn.first && !r->bytes_unit &&
	       !plan_classes(shim.plan)[r->class_index].caller;
}

/* --- looking ------------------------------------------------------------- */

/*
 * How exactly the kernel knows the age of the last data.  It counts ticks, and
 * a virtual machine whose processor is away counts several of them late: the
 * age is of use where looks are far apart, and never makes it too early.
 */
static uint64_t vague_ns(void)
{
	static _Atomic uint64_t tick;
	struct timespec t;

	if (!atomic_load(&tick) && !clock_getres(CLOCK_MONOTONIC_COARSE, &t))
		atomic_store(&tick, (uint64_t)t.tv_nsec);
	return 5 * atomic_load(&tick);
}

/*
 * What has come by now.  Offsets are the kernel's, of all that it has received;
 * a FIN counts as a byte there.
 */
struct sight {
	uint64_t now_ns;
	uint64_t end;    /* of all that has come */
	uint64_t taken;  /* of what has been received; only if asked for */
	uint64_t age_ns; /* of the last data, at least */
	bool fin;
};

/* Closed: both have finished.  After a RST it does not matter. */
static bool has_fin(int state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK ||
	       state == TCP_CLOSING || state == TCP_TIME_WAIT ||
	       state == TCP_CLOSE;
}

/* tcp_info as Linux has it since 4.1; glibc stops before. */
struct long_info {
	struct tcp_info info;
	uint64_t pacing_rate, max_pacing_rate;
	uint64_t bytes_acked, bytes_received;
};

static struct long_info ask(int fd)
{
	struct long_info now;
	unsigned len = sizeof(now);

	memset(&now, 0, sizeof(now));
	next.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &now, &len);
	return now;
}

static uint64_t age_of(const struct long_info *now)
{
	uint64_t age_ns = (uint64_t)now->info.tcpi_last_data_recv * 1000000u;

	return age_ns - (age_ns < vague_ns() ? age_ns : vague_ns());
}

uint64_t arrivals_age(int fd)
{
	const struct long_info now = ask(fd);

	return age_of(&now);
}

/*
 * The kernel looks at the state before it takes the lock for the rest: a FIN
 * that comes between would be a byte of data.  Of two looks at the same bytes
 * the second knows the state.
 */
static struct sight see(int fd)
{
	struct sight sight = {0};
	struct long_info now = ask(fd), before;

	do {
		before = now;
		now = ask(fd);
	} while (now.bytes_received != before.bytes_received);
	sight.now_ns = shim_now();
	sight.end = now.bytes_received;
	sight.fin = sight.end && has_fin(now.info.tcpi_state);
	sight.age_ns = age_of(&now);
	return sight;
}

/* First what is queued, then what has come: never more than there is. */
static struct sight see_taken(int fd)
{
	struct sight sight;
	int queued = 0;

	next.ioctl(fd, FIONREAD, (long)&queued);
	sight = see(fd);
	sight.taken = sight.end - sight.fin - (uint64_t)queued;
	return sight;
}

static void drop(struct arrivals *a, uint32_t n)
{
	a->n -= n;
	memmove(&a->mark[0], &a->mark[n], a->n * sizeof(a->mark[0]));
}

static void drop_taken(struct arrivals *a, uint64_t taken)
{
	uint32_t n = 0;

	while (n < a->n && a->mark[n].end <= taken)
		n++;
	drop(a, n);
	if (a->known < taken)
		a->known = taken;
}

/* When it has come at the earliest: since the last look, as TCP_INFO says. */
static uint64_t time_of(const struct arrivals *a, const struct sight *sight)
{
	uint64_t when = sight->now_ns - sight->age_ns;

	return when < a->looked_ns ? a->looked_ns : when;
}

/* Too many: with the last, which is never too early. */
static void add(struct arrivals *a, uint64_t end, uint64_t when_ns)
{
	if (a->n < ARRIVALS_MAX)
		a->n++;
	a->mark[a->n - 1].end = end;
	a->mark[a->n - 1].when_ns = when_ns;
}

/* TCP_INFO knows no time of a FIN: it came now. */
static void note(struct arrivals *a, const struct sight *sight)
{
	if (sight->end - sight->fin > a->known)
		add(a, sight->end - sight->fin, time_of(a, sight));
	if (sight->fin && sight->end > a->known) {
		add(a, sight->end, sight->now_ns);
		atomic_store(&a->fin_ns, sight->now_ns);
	}
	if (sight->end > a->known)
		a->known = sight->end;
	a->looked_ns = sight->now_ns;
}

/* Under the lock; NULL: this process keeps nothing. */
static struct arrivals *of(const struct fault_sock *s)
{
	struct our_sock *o = ours_exist() ? ours_of(s) : NULL;

	return o ? &o->come : NULL;
}

uint64_t arrivals_first(int fd, struct fault_sock *s)
{
	struct sight sight;
	struct lock_guard guard;
	struct arrivals *a;
	uint64_t when;

	if (!ours_prepare())
		return shim_now();
	sight = see_taken(fd);
	lock_take(&guard);
	a = of(s);
	if (a) {
		drop_taken(a, sight.taken + atomic_load(&s->rx_visible));
		note(a, &sight);
	}
	when = a && a->n ? a->mark[0].when_ns : sight.now_ns;
	lock_give(&guard);
	return when;
}

/* --- while it is held ---------------------------------------------------- */

/* How many sockets are looked at. */
static _Atomic uint32_t n_looks;

/* Soon at first: most of what comes together comes at once. */
static uint64_t next_look(const struct arrivals *a, uint64_t now_ns)
{
	uint64_t all = atomic_load(&n_looks) * (uint64_t)LOOK_NS;
	uint64_t grid = SHORTEST_NS / 8;
	uint64_t wait = a->n ? now_ns - a->mark[0].when_ns : 0;

	if (wait > a->delay_ns / EVERY)
		wait = a->delay_ns / EVERY;
	if (wait < all)
		wait = all;
	if (wait < SHORTEST_NS)
		wait = SHORTEST_NS;
	/* Those of many sockets at the same time: the helper wakes once. */
	while (grid <= wait / 8)
		grid *= 2;
	return (now_ns + wait) / grid * grid + grid;
}

void arrivals_held(int fd, struct fault_sock *s, uint64_t first_ns,
                   uint64_t until_ns)
{
	struct lock_guard guard;
	struct arrivals *a;
	uint64_t next_ns = 0;

	lock_take(&guard);
	a = of(s);
	if (a) {
		a->delay_ns = until_ns - first_ns;
		a->until_ns = until_ns;
	}
	if (a && !a->looks) {
		a->looks = true;
		atomic_fetch_add(&n_looks, 1);
		next_ns = next_look(a, shim_now());
	}
	lock_give(&guard);
	if (next_ns)
		keeper_look_at(fd, s, next_ns);
}

void arrivals_look(int fd, struct fault_sock *s)
{
	struct sight sight = see(fd);
	bool held = gates_held(s, GATE_OF_RX, sight.now_ns);
	uint64_t next_ns = held ? 0 : gates_fin_due(s, sight.now_ns);
	struct lock_guard guard;
	struct arrivals *a;

	lock_take(&guard);
	a = of(s);
	/* A call may be about to hold it anew. */
	if (a && (held || sight.now_ns < a->until_ns)) {
		note(a, &sight);
		next_ns = next_look(a, sight.now_ns);
	}
	if (a && a->looks && !next_ns) {
		a->looks = false;
		atomic_fetch_sub(&n_looks, 1);
	}
	lock_give(&guard);
	if (next_ns)
		keeper_look_at(fd, s, next_ns);
	else
		regs_apply(s);
}

void arrivals_forget(struct arrivals *a)
{
	if (a->looks)
		atomic_fetch_sub(&n_looks, 1);
	a->looks = false;
	a->until_ns = 0;
	a->n = 0;
	a->known = 0;
	a->looked_ns = 0;
	atomic_store(&a->fin_ns, 0);
}

/* --- what is visible ----------------------------------------------------- */

/* Not if it waits for all (MSG_WAITALL): that is delayed once. */
void arrivals_limit(struct shim_call *c)
{
	uint32_t visible = atomic_load(&c->sock->rx_visible);

	if (!(call_flags(c) & MSG_WAITALL) || facts_nonblocking(c))
		c->visible = visible;
}

/* Bytes up to the last mark that is as old as the hold has lasted. */
static uint64_t visible_end(struct arrivals *a, uint64_t late_ns, uint64_t end)
{
	uint64_t last = a->n ? a->mark[0].when_ns : 0;
	uint32_t n = 0;

	if (a->n && late_ns < RUN_FOREVER - last) {
		while (n < a->n && a->mark[n].when_ns <= last + late_ns)
			end = a->mark[n++].end;
		drop(a, n);
	} else {
		a->n = 0;
	}
	if (!a->n)
		atomic_store(&a->fin_ns, 0);
	return end;
}

void arrivals_open(struct shim_call *c, uint64_t until_ns)
{
	struct sight sight = see_taken(c->fd);
	uint64_t end = sight.end, late_ns = RUN_FOREVER;
	struct lock_guard guard;
	struct arrivals *a;

	if (until_ns > 1 && until_ns <= sight.now_ns)
		late_ns = sight.now_ns - until_ns;
	lock_take(&guard);
	a = of(c->sock);
	if (a) {
		note(a, &sight);
		end = visible_end(a, late_ns, sight.end);
	}
	lock_give(&guard);
	atomic_store(&c->sock->rx_visible,
	             end > sight.taken ? (uint32_t)(end - sight.taken) : 0);
	arrivals_limit(c);
}

void arrivals_taken(struct shim_call *c)
{
	uint32_t visible = atomic_load(&c->sock->rx_visible);
	uint64_t moved = cut_moved(c);

	if (!call_owns_sock(c))
		return;
	atomic_store(&c->sock->rx_visible,
	             moved < visible ? visible - (uint32_t)moved : 0);
}

/* Visible bytes that others, not visible yet, lie behind: how many; else 0. */
static uint32_t ends_at(const struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);

	return o && atomic_load_explicit(&o->come.n, memory_order_relaxed)
	               ? atomic_load(&s->rx_visible)
	               : 0;
}

void arrivals_peek(struct shim_call *c)
{
	uint32_t visible = c->sock ? ends_at(c->sock) : 0;

	if (visible && c->row->family == FAMILY_RECV &&
	    call_flags(c) & MSG_PEEK)
		cut_make_from(c, 0, visible);
	else
		call_real(c);
}

int arrivals_queued(const struct fault_sock *s, int queued)
{
	uint32_t visible = ends_at(s);

	return visible && (uint32_t)queued > visible ? (int)visible : queued;
}

uint64_t arrivals_fin_due(const struct fault_sock *s)
{
	const struct our_sock *o = ours_peek(s);
	uint64_t fin_ns = o ? atomic_load(&o->come.fin_ns) : 0;

	return fin_ns ? fin_ns + atomic_load(&o->come.delay_ns) : 0;
}
