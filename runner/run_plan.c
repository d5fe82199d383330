/*
 * run_plan.c - see run_plan.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "runner/cmd.h"
#include "runner/glob.h"
#include "runner/keep.h"
#include "runner/launch.h"
#include "runner/print_diags.h"
#include "runner/quote.h"
#include "runner/run_plan.h"
#include "runner/slow_factor.h"

/* In seconds: what is beside the limit and the graces of a scenario. */
#define OWN_S       60.0 /* reading, judging, keeping; times the slow factor */
#define LEAST_OWN_S 5.0
#define TEARDOWN_S  15.0 /* a command, and its death */
#define STOP_S      10.0 /* a service comes to rest, and its death */
#define MOST_S      1e9

struct load {
	struct run_plan *plan;
	const struct run_options *options;
	struct diag_list diags;
	size_t n_chosen; /* by all but the shard */
};

/* ---- which --------------------------------------------------------------- */

static bool has_tag(const struct scenario *s, const char *tag, size_t len)
{
	for (size_t i = 0; i < s->n_tags; i++)
		if (strlen(s->tags[i]) == len &&
		    strncmp(s->tags[i], tag, len) == 0)
			return true;
	return false;
}

/* "a,!b": a and not b. */
static bool tags_match(const struct scenario *s, const char *wanted)
{
	while (*wanted) {
		size_t len = strcspn(wanted, ",");
		bool not = *wanted == '!';

		if (len && has_tag(s, wanted + not, len - not ) == not )
			return false;
		wanted += len + (wanted[len] == ',');
	}
	return true;
}

static bool tagged(const struct run_options *o, const struct scenario *s)
{
	for (size_t i = 0; i < o->n_tags; i++)
		if (tags_match(s, o->tags[i]))
			return true;
	return o->n_tags == 0;
}

static bool filtered(const struct run_options *o, const struct scenario *s,
                     const char *id)
{
	for (size_t i = 0; i < o->n_filters; i++)
		if (glob_match(o->filters[i], id, strlen(id), false) ||
		    (s->name && glob_match(o->filters[i], s->name,
		                           strlen(s->name), false)))
			return true;
	return o->n_filters == 0;
}

static bool chosen(struct load *l, const struct scenario *s, const char *id)
{
	const struct run_options *o = l->options;

	if (!tagged(o, s) || !filtered(o, s, id) ||
	    (o->failed && !failed_has(&l->plan->failed, id)))
		return false;
	l->n_chosen++;
	return shard_has(&o->shard, id);
}

/*
 * What a worker needs for a scenario that does everything as slowly as it is
 * let, and for its own work; 0: there is no limit.
 */
static int64_t most_ns(const struct scenario *s, double factor)
{
	double own =
		OWN_S * factor > LEAST_OWN_S ? OWN_S * factor : LEAST_OWN_S;
	double sum = (double)s->limit_ns / 1e9 + own +
	             TEARDOWN_S * (double)s->n_teardown;

	for (size_t i = 0; i < s->n_programs; i++)
		if (program_is_service(&s->programs[i]))
			sum += (double)s->programs[i].grace_ns / 1e9 + STOP_S;
	return s->limit_ns && sum < MOST_S ? (int64_t)(sum * 1e9) : 0;
}

/* Binds with stand-ins: is it valid, is it wanted?  False: invalid. */
static bool check_case(struct load *l, const struct selected_case *one)
{
	struct plan_options options = {.trace = true};
	struct run_plan *p = l->plan;
	const char *id = suite_case_id(one->suite, one->index);
	double factor = l->options->settings.slow_factor;
	struct scenario *s;
	void *blob = NULL;
	size_t len;
	bool ok;

	if (suite_bind(one->suite, one->index, NULL, &s, &l->diags) < 0)
		return false;
	ok = scenario_plan(s, &options, &blob, &len, &l->diags) == 0;
	slow_down(s, factor);
	if (suite_has_programs(one->suite) && chosen(l, s, id)) {
		p->planned[p->n] = (struct planned){
			.id = id,
			.alone = s->alone,
			.limit_ns = s->limit_ns,
			.most_ns = most_ns(s, factor),
		};
		p->cases[p->n++] = *one;
	}
	free(blob);
	scenario_free(s);
	return ok;
}

