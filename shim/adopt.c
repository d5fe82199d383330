/*
 * adopt.c - descriptors that were not made through us: inherited over exec,
 * received over a UNIX socket.  The only place that asks the kernel what a
 * descriptor is; part of socks.h.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

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
static bool take_in_flight(struct fault_sock *s)
{
	uint32_t n = atomic_load(&s->in_flight);

	while (n) {
		if (atomic_compare_exchange_weak(&s->in_flight, &n, n - 1))
			return true;
	}
	return false;
}

/*
 * Of a sender without us, or a process that was made behind our back (inside
 * libc, by a raw system call), there is none: one more then, or the last of
 * those that inherit it would take the entry with it.
 */
static void receive_reference(struct fault_sock *s)
{
	if (!take_in_flight(s))
		socks_hold(s);
}

void socks_leaving(int fd, uint64_t word)
{
	struct fault_sock *s = socks_of(word);

	if (!s)
		return;
	socks_remember(fd, word);
	atomic_fetch_add(&s->in_flight, 1);
}

void socks_come_back(uint64_t word)
{
	struct fault_sock *s = socks_of(word);

	if (s)
		receive_reference(s);
}

void socks_passed(int fd)
{
	struct fault_sock *s = socks_of(fds_word(fd));

	if (!s)
		return;
	socks_hold(s);
	socks_leaving(fd, fds_word(fd));
}

void socks_not_passed(int fd)
{
	struct fault_sock *s = socks_of(fds_word(fd));

	if (s && take_in_flight(s))
		socks_drop(s);
}

static void track(int fd, bool ipv6)
{
	uint64_t cookie = cookie_of(fd);
	struct fault_sock *s = known(cookie);

	if (s) {
		receive_reference(s);
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

void socks_adopt(int fd)
{
	int saved = errno;
	int domain = option(fd, SO_DOMAIN);

	socks_forget(fd);
	if (domain == AF_UNIX)
		socks_unix(fd);
	else if ((domain == AF_INET || domain == AF_INET6) &&
	         option(fd, SO_PROTOCOL) == IPPROTO_TCP)
		track(fd, domain == AF_INET6);
	errno = saved;
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
