/*
 * filter.c - see filter.h.
 *
 * One way for all four: select(2) is poll(2) with other words, as in the
 * kernel.  The program's array is written only with the answer.
 */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

#include "fdsize.h"
#include "filter.h"
#include "gates.h"
#include "hold.h"
#include "keeper.h"
#include "late.h"
#include "sets.h"

#include "poison.h"

enum {
	ON_STACK = 512, /* entries; more are mapped */
	MAX_SET = 1 << 20,
};

/* One wait. */
struct waiting {
	struct pollfd *fds; /* ours */
	const struct pollfd *asked;
	size_t n;             /* and one more of ours behind them */
	size_t holds;         /* gates of them that are held */
	bool blind;           /* the kernel will not tell of a shutdown */
	uint64_t until;       /* RUN_FOREVER: without end */
	const sigset_t *mask; /* NULL: the thread's own */
};

/* The socket of an entry if gates concern it. */
static struct fault_sock *concerned(int fd)
{
	uint64_t word = fd < 0 ? 0 : fds_word(fd);
	struct fault_sock *s = word & PLAN_TRAITS ? socks_of(word) : NULL;

	return s && atomic_load(&s->families) & PLAN_TRAITS ? s : NULL;
}

static bool concerns_any(const struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (concerned(fds[i].fd))
			return true;
	return false;
}

/*
 * While receiving is held its program may shut it down, which wakes by RDHUP;
 * so does a FIN, which is held: then it is not asked for.
 */
static short asked_instead(int fd, struct fault_sock *s, uint64_t now)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	if (!gates_held(s, GATE_OF_RX, now) || gates_shut_down(s) ||
	    next.poll(&p, 1, 0) != 0)
		return 0;
	return POLLRDHUP;
}

/* HUP cannot be left out of what is asked: the whole entry is. */
static bool only_hangs_up(const struct pollfd *asked, short hidden)
{
	struct pollfd p = {.fd = asked->fd, .events = asked->events};

	return hidden & POLLHUP && next.poll(&p, 1, 0) > 0 &&
	       p.revents & POLLHUP && !(p.revents & ~hidden);
}

static bool is_held(struct fault_sock *s, enum gate gate, uint64_t now)
{
	return gates_held(s, gate, now) && !gates_ended(s, gate);
}

/* Of most sockets nothing is. */
static size_t count_held(struct fault_sock *s, uint64_t now)
{
	if (LIKELY(!atomic_load_explicit(&s->rx_hold.until,
	                                 memory_order_relaxed) &&
	           !atomic_load_explicit(&s->tx_hold.until,
	                                 memory_order_relaxed)))
		return 0;
	return (size_t)is_held(s, GATE_OF_RX, now) +
	       is_held(s, GATE_OF_TX, now);
}

/* Nothing that it is asked for comes of who shuts the socket down. */
static bool is_blind(const struct pollfd *p, const struct pollfd *asked,
                     struct fault_sock *s, uint64_t now)
{
	return (asked->events & GATES_IN && !(p->events & POLLRDHUP) &&
	        is_held(s, GATE_OF_RX, now)) ||
	       (asked->events & GATES_OUT && is_held(s, GATE_OF_TX, now));
}

/* What the kernel is asked; returns when a gate opens. */
static uint64_t prepare(struct waiting *w, uint64_t now)
{
	uint64_t first = RUN_FOREVER;

	w->holds = 0;
	w->blind = false;
	for (size_t i = 0; i < w->n; i++) {
		struct fault_sock *s = concerned(w->asked[i].fd);
		uint64_t opens;
		size_t held;

		w->fds[i] = w->asked[i];
		w->fds[i].revents = 0;
		if (!s)
			continue;
		gates_follow(w->asked[i].fd, s);
		if (w->asked[i].events & GATES_IN)
			gates_consider(w->asked[i].fd, s);
		w->fds[i].events &= (short)~gates_hidden(s, now);
		if (w->asked[i].events & GATES_IN)
			w->fds[i].events |=
				asked_instead(w->asked[i].fd, s, now);
		if (late_moving(s) ||
		    only_hangs_up(&w->asked[i], gates_hidden(s, now)))
			w->fds[i].fd = -1;
		opens = gates_next(s, now);
		held = count_held(s, now);
		w->holds += held + (opens != RUN_FOREVER);
		w->blind |= held && is_blind(&w->fds[i], &w->asked[i], s, now);
		if (opens < first)
			first = opens;
	}
	return first;
}

