/*
 * plan.h - the compiled scenario: what `lang` writes and every process reads.
 *
 * A flat blob without pointers: offsets from its first byte, fixed-width
 * fields, host byte order.  Mapped read-only into each process of a run, so
 * any number of threads read it without a lock.  Never trusted before
 * plan_check() has seen it.  A change of layout bumps PLAN_VERSION: library
 * and runner of different versions refuse each other.
 *
 * Includes nothing of ours but tables.h.
 */
#ifndef FAULT_PLAN_PLAN_H
#define FAULT_PLAN_PLAN_H

#include <stdint.h>

#include "tables.h"

#define PLAN_MAGIC   0x004e414c50544c46ULL /* "FLTPLAN\0" */
#define PLAN_VERSION 4u

enum {
	PLAN_MAX_PROGRAMS = 64,
	PLAN_MAX_RULES = 10000,
	PLAN_MAX_CLASS_RULES = 32, /* cell.mark has a bit for each */
	PLAN_MAX_ACTIONS = 4,
	PLAN_MAX_ANSWERS = 64, /* addresses of one answer */
	PLAN_MAX_HOSTS = 10000,
	PLAN_MAX_CALLERS = 64, /* engine_call.callers has a bit for each */
	PLAN_CALL_WORDS = 2,   /* 128 symbols */
	PLAN_MAX_SIZE = 64 << 20,
	/* Inverse distribution: quantiles i / 256, in 1/65536 of the jitter. */
	PLAN_INVERSE_LEN = 257,
	/* Lists of classes: one by port % 256, and those without a port. */
	PLAN_BUCKETS = 257,
	PLAN_ANY_PORT = 256,
};
_Static_assert(N_CALLS <= PLAN_CALL_WORDS * 64, "widen PLAN_CALL_WORDS");

/*
 * PICK of the language: which of a counted sequence (from 1).
 *   absent      first 0, ratio 0: every one
 *   3           first 3, last 3, step 1
 *   2..5        first 2, last 5, step 1
 *   3+          first 3, last UINT32_MAX, step 1
 *   3..9+2      first 3, last 9, step 2
 *   10%         first 0, ratio 0.1 * 2^32 (100% = UINT32_MAX: always)
 */
struct plan_pick {
	uint32_t first;
	uint32_t last;
	uint32_t step;
	uint32_t ratio;
};

/*
 * Beside the bits of FAMILY_x: some rule of the class lasts longer than a call
 * (ACTION_DELAY, RATE, STALL on send, recv, accept, connect; EXHAUST; any rule
 * without `call`), so that readiness has to agree with it.
 */
#define PLAN_LASTING 0x8000u
/*
 * ... and: some rule of the class gives a receive less than is there.  To a
 * program that has been told of the FIN (RDHUP) a short count is the end of the
 * stream, so it is not told while that may happen.
 */
#define PLAN_CUTTING 0x4000u
#define PLAN_TRAITS  (PLAN_LASTING | PLAN_CUTTING)
_Static_assert(N_FAMILIES <= 14, "bits 14 and 15 are PLAN_TRAITS");

/* ADDR of the language; family 0 = any. */
struct plan_addr {
	uint8_t family; /* 0, 4 or 6 */
	uint8_t prefix_len;
	uint16_t port; /* host order, 0 = any */
	uint8_t bytes[16];
};

/*
 * A counting class: the *which* keys of one or more rules.  Rules that select
 * the same calls share the class and so its count; a rule with `turn` or
 * `bytes` has a class of its own (its cell keeps the mark), and so has one
 * without `call`, whose `per` says on what it acts: PER_CONNECTION, on each
 * connection, or PER_PROCESS, on each process (EXHAUST).
 */
struct plan_class {
	uint64_t calls[PLAN_CALL_WORDS]; /* bit FAULT_CALL_x; none: its rule
	                                    acts by itself */
	uint64_t programs;               /* bit: index; all ones: any */
	struct plan_pick connection;
	struct plan_addr peer;
	uint16_t families;    /* bits of FAMILY_x, derived from calls, and
	                         PLAN_LASTING */
	uint16_t states;      /* STATE_BITs, 0 = any */
	uint16_t port;        /* of the service, 0 = any */
	uint8_t roles;        /* ROLE_BITs, 0 = any */
	uint8_t per;          /* enum fault_per, never PER_DEFAULT */
	uint32_t process_off; /* string: comm, 0 = any */
	uint32_t caller;      /* index + 1 of plan_callers(), 0 = any */
	uint32_t host_off;
	uint32_t rules_off; /* uint16_t[n_rules]: rule indexes, file order */
	uint32_t n_rules;
	uint32_t next; /* of the same bucket: index + 1, higher; 0 ends */
	uint32_t pad;
};

