/*
 * guardian.h - the process that owns every program.
 *
 * `fault` forks it before anything else.  It is a subreaper and holds one end
 * of a socket: it starts programs on request, says how they ended, and when
 * the socket closes, however `fault` ended, it kills every process below
 * itself, removes the temporary directories and exits.
 *
 * All functions are called from one thread of `fault`.  Requests are answered
 * at once; events (exits) that arrive in between are queued and come out of
 * guardian_next().
 */
#ifndef FAULT_RUNNER_GUARDIAN_H
#define FAULT_RUNNER_GUARDIAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct guardian;

/* The process group that a program starts in. */
enum guardian_group {
	GROUP_OWN,        /* its own */
	GROUP_FOREGROUND, /* its own, and the terminal's foreground */
	GROUP_OURS        /* that of `fault` */
};

struct guardian_program {
	char *const *argv; /* NULL-terminated */
	char *const *env;  /* NULL-terminated */
	const char *dir;   /* NULL = where `fault` was started */
	int in, out, err;  /* descriptors of `fault`, stay open here */
	enum guardian_group group;
};

enum guardian_event_kind {
	GUARDIAN_EXITED,
	GUARDIAN_STOPPED
};

struct guardian_event {
	enum guardian_event_kind kind;
	pid_t pid;
	int status; /* as of wait(2) */
};

/* What a program's start failed at. */
enum guardian_step {
	STEP_NONE,
	STEP_FORK,
	STEP_DIR,
	STEP_EXEC
};

/*
 * terminal: programs are to share the caller's session and so its terminal;
 * else they are in a session of their own.  Call it before any thread exists;
 * blocks SIGCHLD in the guardian only.  0 or -errno.
 */
int guardian_start(bool terminal, struct guardian **ret);

/* Kills what is left, waits for the guardian's end, frees.  NULL is allowed. */
void guardian_stop(struct guardian *g);

/*
 * Starts a program.  0 with ret_pid once its exec succeeded, else -errno with
 * ret_step; -EPIPE with STEP_NONE: the guardian is gone.
 */
int guardian_spawn(struct guardian *g, const struct guardian_program *p,
                   pid_t *ret_pid, enum guardian_step *ret_step);

/*
 * Signals a program that guardian_spawn() started, or its process group.  0
 * or -errno; -ESRCH once its end was seen, so never another process's pid.
 */
int guardian_signal(struct guardian *g, pid_t pid, int sig, bool group);

/*
 * SIGKILLs every process that any program left, and waits for their ends.
 * Returns how many had to be killed, or -errno.
 */
int guardian_kill_all(struct guardian *g);

/*
 * A new directory below $TMPDIR or /tmp, which the guardian removes at the
 * next guardian_clean() or at its end.  0 or -errno.
 */
int guardian_make_dir(struct guardian *g, char *buf, size_t size);
int guardian_clean(struct guardian *g);

/* Readable when guardian_next() may have something. */
int guardian_fd(const struct guardian *g);

/*
 * 1 with an event, 0: none now, -EPIPE: the guardian is gone, -ENOMEM: one is
 * lost (machine.h).
 */
int guardian_next(struct guardian *g, struct guardian_event *ret);

#endif
