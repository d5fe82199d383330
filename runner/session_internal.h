/*
 * session_internal.h - shared by the files of a session: session.c (the state
 * machine), session_start.c (starting one program), session_ready.c,
 * session_attached.c, session_steps.c (the timeline), session_stop.c and
 * session_await.c (what comes in).
 */
#ifndef FAULT_RUNNER_SESSION_INTERNAL_H
#define FAULT_RUNNER_SESSION_INTERNAL_H

#include "runner/command.h"
#include "runner/events.h"
#include "runner/observe.h"
#include "runner/segments.h"
#include "runner/session.h"
#include "runner/timeline.h"
#include "runner/wake.h"

/* The shortest interval of draining. */
#define SESSION_DRAIN_MIN_NS (1 * NS_PER_MS)

enum phase {
	PHASE_START,
	PHASE_RUN,
	PHASE_STOP,
	PHASE_OVER
};

/* The step of the timeline that goes on. */
struct step_work {
	struct event_look look;
	uint32_t generation;            /* arm, disarm: to be acknowledged */
	struct command_process command; /* run */
};

struct session {
	struct guardian *guardian;
	struct interrupt *interrupt;
	const struct scenario *scenario;
	const struct session_options *options;
	struct session_result *result;
	struct segments segments;
	struct observe observe;
	struct wake wake;
	struct call_watches calls;
	struct timeline timeline;
	struct step_work step;
	enum phase phase;
	size_t at; /* START: next to start; STOP: one above the one that ends */
	int64_t limit_ns;      /* absolute, 0 = none */
	int64_t settle_ns;     /* absolute, 0 = nobody has to come to rest */
	int64_t settle_cpu_ns; /* processor time that ends it as well */
	int64_t drain_ns;      /* interval of draining */
	unsigned forwarded;    /* signals passed on */
	int tty;               /* passthrough in the foreground, else -1 */
	enum guardian_group group;
};

/*
 * Ends the session: the first reason stays.  program: index, or n_programs.
 */
void session_end(struct session *s, enum session_end end, size_t program,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Can every program be started and reached?  Else the session has ended. */
bool session_check_programs(struct session *s);

/*
 * Starts program i: `count` instances of it, with `repeat` turns each; on
 * failure the session has ended.
 */
bool session_start_program(struct session *s, size_t i);
/* ... one instance, with so many more turns to come. */
bool session_start_instance(struct session *s, size_t program, uint32_t turns);

/* Decides the process group of passthrough; fills group and tty. */
void session_take_terminal(struct session *s);
void session_give_back_terminal(struct session *s);

/* Why the process of instance i has no library in it (to be freed). */
char *session_unattached_reason(const struct session *s, size_t i);

/* Does any instance of program i run? */
bool session_is_running(const struct session *s, size_t i);
/* Programs that are there for others, and end when they are told to. */
bool session_is_service(const struct session *s, size_t i);
/* Is the library to be in it? */
bool session_has_library(const struct session *s, size_t i);
bool instance_is_running(const struct instance_result *r);
/* Its exit is an outcome that the scenario expects. */
bool session_may_end_early(const struct session *s, size_t i);

/* The phases; each goes on to the next when it is through. */
void session_start_phase(struct session *s);
void session_stop_phase(struct session *s);

/*
 * Who has become ready, and who cannot any more: then the session has ended.
 */
void session_check_ready(struct session *s);
/* Has it, or a process below it, been seen to listen? */
bool session_listens(const struct session *s, const struct instance_result *r);
/* Are all instances of program i ready, or over? */
bool session_has_begun(const struct session *s, size_t i);

/*
 * Stops all instances of program i: the stop signal, and after its grace
 * SIGKILL.  To be called again until it is true: none is left, or nothing
 * helps.
 */
bool session_stop_program(struct session *s, size_t i);

/*
 * At the limit: scripted programs say in which step they are.  What is run
 * stands still meanwhile, so that nothing changes by it.
 */
void session_ask_scripts(struct session *s);

/* Are all jobs that were started over? */
bool session_jobs_done(const struct session *s);

/* The timeline, in RUN: true when all steps are done. */
void session_begin_steps(struct session *s);
bool session_advance_steps(struct session *s);
/* When it has to be advanced at the latest, 0: when something came in. */
int64_t session_step_deadline(const struct session *s, int64_t now);
/* "step 3 at a.yaml:12:5: waiting for ...; ", nothing without a step. */
void session_print_step(const struct session *s, FILE *out);

/*
 * When a program has ended, or had ten seconds, or when the limit has come, the
 * library must be in it: else the session has ended.
 */
void session_check_attached(struct session *s);

/* Looks at processes that executed something and have not attached yet. */
void session_look_at_pending(struct session *s);

/* Why it is without the library since its exec; ret: to be freed, or NULL. */
enum unreached_why session_lost_reason(const struct session *s,
                                       const struct observed_process *p,
                                       char **ret);

/* At the end: processes below the programs, which went on without us. */
void session_note_unattached(struct session *s);

/* Waits until something comes or a deadline passes, and takes what came. */
void session_await(struct session *s);
/* The parts of it that are wanted once more at the end. */
void session_read_output(struct session *s);
void session_take_ends(struct session *s);

#endif
