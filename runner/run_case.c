/*
 * run_case.c - see run_case.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/cmd.h"
#include "runner/funnel.h"
#include "runner/keep.h"
#include "runner/print_diags.h"
#include "runner/quote.h"
#include "runner/run_case.h"

enum {
	PATH_SIZE = 4096,
	MAX_RECORDS = 4000000 /* 544 MB in TMPDIR */
};

int run_context_open(struct run_context *x, int verbosity)
{
	int r = launch_library(x->library, sizeof(x->library));

	/* Not needed if no program attaches: run_case() says so then. */
	if (r < 0)
		x->library[0] = '\0';
	r = guardian_start(false, &x->guardian);
	if (r == 0) {
		r = interrupt_open(&x->interrupt);
		if (r < 0)
			guardian_stop(x->guardian);
	}
	if (r < 0) {
		fprintf(stderr, "fault run: cannot start: %s\n", strerror(-r));
		return EXIT_ENVIRONMENT;
	}
	terminal_init(&x->terminal, stdout, verbosity, x->n_cases);
	return 0;
}

void run_context_close(struct run_context *x)
{
	guardian_stop(x->guardian);
	interrupt_close(&x->interrupt);
}

/* ---- the command that repeats it ----------------------------------------- */

static char *repeat_command(const struct run_context *x, const char *id)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("fault run ", f);
	quote_word(f, id);
	fprintf(f, " --seed %llu", (unsigned long long)x->seed);
	for (size_t i = 0; i < x->n_vars; i++) {
		fputs(" --var ", f);
		quote_word(f, x->vars[i]);
	}
	fclose(f);
	return text;
}

/* ---- one case ------------------------------------------------------------ */

/* What belongs to one case while it runs. */
struct work {
	const char *id;
	char dir[PATH_SIZE - 16], tmp[PATH_SIZE], trace[PATH_SIZE];
	struct launch_vars vars;
	struct scenario *scenario;
	struct session_result result;
	struct judgement judgement;
};

static bool attaches(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++)
		if (s->programs[i].attach)
			return true;
	return false;
}

/* False, with a message on stderr: it cannot be run here. */
static bool set_up(struct run_context *x, const struct selected_case *c,
                   struct work *w)
{
	struct suite_vars vars = launch_suite_vars(&w->vars);
	struct diag_list diags = {0};
	int r = guardian_make_dir(x->guardian, w->dir, sizeof(w->dir));

	if (r < 0) {
		fprintf(stderr,
		        "fault run: no temporary directory (TMPDIR, /tmp): "
		        "%s\n",
		        strerror(-r));
		x->broken = true;
		return false;
	}
	snprintf(w->tmp, sizeof(w->tmp), "%s/tmp", w->dir);
	snprintf(w->trace, sizeof(w->trace), "%s/trace", w->dir);
	mkdir(w->tmp, 0777);
	launch_vars_init(&w->vars, x->vars, x->n_vars);
	launch_vars_bind(&w->vars, c->file, w->tmp, x->seed);
	r = suite_bind(c->suite, c->index, &vars, &w->scenario, &diags);
	if (r < 0)
		print_diags(&diags);
	diag_list_release(&diags); /* warnings: load() said them */
	if (r < 0 && w->vars.out_of_ports)
		fprintf(stderr, "fault run: there is no free port\n");
	if (r == 0 && !*x->library && attaches(w->scenario)) {
		fprintf(stderr, "fault run: libfault.so is not there; set "
		                "FAULT_LIBRARY to its path\n");
		x->broken = true;
		return false;
	}
	return r == 0;
}

static void keep(struct run_context *x, const struct work *w,
                 struct case_report *report, char *path, size_t size)
{
	int r;

	keep_path(x->out, w->id, path, size);
	report->kept = path;
	r = keep_case(path, report, x->seed, w->trace);
	if (r == 0)
		return;
	report->kept = NULL;
	if (!x->out_failed)
		fprintf(stderr,
		        "fault run: cannot keep what failed scenarios leave in "
		        "%s: %s; --out DIR names another place\n",
		        path, strerror(-r));
	x->out_failed = true;
}

static enum outcome execute(struct run_context *x, struct work *w)
{
	struct session_options o = {
		.seed = x->seed,
		.library = x->library,
		.trace_path = w->trace,
		.max_records = MAX_RECORDS,
	};
	struct case_report report = {.id = w->id, .scenario = w->scenario};
	struct diag_list diags = {0};
	char kept[PATH_SIZE];
	char **funnels;
	char *repeat;

	if (session_run(x->guardian, &x->interrupt, w->scenario, &o, &w->result,
	                &diags) < 0) {
		print_diags(&diags);
		x->terminal.n_errors++;
		return OUTCOME_ENVIRONMENT;
	}
	diag_list_release(&diags); /* warnings: load() said them */
	funnels = funnels_explain(w->trace, w->scenario, &w->result);
	judge(w->scenario, &w->result, funnels, w->scenario->n_programs,
	      &w->judgement);
	funnels_free(funnels, w->result.n_rules);
	repeat = repeat_command(x, w->id);
	report.result = &w->result;
	report.judgement = &w->judgement;
	report.outcome = judge_outcome(&w->result, &w->judgement);
	report.repeat = repeat ? repeat : "";
	if (report.outcome != OUTCOME_PASSED &&
	    report.outcome != OUTCOME_INTERRUPTED)
		keep(x, w, &report, kept, sizeof(kept));
	terminal_case(&x->terminal, &report);
	free(repeat);
	return report.outcome;
}

enum outcome run_case(struct run_context *x, const struct selected_case *c)
{
	struct work *w = calloc(1, sizeof(*w));
	enum outcome o = OUTCOME_ENVIRONMENT;

	if (!w) {
		x->broken = true;
		return o;
	}
	w->id = suite_case_id(c->suite, c->index);
	terminal_begin(&x->terminal, w->id);
	if (set_up(x, c, w))
		o = execute(x, w);
	else
		x->terminal.n_errors++;
	session_result_release(&w->result);
	judgement_release(&w->judgement);
	if (w->scenario)
		scenario_free(w->scenario);
	launch_vars_release(&w->vars);
	guardian_clean(x->guardian);
	free(w);
	return o;
}
