/*
 * run_schedule.c - see run_schedule.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "runner/clock.h"
#include "runner/cmd.h"
#include "runner/quote.h"
#include "runner/report/report.h"
#include "runner/run_schedule.h"
#include "runner/run_workers.h"

/* Workers that do not end when they are told to are killed after so long. */
#define PATIENCE_NS (60 * NS_PER_S)
/* What one has left behind when it was killed is gone by then. */
#define GIVE_UP_NS (20 * NS_PER_S)

/* A case that is to run, or runs. */
struct job {
	size_t at;      /* in the plan */
	unsigned round; /* of --repeat, from 1 */
	unsigned n_tries;
	bool alone;
	bool confirms; /* it failed by time, beside others */
	char *note;    /* what it said then; owned */
};

/* One worker's. */
struct slot {
	struct job job;
	bool busy;
	bool beside; /* another ran at the same time */
	int64_t begun_ns;
	/* Absolute, 0 = never: */
	int64_t slow_ns; /* it is slow from then on, which is said once */
	int64_t hung_ns; /* its worker hangs from then on */
};

struct jobs {
	struct job *v;
	size_t n, cap;
};

struct schedule {
	struct run_plan *plan;
	const struct run_options *options;
	struct workers workers;
	struct out_lock lock;
	struct interrupt interrupt;
	struct report report;
	struct slot *slots;
	struct pollfd *polls;
	uint64_t next, n_total; /* jobs in their order: next to look at, all */
	struct jobs again, alone;
	size_t n_busy;
	bool is_alone;    /* the one that runs wants to be */
	const char *stop; /* why nothing more is begun */
	bool timed_out;
	int64_t limit_ns; /* absolute, of the whole run, 0 = none */
	bool told_to_end; /* those that run were */
	bool out_failed;  /* said that nothing can be kept */
};

/* ---- which is next ------------------------------------------------------- */

static bool push(struct jobs *q, struct job j)
{
	if (q->n == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 16;
		struct job *v = realloc(q->v, cap * sizeof(*v));

		if (!v)
			return false;
		q->v = v;
		q->cap = cap;
	}
	q->v[q->n++] = j;
	return true;
}

static struct job pop(struct jobs *q)
{
	struct job j = q->v[0];

	q->n--;
	memmove(q->v, q->v + 1, q->n * sizeof(*q->v));
	return j;
}

static unsigned round_of(const struct schedule *s, uint64_t job)
{
	return (unsigned)(job / s->plan->n) + 1;
}

/* The next in their order that does not want to be alone. */
static bool next_in_order(struct schedule *s, struct job *ret)
{
	while (s->next < s->n_total) {
		struct job j = {.round = round_of(s, s->next)};

		/* Without memory the order is that of the round before. */
		if (s->options->shuffle && j.round > 1 &&
		    s->next % s->plan->n == 0)
			run_plan_order(s->plan, s->options, j.round);
		j.at = s->plan->order[s->next++ % s->plan->n];
		j.alone = s->workers.n > 1 && s->plan->planned[j.at].alone;
		if (!j.alone || !push(&s->alone, j)) {
			*ret = j;
			return true;
		}
	}
	return false;
}

/* The first failure ends the run: is this one, now? */
static bool is_urgent(const struct schedule *s)
{
	return s->options->max_fail && s->alone.n && s->alone.v[0].confirms;
}

static bool pick(struct schedule *s, struct job *ret)
{
	if (s->stop || s->is_alone)
		return false;
	if (s->again.n) {
		*ret = pop(&s->again);
		return true;
	}
	if (!is_urgent(s) && next_in_order(s, ret))
		return true;
	if (s->alone.n == 0 || s->n_busy)
		return false;
	*ret = pop(&s->alone);
	return true;
}

/* ---- a case begins ------------------------------------------------------- */

static uint64_t seed_of(const struct schedule *s, const struct job *j)
{
	if (!s->options->repeat)
		return s->options->seed;
	return engine_hash(s->options->seed, 0, 0, 0, j->round, 0);
}

static void stop(struct schedule *s, const char *why)
{
	if (!s->stop)
		s->stop = why;
}

static void finish(struct schedule *s, size_t i, struct case_report *c);

