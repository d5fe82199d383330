/*
 * cmd_doctor.c - `fault doctor [PROGRAM]`: what works on this machine, and
 * whether the library gets into this program.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lang/scenario.h"
#include "runner/cmd.h"
#include "runner/elf_file.h"
#include "runner/launch.h"
#include "runner/options.h"
#include "runner/probes.h"
#include "runner/reach.h"
#include "runner/segments.h"

static const struct command_help help = {
	"doctor",
	"[PROGRAM]",
	"Say what works on this machine and, with PROGRAM, whether the "
	"library\n"
	"can reach it and which calls it imports.",
	NULL,
	0,
	"Exit status: 0, or 3 when something needed is missing."};

enum {
	NOBODY = 65534
};

static bool print_check(bool works, const char *name, const char *text)
{
	printf("%s  %-12s %s\n", works ? "ok" : "no", name, text);
	return works;
}

/* ---- does the library attach? -------------------------------------------- */

/* Runs /bin/true under the library, as another user if uid is not 0. */
static int run_true(char *const *env, uid_t uid)
{
	char path[] = "/bin/true", *argv[] = {path, NULL};
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		if (uid && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
			_exit(126);
		execve(path, argv, env);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* A run without rules; 0, or the reason in why. */
static bool make_run(struct segments *s, void **ret_plan, char *why,
                     size_t size)
{
	struct plan_options options = {.trace = true};
	struct scenario *scenario = scenario_new();
	struct diag_list diags = {0};
	const char *call = "";
	size_t len;
	int rc = -ENOMEM;

	if (scenario)
		rc = scenario_plan(scenario, &options, ret_plan, &len, &diags);
	if (!rc)
		rc = segments_create(*ret_plan, len, s, &call);
	if (rc)
		snprintf(why, size,
		         "%s: %s; see the limits in `ipcs -l` and "
		         "/proc/sys/kernel/shm*",
		         call, strerror(-rc));
	diag_list_release(&diags);
	scenario_free(scenario);
	return !rc;
}

static bool attach(const char *library, uid_t uid, char *why, size_t size)
{
	struct program program = {0};
	struct segments s;
	void *plan = NULL;
	char **env;
	int status;
	bool attached;

	if (!make_run(&s, &plan, why, size)) {
		free(plan);
		return false;
	}
	env = launch_environment(&program, 0, library, false, &s);
	status = env ? run_true(env, uid) : -ENOMEM;
	attached = atomic_load(&s.run->used_processes) > 0;
	if (attached)
		snprintf(why, size, "/bin/true reports to the run");
	else
		snprintf(why, size,
		         "/bin/true ended with %#x and did not report: %s may "
		         "not be readable for it, or System V shared memory "
		         "is forbidden",
		         (unsigned)status, library);
	launch_free(env);
	segments_release(&s);
	free(plan);
	return attached;
}

static bool check_library(void)
{
	char library[4096], why[4400 + 256];
	int rc = launch_library(library, sizeof(library));
	bool works;

	if (rc) {
		snprintf(why, sizeof(why),
		         "%s: %s; set FAULT_LIBRARY, or build it with `make`",
		         library, strerror(-rc));
		return print_check(false, "library", why);
	}
	print_check(true, "library", library);
	works = attach(library, 0, why, sizeof(why));
	print_check(works, "attach", why);
	if (works && !geteuid()) {
		works = attach(library, NOBODY, why, sizeof(why));
		print_check(works, "attach-other",
		            works ? "also as another user" : why);
		/* Programs that stay root are reached all the same. */
		return true;
	}
	return works;
}

/* ---- the program --------------------------------------------------------- */

struct imports {
	bool has[N_CALLS];
};

static void note_import(void *context, const char *symbol)
{
	struct imports *imports = context;

	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
		if (!strcmp(fault_calls[i].symbol, symbol))
			imports->has[i] = true;
}

static void print_family(const struct imports *imports, unsigned family)
{
	const char *before = "";

	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++) {
		if (fault_calls[i].family != family || !imports->has[i] ||
		    fault_calls[i].kind != FAULT_INJECT)
			continue;
		if (!*before)
			printf("    %-12s", fault_families[family].word);
		printf(" %s", fault_calls[i].symbol);
		before = " ";
	}
	if (*before)
		putchar('\n');
}

static void print_imports(const char *path)
{
	struct imports imports = {0};

	if (elf_each_import(path, note_import, &imports))
		return;
	puts("    calls that it imports itself (its libraries may use more):");
	for (unsigned f = 0; f < N_FAMILIES; f++)
		print_family(&imports, f);
}

static bool check_program(const char *program)
{
	struct reach_report *report = malloc(sizeof(*report));
	bool works;

	if (!report)
		return print_check(false, "program", strerror(ENOMEM));
	works = reach_program(program, NULL, report) == REACH_OK;
	print_check(works, "program", *report->path ? report->path : program);
	printf("    %s\n", reach_reason(report->reach));
	if (*report->interpreter)
		printf("    run by %s\n", report->interpreter);
	if (*report->asan)
		printf("    built with AddressSanitizer; the library comes "
		       "before %s, which is told so\n",
		       report->asan);
	if (works)
		print_imports(*report->interpreter ? report->interpreter
		                                   : report->path);
	free(report);
	return works;
}

int cmd_doctor(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	const char *program = NULL;
	bool works;
	int id;

	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id == OPTION_OPERAND && program)
			options_error(&o, "one program, please");
		else if (id == OPTION_OPERAND)
			program = o.value;
		if (id == OPTION_EXIT || o.exit_code)
			return o.exit_code;
	}
	works = check_library();
	for (const struct probe *p = probes; p->name; p++) {
		char why[256], line[400];
		bool ok = probe_run(p, why, sizeof(why));

		snprintf(line, sizeof(line), "%s%s%s", p->about,
		         *why ? ": " : "", why);
		print_check(ok, p->name, line);
		works &= ok || !p->needed;
	}
	if (program)
		works &= check_program(program);
	puts(works ? "everything that is needed works"
	           : "something needed is missing, see above");
	return works ? EXIT_PASSED : EXIT_ENVIRONMENT;
}