enum plan_action_flag {
	PLAN_ACTION_HALF = 1,   /* eof: half */
	PLAN_ACTION_EAI = 2,    /* err is an EAI_ code */
	PLAN_ACTION_RATIO = 4,  /* value is a part of 2^32, not bytes */
	PLAN_ACTION_INVERSE = 8 /* jitter drawn from the table at table_off */
};

struct plan_action {
	uint8_t kind; /* enum fault_action_kind */
	uint8_t flags;
	int16_t err;        /* ERROR; an EAI_ code is negative */
	uint32_t table_off; /* DELAY: int32_t[PLAN_INVERSE_LEN], the quantiles;
	                       ANSWER: struct plan_addr[value] */
	uint64_t value;     /* ns, bytes, bytes/s, signal, backlog, addresses */
	uint64_t jitter_ns; /* DELAY; uniform: +-, normal: sigma */
};

enum plan_rule_flag {
	PLAN_RULE_ARMED = 1,
	PLAN_RULE_FORCE = 2,
};

struct plan_rule {
	uint32_t name_off; /* "" when it has none */
	uint32_t text_off; /* how to name it to a reader: "recv:reset:nth=3" */
	uint32_t line, column;
	uint16_t class_index;
	uint16_t after_rule; /* index + 1, 0 = none */
	uint16_t flags;
	uint16_t n_actions;
	struct plan_pick nth;
	struct plan_pick turn;
	struct plan_pick bytes; /* of blocks of bytes_unit */
	uint64_t bytes_unit;    /* 0 = no `bytes` key */
	uint64_t seen;          /* at least so many bytes received */
	uint64_t age_ns;
	uint64_t idle_ns;
	uint64_t after_ns; /* since the program's start */
	uint64_t for_ns;   /* since this rule's first hit */
	uint32_t times;    /* 0 = no limit */
	uint32_t hits_min, hits_max;
	uint32_t pad;
	struct plan_action actions[PLAN_MAX_ACTIONS];
};

struct plan_program {
	uint32_t name_off;
	uint32_t flags;
	uint64_t name_hash; /* plan_hash_string(name): goes into decisions */
};

/*
 * A name of the scenario's own: where the resolver would be asked, these are
 * its addresses, in this order.
 */
struct plan_host {
	uint32_t name_off;  /* lower case, no dot at its end */
	uint32_t addrs_off; /* struct plan_addr[n_addrs], as of ACTION_ANSWER */
	uint32_t n_addrs;
	uint32_t pad;
};

/*
 * `caller`: one of the top eight frames of the call is in this module, and in
 * this function of it.
 */
struct plan_caller {
	uint32_t module_off; /* basename of its file */
	uint32_t symbol_off; /* 0 = any */
};

enum plan_flag {
	PLAN_TRACE = 1,  /* every call of a TCP socket leaves a record */
	PLAN_STACKS = 2, /* with the frames above it (trace.h) */
	PLAN_TIMED = 4,  /* some rule needs the clock (after, for, age, idle) */
};

struct fault_plan {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of the whole blob, bytes */
	uint64_t seed;
	uint32_t flags;
	uint32_t n_programs; /* at least 1: the bare library's is "" */
	uint32_t programs_off;
	uint32_t n_rules;
	uint32_t rules_off;
	uint32_t n_classes;
	uint32_t classes_off;
	uint32_t strings_off; /* first string byte; offset 0 is the "" */
	uint32_t strings_len;
	uint32_t source_off;  /* string: path of the scenario */
	uint32_t buckets_off; /* uint16_t[PLAN_BUCKETS]: index + 1, 0 = empty */
	uint32_t n_hosts;     /* each name once */
	uint32_t hosts_off;   /* struct plan_host[n_hosts] */
	uint32_t n_callers;   /* each once */
	uint32_t callers_off; /* struct plan_caller[n_callers] */
	uint32_t pad;
};

