/*
 * socks.c - see socks.h.
 *
 * Entries are taken from the free list, else from the unused end of the table.
 * An entry is freed when its last reference goes; its generation changes then,
 * so that a stale descriptor word (of a process that missed the close) no
 * longer leads to it.
 */
#include <netinet/in.h>
#include <string.h>

#include "engine/watch.h"
#include "gates.h"
#include "keeper.h"
#include "next.h"
#include "regs.h"
#include "self.h"
#include "socks.h"

#include "poison.h"

/* Set in every tracked word: calls that change what the table says. */
enum {
	LIFE = FAMILY_BIT(FAMILY_TABLE) | FAMILY_BIT(FAMILY_CLOSE) |
	       FAMILY_BIT(FAMILY_BIND) | FAMILY_BIT(FAMILY_LISTEN) |
	       FAMILY_BIT(FAMILY_ACCEPT) | FAMILY_BIT(FAMILY_CONNECT) |
	       FAMILY_BIT(FAMILY_SHUTDOWN),
	TRANSFER = FAMILY_BIT(FAMILY_SEND) | FAMILY_BIT(FAMILY_RECV),
};

uint32_t socks_index(const struct fault_sock *s)
{
	return (uint32_t)(s - run_socks(shim.run));
}

/* The index of what socks_of() finds, without touching it; RUN_NONE. */
static uint32_t index_of(uint64_t word)
{
	uint32_t index = fds_index(word);

	if (fds_kind(word) != FDS_TCP ||
	    (atomic_load_explicit(&run_refs(shim.run)[index].generation,
	                          memory_order_relaxed) &
	     0xffff) != (word >> 16 & 0xffff))
		return RUN_NONE;
	return index;
}

struct fault_sock *socks_of(uint64_t word)
{
	uint32_t index = index_of(word);

	return index ? &run_socks(shim.run)[index] : NULL;
}

/*
 * For an entry that nobody else knows yet: the descriptor's word, or the head
 * of the free list, publishes it.  A full barrier each would be felt.
 */
#define relaxed(at, value)                                                     \
	atomic_store_explicit(at, value, memory_order_relaxed)

/*
 * Between which numbers a socket's descriptors of this process lie, so that
 * not the whole table is looked through for copies: lowest in the low half,
 * highest + 1 in the high half, 0: there is none.  Made wider by each that
 * appears, never narrower but for a new socket.  Beyond the array: anywhere.
 */
enum {
	N_SPANS = 1 << 18
};

static _Atomic uint64_t spans[N_SPANS];

static uint64_t span_of(uint32_t low, uint32_t high)
{
	return (uint64_t)(high + 1) << 32 | low;
}

/* A new socket's entry: nobody else knows it. */
static void begin_span(const struct fault_sock *s, int fd)
{
	uint32_t index = socks_index(s), number = (uint32_t)fd;

	if (index < N_SPANS)
		relaxed(&spans[index], span_of(number, number));
}

static void widen_span(const struct fault_sock *s, int fd)
{
	uint32_t index = socks_index(s), number = (uint32_t)fd;
	uint64_t old, fresh;

	if (index >= N_SPANS)
		return;
	old = atomic_load_explicit(&spans[index], memory_order_relaxed);
	do {
		uint32_t low = (uint32_t)old, end = (uint32_t)(old >> 32);

		if (end && number >= low && number < end)
			return;
		fresh = span_of(!end || number < low ? number : low,
		                number >= end ? number : end - 1);
	} while (!atomic_compare_exchange_weak(&spans[index], &old, fresh));
}

static void each_copy(const struct fault_sock *s, fds_visit *visit,
                      const void *context)
{
	uint32_t index = socks_index(s);
	uint64_t span = index < N_SPANS ? atomic_load(&spans[index])
	                                : (uint64_t)INT32_MAX << 32;
	uint32_t low = (uint32_t)span, end = (uint32_t)(span >> 32);

	if (end > low + 1)
		fds_each(low, end - 1, visit, context);
}

