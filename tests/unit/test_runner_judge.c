/*
 * test_runner_judge.c - verdicts over made-up results (judge.h, text.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runner/judge.h"
#include "runner/text.h"

#define EXITED(n)   ((n) << 8)
#define SIGNALED(n) (n)

/* One program, one rule, one expectation, and what came of them. */
struct bench {
	char name[2], argv0[2];
	char *argv[2];
	struct program program;
	struct rule rule;
	struct expectation expect;
	struct range exits[2];
	struct instance_result instance;
	struct rule_result rule_result;
	struct scenario scenario;
	struct session_result result;
	struct judgement judgement;
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	strcpy(b->name, "a");
	strcpy(b->argv0, "a");
	b->argv[0] = b->argv0;
	b->program = (struct program){.name = b->name,
	                              .argv = b->argv,
	                              .attach = true,
	                              .stop_signal = SIGTERM,
	                              .grace_ns = 5000000000};
	b->rule = (struct rule){.text = b->name,
	                        .programs = UINT64_MAX,
	                        .hits = {1, INT64_MAX}};
	b->expect.alive = -1;
	b->expect.exit.v = b->exits;
	b->scenario = (struct scenario){.programs = &b->program,
	                                .n_programs = 1,
	                                .rules = &b->rule,
	                                .n_rules = 1,
	                                .expects = &b->expect};
	b->instance = (struct instance_result){
		.number = 1, .started = true, .exited = true};
	b->rule_result.hits = 1;
	b->result = (struct session_result){.program = 1,
	                                    .n_programs = 1,
	                                    .n_rules = 1,
	                                    .n_instances = 1,
	                                    .instances = &b->instance,
	                                    .rules = &b->rule_result};
}

/* The outcome; the weightiest finding must contain text ("" = none). */
static void judged(struct bench *b, enum outcome want, const char *text)
{
	const char *last = "";

	judge(&b->scenario, &b->result, NULL, 1, &b->judgement);
	if (b->judgement.n)
		last = b->judgement.v[b->judgement.n - 1].text;
	assert_int_equal(judge_outcome(&b->result, &b->judgement), want);
	if (*text)
		assert_non_null(strstr(last, text));
	else
		assert_string_equal(last, "");
	judgement_release(&b->judgement);
}

static void jobs_must_exit_with_zero(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	judged(&b, OUTCOME_PASSED, "");
	b.instance.status = EXITED(2);
	judged(&b, OUTCOME_FAILED, "exit status 2, expected 0");
	b.instance.status = SIGNALED(SIGSEGV);
	judged(&b, OUTCOME_FAILED, "killed by SIGSEGV");
	b.scenario.n_expects = 1;
	b.expect.allow = 1u << VERDICT_CRASH;
	judged(&b, OUTCOME_PASSED, "");
	b.instance.status = SIGNALED(SIGPIPE);
	judged(&b, OUTCOME_FAILED, "killed by SIGPIPE");
}

static void exit_expectations_are_ranges(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.scenario.n_expects = 1;
	b.expect.exit.given = true;
	b.expect.exit.n = 2;
	b.exits[0] = (struct range){1, 1};
	b.exits[1] = (struct range){4, 6};
	for (int status = 0; status < 8; status++) {
		b.instance.status = EXITED(status);
		if (status == 1 || (status >= 4 && status <= 6))
			judged(&b, OUTCOME_PASSED, "");
		else
			judged(&b, OUTCOME_FAILED, "expected 1 or 4..6");
	}
	b.expect.exit.nonzero = true;
	b.instance.status = EXITED(0);
	judged(&b, OUTCOME_FAILED, "expected a status other than 0");
	b.instance.status = EXITED(7);
	judged(&b, OUTCOME_PASSED, "");
}

static void services_live_until_they_are_stopped(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.program.ready = READY_LISTENING;
	b.instance.stopped = true;
	b.instance.status = SIGNALED(SIGTERM);
	judged(&b, OUTCOME_PASSED, "");
	b.instance.status = EXITED(1);
	judged(&b, OUTCOME_PASSED, "");
	b.instance.status = SIGNALED(SIGABRT);
	judged(&b, OUTCOME_FAILED, "killed by SIGABRT");
	b.instance.status = SIGNALED(SIGKILL);
	b.instance.killed = true;
	judged(&b, OUTCOME_FAILED, "did not end within 5 s of SIGTERM");
	b.instance.killed = b.instance.stopped = false;
	b.instance.expelled = true;
	b.instance.status = EXITED(0);
	judged(&b, OUTCOME_FAILED, "expected to live to its end");
	b.scenario.n_expects = 1;
	b.expect.alive = 0;
	judged(&b, OUTCOME_PASSED, "");
}

