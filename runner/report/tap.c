/*
 * tap.c - TAP 14 (testanything.org): a version line, one plan, a line for each
 * scenario; below those that did not pass a block of YAML, indented by two.
 *
 * TAP 13 differs in nothing that is used here but its version line, and `prove`
 * of Perl 5.36 takes a 14 there for an error.  It says what it understands in
 * TAP_VERSION.
 *
 * A scenario that passes against its `todo` is `not ok`: as `ok # TODO`, which
 * is what TAP has for it, a harness would let it pass.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/tables.h"
#include "runner/report/report.h"

/* `#` begins a directive, `\` escapes; a line ends at its end. */
static void print_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '#' || *s == '\\')
			fputc('\\', out);
		fputc((unsigned char)*s < 0x20 ? ' ' : *s, out);
	}
}

/* A double-quoted scalar; bytes that are no UTF-8 were printed by somebody. */
static void print_quoted(FILE *out, const char *s, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void print_string(FILE *out, const char *key, const char *s)
{
	if (!s)
		return;
	fprintf(out, "  %s: ", key);
	print_quoted(out, s, strlen(s));
	fputc('\n', out);
}

/* "file:line:column", or NULL, as a map; indent comes before that of the block.
 */
static void print_place(FILE *out, const char *indent, const char *where)
{
	unsigned line, column;
	size_t file_len = where ? strlen(where) : 0;

	if (!file_len)
		return;
	for (int n = 0; file_len && n < 2;)
		n += where[--file_len] == ':';
	if (sscanf(where + file_len, ":%u:%u", &line, &column) != 2)
		return;
	fprintf(out, "%s  at:\n%s    file: ", indent, indent);
	print_quoted(out, where, file_len);
	fprintf(out, "\n%s    line: %u\n%s    column: %u\n", indent, line,
	        indent, column);
}

static void print_lines(FILE *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(out, "  %s:\n", key);
	while (*text) {
		size_t len = strcspn(text, "\n");

		fputs("    - ", out);
		print_quoted(out, text, len);
		fputc('\n', out);
		text += len + (text[len] == '\n');
	}
}

/*
 * Each as a map: prove takes a string that begins with "NAME: " for one, and
 * complains.
 */
static void print_findings(FILE *out, const struct case_report *c)
{
	const struct finding *worst = case_report_worst(c);

	if (!worst)
		return;
	print_string(out, "message", worst->text);
	print_place(out, "", worst->where);
	if (worst->verdict >= 0)
		print_string(out, "verdict",
		             fault_verdicts[worst->verdict].word);
	if (c->findings.n == 1)
		return;
	fputs("  findings:\n", out);
	for (size_t i = 0; i < c->findings.n; i++) {
		const char *text = c->findings.v[i].text;

		fputs("    - message: ", out);
		print_quoted(out, text, strlen(text));
		fputc('\n', out);
		print_place(out, "    ", c->findings.v[i].where);
	}
}

static const char *const severities[N_OUTCOMES] = {
	[OUTCOME_TODO] = "todo",
	[OUTCOME_INCONCLUSIVE] = "inconclusive",
	[OUTCOME_FAILED] = "fail",
	[OUTCOME_ENVIRONMENT] = "error",
};

static void print_block(FILE *out, const struct case_report *c)
{
	fputs("  ---\n", out);
	print_findings(out, c);
	print_string(out, "severity", severities[c->outcome]);
	fprintf(out, "  duration_ms: %.3f\n  seed: %llu\n",
	        (double)c->time_ns / 1e6, (unsigned long long)c->seed);
	print_string(out, "note", c->note);
	print_string(out, "repeat", c->repeat);
	print_string(out, "kept", c->kept);
	print_lines(out, "output", c->context);
	fputs("  ...\n", out);
}

/* ---- the rows ------------------------------------------------------------ */

/* What a pass does not say of itself. */
static void print_warnings(FILE *out, const struct case_report *c)
{
	for (size_t i = 0; i < c->findings.n; i++)
		if (c->findings.v[i].kind == FINDING_WARNING) {
			fputs("# ", out);
			print_escaped(out, c->findings.v[i].text);
			fputc('\n', out);
		}
}

static void open_tap(struct report *r)
{
	const char *known = getenv("TAP_VERSION");

	fprintf(r->out, "TAP version %s\n1..%zu\n",
	        known && strcmp(known, "13") == 0 ? "13" : "14", r->n_total);
}

static void result(struct report *r, const struct case_report *c)
{
	bool good =
		c->outcome == OUTCOME_PASSED || c->outcome == OUTCOME_SKIPPED;
	bool flaky = case_report_flaky(c);

	if (c->outcome == OUTCOME_INTERRUPTED)
		return;
	if (flaky && r->flaky_fails)
		good = false;
	fprintf(r->out, "%sok %zu - ", good ? "" : "not ",
	        r->n_done - r->n[OUTCOME_INTERRUPTED]);
	print_escaped(r->out, c->id);
	if (c->n_rounds)
		fprintf(r->out, " (%u of %u)", c->round, c->n_rounds);
	if (c->outcome == OUTCOME_SKIPPED || c->outcome == OUTCOME_TODO) {
		fputs(c->outcome == OUTCOME_TODO ? " # TODO " : " # SKIP ",
		      r->out);
		print_escaped(r->out, c->reason ? c->reason : "");
	}
	fputc('\n', r->out);
	if (!good || c->note || r->verbosity > 0)
		print_block(r->out, c);
	else
		print_warnings(r->out, c);
	fflush(r->out);
}

static void close_tap(struct report *r, const struct report_summary *s)
{
	char counts[256];

	report_counts(r, counts, sizeof(counts));
	fprintf(r->out, "# %s (%.1f s, seed %llu%s)\n", counts,
	        (double)s->time_ns / 1e9, (unsigned long long)s->seed, s->how);
	if (s->why) {
		fputs("Bail out! ", r->out);
		print_escaped(r->out, s->why);
		fputc('\n', r->out);
	}
}

const struct reporter report_tap = {
	.word = "tap",
	.open = open_tap,
	.result = result,
	.close = close_tap,
};