static void start_clocks(const struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct fault_sock *s = concerned(w->fds[i].fd);

		if (s && atomic_load(&s->rx_armed) &&
		    w->fds[i].revents & (POLLIN | POLLRDHUP))
			gates_arrived(w->fds[i].fd, s);
	}
}

/* An error shows in every API: what is held is over.  So does SHUT_RD. */
static void collapse(int fd, struct fault_sock *s)
{
	for (enum gate g = 0; g < N_GATES_OF; g++)
		if (gates_held(s, g, shim_now()))
			gates_collapse(fd, s, g);
}

/* ... and the kernel is asked again, for all that the program asks for. */
static bool shows_more(const struct waiting *w)
{
	bool more = false;

	for (size_t i = 0; i < w->n; i++) {
		const struct pollfd *p = &w->fds[i];
		struct fault_sock *s =
			p->revents & (POLLERR | POLLHUP | POLLRDHUP)
				? concerned(p->fd)
				: NULL;

		if (!s || p->events == w->asked[i].events)
			continue;
		gates_find_shutdown(p->fd, s);
		if (p->revents & (POLLERR | POLLHUP))
			collapse(p->fd, s);
		more |= p->events != (w->asked[i].events &
		                      (short)~gates_hidden(s, shim_now()));
	}
	return more;
}

/* Those that are ready; a gate may have been shut while the kernel waited. */
static int count_ready(const struct waiting *w)
{
	uint64_t now = shim_now();
	int ready = 0;

	start_clocks(w);
	for (size_t i = 0; i < w->n; i++) {
		struct fault_sock *s = concerned(w->fds[i].fd);

		if (s)
			w->fds[i].revents = late_seen(&w->fds[i], s) &
			                    (short)~gates_hidden(s, now);
		ready += w->fds[i].revents != 0;
	}
	return ready;
}

static int ask(const struct waiting *w, size_t n, uint64_t now, uint64_t until)
{
	struct timespec left = {0};

	if (until > now) {
		left.tv_sec = (time_t)((until - now) / 1000000000u);
		left.tv_nsec = (long)((until - now) % 1000000000u);
	}
	return next.ppoll(w->fds, n, until == RUN_FOREVER ? NULL : &left,
	                  w->mask);
}

/*
 * The gates that are held, and whose opening is to be heard of.  false: not of
 * all of them.
 */
static bool listen_to(const struct pollfd *timer, const struct waiting *w)
{
	bool all = timer->fd >= 0;

	for (size_t i = 0; i < w->n; i++) {
		struct fault_sock *s = concerned(w->asked[i].fd);

		for (enum gate g = 0; s && all && g < N_GATES_OF; g++)
			if (gates_held(s, g, shim_now()) ||
			    (g == GATE_OF_RX && gates_fin_due(s, shim_now())))
				all = keeper_wait_begins(timer->fd, s, g);
	}
	return all;
}

/* One that opened before it was listened to has found no timer. */
static bool has_opened(const struct waiting *w, uint64_t opens)
{
	uint64_t now = shim_now();
	uint64_t first = RUN_FOREVER;
	size_t holds = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct fault_sock *s = concerned(w->asked[i].fd);
		uint64_t end = s ? gates_next(s, now) : RUN_FOREVER;

		if (s)
			holds += count_held(s, now) + (end != RUN_FOREVER);
		if (end < first)
			first = end;
	}
	return first != opens || holds != w->holds;
}

/*
 * The kernel is asked; where rules can be disarmed, or it would not tell of a
 * shutdown, with a timer that is set off when a gate opens before its time.
 */
static int ask_and_listen(struct waiting *w, uint64_t now, uint64_t opens)
{
	uint64_t until = opens < w->until ? opens : w->until;
	struct pollfd *timer = &w->fds[w->n];
	int n, saved;

	*timer = (struct pollfd){.fd = -1, .events = POLLIN};
	if (!w->holds || !(shim.switched || w->blind))
		return ask(w, w->n, now, until);
	timer->fd = hold_poll_begins(__builtin_frame_address(0));
	if (!listen_to(timer, w) && until > now + HOLD_LOOKS_NS)
		until = now + HOLD_LOOKS_NS;
	n = has_opened(w, opens) ? 0 : ask(w, w->n + 1, now, until);
	saved = errno;
	hold_poll_ends(timer->fd);
	errno = saved;
	return n;
}