static void rules_must_fire(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.rule_result.hits = 0;
	judged(&b, OUTCOME_FAILED, "never fired");
	b.result.incomplete = true;
	judged(&b, OUTCOME_INCONCLUSIVE, "incomplete");
	b.rule_result.hits = 3;
	judged(&b, OUTCOME_PASSED, "");
	b.rule.hits = (struct range){4, 5};
	b.result.incomplete = false;
	judged(&b, OUTCOME_FAILED, "3 hits, expected 4..5");
	b.rule.hits = (struct range){INT64_MIN, 2};
	judged(&b, OUTCOME_FAILED, "3 hits, expected ..2");
}

static void the_end_of_the_session_weighs_most(void **state)
{
	static char message[] = "why";
	static const struct {
		enum session_end end;
		enum outcome outcome;
	} rows[] = {
		{SESSION_LIMIT, OUTCOME_FAILED},
		{SESSION_NOT_READY, OUTCOME_FAILED},
		{SESSION_NOT_STARTED, OUTCOME_ENVIRONMENT},
		{SESSION_ENVIRONMENT, OUTCOME_ENVIRONMENT},
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bench_init(&b);
		b.rule_result.hits = 0;
		b.result.end = rows[i].end;
		b.result.message = message;
		judged(&b, rows[i].outcome, "why");
	}
	bench_init(&b);
	b.result.end = SESSION_INTERRUPTED;
	judged(&b, OUTCOME_INTERRUPTED, "");
}

static void output_is_searched_in_order(void **state)
{
	static const struct {
		const char *text;
		bool regex;
	} rows[] = {{"one", false}, {"t[a-z]o", true}, {"^three$", true}};
	static const char data[] = "one\ntwo\nthree\n";
	struct text_match v[3];
	struct text_list l = {v, 3};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		v[i] = (struct text_match){
			.text = (char *)(uintptr_t)rows[i].text,
			.regex = rows[i].regex};
	assert_null(text_missing(&l, data, sizeof(data) - 1));
	assert_ptr_equal(text_missing(&l, data, 8), &v[2]);
	assert_ptr_equal(text_missing(&l, NULL, 0), &v[0]);
	assert_ptr_equal(text_present(&l, data + 4, 4), &v[1]);
	v[2] = v[0];
	assert_ptr_equal(text_missing(&l, data, sizeof(data) - 1), &v[2]);
	v[0].text = (char *)(uintptr_t) "(";
	v[0].regex = true;
	assert_int_equal(text_find(&v[0], data, 3, 0), -EINVAL);
}

/* How a service or a job ended that a step had asked to, and what was wrong. */
static void what_a_step_ended_has_not_ended_too_early(void **state)
{
	static const struct {
		enum ready_kind ready;
		int status;
		bool by_step, stopped;
		int sent; /* by a step */
		const char *text;
	} rows[] = {
		{READY_NONE, SIGNALED(SIGTERM), true, true, 0, ""},
		{READY_NONE, SIGNALED(SIGTERM), false, false, 0, "SIGTERM"},
		{READY_NONE, SIGNALED(SIGKILL), true, false, SIGKILL, ""},
		{READY_NONE, SIGNALED(SIGSEGV), true, false, SIGTERM,
	         "SIGSEGV"},
		{READY_NONE, SIGNALED(SIGHUP), false, false, SIGHUP, ""},
		{READY_NONE, EXITED(128 + SIGHUP), false, false, SIGHUP, ""},
		{READY_NONE, EXITED(3), false, false, SIGHUP, "expected 0"},
		{READY_NONE, EXITED(3), true, true, 0, ""},
		{READY_TEXT, SIGNALED(SIGTERM), true, true, 0, ""},
		{READY_TEXT, SIGNALED(SIGKILL), true, false, SIGKILL, ""},
		{READY_TEXT, EXITED(3), true, false, SIGTERM, ""},
	};
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bench_init(&b);
		b.program.ready = rows[i].ready;
		b.instance.status = rows[i].status;
		b.instance.by_step = rows[i].by_step;
		b.instance.stopped = rows[i].stopped;
		b.instance.signals =
			rows[i].sent ? UINT64_C(1) << rows[i].sent : 0;
		judged(&b, *rows[i].text ? OUTCOME_FAILED : OUTCOME_PASSED,
		       rows[i].text);
	}
}

