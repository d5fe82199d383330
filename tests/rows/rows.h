/*
 * rows.h - every injectable row of calls.def, called by its own name.
 *
 * A row is brought into the situation that suits its family, called once, and
 * what follows is told in a few lines that are the same in each run:
 *
 *   rows.c        arguments; list, errnos, call
 *   invoke.c      one call: its arguments, made from the row's shape
 *   situation.c   sockets before the call: what the table of effects asks for
 *   follow.c      what is seen afterwards, here and by the far end
 *   tables.c      the constant tables of plan/, compiled in
 *
 * The far end's system calls are those of tests/raw.h, which no library sees.
 *
 * One thread, one process; SIGPIPE is blocked, so that it can be counted and
 * is no handler in the eyes of gate G1.
 */
#ifndef TESTS_ROWS_ROWS_H
#define TESTS_ROWS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "plan/tables.h"

enum {
	ROWS_BYTES = 64,
	ROWS_ARITY = 7
};

struct rows_test {
	enum fault_call call;
	const struct fault_call_row *row;
	bool nonblock; /* the socket under test is non-blocking */
	bool zero;     /* transfers ask for no byte */
	bool all;      /* transfers go on until everything has moved */
	bool bound;    /* bind and listen begin with a bound socket */
	bool fresh;    /* transfers happen on an unconnected socket */
	bool closed;   /* the far end has closed */
	bool half;     /* ... or has shut down its sending side */
	int fd;        /* the socket under test */
	int listener;  /* the far end's listener, or -1 */
	int peer;      /* the far end, or -1 */
	int epfd;
	int file;                /* what sendfile sends */
	int pipe[2];             /* the other end of splice */
	struct sockaddr_in addr; /* for bind and connect */
};

/* What a call gave. */
struct rows_result {
	long value;
	int err;
	long moved; /* bytes of the stream, for transfers */
	bool sigpipe;
};

/* situation.c: make all that the row needs; ends the program if it cannot. */
void situation_make(struct rows_test *t);
_Noreturn void rows_die(const char *what, int err);

/* invoke.c: the row's own name: the symbol but for a TWIN. */
extern const char *const rows_names[N_CALLS];

/* Does this libc have the symbol? */
bool invoke_exists(enum fault_call call);

/*
 * Call the row once.  Transfers move bytes from `offset` of the pattern on;
 * received ones go to the same place of rows_received.
 */
void invoke(struct rows_test *t, size_t offset, struct rows_result *ret);
extern unsigned char rows_received[ROWS_BYTES];
unsigned char rows_pattern(size_t i);

/* follow.c: call it, print it, and what follows. */
void follow(struct rows_test *t);

#endif