static void cannot_start(struct schedule *s, size_t i, uint64_t seed, int err)
{
	struct case_report c = {
		.outcome = OUTCOME_ENVIRONMENT, .broken = true, .seed = seed};

	case_report_find(&c, FINDING_ENVIRONMENT, NULL,
	                 "there is no process to run it in: %s", strerror(err));
	finish(s, i, &c);
}

static void start(struct schedule *s, size_t i, struct job j)
{
	const struct planned *p = &s->plan->planned[j.at];
	struct slot *slot = &s->slots[i];
	uint64_t seed = seed_of(s, &j);
	int r = workers_start(&s->workers, i, j.at, seed,
	                      s->options->repeat ? j.round : 0);

	*slot = (struct slot){.job = j,
	                      .busy = true,
	                      .beside = s->n_busy > 0,
	                      .begun_ns = now_ns()};
	for (size_t k = 0; k < s->workers.n; k++)
		if (k != i && s->slots[k].busy)
			s->slots[k].beside = true;
	if (p->limit_ns)
		slot->slow_ns = now_ns() + p->limit_ns / 2;
	if (p->most_ns)
		slot->hung_ns = now_ns() + p->most_ns;
	s->n_busy++;
	s->is_alone = j.alone;
	report_begin(&s->report, p->id);
	if (r < 0)
		cannot_start(s, i, seed, -r);
}

static void start_all(struct schedule *s)
{
	for (size_t i = 0; i < s->workers.n; i++) {
		struct job j;

		if (!s->slots[i].busy && pick(s, &j))
			start(s, i, j);
	}
}

/* ---- and ends ------------------------------------------------------------ */

/* The finding that matters most, without the lines below its sentence. */
static char *sentence(const char *head, const struct case_report *c)
{
	const struct finding *worst = case_report_worst(c);
	const char *what = worst ? worst->text : "failed";
	char *text;

	if (asprintf(&text, "%s%.*s", head, (int)strcspn(what, "\n"), what) < 0)
		return NULL;
	return text;
}

/* Not counted: it runs alone first.  True if so. */
static bool to_be_confirmed(struct schedule *s, const struct slot *slot,
                            const struct case_report *c)
{
	struct job j = slot->job;

	if (!slot->beside || j.confirms || !c->timing || s->stop)
		return false;
	j.alone = j.confirms = true;
	j.note = sentence("run again alone; beside others: ", c);
	if (push(&s->alone, j))
		return true;
	free(j.note);
	return false;
}

/* Failed, and has tries left.  True if so. */
static bool to_be_retried(struct schedule *s, const struct slot *slot,
                          const struct case_report *c)
{
	struct job j = slot->job;
	char head[32];

	if ((c->outcome != OUTCOME_FAILED &&
	     c->outcome != OUTCOME_INCONCLUSIVE) ||
	    c->passes_now || j.n_tries >= s->options->retries || s->stop)
		return false;
	j.n_tries++;
	snprintf(head, sizeof(head), "try %u: ", j.n_tries);
	j.note = sentence(head, c);
	if (push(j.alone ? &s->alone : &s->again, j))
		return true;
	free(j.note);
	return false;
}

static void count_result(struct schedule *s, const struct job *j,
                         struct case_report *c)
{
	bool bad = report_is_bad(&s->report, c);

	if (c->warning && s->out_failed) {
		free(c->warning);
		c->warning = NULL;
	}
	s->out_failed |= c->warning != NULL;
	report_case(&s->report, c);
	if (c->outcome == OUTCOME_INTERRUPTED)
		return;
	/* In a later round it may pass; it has failed all the same. */
	if (bad || j->round == 1)
		failed_note(&s->plan->failed, c->id, bad);
	if (c->broken)
		stop(s, "nothing more can run here");
	if (s->options->max_fail &&
	    report_n_bad(&s->report) >= s->options->max_fail)
		stop(s, s->options->max_fail == 1 ? "at the first failure"
		                                  : "at --max-fail");
}

static void finish(struct schedule *s, size_t i, struct case_report *c)
{
	struct slot *slot = &s->slots[i];
	struct job *j = &slot->job;

	slot->busy = false;
	s->n_busy--;
	s->is_alone = false;
	c->id = s->plan->planned[j->at].id;
	c->round = j->round;
	c->n_rounds = (unsigned)s->options->repeat;
	c->n_tries = j->n_tries;
	if (!c->time_ns) /* of one that came to no end */
		c->time_ns = now_ns() - slot->begun_ns;
	/* A worker that was told to end may not have come to a report. */
	if (s->told_to_end && c->outcome == OUTCOME_ENVIRONMENT)
		c->outcome = OUTCOME_INTERRUPTED;
	c->note = j->note;
	if (to_be_confirmed(s, slot, c))
		report_again(&s->report, c, "alone");
	else if (to_be_retried(s, slot, c))
		report_again(&s->report, c, "retry");
	else
		count_result(s, j, c);
	case_report_release(c);
}

