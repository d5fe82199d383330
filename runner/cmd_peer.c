/*
 * cmd_peer.c - `fault peer`: plays one scripted program of a scenario.
 *
 * `fault run` starts it with FILE `-`: the program comes on standard input, as
 * it was bound (peer_hand.h).  By hand it reads the scenario itself.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "plan/env.h"
#include "runner/arming.h"
#include "runner/cmd.h"
#include "runner/launch.h"
#include "runner/machine.h"
#include "runner/options.h"
#include "runner/peer.h"
#include "runner/peer_hand.h"
#include "runner/print_diags.h"
#include "runner/selection.h"

enum {
	OPT_VAR = 1,
	OPT_SEED
};

static const struct option_spec specs[] = {
	{OPT_VAR, 0, "var", "K=V", "the value of ${K}"},
	{OPT_SEED, 0, "seed", "N", "for connections in per cent (default 0)"},
};

static const struct command_help help = {
	"peer",
	"[OPTION]... FILE[::CASE] NAME",
	"Play NAME, a scripted program (`listen` or `connect`) of a scenario.\n"
	"`fault run` does so by itself; by hand it is a peer for a debugger.\n"
	"It listens until SIGTERM or ^C.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: 0 all scripts ran through, 1 not, 2 usage or invalid\n"
	"file, 3 the machine failed (no memory, no descriptors)."};

struct request {
	const char *file, *name;
	char **vars;
	size_t n_vars;
	uint64_t seed;
};

/* ---- playing ------------------------------------------------------------- */

/* Readable when it has to end.  A signal that came already counts. */
static int stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, PEER_SIGNAL_TELL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/*
 * PEER_SIGNAL_TELL: what was to be said is said.  The connections stay open, so
 * that no other script sees them end.
 */
static void linger(int stop)
{
	struct signalfd_siginfo info;
	struct pollfd p = {stop, POLLIN, 0};

	if (poll(&p, 1, 0) != 1 ||
	    read(stop, &info, sizeof(info)) != sizeof(info) ||
	    info.ssi_signo != PEER_SIGNAL_TELL)
		return;
	fclose(stdout);
	fclose(stderr);
	for (;;)
		pause(); /* for SIGKILL */
}

/* The run that we were started in. */
struct run {
	struct segments segments;
	struct fault_plan *plan;
};

static bool look_at_hits(void *context, const char *rule, uint64_t *ret)
{
	const struct run *run = context;
	struct arming_group group;

	if (!arming_look(&run->segments, run->plan, rule, &group))
		return false;
	*ret = group.hits;
	return true;
}

static int play_open(struct peer *p, int stop, struct run *run)
{
	int r;

	if (run)
		peer_set_hits(p, look_at_hits, run);
	r = peer_open(p);
	if (r < 0)
		return machine_is_short(r) ? EXIT_ENVIRONMENT : EXIT_FAILED;
	/* By hand there may be nobody else who says that. */
	if (!run && peer_port(p))
		printf("listening on port %u\n", peer_port(p));
	fflush(stdout);
	r = peer_play(p, stop);
	if (machine_failure()) {
		/* Nobody may have said so: it closed, and could not look. */
		fprintf(stderr, "fault peer: %s\n", machine_failure());
		return EXIT_ENVIRONMENT;
	}
	return r ? EXIT_FAILED : EXIT_PASSED;
}

/* run: that we are part of; NULL: none. */
static int play(const struct program *program, uint64_t seed, struct run *run)
{
	struct peer *p = peer_new(program, seed, stderr);
	int stop = stop_signals();
	int code = EXIT_ENVIRONMENT;

	if (!p || stop < 0)
		perror("fault peer");
	else
		code = play_open(p, stop, run);
	if (stop >= 0)
		linger(stop);
	peer_free(p);
	if (stop >= 0)
		close(stop);
	return code;
}

static int play_handed_over(void)
{
	const char *ids = getenv(FAULT_ENV_SHM), *why = NULL;
	struct run run = {0};
	struct program program;
	uint64_t seed;
	void *memory;
	int r = peer_take_over(STDIN_FILENO, &program, &seed, &memory);

	if (r < 0) {
		fprintf(stderr, "fault peer: standard input: %s\n",
		        strerror(-r));
		return machine_is_short(r) ? EXIT_ENVIRONMENT : EXIT_USAGE;
	}
	if (ids && segments_attach(ids, &run.segments, &run.plan, &why) < 0)
		run.plan = NULL;
	r = play(&program, seed, run.plan ? &run : NULL);
	if (run.plan)
		segments_release(&run.segments);
	free(run.plan);
	free(memory);
	return r;
}

