/*
 * scenario.h - the scenario language: YAML text -> model -> plan.
 *
 * The grammar and its meaning are fault-scenario(5).  Knows no process, no
 * socket and no clock; allocates freely; never prints.  Not thread-safe beyond
 * different objects in different threads.
 *
 *   suite_load()   a file: parsed, expanded by matrix, checked
 *   suite_bind()   one case with its ${...} filled in: a struct scenario
 *   scenario_plan() its compiled faults (plan.h)
 *
 * Words that are in the grammar and not built yet are refused with "not yet
 * available" from the one list in not_yet.c.
 */
#ifndef FAULT_LANG_SCENARIO_H
#define FAULT_LANG_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"
#include "plan/plan.h"

struct source_loc {
	const char *file; /* owned by the suite */
	unsigned line, column;
};

/* RANGE: both ends included; open ends are INT64_MIN and INT64_MAX. */
struct range {
	int64_t min, max;
};

/* TEXT: all must be found, in order, each after the end of the one before. */
struct text_match {
	char *text; /* substring, or the ERE between the slashes */
	bool regex;
	struct source_loc loc;
};
struct text_list {
	struct text_match *v;
	size_t n;
};

enum program_kind {
	PROGRAM_RUN,
	PROGRAM_LISTEN,
	PROGRAM_CONNECT
};
enum ready_kind {
	READY_NONE,
	READY_LISTENING,
	READY_TEXT
};

struct env_entry {
	char *name, *value;
};

/* A command of the language: split like a shell's words, no shell. */
struct command {
	char **argv; /* NULL-terminated */
	struct source_loc loc;
};

/* ---- steps: the timeline, and scripts ------------------------------------ */

enum event_kind {
	EVENT_EXIT,   /* program has ended */
	EVENT_READY,  /* a service is ready, a job has begun */
	EVENT_OUTPUT, /* its stdout or stderr has the text */
	EVENT_FILE,   /* a file has the text */
	EVENT_HIT,    /* rules of that name have hit `count` times */
	EVENT_CALL,   /* calls have been made `count` times */
};

struct event {
	enum event_kind kind;
	struct source_loc loc;
	size_t program; /* EXIT, READY, OUTPUT, CALL; n_programs: any (CALL) */
	char *path;     /* FILE */
	struct text_list has;
	char *rule;         /* HIT: a name, of one rule or a group */
	struct range count; /* HIT, CALL; 1.. by default */
	uint64_t calls[PLAN_CALL_WORDS];
	uint8_t roles;
	struct plan_pick connection;
};

enum step_kind {
	/* anywhere */
	STEP_WAIT_TIME,
	STEP_WAIT_EVENT,
	STEP_REPEAT,
	/* the timeline */
	STEP_START,
	STEP_STOP,
	STEP_SIGNAL,
	STEP_ARM,
	STEP_DISARM,
	STEP_RUN,
	/* scripts */
	STEP_SEND,
	STEP_RECV,
	STEP_CLOSE,
	STEP_RESET,
	STEP_HALF_CLOSE,
	STEP_ECHO,
	STEP_DRAIN,
	N_STEP_KINDS
};

enum recv_kind {
	RECV_TEXT, /* until it has come; what follows is left for later */
	RECV_SIZE,
	RECV_EOF,
	RECV_RESET
};

struct step {
	enum step_kind kind;
	struct source_loc loc;
	int64_t time_ns;    /* WAIT_TIME */
	struct event event; /* WAIT_EVENT */
	/* WAIT_EVENT, RECV: when it must have come, from the step's start */
	bool has_within;
	struct range within_ns;
	uint32_t times; /* REPEAT; 0: for ever */
	struct step *steps;
	size_t n_steps;
	size_t program;      /* START, STOP, SIGNAL */
	int signal;          /* SIGNAL */
	char *rule;          /* ARM, DISARM: a name, of one rule or a group */
	struct command run;  /* RUN */
	enum recv_kind recv; /* RECV */
	struct text_match text; /* RECV_TEXT */
	uint64_t size;          /* RECV_SIZE; SEND of a pattern, else 0 */
	char *bytes;            /* SEND of these */
	size_t n_bytes;
	char *file;    /* SEND of a file */
	uint64_t rate; /* SEND: bytes per second, 0: at once */
};

