/*
 * terminal.c - see terminal.h.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/quote.h"
#include "runner/report/terminal.h"

enum {
	TAIL_LINES = 20,
	TAIL_BYTES = 4096,
	LINE_BYTES = 320,  /* of a program's line: the kept files have all */
	MAX_INSTANCES = 4, /* of a program, that are all shown */
	LEAST_NAME = 16    /* a name is cut down to this, or left out */
};

static const struct {
	const char *word;
	const char *color;
} outcomes[] = {
	[OUTCOME_PASSED] = {"ok", "32"},
	[OUTCOME_SKIPPED] = {"skip", "33"},
	[OUTCOME_INCONCLUSIVE] = {"UNSURE", "33"},
	[OUTCOME_FAILED] = {"FAIL", "31"},
	[OUTCOME_ENVIRONMENT] = {"ERROR", "35"},
	[OUTCOME_INTERRUPTED] = {"STOP", "33"},
};

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

void terminal_init(struct terminal *t, FILE *out, int verbosity, size_t n_total)
{
	const char *term = getenv("TERM");

	*t = (struct terminal){
		.out = out,
		.color = wants_color(out),
		.verbosity = verbosity,
		.n_total = n_total,
	};
	t->progress = isatty(fileno(out)) && verbosity >= 0 && term &&
	              strcmp(term, "dumb") != 0;
}

static void paint(FILE *out, bool color, const char *code, const char *text)
{
	if (color)
		fprintf(out, "\033[%sm%s\033[0m", code, text);
	else
		fputs(text, out);
}

void terminal_begin(struct terminal *t, const char *id)
{
	t->n_begun++;
	if (!t->progress)
		return;
	fprintf(t->out, "\r\033[K[%zu/%zu] %.60s", t->n_begun, t->n_total, id);
	fflush(t->out);
}

/* Control bytes of a program must not reach the reader's terminal. */
static void print_safe_line(FILE *out, const char *s, size_t len)
{
	size_t shown = len > LINE_BYTES ? LINE_BYTES : len;

	/* Not in the middle of a character of UTF-8. */
	while (shown < len && shown && ((unsigned char)s[shown] & 0xc0) == 0x80)
		shown--;
	quote_line(out, s, shown);
	if (shown < len)
		fprintf(out, " ... %zu bytes more", len - shown);
	fputc('\n', out);
}

static void print_safe(FILE *out, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((nl ? nl : end) - s);

		fputs("    | ", out);
		print_safe_line(out, s, n);
		s += n + (nl != NULL);
	}
}

static void print_tail(FILE *out, const char *program, const char *stream,
                       const struct capture *c)
{
	size_t len;
	const char *tail = capture_tail(c, TAIL_LINES, TAIL_BYTES, &len);

	if (!len)
		return;
	fprintf(out, "    %s of %s%s:\n", stream, program,
	        len < c->len ? ", its end" : "");
	print_safe(out, tail, len);
}

/* Of many instances only those that something is said about. */
static bool is_shown(const struct case_report *c, size_t i)
{
	size_t program = c->result->instances[i].program;

	if (session_n_instances(c->result, program) <= MAX_INSTANCES)
		return true;
	for (size_t k = 0; k < c->judgement->n; k++)
		if (c->judgement->v[k].instance == i)
			return true;
	return false;
}

static void print_outputs(FILE *out, const struct case_report *c)
{
	char name[256];

	for (size_t i = 0; i < c->result->n_instances; i++) {
		const struct instance_result *r = &c->result->instances[i];

		if (!is_shown(c, i))
			continue;
		session_instance_name(c->scenario, c->result, i, name,
		                      sizeof(name));
		print_tail(out, name, "stdout", &r->out);
		print_tail(out, name, "stderr", &r->err);
	}
}

static void print_instance(FILE *out, const struct case_report *c, size_t i)
{
	const struct instance_result *p = &c->result->instances[i];
	char how[64] = "did not run", name[256];

	if (p->exited && WIFSIGNALED(p->status))
		snprintf(how, sizeof(how), "SIG%s%s",
		         sigabbrev_np(WTERMSIG(p->status)),
		         p->killed    ? " (from us, at the end)"
		         : p->stopped ? " (its stop signal)"
		                      : "");
	else if (p->exited)
		snprintf(how, sizeof(how), "exit status %d",
		         WEXITSTATUS(p->status));
	session_instance_name(c->scenario, c->result, i, name, sizeof(name));
	fprintf(out, "    %s: %s", name, how);
	if (p->exited)
		fprintf(out, " after %.3f s",
		        (double)(p->ended_ns - p->started_ns) / 1e9);
	fputc('\n', out);
}

static void print_program(FILE *out, const struct case_report *c,
                          size_t program)
{
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < c->result->n_instances; i++) {
		if (c->result->instances[i].program != program)
			continue;
		n++;
		if (is_shown(c, i)) {
			print_instance(out, c, i);
			shown++;
		}
	}
	if (!n)
		fprintf(out, "    %s: did not run\n",
		        c->scenario->programs[program].name);
	else if (shown < n)
		fprintf(out, "    %s: %zu %s\n",
		        c->scenario->programs[program].name, n - shown,
		        shown ? "more instances" : "instances");
}

