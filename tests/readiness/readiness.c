/*
 * readiness.c - the program of the readiness suite (ready.h).
 *
 *   readiness list                         CASE RULE STYLES TRIGGERS
 *   readiness plan                         "CASE STYLE TRIGGER FAMILY" each
 *   readiness exceptions CASE              "REGEX<TAB>REASON" each
 *   readiness real|inject CASE STYLE TRIGGER FAMILY
 *
 * `inject` loads the library that READINESS_LIB names, or none. READINESS_FAULT
 * names the runner, for cases that switch rules.
 *
 * Processes of a run: this one waits for all others, with a deadline; it forks
 * one that makes the peer and then becomes the probe (`readiness inner …`), the
 * only one under injection.  None outlives it (tests/mortal.h).
 *
 * Exit status: 0; 2 usage; 3 the test is broken; 77 cannot be made here; else
 * that of the probe.
 */
#include "ready.h"

#include "tests/mortal.h"

#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define WATCHDOG_S 25
#define ALARM_S    (WATCHDOG_S + 5) /* if nobody watches any more */

static _Noreturn void usage(void)
{
	fputs("usage: readiness list | plan\n"
	      "       readiness real|inject CASE STYLE TRIGGER 4|6\n",
	      stderr);
	exit(2);
}

static const char *rule_of(const struct rd_case *c, enum rd_trigger trigger)
{
	static const char *const rules[N_TRIGGERS] = {
		[ARMED] = "recv:delay=200ms:role=accepted:nth=1",
		[CALL] = "recvfrom:delay=200ms:role=accepted:nth=1",
		[ALWAYS] = "recv:delay=200ms:role=accepted",
		[SECOND] = "recv:delay=200ms:role=accepted:nth=2",
	};
	static char text[256];

	snprintf(text, sizeof(text), "%s%s%s",
	         trigger == OWN ? c->rule : rules[trigger],
	         c->flags & RD_FIRST ? ":connection=1" : "",
	         c->flags & RD_ONCE ? ":times=1" : "");
	return text;
}

static void each(void (*f)(const struct rd_case *c, int style, int trigger))
{
	for (size_t i = 0; i < rd_n_cases; i++)
		for (int s = 0; s < N_STYLES; s++)
			for (int t = 0; t < N_TRIGGERS; t++)
				if (rd_cases[i].styles & BIT(s) &&
				    rd_cases[i].triggers & BIT(t))
					f(&rd_cases[i], s, t);
}

static void print_rule(const struct rd_case *c, int style, int trigger)
{
	printf("%s\t%s\t%s\t%s\t%s\n", c->name, rd_style_names[style],
	       rd_trigger_names[trigger], rule_of(c, (enum rd_trigger)trigger),
	       c->flags & RD_SAME_WITHOUT ? "same-without"
	       : c->flags & RD_LONG       ? "long"
	                                  : "");
}

static void print_runs(const struct rd_case *c, int style, int trigger)
{
	for (int family = 4; family <= (c->both_families ? 6 : 4); family += 2)
		printf("%s %s %s %d\n", c->name, rd_style_names[style],
		       rd_trigger_names[trigger], family);
}

static void print_exceptions(const char *name)
{
	for (size_t i = 0; i < rd_n_exceptions; i++)
		if (!strcmp(rd_exceptions[i].name, name))
			printf("%s\t%s\n", rd_exceptions[i].line,
			       rd_exceptions[i].reason);
}

static int index_of(const char *name, const char *const names[], int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return i;
	usage();
}

static const struct rd_case *case_of(const char *name)
{
	for (size_t i = 0; i < rd_n_cases; i++)
		if (!strcmp(name, rd_cases[i].name))
			return &rd_cases[i];
	usage();
}

/* real|inject CASE STYLE TRIGGER FAMILY */
static struct rd parse(char **words)
{
	struct rd r = {
		.real = !strcmp(words[0], "real"),
		.c = case_of(words[1]),
		.style = (enum rd_style)index_of(words[2], rd_style_names,
	                                         N_STYLES),
		.trigger = (enum rd_trigger)index_of(words[3], rd_trigger_names,
	                                             N_TRIGGERS),
		.family = strcmp(words[4], "6") ? AF_INET : AF_INET6,
		.listener = -1,
		.fd = -1,
	};