/* A file of faults alone that was named itself is a mistake. */
static bool explain_no_programs(const struct load *l)
{
	const struct selection *selection = &l->plan->selection;
	bool any = false;

	for (size_t i = 0; i < selection->n; i++) {
		const struct selected_case *one = &selection->v[i];

		if (suite_has_programs(one->suite))
			continue;
		for (size_t p = 0; p < l->options->n_paths; p++) {
			const char *path = l->options->paths[p];

			if (strcmp(selection_plain_name(path), one->file) != 0)
				continue;
			fprintf(stderr,
			        "fault run: %s has faults but no programs; try "
			        "`fault exec -s %s -- PROGRAM`\n",
			        one->file, one->file);
			any = true;
		}
	}
	return any;
}

/* ---- in which order ------------------------------------------------------ */

struct rank {
	bool failed;
	uint64_t shuffled;
	size_t at;
};

static int by_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->failed != y->failed)
		return x->failed ? -1 : 1;
	if (x->shuffled != y->shuffled)
		return x->shuffled < y->shuffled ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

bool run_plan_order(struct run_plan *p, const struct run_options *o,
                    unsigned round)
{
	struct rank *ranks = calloc(p->n + 1, sizeof(*ranks));

	if (!ranks)
		return false;
	for (size_t i = 0; i < p->n; i++) {
		const char *id = p->planned[i].id;

		ranks[i] = (struct rank){.failed = o->failed_first &&
		                                   failed_has(&p->failed, id),
		                         .at = i};
		if (o->shuffle)
			ranks[i].shuffled = engine_hash(o->shuffle_seed, 0,
			                                plan_hash_string(id),
			                                round - 1, 0, 0);
	}
	qsort(ranks, p->n, sizeof(*ranks), by_rank);
	for (size_t i = 0; i < p->n; i++)
		p->order[i] = ranks[i].at;
	free(ranks);
	return true;
}

/* ---- where it is kept ---------------------------------------------------- */

struct kept_name {
	char name[KEEP_NAME_SIZE];
	size_t at;
};

static int by_kept_name(const void *a, const void *b)
{
	return strcmp(((const struct kept_name *)a)->name,
	              ((const struct kept_name *)b)->name);
}

/* `a/b.yaml` and `a_b.yaml` would leave the one what the other left. */
static bool find_shared_names(struct run_plan *p)
{
	struct kept_name *v = calloc(p->n + 1, sizeof(*v));

	if (!v)
		return false;
	for (size_t i = 0; i < p->n; i++) {
		keep_name(p->planned[i].id, v[i].name, sizeof(v[i].name));
		v[i].at = i;
	}
	qsort(v, p->n, sizeof(*v), by_kept_name);
	for (size_t i = 1; i < p->n; i++)
		if (!by_kept_name(&v[i - 1], &v[i]))
			p->cases[v[i - 1].at].shares_name =
				p->cases[v[i].at].shares_name = true;
	free(v);
	return true;
}

/* ---- what there is to say ------------------------------------------------ */

static void print_dry(const char *id, const struct scenario *s)
{
	printf("%s\n", id);
	for (size_t i = 0; i < s->n_programs; i++) {
		printf("    %s: ", s->programs[i].name);
		if (s->programs[i].argv)
			quote_words(stdout, s->programs[i].argv);
		else
			printf(s->programs[i].kind == PROGRAM_LISTEN
			               ? "(listens)"
			               : "(connects)");
		putchar('\n');
	}
	for (size_t i = 0; i < s->n_rules; i++)
		printf("    rule %s\n", s->rules[i].text);
}

static void print_plan(const struct load *l)
{
	const struct run_plan *p = l->plan;

	for (size_t i = 0; i < p->n; i++) {
		const struct selected_case *one = &p->cases[p->order[i]];
		const char *id = p->planned[p->order[i]].id;
		struct diag_list diags = {0};
		struct scenario *s;

		if (l->options->list) {
			puts(id);
		} else if (suite_bind(one->suite, one->index, NULL, &s,
		                      &diags) == 0) {
			print_dry(id, s);
			scenario_free(s);
		}
		diag_list_release(&diags);
	}
}

/* Nothing is there: a folder of something else, a glob that is misspelled. */
static void say_none_found(const struct run_options *o)
{
	for (size_t i = 0; i < o->n_paths; i++)
		fprintf(stderr,
		        access(o->paths[i], F_OK) == 0
		                ? "fault run: nothing to run: no *.yaml in or "
		                  "below %s, but for _*.yaml\n"
		                : "fault run: nothing to run: no scenario "
		                  "matches %s\n",
		        o->paths[i]);
}

