/*
 * plan_maker.h - small plans for unit tests, made without the language.
 *
 *   struct plan_maker m;
 *   plan_maker_init(&m, 1);
 *   plan_maker_class(&m, FAULT_CALL_recv, PER_CONNECTION);
 *   plan_maker_rule(&m, 0)->nth = PICK_ONE(3);
 *   const struct fault_plan *plan = plan_maker_finish(&m);
 *
 * The blob lies in the maker; what was returned can be changed until finish.
 */
#ifndef FAULT_TESTS_PLAN_MAKER_H
#define FAULT_TESTS_PLAN_MAKER_H

#include "plan/plan.h"
#include "plan/run.h"

#define PICK(first_, last_, step_)                                             \
	((struct plan_pick){                                                   \
		.first = (first_), .last = (last_), .step = (step_)})
#define PICK_ONE(n_)  PICK(n_, n_, 1)
#define PICK_FROM(n_) PICK(n_, UINT32_MAX, 1)
#define PICK_PERCENT(p_)                                                       \
	((struct plan_pick){.ratio = (uint32_t)((p_) / 100.0 * 4294967296.0)})

enum {
	MAKER_RULES = 64,
	MAKER_CLASSES = 64,
	MAKER_STRINGS = 512,
	MAKER_BLOB = 64 << 10,
};

struct plan_maker {
	struct plan_class classes[MAKER_CLASSES];
	struct plan_rule rules[MAKER_RULES];
	int32_t inverse[PLAN_INVERSE_LEN];
	struct plan_addr answers[4];
	struct plan_host host;         /* has all answers, if it has a name */
	struct plan_caller callers[3]; /* those with a module, from the first */
	char strings[MAKER_STRINGS];
	uint32_t strings_len, n_classes, n_rules, n_programs;
	/* After finish; put in with an INVERSE flag, or with ACTION_ANSWER. */
	uint32_t inverse_off, answers_off;
	uint64_t seed;
	_Alignas(64) unsigned char blob[MAKER_BLOB];
};

/* Programs are called "p0", "p1", ... */
void plan_maker_init(struct plan_maker *m, uint32_t n_programs);

/*
 * A class that selects one call of any program (FAULT_CALL_NONE: none yet; that
 * of a rule without `call`, if it stays so).
 */
struct plan_class *plan_maker_class(struct plan_maker *m, enum fault_call call,
                                    enum fault_per per);
void plan_maker_select(struct plan_class *c, enum fault_call call);

/* An armed rule of the class, behind the others, that injects a reset. */
struct plan_rule *plan_maker_rule(struct plan_maker *m, uint32_t class_index);

/* Offset of a copy of the string. */
uint32_t plan_maker_string(struct plan_maker *m, const char *s);

/*
 * Lays the blob out, PLAN_LASTING and PLAN_TIMED filled in, and checks it
 * (abort with the reason if it is wrong).
 */
const struct fault_plan *plan_maker_finish(struct plan_maker *m);

/* A run of the plan, zeroed and laid out; free with plan_maker_free_run(). */
struct fault_run *plan_maker_run(const struct fault_plan *plan,
                                 const struct fault_run_size *size);
void plan_maker_free_run(struct fault_run *run);

#endif
