/*
 * cmd_check.c - `fault check`: are these scenarios valid, and what do they
 * say?  Starts nothing: run-time values get stand-ins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/scenario.h"
#include "runner/cmd.h"
#include "runner/print_scenario.h"
#include "runner/launch.h"
#include "runner/options.h"
#include "runner/selection.h"

enum {
	OPT_EXPRESSION = 1,
	OPT_EXPAND,
	OPT_VAR,
	OPT_VERBOSE
};

static const struct option_spec specs[] = {
	{OPT_EXPRESSION, 'e', NULL, "RULE",
         "check a rule in the one-line form"},
	{OPT_EXPAND, 0, "expand", NULL,
         "print them as they will run; also FILE::CASE"},
	{OPT_VAR, 0, "var", "K=V", "the value of ${K}"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "name each case"},
};

static const struct command_help help = {
	"check",
	"[OPTION]... PATH...",
	"Check scenario files, and all *.yaml below folders but _*.yaml.\n"
	"Nothing is started.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: 0 valid, 2 not valid, 3 no memory, 4 no scenario found."};

struct check {
	bool expand, verbose;
	struct launch_vars vars;
	size_t n_files, n_cases, n_errors;
	bool machine; /* no input is wrong: there was no memory */
	char **said;  /* diagnostics that were printed */
	size_t n_said;
};

/* Each case of a matrix finds the same mistake: it is said once. */
static bool already_said(struct check *c, const char *text)
{
	char **v;

	for (size_t i = 0; i < c->n_said; i++)
		if (!strcmp(c->said[i], text))
			return true;
	v = realloc(c->said, (c->n_said + 1) * sizeof(*v));
	if (v) {
		c->said = v;
		v[c->n_said] = strdup(text);
		c->n_said += v[c->n_said] != NULL;
	}
	return false;
}

/* Prints and empties a list. */
static void say(struct check *c, struct diag_list *diags)
{
	c->machine |= diags->machine;
	for (size_t i = 0; i < diags->n; i++) {
		size_t len = diag_format(&diags->v[i], NULL, 0) + 1;
		char *text = malloc(len);

		if (!text)
			continue;
		diag_format(&diags->v[i], text, len);
		if (!already_said(c, text)) {
			fputs(text, stderr);
			c->n_errors += diags->v[i].kind == DIAG_ERROR;
		}
		free(text);
	}
	diag_list_release(diags);
}

/* Compiles a scenario as a run would; prints it if that is wanted. */
static void check_scenario(struct check *c, const char *id,
                           const struct scenario *s, struct diag_list *diags)
{
	struct plan_options options = {0};
	void *plan = NULL;
	size_t len;

	if (!scenario_plan(s, &options, &plan, &len, diags) && c->expand) {
		if (c->n_cases > 1)
			puts("---");
		print_scenario(stdout, id, s, plan);
	}
	free(plan);
}

static void check_case(struct check *c, const struct selected_case *one)
{
	const char *id = suite_case_id(one->suite, one->index);
	struct diag_list diags = {0};
	struct scenario *s;

	c->n_cases++;
	if (c->verbose)
		puts(id);
	if (!suite_bind(one->suite, one->index, NULL, &s, &diags)) {
		check_scenario(c, id, s, &diags);
		scenario_free(s);
	}
	say(c, &diags);
}

static void check_path(struct check *c, const char *path)
{
	struct suite_vars vars = launch_suite_vars(&c->vars);
	struct selection selection = {0};
	struct diag_list diags = {0};
	size_t before = c->n_errors;

	selection_add(&selection, path, &vars, &diags);
	say(c, &diags);
	c->n_files += selection.n_suites;
	for (size_t i = 0; i < selection.n; i++)
		check_case(c, &selection.v[i]);
	if (selection.n_suites && !selection.n && !selection.n_errors) {
		fprintf(stderr, "fault check: there is no case `%s`\n", path);
		c->n_errors++;
	}
	/* What could not be read was said, but not as a diagnostic. */
	if ((selection.missing || selection.n_errors) && c->n_errors == before)
		c->n_errors++;
	selection_release(&selection);
}

static void check_rule(struct check *c, const char *text)
{
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};

	if (s && !scenario_add_rules(s, text, "-e", &diags)) {
		c->n_cases++;
		check_scenario(c, text, s, &diags);
	}
	c->n_errors += !s;
	say(c, &diags);
	scenario_free(s);
}

static int conclude(struct check *c, size_t n_rules)
{
	if (c->n_errors) {
		fprintf(stderr, "%zu error%s\n", c->n_errors,
		        c->n_errors == 1 ? "" : "s");
		return c->machine ? EXIT_ENVIRONMENT : EXIT_USAGE;
	}
	if (!c->n_files && !n_rules) {
		fputs("fault check: no scenario found\n", stderr);
		return EXIT_NOTHING;
	}
	if (c->expand)
		return EXIT_PASSED;
	if (c->n_files)
		printf("%zu file%s, %zu case%s: all valid\n", c->n_files,
		       c->n_files == 1 ? "" : "s", c->n_cases - n_rules,
		       c->n_cases - n_rules == 1 ? "" : "s");
	else
		printf("%zu rule%s: all valid\n", n_rules,
		       n_rules == 1 ? "" : "s");
	return EXIT_PASSED;
}

/* The words of argv by what they are; each array has room for all of them. */
struct words {
	const char **rules, **paths;
	char **vars; /* copies: K=V */
	size_t n_rules, n_paths, n_vars;
};

/* OPTION_DONE, or OPTION_EXIT. */
static int read_options(struct options *o, struct check *c, struct words *w)
{
	int id;

	while ((id = options_next(o)) != OPTION_DONE) {
		if (id == OPTION_EXIT)
			return id;
		if (id == OPT_EXPRESSION)
			w->rules[w->n_rules++] = o->value;
		else if (id == OPT_EXPAND)
			c->expand = true;
		else if (id == OPT_VERBOSE)
			c->verbose = true;
		else if (id == OPT_VAR && !strchr(o->value, '='))
			return options_error(o, "--var wants K=V, not `%s`",
			                     o->value);
		else if (id != OPT_VAR)
			w->paths[w->n_paths++] = o->value;
		else if ((w->vars[w->n_vars] = strdup(o->value)))
			w->n_vars++;
	}
	if (!w->n_rules && !w->n_paths)
		return options_error(o, "which files?");
	return OPTION_DONE;
}

static int run_check(struct options *o, struct words *w)
{
	struct check c = {0};
	int code;

	if (read_options(o, &c, w) == OPTION_EXIT)
		return o->exit_code;
	launch_vars_init(&c.vars, w->vars, w->n_vars);
	for (size_t i = 0; i < w->n_rules; i++)
		check_rule(&c, w->rules[i]);
	for (size_t i = 0; i < w->n_paths; i++)
		check_path(&c, w->paths[i]);
	code = conclude(&c, w->n_rules);
	launch_vars_release(&c.vars);
	for (size_t i = 0; i < c.n_said; i++)
		free(c.said[i]);
	free(c.said);
	return code;
}

int cmd_check(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	size_t n = (size_t)argc + 1;
	struct words w = {calloc(n, sizeof(char *)),
	                  calloc(n, sizeof(char *)),
	                  calloc(n, sizeof(char *)),
	                  0,
	                  0,
	                  0};
	int code = EXIT_ENVIRONMENT;

	if (w.rules && w.paths && w.vars)
		code = run_check(&o, &w);
	for (size_t i = 0; i < w.n_vars; i++)
		free(w.vars[i]);
	free(w.vars);
	free(w.rules);
	free(w.paths);
	return code;
}
