/*
 * passthrough.c - see passthrough.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/cmd.h"
#include "runner/print_diags.h"
#include "runner/funnel.h"
#include "runner/judge.h"
#include "runner/keep.h"
#include "runner/launch.h"
#include "runner/passthrough.h"

enum {
	PATH_SIZE = 4096,
	MAX_RECORDS = 500000 /* for a funnel: 64 MB */
};

/* What is open while it runs. */
struct stage {
	const struct passthrough *p;
	struct guardian *guardian;
	struct interrupt interrupt;
	char library[LAUNCH_LIBRARY];
	char trace[PATH_SIZE]; /* "" = none */
};

static int ours(const struct passthrough *p, const char *what, int err)
{
	fprintf(stderr, "fault %s: %s: %s\n", p->command, what, strerror(-err));
	return EXIT_OURS;
}

/* Where the records go: --trace DIR, or a temporary place for the funnel. */
static int open_trace(struct stage *s)
{
	char dir[PATH_SIZE - 16];
	int r;

	s->trace[0] = '\0';
	if (s->p->trace_dir) {
		r = make_dirs(s->p->trace_dir);
		if (r < 0)
			return ours(s->p, s->p->trace_dir, r);
		snprintf(s->trace, sizeof(s->trace), "%s/trace",
		         s->p->trace_dir);
		return 0;
	}
	/* Without a place for it only the reason for a missing hit is lost. */
	if (s->p->scenario->n_rules && !s->p->may_miss &&
	    guardian_make_dir(s->guardian, dir, sizeof(dir)) == 0)
		snprintf(s->trace, sizeof(s->trace), "%s/trace", dir);
	return 0;
}

static int find_library(struct stage *s)
{
	if (launch_library(s->library, sizeof(s->library)))
		return 0;
	fprintf(stderr, "fault %s: %s\n", s->p->command, s->library);
	return EXIT_OURS;
}

static int status_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
	                           : WEXITSTATUS(status);
}

static void say_hits(const struct stage *s, const struct session_result *r)
{
	for (size_t i = 0; i < r->n_rules; i++)
		fprintf(stderr, "fault %s: rule %s: %u hit%s\n", s->p->command,
		        s->p->scenario->rules[i].text, r->rules[i].hits,
		        r->rules[i].hits == 1 ? "" : "s");
}

/* Lines behind the first belong to it. */
static void say_lines(const char *text)
{
	for (const char *c = text; *c; c++) {
		fputc(*c, stderr);
		if (*c == '\n')
			fputs("    ", stderr);
	}
	fputc('\n', stderr);
}

/* Rules only: how the program ends is the caller's to judge. */
static int judge_rules(const struct stage *s, const struct session_result *r)
{
	char **funnels =
		*s->trace ? funnels_explain(s->trace, s->p->scenario, r) : NULL;
	struct judgement j = {0};
	int code = 0;

	judge(s->p->scenario, r, funnels, s->p->program, &j);
	for (size_t i = 0; i < j.n; i++) {
		if (j.v[i].kind <= FINDING_WARNING)
			continue;
		fprintf(stderr, "fault %s: %s%s", s->p->command,
		        j.v[i].where ? j.v[i].where : "",
		        j.v[i].where ? ": " : "");
		say_lines(j.v[i].text);
		code = EXIT_OURS;
	}
	judgement_release(&j);
	funnels_free(funnels, r->n_rules);
	return code;
}

static int conclude(const struct stage *s, const struct session_result *r)
{
	/* The only one that was started, if it was. */
	const struct instance_result *p = r->instances;
	int code;

	if (r->message)
		fprintf(stderr, "fault %s: %s\n", s->p->command, r->message);
	if (r->end == SESSION_NOT_STARTED)
		return r->start_errno == ENOENT ? EXIT_NOT_FOUND
		                                : EXIT_CANNOT_EXEC;
	if (r->end != SESSION_OVER || !r->n_instances || !p->exited)
		return EXIT_OURS;
	if (s->p->verbose)
		say_hits(s, r);
	if (r->unattached && (s->p->verbose || r->unattached_matters))
		fprintf(stderr, "fault %s: %s\n", s->p->command, r->unattached);
	if (r->n_left)
		fprintf(stderr,
		        "fault %s: %zu process%s that the program left behind "
		        "%s ended\n",
		        s->p->command, r->n_left, r->n_left == 1 ? "" : "es",
		        r->n_left == 1 ? "was" : "were");
	code = status_code(p->status);
	if (code == 0 && !s->p->may_miss && !s->interrupt.first)
		code = judge_rules(s, r);
	return code;
}

static int run(struct stage *s)
{
	struct session_options o = {
		.seed = s->p->seed,
		.stacks = s->p->stacks,
		.passthrough = true,
		.only = s->p->program,
		.library = s->library,
		.trace_path = *s->trace ? s->trace : NULL,
		.max_records = s->p->trace_dir ? 0 : MAX_RECORDS,
		.record = s->p->record,
		.record_context = s->p->record_context,
	};
	struct session_result result;
	struct diag_list diags = {0};
	int code;

	if (session_run(s->guardian, &s->interrupt, s->p->scenario, &o, &result,
	                &diags) < 0) {
		print_diags(&diags);
		return EXIT_OURS;
	}
	print_diags(&diags);
	code = conclude(s, &result);
	session_result_release(&result);
	return code;
}

int passthrough_run(const struct passthrough *p)
{
	struct stage *s = calloc(1, sizeof(*s));
	int r, code;

	if (!s)
		return ours(p, "memory", -ENOMEM);
	s->p = p;
	code = find_library(s);
	if (code) {
		free(s);
		return code;
	}
	r = guardian_start(true, &s->guardian);
	if (r < 0) {
		free(s);
		return ours(p, "guardian", r);
	}
	r = interrupt_open(&s->interrupt);
	if (r < 0)
		code = ours(p, "signalfd", r);
	if (!code)
		code = open_trace(s);
	if (!code)
		code = run(s);
	guardian_stop(s->guardian);
	interrupt_close(&s->interrupt);
	free(s);
	return code;
}