	if (!r.real && strcmp(words[0], "inject") != 0)
		usage();
	r.delay_ms = r.trigger == OWN && r.c->ms ? r.c->ms : RD_DELAY_MS;
	return r;
}

static int inner(char **words)
{
	struct rd r = parse(words);

	mortal(ALARM_S);
	r.ctl = atoi(getenv(RD_PEER_ENV));
	r.c->run(&r);
	return 0;
}

/* A network namespace of our own, with a loopback. */
static void enter_netns(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	if (unshare(CLONE_NEWNET))
		rd_skip("no network namespace of its own");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &lo))
		rd_skip("no loopback in the namespace");
	close(fd);
}

static int start_peer(int family)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		rd_broken("socketpair");
	mortal_spare_next(); /* it ends when nobody has its socket */
	pid = fork();
	if (pid < 0)
		rd_broken("fork");
	if (!pid) {
		close(pair[0]);
		rd_peer_main(pair[1], family);
	}
	close(pair[1]);
	return pair[0];
}

/* READINESS_FAULT names the runner. */
static _Noreturn void become_run(const struct rd *r, char **words)
{
	const char *fault = getenv("READINESS_FAULT");
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (!fault || n < 0)
		rd_skip("READINESS_FAULT is not set");
	self[n] = '\0';
	execl(fault, "fault", "exec", "-e", rule_of(r->c, r->trigger), "--",
	      self, "inner", words[0], words[1], words[2], words[3], words[4],
	      (char *)NULL);
	rd_broken("exec");
}

static _Noreturn void become_probe(const struct rd *r, char **words)
{
	const char *lib = getenv("READINESS_LIB");
	char fd[16];

	if (r->c->flags & RD_NETNS)
		enter_netns();
	snprintf(fd, sizeof(fd), "%d", start_peer(r->family));
	setenv(RD_PEER_ENV, fd, 1);
	if (lib && !r->real && r->c->flags & RD_RUNNER)
		become_run(r, words);
	if (lib && !r->real) {
		setenv("FAULT_INJECT", rule_of(r->c, r->trigger), 1);
		setenv("FAULT_SEED", "0", 0);
		setenv("LD_PRELOAD", lib, 1);
	}
	execl("/proc/self/exe", "readiness", "inner", words[0], words[1],
	      words[2], words[3], words[4], (char *)NULL);
	rd_broken("exec");
}

/* A child that has ended, or 0 at the deadline. */
static pid_t wait_child(int *ret_status, const struct timespec *end)
{
	sigset_t chld;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	while (!(pid = waitpid(-1, ret_status, WNOHANG))) {
		struct timespec now, left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left.tv_sec = end->tv_sec - now.tv_sec;
		left.tv_nsec = 0;
		if (left.tv_sec <= 0)
			return 0;
		sigtimedwait(&chld, NULL, &left);
	}
	return pid;
}

static int run(struct rd *r, char **words)
{
	struct timespec end;
	int status, ret = 3;
	pid_t probe, pid;
	sigset_t chld;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WATCHDOG_S;
	probe = fork();
	if (!probe) {
		setpgid(0, 0);
		become_probe(r, words);
	}
	setpgid(probe, probe);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	while ((pid = wait_child(&status, &end)) >= 0) {
		if (!pid) {
			say("HANGS: killed after %d s", WATCHDOG_S);
			kill(-probe, SIGKILL);
			end.tv_sec += WATCHDOG_S;
		} else if (pid == probe) {
			ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
			                          : WEXITSTATUS(status);
		}
	}
	if (ret > 128)
		say("the probe was killed by signal %d", ret - 128);
	return ret;
}

int main(int argc, char **argv)
{
	struct rd r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 7 && !strcmp(argv[1], "inner"))
		return inner(argv + 2);
	if (argc >= 2 && !strcmp(argv[1], "resume"))
		return rd_resume(argc - 2, argv + 2);
	if (argc == 2 && !strcmp(argv[1], "list"))
		return each(print_rule), 0;
	if (argc == 2 && !strcmp(argv[1], "plan"))
		return each(print_runs), 0;
	if (argc == 3 && !strcmp(argv[1], "exceptions"))
		return print_exceptions(argv[2]), 0;
	if (argc != 6)
		usage();
	r = parse(argv + 1);
	mortal(ALARM_S);
	return run(&r, argv + 1);
}
