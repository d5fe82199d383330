/*
 * test_lang_oneline.c - rules in one line, and the same rules in YAML.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/scenario.h"

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

static void compile(const struct scenario *s, struct fault_plan **ret,
                    size_t *ret_len)
{
	struct plan_options options = {.seed = 42};
	struct diag_list diags = {0};
	void *plan = NULL;

	assert_int_equal(scenario_plan(s, &options, &plan, ret_len, &diags), 0);
	assert_null(plan_check(plan, *ret_len));
	diag_list_release(&diags);
	*ret = plan;
}

/* The same rule stands elsewhere in a file than in a line. */
static void forget_places(struct fault_plan *plan)
{
	struct plan_rule *rules =
		(struct plan_rule *)((char *)plan + plan->rules_off);

	for (size_t i = 0; i < plan->n_rules; i++)
		rules[i].line = rules[i].column = 0;
}

static struct scenario *from_line(const char *text)
{
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};

	if (scenario_add_rules(s, text, "x", &diags))
		fail_msg("%s: %s", text, diags.v[0].message);
	diag_list_release(&diags);
	return s;
}

static struct scenario *from_yaml(const char *rules)
{
	struct scenario *s = NULL;
	struct suite *suite = NULL;
	struct diag_list diags = {0};
	char text[1024];

	snprintf(text, sizeof(text), "version: 1\nfaults: [%s]\n", rules);
	if (suite_parse(text, strlen(text), "x", NULL, &suite, &diags) ||
	    suite_bind(suite, 0, NULL, &s, &diags))
		fail_msg("%s: %s", text, diags.v[0].message);
	suite_free(suite);
	diag_list_release(&diags);
	return s;
}

static const char *const both_forms[][2] = {
	{"recv:reset:nth=3", "{call: recv, inject: reset, nth: 3}"},
	{"connect:error=ECONNREFUSED:nth=1..2",
         "{nth: 1..2, call: connect, inject: {error: ECONNREFUSED}}"},
	{"recv,send:short=1B", "{call: [recv, send], inject: {short: 1B}}"},
	{" recv , send : short=1B ; ",
         "{call: [recv, send], inject: {short: 1B}}"},
	{"recv:delay=200ms:jitter=50ms:port=5432",
         "{call: recv, port: 5432, "
         "inject: {jitter: 50ms, delay: 200ms}}"},
	{"recv:delay=200ms:port=5432:jitter=50ms:distribution=pareto",
         "{call: recv, port: 5432, inject: "
         "{delay: 200ms, jitter: 50ms, distribution: pareto}}"},
	{"send:pass:delay=1s:reset",
         "{call: send, inject: [pass, {delay: 1s}, reset]}"},
	{"connect:error=ETIMEDOUT:peer=[::1]:80:times=2",
         "{call: connect, peer: \"[::1]:80\", times: 2, "
         "inject: {error: ETIMEDOUT}}"},
	{"connect:error=ETIMEDOUT:peer=[::1]", "{call: connect, peer: \"::1\", "
                                               "inject: {error: ETIMEDOUT}}"},
	{"connect:error=ETIMEDOUT:peer=10.0.0.1:80:nth=2",
         "{call: connect, peer: \"10.0.0.1:80\", nth: 2, "
         "inject: {error: ETIMEDOUT}}"},
	{"recv:reset:role=client,accepted:state=CLOSE_WAIT:hits=0..3",
         "{call: recv, inject: reset, role: [client, accepted], "
         "state: CLOSE_WAIT, hits: 0..3}"},
	{"recv:kill=KILL:bytes=2+ of 4KiB:per=process:seen=1B",
         "{call: recv, inject: {kill: SIGKILL}, bytes: 2+ of 4KiB, "
         "per: process, seen: 1B}"},
	{"recv:reset:caller=libpq.so.5!pqsecure_read:nth=2",
         "{call: recv, inject: reset, caller: libpq.so.5!pqsecure_read, "
         "nth: 2}"},
	{"resolve:answer=[::1],127.0.0.1:host=a.b.",
         "{call: resolve, inject: {answer: ['[::1]', 127.0.0.1]}, "
         "host: a.b.}"},
	{"reset:idle=30s", "{inject: reset, idle: 30s}"},
	{"eof=half:port=80", "{inject: {eof: half}, port: 80}"},
	{"recv,send:stall", "{call: [recv, send], inject: stall}"},
	{"recv:stall=2s", "{call: recv, inject: {stall: 2s}}"},
	{"recv:eof", "{call: recv, inject: eof}"},
	{"recv:eof=half", "{call: recv, inject: {eof: half}}"},
	{"send:rate=10KiB/s", "{call: send, inject: {rate: 10KiB/s}}"},
	{"send:corrupt=1B:nth=2",
         "{call: send, inject: {corrupt: 1B}, nth: 2}"},
	{"accept:exhaust=descriptors:for=500ms",
         "{call: accept, inject: {exhaust: descriptors}, for: 500ms}"},
	{"exhaust=descriptors:after=1s:for=500ms",
         "{inject: {exhaust: descriptors}, after: 1s, for: 500ms}"},
	{"listen:backlog=1", "{call: listen, inject: {backlog: 1}}"},
	{"connect:delay=500ms:error=ECONNREFUSED",
         "{call: connect, inject: [delay: 500ms, error: "
         "ECONNREFUSED]}"},
	{"name=a:call=recv:inject=reset:armed=false;"
         "send:error=EIO:force=true:after=a:for=1s",
         "{name: a, call: recv, inject: reset, armed: false}, "
         "{call: send, inject: {error: EIO}, force: true, after: a, "
         "for: 1s}"},
};

