/*
 * cmd_exec.c - `fault exec`: one program under faults.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/cmd.h"
#include "runner/print_diags.h"
#include "runner/launch.h"
#include "runner/options.h"
#include "runner/passthrough.h"
#include "runner/selection.h"

enum {
	OPT_SCENARIO = 1,
	OPT_RULE,
	OPT_AS,
	OPT_VAR,
	OPT_SEED,
	OPT_TRACE,
	OPT_VERBOSE,
};

static const struct option_spec specs[] = {
	{OPT_RULE, 'e', NULL, "RULE",
         "a rule in the one-line form: recv:reset:nth=3"},
	{OPT_SCENARIO, 's', "scenario", "FILE",
         "the faults of this file, or of one FILE::CASE"},
	{OPT_AS, 0, "as", "NAME",
         "which program of the file it is (`in: NAME`)"},
	{OPT_VAR, 0, "var", "K=V", "the value of ${K}"},
	{OPT_SEED, 0, "seed", "N", "what decisions are drawn from (default 0)"},
	{OPT_TRACE, 0, "trace", "DIR", "keep a trace of all calls there"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "say how often each rule fired"},
};

static const struct command_help help = {
	"exec",
	"[OPTION]... [--] PROGRAM [ARG]...",
	"Run one program under faults.  It has this command's stdin, stdout,\n"
	"stderr and terminal.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: the program's own (128+N for signal N, 126 and 127 when\n"
	"it cannot be started); 125 when the library does not reach it, for "
	"any\n"
	"other failure of `fault`, and when the program succeeded although a\n"
	"rule never fired."};

enum {
	MAX_LIST = 256
};

struct exec_command {
	const char *scenario_path, *as, *trace_dir;
	char *rules[MAX_LIST], *vars[MAX_LIST];
	size_t n_rules, n_vars;
	uint64_t seed;
	bool verbose;
	char **argv; /* of the program */
	struct launch_vars values;
	struct selection selection;
	struct scenario *scenario;
	size_t program;
};

static int take_option(struct exec_command *c, struct options *o, int id)
{
	switch (id) {
	case OPT_RULE:
		if (c->n_rules == MAX_LIST)
			return options_error(o, "too many rules");
		c->rules[c->n_rules++] = o->value;
		break;
	case OPT_VAR:
		if (c->n_vars == MAX_LIST || !strchr(o->value, '='))
			return options_error(o, "--var wants K=V");
		c->vars[c->n_vars++] = o->value;
		break;
	case OPT_SCENARIO:
		c->scenario_path = o->value;
		break;
	case OPT_AS:
		c->as = o->value;
		break;
	case OPT_SEED:
		if (parse_u64(o->value, &c->seed) < 0)
			return options_error(o, "--seed wants a number");
		break;
	case OPT_TRACE:
		c->trace_dir = o->value;
		break;
	case OPT_VERBOSE:
		c->verbose = true;
		break;
	case OPTION_OPERAND:
		c->argv = &o->argv[o->index - 1];
		break;
	default:
		break;
	}
	return 0;
}

static int parse(struct exec_command *c, int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	int id;

	o.operands_last = true;
	o.usage_exit = EXIT_OURS;
	while (!c->argv && (id = options_next(&o)) != OPTION_DONE) {
		if (id != OPTION_EXIT)
			id = take_option(c, &o, id);
		if (id == OPTION_EXIT)
			return o.exit_code;
	}
	if (!c->argv) {
		options_error(&o, "which program?");
		return o.exit_code;
	}
	return -1;
}

static int __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list args;

	fputs("fault exec: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_OURS;
}

/* -s means several. */
static int say_cases(const struct exec_command *c)
{
	say("%s has several cases, say which:", c->scenario_path);
	for (size_t i = 0; i < c->selection.n; i++)
		fprintf(stderr, "    %s\n",
		        suite_case_id(c->selection.v[i].suite,
		                      c->selection.v[i].index));
	return EXIT_OURS;
}

/* The scenario of -s, or an empty one. */
static int load(struct exec_command *c, struct diag_list *diags)
{
	struct suite_vars vars = launch_suite_vars(&c->values);
	const struct selected_case *one;

	if (!c->scenario_path) {
		c->scenario = scenario_new();
		return c->scenario ? 0 : say("out of memory");
	}
	selection_add(&c->selection, c->scenario_path, &vars, diags);
	if (c->selection.n_errors || c->selection.missing) {
		print_diags(diags);
		return EXIT_OURS;
	}
	if (c->selection.n == 0)
		return say("%s: there is no such case", c->scenario_path);
	if (c->selection.n > 1)
		return say_cases(c);
	one = &c->selection.v[0];
	launch_vars_bind(&c->values, one->file, "/tmp", c->seed);
	if (suite_bind(one->suite, one->index, &vars, &c->scenario, diags) <
	    0) {
		print_diags(diags);
		return EXIT_OURS;
	}
	return 0;
}

