/*
 * expect_report.c - see expect_report.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/expect_report.h"
#include "runner/print_trace.h"
#include "runner/trace_file.h"

enum {
	LINE_SIZE = 512
};

struct line {
	uint64_t ticket;
	char *text; /* NULL: not seen yet */
};

struct lines {
	struct line *v;
	size_t n;
};

struct report_claim *expect_report_add(struct expect_report *r,
                                       enum finding_kind kind,
                                       const struct source_loc *loc,
                                       const char *format, ...)
{
	static struct report_claim lost;
	struct report_claim *v = realloc(r->v, (r->n + 1) * sizeof(*v));
	struct report_claim c = {.kind = kind, .loc = loc};
	va_list args;

	va_start(args, format);
	if (v)
		r->v = v;
	if (!v || vasprintf(&c.text, format, args) < 0) {
		lost = (struct report_claim){0};
		r->lost = true;
		v = &lost;
	} else {
		v = &r->v[r->n++];
		*v = c;
	}
	va_end(args);
	return v;
}

void report_part_add(struct report_part *p, uint64_t ticket)
{
	if (p->n < REPORT_LINES)
		p->tickets[p->n++] = ticket;
	else
		p->more++;
}

/* ---- the lines ----------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return (x->ticket > y->ticket) - (x->ticket < y->ticket);
}

static struct line *find_line(const struct lines *l, uint64_t ticket)
{
	const struct line key = {.ticket = ticket};

	return l->n ? bsearch(&key, l->v, l->n, sizeof(*l->v), compare) : NULL;
}

/* Those that are wanted, in order; the same call may be there more than once.
 */
static void want(struct lines *l, const struct expect_report *r)
{
	size_t most = r->n * 2 * REPORT_LINES;

	l->v = calloc(most + 1, sizeof(*l->v));
	if (!l->v)
		return;
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < 2; k++)
			for (size_t j = 0; j < r->v[i].parts[k].n; j++)
				l->v[l->n++].ticket =
					r->v[i].parts[k].tickets[j];
	qsort(l->v, l->n, sizeof(*l->v), compare);
	most = l->n;
	l->n = 0;
	for (size_t i = 0; i < most; i++)
		if (!l->n || l->v[l->n - 1].ticket != l->v[i].ticket)
			l->v[l->n++] = l->v[i];
}

/*
 * Printing is dear: of a call that nobody wants only what counts is noted, if
 * it is whole.  The last that is seen of a call stands: its return.
 */
static void read_record(struct lines *l, struct trace_printer *printer,
                        const struct trace_context *c,
                        const struct fault_record *r)
{
	uint64_t state = atomic_load(&r->state);
	bool returns = r->call == RECORD_RETURN;
	struct line *line = find_line(l, returns ? r->caller : state / 8);
	char text[LINE_SIZE];

	if (!line && !returns && state % 8 == RECORD_DONE) {
		trace_count(printer, c, r);
		return;
	}
	trace_print(printer, c, r, text, sizeof(text));
	if (!line)
		return;
	free(line->text);
	line->text = strdup(text + strspn(text, " "));
}

static void read_lines(struct lines *l, const char *path)
{
	struct trace_printer *printer = trace_printer_new();
	const struct fault_record *r;
	struct trace_reader reader;
	const char *why;

	if (printer && l->n && trace_reader_open(&reader, path, &why) == 0) {
		while ((r = trace_reader_next(&reader)))
			read_record(l, printer, &reader.context, r);
		trace_reader_release(&reader);
	}
	trace_printer_free(printer);
}

/* ---- the end ------------------------------------------------------------- */

static void write_part(FILE *f, const struct report_part *p,
                       const struct lines *l)
{
	if (!p->n)
		return;
	fprintf(f, "\n%s", p->title);
	for (size_t i = 0; i < p->n; i++) {
		const struct line *line = find_line(l, p->tickets[i]);

		if (line && line->text)
			fprintf(f, "\n  %s", line->text);
	}
	if (p->more)
		fprintf(f, "\n  ... and %zu more", p->more);
}

static void write_claim(const struct report_claim *c, const struct lines *l,
                        struct judgement *ret)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		ret->lost = true;
		return;
	}
	fputs(c->text, f);
	write_part(f, &c->parts[0], l);
	write_part(f, &c->parts[1], l);
	if (fclose(f) == 0) {
		judgement_add(ret, c->kind, -1, c->loc, "%s", text);
		if (c->timing)
			judgement_timing(ret);
	} else {
		ret->lost = true;
	}
	free(text);
}

void expect_report_end(struct expect_report *r, const char *trace_path,
                       struct judgement *ret)
{
	struct lines lines = {0};

	want(&lines, r);
	read_lines(&lines, trace_path);
	for (size_t i = 0; i < r->n; i++) {
		write_claim(&r->v[i], &lines, ret);
		free(r->v[i].text);
	}
	for (size_t i = 0; i < lines.n; i++)
		free(lines.v[i].text);
	free(lines.v);
	free(r->v);
	ret->lost |= r->lost;
	*r = (struct expect_report){0};
}
