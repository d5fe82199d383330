/*
 * cmd.h - the subcommands of `fault`, and their exit codes (fault(1)).
 *
 * main.c holds the one table {name, arguments, help, function}; each command
 * lives in its cmd_NAME.c and gets argv from its own name on.
 */
#ifndef FAULT_RUNNER_CMD_H
#define FAULT_RUNNER_CMD_H

enum exit_code {
	EXIT_PASSED = 0,
	EXIT_FAILED = 1, /* a scenario failed, or a finding */
	EXIT_USAGE = 2,  /* usage or an invalid file; nothing was started */
	EXIT_ENVIRONMENT = 3, /* not attached, not reachable */
	EXIT_NOTHING = 4,     /* nothing ran, or all skipped */
	EXIT_OURS = 125,      /* exec: a failure of ours */
	EXIT_CANNOT_EXEC = 126,
	EXIT_NOT_FOUND = 127
};

int cmd_run(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_arm(int argc, char **argv);
int cmd_disarm(int argc, char **argv);
int cmd_hits(int argc, char **argv);

#endif