static void an_expectation_outweighs_the_step(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.scenario.n_expects = 1;
	b.instance.by_step = b.instance.stopped = true;
	b.instance.status = SIGNALED(SIGTERM);
	b.expect.exit.given = true;
	b.expect.exit.n = 1;
	judged(&b, OUTCOME_FAILED,
	       "a: killed by SIGTERM, expected exit status 0");
	b.expect.exit.nonzero = true;
	judged(&b, OUTCOME_FAILED,
	       "a: killed by SIGTERM, expected a status other than 0");
	b.expect.exit.given = false;
	b.program.ready = READY_TEXT;
	b.expect.alive = 1;
	judged(&b, OUTCOME_FAILED, "expected to be alive");
	b.expect.alive = 0;
	judged(&b, OUTCOME_PASSED, "");
}

/* Every second one has failed. */
static void each_instance_is_judged(void **state)
{
	struct instance_result v[20];
	struct bench b;

	(void)state;
	bench_init(&b);
	for (uint32_t i = 0; i < 20; i++) {
		v[i] = b.instance;
		v[i].number = i + 1;
		v[i].status = i % 2 ? EXITED(9) : EXITED(0);
	}
	b.result.instances = v;
	b.result.n_instances = 4;
	judge(&b.scenario, &b.result, NULL, 1, &b.judgement);
	assert_int_equal(b.judgement.n, 2);
	assert_string_equal(b.judgement.v[0].text,
	                    "a (2 of 4): exit status 9, expected 0");
	assert_int_equal(b.judgement.v[1].instance, 3);
	judgement_release(&b.judgement);
	b.result.n_instances = 20;
	judged(&b, OUTCOME_FAILED, "a: 5 more of its 20 instances failed");
	b.result.n_instances = 0;
	judged(&b, OUTCOME_PASSED, "");
	b.scenario.n_expects = 1;
	judged(&b, OUTCOME_FAILED, "a: was never started");
}

static void a_step_that_failed_is_told_where_it_stands(void **state)
{
	char file[] = "f.yaml", *message = strdup("waited");
	struct bench b;

	(void)state;
	bench_init(&b);
	b.result.end = SESSION_STEP;
	b.result.message = message;
	b.result.step_loc = (struct source_loc){file, 3, 5};
	b.instance.killed = true;
	judge(&b.scenario, &b.result, NULL, 1, &b.judgement);
	assert_int_equal(b.judgement.n, 1);
	assert_string_equal(b.judgement.v[0].where, "f.yaml:3:5");
	assert_int_equal(judge_outcome(&b.result, &b.judgement),
	                 OUTCOME_FAILED);
	judgement_release(&b.judgement);
	free(message);
}

static void what_was_lost_is_no_pass(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.judgement.lost = true;
	assert_int_equal(judge_outcome(&b.result, &b.judgement),
	                 OUTCOME_ENVIRONMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_lost_is_no_pass),
		cmocka_unit_test(jobs_must_exit_with_zero),
		cmocka_unit_test(exit_expectations_are_ranges),
		cmocka_unit_test(services_live_until_they_are_stopped),
		cmocka_unit_test(rules_must_fire),
		cmocka_unit_test(the_end_of_the_session_weighs_most),
		cmocka_unit_test(output_is_searched_in_order),
		cmocka_unit_test(what_a_step_ended_has_not_ended_too_early),
		cmocka_unit_test(an_expectation_outweighs_the_step),
		cmocka_unit_test(each_instance_is_judged),
		cmocka_unit_test(a_step_that_failed_is_told_where_it_stands),
	};

	return cmocka_run_group_tests_name("runner: judge", tests, NULL, NULL);
}
