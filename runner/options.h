/*
 * options.h - the command line of every subcommand, from one table each.
 *
 * A command describes itself once: usage, options with their help.  Parsing,
 * `--help`, "did you mean" and usage errors all come from that table.
 *
 *	static const struct option_spec specs[] = {
 *		{OPT_SEED, 0, "seed", "N", "the run's seed (default 0)"},
 *		{OPT_VERBOSE, 'v', "verbose", NULL, "say more"},
 *	};
 *	static const struct command_help help = {
 *		"run", "[OPTION]... PATH...", "Run scenarios.",
 *		specs, sizeof(specs) / sizeof(specs[0]), NULL};
 *
 *	struct options o = options_start(&help, argc, argv);
 *	int id;
 *	while ((id = options_next(&o)) != OPTION_DONE)
 *		switch (id) {
 *		case OPT_SEED:       ... o.value ...
 *		case OPTION_OPERAND: ... o.value ...
 *		case OPTION_EXIT:    return o.exit_code;
 *		}
 *
 * Understood: -v, -vv, -o VALUE, -oVALUE, --name, --name VALUE, --name=VALUE,
 * unique prefixes of --name, `--` (operands from there on), -h and --help.
 * Options and operands may be mixed unless operands_last is set.
 *
 * It is the one place of the runner's input code that prints: `--help` on
 * stdout, usage errors on stderr.  One thread.
 */
#ifndef FAULT_RUNNER_OPTIONS_H
#define FAULT_RUNNER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_spec {
	int id;               /* from 1; what options_next() returns */
	char letter;          /* 0 = none */
	const char *name;     /* without the dashes; NULL = none */
	const char *argument; /* how help names the value; NULL = takes none */
	const char *help;     /* one line */
};

struct command_help {
	const char *name;  /* of the subcommand; "" = `fault` itself */
	const char *usage; /* what follows the name */
	const char *about; /* one or a few lines, without a last newline */
	const struct option_spec *specs;
	size_t n_specs;
	const char *notes; /* printed below the options, NULL = nothing */
};

enum option_result {
	OPTION_DONE = 0,
	OPTION_OPERAND = -1, /* value: the operand */
	OPTION_EXIT = -2 /* return exit_code: help or an error was printed */
};

struct options {
	const struct command_help *help;
	int argc;
	char **argv;
	int index;          /* of the next argument to look at */
	char *cluster;      /* rest of -abc */
	bool only_operands; /* `--` was seen */
	/* To be set after options_start() where the default is not right: */
	bool operands_last; /* the first operand ends the options (exec) */
	int usage_exit;     /* exit_code of an error; default EXIT_USAGE */
	/* Results: */
	char *value; /* points into argv */
	int exit_code;
};

/* argv[0] is the subcommand's name.  Nothing is allocated. */
struct options options_start(const struct command_help *help, int argc,
                             char **argv);

/* An id of the table or an enum option_result. */
int options_next(struct options *o);

/*
 * "fault NAME: MESSAGE" and a pointer to --help, on stderr.  Sets exit_code
 * and returns OPTION_EXIT, for values that the command itself refuses.
 */
int options_error(struct options *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* `fault NAME --help`, on stdout. */
void options_print_help(const struct command_help *help);

/*
 * The nearest of n words, in a form to be appended to a message:
 * ", did you mean `word`?", or of a few words ", there are a, b", or "".  buf
 * is always terminated.
 */
const char *options_suggest(const char *word, const char *const *words,
                            size_t n, char *buf, size_t size);

/* Whole string, decimal or 0x; 0 or -EINVAL. */
int parse_u64(const char *s, uint64_t *ret);

#endif
