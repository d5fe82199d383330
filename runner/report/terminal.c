/*
 * terminal.c - see terminal.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runner/report/report.h"
#include "runner/quote.h"
#include "runner/report/terminal.h"

enum {
	LEAST_NAME = 16 /* a name is cut down to this, or left out */
};

static const struct {
	const char *word;
	const char *color;
} outcomes[] = {
	[OUTCOME_PASSED] = {"ok", "32"},
	[OUTCOME_SKIPPED] = {"skip", "33"},
	[OUTCOME_TODO] = {"todo", "33"},
	[OUTCOME_INCONCLUSIVE] = {"UNSURE", "33"},
	[OUTCOME_FAILED] = {"FAIL", "31"},
	[OUTCOME_ENVIRONMENT] = {"ERROR", "35"},
	[OUTCOME_INTERRUPTED] = {"STOP", "33"},
};

_Static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == N_OUTCOMES,
               "one row each");

/* NO_COLOR (no-color.org), FORCE_COLOR, TERM=dumb, else: a terminal? */
static bool wants_color(FILE *out)
{
	const char *no = getenv("NO_COLOR");
	const char *force = getenv("FORCE_COLOR");
	const char *term = getenv("TERM");

	if (no && *no)
		return false;
	if (force && *force)
		return strcmp(force, "0") != 0;
	if (term && strcmp(term, "dumb") == 0)
		return false;
	return isatty(fileno(out));
}

size_t terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

static void open_terminal(struct report *r)
{
	const char *term = getenv("TERM");

	r->color = wants_color(r->out);
	r->progress = isatty(fileno(r->out)) && r->verbosity >= 0 && term &&
	              strcmp(term, "dumb") != 0;
}

static void paint(FILE *out, bool color, const char *code, const char *text)
{
	if (color)
		fprintf(out, "\033[%sm%s\033[0m", code, text);
	else
		fputs(text, out);
}

/* As much of s as has its place in room columns, ended by dots if cut. */
static void print_cut(FILE *out, const char *s, size_t room)
{
	size_t len = strlen(s);

	if (len <= room) {
		fputs(s, out);
		return;
	}
	for (len = room > 3 ? room - 3 : 0;
	     len && ((unsigned char)s[len] & 0xc0) == 0x80;)
		len--;
	fprintf(out, "%.*s...", (int)len, s);
}

/* ---- the line of progress ------------------------------------------------ */

static void clear(struct report *r)
{
	if (r->progress)
		fputs("\r\033[K", r->out);
}

static void progress(struct report *r)
{
	size_t width = terminal_width(r->out), n_bad = report_n_bad(r);
	char head[96];
	int n;

	if (!r->progress)
		return;
	if (!width)
		width = 80;
	n = snprintf(head, sizeof(head), "[%zu/%zu]", r->n_done + r->n_running,
	             r->n_total);
	if (n_bad)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		              " %zu failed,", n_bad);
	if (r->n_running > 1)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		              " %zu running,", r->n_running);
	fprintf(r->out, "\r\033[K%s ", head);
	/* One column stays free: the cursor must not go to the next line. */
	if (r->last && width > (size_t)n + 2)
		print_cut(r->out, r->last, width - (size_t)n - 2);
	fflush(r->out);
}

/* ---- one scenario -------------------------------------------------------- */

/* Its first line is the sentence; further ones are indented below it. */
static void print_finding(FILE *out, bool color, const struct finding *f)
{
	bool bold = color && f->kind >= FINDING_FAIL;
	const char *line = f->text;
	int len = (int)strcspn(line, "\n");

	fprintf(out, "    ");
	if (f->where)
		fprintf(out, "%s: ", f->where);
	fprintf(out, "%s%.*s%s\n", bold ? "\033[1m" : "", len, line,
	        bold ? "\033[0m" : "");
	for (line += len; *line++; line += len) {
		len = (int)strcspn(line, "\n");
		fprintf(out, "        %.*s\n", len, line);
	}
}

/* A scenario that did not begin has no trace. */
static void print_kept(FILE *out, const char *kept)
{
	char *trace;

	fprintf(out, "    kept: %s\n", kept);
	if (asprintf(&trace, "%s/trace", kept) < 0)
		return;
	if (!access(trace, R_OK)) {
		fputs("    calls: fault trace ", out);
		quote_word(out, trace);
		fputc('\n', out);
	}
	free(trace);
}

void terminal_details(FILE *out, bool color, const struct case_report *c)
{
	if (c->context)
		fputs(c->context, out);
	for (size_t i = 0; i < c->findings.n; i++)
		print_finding(out, color, &c->findings.v[i]);
	if (c->reason)
		fprintf(out, "    todo: %s\n", c->reason);
	if (c->kept)
		print_kept(out, c->kept);
	if (c->repeat)
		fprintf(out, "    repeat: %s\n", c->repeat);
}

