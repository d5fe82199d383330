/*
 * exhaust.c - see exhaust.h.  What is said about the kernel was observed
 * (tests/conformance/FACTS.md, 9).
 *
 * Locking: `w` and `open_rules` are under the lock of lock.h.  Files are
 * opened and memory is mapped before it is taken.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exhaust.h"
#include "fdinfo.h"
#include "keeper.h"
#include "lock.h"
#include "ours.h"
#include "private_fd.h"
#include "process.h"

#include "poison.h"

enum {
	/*
	 * The usual soft limit, and FD_SETSIZE: room for arrays of poll and
	 * for dup2.  To fill it takes 0.15 ms; a limit of a million, 0.2 s.
	 */
	LEAST_LIMIT = 1024,
	/* The helper looks again, whatever becomes of a beginning. */
	A_MOMENT_NS = 1000000000,
};

static struct {
	_Atomic bool on;
	uint64_t *fillers; /* a bit for each number below `limit` */
	rlim_t limit;      /* the soft limit meanwhile */
	rlim_t before;     /* and what it was */
} w;

/* Rules whose window is open in this process. */
static uint64_t open_rules[(PLAN_MAX_RULES + 63) / 64];

/* --- how long ------------------------------------------------------------- */

/* When the window of a rule that has hit is over; 0: it is. */
static uint64_t end_of(uint32_t rule, uint64_t now)
{
	const struct fault_rule_state *s = &run_rules(shim.run)[rule];
	uint64_t length = plan_rules(shim.plan)[rule].for_ns;
	uint64_t first = atomic_load(&s->first_hit_ns);

	/* Armed anew and not hit since: that window has not begun. */
	if (!atomic_load(&s->armed) || !first)
		return 0;
	if (!length)
		return RUN_FOREVER;
	return first + length > now ? first + length : 0;
}

/* The end of the last window; those that are over are closed. */
static uint64_t last_end(void)
{
	const uint32_t n = shim.plan->n_rules;
	uint64_t now = shim_now();
	uint64_t last = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t *word = &open_rules[i / 64];
		uint64_t end;

		if (!*word) {
			i |= 63;
			continue;
		}
		if (!(*word >> (i % 64) & 1))
			continue;
		end = end_of(i, now);
		if (!end)
			*word &= ~(1ULL << (i % 64));
		else if (end > last)
			last = end;
	}
	return last;
}

static void close_rules(void)
{
	for (uint32_t i = 0; i < sizeof(open_rules) / sizeof(*open_rules); i++)
		open_rules[i] = 0;
}

/* --- the limit ------------------------------------------------------------ */

static void note_highest(int fd, void *context)
{
	int *highest = context;

	/* Ours stay beyond the limit: they are no numbers of the program's. */
	if (fd > *highest && !private_fd_is(fd))
		*highest = fd;
}

/* Without /proc (chroot): asks for each number. */
static int ask_for_highest(rlim_t soft)
{
	int fd = soft < FDS_NEAR ? (int)soft : FDS_NEAR;

	do
		fd--;
	while (fd >= 0 &&
	       (next.fcntl(fd, F_GETFD, 0) < 0 || private_fd_is(fd)));
	return fd;
}

static rlim_t limit_for(rlim_t soft)
{
	rlim_t limit = LEAST_LIMIT;
	int highest = -1;

	if (!fdinfo_each_fd(note_highest, &highest))
		highest = ask_for_highest(soft);
	if ((rlim_t)(highest + 1) > limit)
		limit = (rlim_t)(highest + 1);
	return limit < soft ? limit : soft;
}

/* Only what we have set: the program may have set its own meanwhile. */
static void change_soft(rlim_t from, rlim_t to)
{
	struct rlimit now;

	if (from == to || getrlimit(RLIMIT_NOFILE, &now) ||
	    now.rlim_cur != from)
		return;
	now.rlim_cur = to < now.rlim_max ? to : now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &now);
}

void exhaust_lift(bool lift)
{
	if (!w.on)
		return;
	if (lift)
		change_soft(w.limit, w.before);
	else
		change_soft(w.before, w.limit);
}

/* --- filling -------------------------------------------------------------- */

/* Prepared without the lock. */
struct stuff {
	int fd;
	uint64_t *fillers;
	rlim_t limit, before;
};

static size_t bitmap_size(rlim_t limit)
{
	return (limit / 64 + 1) * sizeof(uint64_t);
}

