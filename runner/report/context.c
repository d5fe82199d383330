/*
 * context.c - see context.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/last_calls.h"
#include "runner/quote.h"
#include "runner/report/context.h"

enum {
	TAIL_LINES = 20,
	TAIL_BYTES = 4096,
	LINE_BYTES = 320, /* of a program's line: the kept files have all */
	MAX_INSTANCES = 4 /* of a program, that are all shown */
};

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

/* The last one may have no newline. */
static size_t count_lines(const char *s, size_t len)
{
	size_t n = len && s[len - 1] != '\n';

	for (size_t i = 0; i < len; i++)
		n += s[i] == '\n';
	return n;
}

static void print_tail(FILE *out, const char *program, const char *stream,
                       const struct capture *c)
{
	size_t len;
	const char *tail = capture_tail(c, TAIL_LINES, TAIL_BYTES, &len);

	if (!len)
		return;
	fprintf(out, "    %s of %s", stream, program);
	if (len < c->len)
		fprintf(out, ", the last %zu of %zu lines",
		        count_lines(tail, len), count_lines(c->data, c->len));
	fputs(":\n", out);
	print_safe(out, tail, len);
}

/* What a context is made of. */
struct whole {
	const struct scenario *s;
	const struct session_result *r;
	const struct judgement *j;
};

/* Of many instances only those that something is said about. */
static bool is_shown(const struct whole *w, size_t i)
{
	size_t program = w->r->instances[i].program;

	if (session_n_instances(w->r, program) <= MAX_INSTANCES)
		return true;
	for (size_t k = 0; k < w->j->n; k++)
		if (w->j->v[k].instance == i)
			return true;
	return false;
}

static void print_outputs(FILE *out, const struct whole *w)
{
	char name[256];

	for (size_t i = 0; i < w->r->n_instances; i++) {
		const struct instance_result *p = &w->r->instances[i];

		if (!is_shown(w, i))
			continue;
		session_instance_name(w->s, w->r, i, name, sizeof(name));
		print_tail(out, name, "stdout", &p->out);
		print_tail(out, name, "stderr", &p->err);
	}
}

static void print_instance(FILE *out, const struct whole *w, size_t i)
{
	const struct instance_result *p = &w->r->instances[i];
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
	session_instance_name(w->s, w->r, i, name, sizeof(name));
	fprintf(out, "    %s: %s", name, how);
	if (p->exited)
		fprintf(out, " after %.3f s",
		        (double)(p->ended_ns - p->started_ns) / 1e9);
	fputc('\n', out);
}

static void print_program(FILE *out, const struct whole *w, size_t program)
{
	const char *name = w->s->programs[program].name;
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < w->r->n_instances; i++) {
		if (w->r->instances[i].program != program)
			continue;
		n++;
		if (is_shown(w, i)) {
			print_instance(out, w, i);
			shown++;
		}
	}
	if (!n)
		fprintf(out, "    %s: did not run\n", name);
	else if (shown < n)
		fprintf(out, "    %s: %zu %s\n", name, n - shown,
		        shown ? "more instances" : "instances");
}

static void print_rules(FILE *out, const struct scenario *s,
                        const struct session_result *r)
{
	for (size_t i = 0; i < r->n_rules; i++) {
		unsigned n = r->rules[i].hits;

		fprintf(out, "    rule %s: %u hit%s\n", s->rules[i].text, n,
		        n == 1 ? "" : "s");
	}
}

/* One says nothing; of several a program may have been given the wrong one. */
static void print_ports(FILE *out, const struct launch_vars *v)
{
	for (size_t i = 0; v->n_ports > 1 && i < v->n_ports; i++)
		fprintf(out, "%s${%s} %s%s",
		        i ? ", " : "    ports: ", v->ports[i].name,
		        v->ports[i].text, i + 1 == v->n_ports ? "\n" : "");
}

char *report_context(const struct scenario *s, const struct session_result *r,
                     const struct judgement *j, const struct launch_vars *v,
                     const char *trace_path)
{
	const struct whole w = {s, r, j};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print_outputs(f, &w);
	for (size_t i = 0; i < r->n_programs; i++)
		print_program(f, &w, i);
	print_last_calls(f, trace_path, s, r);
	print_ports(f, v);
	print_rules(f, s, r);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