static void both_forms_give_the_same_plan(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(both_forms); i++) {
		struct scenario *a = from_line(both_forms[i][0]);
		struct scenario *b = from_yaml(both_forms[i][1]);
		struct fault_plan *plan_a, *plan_b;
		size_t len_a, len_b;

		for (size_t k = 0; k < b->n_rules; k++) {
			/* As it was written is how it is named. */
			if (!strstr(both_forms[i][0], "peer=[::1]") &&
			    !strstr(both_forms[i][0], "KILL"))
				assert_string_equal(a->rules[k].text,
				                    b->rules[k].text);
			else
				b->rules[k].text = a->rules[k].text;
		}
		compile(a, &plan_a, &len_a);
		compile(b, &plan_b, &len_b);
		forget_places(plan_a);
		forget_places(plan_b);
		assert_int_equal(len_a, len_b);
		assert_memory_equal(plan_a, plan_b, len_a);
		free(plan_a);
		free(plan_b);
		scenario_free(a);
		scenario_free(b);
	}
}

static void the_text_of_a_rule_is_its_one_line_form(void **state)
{
	static const char *const texts[] = {
		"recv:reset:nth=3",
		"send:pass:delay=1s:jitter=10ms:reset",
		"connect:error=ETIMEDOUT:peer=[::1]:80:nth=1..2",
		"recv,send:short=50%:role=client:bytes=2+ of 4KiB:times=1",
		"resolve:error=EAI_AGAIN:host=api.test:nth=1..2",
		"getaddrinfo:answer=192.0.2.1,127.0.0.1:host=api.test",
		"reset:idle=30s",
		"stall=2s:role=client:armed=true",
		"kill=TERM:reset:age=1s",
		"accept:exhaust=descriptors:for=500ms",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(texts); i++) {
		struct scenario *s = from_line(texts[i]);

		assert_string_equal(s->rules[0].text, texts[i]);
		scenario_free(s);
	}
}

