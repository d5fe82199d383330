/*
 * options.c - command lines from a table; contract in options.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "net.h"
#include "options.h"

#define MAX_WORD  32
#define MAX_COUNT 1000000

static const struct {
	const char *name;
	uint64_t bytes;
} size_units[] = {
	{"B", 1},
	{"KB", 1000},
	{"KiB", UINT64_C(1) << 10},
	{"MB", 1000000},
	{"MiB", UINT64_C(1) << 20},
	{"GB", 1000000000},
	{"GiB", UINT64_C(1) << 30},
};

static const struct {
	const char *name;
	int64_t ns;
} duration_units[] = {
	{"us", 1000},
	{"ms", NS_PER_MS},
	{"s", NS_PER_S},
	{"m", 60 * NS_PER_S},
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* ---- values ---- */

bool parse_size(const char *text, uint64_t *ret_size)
{
	unsigned long long n;
	char *unit;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoull(text, &unit, 10);
	if (errno || n == 0)
		return false;
	for (size_t i = 0; i < LENGTH(size_units); i++) {
		if (strcmp(unit, size_units[i].name) != 0)
			continue;
		/* Half the range: sums of sizes never overflow. */
		if (n > INT64_MAX / size_units[i].bytes)
			return false;
		*ret_size = n * size_units[i].bytes;
		return true;
	}
	return false;
}

/* Whole and thousandth parts, in integers: 1.5 gives 1500. */
static bool parse_thousandths(const char *text, const char **ret_unit,
                              int64_t *ret_n)
{
	int64_t n = 0;
	int digits = 0;

	for (; isdigit((unsigned char)*text); text++) {
		n = n * 10 + (*text - '0');
		if (n > 1000000000 || ++digits > 10)
			return false;
	}
	n *= 1000;
	if (digits > 0 && *text == '.' && isdigit((unsigned char)text[1])) {
		text++;
		for (int64_t unit = 100; isdigit((unsigned char)*text);
		     unit /= 10)
			n += unit * (*text++ - '0');
	}
	*ret_unit = text;
	*ret_n = n;
	return digits > 0 && n > 0;
}

bool parse_duration(const char *text, int64_t *ret_ns)
{
	const char *unit;
	int64_t n;

	if (!parse_thousandths(text, &unit, &n))
		return false;
	for (size_t i = 0; i < LENGTH(duration_units); i++) {
		if (strcmp(unit, duration_units[i].name) != 0)
			continue;
		if (n > INT64_MAX / 2 / duration_units[i].ns)
			return false;
		*ret_ns = n * duration_units[i].ns / 1000;
		return *ret_ns > 0;
	}
	return false;
}

bool parse_count(const char *text, unsigned max, unsigned *ret_count)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end != '\0' || n > max)
		return false;
	*ret_count = (unsigned)n;
	return true;
}

static bool port_is_valid(const char *text, bool zero)
{
	unsigned port;

	return parse_count(text, 65535, &port) && (zero || port > 0);
}

bool parse_peer(const char *text, char *host, const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	const char *start = text;
	const char *end = colon;

	if (!colon || !port_is_valid(colon + 1, false))
		return false;
	if (*text == '[') {
		start = text + 1;
		end = colon - 1;
		if (end <= start || *end != ']')
			return false;
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return false;
	}
	if (end == start)
		return false;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*ret_port = colon + 1;
	return true;
}

/* ---- the nearest word ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance of words of at most MAX_WORD characters. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[MAX_WORD + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > MAX_WORD || b_len > MAX_WORD)
		return MAX_WORD;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1,
			               corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[b_len];
}

/* Is this candidate nearer to the word than best, and near at all? */
static void consider(const char *word, const char *candidate, const char **best,
                     unsigned *best_distance)
{
	unsigned d = distance(word, candidate);

	if (d < *best_distance && d <= strlen(candidate) / 2) {
		*best = candidate;
		*best_distance = d;
	}
}

static void say_unknown(const char *kind, const char *word, const char *nearest)
{
	if (nearest)
		message("unknown %s '%s'; did you mean '%s'?", kind, word,
		        nearest);
	else
		message("unknown %s '%s'; see --help", kind, word);
}

static void unknown_option(const struct command_line *line, const char *word)
{
	const char *best = NULL;
	unsigned d = MAX_WORD;

	for (size_t i = 0; i < line->n_rows; i++)
		consider(word, line->rows[i].name, &best, &d);
	say_unknown("option", word, best);
}

static bool parse_io(const char *text, const struct io_loop **ret_io)
{
	const char *best = NULL;
	unsigned d = MAX_WORD;

	*ret_io = io_loop_find(text);
	if (*ret_io)
		return true;
	for (size_t i = 0; i < N_STYLES; i++)
		consider(text, io_loops[i].name, &best, &d);
	say_unknown("I/O style", text, best);
	return false;
}

/* ---- options ---- */

static bool takes_argument(const struct option_row *row)
{
	return row->kind != OPTION_HELP && row->kind != OPTION_SERVICE;
}

