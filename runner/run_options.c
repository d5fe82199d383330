/*
 * run_options.c - see run_options.h.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "runner/options.h"
#include "runner/report/report.h"
#include "runner/run_options.h"
#include "runner/slow_factor.h"

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
	OPT_FILTER,
	OPT_FAILED,
	OPT_FAILED_FIRST,
	OPT_SHARD,
	OPT_SHUFFLE,
	OPT_JOBS,
	OPT_RETRIES,
	OPT_FLAKY,
	OPT_REPEAT,
	OPT_MAX_FAIL,
	OPT_SLOW_FACTOR,
	OPT_GLOBAL_TIMEOUT,
	OPT_FORMAT,
};

static const struct option_spec specs[] = {
	{OPT_JOBS, 'j', "jobs", "N",
         "scenarios at once (default: the processors)"},
	{OPT_FILTER, 0, "filter", "GLOB",
         "only ids or names that match; several: any"},
	{OPT_TAG, 0, "tag", "A,!B",
         "tag A and not B; several --tag: any of them"},
	{OPT_FAILED, 0, "failed", NULL, "only what failed last"},
	{OPT_FAILED_FIRST, 0, "failed-first", NULL,
         "what failed last, then the rest"},
	{OPT_SHARD, 0, "shard", "K/N", "the K-th of N parts, from 1"},
	{OPT_SHUFFLE, 0, "shuffle", "SEED", "in another order"},
	{OPT_SEED, 0, "seed", "N", "what decisions are drawn from (default 0)"},
	{OPT_REPEAT, 0, "repeat", "N", "N times, each with its own seed"},
	{OPT_RETRIES, 0, "retries", "N",
         "run what fails up to N times more; a pass is flaky"},
	{OPT_FLAKY, 0, "flaky", "fail|pass",
         "what flaky ones are (default pass)"},
	{OPT_FAIL_FAST, 'x', "fail-fast", NULL, "stop at the first failure"},
	{OPT_MAX_FAIL, 0, "max-fail", "N", "stop at the N-th failure"},
	{OPT_SLOW_FACTOR, 0, "slow-factor", "F",
         "limit, within and grace are F times as long"},
	{OPT_GLOBAL_TIMEOUT, 0, "global-timeout", "DUR",
         "end the run after so long, and fail"},
	{OPT_VAR, 0, "var", "K=V", "the value of ${K}"},
	{OPT_LIST, 0, "list", NULL, "print the ids of what would run"},
	{OPT_DRY_RUN, 0, "dry-run", NULL, "print what would be started"},
	{OPT_OUT, 0, "out", "DIR",
         "for what failures leave (default fault-out)"},
	{OPT_FORMAT, 0, "format", "terminal|tap",
         "of what is printed (default terminal)"},
	{OPT_VERBOSE, 'v', "verbose", NULL, "details of what passed, too"},
	{OPT_QUIET, 'q', "quiet", NULL, "failures and the summary only"},
};

static const struct command_help help = {
	"run",
	"[OPTION]... PATH[::CASE]...",
	"Run scenarios: files, folders of *.yaml (but _*.yaml), the ids that "
	"--list\n"
	"prints, or globs of these: `*` and `?` stand for anything but `/`, "
	"`**` for\n"
	"anything.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: 0 passed, 1 a scenario failed, 2 usage or an invalid "
	"file\n"
	"(nothing was started), 3 a program could not be started or reached,\n"
	"4 nothing ran, 130 and 143 after SIGINT and SIGTERM."};

static int add(struct options *o, char **v, size_t *n, size_t max)
{
	if (*n == max)
		return options_error(o, "too many of them");
	v[(*n)++] = o->value;
	return 0;
}

static int count(struct options *o, const char *name, size_t least, size_t most,
                 size_t *ret)
{
	uint64_t v;

	if (parse_u64(o->value, &v) < 0 || v < least || v > most)
		return options_error(o, "--%s wants a number from %zu to %zu",
		                     name, least, most);
	*ret = (size_t)v;
	return 0;
}

static int take_format(struct run_options *ro, struct options *o)
{
	char suggestion[256];
	size_t n;
	const char *const *words = report_formats(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], o->value) == 0)
			ro->format = words[i];
	if (strcmp(ro->format, o->value) == 0)
		return 0;
	return options_error(o, "there is no format `%s`%s", o->value,
	                     options_suggest(o->value, words, n, suggestion,
	                                     sizeof(suggestion)));
}

static int take_flaky(struct run_options *ro, struct options *o)
{
	ro->flaky_fails = strcmp(o->value, "fail") == 0;
	if (ro->flaky_fails || strcmp(o->value, "pass") == 0)
		return 0;
	return options_error(o, "--flaky wants `fail` or `pass`");
}

/* Options whose value is a number, or is made of numbers. */
static int take_number(struct run_options *ro, struct options *o, int id)
{
	switch (id) {
	case OPT_SEED:
		if (parse_u64(o->value, &ro->seed) < 0)
			return options_error(o, "--seed wants a number");
		return 0;
	case OPT_SHUFFLE:
		ro->shuffle = true;
		if (parse_u64(o->value, &ro->shuffle_seed) < 0)
			return options_error(o, "--shuffle wants a number");
		return 0;
	case OPT_JOBS:
		return count(o, "jobs", 1, 1024, &ro->n_jobs);
	case OPT_RETRIES:
		return count(o, "retries", 0, 1000, &ro->retries);
	case OPT_REPEAT:
		return count(o, "repeat", 1, 1000000, &ro->repeat);
	case OPT_MAX_FAIL:
		return count(o, "max-fail", 1, 1000000, &ro->max_fail);
	case OPT_SHARD:
		if (shard_parse(o->value, &ro->shard) < 0)
			return options_error(o, "--shard wants K/N, as in 2/8, "
			                        "with K from 1 to N");
		return 0;
	case OPT_SLOW_FACTOR:
		if (parse_slow_factor(o->value, &ro->settings.slow_factor) < 0)
			return options_error(o, "--slow-factor wants a number "
			                        "from 0.01 to 1000");
		return 0;
	case OPT_GLOBAL_TIMEOUT:
		if (parse_duration(o->value, &ro->global_timeout_ns) < 0 ||
		    ro->global_timeout_ns <= 0)
			return options_error(o, "--global-timeout wants a time "
			                        "with its unit, as in 10m");
		return 0;
	default:
		return 0;
	}
}