/* The number of ready entries, 0 when the time is over, -1 and errno. */
static int wait(struct waiting *w)
{
	for (;;) {
		uint64_t now, opens;
		int n;

		if (UNLIKELY(shim.helpless))
			keeper_work();
		now = shim_now();
		opens = prepare(w, now);
		n = ask_and_listen(w, now, opens);
		if (n < 0)
			return -1;
		if (n > 0 && shows_more(w))
			continue;
		if (n > 0)
			n = count_ready(w);
		if (n > 0 || shim_now() >= w->until)
			return n;
	}
}

/* --- memory --------------------------------------------------------------- */

static struct pollfd *room_for(size_t n, struct pollfd *stack)
{
	void *mem;

	if (n <= ON_STACK)
		return stack;
	mem = mmap(NULL, n * sizeof(*stack), PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

static void give_room(struct pollfd *fds, size_t n, const struct pollfd *stack)
{
	if (fds && fds != stack)
		munmap(fds, n * sizeof(*fds));
}

/* --- when the program's time is over -------------------------------------- */

static uint64_t after(uint64_t ns)
{
	uint64_t now = shim_now();

	return ns > RUN_FOREVER - now ? RUN_FOREVER : now + ns;
}

static uint64_t until_ms(int ms)
{
	return ms < 0 ? RUN_FOREVER : after((uint64_t)ms * 1000000u);
}

/* false: what the kernel refuses (EINVAL) */
static bool until_timespec(const struct timespec *t, uint64_t *ret)
{
	*ret = RUN_FOREVER;
	if (!t)
		return true;
	if (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= 1000000000)
		return false;
	if (t->tv_sec < INT32_MAX)
		*ret = after((uint64_t)t->tv_sec * 1000000000u +
		             (uint64_t)t->tv_nsec);
	return true;
}

static bool until_timeval(const struct timeval *t, uint64_t *ret)
{
	struct timespec ts;

	if (!t)
		return until_timespec(NULL, ret);
	if (t->tv_usec < 0)
		return false;
	ts.tv_sec = t->tv_sec + t->tv_usec / 1000000;
	ts.tv_nsec = t->tv_usec % 1000000 * 1000;
	return until_timespec(&ts, ret);
}

/* --- poll, ppoll ---------------------------------------------------------- */

static void answer(struct shim_call *c, int n)
{
	c->result = n;
	c->err = n < 0 ? errno : 0;
	c->made = true;
}

static void copy_answer(const struct waiting *w, struct pollfd *to)
{
	for (size_t i = 0; i < w->n; i++)
		to[i].revents =
			w->asked[i].fd == w->fds[i].fd ? w->fds[i].revents : 0;
}

static bool filter_poll(struct shim_call *c, uint64_t until,
                        const sigset_t *mask)
{
	struct pollfd stack[ON_STACK];
	struct pollfd *asked = (struct pollfd *)c->a[0];
	struct waiting w = {.asked = asked,
	                    .n = (size_t)c->a[1],
	                    .until = until,
	                    .mask = mask};

	if (!w.n || w.n > MAX_SET || (uintptr_t)asked < 4096 ||
	    !concerns_any(asked, w.n))
		return false;
	w.fds = room_for(w.n + 1, stack);
	if (!w.fds)
		return false;
	answer(c, wait(&w));
	if (c->result >= 0)
		copy_answer(&w, asked);
	give_room(w.fds, w.n + 1, stack);
	return true;
}

static bool by_ms(struct shim_call *c)
{
	return filter_poll(c, until_ms((int)c->a[2]), NULL);
}

static bool by_timespec(struct shim_call *c)
{
	uint64_t until;

	return until_timespec((const void *)c->a[2], &until) &&
	       filter_poll(c, until, (const sigset_t *)c->a[3]);
}

/* --- select, pselect ------------------------------------------------------ */

/* Bits of the three sets, which may be longer than an fd_set. */
static bool has(const void *set, int fd)
{
	const unsigned long *bits = set;

	return set && bits[fd / (8 * (int)sizeof(*bits))] >>
	                              (fd % (8 * (int)sizeof(*bits))) &
	                      1;
}

static void put(void *set, int fd, bool on, int *count)
{
	unsigned long *bits = set;
	unsigned long bit = 1UL << (fd % (8 * (int)sizeof(*bits)));

	if (!set)
		return;
	if (on)
		bits[fd / (8 * (int)sizeof(*bits))] |= bit;
	else
		bits[fd / (8 * (int)sizeof(*bits))] &= ~bit;
	*count += on;
}

/* select(2): what each set means in poll's words. */
enum {
	IN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR,
	OUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR,
	EX_SET = POLLPRI,
};

static short asked_of(const struct shim_call *c, int fd)
{
	return (short)((has((void *)c->a[1], fd) ? POLLIN | POLLRDNORM : 0) |
	               (has((void *)c->a[2], fd) ? POLLOUT | POLLWRNORM : 0) |
	               (has((void *)c->a[3], fd) ? POLLPRI : 0));
}

static size_t collect(const struct shim_call *c, struct pollfd *ret)
{
	size_t n = 0;

	for (int fd = 0; fd < (int)c->a[0]; fd++) {
		short events = asked_of(c, fd);

		if (events && ret)
			ret[n] = (struct pollfd){.fd = fd, .events = events};
		n += events != 0;
	}
	return n;
}

/* Do gates concern one of the selected descriptors? */
static bool select_concerns(const long *a)
{
	for (int first = 0; first < (int)a[0]; first += SETS_WORD) {
		unsigned long bits = sets_asked(a, first);

		for (; bits; bits &= bits - 1)
			if (concerned(first + __builtin_ctzl(bits)))
				return true;
	}
	return false;
}

/* Of an entry that poll tells of and select does not: no longer asked. */
static void leave_out(struct pollfd *asked)
{
	if (asked->fd >= 0)
		asked->fd = ~asked->fd;
}

/* The kernel writes whole words: what is behind the last number is cleared. */
static void clear_rest(const long *a)
{
	int n = (int)a[0] % SETS_WORD;

	for (int set = 1; n && set <= 3; set++)
		if (a[set])
			((unsigned long *)a[set])[(int)a[0] / SETS_WORD] &=
				(1UL << n) - 1;
}

static int write_sets(struct shim_call *c, const struct waiting *w,
                      struct pollfd *asked)
{
	int count = 0;

	for (size_t i = 0; i < w->n; i++) {
		int fd = asked[i].fd < 0 ? ~asked[i].fd : asked[i].fd;
		int before = count;
		short ask = asked[i].events;
		short got = w->fds[i].fd < 0 ? 0 : w->fds[i].revents;

		put((void *)c->a[1], fd, ask & POLLIN && got & IN_SET, &count);
		put((void *)c->a[2], fd, ask & POLLOUT && got & OUT_SET,
		    &count);
		put((void *)c->a[3], fd, ask & POLLPRI && got & EX_SET, &count);
		if (got && count == before)
			leave_out(&asked[i]);
	}
	clear_rest(c->a);
	return count;
}

/* poll tells of a closed descriptor what select refuses. */
static bool is_bad(const struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->fds[i].revents & POLLNVAL)
			return true;
	return false;
}

static void select_filtered(struct shim_call *c, struct waiting *w,
                            struct pollfd *asked)
{
	int n;

