/*
 * print_scenario.c - prints a bound scenario; what is at its default is left
 * out.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "runner/print_scenario.h"

/* As a double-quoted YAML string. */
static void print_quoted(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void print_duration(FILE *out, int64_t ns)
{
	if (ns % 1000000000 == 0)
		fprintf(out, "%" PRId64 "s", ns / 1000000000);
	else if (ns % 1000000 == 0)
		fprintf(out, "%" PRId64 "ms", ns / 1000000);
	else
		fprintf(out, "%" PRId64 "us", ns / 1000);
}

/* The language's RANGE: a, a..b, a.., ..b; scale divides. */
static void print_range(FILE *out, const struct range *r, const char *unit,
                        int64_t scale)
{
	if (r->min == r->max) {
		fprintf(out, "%" PRId64 "%s", r->min / scale, unit);
		return;
	}
	if (r->min != INT64_MIN)
		fprintf(out, "%" PRId64 "%s", r->min / scale, unit);
	fputs("..", out);
	if (r->max != INT64_MAX)
		fprintf(out, "%" PRId64 "%s", r->max / scale, unit);
}

static void print_text(FILE *out, const char *key, const struct text_list *l)
{
	if (!l->n)
		return;
	fprintf(out, "    %s: [", key);
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			fputs(", ", out);
		if (l->v[i].regex)
			fprintf(out, "/%s/", l->v[i].text);
		else
			print_quoted(out, l->v[i].text);
	}
	fputs("]\n", out);
}

static void print_program(FILE *out, const struct program *p)
{
	fprintf(out, "  %s:\n    run: [", p->name);
	for (size_t i = 0; p->argv && p->argv[i]; i++) {
		if (i)
			fputs(", ", out);
		print_quoted(out, p->argv[i]);
	}
	fputs("]\n", out);
	for (size_t i = 0; i < p->n_env; i++) {
		fprintf(out, "    env %s: ", p->env[i].name);
		print_quoted(out, p->env[i].value);
		fputc('\n', out);
	}
	if (p->dir)
		fprintf(out, "    dir: %s\n", p->dir);
	if (p->stdin_file)
		fprintf(out, "    stdin: %s\n", p->stdin_file);
	if (!p->attach)
		fputs("    attach: false\n", out);
	if (p->ready == READY_NONE)
		return;
	if (p->ready == READY_LISTENING)
		fputs("    ready: listening\n", out);
	else
		fprintf(out, "    ready: %s\n", p->ready_text.text);
	fprintf(out, "    stop: %s\n    grace: ", sigabbrev_np(p->stop_signal));
	print_duration(out, p->grace_ns);
	fputc('\n', out);
}

static bool has_call(const uint64_t *calls, unsigned call)
{
	return calls[call / 64] >> (call % 64) & 1;
}

/* 0: none of the family's calls is selected, 1: some, 2: all. */
static int family_part(const uint64_t *calls, unsigned family)
{
	bool some = false, all = true;

	for (unsigned i = FAULT_CALL_NONE + 1; i < N_CALLS; i++) {
		if (fault_calls[i].family != family ||
		    fault_calls[i].kind != FAULT_INJECT)
			continue;
		some |= has_call(calls, i);
		all &= has_call(calls, i);
	}
	return some + (some && all);
}

static bool has_any_call(const uint64_t *calls)
{
	for (unsigned i = 0; i < PLAN_CALL_WORDS; i++) {
		if (calls[i])
			return true;
	}
	return false;
}

/* Families that are selected as a whole by their word. */
static void print_calls(FILE *out, const uint64_t *calls)
{
	for (unsigned f = 0; f < N_FAMILIES; f++) {
		int part = family_part(calls, f);

		if (part == 2)
			fprintf(out, " %s", fault_families[f].word);
		for (unsigned i = FAULT_CALL_NONE + 1; part == 1 && i < N_CALLS;
		     i++)
			if (fault_calls[i].family == f && has_call(calls, i))
				fprintf(out, " %s", fault_calls[i].symbol);
	}
}

