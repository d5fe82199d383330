/*
 * report.c - see report.h: the rows, and what they have in common.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runner/report/report.h"

enum {
	MAX_AGAIN = 10
};

static const struct reporter *const rows[] = {
	&report_terminal,
	&report_tap,
};

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0])
};

const char *const *report_formats(size_t *ret_n)
{
	static const char *words[N_ROWS];

	for (size_t i = 0; i < N_ROWS; i++)
		words[i] = rows[i]->word;
	*ret_n = N_ROWS;
	return words;
}

bool report_open(struct report *r, const char *format, FILE *out, int verbosity,
                 size_t n_total)
{
	*r = (struct report){
		.out = out, .verbosity = verbosity, .n_total = n_total};
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i]->word, format) == 0)
			r->row = rows[i];
	if (r->row && r->row->open)
		r->row->open(r);
	return r->row != NULL;
}

static void progress(struct report *r)
{
	if (r->row->progress && r->n_running)
		r->row->progress(r);
}

static void ended(struct report *r, const struct case_report *c)
{
	r->n_running--;
	if (r->last == c->id)
		r->last = NULL;
}

void report_begin(struct report *r, const char *id)
{
	r->n_running++;
	r->last = id;
	progress(r);
}

void report_again(struct report *r, const struct case_report *c,
                  const char *what)
{
	ended(r, c);
	if (r->row->again)
		r->row->again(r, c, what);
	progress(r);
}

static bool is_bad(enum outcome o)
{
	return o == OUTCOME_FAILED || o == OUTCOME_INCONCLUSIVE ||
	       o == OUTCOME_ENVIRONMENT;
}

static void remember(struct report *r, const char *command)
{
	char **v;

	if (!command || r->n_again >= MAX_AGAIN)
		return;
	v = realloc(r->again, (r->n_again + 1) * sizeof(*v));
	if (!v)
		return;
	r->again = v;
	v[r->n_again] = strdup(command);
	r->n_again += v[r->n_again] != NULL;
}

void report_case(struct report *r, const struct case_report *c)
{
	ended(r, c);
	r->n_done++;
	r->n[c->outcome]++;
	r->n_flaky += case_report_flaky(c);
	if (report_is_bad(r, c))
		remember(r, c->repeat);
	if (c->warning)
		report_warn(r, "%s", c->warning);
	if (r->row->result)
		r->row->result(r, c);
	progress(r);
}

void report_warn(struct report *r, const char *format, ...)
{
	va_list args;

	if (r->row->clear)
		r->row->clear(r);
	fflush(r->out);
	fputs("fault run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	progress(r);
}

void report_close(struct report *r, const struct report_summary *s)
{
	if (r->row->clear)
		r->row->clear(r);
	if (r->row->close)
		r->row->close(r, s);
	fflush(r->out);
	for (size_t i = 0; i < r->n_again; i++)
		free(r->again[i]);
	free(r->again);
	r->again = NULL;
	r->n_again = 0;
}

bool report_is_bad(const struct report *r, const struct case_report *c)
{
	return is_bad(c->outcome) || (r->flaky_fails && case_report_flaky(c));
}

bool report_is_whole(const struct report *r)
{
	return r->n_done - r->n[OUTCOME_INTERRUPTED] >= r->n_total;
}

size_t report_n_bad(const struct report *r)
{
	size_t n = r->flaky_fails ? r->n_flaky : 0;

	for (size_t i = 0; i < N_OUTCOMES; i++)
		if (is_bad((enum outcome)i))
			n += r->n[i];
	return n;
}

void report_counts(const struct report *r, char *buf, size_t size)
{
	size_t n = r->n_done - r->n[OUTCOME_INTERRUPTED];
	const struct {
		size_t n;
		const char *word;
	} parts[] = {
		{r->n[OUTCOME_SKIPPED], "skipped"},
		{r->n[OUTCOME_TODO], "todo"},
		{r->n[OUTCOME_FAILED], "failed"},
		{r->n[OUTCOME_ENVIRONMENT], "could not run"},
		{r->n[OUTCOME_INCONCLUSIVE], "inconclusive"},
		{r->n_total > n ? r->n_total - n : 0, "not run"},
	};
	size_t at = (size_t)snprintf(buf, size, "%zu scenario%s: %zu passed", n,
	                             n == 1 ? "" : "s", r->n[OUTCOME_PASSED]);

	if (r->n_flaky && at < size)
		at += (size_t)snprintf(buf + at, size - at, " (%zu flaky)",
		                       r->n_flaky);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].n && at < size)
			at += (size_t)snprintf(buf + at, size - at, ", %zu %s",
			                       parts[i].n, parts[i].word);
}