static int nothing_to_run(const struct load *l)
{
	const struct run_options *o = l->options;
	size_t n = l->plan->selection.n;

	if (l->n_chosen)
		fprintf(stderr,
		        "fault run: nothing to run: shard %u of %u has none of "
		        "the %zu scenarios; fewer shards would do\n",
		        o->shard.k, o->shard.n, l->n_chosen);
	else if (o->failed)
		fprintf(stderr,
		        "fault run: nothing to run: none of them failed last, "
		        "says %s/.failed\n",
		        o->settings.out);
	else if (!n)
		say_none_found(o);
	else
		fprintf(stderr,
		        "fault run: nothing to run: %s selects none of the %zu "
		        "scenario%s\n",
		        !o->n_tags     ? "--filter"
		        : o->n_filters ? "--tag with --filter"
		                       : "--tag",
		        n, n == 1 ? "" : "s");
	return EXIT_NOTHING;
}

/* ---- the whole ----------------------------------------------------------- */

/*
 * Without a path, --failed means just those.  What has been deleted or renamed
 * since cannot pass any more: it is forgotten, else --failed would never run.
 */
static void select_failed(struct load *l, const struct suite_vars *vars)
{
	struct failed *failed = &l->plan->failed;
	struct selection *s = &l->plan->selection;

	s->may_be_gone = true;
	for (size_t i = 0; i < failed->n;) {
		size_t n = s->n, n_errors = s->n_errors;

		selection_add(s, failed->v[i], vars, &l->diags);
		if (s->n != n || s->n_errors != n_errors) {
			i++;
			continue;
		}
		fprintf(stderr,
		        "fault run: %s failed last and is not there any more: "
		        "forgotten\n",
		        failed->v[i]);
		failed_note(failed, failed->v[i], false);
	}
	s->may_be_gone = false;
}

static void select_cases(struct load *l)
{
	const struct run_options *o = l->options;
	struct run_plan *p = l->plan;
	struct launch_vars vars;
	struct suite_vars interface;

	launch_vars_init(&vars, o->settings.vars, o->settings.n_vars);
	interface = launch_suite_vars(&vars);
	for (size_t i = 0; i < o->n_paths; i++)
		selection_add(&p->selection, o->paths[i], &interface,
		              &l->diags);
	if (o->n_paths == 0)
		select_failed(l, &interface);
	launch_vars_release(&vars);
	selection_unique(&p->selection);
}

static int read_failed(struct load *l)
{
	const char *out = l->options->settings.out;
	int r = failed_load(&l->plan->failed, out);

	if (r == 0)
		return 0;
	fprintf(stderr, "fault run: %s/.failed: %s\n", out, strerror(-r));
	return l->options->failed || l->options->failed_first ? r : 0;
}

static int no_memory(void)
{
	fputs("fault run: out of memory\n", stderr);
	return EXIT_ENVIRONMENT;
}

int run_plan_load(struct run_plan *p, const struct run_options *o)
{
	struct load l = {.plan = p, .options = o};
	size_t n_errors;
	bool ok, machine;
	int r;

	*p = (struct run_plan){0};
	shard_touch_status_file();
	r = read_failed(&l);
	if (r < 0)
		return diag_of_machine(r) ? EXIT_ENVIRONMENT : EXIT_USAGE;
	select_cases(&l);
	p->cases = calloc(p->selection.n + 1, sizeof(*p->cases));
	p->planned = calloc(p->selection.n + 1, sizeof(*p->planned));
	p->order = calloc(p->selection.n + 1, sizeof(*p->order));
	if (!p->cases || !p->planned || !p->order)
		return no_memory();
	ok = !p->selection.n_errors && !p->selection.missing;
	for (size_t i = 0; i < p->selection.n; i++)
		ok = check_case(&l, &p->selection.v[i]) && ok;
	machine = l.diags.machine;
	n_errors = print_diags(&l.diags);
	if (n_errors)
		fprintf(stderr, "%zu error%s: nothing was started\n", n_errors,
		        n_errors == 1 ? "" : "s");
	if (!ok && machine)
		return EXIT_ENVIRONMENT;
	if (explain_no_programs(&l) || !ok)
		return EXIT_USAGE;
	if (p->n == 0)
		return nothing_to_run(&l);
	if (!run_plan_order(p, o, 1) || !find_shared_names(p))
		return no_memory();
	if (!o->list && !o->dry_run)
		return -1;
	print_plan(&l);
	return EXIT_PASSED;
}

void run_plan_release(struct run_plan *p)
{
	selection_release(&p->selection);
	failed_release(&p->failed);
	free(p->cases);
	free(p->planned);
	free(p->order);
}