static void take_flag(struct run_options *ro, int id)
{
	switch (id) {
	case OPT_FAIL_FAST:
		ro->max_fail = 1;
		break;
	case OPT_VERBOSE:
		ro->verbosity++;
		break;
	case OPT_QUIET:
		ro->verbosity--;
		break;
	case OPT_LIST:
		ro->list = true;
		break;
	case OPT_DRY_RUN:
		ro->dry_run = true;
		break;
	case OPT_FAILED:
		ro->failed = true;
		break;
	case OPT_FAILED_FIRST:
		ro->failed_first = true;
		break;
	default:
		break;
	}
}

static int take_option(struct run_options *ro, struct options *o, int id)
{
	switch (id) {
	case OPT_VAR:
		if (!strchr(o->value, '='))
			return options_error(o, "--var wants K=V");
		return add(o, ro->vars, &ro->n_vars, MAX_LIST);
	case OPT_TAG:
		return add(o, ro->tags, &ro->n_tags, MAX_LIST);
	case OPT_FILTER:
		return add(o, ro->filters, &ro->n_filters, MAX_LIST);
	case OPT_OUT:
		ro->settings.out = o->value;
		return 0;
	case OPT_FORMAT:
		return take_format(ro, o);
	case OPT_FLAKY:
		return take_flaky(ro, o);
	case OPTION_OPERAND:
		return add(o, ro->paths, &ro->n_paths, MAX_PATHS);
	default:
		take_flag(ro, id);
		return take_number(ro, o, id);
	}
}

/* Those that we may run on, not those of the machine. */
static size_t n_processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (size_t)CPU_COUNT(&set);
}

int run_options_parse(struct run_options *ro, int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	int id;

	ro->settings.out = "fault-out";
	ro->settings.slow_factor = 1;
	ro->format = "terminal";
	ro->n_jobs = n_processors();
	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id != OPTION_EXIT)
			id = take_option(ro, &o, id);
		if (id == OPTION_EXIT)
			return o.exit_code;
	}
	if (ro->n_paths == 0 && !ro->failed) {
		options_error(&o, "which scenarios?");
		return o.exit_code;
	}
	if (!ro->shard.n && shard_from_environment(&ro->shard) < 0) {
		options_error(&o, "%s", ro->shard.wrong);
		return o.exit_code;
	}
	ro->settings.vars = ro->vars;
	ro->settings.n_vars = ro->n_vars;
	ro->settings.all_details = ro->verbosity > 0;
	return -1;
}
