/*
 * session.h - one scenario from its start to its end.
 *
 *   session_run()   segments, programs in order, readiness, deadlines, ends
 *   judge.h         what to make of the result
 *
 * State machine, one thread, one poll() over the guardian, the wake-ups of the
 * library, signals and the programs' output:
 *
 *   START  programs are started in file order, each when the one before is
 *          ready (or is a job, which is ready once its exec succeeded)
 *   RUN    steps, one after another, until all are done and all jobs have
 *          exited
 *   STOP   services get their signal in reverse order and their grace, then
 *          SIGKILL; not before all of them have come to rest (asleep.h), so
 *          that one that is dying already dies of that
 *   OVER   everything that any of them left behind is killed; the rest of the
 *          trace and of the output is read
 *
 * A program that cannot start or attach, a step that fails, the limit, a signal
 * and the death of the guardian lead straight to OVER.
 */
#ifndef FAULT_RUNNER_SESSION_H
#define FAULT_RUNNER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lang/scenario.h"
#include "runner/capture.h"
#include "runner/guardian.h"
#include "runner/interrupt.h"
#include "runner/print_trace.h"

struct session_options {
	uint64_t seed;
	bool stacks;
	/*
	 * exec, trace: the only program has our stdin, stdout, stderr and the
	 * terminal; there is no limit; signals are passed on to it.
	 */
	bool passthrough;
	size_t only;            /* passthrough: index of that program */
	const char *library;    /* of launch_library(); NULL = none is needed */
	const char *trace_path; /* where the records are kept; NULL = nowhere */
	uint64_t max_records;   /* so many are kept, 0 = all */
	int64_t spent_ns;       /* of the limit, before */
	/* Called for each record as it is drained; NULL = nobody. */
	void (*record)(void *context, const struct trace_context *c,
	               const struct fault_record *r);
	void *record_context;
};

/*
 * One process tree of a program: `count` of them at once, each `repeat` times
 * in turn, and as many again with each step that starts the program.
 */
struct instance_result {
	size_t program;  /* index */
	uint32_t number; /* among those of its program, from 1 */
	uint32_t turns;  /* that follow when it has ended (`repeat`) */
	bool started;    /* its exec succeeded */
	bool ready;      /* services: it was seen to be ready */
	bool exited;     /* status is that of wait(2) */
	bool expelled;   /* exited before services were stopped, but after ready
	                  */
	bool stopped;    /* got its stop signal while it ran */
	bool killed;     /* did not end in its grace, or was running at OVER */
	bool by_step;    /* a step asked for its end */
	uint64_t signals; /* that steps sent it: bits */
	pid_t pid;
	int status;
	int64_t started_ns, ended_ns;
	int64_t stop_until_ns; /* when it is killed; 0: it is not asked to end
	                        */
	int64_t mute_ns; /* since when nobody can write to us; 0: somebody can
	                  */
	bool vetted;     /* it ended, and the library was in it */
	struct capture out, err;
};

/* There for others, and ends when it is told to; else it is a job. */
bool program_is_service(const struct program *p);

struct rule_result {
	uint32_t hits, due, shadowed;
	uint32_t gated[N_GATES];
	uint32_t armings; /* while it ran */
	bool armed;       /* at the end */
};

enum session_end {
	SESSION_OVER,        /* ran to its end */
	SESSION_LIMIT,       /* the limit passed */
	SESSION_STEP,        /* a step could not be done, or came too late */
	SESSION_INTERRUPTED, /* a signal came */
	SESSION_NOT_READY,   /* a program ended before it was ready */
	SESSION_NOT_STARTED, /* it does not exist, is not executable, ... */
	SESSION_ENVIRONMENT, /* not attached, no shared memory, ... */
};

struct session_result {
	enum session_end end;
	char *message;  /* of all ends but OVER: one sentence, or more lines */
	size_t program; /* that the message is about, else n_programs */
	struct source_loc step_loc; /* STEP: which; file NULL else */
	int start_errno;            /* NOT_STARTED: why */
	int trace_errno;  /* why, if the trace could not be written, else 0 */
	bool truncated;   /* more than max_records: the rest is not kept */
	bool incomplete;  /* records were dropped or tables were full */
	char *unattached; /* a child process that was not reached, or NULL */
	bool unattached_matters; /* it did not end before it could be */
	uint64_t urings; /* programs that have set up an io_uring: bits */
	size_t n_left;   /* processes that had to be killed at OVER */
	int64_t time_ns;
	size_t n_programs, n_rules, n_instances;
	struct instance_result *instances; /* in the order of their starts */
	struct rule_result *rules;
	void *plan; /* as it was run */
	size_t plan_len;
};

/*
 * Runs it.  Always fills ret (session_result_release() it), and leaves no
 * process, segment or directory of its own; the interrupt may have been used.
 * diags gets what is wrong with the rules.  0, or -EINVAL with nothing
 * started: the rules cannot be compiled.
 */
int session_run(struct guardian *g, struct interrupt *i,
                const struct scenario *s, const struct session_options *options,
                struct session_result *ret, struct diag_list *diags);
void session_result_release(struct session_result *r);

/* "client", or "client (3 of 200)": instance i in a message. */
void session_instance_name(const struct scenario *s,
                           const struct session_result *r, size_t i, char *buf,
                           size_t size);
/* Of a scripted program: the machine failed it, not the other side. */
bool session_script_gave_up(const struct instance_result *r);
/* "was killed by SIGSEGV", "exited with status 3": buf. */
const char *session_how_ended(int status, char *buf, size_t size);
/* How many instances of a program there have been so far. */
uint32_t session_n_instances(const struct session_result *r, size_t program);

#endif
