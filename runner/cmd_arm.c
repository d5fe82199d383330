/*
 * cmd_arm.c - `fault arm`, `fault disarm`, `fault hits`: a run's rules from
 * outside, while it goes on.
 *
 * The run is the one that the environment names, as `fault run` and `fault
 * exec` set it for their programs and all that these start: a test in any
 * language can say it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/units.h"
#include "plan/env.h"
#include "runner/arming.h"
#include "runner/clock.h"
#include "runner/cmd.h"
#include "runner/options.h"

enum {
	OPT_WITHIN = 1,
	OPT_JSON
};

#define WITHIN_NS (5 * NS_PER_S)

static const struct option_spec arm_specs[] = {
	{OPT_WITHIN, 0, "within", "DUR",
         "how long programs may take to follow (default 5s)"},
};

static const struct option_spec hits_specs[] = {
	{OPT_JSON, 0, "json", NULL, "an array of objects, for programs"},
};

#define WHERE                                                                  \
	"Works in the programs of `fault run` and `fault exec` and in what "   \
	"they\n"                                                               \
	"start: the run is found through FAULT_SHM in the environment.\n\n"
#define STATUS                                                                 \
	"Exit status: 0 done; 2 usage, no run, no rule of that name; 3 the "   \
	"run's\n"                                                              \
	"memory is unsound"

/* Options, and the end of the help, of arm and disarm. */
#define SWITCHING                                                              \
	arm_specs, sizeof(arm_specs) / sizeof(arm_specs[0]),                   \
		WHERE STATUS ", or a process did not follow in time."

static const struct command_help arm_help = {
	"arm",
	"[OPTION]... NAME...",
	"Let the rules of this name act, from now on: those with `armed: "
	"false`\n"
	"and those that were disarmed.  When it returns, every process knows.",
	SWITCHING,
};

static const struct command_help disarm_help = {
	"disarm",
	"[OPTION]... NAME...",
	"Let the rules of this name act no more, and end what they hold back.\n"
	"When it returns, every process knows.",
	SWITCHING,
};

static const struct command_help hits_help = {
	"hits",
	"[OPTION]... [NAME]",
	"Print how often the rules of this name have acted so far, as a "
	"number;\n"
	"without a name, a line `NAME HITS` for each name.",
	hits_specs,
	sizeof(hits_specs) / sizeof(hits_specs[0]),
	WHERE STATUS "."};

/* ---- the command line ---------------------------------------------------- */

struct arm_command {
	const struct command_help *help;
	char **names; /* in argv's place: the operands, in order */
	size_t n_names, max_names;
	uint64_t within_ns;
	bool json;
	struct segments segments;
	struct fault_plan *plan;
	const char **known; /* names of the plan's rules */
	size_t n_known;
};

static int take_within(struct arm_command *c, struct options *o)
{
	struct refusal why = {0};

	if (units_duration(o->value, &c->within_ns, &why))
		return options_error(o, "--within: `%s` %s%s%s%s", o->value,
		                     why.reason,
		                     *why.proposal ? ", write `" : "",
		                     why.proposal, *why.proposal ? "`" : "");
	return 0;
}

static int take_name(struct arm_command *c, struct options *o)
{
	if (c->n_names == c->max_names)
		return options_error(o, "one name at a time: `%s`", o->value);
	c->names[c->n_names++] = o->value;
	return 0;
}

/* -1, or the exit code. */
static int parse(struct arm_command *c, int argc, char **argv)
{
	struct options o = options_start(c->help, argc, argv);
	int id;

	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id == OPT_WITHIN)
			id = take_within(c, &o);
		else if (id == OPT_JSON)
			c->json = true;
		else if (id == OPTION_OPERAND)
			id = take_name(c, &o);
		if (id == OPTION_EXIT)
			return o.exit_code;
	}
	if (!c->n_names && c->help != &hits_help) {
		options_error(&o, "which rule? It needs the rule's `name`");
		return o.exit_code;
	}
	return -1;
}

/* ---- the run ------------------------------------------------------------- */

static int no_run(const struct arm_command *c)
{
	bool alone = getenv(FAULT_ENV_SCENARIO) || getenv(FAULT_ENV_INJECT);

	fprintf(stderr,
	        "fault %s: there is no run here: " FAULT_ENV_SHM " is not set; "
	        "%s\n",
	        c->help->name,
	        alone ? "the library used alone cannot be reached from "
	                "outside, start the program with `fault exec`"
	              : "programs that `fault run` and `fault exec` start "
	                "have it");
	return EXIT_USAGE;
}

