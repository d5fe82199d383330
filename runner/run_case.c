/*
 * run_case.c - see run_case.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/expect_files.h"
#include "runner/expect_trace.h"
#include "runner/fixtures.h"
#include "runner/funnel.h"
#include "runner/keep.h"
#include "runner/launch.h"
#include "runner/machine.h"
#include "runner/print_diags.h"
#include "runner/quote.h"
#include "runner/report/context.h"
#include "runner/run_case.h"
#include "runner/slow_factor.h"

enum {
	PATH_SIZE = 4096,
	MAX_RECORDS = 4000000 /* 544 MB in TMPDIR */
};

void run_settings_find_library(struct run_settings *s)
{
	/* Not needed if no program attaches: run_case() says so then. */
	s->has_library = launch_library(s->library, sizeof(s->library));
}

int run_place_open(struct run_place *p, const struct run_settings *settings)
{
	int r;

	*p = (struct run_place){.settings = settings};
	r = guardian_start(false, &p->guardian);
	if (r == 0) {
		r = interrupt_open(&p->interrupt);
		if (r < 0)
			guardian_stop(p->guardian);
	}
	return r;
}

void run_place_close(struct run_place *p)
{
	guardian_stop(p->guardian);
	interrupt_close(&p->interrupt);
}

/* ---- the command that repeats it ----------------------------------------- */

void print_run_settings(FILE *f, const struct run_settings *s)
{
	for (size_t i = 0; i < s->n_vars; i++) {
		fputs(" --var ", f);
		quote_word(f, s->vars[i]);
	}
	if (s->slow_factor < 1 || s->slow_factor > 1)
		fprintf(f, " --slow-factor %g", s->slow_factor);
}

static char *repeat_command(const struct run_settings *s, const char *id,
                            uint64_t seed)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("fault run ", f);
	quote_word(f, id);
	fprintf(f, " --seed %llu", (unsigned long long)seed);
	print_run_settings(f, s);
	fclose(f);
	return text;
}

/* ---- one case ------------------------------------------------------------ */

/* What belongs to one case while it runs. */
struct work {
	const char *id;
	struct keep_id keep_id;
	char dir[PATH_SIZE - 16], tmp[PATH_SIZE], trace[PATH_SIZE];
	struct launch_vars vars;
	struct scenario *scenario;
	struct fixtures fixtures;
	struct session_result result;
	struct case_report *report;
};

static bool attaches(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++)
		if (s->programs[i].attach)
			return true;
	return false;
}

static void __attribute__((format(printf, 2, 3)))
cannot_run(struct work *w, const char *format, ...)
{
	char text[PATH_SIZE + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	w->report->outcome = OUTCOME_ENVIRONMENT;
	case_report_find(w->report, FINDING_ENVIRONMENT, NULL, "%s", text);
}

/* What load() did not see: values that are known only now. */
static void invalid(struct work *w, struct diag_list *diags)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		write_diags(f, diags);
		fclose(f);
		if (len && text[len - 1] == '\n')
			text[len - 1] = '\0';
	}
	cannot_run(w, "%s", text && *text ? text : "out of memory");
	free(text);
}

/* False: it cannot be run here, and the report says why. */
static bool set_up(struct run_place *p, const struct selected_case *c,
                   struct work *w)
{
	struct suite_vars vars = launch_suite_vars(&w->vars);
	struct diag_list diags = {0};
	int r = guardian_make_dir(p->guardian, w->dir, sizeof(w->dir));

	if (r == -EPIPE)
		cannot_run(w, "the guardian is gone");
	else if (r < 0)
		cannot_run(w, "no temporary directory (TMPDIR, /tmp): %s",
		           strerror(-r));
	if (r < 0) {
		w->report->broken = true;
		return false;
	}
	snprintf(w->tmp, sizeof(w->tmp), "%s/tmp", w->dir);
	snprintf(w->trace, sizeof(w->trace), "%s/trace", w->dir);
	if (mkdir(w->tmp, 0777) < 0) {
		cannot_run(w, "%s: %s", w->tmp, strerror(errno));
		return false;
	}
	launch_vars_bind(&w->vars, c->file, w->tmp, w->report->seed);
	r = suite_bind(c->suite, c->index, &vars, &w->scenario, &diags);
	if (r < 0 && machine_failure())
		cannot_run(w, "%s", machine_failure());
	else if (r < 0 && w->vars.out_of_ports)
		cannot_run(w, "there is no free port");
	else if (r < 0)
		invalid(w, &diags);
	diag_list_release(&diags); /* warnings: load() said them */
	if (r == 0 && !p->settings->has_library && attaches(w->scenario)) {
		cannot_run(w, "%s", p->settings->library);
		w->report->broken = true;
		return false;
	}
	return r == 0;
}

static void keep(const struct run_settings *s, struct work *w)
{
	struct case_report *report = w->report;
	char path[PATH_SIZE];
	int r;

	keep_path(s->out, &w->keep_id, path, sizeof(path));
	report->kept = strdup(path);
	r = keep_case(path, report, w->scenario, &w->result, w->trace);
	if (r == 0)
		return;
	free(report->kept);
	report->kept = NULL;
	if (asprintf(&report->warning,
	             "cannot keep what failed scenarios leave in %s: %s; "
	             "--out DIR names another place",
	             s->out, strerror(-r)) < 0)
		report->warning = NULL;
}