/* --as is missing or names none of them. */
static int say_programs(const struct exec_command *c)
{
	const char *words[PLAN_MAX_PROGRAMS] = {"", ""};
	char suggestion[256];
	size_t n = 0;

	for (size_t i = 0; i < c->scenario->n_programs; i++)
		if (c->scenario->programs[i].kind == PROGRAM_RUN)
			words[n++] = c->scenario->programs[i].name;
	if (c->as)
		return say("%s has no program `%s`%s", c->scenario_path, c->as,
		           options_suggest(c->as, words, n, suggestion,
		                           sizeof(suggestion)));
	return say("%s has several programs (%s, %s%s): --as NAME says which "
	           "this is",
	           c->scenario_path, words[0], words[1], n > 2 ? ", ..." : "");
}

/*
 * Only the faults of the file count.  Who has written more is told once what
 * is not done, and may do it otherwise: rules that its steps arm stay disarmed.
 */
static void say_ignored(const struct exec_command *c)
{
	const struct scenario *s = c->scenario;
	const struct {
		const char *word;
		bool given;
	} keys[] = {
		{"steps", s->steps.n > 0},
		{"setup", s->n_setup > 0},
		{"teardown", s->n_teardown > 0},
		{"files", s->n_files > 0},
		{"dir", s->programs[c->program].dir != NULL},
		{"stdin", s->programs[c->program].stdin_file != NULL},
	};
	char list[128] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].given)
			at += (size_t)snprintf(list + at, sizeof(list) - at,
			                       "%s%s", at ? ", " : "",
			                       keys[i].word);
	if (at)
		say("of %s only the faults count here, not: %s",
		    c->scenario_path, list);
}

/*
 * Which program of the scenario ours is: an unknown name is a new one, where
 * there is none that can be meant.  Scripts cannot: no fault reaches them.
 */
static int choose_program(struct exec_command *c)
{
	struct scenario *s = c->scenario;
	size_t n = 0, only = s->n_programs;

	c->program = s->n_programs;
	for (size_t i = 0; i < s->n_programs; i++) {
		if (s->programs[i].kind != PROGRAM_RUN)
			continue;
		if (c->as && strcmp(s->programs[i].name, c->as) == 0)
			c->program = i;
		only = i;
		n++;
	}
	if (!c->as && n == 1)
		c->program = only;
	if (c->program == s->n_programs && n)
		return say_programs(c);
	if (c->program == s->n_programs &&
	    scenario_add_program(s, c->as ? c->as : "", c->argv) < 0)
		return say("out of memory");

	struct program *p = &s->programs[c->program];

	if (c->scenario_path)
		say_ignored(c);
	p->argv = c->argv;
	p->dir = NULL;
	p->attach = true;
	p->ready = READY_NONE;
	s->n_expects = 0;
	return 0;
}

static int prepare(struct exec_command *c)
{
	struct diag_list diags = {0};
	int code;

	launch_vars_init(&c->values, c->vars, c->n_vars);
	code = load(c, &diags);
	if (!code)
		code = choose_program(c);
	for (size_t i = 0; !code && i < c->n_rules; i++)
		if (scenario_add_rules(c->scenario, c->rules[i], "-e", &diags) <
		    0)
			code = EXIT_OURS;
	print_diags(&diags);
	return code;
}

int cmd_exec(int argc, char **argv)
{
	struct exec_command *c = calloc(1, sizeof(*c));
	int code;

	if (!c)
		return say("out of memory");
	code = parse(c, argc, argv);
	if (code < 0) {
		code = prepare(c);
		if (!code)
			code = passthrough_run(&(struct passthrough){
				.command = "exec",
				.scenario = c->scenario,
				.program = c->program,
				.seed = c->seed,
				.verbose = c->verbose,
				.trace_dir = c->trace_dir,
			});
	}
	if (c->scenario)
		scenario_free(c->scenario);
	selection_release(&c->selection);
	launch_vars_release(&c->values);
	free(c);
	return code;
}
