/*
 * main.c - `fault`: one table of subcommands, and the map of this directory.
 *
 *   commands     cmd_*.c, one per row of the table below; options.c their
 *                command lines; print_diags.c diagnostics
 *   a suite      run_options.c, run_plan.c (what), run_schedule.c (when),
 *                run_workers.c (where), run_case.c (one of them),
 *                shard.c, failed.c, slow_factor.c (options of it)
 *   a run        session.c (from start to end), session_*.c (its phases),
 *                timeline.c, session_steps.c, events.c, call_watch.c (steps),
 *                fixtures.c, command.c (before and behind it)
 *     processes  guardian.c and guardian_main.c (they own all programs),
 *                tree.c (the end of a tree), interrupt.c (^C),
 *                asleep.c (are they at rest)
 *     programs   launch.c (library, environment), launch_vars.c (${...}, free
 *                ports), reach.c (can it be reached), capture.c (output),
 *                listening.c (without the library)
 *     trace      segments.c (shared memory), wake.c (futex to poll), observe.c
 *                (draining), trace_file.c (kept), replay.c (read again),
 *                print_trace.c (for people)
 *   peers        cmd_peer.c: peer.c (sockets), peer_script.c (steps),
 *                peer_recv.c, peer_send.c, peer_say.c; peer_hand.c (how a
 *                scripted program gets there)
 *   the verdict  judge.c (expectations, oracles), expect_*.c (files, calls,
 *                order), funnel.c (why no hit), text.c (TEXT)
 *   the report   report/ (report.c and a file for each format), keep.c (what a
 *                failure leaves)
 *   from outside cmd_arm.c, arming.c
 *   which        selection.c, suite_files.c, glob.c
 *   in words     print_*.c (scenarios, rules, traces, YAML), list_*.c and
 *                schema_types.c (tables), quote.c (text for a terminal)
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plan/plan.h"
#include "runner/cmd.h"
#include "runner/options.h"

#ifndef FAULT_VERSION
#define FAULT_VERSION "1.0-dev"
#endif

struct command {
	const char *name;
	const char *help; /* NULL: of no use to most, not listed */
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"run", "run scenarios: programs, faults, expectations", cmd_run},
	{"exec", "run one program under faults", cmd_exec},
	{"trace", "show each call of a program, to write rules from",
         cmd_trace},
	{"check", "say what is wrong with scenarios; --expand shows one",
         cmd_check},
	{"list", "print what a rule can say: calls, errnos, actions, ...",
         cmd_list},
	{"arm", "let rules of a running scenario act; inside its programs",
         cmd_arm},
	{"disarm", "let them act no more", cmd_disarm},
	{"hits", "how often rules have acted so far", cmd_hits},
	{"doctor", "can this machine and this program be reached?", cmd_doctor},
	{"peer", NULL, cmd_peer},
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static void print_help(FILE *out)
{
	fprintf(out, "Usage: fault COMMAND [ARGUMENT]...\n\n"
	             "Makes the socket calls of unmodified programs fail, on "
	             "demand and repeatably.\n\nCommands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].help)
			fprintf(out, "  %-8s %s\n", commands[i].name,
			        commands[i].help);
	fprintf(out, "\n`fault COMMAND --help` says more; `fault --version`.\n"
	             "To begin: fault trace -- PROGRAM, then "
	             "fault exec -e recv:reset:nth=1 -- PROGRAM\n\n"
	             "Exit status: 0 passed, 1 failed, 2 usage or invalid "
	             "file, 3 environment,\n4 nothing ran, 130 ^C, 143 "
	             "SIGTERM; exec: the program's own, 125 ours.\n");
}

static int unknown(const char *word)
{
	const char *names[N_COMMANDS];
	char suggestion[256];

	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i].name;
	fprintf(stderr, "fault: unknown command `%s`%s\nTry `fault --help`.\n",
	        word,
	        options_suggest(word, names, N_COMMANDS, suggestion,
	                        sizeof(suggestion)));
	return EXIT_USAGE;
}

/*
 * A descriptor of ours must not become somebody's stdin, stdout or stderr. What
 * is written to a stdout that was closed fails as it would have.  Closed by
 * exec, which those that we were given are not: so the guardian knows them.
 */
static void fill_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null",
			     O_CLOEXEC |
			             (fd == STDOUT_FILENO ? O_RDONLY : O_RDWR));
}

/* A result that could not be written is none. */
static int said(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("fault: standard output");
	return status == EXIT_PASSED ? EXIT_ENVIRONMENT : status;
}

int main(int argc, char **argv)
{
	fill_stdio();
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return said(EXIT_PASSED);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("fault %s (plan format %u)\n", FAULT_VERSION,
		       PLAN_VERSION);
		return said(EXIT_PASSED);
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return said(commands[i].run(argc - 1, argv + 1));
	return unknown(argv[1]);
}