_Static_assert(sizeof(struct plan_pick) == 16, "layout");
_Static_assert(sizeof(struct plan_addr) == 20, "layout");
_Static_assert(sizeof(struct plan_class) == 96, "layout");
_Static_assert(sizeof(struct plan_action) == 24, "layout");
_Static_assert(sizeof(struct plan_rule) == 232, "layout");
_Static_assert(sizeof(struct plan_program) == 16, "layout");
_Static_assert(sizeof(struct plan_host) == 16, "layout");
_Static_assert(sizeof(struct plan_caller) == 8, "layout");
_Static_assert(sizeof(struct fault_plan) == 88, "layout");

/*
 * Bounds-check a blob of len bytes: every offset, index, enumerator, string
 * end and pick, and that no class or rule is reachable twice.
 * Returns NULL when sound, else a constant sentence of what is wrong.
 * Async-signal-safe; reads nothing outside [blob, blob + len).
 */
const char *plan_check(const void *blob, size_t len);

/* Accessors for a checked plan. */
static inline const void *plan_at(const struct fault_plan *p, uint32_t off)
{
	return (const char *)p + off;
}

static inline const struct plan_rule *plan_rules(const struct fault_plan *p)
{
	return (const struct plan_rule *)plan_at(p, p->rules_off);
}

static inline const struct plan_class *plan_classes(const struct fault_plan *p)
{
	return (const struct plan_class *)plan_at(p, p->classes_off);
}

/* The bucket of a class for this port, or of a socket that has it. */
static inline uint32_t plan_bucket(uint16_t port)
{
	return port ? port % PLAN_ANY_PORT : PLAN_ANY_PORT;
}

static inline const uint16_t *plan_buckets(const struct fault_plan *p)
{
	return (const uint16_t *)plan_at(p, p->buckets_off);
}

static inline const struct plan_program *
plan_programs(const struct fault_plan *p)
{
	return (const struct plan_program *)plan_at(p, p->programs_off);
}

static inline const struct plan_host *plan_hosts(const struct fault_plan *p)
{
	return (const struct plan_host *)plan_at(p, p->hosts_off);
}

static inline const struct plan_caller *plan_callers(const struct fault_plan *p)
{
	return (const struct plan_caller *)plan_at(p, p->callers_off);
}

/* String offsets are relative to strings_off; 0 is "". */
static inline const char *plan_string(const struct fault_plan *p, uint32_t off)
{
	return (const char *)plan_at(p, p->strings_off) + off;
}

static inline bool plan_class_has_call(const struct plan_class *c,
                                       unsigned call)
{
	return c->calls[call / 64] >> (call % 64) & 1;
}

/* The class of a rule without `call`, which acts by itself. */
static inline bool plan_class_is_self(const struct plan_class *c)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < PLAN_CALL_WORDS; i++)
		any |= c->calls[i];
	return !any;
}

/* PLAN_LASTING: does this rule of the class last longer than a call? */
static inline bool plan_rule_lasts(const struct plan_class *c,
                                   const struct plan_rule *r)
{
	const uint32_t waiting = 1u << FAMILY_SEND | 1u << FAMILY_RECV |
	                         1u << FAMILY_ACCEPT | 1u << FAMILY_CONNECT;

	if (plan_class_is_self(c))
		return true;
	for (unsigned i = 0; i < r->n_actions && i < PLAN_MAX_ACTIONS; i++) {
		uint8_t kind = r->actions[i].kind;

		if (kind == ACTION_EXHAUST)
			return true;
		if (c->families & waiting &&
		    (kind == ACTION_DELAY || kind == ACTION_RATE ||
		     kind == ACTION_STALL))
			return true;
	}
	return false;
}

/* PLAN_CUTTING: may this rule of the class shorten a receive? */
static inline bool plan_rule_cuts(const struct plan_class *c,
                                  const struct plan_rule *r)
{
	bool cuts = r->bytes_unit != 0;

	for (unsigned i = 0; i < r->n_actions && i < PLAN_MAX_ACTIONS; i++)
		cuts |= r->actions[i].kind == ACTION_SHORT ||
		        r->actions[i].kind == ACTION_RATE;
	return cuts && c->families & 1u << FAMILY_RECV;
}

static inline uint32_t plan_rule_traits(const struct plan_class *c,
                                        const struct plan_rule *r)
{
	return (plan_rule_lasts(c, r) ? PLAN_LASTING : 0) |
	       (plan_rule_cuts(c, r) ? PLAN_CUTTING : 0);
}

/* FNV-1a, 64 bit. */
static inline uint64_t plan_hash_string(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 0x100000001b3ULL;
	return h;
}

#endif
