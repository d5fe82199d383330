/*
 * run_options.h - the command line of `fault run`, and of its environment what
 * stands for options.
 */
#ifndef FAULT_RUNNER_RUN_OPTIONS_H
#define FAULT_RUNNER_RUN_OPTIONS_H

#include "runner/run_case.h"
#include "runner/shard.h"

enum {
	MAX_PATHS = 4096,
	MAX_LIST = 256
};

struct run_options {
	char *paths[MAX_PATHS], *vars[MAX_LIST], *tags[MAX_LIST],
		*filters[MAX_LIST];
	size_t n_paths, n_vars, n_tags, n_filters;
	bool list, dry_run;
	bool failed, failed_first; /* what failed last: only, or first */
	bool shuffle;
	uint64_t shuffle_seed;
	struct shard shard;
	size_t n_jobs;   /* at once */
	size_t retries;  /* of one that fails */
	size_t repeat;   /* 0: once, with the seed itself */
	size_t max_fail; /* 0: all are run */
	bool flaky_fails;
	int64_t global_timeout_ns; /* 0 = none */
	uint64_t seed;
	int verbosity;
	const char *format;
	struct run_settings settings;
};

/* -1, or an exit code, with everything said. */
int run_options_parse(struct run_options *ro, int argc, char **argv);

#endif