static const struct {
	const char *text;
	unsigned column;
	const char *message, *hint;
} mistakes[] = {
	{"", 1, "no rule stands here", "write `recv:reset:nth=3`"},
	{" ; ;", 1, "no rule stands here", "write `recv:reset:nth=3`"},
	{"recv", 1, "a rule without an action (`inject`)", NULL},
	{"accept:exhaust=descriptors", 16, "`exhaust` without an end",
         "add `for: 500ms`, or a `name` to disarm it by"},
	{"accept:exhaust=memory:for=1s", 16,
         "`memory` does not go with `exhaust`", "write `exhaust: descriptors`"},
	{"accept:exhaust:for=1s", 8, "`exhaust` needs a value",
         "write `{exhaust: descriptors}`"},
	{"recv:eof=whole", 10, "`whole` does not go with `eof`",
         "write `eof: half`"},
	{"recv:stall=0s", 12, "`0s` is zero", NULL},
	{"recv:stall=2", 12, "`2` has no unit", "did you mean `2s` or `2ms`?"},
	{"recv:stall=1s..2s", 12, "`1s..2s` is a range, not a duration",
         "did you mean `2s`?"},
	{"send:rate", 6, "`rate` needs a value", "write `{rate: 64KiB/s}`"},
	{"send:rate=64KiB", 11, "`64KiB` is not per second",
         "did you mean `64KiB/s`?"},
	{"send:rate=0B/s", 11, "`0B/s` is zero", NULL},
	{"recv:corrupt=10%", 14, "`10%`: how many bytes are changed is a size",
         "write `{corrupt: 1B}`"},
	{"listen:backlog=-1", 16, "`-1` is negative", NULL},
	{"listen:backlog=2147483648", 16, "`2147483648` is too large", NULL},
	{"accept:backlog=1", 16, "`backlog` cannot be given to `accept`",
         "it is for listen"},
	{"delay=1s", 7, "`delay` happens at a call, and the rule names none",
         "add `call: recv`"},
	{"backlog=1", 9, "`backlog` happens at a call, and the rule names none",
         "add `call: listen`"},
	{"reset:nth=3", 7,
         "`nth` counts what calls do, and the rule names none", "add a `call`"},
	{"reset:caller=libpq.so.5", 7,
         "`caller` is of a call, and the rule names none", "add a `call`"},
	{"recv:reset:caller=/lib/libpq.so.5!a", 19,
         "`caller` takes the name of a file, without folders",
         "write `libpq.so.5!a`"},
	{"recv:reset:caller=!a", 19, "`!a` is not MODULE or MODULE!SYMBOL",
         "write `libpq.so.5` or `libpq.so.5!PQexec`"},
	{"reset:per=run", 7, "a rule without `call` acts once per connection",
         NULL},
	{"exhaust=descriptors:for=1s:port=80", 28,
         "`port` is a connection's, and `exhaust` without `call` is done to "
         "the process",
         "add `call: accept` or `call: socket`"},
	{"recv:delay=1s:stall", 15, "`stall` stands alone",
         "give it a rule of its own"},
	{"recv:pass:eof", 11, "`eof` would lie: the real call has happened",
         NULL},
	{"recv:error=EAI_AGAIN:force=true", 12,
         "`recv` cannot fail with EAI_AGAIN", "it is for resolve (tier A)"},
	{"resolve,connect:delay=1s:host=a", 26,
         "`host` is for `call: resolve`, `connect` knows no name",
         "`peer` is the address"},
	{"resolve:delay=1s:host=127.0.0.1", 23,
         "`127.0.0.1` is an address: nobody resolves it",
         "`peer` is for addresses"},
	{"resolve:answer=127.0.0.1:80", 26, "unknown action `80`",
         "`fault list actions` prints what there is"},
	{"recv:resset", 6, "unknown action `resset`", "did you mean `reset`?"},
	{"connect:ECONNREFUSED", 9, "`ECONNREFUSED` is an errno, not an action",
         "write `error=ECONNREFUSED`"},
	{"recv reset", 1, "`recv reset`: words are separated by colons",
         "as in recv:reset:nth=3"},
	{"recv:reset nth=1", 6, "`reset nth`: words are separated by colons",
         "as in recv:reset:nth=3"},
	{"recv::reset", 6, "nothing stands between two colons",
         "an IPv6 address stands in brackets: peer=[::1]"},
	{"recv:reset:peer=::1", 18, "nothing stands between two colons",
         "an IPv6 address stands in brackets: peer=[::1]"},
	{"recv:reset:nth", 12, "`nth` needs a value", "write `nth=…`"},
	{"recv:reset:nth=", 16, "nothing stands here", NULL},
	{"recv:reset:nth=3:nth=4", 18, "`nth` stands there twice", NULL},
	{"recv:jitter=1ms:delay=2ms", 6, "`jitter` stands behind an action",
         NULL},
	{"recv:reset:jitter=1ms", 12, "`jitter` needs a `delay` before it",
         NULL},
	{"recv:delay=1s:jitter=1ms:jitter=2ms", 26,
         "`jitter` stands there twice", NULL},
	{"recv:reset:when=3+2", 12,
         "`when` is `nth: 3`, `nth: 2..5`, `nth: 3+` or "
         "`nth: 3..9+2` here",
         NULL},
	{"recv:latency=1s", 6,
         "`latency` is `call: recv, inject: {delay: 200ms}` here", NULL},
	{"recv:reset;send:rset", 17, "unknown action `rset`",
         "did you mean `reset`?"},
	{"recv:reset:in=client", 15, "`client` names no program",
         "there are no programs here"},
	{"recv:error=${e}", 12, "`${e}` in a one-line rule",
         "only a file has variables"},
	{"recv:send:reset", 6, "unknown action `send`",
         "`fault list actions` prints what there is"},
	{"recv,,send:reset", 6, "nothing stands here", NULL},
	{"recv:reset:peer=[::1", 17, "`[::1` has no closing bracket", NULL},
};