/* ---- by hand ------------------------------------------------------------- */

static int play_of(const struct scenario *s, const struct request *q)
{
	const char *words[PLAN_MAX_PROGRAMS];
	char suggestion[256];
	size_t n = 0;

	for (size_t i = 0; i < s->n_programs; i++) {
		const struct program *p = &s->programs[i];

		if (p->kind != PROGRAM_RUN)
			words[n++] = p->name;
		if (strcmp(p->name, q->name) != 0)
			continue;
		if (p->kind != PROGRAM_RUN)
			return play(p, q->seed, NULL);
		fprintf(stderr, "fault peer: `%s` is no scripted program\n",
		        q->name);
		return EXIT_USAGE;
	}
	fprintf(stderr, "fault peer: there is no program `%s`%s\n", q->name,
	        options_suggest(q->name, words, n, suggestion,
	                        sizeof(suggestion)));
	return EXIT_USAGE;
}

/* Says what there is to say; the exit code if it was in vain. */
static int invalid(struct diag_list *diags)
{
	bool machine = diags->machine;

	print_diags(diags);
	return machine ? EXIT_ENVIRONMENT : EXIT_USAGE;
}

static int play_case(const struct selected_case *one, const struct request *q,
                     struct launch_vars *v)
{
	struct suite_vars vars = launch_suite_vars(v);
	const char *tmp = getenv("TMPDIR");
	struct diag_list diags = {0};
	struct scenario *s = NULL;
	int code = EXIT_USAGE;

	launch_vars_bind(v, one->file, tmp && *tmp ? tmp : "/tmp", q->seed);
	if (suite_bind(one->suite, one->index, &vars, &s, &diags) == 0)
		code = play_of(s, q);
	else
		code = invalid(&diags);
	diag_list_release(&diags);
	if (s)
		scenario_free(s);
	return code;
}

static int play_file(const struct request *q)
{
	struct selection selection = {0};
	struct diag_list diags = {0};
	struct launch_vars v;
	struct suite_vars vars;
	int code;

	launch_vars_init(&v, q->vars, q->n_vars);
	vars = launch_suite_vars(&v);
	selection_add(&selection, q->file, &vars, &diags);
	code = invalid(&diags);
	if (selection.n == 1)
		code = play_case(&selection.v[0], q, &v);
	else if (!selection.missing && !selection.n_errors)
		fprintf(stderr, "fault peer: %s means %zu cases, not one\n",
		        q->file, selection.n);
	diag_list_release(&diags);
	selection_release(&selection);
	launch_vars_release(&v);
	return code;
}

/* ---- command line -------------------------------------------------------- */

static int read_options(struct options *o, struct request *q)
{
	int id;

	while ((id = options_next(o)) != OPTION_DONE) {
		if (id == OPTION_EXIT)
			return id;
		if (id == OPT_VAR && !strchr(o->value, '='))
			return options_error(o, "--var wants K=V, not `%s`",
			                     o->value);
		if (id == OPT_SEED && parse_u64(o->value, &q->seed) < 0)
			return options_error(o, "--seed wants a number");
		if (id == OPT_VAR)
			q->vars[q->n_vars++] = o->value;
		else if (id == OPTION_OPERAND && !q->file)
			q->file = o->value;
		else if (id == OPTION_OPERAND && !q->name)
			q->name = o->value;
		else if (id == OPTION_OPERAND)
			return options_error(o, "one FILE and one NAME");
	}
	if (!q->name)
		return options_error(o, "which program of which file?");
	return OPTION_DONE;
}

int cmd_peer(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	struct request q = {
		.vars = calloc((size_t)argc + 1, sizeof(char *)),
	};
	int code = EXIT_ENVIRONMENT;

	if (!q.vars)
		perror("fault peer");
	else if (read_options(&o, &q) == OPTION_EXIT)
		code = o.exit_code;
	else if (strcmp(q.file, "-") == 0)
		code = play_handed_over();
	else
		code = play_file(&q);
	free(q.vars);
	return code;
}
