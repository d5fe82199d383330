/*
 * stubborn.c - a program that does all that keeps processes from being found
 * and ended: a child that is double-forked in a session of its own, one that
 * ignores every signal it can, one that stopped itself.  All of them, and it
 * itself, write their pid into FILE, one line each, and wait to be killed;
 * those that can do so end by themselves after a minute.
 *
 *   stubborn FILE [GO]    the first process ends with 0 once the file GO exists
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LIMIT_S = 60
};

static void sign(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);

	if (fd >= 0) {
		dprintf(fd, "%d\n", getpid());
		close(fd);
	}
}

static void ignore_all(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGCHLD)
			signal(sig, SIG_IGN);
}

static _Noreturn void wait_to_be_killed(void)
{
	sleep(LIMIT_S);
	_exit(1);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (fork() == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		ignore_all();
		sign(argv[1]);
		wait_to_be_killed();
	}
	if (fork() == 0) {
		ignore_all();
		sign(argv[1]);
		wait_to_be_killed();
	}
	if (fork() == 0) {
		setsid();
		sign(argv[1]);
		raise(SIGSTOP);
		wait_to_be_killed();
	}
	sign(argv[1]);
	if (argc > 2) {
		while (access(argv[2], F_OK) != 0)
			usleep(1000);
		return 0;
	}
	ignore_all();
	wait_to_be_killed();
}
