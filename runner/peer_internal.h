/*
 * peer_internal.h - shared by peer.c (sockets, the loop), peer_script.c (from
 * step to step), peer_recv.c and peer_send.c (steps that transfer) and
 * peer_say.c (messages).
 */
#ifndef FAULT_RUNNER_PEER_INTERNAL_H
#define FAULT_RUNNER_PEER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runner/peer.h"

enum {
	PEER_CHUNK = 16 << 10, /* bytes that one call moves at most */
	/* One connection's calls or steps in a row: then others are served. */
	PEER_FAIR = 16,
};

/* A list of steps that is being played; the lowest one is the script. */
struct frame {
	const struct step *repeat; /* whose list it is; NULL: the script's */
	const struct step *v;
	size_t n, at;
	uint32_t round;
};

struct conn {
	struct peer *peer;
	const struct script *script; /* NULL: nobody picked it */
	uint32_t ordinal;            /* from 1 */
	int fd;                      /* -1: closed */
	bool connecting;
	bool over;        /* nothing is left to be played */
	uint32_t watched; /* what epoll reports of it, 0: it is not there */
	uint32_t want;    /* what the current step waits for: EPOLLIN, ... */
	int64_t wake_ns;  /* ... or until when; 0: for ever */
	bool begun;       /* the current step */
	int64_t begin_ns; /* ... when */
	uint64_t moved;   /* ... bytes so far */
	int file;         /* ... SEND of a file, else -1 */
	int64_t base_ns;  /* ... SEND at a rate: since then ... */
	uint64_t base;    /* ... more than this was moved */
	char *in;         /* received, and not yet taken by a step */
	size_t in_len, in_cap;
	size_t scanned;          /* so much of it does not have the text */
	char tail[PEER_EXCERPT]; /* the last bytes that came */
	size_t tail_len;
	bool eof;     /* FIN was received */
	int err;      /* ECONNRESET, ...: the kernel says it only once */
	size_t depth; /* of frames in use; the innermost is the last */
	struct frame frames[]; /* as many as scripts are deep */
};

struct peer {
	const struct program *program;
	uint64_t seed;
	FILE *err;
	size_t depth; /* of the deepest script */
	bool (*hits)(void *context, const char *rule, uint64_t *ret);
	void *hits_context;
	int listener, filler, epoll;
	uint16_t port;
	struct conn **conns;
	size_t n_conns, cap;
	uint32_t n_accepted;
	bool *used; /* of each script: some connection had it */
	unsigned n_said;
	bool failed;
};

/* How far a step got. */
enum turn {
	TURN_DONE,
	TURN_WAITS, /* for want or wake_ns */
	TURN_FAILED /* and it was said */
};

/* ---- peer_script.c ------------------------------------------------------- */

/* Picks the script of a connection; one without a script is drained. */
void conn_begin(struct conn *c);

/* As many frames as the deepest of the lists needs. */
size_t script_depth(const struct step_list *l);

/* Plays on until it has to wait or is over. */
void conn_play(struct conn *c);

/* The step that it is in the middle of; NULL: over, or without an end. */
const struct step *conn_unfinished(const struct conn *c);

/* The other side is gone: leaves the `repeat: forever` around the current
 * step; receiving: only at the start of a round.  False: there is none. */
bool conn_leave_loop(struct conn *c, bool receiving);

/* The step behind this one in its list, or NULL. */
const struct step *conn_next_step(const struct conn *c);

/* ---- peer_recv.c, peer_send.c -------------------------------------------- */

enum turn recv_step(struct conn *c, const struct step *s);
enum turn echo_step(struct conn *c, const struct step *s);
enum turn drain_step(struct conn *c, const struct step *s);
enum turn send_step(struct conn *c, const struct step *s);

/*
 * Receives up to max bytes behind what is there.  > 0; 0: end of file; -EAGAIN;
 * else -errno, which stays.
 */
ssize_t conn_receive(struct conn *c, size_t max);

/* Forgets the first n bytes. */
void conn_take(struct conn *c, size_t n);

/* What has come is read away, so that close(2) sends a FIN and no RST. */
void conn_close(struct conn *c);

/* ---- peer_say.c ---------------------------------------------------------- */

/*
 * "FILE:LINE:COL: connection 2: expected recv eof, got ...", and the last n
 * bytes that came (0: none).  Returns TURN_FAILED.
 */
enum turn say_failed(struct conn *c, const struct step *s, size_t n,
                     const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, of the program as a whole. */
void say_program(struct peer *p, const struct source_loc *loc,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