static int find_run(struct arm_command *c)
{
	const char *ids = getenv(FAULT_ENV_SHM);
	const char *why = NULL;
	int r;

	if (!ids)
		return no_run(c);
	r = segments_attach(ids, &c->segments, &c->plan, &why);
	if (r == 0)
		return 0;
	fprintf(stderr, "fault %s: " FAULT_ENV_SHM "=%s: ", c->help->name, ids);
	if (r == -EINVAL)
		fputs("is not PLAN:RUN\n", stderr);
	else if (r == -ENOENT)
		fputs("this run is over, or in another IPC namespace\n",
		      stderr);
	else
		fprintf(stderr, "%s\n", why ? why : strerror(-r));
	return r == -EINVAL || r == -ENOENT ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static int find_names(struct arm_command *c)
{
	c->known = calloc(c->plan->n_rules + 1, sizeof(*c->known));
	if (!c->known) {
		fprintf(stderr, "fault %s: out of memory\n", c->help->name);
		return EXIT_ENVIRONMENT;
	}
	c->n_known = arming_names(c->plan, c->known);
	return 0;
}

static int check_names(const struct arm_command *c)
{
	struct arming_group group;
	char suggestion[256];

	for (size_t i = 0; i < c->n_names; i++) {
		if (arming_look(&c->segments, c->plan, c->names[i], &group))
			continue;
		fprintf(stderr,
		        "fault %s: no rule of this run has the name "
		        "`%s`%s\n",
		        c->help->name, c->names[i],
		        c->n_known ? options_suggest(c->names[i], c->known,
		                                     c->n_known, suggestion,
		                                     sizeof(suggestion))
		                   : ", none has a name");
		return EXIT_USAGE;
	}
	return 0;
}

/* What both begin with: 0, or the exit code. */
static int prepare(struct arm_command *c, int argc, char **argv)
{
	int code = parse(c, argc, argv);

	if (code < 0)
		code = find_run(c);
	else
		return code;
	if (!code)
		code = find_names(c);
	if (!code)
		code = check_names(c);
	return code;
}

static void release(struct arm_command *c)
{
	segments_release(&c->segments);
	free(c->plan);
	free(c->known);
	free(c->names);
}

/* ---- arm, disarm --------------------------------------------------------- */

static int set(struct arm_command *c, bool armed)
{
	int64_t deadline = INT64_MAX;
	uint32_t generation;

	if (c->within_ns < (uint64_t)(INT64_MAX - now_ns()))
		deadline = now_ns() + (int64_t)c->within_ns;
	for (size_t i = 0; i < c->n_names; i++)
		arming_set(&c->segments, c->plan, c->names[i], armed);
	generation = arming_ring(&c->segments);
	if (arming_wait(&c->segments, generation, deadline) == 0)
		return EXIT_PASSED;
	fprintf(stderr, "fault %s: not followed within %g s: process ",
	        c->help->name, (double)c->within_ns / NS_PER_S);
	arming_print_debtors(&c->segments, generation, stderr);
	fprintf(stderr, "; its new calls do%s\n",
	        armed ? "" : ", what is held back there still is");
	return EXIT_ENVIRONMENT;
}

static int arm(const struct command_help *help, bool armed, int argc,
               char **argv)
{
	struct arm_command c = {
		.help = help,
		.names = calloc((size_t)argc + 1, sizeof(*c.names)),
		.max_names = (size_t)argc,
		.within_ns = WITHIN_NS,
	};
	int code;

	if (!c.names)
		return EXIT_ENVIRONMENT;
	code = prepare(&c, argc, argv);
	if (!code && c.n_names)
		code = set(&c, armed);
	release(&c);
	return code;
}

int cmd_arm(int argc, char **argv)
{
	return arm(&arm_help, true, argc, argv);
}

int cmd_disarm(int argc, char **argv)
{
	return arm(&disarm_help, false, argc, argv);
}

/* ---- hits ---------------------------------------------------------------- */

static int print_json(const struct arm_command *c, const char *const *names,
                      size_t n)
{
	json_t *array = json_array();
	struct arming_group group;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		arming_look(&c->segments, c->plan, names[i], &group);
		rc = json_array_append_new(
			array,
			json_pack("{s:s, s:I, s:b, s:I}", "name", names[i],
		                  "hits", (json_int_t)group.hits, "armed",
		                  group.armed, "rules",
		                  (json_int_t)group.n_rules));
	}
	if (!rc)
		rc = json_dumpf(array, stdout, JSON_INDENT(2));
	json_decref(array);
	putchar('\n');
	return rc ? EXIT_ENVIRONMENT : EXIT_PASSED;
}

static void print_text(const struct arm_command *c, const char *name,
                       bool number_only)
{
	struct arming_group group;

	arming_look(&c->segments, c->plan, name, &group);
	if (!number_only)
		printf("%s ", name);
	printf("%llu\n", (unsigned long long)group.hits);
}

static int print_hits(const struct arm_command *c)
{
	const char *const one = c->n_names ? c->names[0] : NULL;
	const char *const *names = one ? &one : c->known;
	size_t n = one ? 1 : c->n_known;

	if (c->json)
		return print_json(c, names, n);
	for (size_t i = 0; i < n; i++)
		print_text(c, names[i], one);
	return EXIT_PASSED;
}

int cmd_hits(int argc, char **argv)
{
	struct arm_command c = {
		.help = &hits_help,
		.names = calloc(1, sizeof(*c.names)),
		.max_names = 1,
	};
	int code;

	if (!c.names)
		return EXIT_ENVIRONMENT;
	code = prepare(&c, argc, argv);
	if (!code)
		code = print_hits(&c);
	release(&c);
	return code;
}