/* A scenario whose `todo` says that it fails has to. */
static void apply_todo(struct case_report *r, const struct scenario *s)
{
	if (!s->todo)
		return;
	if (r->outcome == OUTCOME_FAILED ||
	    r->outcome == OUTCOME_INCONCLUSIVE) {
		r->outcome = OUTCOME_TODO;
		r->timing = false;
		r->reason = strdup(s->todo);
	} else if (r->outcome == OUTCOME_PASSED) {
		r->outcome = OUTCOME_FAILED;
		r->passes_now = true;
		case_report_find(r, FINDING_FAIL, NULL,
		                 "passes now: delete its `todo` (%s)", s->todo);
	}
}

static bool depends_on_time(const struct case_report *r)
{
	for (size_t i = 0; i < r->findings.n; i++)
		if (r->findings.v[i].timing &&
		    r->findings.v[i].kind == FINDING_FAIL)
			return r->outcome == OUTCOME_FAILED;
	return false;
}

/* False: its rules cannot be compiled, and the report says so. */
static bool run_scenario(struct run_place *p, struct work *w)
{
	struct session_options o = {
		.seed = w->report->seed,
		.library = p->settings->library,
		.trace_path = w->trace,
		.max_records = MAX_RECORDS,
		.spent_ns = w->fixtures.setup_ns,
	};
	struct case_report *report = w->report;
	struct diag_list diags = {0};
	char **funnels;

	if (session_run(p->guardian, &p->interrupt, w->scenario, &o, &w->result,
	                &diags) < 0) {
		invalid(w, &diags);
		return false;
	}
	diag_list_release(&diags); /* warnings: load() said them */
	funnels = funnels_explain(w->trace, w->scenario, &w->result);
	expect_files_judge(w->scenario, &w->result, &report->findings);
	expect_trace_judge(w->trace, w->scenario, &w->result,
	                   &report->findings);
	judge(w->scenario, &w->result, funnels, w->scenario->n_programs,
	      &report->findings);
	funnels_free(funnels, w->result.n_rules);
	return true;
}

static void conclude(struct run_place *p, struct work *w, bool skipped)
{
	struct case_report *report = w->report;

	report->time_ns = w->result.time_ns + w->fixtures.time_ns;
	if (machine_failure() && w->result.end != SESSION_ENVIRONMENT)
		case_report_find(report, FINDING_ENVIRONMENT, NULL,
		                 "%s: nothing that was found counts",
		                 machine_failure());
	report->outcome = judge_outcome(&w->result, &report->findings);
	if (report->findings.lost)
		case_report_find(report, FINDING_ENVIRONMENT, NULL,
		                 "out of memory: not all is told here");
	if (report->outcome == OUTCOME_PASSED && w->fixtures.interrupted)
		report->outcome = OUTCOME_INTERRUPTED;
	if (skipped && report->outcome == OUTCOME_PASSED) {
		report->outcome = OUTCOME_SKIPPED;
		return;
	}
	free(report->reason); /* of a skip whose teardown failed */
	report->reason = NULL;
	report->timing = depends_on_time(report);
	apply_todo(report, w->scenario);
	if (report->outcome != OUTCOME_PASSED || p->settings->all_details)
		report->context =
			report_context(w->scenario, &w->result,
		                       &report->findings, &w->vars, w->trace);
	if (report->outcome != OUTCOME_PASSED &&
	    report->outcome != OUTCOME_TODO &&
	    report->outcome != OUTCOME_INTERRUPTED)
		keep(p->settings, w);
}

static void execute(struct run_place *p, struct work *w)
{
	enum fixtures_end end = fixtures_set_up(
		&w->fixtures, w->scenario, w->tmp, &p->interrupt, w->report);
	bool valid = true;

	if (end == FIXTURES_READY)
		valid = run_scenario(p, w);
	else if (end == FIXTURES_INTERRUPTED)
		w->result.end = SESSION_INTERRUPTED;
	fixtures_tear_down(&w->fixtures);
	if (valid)
		conclude(p, w, end == FIXTURES_SKIPPED);
}

static void clean(struct guardian *g, struct work *w)
{
	int r = guardian_clean(g);

	if (r < 0 && r != -EPIPE && !w->report->warning &&
	    asprintf(&w->report->warning, "cannot remove %s: %s", w->dir,
	             strerror(-r)) < 0)
		w->report->warning = NULL;
}

void run_case(struct run_place *p, const struct selected_case *c, uint64_t seed,
              unsigned round, struct case_report *ret)
{
	struct work *w = calloc(1, sizeof(*w));

	*ret = (struct case_report){.outcome = OUTCOME_ENVIRONMENT,
	                            .seed = seed};
	if (!w) {
		ret->broken = true;
		case_report_find(ret, FINDING_ENVIRONMENT, NULL,
		                 "out of memory");
		return;
	}
	machine_forget();
	ret->id = w->id = suite_case_id(c->suite, c->index);
	ret->repeat = repeat_command(p->settings, w->id, seed);
	w->keep_id = (struct keep_id){w->id, round, c->shares_name};
	w->report = ret;
	launch_vars_init(&w->vars, p->settings->vars, p->settings->n_vars);
	if (set_up(p, c, w)) {
		if (w->scenario->name)
			ret->name = strdup(w->scenario->name);
		slow_down(w->scenario, p->settings->slow_factor);
		execute(p, w);
	}
	session_result_release(&w->result);
	if (w->scenario)
		scenario_free(w->scenario);
	launch_vars_release(&w->vars);
	clean(p->guardian, w);
	free(w);
}
