/*
 * reading.c - see reading.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/expect_trace.h"
#include "runner/funnel.h"
#include "runner/judge.h"
#include "runner/last_calls.h"
#include "runner/trace_file.h"
#include "tests/fuzz/reading.h"

enum {
	LINE_SIZE = 4096
};

static const char text[] =
	"version: 1\n"
	"programs:\n"
	"  a: {run: a}\n"
	"  b: {run: b}\n"
	"faults:\n"
	"  - {in: a, call: recv, role: client, port: 80, peer: 10.0.0.0/8,\n"
	"     nth: 3, inject: reset}\n"
	"  - {call: recv, connection: 2, state: ESTABLISHED, turn: 3,\n"
	"     inject: {error: ETIMEDOUT}}\n"
	"  - {call: resolve, host: x.example, inject: {error: EAI_AGAIN}}\n"
	"  - {call: send, process: abc, bytes: 1KiB, inject: {short: 1B}}\n"
	"  - {call: connect, caller: libx.so!f, inject: {error: "
	"ECONNREFUSED}}\n"
	"  - {name: y, armed: false, in: b, seen: 4KiB, inject: reset}\n"
	"  - {for: 1s, inject: {exhaust: descriptors}}\n"
	"expect:\n"
	"  calls:\n"
	"    - {in: a, call: connect, result: ECONNREFUSED}\n"
	"    - {call: recv, nth: 2, gap: 1ms..2ms, count: 3..5}\n"
	"    - {call: accept, gap: 1ms..2ms, bytes: 10B..20B}\n"
	"    - {call: send, port: 80, peer: 10.0.0.1, bytes: 10B..20B}\n"
	"  order:\n"
	"    - {in: a, call: connect, result: ok}\n"
	"    - {call: send, gap: ..1s}\n"
	"    - {call: recv}\n"
	"    - {call: close, nth: 2}\n";

static void compile(struct reading *r)
{
	struct plan_options options = {.seed = 1, .trace = true};
	struct diag_list diags = {0};

	r->scenario = good_scenario(text);
	must(!scenario_plan(r->scenario, &options, &r->plan, &r->plan_len,
	                    &diags),
	     "the scenario cannot be compiled");
	check_diags(&diags);
}

const struct reading *reading_get(void)
{
	static struct reading one;

	if (!one.plan)
		compile(&one);
	return &one;
}

static void check_text(const char *s)
{
	for (; *s; s++)
		must(*s == '\n' || ((unsigned char)*s >= 0x20 && *s != 0x7f),
		     "a control byte in `%s`", s);
}

static void print_trace(const char *path)
{
	struct trace_printer *printer = trace_printer_new();
	const struct fault_record *r;
	struct trace_reader reader;
	const char *why = NULL;
	char line[LINE_SIZE];

	must(printer, "no memory");
	if (trace_reader_open(&reader, path, &why) == 0) {
		while ((r = trace_reader_next(&reader))) {
			trace_print(printer, &reader.context, r, line,
			            sizeof(line));
			check_text(line);
		}
		(void)trace_reader_complete(&reader);
		trace_reader_release(&reader);
	} else {
		must(why, "refused, and nobody says why");
	}
	trace_printer_free(printer);
}

static void judge_trace(const struct reading *r, const char *path,
                        const struct session_result *result)
{
	const struct scenario *s = r->scenario;
	struct judgement j = {0};
	char **funnels = funnels_explain(path, s, result);

	for (size_t i = 0; funnels && i < s->n_rules; i++)
		if (funnels[i])
			check_text(funnels[i]);
	expect_trace_judge(path, s, result, &j);
	judge(s, result, funnels, s->n_programs, &j);
	for (size_t i = 0; i < j.n; i++)
		check_text(j.v[i].text);
	(void)judge_outcome(result, &j);
	judgement_release(&j);
	funnels_free(funnels, s->n_rules);
}

static void print_last(const struct reading *r, const char *path,
                       const struct session_result *result)
{
	char *said = NULL;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	must(out, "no memory");
	print_last_calls(out, path, r->scenario, result);
	fclose(out);
	check_text(said);
	free(said);
}

void read_trace(const struct reading *r, const char *path,
                const struct rule_result *rules, size_t explain)
{
	struct instance_result instances[] = {
		{.program = 0, .number = 1, .started = true, .killed = true},
		{.program = 1, .number = 1, .started = true, .killed = true},
	};
	struct rule_result copy[16] = {{0}};
	struct session_result result = {
		.end = SESSION_LIMIT,
		.message = (char[]){"limit"},
		.program = 2,
		.n_programs = r->scenario->n_programs,
		.n_rules = r->scenario->n_rules,
		.n_instances = 2,
		.instances = instances,
		.plan = r->plan,
		.plan_len = r->plan_len,
	};

	must(result.n_rules <= 16, "too many rules");
	if (rules)
		memcpy(copy, rules, result.n_rules * sizeof(*rules));
	/* One of them is explained: that takes most of the time. */
	for (size_t i = 0; i < result.n_rules; i++)
		if (i != explain % result.n_rules)
			copy[i].hits = 1;
		else
			copy[i].hits = 0;
	result.rules = copy;
	print_trace(path);
	judge_trace(r, path, &result);
	print_last(r, path, &result);
}