/* The free list is a stack; the tag in the high half defeats ABA. */
static uint32_t pop_free(struct fault_run *run)
{
	uint64_t head = atomic_load(&run->free_socks);

	/* The limit is for a head that a broken target wrote. */
	while ((uint32_t)head && (uint32_t)head < run->n_socks) {
		struct fault_sock *s = &run_socks(run)[(uint32_t)head];
		uint64_t after =
			((head >> 32) + 1) << 32 | atomic_load(&s->next_free);

		if (atomic_compare_exchange_weak(&run->free_socks, &head,
		                                 after))
			return (uint32_t)head;
	}
	return RUN_NONE;
}

static void push_free(struct fault_run *run, struct fault_sock *s)
{
	uint64_t head = atomic_load(&run->free_socks);
	uint64_t fresh;

	do { /* published by the exchange */
		relaxed(&s->next_free, (uint32_t)head);
		fresh = ((head >> 32) + 1) << 32 | socks_index(s);
	} while (!atomic_compare_exchange_weak(&run->free_socks, &head, fresh));
}

static uint32_t take_index(struct fault_run *run)
{
	uint32_t index = pop_free(run);

	if (index)
		return index;
	if (atomic_load(&run->used_socks) >= run->n_socks - 1)
		return RUN_NONE;
	index = atomic_fetch_add(&run->used_socks, 1) + 1;
	return index < run->n_socks ? index : RUN_NONE;
}

/* Everything but its index and the free list's link. */
static void reset_entry(struct fault_sock *s)
{
	relaxed(&s->cookie, 0);
	relaxed(&s->connection, 0);
	relaxed(&s->first_watch, RUN_NONE);
	relaxed(&s->families, 0);
	relaxed(&s->state, STATE_NEW);
	relaxed(&s->role, ROLE_NONE);
	relaxed(&s->flags, 0);
	relaxed(&s->last_direction, DIRECTION_NONE);
	relaxed(&s->local_port, 0);
	memset(&s->peer, 0, sizeof(s->peer));
	memset(&s->local, 0, sizeof(s->local));
	relaxed(&s->peer_scope, 0);
	relaxed(&s->kernel_err, 0);
	relaxed(&s->told_err, 0);
	relaxed(&s->rx_visible, 0);
	relaxed(&s->rx_bytes, 0);
	relaxed(&s->tx_bytes, 0);
	relaxed(&s->rx_turn, 0);
	relaxed(&s->tx_turn, 0);
	relaxed(&s->opened_ns, 0);
	relaxed(&s->last_ns, 0);
	relaxed(&s->rx_hold.until, 0);
	relaxed(&s->tx_hold.until, 0);
	relaxed(&s->open_hold.until, 0);
	relaxed(&s->rx_armed, 0);
	relaxed(&s->rcvlowat, 0);
	relaxed(&s->rx_next_ns, 0);
	relaxed(&s->tx_next_ns, 0);
	relaxed(&s->rx_busy_ns, 0);
	relaxed(&s->tx_busy_ns, 0);
	relaxed(&s->tx_budget, 0);
	relaxed(&s->in_messages, 0);
	relaxed(&s->in_images, 0);
	relaxed(&s->closing, 0);
}

static struct fault_sock *take_entry(bool ipv6)
{
	struct fault_run *run = shim.run;
	uint32_t index = take_index(run);
	struct fault_sock *s;

	if (!index) {
		atomic_fetch_add(&run->lost_socks, 1);
		return NULL;
	}
	s = &run_socks(run)[index];
	reset_entry(s);
	relaxed(&s->program, (uint16_t)shim.program);
	relaxed(&s->flags, ipv6 ? SOCK_IPV6 : 0);
	relaxed(&s->serial, atomic_fetch_add(&run->next_serial, 1) + 1);
	relaxed(&s->index, index);
	relaxed(&run_refs(run)[index].refs, 1);
	return s;
}