/* ---- time and signals ---------------------------------------------------- */

static void end_running(struct schedule *s, int sig)
{
	int64_t hung_ns = now_ns() + PATIENCE_NS;

	workers_signal(&s->workers, sig);
	for (size_t i = 0; !s->told_to_end && i < s->workers.n; i++)
		if (!s->slots[i].hung_ns || hung_ns < s->slots[i].hung_ns)
			s->slots[i].hung_ns = hung_ns;
	s->told_to_end = true;
}

static void take_signals(struct schedule *s)
{
	bool keyboard;
	int sig;

	while ((sig = interrupt_next(&s->interrupt, &keyboard))) {
		stop(s, "by a signal");
		end_running(s, sig);
	}
}

static bool has_come(int64_t at, int64_t now)
{
	return at && now >= at;
}

static void watch_slot(struct schedule *s, size_t i, int64_t now)
{
	struct slot *slot = &s->slots[i];
	const struct planned *p = &s->plan->planned[slot->job.at];
	struct case_report c;

	if (has_come(slot->slow_ns, now)) {
		slot->slow_ns = 0;
		report_warn(&s->report,
		            "slow: %s has run for half of its limit of %g s",
		            p->id, (double)p->limit_ns / 1e9);
	}
	if (has_come(slot->hung_ns, now)) {
		slot->hung_ns = now + GIVE_UP_NS;
		if (workers_give_up(&s->workers, i, &c) > 0)
			finish(s, i, &c);
	}
}

