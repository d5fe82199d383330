/*
 * session_internal.h - shared by session.c (the state machine),
 * session_start.c (starting one program) and session_ends.c (what comes in).
 */
#ifndef FAULT_RUNNER_SESSION_INTERNAL_H
#define FAULT_RUNNER_SESSION_INTERNAL_H

#include "runner/observe.h"
#include "runner/segments.h"
#include "runner/session.h"
#include "runner/wake.h"

enum phase {
	PHASE_START,
	PHASE_RUN,
	PHASE_STOP,
	PHASE_OVER
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
	enum phase phase;
	size_t at; /* START: next to start; STOP: one above the one that ends */
	int64_t limit_ns;      /* absolute, 0 = none */
	int64_t grace_ns;      /* absolute, 0 = nobody is being stopped */
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

/* Starts program i; on failure the session has ended. */
bool session_start_program(struct session *s, size_t i);

/* Decides the process group of passthrough; fills group and tty. */
void session_take_terminal(struct session *s);
void session_give_back_terminal(struct session *s);

/* Why the process of program i has no library in it (to be freed). */
char *session_unattached_reason(const struct session *s, size_t i);

bool session_is_service(const struct session *s, size_t i);
bool session_may_end_early(const struct session *s, size_t i);

#endif