/* Only while fd is s: another thread may have closed it, and reused it. */
static void set_word(int fd, struct fault_sock *s, uint32_t families)
{
	uint64_t old = fds_word(fd);
	uint64_t fresh;

	do {
		if (socks_of(old) != s)
			return;
		fresh = (old & (FDS_CLOEXEC | FDS_FORKING)) |
		        fds_make(FDS_TCP, socks_index(s), socks_generation(s),
		                 families);
	} while (!fds_replace(fd, &old, fresh));
}

static void publish(int fd, const struct fault_sock *s)
{
	fds_set(fd, fds_make(FDS_TCP, socks_index(s), socks_generation(s), 0));
}

void socks_appear(int fd, struct fault_sock *s)
{
	widen_span(s, fd);
	publish(fd, s);
}

/* The last reference has gone. */
static void free_entry(uint32_t index)
{
	struct fault_sock *s = &run_socks(shim.run)[index];

	if (atomic_load(&s->first_watch))
		engine_unwatch(shim.run,
		               atomic_exchange(&s->first_watch, RUN_NONE));
	atomic_fetch_add(&run_refs(shim.run)[index].generation, 1);
	push_free(shim.run, s);
}

static void drop_index(uint32_t index)
{
	if (atomic_fetch_sub(&run_refs(shim.run)[index].refs, 1) == 1)
		free_entry(index);
}

void socks_drop(struct fault_sock *s)
{
	drop_index(socks_index(s));
}

void socks_hold(struct fault_sock *s)
{
	atomic_fetch_add(&run_ref(shim.run, s)->refs, 1);
}

uint32_t socks_holders(const struct fault_sock *s)
{
	return atomic_load(&run_ref(shim.run, s)->refs);
}

/* What makes a word leave the fast path; see socks_refresh(). */
static uint32_t interest_of(const struct fault_sock *s)
{
	uint32_t families = atomic_load(&s->families);
	uint32_t state = atomic_load(&s->state);

	if (families & TRANSFER && shim.both_ways)
		families |= TRANSFER;
	/* A send with MSG_FASTOPEN connects (opening.h). */
	if ((state == STATE_NEW || state == STATE_BOUND) && families)
		families |= FAMILY_BIT(FAMILY_SEND);
	if (state == STATE_SYN_SENT && families)
		families |= TRANSFER | FAMILY_BIT(FAMILY_OPTION);
	if (atomic_load(&s->told_err) ||
	    atomic_load(&s->flags) & (SOCK_LEVER | SOCK_FIN_RESET | SOCK_EOF))
		families |= TRANSFER | FAMILY_BIT(FAMILY_OPTION);
	/* Readiness has to agree with what is held (gates.h). */
	if (families & PLAN_LASTING)
		families |= TRANSFER | FAMILY_BIT(FAMILY_OPTION) |
		            FAMILY_BIT(FAMILY_POLL);
	if (families & PLAN_CUTTING)
		families |= FAMILY_BIT(FAMILY_POLL);
	/* To make a listener's edge come again (regs.h). */
	if ((state == STATE_LISTEN || state == STATE_BOUND) &&
	    families & FAMILY_BIT(FAMILY_ACCEPT))
		families |= FAMILY_BIT(FAMILY_POLL);
	return families | (shim.traced ? ALL_FAMILIES : LIFE);
}

struct copies {
	struct fault_sock *sock;
	uint32_t families;
};

static void refresh_copy(int fd, uint64_t word, const void *context)
{
	const struct copies *c = context;

	if (socks_of(word) == c->sock)
		set_word(fd, c->sock, c->families);
}

void socks_refresh(int fd, struct fault_sock *s)
{
	const struct copies copies = {s, interest_of(s)};

	set_word(fd, s, copies.families);
	if (socks_holders(s) > 1)
		each_copy(s, refresh_copy, &copies);
}

struct fault_sock *socks_create(int fd, bool ipv6)
{
	struct fault_sock *s;

	socks_forget(fd);
	s = take_entry(ipv6);
	if (!s)
		return NULL;
	begin_span(s, fd);
	relaxed(&s->families, shim.fresh_families);
	publish(fd, s);
	socks_refresh(fd, s);
	self_begin();
	return s;
}