/* "  (1.20 s, at try 2)": what stands behind the id. */
static void time_text(const struct case_report *c, char *buf, size_t size)
{
	int n = snprintf(buf, size, "  (%.2f s", (double)c->time_ns / 1e9);

	if (c->n_rounds)
		n += snprintf(buf + n, size - (size_t)n, ", %u of %u", c->round,
		              c->n_rounds);
	if (c->n_tries)
		n += snprintf(buf + n, size - (size_t)n, ", %s %u",
		              case_report_flaky(c) ? "flaky: try" : "try",
		              c->n_tries + 1);
	snprintf(buf + n, size - (size_t)n, ")");
}

/* A scenario stays on one line of a terminal: its name gives way. */
static void print_name(struct report *r, const struct case_report *c,
                       size_t used)
{
	size_t width = terminal_width(r->out), len;
	size_t room = width > used + 2 ? width - used - 2 : 0;

	/* A scenario without a name has that of its file, said already. */
	if (!c->name || strstr(c->id, c->name))
		return;
	len = strlen(c->name);
	if (width && len > room && room < LEAST_NAME)
		return;
	fputs("  ", r->out);
	print_cut(r->out, c->name, width ? room : len);
}

static void print_line(struct report *r, const struct case_report *c,
                       const char *word, const char *color)
{
	char padded[16], time[96];

	snprintf(padded, sizeof(padded), "%-6s", word);
	time_text(c, time, sizeof(time));
	paint(r->out, r->color, color, padded);
	fprintf(r->out, " %s", c->id);
	if (c->outcome == OUTCOME_SKIPPED || c->outcome == OUTCOME_TODO) {
		fprintf(r->out, "  (%s)\n", c->reason ? c->reason : "");
		return;
	}
	print_name(r, c, strlen(padded) + 1 + strlen(c->id) + strlen(time));
	fprintf(r->out, "%s\n", time);
}

/* What a pass does not say of itself. */
static void warnings(FILE *out, bool color, const struct case_report *c)
{
	for (size_t i = 0; i < c->findings.n; i++)
		if (c->findings.v[i].kind == FINDING_WARNING)
			print_finding(out, color, &c->findings.v[i]);
}

static void result(struct report *r, const struct case_report *c)
{
	bool flaky = case_report_flaky(c);
	bool good = c->outcome == OUTCOME_PASSED ||
	            c->outcome == OUTCOME_SKIPPED || c->outcome == OUTCOME_TODO;

	clear(r);
	if (good && !flaky && r->verbosity < 0)
		return;
	print_line(r, c, outcomes[c->outcome].word,
	           flaky ? "33" : outcomes[c->outcome].color);
	if (c->note)
		fprintf(r->out, "    %s\n", c->note);
	if (c->outcome != OUTCOME_INTERRUPTED && (!good || r->verbosity > 0))
		terminal_details(r->out, r->color, c);
	else
		warnings(r->out, r->color, c);
	fflush(r->out);
}

/* A result that does not count: it is told, the next one is to come. */
static void again(struct report *r, const struct case_report *c,
                  const char *what)
{
	const struct finding *worst = case_report_worst(c);

	clear(r);
	if (r->verbosity < 0)
		return;
	print_line(r, c, what, "33");
	if (worst)
		fprintf(r->out, "    %.*s\n", (int)strcspn(worst->text, "\n"),
		        worst->text);
	fflush(r->out);
}

/* ---- the end ------------------------------------------------------------- */

static void close_terminal(struct report *r, const struct report_summary *s)
{
	size_t n_bad = report_n_bad(r);
	char counts[256];

	/* The commands stand with their failures; here when these are far. */
	if (n_bad && r->n_done > 1 && r->n_again) {
		fputs("again:\n", r->out);
		for (size_t i = 0; i < r->n_again; i++)
			fprintf(r->out, "    %s\n", r->again[i]);
		if (n_bad > r->n_again)
			fprintf(r->out, "    and %zu more: %s\n",
			        n_bad - r->n_again, s->rest ? s->rest : "");
	}
	if (s->why)
		fprintf(r->out, "stopped: %s\n", s->why);
	report_counts(r, counts, sizeof(counts));
	paint(r->out, r->color, n_bad ? "1;31" : "1;32", counts);
	fprintf(r->out, " (%.1f s, seed %llu%s)\n", (double)s->time_ns / 1e9,
	        (unsigned long long)s->seed, s->how);
}

const struct reporter report_terminal = {
	.word = "terminal",
	.open = open_terminal,
	.progress = progress,
	.again = again,
	.result = result,
	.clear = clear,
	.close = close_terminal,
};
