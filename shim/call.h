/*
 * call.h - one wrapped call on the slow path, from entry to return.
 *
 *   wrapper -> call_slow() -> the handler of the row's effect
 *
 * A handler makes the real call exactly once (call_real), or not at all when a
 * fault says so, keeps the tables right and lets rules act (decide.h).  The
 * struct lives on the stack of the calling thread; nothing points to it when
 * the real call is under way.
 */
#ifndef FAULT_SHIM_CALL_H
#define FAULT_SHIM_CALL_H

#include "next.h"
#include "record.h"
#include "socks.h"

struct shim_call {
	enum fault_call id;
	const struct fault_call_row *row;
	long a[MAX_ARITY];       /* our copy: a short I/O asks for less */
	int fd;                  /* -1: none */
	struct fault_sock *sock; /* NULL: none, or not tracked */
	uint32_t generation;     /* of the socket when the call took it */
	uint8_t sock_flags;      /* the same: enum fault_sock_flag */
	void *caller;
	long result;    /* as the program will see it */
	int err;        /* errno if it is -1; of resolver and stdio always */
	int said;       /* by the resolver: 0 or an EAI_ code; as SO_ERROR */
	bool made;      /* the real call has happened */
	bool at_end;    /* a peek has found the end of the stream */
	uint16_t port;  /* accept: of the listener, which may be closed then */
	bool born_dead; /* accept: the new socket has its entry already */
	long number;    /* syscall(2): its number + 1; else 0 */
	enum fault_call closer; /* close by a stream: fclose or pclose */
	long stream;            /* ... its argument */
	uint8_t flags;          /* enum fault_record_flag of its record */
	uint32_t rule;          /* index + 1 of the rule that acted */
	/* Bytes that it changes, from the first on. */
	uint64_t corrupt;
	/* It receives no more, since no more has come yet; 0: all there is. */
	uint32_t visible;
	struct record record;
	struct engine_call e;
	struct engine_choice choice;
};

/* The only entry: runs the call, sets errno, returns its result. */
long call_slow(enum fault_call id, const long *args, void *caller);

/* The same from the syscall(2) wrapper, with the row's arguments. */
void call_run(struct shim_call *c);

/* Make the real call with c->a; fills result, err, made. */
void call_real(struct shim_call *c);

/* The call fails with this errno, without the kernel. */
void call_fail(struct shim_call *c, int err);

/* The call is about this socket (NULL: none) from now on. */
static inline void call_take_sock(struct shim_call *c, struct fault_sock *s)
{
	c->sock = s;
	if (s) {
		c->generation = socks_generation(s);
		c->sock_flags = atomic_load(&s->flags);
	}
}

/*
 * Is the socket still the one that the call began with?  While a thread waits
 * in a call another may close the descriptor, and the entry may be reused.
 */
bool call_owns_sock(const struct shim_call *c);

/*
 * The MSG_ or other flags argument, 0 if the row has none; RWF_NOWAIT is
 * MSG_DONTWAIT.
 */
int call_flags(const struct shim_call *c);

/* One function per enum fault_effect; slow.c has the table. */
void handle_create(struct shim_call *c);
void handle_bind(struct shim_call *c);
void handle_listen(struct shim_call *c);
void handle_accept(struct shim_call *c);
void handle_connect(struct shim_call *c);
void handle_io(struct shim_call *c);
void handle_shutdown(struct shim_call *c);
void handle_close(struct shim_call *c);
void handle_getsockopt(struct shim_call *c);
void handle_setsockopt(struct shim_call *c);
void handle_getname(struct shim_call *c);
void handle_epoll_ctl(struct shim_call *c);
void handle_wait(struct shim_call *c);
void handle_socketpair(struct shim_call *c);
void handle_dup(struct shim_call *c);
void handle_dup2(struct shim_call *c);
void handle_fcntl(struct shim_call *c);
void handle_ioctl(struct shim_call *c);
void handle_close_range(struct shim_call *c);
void handle_closefrom(struct shim_call *c);
void handle_syscall(struct shim_call *c);
void handle_fork(struct shim_call *c);
void handle_resolve(struct shim_call *c);
void handle_dprintf(struct shim_call *c);
void handle_fdopen(struct shim_call *c);
void handle_fclose(struct shim_call *c);
void handle_freopen(struct shim_call *c);

#endif