static void print_programs(FILE *out, const struct case_report *c)
{
	for (size_t i = 0; i < c->result->n_programs; i++)
		print_program(out, c, i);
}

static void print_rules(FILE *out, const struct case_report *c)
{
	for (size_t i = 0; i < c->result->n_rules; i++) {
		unsigned n = c->result->rules[i].hits;

		fprintf(out, "    rule %s: %u hit%s\n",
		        c->scenario->rules[i].text, n, n == 1 ? "" : "s");
	}
}

/* Further lines of a finding are indented below it. */
static void print_finding(FILE *out, bool color, const struct finding *f)
{
	const char *line = f->text, *end;

	fprintf(out, "    ");
	if (*f->where)
		fprintf(out, "%s: ", f->where);
	while ((end = strchr(line, '\n'))) {
		fprintf(out, "%.*s\n        ", (int)(end - line), line);
		line = end + 1;
	}
	paint(out, color && f->kind >= FINDING_FAIL, "1", line);
	fputc('\n', out);
}

/* A scenario that did not begin has no trace. */
static void print_kept(FILE *out, const char *kept)
{
	char *trace;

	fprintf(out, "    kept: %s\n", kept);
	if (asprintf(&trace, "%s/trace", kept) < 0)
		return;
	if (!access(trace, R_OK))
		fprintf(out, "    calls: fault trace %s\n", trace);
	free(trace);
}

void terminal_details(FILE *out, bool color, const struct case_report *c)
{
	print_outputs(out, c);
	print_programs(out, c);
	print_rules(out, c);
	for (size_t i = 0; i < c->judgement->n; i++)
		print_finding(out, color, &c->judgement->v[i]);
	if (c->kept)
		print_kept(out, c->kept);
	fprintf(out, "    repeat: %s\n", c->repeat);
}

static void count(struct terminal *t, enum outcome o)
{
	switch (o) {
	case OUTCOME_PASSED:
		t->n_passed++;
		break;
	case OUTCOME_SKIPPED:
		t->n_skipped++;
		break;
	case OUTCOME_FAILED:
		t->n_failed++;
		break;
	case OUTCOME_ENVIRONMENT:
		t->n_errors++;
		break;
	case OUTCOME_INCONCLUSIVE:
		t->n_unsure++;
		break;
	case OUTCOME_INTERRUPTED:
		break;
	}
}

/* A scenario stays on one line of a terminal: its name gives way. */
static void print_name(const struct terminal *t, const char *name, size_t used)
{
	size_t width = terminal_width(t->out), len = strlen(name);
	size_t room = width > used + 2 ? width - used - 2 : 0;

	if (!len)
		return;
	if (!width || len <= room) {
		fprintf(t->out, "  %s", name);
	} else if (room >= LEAST_NAME) {
		for (len = room - 3; ((unsigned char)name[len] & 0xc0) == 0x80;)
			len--;
		fprintf(t->out, "  %.*s...", (int)len, name);
	}
}

void terminal_case(struct terminal *t, const struct case_report *c)
{
	bool passed = c->outcome == OUTCOME_PASSED;
	char word[16], time[32];
	int time_len;

	count(t, c->outcome);
	if (t->progress)
		fputs("\r\033[K", t->out);
	if (passed && t->verbosity < 0)
		return;
	snprintf(word, sizeof(word), "%-6s", outcomes[c->outcome].word);
	paint(t->out, t->color, outcomes[c->outcome].color, word);
	if (c->outcome == OUTCOME_SKIPPED) {
		fprintf(t->out, " %s  (%s)\n", c->id, c->reason);
		return;
	}
	time_len = snprintf(time, sizeof(time), "  (%.2f s)",
	                    (double)c->result->time_ns / 1e9);
	fprintf(t->out, " %s", c->id);
	/* A scenario without a name has that of its file, said already. */
	if (c->scenario->name &&
	    strncmp(c->id, c->scenario->name, strlen(c->scenario->name)) != 0)
		print_name(t, c->scenario->name,
		           strlen(word) + 1 + strlen(c->id) + (size_t)time_len);
	fprintf(t->out, "%s\n", time);
	if (c->outcome == OUTCOME_INTERRUPTED)
		return;
	if (!passed || t->verbosity > 0)
		terminal_details(t->out, t->color, c);
	fflush(t->out);
}

void terminal_summary(const struct terminal *t, int64_t time_ns, uint64_t seed)
{
	size_t n = t->n_passed + t->n_skipped + t->n_failed + t->n_errors +
	           t->n_unsure;
	const struct {
		size_t n;
		const char *word;
	} parts[] = {
		{t->n_skipped, "skipped"},      {t->n_failed, "failed"},
		{t->n_errors, "could not run"}, {t->n_unsure, "inconclusive"},
		{t->n_total - n, "not run"},
	};

	fprintf(t->out, "%zu scenario%s: %zu passed", n, n == 1 ? "" : "s",
	        t->n_passed);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].n)
			fprintf(t->out, ", %zu %s", parts[i].n, parts[i].word);
	fprintf(t->out, " (%.1f s, seed %llu)\n", (double)time_ns / 1e9,
	        (unsigned long long)seed);
	fflush(t->out);
}
