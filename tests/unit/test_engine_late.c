/*
 * How a connect that is delayed ends when nobody waits for it, and which lists
 * of actions would have to keep an event loop waiting (engine/gate.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "engine/engine.h"

enum {
	NEVER = -1
};

static const struct row {
	const char *name;
	struct plan_action actions[3];
	uint16_t n;
	int outcome;
} rows[] = {
	{"delay", {{.kind = ACTION_DELAY}}, 1, 0},
	{"stall", {{.kind = ACTION_STALL}}, 1, 0},
	{"delay, pass", {{.kind = ACTION_DELAY}, {.kind = ACTION_PASS}}, 2, 0},
	{"delay, refused",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = ECONNREFUSED}},
         2,
         ECONNREFUSED},
	{"delay, timed out",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = ETIMEDOUT}},
         2,
         ETIMEDOUT},
	{"delay, a router has no route",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = ENETUNREACH}},
         2,
         ENETUNREACH},
	{"delay, a local firewall",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = EPERM}},
         2,
         NEVER},
	{"delay, no local port",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = EADDRNOTAVAIL}},
         2,
         NEVER},
	{"delay, a prohibiting route",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = EACCES}},
         2,
         NEVER},
	{"delay, a signal",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_ERROR, .err = EINTR}},
         2,
         NEVER},
	{"delay, delay",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_DELAY}},
         2,
         NEVER},
	{"delay, kill",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_KILL}},
         2,
         NEVER},
	{"delay, pass, kill",
         {{.kind = ACTION_DELAY}, {.kind = ACTION_PASS}, {.kind = ACTION_KILL}},
         3,
         NEVER},
};

static struct plan_rule rule_of(const struct row *row)
{
	struct plan_rule r = {.n_actions = row->n};

	for (int i = 0; i < 3; i++)
		r.actions[i] = row->actions[i];
	return r;
}

static void only_the_network_answers_a_connect_late(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct plan_rule r = rule_of(&rows[i]);
		int outcome = engine_late_outcome(&r, r.actions);

		if (outcome != rows[i].outcome)
			print_error("%s\n", rows[i].name);
		assert_int_equal(outcome, rows[i].outcome);
	}
}

static void a_connect_that_may_not_block_is_gated_otherwise(void **state)
{
	const struct engine_call call = {.call = FAULT_CALL_connect,
	                                 .state = STATE_NEW};
	const struct engine_facts loop = {.nonblocking = true};
	const struct engine_facts blocking = {.nonblocking = false};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct plan_rule r = rule_of(&rows[i]);
		enum fault_gate want =
			rows[i].outcome == NEVER ? GATE_LOOP : GATE_NONE;

		if (engine_gate(&call, &r, r.actions, &loop) != want)
			print_error("%s\n", rows[i].name);
		assert_int_equal(engine_gate(&call, &r, r.actions, &loop),
		                 want);
		assert_int_equal(engine_gate(&call, &r, r.actions, &blocking),
		                 GATE_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_network_answers_a_connect_late),
		cmocka_unit_test(
			a_connect_that_may_not_block_is_gated_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
