/*
 * unreached.h - why is the library not in this process?
 *
 * What can be seen of the process while it lives, in /proc/PID, and what its
 * file says when it is gone.  Nothing is guessed: what shows nothing has no
 * reason but that.
 */
#ifndef FAULT_RUNNER_UNREACHED_H
#define FAULT_RUNNER_UNREACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/reach.h"

enum unreached_why {
	UNREACHED_UNKNOWN,
	UNREACHED_FILE,        /* of a kind that cannot be reached (reach.h) */
	UNREACHED_SECURE,      /* ld.so runs it with AT_SECURE */
	UNREACHED_OTHER_RUN,   /* its environment names another run */
	UNREACHED_NO_ROOM,     /* its environment is too large for ours */
	UNREACHED_ENVIRONMENT, /* its environment lacks ours */
	UNREACHED_ROOT,        /* a root in which the library is not */
	UNREACHED_NOT_LOADED,  /* ld.so was told, and did not load it */
	UNREACHED_IPC,         /* another IPC namespace */
	UNREACHED_FILTER,      /* loaded; a seccomp filter is on */
	UNREACHED_REFUSED,     /* loaded; the shared memory was refused */
	UNREACHED_HIDDEN,      /* another user's: it cannot be looked at */
	UNREACHED_KILLED,      /* a signal came before it could attach */
	UNREACHED_GONE,        /* it had ended before anybody could look */
	N_UNREACHED
};

/* What was seen of an image; zeroed: nothing. */
struct unreached {
	bool looked, alive;     /* at least once; when it was last looked at */
	bool sleeps;            /* it did, then */
	bool image;             /* the new one was seen: then also */
	bool settled;           /* it has slept: ld.so is through */
	bool secure, loaded;    /* AT_SECURE; the library is mapped */
	bool environment;       /* readable: then */
	bool preload, same_run; /* LD_PRELOAD has the library; FAULT_SHM ours */
	bool ipc, root,
		filter; /* another namespace; no library there; seccomp */
	bool hidden;
	uint8_t reach;   /* enum reach of its file */
	uint8_t unkept;  /* enum unreached_why that the library told, or 0 */
	uint8_t signal;  /* that ended it, while nobody waited for it */
	int64_t next_ns; /* when to look again */
};

/* The run that it should be in. */
struct unreached_run {
	const char *library;
	int plan_id, run_id;
};

/* Looks at the process pid, and adds what there is to see. */
void unreached_look(uint32_t pid, const struct unreached_run *run,
                    struct unreached *u);

/*
 * The reason.  path: the file that was executed, "" = not known; dir: where a
 * relative one is seen from, or NULL.  ret_reach: of UNREACHED_FILE.
 */
enum unreached_why unreached_why(const struct unreached *u, const char *path,
                                 const char *dir, enum reach *ret_reach);

/* A sentence with the remedy, to be freed; NULL: no memory. */
char *unreached_text(enum unreached_why why, enum reach reach,
                     const struct unreached *u, const char *path);

#endif
