/*
 * call_maker.h - a plan, a run and calls on them, for tests of the engine.
 *
 * begin() or begin_rule(), classes and rules of `maker`, ready(), then
 * connection() and make().  One run at a time; release() is each test's
 * teardown.  Include it behind cmocka.h.
 */
#ifndef FAULT_TESTS_CALL_MAKER_H
#define FAULT_TESTS_CALL_MAKER_H

#include <string.h>

#include "engine/engine.h"
#include "engine/watch.h"
#include "plan_maker.h"

#define LENGTH(a_) (sizeof(a_) / sizeof(a_[0]))

enum {
	NONE = -1
};

static const struct fault_run_size small = {
	.n_processes = 2, .n_socks = 8, .n_watches = 64, .n_cells = 256};

static struct plan_maker maker;
static const struct fault_plan *plan;
static struct fault_run *run;

static inline void begin(void)
{
	plan_maker_init(&maker, 1);
	maker.seed = 1;
}

/* begin(), a class that selects this call, and a rule of it. */
static inline struct plan_rule *begin_rule(enum fault_call call,
                                           enum fault_per per)
{
	begin();
	plan_maker_class(&maker, call, per);
	return plan_maker_rule(&maker, 0);
}

static inline void ready(void)
{
	plan = plan_maker_finish(&maker);
	run = plan_maker_run(plan, &small);
}

/* Between two runs of one test. */
static inline void forget(void)
{
	plan_maker_free_run(run);
	run = NULL;
}

static inline int release(void **state)
{
	(void)state;
	forget();
	return 0;
}

/* A connection with this ordinal, about to recv. */
static inline struct engine_call connection(uint32_t ordinal)
{
	struct engine_socket s = {.role = ROLE_CLIENT, .port = 80};
	struct engine_call call = {.call = FAULT_CALL_recv,
	                           .connection = ordinal,
	                           .role = ROLE_CLIENT,
	                           .state = STATE_ESTABLISHED,
	                           .direction = DIRECTION_RX,
	                           .want = 100};

	engine_watch(plan, run, &s, ordinal, &call.first_watch);
	return call;
}

/* gates: bit i set: rule i is held.  Returns the rule that acted. */
static inline int make_gated(const struct engine_call *call, uint64_t gates)
{
	struct engine_choice choice;
	int rule;

	engine_look(plan, run, call, &choice);
	while (choice.rule >= 0 && gates >> choice.rule & 1) {
		engine_gated(run, &choice, GATE_G2);
		engine_look_next(plan, run, call, &choice);
	}
	rule = choice.rule;
	if (rule < 0)
		engine_count(plan, run, call);
	else
		assert_true(engine_take(plan, run, call, &choice));
	return rule;
}

static inline int make(const struct engine_call *call)
{
	return make_gated(call, 0);
}

static inline void expect(const struct engine_call *call, const int *rules,
                          size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rule = make(call);

		if (rule != rules[i])
			fail_msg("call %zu: rule %d", i + 1, rule);
	}
}

#endif