static bool set_service(const struct option_row *row, struct options *o)
{
	if (o->service_option && strcmp(o->service_option, row->name) != 0) {
		message("%s and %s exclude each other", o->service_option,
		        row->name);
		return false;
	}
	o->service = &services[row->service];
	o->service_option = row->name;
	return true;
}

static bool bad_value(const struct option_row *row, const char *text,
                      const char *wanted)
{
	message("%s %s: %s", row->name, text, wanted);
	return false;
}

static bool set_count(const struct option_row *row, const char *text,
                      unsigned *ret_count)
{
	unsigned n;

	if (!parse_count(text, MAX_COUNT, &n) || n == 0)
		return bad_value(row, text, "a count from 1 to 1000000");
	*ret_count = n;
	return true;
}

static bool set_size(const struct option_row *row, const char *text,
                     uint64_t *ret_size)
{
	return parse_size(text, ret_size) ||
	       bad_value(row, text,
	                 "a size from 1B up, with its unit: 1B, 64KiB, 1MB");
}

static bool set_duration(const struct option_row *row, const char *text,
                         int64_t *ret_ns)
{
	return parse_duration(text, ret_ns) ||
	       bad_value(row, text, "a time with its unit: 200ms, 1.5s, 2m");
}

/* An option without argument. */
static bool set_flag(const struct option_row *row, struct options *o)
{
	if (row->kind == OPTION_SERVICE || row->kind == OPTION_SERVICE_SIZE_ANY)
		return set_service(row, o);
	if (row->kind != OPTION_HELP)
		return bad_value(row, row->argument, "the argument is missing");
	o->help = true;
	return true;
}

/* A number of lines: in size, like a size. */
static bool set_lines(const struct option_row *row, const char *text,
                      struct options *o)
{
	unsigned n;

	if (!set_count(row, text, &n))
		return false;
	o->size = n;
	return true;
}

static bool set_value(const struct option_row *row, const char *text,
                      struct options *o)
{
	switch (row->kind) {
	case OPTION_HOST:
		o->host = text;
		return true;
	case OPTION_PORT:
		o->port = text;
		return port_is_valid(text, true) ||
		       bad_value(row, text, "a port from 0 to 65535");
	case OPTION_PEER:
		o->peer = text;
		return true;
	case OPTION_BIND:
		o->bind = text;
		return net_is_address(text) ||
		       bad_value(row, text, "an address: 127.0.0.1 or ::1");
	case OPTION_IO:
		return parse_io(text, &o->io);
	case OPTION_SERVICE_SIZE:
	case OPTION_SERVICE_SIZE_ANY:
		return set_service(row, o) && set_size(row, text, &o->size);
	case OPTION_SERVICE_COUNT:
		return set_service(row, o) && set_lines(row, text, o);
	case OPTION_BACKLOG:
		return set_count(row, text, &o->backlog);
	case OPTION_ONCE:
		return set_count(row, text, &o->once);
	case OPTION_CONNECTIONS:
		return set_count(row, text, &o->connections);
	case OPTION_TIMEOUT:
		return set_duration(row, text, &o->timeout_ns);
	case OPTION_HELP:
	case OPTION_SERVICE:
	default:
		return bad_value(row, text, "takes no argument");
	}
}

static const struct option_row *find_row(const struct command_line *line,
                                         const char *word, size_t len)
{
	for (size_t i = 0; i < line->n_rows; i++)
		if (strlen(line->rows[i].name) == len &&
		    strncmp(line->rows[i].name, word, len) == 0)
			return &line->rows[i];
	return NULL;
}

/* The option at *argv, and its argument wherever that is; moves behind both. */
static bool parse_one(const struct command_line *line, char *const **argv,
                      struct options *o)
{
	const char *word = *(*argv)++;
	size_t len = strcspn(word, "=");
	const struct option_row *row = find_row(line, word, len);
	const char *value = word[len] == '=' ? word + len + 1 : NULL;

	if (word[0] != '-') {
		message("unexpected argument '%s'; see --help", word);
		return false;
	}
	if (!row) {
		unknown_option(line, word);
		return false;
	}
	if (!value && takes_argument(row) && **argv && (**argv)[0] != '-')
		value = *(*argv)++;
	return value ? set_value(row, value, o) : set_flag(row, o);
}

bool options_parse(const struct command_line *line, char *const argv[],
                   struct options *o)
{
	argv++;
	while (*argv)
		if (!parse_one(line, &argv, o))
			return false;
	return true;
}

void options_help(const struct command_line *line)
{
	char left[MAX_WORD];

	printf("%s\n", line->synopsis);
	for (size_t i = 0; i < line->n_rows; i++) {
		const struct option_row *row = &line->rows[i];

		snprintf(left, sizeof(left), "%s %s", row->name, row->argument);
		printf("  %-22s %s\n", left, row->about);
	}
	printf("\nI/O styles:\n");
	for (size_t i = 0; i < N_STYLES; i++)
		printf("  %-22s %s (%s)\n", io_loops[i].name, io_loops[i].about,
		       io_loops[i].calls->names);
	printf("\nSIZE is like 1B, 64KiB or 1MB (K = 1000, Ki = 1024).\n"
	       "Exit status: 0 all well, 1 failed (stderr says why), "
	       "2 wrong usage.\n");
}
