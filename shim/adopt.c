/*
 * adopt.c - descriptors that were not made through us: inherited over exec,
 * received over a UNIX socket; and those that are left to others that way.  The
 * only place that asks the kernel what a descriptor is; part of socks.h.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gates.h"
#include "keeper.h"
#include "next.h"
#include "socks.h"

#include "poison.h"

static int option(int fd, int name)
{
	int value = -1;
	unsigned len = sizeof(value);

	return next.getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	unsigned len = sizeof(cookie);

	return next.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len)
	               ? 0
	               : cookie;
}

static bool has_cookie(const struct fault_sock *s, uint64_t cookie)
{
	return atomic_load(&s->cookie) == cookie && socks_holders(s);
}

/* The socket of a slot of run_bucket(); NULL: it has gone. */
static struct fault_sock *of_slot(uint64_t slot)
{
	uint32_t index = (uint32_t)slot;
	struct fault_sock *s;

	if (!index || index >= shim.run->n_socks)
		return NULL;
	s = &run_socks(shim.run)[index];
	return atomic_load(&s->cookie) << 32 ==
	                               (slot & ~(uint64_t)UINT32_MAX) &&
	                       socks_holders(s)
	               ? s
	               : NULL;
}

/* One whose slots were all in use may be anywhere. */
static struct fault_sock *look_at_all(uint64_t cookie)
{
	uint32_t n = atomic_load(&shim.run->used_socks);

	for (uint32_t i = 1; i <= n && i < shim.run->n_socks; i++) {
		struct fault_sock *s = &run_socks(shim.run)[i];

		if (has_cookie(s, cookie))
			return s;
	}
	return NULL;
}

/* A socket that this run knows already. */
static struct fault_sock *known(uint64_t cookie)
{
	struct fault_cookies *bucket = run_bucket(shim.run, cookie);
	bool full = true;

	if (!cookie)
		return NULL;
	for (unsigned i = 0; i < RUN_COOKIE_WAYS; i++) {
		uint64_t slot = atomic_load(&bucket->slot[i]);
		struct fault_sock *s = NULL;

		full &= slot != 0;
		if (slot >> 32 == (cookie & UINT32_MAX))
			s = of_slot(slot);
		if (s && has_cookie(s, cookie))
			return s;
	}
	return full ? look_at_all(cookie) : NULL;
}

/* A slot that another takes meanwhile is not unused any more. */
static void note_cookie(struct fault_sock *s, uint64_t cookie)
{
	struct fault_cookies *bucket = run_bucket(shim.run, cookie);
	uint64_t fresh = cookie << 32 | socks_index(s);

	atomic_store(&s->cookie, cookie);
	for (unsigned i = 0; cookie && i < RUN_COOKIE_WAYS; i++) {
		uint64_t slot = atomic_load(&bucket->slot[i]);

		if (slot == fresh ||
		    (!of_slot(slot) && atomic_compare_exchange_strong(
					       &bucket->slot[i], &slot, fresh)))
			return;
	}
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage local;
	unsigned len = sizeof(local);
	struct plan_addr addr;

	if (next.getsockname(fd, &local, &len))
		return 0;
	socks_addr((const struct sockaddr *)&local, &addr);
	return addr.port;
}

/* Its history is unknown: a connected one counts as accepted (inetd). */
static void find_state(int fd, struct fault_sock *s)
{
	struct sockaddr_storage peer;
	unsigned len = sizeof(peer);

	atomic_store(&s->local_port, port_of(fd));
	if (option(fd, SO_ACCEPTCONN) == 1) {
		socks_listening(fd, s);
	} else if (!next.getpeername(fd, &peer, &len)) {
		socks_addr((const struct sockaddr *)&peer, &s->peer);
		socks_established(fd, s, ROLE_ACCEPTED);
	} else if (atomic_load(&s->local_port)) {
		socks_state(fd, s, STATE_BOUND);
	}
}

/*
 * A reference that is on its way has arrived, or has come back.  Whose it was
 * does not matter: the sum is right.
 */