void socks_unix(int fd)
{
	socks_forget(fd);
	fds_set(fd, fds_make(FDS_UNIX, 0, 0,
	                     TRANSFER | FAMILY_BIT(FAMILY_ACCEPT) |
	                             FAMILY_BIT(FAMILY_TABLE) |
	                             FAMILY_BIT(FAMILY_CLOSE)));
}

void socks_forget(int fd)
{
	uint32_t index = index_of(fds_set(fd, 0));

	if (index)
		drop_index(index);
}

void socks_forget_if(int fd, struct fault_sock *s)
{
	uint64_t word = fds_word(fd);

	do {
		if (socks_of(word) != s)
			return;
	} while (!fds_replace(fd, &word, 0));
	socks_drop(s);
}

void socks_dup(int from, int to)
{
	uint64_t word = fds_word(from);
	struct fault_sock *s = socks_of(word);

	if (from == to)
		return;
	if (s) {
		socks_hold(s);
		widen_span(s, to);
	}
	/* close-on-exec is the descriptor's own: the caller sets it. */
	s = socks_of(fds_set(to, word & ~(FDS_CLOEXEC | FDS_FORKING)));
	if (s)
		socks_drop(s);
}

static void add_reference(int fd, uint64_t word, const void *context)
{
	uint32_t index = index_of(word);

	(void)fd;
	(void)context;
	if (index)
		atomic_fetch_add(&run_refs(shim.run)[index].refs, 1);
}

/*
 * fork.  The child's references are taken before it exists: the parent may
 * close its copies before the child has run.  A socket made by another thread
 * in between is not marked and gets its reference in the child; one closed in
 * between leaves a reference behind, which only costs the entry.
 *
 * The marks are those of one fork.  Whoever forks beside it has none, and its
 * child takes a reference of each.
 */
static _Atomic bool marking;

/* Marked first: what is closed and made anew in between has no reference. */
static void before_fork(int fd, uint64_t word, const void *context)
{
	do {
		if (!word)
			return;
	} while (!fds_replace(fd, &word, word | FDS_FORKING));
	add_reference(fd, word, context);
}

static void in_parent(int fd, uint64_t word, const void *context)
{
	(void)word;
	(void)context;
	fds_flag(fd, FDS_FORKING, false);
}

static void in_child(int fd, uint64_t word, const void *context)
{
	const bool *marked = context;

	if (!*marked || !(word & FDS_FORKING))
		add_reference(fd, word, NULL);
	fds_flag(fd, FDS_FORKING, false);
}

bool socks_fork_begins(void)
{
	if (atomic_exchange(&marking, true))
		return false;
	fds_each(0, INT32_MAX, before_fork, NULL);
	return true;
}

void socks_fork_ends(bool marked)
{
	if (!marked)
		return;
	fds_each(0, INT32_MAX, in_parent, NULL);
	atomic_store(&marking, false);
}

void socks_fork_child(bool marked)
{
	fds_each(0, INT32_MAX, in_child, &marked);
	atomic_store(&marking, false);
}

/* Out of the table: destructors and threads may still close it. */
static void leave_one(int fd, uint64_t word, const void *context)
{
	(void)word;
	(void)context;
	socks_forget(fd);
}

void socks_leave(void)
{
	fds_each(0, INT32_MAX, leave_one, NULL);
}

void socks_state(int fd, struct fault_sock *s, enum fault_state state)
{
	atomic_store(&s->state, (uint8_t)state);
	socks_refresh(fd, s);
	self_changed(fd, s);
}

void socks_describe(const struct fault_sock *s, struct engine_socket *ret)
{
	enum fault_role role = atomic_load(&s->role);

	ret->program = shim.program;
	ret->process = shim.comm;
	ret->role = role;
	ret->peer = s->peer;
	ret->families = 0;
	ret->port = role == ROLE_CLIENT ? s->peer.port
	                                : atomic_load(&s->local_port);
}

