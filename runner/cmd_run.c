/*
 * cmd_run.c - `fault run`: scenarios one after another, judged and reported.
 *
 * Everything that was selected is loaded and checked first; only then does the
 * first program start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/cmd.h"
#include "runner/options.h"
#include "runner/print_diags.h"
#include "runner/run_case.h"
#include "runner/selection.h"

enum {
	OPT_SEED = 1,
	OPT_FAIL_FAST,
	OPT_VERBOSE,
	OPT_QUIET,
	OPT_LIST,
	OPT_DRY_RUN,
	OPT_VAR,
	OPT_TAG,
	OPT_OUT,
};

static const struct option_spec specs[] = {
	{OPT_SEED, 0, "seed", "N", "what decisions are drawn from (default 0)"},
	{OPT_FAIL_FAST, 'x', "fail-fast", NULL, "stop at the first failure"},
	{OPT_TAG, 0, "tag", "A,!B",
         "tag A and not B; several --tag: any of them"},
	{OPT_VAR, 0, "var", "K=V", "the value of ${K}"},
	{OPT_LIST, 0, "list", NULL, "print the ids of what would run"},
	{OPT_DRY_RUN, 0, "dry-run", NULL, "print what would be started"},
	{OPT_OUT, 0, "out", "DIR",
         "for what failures leave (default fault-out)"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "details of what passed, too"},
	{OPT_QUIET, 'q', "quiet", NULL, "failures and the summary only"},
};

static const struct command_help help = {
	"run",
	"[OPTION]... PATH[::CASE]...",
	"Run scenarios: files, folders of *.yaml (but _*.yaml), or the ids "
	"that\n"
	"--list prints.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: 0 passed, 1 a scenario failed, 2 usage or an invalid "
	"file\n"
	"(nothing was started), 3 a program could not be started or reached,\n"
	"4 nothing ran, 130 and 143 after SIGINT and SIGTERM."};

enum {
	MAX_LIST = 256
};

struct run_command {
	char *paths[4096], *vars[MAX_LIST], *tags[MAX_LIST];
	size_t n_paths, n_vars, n_tags;
	bool list, dry_run, fail_fast;
	int verbosity;
	struct run_context context;
	struct selection selection;
	bool *runs; /* per selected case: chosen by its tags */
};

/* ---- the command line ---------------------------------------------------- */

static int add(struct options *o, char **v, size_t *n, size_t max)
{
	if (*n == max)
		return options_error(o, "too many of them");
	v[(*n)++] = o->value;
	return 0;
}

static int take_option(struct run_command *c, struct options *o, int id)
{
	switch (id) {
	case OPT_SEED:
		if (parse_u64(o->value, &c->context.seed) < 0)
			return options_error(o, "--seed wants a number");
		break;
	case OPT_FAIL_FAST:
		c->fail_fast = true;
		break;
	case OPT_VERBOSE:
		c->verbosity++;
		break;
	case OPT_QUIET:
		c->verbosity--;
		break;
	case OPT_LIST:
		c->list = true;
		break;
	case OPT_DRY_RUN:
		c->dry_run = true;
		break;
	case OPT_VAR:
		if (!strchr(o->value, '='))
			return options_error(o, "--var wants K=V");
		return add(o, c->vars, &c->n_vars, MAX_LIST);
	case OPT_TAG:
		return add(o, c->tags, &c->n_tags, MAX_LIST);
	case OPT_OUT:
		c->context.out = o->value;
		break;
	case OPTION_OPERAND:
		return add(o, c->paths, &c->n_paths, 4096);
	default:
		break;
	}
	return 0;
}

/* -1, or the exit code. */
static int parse(struct run_command *c, int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	int id;

	c->context.out = "fault-out";
	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id != OPTION_EXIT)
			id = take_option(c, &o, id);
		if (id == OPTION_EXIT)
			return o.exit_code;
	}
	if (c->n_paths == 0) {
		options_error(&o, "which scenarios?");
		return o.exit_code;
	}
	c->context.vars = c->vars;
	c->context.n_vars = c->n_vars;
	return -1;
}

/* ---- what is to run ------------------------------------------------------ */

static bool has_tag(const struct scenario *s, const char *tag, size_t len)
{
	for (size_t i = 0; i < s->n_tags; i++)
		if (strlen(s->tags[i]) == len &&
		    strncmp(s->tags[i], tag, len) == 0)
			return true;
	return false;
}

/* "a,!b": a and not b. */
static bool tags_match(const struct scenario *s, const char *wanted)
{
	while (*wanted) {
		size_t len = strcspn(wanted, ",");
		bool not = *wanted == '!';

		if (len && has_tag(s, wanted + not, len - not ) == not )
			return false;
		wanted += len + (wanted[len] == ',');
	}
	return true;
}

static bool chosen(const struct run_command *c, const struct scenario *s)
{
	for (size_t i = 0; i < c->n_tags; i++)
		if (tags_match(s, c->tags[i]))
			return true;
	return c->n_tags == 0;
}