static bool prepare(struct stuff *s)
{
	struct rlimit now;
	void *mem;

	/* EMFILE: nothing is left already. */
	s->fd = open("/", O_PATH | O_CLOEXEC);
	if (s->fd < 0)
		return false;
	mem = MAP_FAILED;
	if (!getrlimit(RLIMIT_NOFILE, &now)) {
		s->before = now.rlim_cur;
		s->limit = limit_for(now.rlim_cur);
		mem = mmap(NULL, bitmap_size(s->limit), PROT_READ | PROT_WRITE,
		           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (mem == MAP_FAILED) {
		next.close(s->fd);
		return false;
	}
	s->fillers = mem;
	return true;
}

static void give_back(const struct stuff *s)
{
	next.close(s->fd);
	munmap(s->fillers, bitmap_size(s->limit));
}

/* For children that are made inside libc, and inherit it: exhaust_attached().
 */
static void tell_children(const struct stuff *s)
{
	uint32_t slot = shim.alone ? 0 : atomic_load(&shim.slot);
	struct fault_process *p;

	if (!slot)
		return;
	p = &run_processes(shim.run)[slot - 1];
	atomic_store(&p->files, s->before);
	atomic_store(&p->files_meanwhile, s->limit);
}

/* dup(2) takes the lowest number that is free, until there is none. */
static void fill(const struct stuff *s)
{
	int fd = s->fd;

	w.fillers = s->fillers;
	w.limit = s->limit;
	w.before = s->before;
	tell_children(s);
	change_soft(w.before, w.limit);
	while (fd >= 0 && (rlim_t)fd < w.limit) {
		w.fillers[fd / 64] |= 1ULL << (fd % 64);
		fd = next.fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	}
	if (fd >= 0) /* The limit could not be changed. */
		next.close(fd);
	w.on = true;
}

static void put_rule(uint32_t rule)
{
	open_rules[rule / 64] |= 1ULL << (rule % 64);
}

/* false: there is no window yet, this rule's would be the first. */
static bool join(uint32_t rule)
{
	struct lock_guard guard;
	bool on;

	lock_take(&guard);
	on = w.on;
	if (on)
		put_rule(rule);
	lock_give(&guard);
	return on;
}

static void begin(uint32_t rule)
{
	struct lock_guard guard;
	struct stuff s;
	bool mine;

	/* Before nothing is left: it needs two.  With nothing to do it ends. */
	keeper_task_by(TASK_EXHAUST, shim_now() + A_MOMENT_NS);
	keeper_start();
	if (!ours_prepare() || !prepare(&s))
		return;
	process_slot();
	lock_take(&guard);
	mine = !w.on;
	put_rule(rule);
	if (mine)
		fill(&s);
	lock_give(&guard);
	if (mine)
		keeper_ring(); /* it learns how long to wait at most */
	else
		give_back(&s);
}

void exhaust_begin(uint32_t rule)
{
	int saved = errno;

	if (fds_mine() && !join(rule))
		begin(rule);
	exhaust_check();
	errno = saved;
}

void act_exhaust(struct shim_call *c, const struct plan_action *a)
{
	(void)a;
	exhaust_begin((uint32_t)c->choice.rule);
}

/* --- its end -------------------------------------------------------------- */

/* The program may have closed it (closefrom) and have its own there by now. */
static bool is_filler(int fd)
{
	long flags = next.fcntl(fd, F_GETFL, 0);

	return flags >= 0 && flags & O_PATH;
}

/* The bitmap is handed out, to be unmapped without the lock. */
static void undo(struct stuff *ret)
{
	*ret = (struct stuff){.fillers = w.fillers, .limit = w.limit};
	for (rlim_t fd = 0; fd < w.limit; fd++) {
		uint64_t bits = w.fillers[fd / 64];

		if (!bits)
			fd |= 63;
		else if (bits >> (fd % 64) & 1 && is_filler((int)fd))
			next.close((int)fd);
	}
	change_soft(w.limit, w.before);
	w.fillers = NULL;
	w.on = false;
}

/* now: whatever the rules say.  Returns the end, 0: there is no window. */
static uint64_t end_if_over(bool now)
{
	struct stuff over = {.fillers = NULL};
	struct lock_guard guard;
	uint64_t end;

	lock_take(&guard);
	if (now)
		close_rules();
	end = last_end();
	if (w.on && !end)
		undo(&over);
	lock_give(&guard);
	if (over.fillers)
		munmap(over.fillers, bitmap_size(over.limit));
	return end;
}

void exhaust_check(void)
{
	int saved = errno;
	uint64_t end = w.on ? end_if_over(false) : 0;

	if (end)
		keeper_task_at(TASK_EXHAUST, end);
	errno = saved;
}

bool exhaust_lasts(void)
{
	return w.on;
}

void exhaust_child(bool shares_files)
{
	int saved = errno;

	/* What fills its table is the parent's to close. */
	if (w.on && shares_files)
		memset(w.fillers, 0, bitmap_size(w.limit));
	if (w.on)
		end_if_over(true);
	errno = saved;
}

void exhaust_release(void)
{
	int saved = errno;

	if (w.on && fds_mine())
		end_if_over(true);
	else if (w.on)
		change_soft(w.limit, w.before);
	errno = saved;
}

void exhaust_attached(void)
{
	uint32_t n = shim.alone ? 0 : atomic_load(&shim.run->used_processes);
	uint32_t parent = 0;

	for (uint32_t i = 0; i < n && i < shim.run->n_processes; i++) {
		const struct fault_process *p = &run_processes(shim.run)[i];
		rlim_t meanwhile = atomic_load(&p->files_meanwhile);

		if (!meanwhile)
			continue;
		if (!parent)
			parent = (uint32_t)getppid();
		if (atomic_load(&p->pid) == parent)
			change_soft(meanwhile, atomic_load(&p->files));
	}
}