static bool take_one(_Atomic uint32_t *on_their_way)
{
	uint32_t n = atomic_load(on_their_way);

	while (n) {
		if (atomic_compare_exchange_weak(on_their_way, &n, n - 1))
			return true;
	}
	return false;
}

/* By which way a descriptor has come. */
enum way {
	WAY_IMAGE,   /* inherited over exec */
	WAY_MESSAGE, /* SCM_RIGHTS */
	WAY_COPY     /* a look at a message, which keeps its reference */
};

/*
 * Of a sender without us, or a process that was made behind our back (inside
 * libc, by a raw system call), there is none: one more then, or the last of
 * those that inherit it would take the entry with it.
 */
static void receive_reference(struct fault_sock *s, enum way way)
{
	if (way == WAY_COPY ||
	    !take_one(way == WAY_IMAGE ? &s->in_images : &s->in_messages))
		socks_hold(s);
}

void socks_passed(int fd)
{
	struct fault_sock *s = socks_of(fds_word(fd));

	if (!s)
		return;
	socks_hold(s);
	socks_remember(fd, fds_word(fd));
	atomic_fetch_add(&s->in_messages, 1);
}

void socks_not_passed(int fd)
{
	struct fault_sock *s = socks_of(fds_word(fd));

	if (s && take_one(&s->in_messages))
		socks_drop(s);
}

static void track(int fd, bool ipv6, enum way way)
{
	uint64_t cookie = cookie_of(fd);
	struct fault_sock *s = known(cookie);

	if (s) {
		receive_reference(s, way);
		socks_appear(fd, s);
		socks_refresh(fd, s);
		return;
	}
	s = socks_create(fd, ipv6);
	if (s) {
		note_cookie(s, cookie);
		find_state(fd, s);
	}
}

static void adopt(int fd, enum way way)
{
	int saved = errno;
	int domain = option(fd, SO_DOMAIN);

	socks_forget(fd);
	if (domain == AF_UNIX)
		socks_unix(fd);
	else if ((domain == AF_INET || domain == AF_INET6) &&
	         option(fd, SO_PROTOCOL) == IPPROTO_TCP)
		track(fd, domain == AF_INET6, way);
	errno = saved;
}

void socks_inherited(int fd)
{
	adopt(fd, WAY_IMAGE);
}

void socks_received(int fd)
{
	adopt(fd, WAY_MESSAGE);
}

void socks_peeked(int fd)
{
	adopt(fd, WAY_COPY);
}

/*
 * An accepted connection has the peer that accept told of.  One that was made
 * may have another than was asked for: a control group's program or a library
 * below ours rewrites addresses.
 */
static bool same_peer(int fd, const struct fault_sock *s)
{
	struct sockaddr_storage peer;
	unsigned len = sizeof(peer);
	struct plan_addr now;

	/* After a reset the kernel no longer names the peer. */
	if (!s->peer.family || atomic_load(&s->role) == ROLE_CLIENT ||
	    next.getpeername(fd, &peer, &len))
		return true;
	socks_addr((const struct sockaddr *)&peer, &now);
	return !memcmp(&now, &s->peer, sizeof(now));
}

/*
 * A descriptor that was closed behind our back may be anything by now.  Its
 * cookie tells, once it has been asked for; else that it is TCP must do.
 */
bool socks_same(int fd, const struct fault_sock *s)
{
	uint64_t cookie = atomic_load(&s->cookie);

	if (option(fd, SO_PROTOCOL) != IPPROTO_TCP)
		return false;
	return cookie ? cookie_of(fd) == cookie : same_peer(fd, s);
}

void socks_remember(int fd, uint64_t word)
{
	struct fault_sock *s = socks_of(word);

	if (s && !atomic_load(&s->cookie))
		note_cookie(s, cookie_of(fd));
}

/* --- another image ----------------------------------------------------------
 */

enum fate {
	FATE_STAYS,  /* it is open in the image that follows */
	FATE_CLOSED, /* exec closes it */
	FATE_GONE,   /* it is that socket no longer */
};

/*
 * The kernel has the last word: a child of vfork has closed and moved some, of
 * which the table says nothing, and others were closed behind our back.
 */
