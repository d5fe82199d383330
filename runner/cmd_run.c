/*
 * cmd_run.c - `fault run`: scenarios, judged and reported.
 *
 *   run_options.c   the command line, and of the environment what stands for it
 *   run_plan.c      what is to run, in its order: all of it read and checked
 *   run_schedule.c  which runs when
 *   run_workers.c   the processes that run them, run_case.c each
 */
#include <stdio.h>
#include <stdlib.h>

#include "runner/cmd.h"
#include "runner/run_options.h"
#include "runner/run_plan.h"
#include "runner/run_schedule.h"

int cmd_run(int argc, char **argv)
{
	struct run_options *o = calloc(1, sizeof(*o));
	struct run_plan plan = {0};
	int code;

	if (!o) {
		fputs("fault run: out of memory\n", stderr);
		return EXIT_ENVIRONMENT;
	}
	code = run_options_parse(o, argc, argv);
	if (code < 0)
		code = run_plan_load(&plan, o);
	if (code < 0) {
		run_settings_find_library(&o->settings);
		code = run_schedule(&plan, o);
	}
	run_plan_release(&plan);
	free(o);
	return code;
}