	do {
		n = wait(w);
		if (n > 0 && is_bad(w)) {
			errno = EBADF;
			n = -1;
		}
		/* HUP alone is nothing to a set of writers. */
		if (n >= 0)
			n = write_sets(c, w, asked);
	} while (!n && shim_now() < w->until);
	answer(c, n);
}

static bool filter_select(struct shim_call *c, uint64_t until,
                          const sigset_t *mask)
{
	struct pollfd stack[2 * ON_STACK];
	struct waiting w = {.until = until, .mask = mask};
	struct pollfd *room;

	if (c->a[0] <= 0 || c->a[0] > MAX_SET || !select_concerns(c->a))
		return false;
	w.n = collect(c, NULL);
	room = w.n < ON_STACK ? stack : room_for(2 * w.n + 1, stack);
	if (!room)
		return false;
	w.fds = room;
	w.asked = room + w.n + 1;
	collect(c, room + w.n + 1);
	select_filtered(c, &w, room + w.n + 1);
	give_room(room, 2 * w.n + 1, stack);
	return true;
}

/* select(2) on Linux: the time that is left is written back. */
static bool by_timeval(struct shim_call *c)
{
	struct timeval *t = (struct timeval *)c->a[4];
	uint64_t until, now;

	if (!until_timeval(t, &until) || !filter_select(c, until, NULL))
		return false;
	if (t && until != RUN_FOREVER) {
		now = shim_now();
		now = now < until ? until - now : 0;
		t->tv_sec = (time_t)(now / 1000000000u);
		t->tv_usec = (suseconds_t)(now % 1000000000u / 1000u);
	}
	return true;
}

static bool by_pselect(struct shim_call *c)
{
	uint64_t until;

	return until_timespec((const void *)c->a[4], &until) &&
	       filter_select(c, until, (const sigset_t *)c->a[5]);
}

/* --- epoll_wait where no helper can be made ------------------------------- */

static int ask_epoll(const struct shim_call *c, uint64_t until,
                     const sigset_t *mask)
{
	uint64_t now = shim_now();
	uint64_t ms = until > now ? (until - now + 999999) / 1000000u : 0;

	return next.epoll_pwait((int)c->a[0], (void *)c->a[1], (int)c->a[2],
	                        until == RUN_FOREVER ? -1
	                        : ms > INT32_MAX     ? INT32_MAX
	                                             : (int)ms,
	                        mask);
}

/* The thread that waits does what the helper would do. */
static bool clamp_epoll(struct shim_call *c, uint64_t until,
                        const sigset_t *mask)
{
	uint64_t opens;
	int n;

	if (LIKELY(!shim.helpless))
		return false;
	do {
		keeper_work();
		opens = keeper_next();
		n = ask_epoll(c, opens < until ? opens : until, mask);
	} while (!n && shim_now() < until);
	answer(c, n);
	return true;
}

static bool epoll_by_ms(struct shim_call *c)
{
	const sigset_t *mask = c->id == FAULT_CALL_epoll_pwait
	                               ? (const sigset_t *)c->a[4]
	                               : NULL;

	return clamp_epoll(c, until_ms((int)c->a[3]), mask);
}

static bool epoll_by_timespec(struct shim_call *c)
{
	uint64_t until;

	return until_timespec((const void *)c->a[3], &until) &&
	       clamp_epoll(c, until, (const sigset_t *)c->a[4]);
}

static bool (*const filters[N_CALLS])(struct shim_call *) = {
	[FAULT_CALL_poll] = by_ms,
	[FAULT_CALL___poll] = by_ms,
	[FAULT_CALL___poll_chk] = by_ms,
	[FAULT_CALL_ppoll] = by_timespec,
	[FAULT_CALL___ppoll_chk] = by_timespec,
	[FAULT_CALL_select] = by_timeval,
	[FAULT_CALL___select] = by_timeval,
	[FAULT_CALL_pselect] = by_pselect,
	[FAULT_CALL_epoll_wait] = epoll_by_ms,
	[FAULT_CALL_epoll_pwait] = epoll_by_ms,
	[FAULT_CALL_epoll_pwait2] = epoll_by_timespec,
};

static bool is_select(enum fault_call id)
{
	return filters[id] == by_timeval || filters[id] == by_pselect;
}

void filter_cut(struct shim_call *c)
{
	if (is_select(c->id) && fdsize_exceeded((int)c->a[0]))
		c->a[0] = fdsize_cut(c->a);
}

bool filter_wait(struct shim_call *c)
{
	return filters[c->id] && filters[c->id](c);
}

bool filter_concerns(enum fault_call id, const long *a)
{
	const struct pollfd *fds = (const struct pollfd *)a[0];

	if (filters[id] == by_ms || filters[id] == by_timespec)
		return (uintptr_t)fds >= 4096 && (size_t)a[1] <= MAX_SET &&
		       concerns_any(fds, (size_t)a[1]);
	return is_select(id) &&
	       (fdsize_exceeded((int)a[0]) || select_concerns(a));
}
