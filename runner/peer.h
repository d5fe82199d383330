/*
 * peer.h - a scripted program: one that listens or connects, and plays steps.
 *
 * It is a process of its own (`fault peer`), started like any other program,
 * with plain sockets: no library, no faults.  One thread, one epoll; each
 * connection is a small interpreter that never blocks.
 *
 *   peer_open()   sockets; from then on others can connect
 *   peer_play()   until a script fails (connect), all have run through
 *                 (connect), or it is told to stop
 *
 * What the steps mean is in fault-scenario(5).  The rules of the interpreter:
 *
 *   - Only a step that receives reads from its socket, so a script that does
 *     something else lets the sender's buffer fill up.
 *   - The other side is gone when it has closed or reset.  That ends `echo`,
 *     `drain`, and a `repeat: forever` at the start of a round or at a send.
 *     Whatever else was to come then is a failure.
 *   - A script that has failed closes its connection; the others go on.
 */
#ifndef FAULT_RUNNER_PEER_H
#define FAULT_RUNNER_PEER_H

#include <stdint.h>
#include <stdio.h>

#include "lang/scenario.h"

enum {
	PEER_TEXT_MAX = 1 << 20, /* received in vain by a `recv` of a text */
	PEER_EXCERPT = 200       /* bytes of what came, in a message */
};

struct peer;

/*
 * Of a LISTEN or CONNECT program, which has to live as long, as has err: one
 * line for each failure goes there.  seed is for picks in per cent.  NULL
 * without memory.
 */
struct peer *peer_new(const struct program *program, uint64_t seed, FILE *err);

/*
 * How `wait: {hit: RULE}` finds out: hits of the rules of that name; false:
 * there is no run.  Without it such a step fails.
 */
void peer_set_hits(struct peer *p,
                   bool (*hits)(void *context, const char *rule, uint64_t *ret),
                   void *context);

/*
 * Listens, or begins to connect.  0 or -errno, said on err.  Without `accept`
 * the queue is full before anybody else can get into it.
 */
int peer_open(struct peer *p);

/*
 * Beside SIGTERM, to `fault peer`: say what was not played to its end, close
 * stdout and stderr, keep the connections, and wait for SIGKILL.
 */
#define PEER_SIGNAL_TELL SIGUSR1

/* The port that it listens on. */
uint16_t peer_port(const struct peer *p);

/*
 * Plays until stop_fd is readable, or until the one connection of a CONNECT
 * program is through.  0: all scripts ran through; 1: not, and err says why.
 */
int peer_play(struct peer *p, int stop_fd);

/* Closes what is open.  NULL is allowed. */
void peer_free(struct peer *p);

#endif