struct step_list {
	struct step *v;
	size_t n;
};

/* What a scripted program does on the connections that are picked. */
struct script {
	struct plan_pick connections; /* first 0: all */
	struct step_list steps;
};

struct program {
	char *name;
	struct source_loc loc;
	enum program_kind kind;
	struct plan_addr address; /* LISTEN, CONNECT; family 0: 127.0.0.1 */
	struct script *scripts;   /* the first that picks a connection has it */
	size_t n_scripts;
	bool accept;      /* LISTEN; false: a full backlog, connects hang */
	bool started;     /* false: a step starts it */
	uint32_t count;   /* at once */
	uint32_t repeat;  /* in turn */
	char **argv;      /* RUN: NULL-terminated */
	char *dir;        /* NULL = where fault was started */
	char *stdin_file; /* NULL = /dev/null */
	struct env_entry *env;
	size_t n_env;
	bool attach;
	enum ready_kind ready; /* READY_NONE: a job */
	struct text_match ready_text;
	int stop_signal;
	int64_t grace_ns;
};

/* exit INT|[..]|RANGE|nonzero */
struct exit_expect {
	bool given, nonzero;
	struct range *v; /* any of these */
	size_t n;
	struct source_loc loc;
};

struct expectation {
	size_t program; /* index */
	struct source_loc loc;
	struct exit_expect exit;
	int signal; /* 0 = not given */
	struct source_loc signal_loc;
	int alive; /* -1 not given, else 0 or 1 */
	struct source_loc alive_loc;
	struct text_list out, err, no_out, no_err;
	bool has_time;
	struct range time_ns;
	struct source_loc time_loc;
	uint32_t allow; /* bits of enum fault_verdict */
};

/* ---- what must have been seen beyond the programs' ends ------------------ */

/* One entry of `calls`, or of `order`. */
struct call_expect {
	struct source_loc loc;
	uint64_t programs; /* bits; all ones = any */
	uint64_t calls[PLAN_CALL_WORDS];
	uint8_t roles;
	uint16_t port;
	struct plan_addr peer;
	struct plan_pick connection, nth;
	bool has_result;
	int err;            /* 0: ok */
	struct range count; /* 1.. by default */
	bool has_gap, has_bytes;
	struct range gap_ns; /* between one and the next of them; in `order`:
	                        since the entry before */
	struct range bytes;
};

struct file_expect {
	char *path;
	struct source_loc loc;
	struct text_list has, not_has;
	char *same; /* path of a file with the same content, or NULL */
	bool has_size;
	struct range size;
};

/* ---- what is there before anything starts -------------------------------- */

struct host_entry {
	char *name;
	struct source_loc loc;
	struct plan_addr *addrs;
	size_t n_addrs;
};

struct fixture_file {
	char *path; /* absolute, below ${tmp} */
	char *name; /* the part of path behind ${tmp}/ */
	char *body;
	struct source_loc loc;
};

struct rule_action {
	enum fault_action_kind kind;
	struct source_loc loc;
	int err; /* ERROR: errno, or EAI code with eai */
	bool eai;
	bool ratio; /* SHORT N% */
	bool half;
	uint64_t value;
	uint64_t jitter_ns;
	int distribution;          /* 0 uniform, 1 normal, 2 pareto */
	struct plan_addr *answers; /* ANSWER */
	size_t n_answers;
};

struct rule {
	char *name; /* "" if none; may be shared by a group */
	char *text; /* the one-line form of it, for reports */
	struct source_loc loc;
	bool armed, force;
	uint32_t times; /* 0 = no limit */
	struct range hits;
	uint64_t programs; /* bits; all ones = any */
	uint64_t calls[PLAN_CALL_WORDS];
	uint8_t roles;
	uint16_t port;
	struct plan_addr peer;
	char *host, *process, *caller_module, *caller_symbol;
	struct plan_pick connection;
	uint16_t states;
	struct plan_pick nth, turn, bytes;
	uint64_t bytes_unit;
	enum fault_per per;
	uint64_t seen, age_ns, idle_ns, after_ns, for_ns;
	int after_rule; /* index, -1 = none */
	struct rule_action *actions;
	size_t n_actions;
};