static void what_is_wrong_is_said_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(mistakes); i++) {
		struct scenario *s = scenario_new();
		struct diag_list diags = {0};
		const struct diag *d;

		assert_int_equal(
			scenario_add_rules(s, mistakes[i].text, "-e", &diags),
			-EINVAL);
		d = &diags.v[0];
		assert_string_equal(d->file, "-e");
		assert_string_equal(d->message, mistakes[i].message);
		assert_int_equal(d->line, 1);
		assert_int_equal(d->column, mistakes[i].column);
		if (mistakes[i].hint)
			assert_string_equal(d->hint, mistakes[i].hint);
		else
			assert_null(d->hint);
		assert_int_equal(s->n_rules, 0);
		diag_list_release(&diags);
		scenario_free(s);
	}
}

static void a_line_adds_to_the_rules_that_are_there(void **state)
{
	static char *const argv[] = {(char *)(uintptr_t) "x", NULL};
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};

	(void)state;
	assert_int_equal(scenario_add_program(s, "app", argv), 0);
	assert_int_equal(
		scenario_add_rules(s, "name=a:recv:reset:in=app", "-e", &diags),
		0);
	assert_int_equal(
		scenario_add_rules(s, "send:reset:after=a", "-e", &diags), 0);
	assert_int_equal(
		scenario_add_rules(s, "send:reset; send:x", "-e", &diags),
		-EINVAL);
	assert_int_equal(s->n_rules, 2);
	assert_int_equal(s->rules[0].programs, 1);
	assert_int_equal(s->rules[1].after_rule, 0);
	diag_list_release(&diags);
	scenario_free(s);
}

static void rules_outlive_the_text_they_were_read_from(void **state)
{
	char text[] = "recv:reset:nth=3:name=abc", origin[] = "FAULT_INJECT";
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};

	(void)state;
	assert_int_equal(scenario_add_rules(s, text, origin, &diags), 0);
	memset(text, 'x', sizeof(text) - 1);
	memset(origin, 'x', sizeof(origin) - 1);
	assert_string_equal(s->rules[0].name, "abc");
	assert_string_equal(s->rules[0].text, "recv:reset:nth=3");
	assert_string_equal(s->rules[0].loc.file, "FAULT_INJECT");
	scenario_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_give_the_same_plan),
		cmocka_unit_test(the_text_of_a_rule_is_its_one_line_form),
		cmocka_unit_test(what_is_wrong_is_said_where_it_stands),
		cmocka_unit_test(a_line_adds_to_the_rules_that_are_there),
		cmocka_unit_test(rules_outlive_the_text_they_were_read_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