static void print_compiled(FILE *out, const struct fault_plan *plan,
                           const struct plan_rule *r)
{
	static const char *const pers[] = {[PER_DEFAULT] = "default",
	                                   [PER_CONNECTION] = "connection",
	                                   [PER_PROCESS] = "process",
	                                   [PER_PROGRAM] = "program",
	                                   [PER_RUN] = "run"};

	fprintf(out, ", class %u, per %s", r->class_index,
	        pers[plan_classes(plan)[r->class_index].per]);
}

static void print_rule(FILE *out, const struct scenario *s,
                       const struct rule *r, const struct fault_plan *plan)
{
	size_t index = (size_t)(r - s->rules);

	fprintf(out, "  - %s\n    # line %u, ", r->text, r->loc.line);
	if (has_any_call(r->calls)) {
		fputs("calls", out);
		print_calls(out, r->calls);
	} else {
		fputs("by itself", out);
	}
	if (r->programs != UINT64_MAX && s->n_programs) {
		fputs(", in", out);
		for (size_t i = 0; i < s->n_programs; i++)
			if (r->programs >> i & 1)
				fprintf(out, " %s", s->programs[i].name);
	}
	fputs(", hits ", out);
	print_range(out, &r->hits, "", 1);
	if (!r->armed)
		fputs(", not armed", out);
	if (r->force)
		fputs(", force", out);
	if (plan && index < plan->n_rules)
		print_compiled(out, plan, &plan_rules(plan)[index]);
	fputc('\n', out);
}

static void print_exit(FILE *out, const struct exit_expect *e)
{
	if (!e->given)
		return;
	fputs("    exit: ", out);
	if (e->nonzero)
		fputs("nonzero", out);
	for (size_t i = 0; i < e->n; i++) {
		fputs(i ? ", " : "", out);
		print_range(out, &e->v[i], "", 1);
	}
	fputc('\n', out);
}

static void print_expectation(FILE *out, const struct scenario *s,
                              const struct expectation *e)
{
	fprintf(out, "  %s:\n", s->programs[e->program].name);
	print_exit(out, &e->exit);
	if (e->signal)
		fprintf(out, "    signal: %s\n", sigabbrev_np(e->signal));
	if (e->alive >= 0)
		fprintf(out, "    alive: %s\n", e->alive ? "true" : "false");
	print_text(out, "stdout", &e->out);
	print_text(out, "stderr", &e->err);
	print_text(out, "no_stdout", &e->no_out);
	print_text(out, "no_stderr", &e->no_err);
	if (e->has_time) {
		fputs("    time: ", out);
		print_range(out, &e->time_ns, "ms", 1000000);
		fputc('\n', out);
	}
	for (int i = 0; i < N_VERDICTS; i++)
		if (e->allow >> i & 1)
			fprintf(out, "    allow: %s\n", fault_verdicts[i].word);
}

void print_scenario(FILE *out, const char *id, const struct scenario *s,
                    const struct fault_plan *plan)
{
	fprintf(out, "# %s\n", id);
	if (s->name && *s->name) {
		fputs("name: ", out);
		print_quoted(out, s->name);
		fputc('\n', out);
	}
	if (s->n_programs) {
		fputs("limit: ", out);
		print_duration(out, s->limit_ns);
		fputs("\nprograms:\n", out);
	}
	for (size_t i = 0; i < s->n_programs; i++)
		print_program(out, &s->programs[i]);
	if (s->n_rules)
		fputs("faults:\n", out);
	for (size_t i = 0; i < s->n_rules; i++)
		print_rule(out, s, &s->rules[i], plan);
	if (s->n_expects)
		fputs("expect:\n", out);
	for (size_t i = 0; i < s->n_expects; i++)
		print_expectation(out, s, &s->expects[i]);
}