struct scenario {
	char *name;
	char *about;
	char **tags;
	size_t n_tags;
	char *todo;   /* the reason, or NULL */
	char **needs; /* commands that must be in PATH, else it is skipped */
	size_t n_needs;
	int64_t limit_ns;
	bool alone;
	struct host_entry *hosts;
	size_t n_hosts;
	struct fixture_file *files;
	size_t n_files;
	struct command *setup, *teardown;
	size_t n_setup, n_teardown;
	struct step_list steps;
	struct program *programs;
	size_t n_programs;
	struct rule *rules;
	size_t n_rules;
	struct expectation *expects; /* at most one per program */
	size_t n_expects;
	struct call_expect *call_expects, *order;
	size_t n_call_expects, n_order;
	struct file_expect *file_expects;
	size_t n_file_expects;
};
/* All that hangs on a scenario is its own: never freed singly, never added. */
void scenario_free(struct scenario *s);

struct suite;

/*
 * Values from outside.  lookup gives `--var` and FAULT_VAR_ values at load and
 * the run-time names (port, port.NAME, host, tmp, here, seed) at bind; it
 * returns NULL for a name that it does not know; the string must live until
 * the call returns.  A NULL lookup at bind: stand-ins, for `fault check`.
 */
struct suite_vars {
	const char *(*lookup)(void *context, const char *name);
	void *context;
};

/*
 * Reads path ("-" = standard input is refused).  Returns 0 with ret_suite,
 * -EINVAL with at least one error in diags, or -errno when it cannot be read
 * (a diagnostic says so too).  Warnings may be added on success.
 * Limits: 1 MiB of text, 10,000 rules, 64 programs, 4,096 cases, aliases that
 * would expand beyond 100,000 nodes are refused.
 */
int suite_load(const char *path, const struct suite_vars *vars,
               struct suite **ret_suite, struct diag_list *diags);

/* The same from memory; path is for diagnostics only. */
int suite_parse(const char *text, size_t len, const char *path,
                const struct suite_vars *vars, struct suite **ret_suite,
                struct diag_list *diags);
void suite_free(struct suite *s);

size_t suite_n_cases(const struct suite *s);
/* "FILE", "FILE::CASE", "FILE[io=epoll]", "FILE::CASE[io=epoll]" */
const char *suite_case_id(const struct suite *s, size_t i);
const char *suite_case_name(const struct suite *s, size_t i);
/* How much of an id, or of a pattern of ids, is FILE::CASE, and FILE. */
size_t case_id_len(const char *id);
size_t case_id_file_len(const char *id);
/* Does FILE, FILE::CASE or a whole id mean this case? */
bool case_id_is_meant(const char *path, const char *id);
/* Has it programs, or is it a file of faults alone? */
bool suite_has_programs(const struct suite *s);

int suite_bind(const struct suite *s, size_t i, const struct suite_vars *vars,
               struct scenario **ret_scenario, struct diag_list *diags);

/*
 * Rules in the one-line form, several by `;`.  origin is named in diagnostics
 * ("-e", "FAULT_INJECT").  programs may be NULL (no `in` then).
 */
int scenario_add_rules(struct scenario *s, const char *text, const char *origin,
                       struct diag_list *diags);
struct scenario *scenario_new(void);

/*
 * A program for `fault exec`: a job with the defaults of the language; argv is
 * NULL-terminated and copied.  0, -ENOMEM, or -E2BIG.
 */
int scenario_add_program(struct scenario *s, const char *name,
                         char *const *argv);

struct plan_options {
	uint64_t seed;
	bool trace, stacks;
};

/* Compiles; the blob is malloc'ed and passes plan_check(). */
int scenario_plan(const struct scenario *s, const struct plan_options *options,
                  void **ret_plan, size_t *ret_len, struct diag_list *diags);

/* Units, shared with command lines.  Whole string or -EINVAL. */
int parse_duration(const char *s, int64_t *ret_ns);
int parse_size(const char *s, uint64_t *ret_bytes);
int parse_range(const char *s, struct range *ret);
int parse_duration_range(const char *s, struct range *ret_ns);

/* JSON-free listing of words, for completions and `fault list`. */
const char *const *lang_rule_keys(size_t *ret_n);

/*
 * Words of `call` that select just these calls (bits), whole families by
 * theirs.  ret has room for N_CALLS, and gets static strings; how many.
 */
size_t lang_call_words(const uint64_t *calls, const char **ret);

#endif