static enum fate fate_of(int fd, const struct fault_sock *s)
{
	int flags;

	if (shim.alone) /* what follows begins anew: nothing is asked for it */
		return FATE_CLOSED;
	flags = next.fcntl(fd, F_GETFD, 0);
	if (flags < 0 || !socks_same(fd, s))
		return FATE_GONE;
	return flags & FD_CLOEXEC ? FATE_CLOSED : FATE_STAYS;
}

/* fd's reference is nobody's for the time being. */
static void leave(int fd, uint64_t word, struct fault_sock *s)
{
	socks_remember(fd, word);
	atomic_fetch_add(&s->in_images, 1);
}

/* A reference that the image of this process gives back, unless exec fails. */
static bool hold_over_exec(struct fault_sock *s, int pid)
{
	uint32_t nobody = 0;

	if (!atomic_compare_exchange_strong(&s->closing, &nobody,
	                                    (uint32_t)pid))
		return false;
	atomic_fetch_add(&shim.run->n_closing, 1);
	return true;
}

static bool held_over_exec(struct fault_sock *s, int pid)
{
	uint32_t us = (uint32_t)pid;

	if (!atomic_compare_exchange_strong(&s->closing, &us, 0))
		return false;
	atomic_fetch_sub(&shim.run->n_closing, 1);
	return true;
}

/* What goes into the word is what is taken back if the exec fails. */
static void exec_one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);
	bool stays = s && fate_of(fd, s) == FATE_STAYS;

	(void)context;
	if (s)
		fds_flag(fd, FDS_CLOEXEC, !stays);
	if (stays)
		leave(fd, word, s);
	else if (s && (socks_holders(s) != 1 || !hold_over_exec(s, shim_pid())))
		socks_drop(s);
}

static void return_one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);

	(void)fd;
	(void)context;
	if (!s)
		return;
	if (!(word & FDS_CLOEXEC))
		receive_reference(s, WAY_IMAGE);
	else if (!held_over_exec(s, shim_pid()))
		socks_hold(s);
}

void socks_closed_by_exec(void)
{
	struct fault_run *run = shim.run;
	uint32_t n = atomic_load(&run->used_socks);

	if (!atomic_load(&run->n_closing))
		return;
	for (uint32_t i = 1; i <= n && i < run->n_socks; i++)
		if (held_over_exec(&run_socks(run)[i], shim_pid()))
			socks_drop(&run_socks(run)[i]);
}

/* The child has it by another number, of which the table says nothing. */
static void hold_moved(struct fault_sock *s)
{
	if (!fds_mine() && shim_thread.moved == socks_index(s) &&
	    hold_over_exec(s, getpid()))
		socks_hold(s);
}

static void spawn_one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);
	enum fate fate = s ? fate_of(fd, s) : FATE_GONE;

	(void)context;
	if (fate == FATE_STAYS) {
		socks_hold(s);
		leave(fd, word, s);
	} else if (s && !shim.alone) {
		if (fate == FATE_CLOSED)
			socks_remember(fd, word);
		hold_moved(s);
	}
}

static void unspawn_one(int fd, uint64_t word, const void *context)
{
	struct fault_sock *s = socks_of(word);

	(void)context;
	if (!s)
		return;
	if (fate_of(fd, s) == FATE_STAYS ? take_one(&s->in_images)
	                                 : held_over_exec(s, getpid()))
		socks_drop(s);
}

void socks_exec(void)
{
	if (atomic_exchange(&shim.left, true))
		return;
	gates_release_all();
	keeper_leaves(true);
	fds_each(0, INT32_MAX, exec_one, NULL);
}

void socks_return(void)
{
	if (!atomic_exchange(&shim.left, false))
		return;
	fds_each(0, INT32_MAX, return_one, NULL);
	keeper_leaves(false);
}

void socks_spawn(void)
{
	fds_each(0, INT32_MAX, spawn_one, NULL);
}

void socks_not_spawned(void)
{
	fds_each(0, INT32_MAX, unspawn_one, NULL);
}
