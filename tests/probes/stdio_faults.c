/*
 * stdio_faults.c - a program of stdio on a socket, for faults to hit: each case
 * prints what came of it (tests/e2e/stdio.sh has the rules).  The client's end
 * has the stream.
 *
 *   stdio_faults [CASE…]
 */
#include <sys/wait.h>
#include <time.h>

#include "stdio_probe.h"

/* Lines until there are no more. */
static void lines(void)
{
	char line[100];

	open_as("r+");
	peer_says("first line\nsecond line\nthird");
	peer_ends();
	errno = 0;
	while (fgets(line, sizeof(line), s.f))
		printf("%s|", line);
	said("\nend", 0);
}

static void slow(void)
{
	struct timespec a, b;
	char line[20];

	open_as("r");
	peer_says("late\n");
	clock_gettime(CLOCK_MONOTONIC, &a);
	printf("%s", fgets(line, sizeof(line), s.f));
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("waited %d\n",
	       (b.tv_sec - a.tv_sec) * 1000 +
	                       (b.tv_nsec - a.tv_nsec) / 1000000 >=
	               95);
}

/* Tries again, as programs do that know of EINTR and EAGAIN. */
static void try_again(int flags)
{
	struct sigaction a = {.sa_handler = note_signal};
	int c;

	sigaction(SIGUSR1, &a, NULL);
	open_as("r+");
	fcntl(s.fd, F_SETFL, fcntl(s.fd, F_GETFL) | flags);
	peer_says("ok\n");
	for (int i = 0; i < 5; i++) {
		errno = 0;
		c = getc(s.f);
		said("getc", c);
		if (c == '\n')
			break;
		clearerr(s.f);
	}
}

static void interrupted(void)
{
	try_again(0);
}

static void nonblocking(void)
{
	try_again(O_NONBLOCK);
}

static void ends(void)
{
	open_as("w");
	fputs("text", s.f);
	errno = 0;
	printf("fclose %d", fclose(s.f));
	printf(" errno %d", errno);
	printf(" fd %d\n", fcntl(s.fd, F_GETFD));
}

/* What is written when the process ends. */
static void leaves(void)
{
	char buf[20] = "";
	pid_t pid;

	open_as("w");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(s.peer);
		fputs("flushed at exit", s.f);
		exit(0);
	}
	waitpid(pid, NULL, 0);
	close(s.fd);
	errno = 0;
	printf("peer %zd", read(s.peer, buf, sizeof(buf)));
	printf(" %s errno %d\n", buf, errno);
}

/* A child whose output is the socket: stdio's own, past the library. */
static void standard(void)
{
	char buf[20] = "";
	pid_t pid;

	open_as("w");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(s.fd, STDOUT_FILENO);
		printf("by printf");
		exit(0);
	}
	waitpid(pid, NULL, 0);
	printf("peer %zd", read(s.peer, buf, sizeof(buf)));
	printf(" %s\n", buf);
}

static const struct probe_case cases[] = {
	{"lines", lines},
	{"slow", slow},
	{"interrupted", interrupted},
	{"nonblocking", nonblocking},
	{"ends", ends},
	{"leaves", leaves},
	{"standard", standard},
};

int main(int argc, char **argv)
{
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
	return 0;
}