/* Rules that can touch it from now on; the old list goes. */
static void rewatch(struct fault_sock *s, uint32_t ordinal)
{
	struct engine_socket described;
	uint32_t first = RUN_NONE;
	uint32_t families = 0;

	socks_describe(s, &described);
	if (shim.plan->n_classes)
		families = engine_watch(shim.plan, shim.run, &described,
		                        ordinal, &first);
	engine_unwatch(shim.run, atomic_exchange(&s->first_watch, first));
	atomic_store(&s->families, families);
}

/* Registered before it was connected, with all that was asked for (regs.h). */
static void hide_end(struct fault_sock *s)
{
	if (atomic_load(&s->families) & PLAN_CUTTING)
		regs_apply(s);
}

void socks_established(int fd, struct fault_sock *s, enum fault_role role)
{
	struct fault_program_state *p = &run_programs(shim.run)[shim.program];
	uint32_t ordinal = atomic_fetch_add(&p->ordinals[role], 1) + 1;

	atomic_store(&s->role, (uint8_t)role);
	atomic_store(&s->connection, ordinal);
	if (shim.timed) {
		atomic_store(&s->opened_ns, shim_now());
		atomic_store(&s->last_ns, atomic_load(&s->opened_ns));
	}
	rewatch(s, ordinal);
	socks_state(fd, s, STATE_ESTABLISHED);
	hide_end(s);
	self_consider(fd, s);
}

struct fault_sock *socks_accepted(int fd, bool ipv6, uint16_t local_port,
                                  const struct sockaddr *peer)
{
	struct fault_sock *s;

	socks_forget(fd);
	s = take_entry(ipv6);
	if (!s)
		return NULL;
	begin_span(s, fd);
	relaxed(&s->local_port, local_port);
	if (peer)
		socks_addr(peer, &s->peer);
	publish(fd, s);
	socks_established(fd, s, ROLE_ACCEPTED);
	return s;
}

void socks_rewatch_fresh(struct fault_sock *s)
{
	rewatch(s, 0);
}

void socks_unconnected(int fd, struct fault_sock *s, enum fault_state state)
{
	atomic_store(&s->role, ROLE_NONE);
	engine_unwatch(shim.run, atomic_exchange(&s->first_watch, RUN_NONE));
	atomic_store(&s->families, shim.fresh_families);
	socks_state(fd, s, state);
}

void socks_listening(int fd, struct fault_sock *s)
{
	atomic_store(&s->role, ROLE_LISTENER);
	/* Once more, after it was shut down. */
	atomic_fetch_and(&s->flags, (uint8_t)~SOCK_SHUT_RD);
	rewatch(s, 0);
	socks_state(fd, s, STATE_LISTEN);
}

/* Without rules for connect it has no list yet. */
void socks_connecting(int fd, struct fault_sock *s)
{
	if (!atomic_load(&s->first_watch))
		rewatch(s, 0);
	socks_state(fd, s, STATE_SYN_SENT);
	hide_end(s);
}

void socks_addr(const struct sockaddr *addr, struct plan_addr *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memset(ret, 0, sizeof(*ret));
	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)addr;

		ret->family = 4;
		ret->prefix_len = 32;
		ret->port = ntohs(in->sin_port);
		memcpy(ret->bytes, &in->sin_addr, 4);
	} else if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)addr;
		bool v4 = !memcmp(&in6->sin6_addr, mapped, sizeof(mapped));

		ret->family = v4 ? 4 : 6;
		ret->prefix_len = v4 ? 32 : 128;
		ret->port = ntohs(in6->sin6_port);
		memcpy(ret->bytes,
		       (const char *)&in6->sin6_addr + (v4 ? 12 : 0),
		       v4 ? 4 : 16);
	}
}

unsigned socks_sockaddr(const struct plan_addr *a, bool ipv6,
                        struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (void *)ret;
	struct sockaddr_in *in = (void *)ret;
	unsigned at = a->family == 4 ? 12 : 0;

	memset(ret, 0, sizeof(*ret));
	if (!ipv6) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	if (a->family == 4)
		memset(&in6->sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&in6->sin6_addr.s6_addr[at], a->bytes, 16 - at);
	return sizeof(*in6);
}
