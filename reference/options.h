/*
 * options.h - command lines from a table.
 *
 * One row per option says its name, its argument, where the value goes and its
 * line of help; parsing, help and "did you mean" all read the rows.  "--name
 * value" and "--name=value" are the same.  Sizes and durations need a unit: a
 * bare number is refused, because half of all readers would guess another one.
 *
 * Locking model: none; for main, before anything else runs.
 */
#ifndef REFERENCE_OPTIONS_H
#define REFERENCE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

enum exit_status {
	EXIT_WELL = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* The values of both programs; each has rows for its own. */
struct options {
	bool help;
	const char *host;
	const char *port; /* NULL: not given */
	const char *peer; /* NULL: not given */
	const char *bind; /* NULL: not given */
	const struct io_loop *io;
	const struct service *service; /* the default, until one is given */
	const char *service_option;    /* that gave it; NULL: none */
	uint64_t size;                 /* bytes, or lines; 0: not given */
	unsigned backlog;
	unsigned once;
	unsigned connections;
	int64_t timeout_ns;
};

enum option_kind {
	OPTION_HELP,
	OPTION_HOST,
	OPTION_PORT,
	OPTION_PEER, /* HOST:PORT or [v6]:PORT */
	OPTION_BIND, /* an address */
	OPTION_IO,   /* the name of a style */
	/* The row's service: at most one of these may be given. */
	OPTION_SERVICE,          /* without argument */
	OPTION_SERVICE_SIZE,     /* with a size */
	OPTION_SERVICE_SIZE_ANY, /* with a size or without */
	OPTION_SERVICE_COUNT,    /* with a count */
	OPTION_BACKLOG,
	OPTION_ONCE,
	OPTION_CONNECTIONS,
	OPTION_TIMEOUT,
};

struct option_row {
	const char *name; /* with its dashes */
	const char *argument;
	const char *about;
	enum option_kind kind;
	enum service_id service; /* of OPTION_SERVICE*; else N_SERVICES */
};

struct command_line {
	const char *synopsis; /* the lines above the options in help */
	const struct option_row *rows;
	size_t n_rows;
};

/*
 * Read argv into o, which holds the defaults.  False: the user was told what
 * is wrong and the program exits with EXIT_USAGE.  Across options only the
 * choice of the service is checked.
 */
bool options_parse(const struct command_line *line, char *const argv[],
                   struct options *o);

/* Help goes to stdout. */
void options_help(const struct command_line *line);

/*
 * The parsers of values; false: malformed, out of range, or without unit.
 *	SIZE	1B 64KiB 1MB	(K = 1000, Ki = 1024), at least 1 B
 *	DUR	200ms 1.5s 2m	longer than nothing
 */
bool parse_size(const char *text, uint64_t *ret_size);
bool parse_duration(const char *text, int64_t *ret_ns);
bool parse_count(const char *text, unsigned max, unsigned *ret_count);

/*
 * Split HOST:PORT or [v6]:PORT; host needs strlen(text) + 1 bytes.  The port
 * points into text.
 */
bool parse_peer(const char *text, char *host, const char **ret_port);

#endif
