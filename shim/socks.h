/*
 * socks.h - the TCP sockets that this run knows: allocation, references,
 * lifecycle, and which rules can touch them.
 *
 * A socket is a fault_sock of run.h, shared by all its descriptors in all
 * processes.  Functions here make no system call but where they say so.
 */
#ifndef FAULT_SHIM_SOCKS_H
#define FAULT_SHIM_SOCKS_H

#include <sys/socket.h>

#include "engine/engine.h"
#include "fds.h"

/* The socket of a descriptor word; NULL when foreign or reused since. */
struct fault_sock *socks_of(uint64_t word);
/* Worked out: the entry is not touched. */
uint32_t socks_index(const struct fault_sock *s);

/*
 * A new socket at fd, in STATE_NEW; ipv6 says its domain.  Untracked
 * (NULL) when the tables are full; run->lost_socks counts it.
 */
struct fault_sock *socks_create(int fd, bool ipv6);

/* accept returned fd of a listener like that; peer may be NULL (not known). */
struct fault_sock *socks_accepted(int fd, bool ipv6, uint16_t local_port,
                                  const struct sockaddr *peer);

/* A UNIX socket: watched for descriptors that arrive through it. */
void socks_unix(int fd);

/*
 * Find out what fd is (system calls: SO_DOMAIN, SO_PROTOCOL, SO_COOKIE,
 * names), and track it if it is a TCP socket.  One that the run knows by its
 * SO_COOKIE gets its old entry, and takes over a reference that is on its way:
 * that of the image before, that of the message, none after a look (MSG_PEEK).
 */
void socks_inherited(int fd);
void socks_received(int fd);
void socks_peeked(int fd);

/* Is fd still s?  (System calls: asked when a fault is about to fire.) */
bool socks_same(int fd, const struct fault_sock *s);

/* fd is about to be closed or replaced: forget it, drop the reference. */
void socks_forget(int fd);

/* The same, unless fd is another socket's by now. */
void socks_forget_if(int fd, struct fault_sock *s);

/* The same after the word has been taken out of the table. */
void socks_drop(struct fault_sock *s);

/* Changes when the entry becomes another socket's. */
static inline uint32_t socks_generation(const struct fault_sock *s)
{
	return atomic_load_explicit(&run_ref(shim.run, s)->generation,
	                            memory_order_acquire);
}

static inline uint32_t socks_generation_at(uint32_t index)
{
	return atomic_load_explicit(&run_refs(shim.run)[index].generation,
	                            memory_order_acquire);
}

/* One reference more; how many there are, over all processes. */
void socks_hold(struct fault_sock *s);
uint32_t socks_holders(const struct fault_sock *s);

/* to is now a duplicate of from. */
void socks_dup(int from, int to);

/*
 * The child's references.  Several threads may fork at once: what the first one
 * is told by socks_fork_begins() it says at its end, and in its child.
 */
bool socks_fork_begins(void);
void socks_fork_ends(bool marked);
void socks_fork_child(bool marked);

/*
 * Another image follows in this process: descriptors that are closed by exec
 * give their references back; the table stays.  When the exec has failed, they
 * are taken again: at once, or by the next call (socks_return).
 */
void socks_exec(void);
void socks_return(void);

/* We are the image: what the exec closed is given back. */
void socks_closed_by_exec(void);

/* A child without a table of its own (vfork, spawn) becomes another image. */
void socks_spawn(void);
void socks_not_spawned(void); /* it has failed */

/* The process ends: all its references go. */
void socks_leave(void);

/* fd is in a message that has been sent: it holds a reference. */
void socks_passed(int fd);
void socks_not_passed(int fd);

/* Remember SO_COOKIE: before exec and passing. */
void socks_remember(int fd, uint64_t word);

/* The socket is connected: ordinal, watches, words. */
void socks_established(int fd, struct fault_sock *s, enum fault_role role);

/*
 * A fresh socket is about to bind, listen or connect: its rules are looked up
 * with what is known now (role, port, peer).
 */
void socks_rewatch_fresh(struct fault_sock *s);

/* listen succeeded / connect is under way. */
void socks_listening(int fd, struct fault_sock *s);
void socks_connecting(int fd, struct fault_sock *s);

/* connect failed: a fresh socket again. */
void socks_unconnected(int fd, struct fault_sock *s, enum fault_state state);

/* fd, until now foreign, is s from now on; socks_refresh() does the rest. */
void socks_appear(int fd, struct fault_sock *s);

/* Take the state, and make the descriptor's word follow. */
void socks_state(int fd, struct fault_sock *s, enum fault_state state);

/*
 * The families that must leave the fast path for this socket, into the word
 * of fd: those of its rules, of pending corrections, all when traced.
 */
void socks_refresh(int fd, struct fault_sock *s);

/* As the engine sees it. */
void socks_describe(const struct fault_sock *s, struct engine_socket *ret);

/* sockaddr -> plan_addr with the port; IPv4-mapped becomes IPv4. */
void socks_addr(const struct sockaddr *addr, struct plan_addr *ret);

/* The other way, for a socket of this domain; returns the length. */
unsigned socks_sockaddr(const struct plan_addr *a, bool ipv6,
                        struct sockaddr_storage *ret);

#endif