static void print_dry(const char *id, const struct scenario *s)
{
	printf("%s\n", id);
	for (size_t i = 0; i < s->n_programs; i++) {
		printf("    %s:", s->programs[i].name);
		for (char **a = s->programs[i].argv; a && *a; a++)
			printf(strpbrk(*a, " '\"$") ? " '%s'" : " %s", *a);
		putchar('\n');
	}
	for (size_t i = 0; i < s->n_rules; i++)
		printf("    rule %s\n", s->rules[i].text);
}

/* Binds with stand-ins: is it valid, is it wanted?  False: invalid. */
static bool check_case(struct run_command *c, size_t i, struct diag_list *diags)
{
	const struct selected_case *one = &c->selection.v[i];
	const char *id = suite_case_id(one->suite, one->index);
	struct plan_options options = {.trace = true};
	struct scenario *s;
	void *plan = NULL;
	size_t len;
	bool ok;

	if (suite_bind(one->suite, one->index, NULL, &s, diags) < 0)
		return false;
	c->runs[i] = suite_has_programs(one->suite) && chosen(c, s);
	ok = scenario_plan(s, &options, &plan, &len, diags) == 0;
	if (ok && c->runs[i] && c->list)
		puts(id);
	else if (ok && c->runs[i] && c->dry_run)
		print_dry(id, s);
	free(plan);
	scenario_free(s);
	return ok;
}

/* A file of faults alone that was named itself is a mistake. */
static bool explain_no_programs(const struct run_command *c)
{
	bool any = false;

	for (size_t i = 0; i < c->selection.n; i++) {
		const struct selected_case *one = &c->selection.v[i];

		if (suite_has_programs(one->suite))
			continue;
		for (size_t p = 0; p < c->n_paths; p++) {
			if (strcmp(c->paths[p], one->file) != 0)
				continue;
			fprintf(stderr,
			        "fault run: %s has faults but no programs; try "
			        "`fault exec -s %s -- PROGRAM`\n",
			        one->file, one->file);
			any = true;
		}
	}
	return any;
}

/* -1, or the exit code. */
static int load(struct run_command *c)
{
	struct launch_vars vars;
	struct suite_vars interface;
	struct diag_list diags = {0};
	bool ok = true;

	launch_vars_init(&vars, c->vars, c->n_vars);
	interface = launch_suite_vars(&vars);
	for (size_t i = 0; i < c->n_paths; i++)
		selection_add(&c->selection, c->paths[i], &interface, &diags);
	launch_vars_release(&vars);
	c->runs = calloc(c->selection.n + 1, sizeof(*c->runs));
	ok = c->runs && !c->selection.n_errors && !c->selection.missing;
	for (size_t i = 0; c->runs && i < c->selection.n; i++)
		ok = check_case(c, i, &diags) && ok;
	print_diags(&diags);
	if (explain_no_programs(c))
		ok = false;
	if (!ok)
		return EXIT_USAGE;
	for (size_t i = 0; i < c->selection.n; i++)
		c->context.n_cases += c->runs[i];
	if (c->context.n_cases == 0) {
		fprintf(stderr, "fault run: nothing to run: no scenario is "
		                "selected; --list and no --tag name what "
		                "there is\n");
		return EXIT_NOTHING;
	}
	return c->list || c->dry_run ? EXIT_PASSED : -1;
}

/* ---- the run ------------------------------------------------------------- */

static int exit_code(const struct run_context *x)
{
	if (x->interrupt.first)
		return interrupt_exit_code(&x->interrupt);
	if (x->terminal.n_failed)
		return EXIT_FAILED;
	if (x->terminal.n_errors || x->terminal.n_unsure)
		return EXIT_ENVIRONMENT;
	return x->terminal.n_passed ? EXIT_PASSED : EXIT_NOTHING;
}

static int run_all(struct run_command *c)
{
	struct run_context *x = &c->context;
	int64_t start = now_ns();
	int code = run_context_open(x, c->verbosity);

	if (code)
		return code;
	for (size_t i = 0; i < c->selection.n; i++) {
		enum outcome o;

		if (!c->runs[i])
			continue;
		o = run_case(x, &c->selection.v[i]);
		if (o == OUTCOME_INTERRUPTED || x->broken ||
		    (c->fail_fast && o != OUTCOME_PASSED))
			break;
	}
	terminal_summary(&x->terminal, now_ns() - start, x->seed);
	code = exit_code(x);
	run_context_close(x);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct run_command *c = calloc(1, sizeof(*c));
	int code;

	if (!c)
		return EXIT_ENVIRONMENT;
	code = parse(c, argc, argv);
	if (code < 0)
		code = load(c);
	if (code < 0)
		code = run_all(c);
	selection_release(&c->selection);
	free(c->runs);
	free(c);
	return code;
}
