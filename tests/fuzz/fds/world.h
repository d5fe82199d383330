/*
 * world.h - some processes that take turns, each doing one step with their
 * descriptors, and what is known of them (fds.c).
 *
 * One process acts at a time, so that between two steps the table of the run
 * stands still and can be compared: each process's table of descriptors (read
 * out of its own libfault.so) with what the kernel says, and the references of
 * each socket with all those tables and the messages under way.
 *
 * What is allowed: a number that was touched behind the library's back (a raw
 * system call) is `stale` until the library sees it defined anew; a descriptor
 * that the kernel dropped from a message leaves a reference behind (lost).
 */
#ifndef TESTS_FUZZ_FDS_WORLD_H
#define TESTS_FUZZ_FDS_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "plan/run.h"
#include "shim/fds.h"
#include "tests/raw.h"

enum {
	N_FDS = 160, /* numbers that are looked at */
	CHANNEL = N_FDS - 2,
	N_NUMBERS = 64, /* numbers that steps aim at */
	N_MEMBERS = 6,
	N_STEPS = 512,
	N_KNOWN = 512,
	N_QUEUED = 32,
	N_RIGHTS = 4,
	N_LOST = 2048,
};

/* What one process does at its turn; what a, b and c mean, ops.c says. */
struct step {
	uint8_t op, who, a, b, c;
};

/* Bit of c: a thread of its own does it. */
enum {
	ALONE = 0x80
};

struct member {
	int pid;
	bool alive;
	bool stale[N_FDS];
	uint32_t entry[N_FDS]; /* what it believes: index of the entry, 0 */
};

/* A TCP socket, by SO_COOKIE. */
struct known {
	uint64_t cookie;
	uint32_t serial, connection;
	uint8_t role;
	bool mapped; /* IPv6, and was aimed at an IPv4 address */
	bool vague;  /* copied behind the library's back: may be two entries */
};

struct message {
	uint32_t n, entry[N_RIGHTS];
};

struct lost {
	uint32_t serial, n;
};

struct world {
	char path[64]; /* of this memory, for an image that follows */
	char program[256];
	_Atomic uint32_t turn; /* member that acts, or OVER */
	_Atomic uint32_t failed;
	uint32_t n_steps, at;
	int leaving; /* pid that is about to end, 0 */
	bool told;   /* steps are printed as they are done */
	bool vague;  /* ordinals are no longer dense */
	struct step steps[N_STEPS];
	struct member members[N_MEMBERS];
	struct known known[N_KNOWN];
	uint32_t n_known;
	struct message queue[N_QUEUED]; /* first in, first out */
	uint32_t n_queued;
	struct lost lost[N_LOST];
	uint32_t n_lost;
	uint64_t channel; /* SO_COOKIE of what descriptors are received from */
	uint32_t ordinals[N_ROLES]; /* that there should be now */
	char what[512];
};

enum {
	OVER = 1000
};

extern struct world *world;
extern unsigned self; /* our member */

/* ---- view.c: the kernel's view and the library's ------------------------- */

enum kind {
	KIND_CLOSED,
	KIND_TCP,
	KIND_LISTENER,
	KIND_UNIX,
	KIND_OTHER
};

/* Find the library's table in this image; false: it is not there. */
bool view_begin(void);
struct fault_run *view_run(void);
struct fault_sock *view_sock(int fd); /* NULL: none, or of a former entry */
uint32_t view_entry(int fd);          /* its index, 0 */

enum kind kind_of(int fd);
uint64_t cookie_of(int fd);
struct known *known_of(uint64_t cookie, bool make);

/* Our own table is as the kernel's; all references are accounted for. */
void view_check(void);
void view_publish(void);

/* The number is defined anew, as the library knows. */
void defined(int fd);

void lose(uint32_t serial);

/* The first to say so ends the world. */
__attribute__((format(printf, 1, 2))) void fail(const char *format, ...);

/* ---- ops.c ----------------------------------------------------------------
 */

struct op {
	const char *name;
	void (*run)(const struct step *s);
	unsigned weight;
};
extern const struct op ops[];
extern const unsigned n_ops;

/* ---- processes.c -----------------------------------------------------------
 */

/* Take turns until the world is over; does not return. */
_Noreturn void member_live(void);
_Noreturn void member_begin(const char *path, unsigned member);
struct world *world_map(const char *path);

void op_fork(const struct step *s);
void op_vfork(const struct step *s);
void op_spawn(const struct step *s);
void op_exec(const struct step *s);
void op_no_exec(const struct step *s);
void op_exit(const struct step *s);

/* ---- messages.c ------------------------------------------------------------
 */

void op_pass(const struct step *s);
void op_receive(const struct step *s);
int messages_drain(int fd); /* how many were left */

/* The n-th open, known descriptor of this kind, or -1. */
int pick(enum kind kind, unsigned n);

#endif
