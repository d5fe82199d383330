/*
 * state_after.c - what a socket is like after a fault, as text.
 *
 *   state_after list                        the table of cases
 *   state_after plan                        "CASE STYLE FAMILY" for each run
 *   state_after exceptions CASE STYLE FAMILY
 *   state_after real CASE STYLE FAMILY      the situation made for real
 *   state_after probe CASE STYLE FAMILY     nothing is made: the injection is
 *
 * FAMILY is 4 or 6. `probe` loads the library that CONFORMANCE_LIB (or
 * LD_PRELOAD) names, with FAULT_INJECT, or the case's rule if that is not set.
 *
 * Processes of a run: this one is never under injection. For each variant (side
 * and order) it makes a process that makes the peer and then becomes the probe
 * (`state_after inner …`), the only one that loads the library.
 * None outlives it (tests/mortal.h).
 *
 * Exit status: 0, 2 usage, 3 the test is broken, 77 cannot be made here, 97
 * the library refused the rule.
 */
#include "conf.h"

#include "tests/mortal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHDOG_S 20               /* a record that takes longer is cut off */
#define ALARM_S    (2 * WATCHDOG_S) /* of the processes around it */

struct run {
	bool real;
	const struct conf_case *c;
	enum conf_style style;
	int family;
};

static _Noreturn void usage(void)
{
	fputs("usage: state_after list | plan\n"
	      "       state_after exceptions|real|probe CASE STYLE 4|6\n",
	      stderr);
	exit(2);
}

static void print_names(unsigned set, const char *const names[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (set & BIT(i))
			printf("%s%s", set & (BIT(i) - 1) ? "," : "", names[i]);
	putchar('\t');
}

static void list(void)
{
	for (size_t i = 0; i < conf_n_cases; i++) {
		const struct conf_case *c = &conf_cases[i];

		printf("%s\t%s\t%s\t%s\t", c->name, c->call, c->what, c->rule);
		print_names(c->styles, conf_style_names, N_STYLES);
		print_names(c->sides, conf_side_names, N_SIDES);
		printf("%s\n", c->note ? c->note : "");
	}
}

static void plan(void)
{
	for (size_t i = 0; i < conf_n_cases; i++)
		for (unsigned s = 0; s < N_STYLES; s++)
			if (conf_cases[i].styles & BIT(s))
				printf("%s %s 4\n%s %s 6\n", conf_cases[i].name,
				       conf_style_names[s], conf_cases[i].name,
				       conf_style_names[s]);
}

static int index_of(const char *name, const char *const names[], int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return i;
	usage();
}

static struct run parse(char **words)
{
	return (struct run){
		.c = conf_case_find(words[0]) ? conf_case_find(words[0])
	                                      : (usage(), NULL),
		.style = (enum conf_style)index_of(words[1], conf_style_names,
	                                           N_STYLES),
		.family = strcmp(words[2], "6") ? AF_INET : AF_INET6,
	};
}

/* The probe: `inner real|probe CASE STYLE FAMILY SIDE ORDER`. */
static int inner(char **words)
{
	struct run run = parse(words + 1);
	struct conf_probe p = {
		.c = run.c,
		.real = !strcmp(words[0], "real"),
		.style = run.style,
		.family = run.family,
		.side = (enum conf_side)index_of(words[4], conf_side_names,
	                                         N_SIDES),
		.fd = -1,
		.listener = -1,
		.accepted = -1,
		.epfd = -1,
		.peer = atoi(getenv(CONF_PEER)),
	};

	mortal(WATCHDOG_S);
	conf_signals_install(run.c->flags & CONF_HANDLER);
	conf_setup(&p);
	conf_run(&p, words[5]);
	return 0;
}

/* Peer and control socket; returns our end, which the probe inherits. */
static int start_peer(int family)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		conf_die("socketpair");
	pid = fork();
	if (pid < 0)
		conf_die("fork");
	if (!pid) {
		close(pair[0]);
		conf_peer_main(pair[1], family);
	}
	close(pair[1]);
	return pair[0];
}

static void set_injection(const struct run *run)
{
	const char *lib = getenv("CONFORMANCE_LIB");

	if (run->real || !lib)
		return;
	setenv("FAULT_INJECT", run->c->rule, 0);
	setenv("FAULT_SEED", "0", 0);
	setenv("LD_PRELOAD", lib, 1);
}

/* In a process of its own: becomes the probe of one variant. */
static _Noreturn void become_probe(const struct run *run, const char *side,
                                   const char *order)
{
	char fd[16];

	if (run->real && run->c->flags & CONF_NETNS)
		conf_netns_enter();
	snprintf(fd, sizeof(fd), "%d", start_peer(run->family));
	setenv(CONF_PEER, fd, 1);
	set_injection(run);
	execl("/proc/self/exe", "state_after", "inner",
	      run->real ? "real" : "probe", run->c->name,
	      conf_style_names[run->style], run->family == AF_INET6 ? "6" : "4",
	      side, order, (char *)NULL);
	conf_die("exec");
}

/* The probe's status; the peer ends with it and is waited for as well. */
static int run_variant(const struct run *run, const char *side,
                       const char *order)
{
	pid_t pid, done;
	int status, ret = 3;

	alarm(ALARM_S); /* anew for each */
	printf("== %s %s\n", side, order);
	fflush(stdout);
	pid = fork();
	if (!pid)
		become_probe(run, side, order);
	while ((done = wait(&status)) > 0)
		if (done == pid)
			ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
			                          : WEXITSTATUS(status);
	if (ret > 128)
		printf("the probe was killed by signal %d\n", ret - 128);
	return ret > 128 ? 0 : ret;
}

static int run_all(const struct run *run)
{
	int status = 0;

	mortal(ALARM_S);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (unsigned side = 0; side < N_SIDES; side++)
		for (unsigned i = 0; i < CONF_ORDERS && !status; i++)
			if (run->c->sides & BIT(side) && run->c->orders[i])
				status = run_variant(run, conf_side_names[side],
				                     run->c->orders[i]);
	return status;
}

/* Injection is for the probe only: pass the preload on to it. */
static void shed_preload(char **argv)
{
	const char *lib = getenv("LD_PRELOAD");

	if (!lib)
		return;
	if (getenv("CONFORMANCE_LIB"))
		conf_die("LD_PRELOAD cannot be shed, use CONFORMANCE_LIB");
	setenv("CONFORMANCE_LIB", lib, 1);
	unsetenv("LD_PRELOAD");
	execv("/proc/self/exe", argv);
	conf_die("exec");
}

int main(int argc, char **argv)
{
	struct run run;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 8 && !strcmp(argv[1], "inner"))
		return inner(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list(), 0;
	if (argc == 2 && !strcmp(argv[1], "plan"))
		return plan(), 0;
	if (argc != 5)
		usage();
	run = parse(argv + 2);
	if (!strcmp(argv[1], "exceptions"))
		return conf_exceptions_print(argv[2], argv[3], run.family), 0;
	run.real = !strcmp(argv[1], "real");
	if (!run.real && strcmp(argv[1], "probe") != 0)
		usage();
	shed_preload(argv);
	return run_all(&run);
}
