/*
 * cmd_doctor.c - `fault doctor [PROGRAM]`: what works on this machine, and
 * whether the library gets into this program.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lang/scenario.h"
#include "runner/cmd.h"
#include "runner/conditions.h"
#include "runner/doctor.h"
#include "runner/launch.h"
#include "runner/options.h"
#include "runner/probes.h"
#include "runner/segments.h"

enum {
	OPT_VERBOSE = 1
};

static const struct option_spec specs[] = {
	{OPT_VERBOSE, 'v', "verbose", NULL, "also what nobody has to know"},
};

static const struct command_help help = {
	"doctor",
	"[-v] [PROGRAM]",
	"Say what works on this machine and, with PROGRAM, whether the "
	"library\n"
	"can reach it, which calls it and its libraries import, and what of "
	"it\n"
	"goes past the library.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"`ok` works, `no` is needed and missing, `--` is missing or worth "
	"knowing.\n"
	"Exit status: 0, 2 for usage, or 3 when something needed is missing."};

enum {
	NOBODY = 65534
};

/* ---- lines --------------------------------------------------------------- */

enum {
	INDENT = 17, /* of the text */
	WIDTH_LEAST = 40
};

/* Columns of the terminal, 0: none. */
static size_t terminal_width(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) &&
	                       w.ws_col > WIDTH_LEAST
	               ? w.ws_col
	               : 0;
}

/* Broken at blanks, so that it ends before width; indented from there on. */
static void print_broken(const char *text, int indent, size_t width)
{
	size_t room = width > (size_t)indent ? width - (size_t)indent - 1 : 0;

	while (room && strlen(text) > room) {
		size_t len = room;

		while (len && text[len] != ' ')
			len--;
		if (!len)
			len = strcspn(text, " ");
		if (!text[len])
			break;
		printf("%.*s\n%*s", (int)len, text, indent, "");
		text += len + 1;
	}
	puts(text);
}

void doctor_print(enum doctor_mark mark, const char *name, const char *text)
{
	static const char *const marks[] = {
		[MARK_OK] = "ok", [MARK_NO] = "no", [MARK_ADVICE] = "--"};

	if (name)
		printf("%s  %-12s ", marks[mark], name);
	else
		printf("    ");
	print_broken(text, name ? INDENT : 4, terminal_width());
}

static bool print_check(bool works, const char *name, const char *text)
{
	doctor_print(works ? MARK_OK : MARK_NO, name, text);
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

/* Its path, or "" */
static bool check_library(char *library, size_t size)
{
	char why[LAUNCH_LIBRARY + 256];
	bool works = launch_library(library, size);

	print_check(works, "library", library);
	if (!works) {
		*library = '\0';
		return false;
	}
	works = attach(library, 0, why, sizeof(why));
	print_check(works, "attach", why);
	if (works && !geteuid()) {
		/* Programs that stay root are reached all the same. */
		if (attach(library, NOBODY, why, sizeof(why)))
			doctor_print(MARK_OK, "attach-other",
			             "also as another user");
		else
			doctor_print(MARK_ADVICE, "attach-other", why);
	}
	return works;
}

/* ---- the machine --------------------------------------------------------- */

/* What is as it should be and nobody needs to know is told with -v. */
static bool check_all(const struct probe *p, bool verbose)
{
	bool works = true;

	for (; p->name; p++) {
		char why[256], line[400];
		bool ok = probe_run(p, why, sizeof(why));

		works &= ok || !p->needed;
		if (ok && !p->needed && !verbose)
			continue;
		snprintf(line, sizeof(line), "%s%s%s", p->about,
		         *why ? ": " : "", why);
		doctor_print(ok          ? MARK_OK
		             : p->needed ? MARK_NO
		                         : MARK_ADVICE,
		             p->name, line);
	}
	return works;
}

static void conclude(bool works, const char *program)
{
	if (!works)
		puts("something needed is missing: see `no` above");
	else if (program)
		puts("everything that is needed works; what a run does not "
		     "reach, it says");
	else
		puts("everything that is needed works");
}

int cmd_doctor(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	const char *program = NULL;
	char library[LAUNCH_LIBRARY] = "";
	bool verbose = false, works;
	int id;

	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id == OPTION_OPERAND && program)
			options_error(&o, "one program, please");
		else if (id == OPTION_OPERAND)
			program = o.value;
		else if (id == OPT_VERBOSE)
			verbose = true;
		if (id == OPTION_EXIT || o.exit_code)
			return o.exit_code;
	}
	works = check_library(library, sizeof(library));
	works &= check_all(probes, verbose);
	works &= check_all(conditions, verbose);
	if (program)
		works &= doctor_program(program, library);
	conclude(works, program);
	return works ? EXIT_PASSED : EXIT_ENVIRONMENT;
}