static void watch_time(struct schedule *s)
{
	int64_t now = now_ns();

	for (size_t i = 0; i < s->workers.n; i++)
		if (s->slots[i].busy)
			watch_slot(s, i, now);
	if (s->limit_ns && now >= s->limit_ns && !s->timed_out) {
		s->timed_out = true;
		stop(s, "--global-timeout has passed");
		end_running(s, SIGTERM);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Milliseconds until there is something to do by itself, -1: never. */
static int time_left(const struct schedule *s)
{
	int64_t at = s->timed_out ? 0 : s->limit_ns, left;

	for (size_t i = 0; i < s->workers.n; i++)
		if (s->slots[i].busy)
			at = sooner(at, sooner(s->slots[i].slow_ns,
			                       s->slots[i].hung_ns));
	if (!at)
		return -1;
	left = (at - now_ns()) / NS_PER_MS + 1;
	return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

/*
 * Before anybody is given up: who has a report ready does not hang, even if we
 * were stopped for long ourselves.
 */
static void take_reports(struct schedule *s)
{
	for (size_t i = 0; i < s->workers.n; i++) {
		struct case_report c;

		if (s->slots[i].busy && workers_receive(&s->workers, i, &c) > 0)
			finish(s, i, &c);
	}
}

static void wait_for_workers(struct schedule *s)
{
	size_t n = s->workers.n;

	for (size_t i = 0; i < n; i++)
		s->polls[i] = (struct pollfd){
			s->slots[i].busy ? s->workers.v[i].fd : -1, POLLIN, 0};
	s->polls[n] = (struct pollfd){s->interrupt.fd, POLLIN, 0};
	if (poll(s->polls, n + 1, time_left(s)) < 0 && errno != EINTR) {
		stop(s, "poll(2) fails");
		if (!s->told_to_end)
			end_running(s, SIGTERM);
	}
	take_signals(s);
	take_reports(s);
	watch_time(s);
}

/* ---- the whole ----------------------------------------------------------- */

static int exit_code(const struct schedule *s)
{
	const struct report *r = &s->report;

	if (s->interrupt.first)
		return interrupt_exit_code(&s->interrupt);
	if (r->n[OUTCOME_FAILED] || s->timed_out ||
	    (r->flaky_fails && r->n_flaky))
		return EXIT_FAILED;
	if (r->n[OUTCOME_ENVIRONMENT] || r->n[OUTCOME_INCONCLUSIVE])
		return EXIT_ENVIRONMENT;
	return r->n[OUTCOME_PASSED] || r->n[OUTCOME_TODO] ? EXIT_PASSED
	                                                  : EXIT_NOTHING;
}

static char *rest_command(const struct schedule *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("fault run --failed", f);
	if (strcmp(s->options->settings.out, "fault-out") != 0) {
		fputs(" --out ", f);
		quote_word(f, s->options->settings.out);
	}
	if (s->options->seed)
		fprintf(f, " --seed %llu",
		        (unsigned long long)s->options->seed);
	print_run_settings(f, &s->options->settings);
	fclose(f);
	return text;
}

static void summarize(struct schedule *s, int64_t start_ns)
{
	const struct run_options *o = s->options;
	char how[128] = "", *rest = rest_command(s);
	int n = 0, r;
	struct report_summary summary = {
		.time_ns = now_ns() - start_ns,
		.seed = o->seed,
		.how = how,
		.why = s->timed_out || !report_is_whole(&s->report) ? s->stop
	                                                            : NULL,
		.rest = rest,
	};

	if (o->shuffle)
		n += snprintf(how, sizeof(how), ", shuffle %llu",
		              (unsigned long long)o->shuffle_seed);
	if (o->shard.n)
		snprintf(how + n, sizeof(how) - (size_t)n, ", shard %u/%u",
		         o->shard.k, o->shard.n);
	r = failed_save(&s->plan->failed, o->settings.out);
	if (r < 0 && !s->out_failed)
		report_warn(&s->report,
		            "cannot keep what has failed in %s: %s; --out DIR "
		            "names another place",
		            o->settings.out, strerror(-r));
	report_close(&s->report, &summary);
	free(rest);
}

static bool open_all(struct schedule *s)
{
	const struct run_options *o = s->options;
	size_t n = s->n_total < o->n_jobs ? (size_t)s->n_total : o->n_jobs;
	int r = workers_open(&s->workers, n, s->plan->cases, &o->settings,
	                     &s->lock);

	s->slots = calloc(n, sizeof(*s->slots));
	s->polls = calloc(n + 1, sizeof(*s->polls));
	if (r == 0 && (!s->slots || !s->polls))
		r = -ENOMEM;
	if (r == 0)
		r = interrupt_open(&s->interrupt);
	if (r < 0)
		fprintf(stderr, "fault run: cannot start: %s\n", strerror(-r));
	return r == 0;
}

static void release(struct schedule *s)
{
	for (size_t i = 0; i < s->again.n; i++)
		free(s->again.v[i].note);
	for (size_t i = 0; i < s->alone.n; i++)
		free(s->alone.v[i].note);
	free(s->again.v);
	free(s->alone.v);
	free(s->slots);
	free(s->polls);
}

static bool take_out(struct schedule *s)
{
	const char *out = s->options->settings.out;

	if (out_lock_take(&s->lock, out) == 0)
		return true;
	if (s->lock.holder)
		fprintf(stderr,
		        "fault run: process %d runs scenarios with %s/, too: "
		        "nothing was started; wait for it, or take another "
		        "place with --out DIR\n",
		        (int)s->lock.holder, out);
	else
		fprintf(stderr,
		        "fault run: another process runs scenarios with %s/, "
		        "too: nothing was started; wait for it, or take "
		        "another place with --out DIR\n",
		        out);
	return false;
}

int run_schedule(struct run_plan *plan, const struct run_options *options)
{
	struct schedule s = {.plan = plan, .options = options};
	int64_t start_ns = now_ns();
	int code = EXIT_ENVIRONMENT;

	s.n_total = (uint64_t)plan->n * (options->repeat ? options->repeat : 1);
	if (!take_out(&s))
		return EXIT_ENVIRONMENT;
	if (open_all(&s)) {
		if (options->global_timeout_ns)
			s.limit_ns = start_ns + options->global_timeout_ns;
		report_open(&s.report, options->format, stdout,
		            options->verbosity, s.n_total);
		s.report.flaky_fails = options->flaky_fails;
		for (start_all(&s); s.n_busy; start_all(&s))
			wait_for_workers(&s);
		workers_close(&s.workers);
		summarize(&s, start_ns);
		code = exit_code(&s);
		interrupt_close(&s.interrupt);
	}
	out_lock_release(&s.lock);
	release(&s);
	return code;
}
