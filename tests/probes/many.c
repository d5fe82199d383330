/*
 * many.c - a process with very many sockets forks and executes: what does it
 * cost? (tests/e2e/table.sh)
 *
 *   many fork       faults of a child's pages, of 4,000 sockets, that ends at
 *                   once: it touches what counts them, not each for itself
 *   many exec       processor time of an image to know 16,000 inherited sockets
 *                   again, compared with 4,000: it must not be quadratic
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FEW = 4000,
	MANY = 16000,
	MOST_FAULTS = 170,
	MOST_TIMES = 5, /* four times as many */
	TRIES = 3
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void open_sockets(int n)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < n; i++)
		if (socket(AF_INET, SOCK_STREAM, 0) < 0)
			die("socket");
}

/* What the rule is for. */
static void connect_in_vain(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons(9),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	connect(fd, (const struct sockaddr *)&to, sizeof(to));
	close(fd);
}

static long cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static int fork_many(void)
{
	struct rusage u;
	int status;
	pid_t pid;

	open_sockets(FEW);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || status)
		die("waitpid");
	getrusage(RUSAGE_CHILDREN, &u);
	printf("# %ld faults\n", u.ru_minflt);
	return u.ru_minflt > MOST_FAULTS;
}

/* A child's: it executes this program again, which writes what it took. */
static void exec_with(int n, int to)
{
	char before[32], out[16];

	open_sockets(n);
	snprintf(out, sizeof(out), "%d", dup(to));
	snprintf(before, sizeof(before), "%ld", cpu_us());
	execl("/proc/self/exe", "many", "took", before, out, (char *)NULL);
	die("exec");
}

static long exec_us(int n)
{
	int ends[2], status;
	long us = 0;
	pid_t pid;

	if (pipe(ends))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		exec_with(n, ends[1]);
	if (read(ends[0], &us, sizeof(us)) != sizeof(us) ||
	    waitpid(pid, &status, 0) != pid || status)
		die("the image");
	close(ends[0]);
	close(ends[1]);
	return us;
}

static int exec_many(void)
{
	for (int i = 0; i < TRIES; i++) {
		long few = exec_us(FEW), many = exec_us(MANY);

		printf("# %ld us, %ld us\n", few, many);
		if (many < MOST_TIMES * few)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 4) {
		long us = cpu_us() - atol(argv[2]);

		return write(atoi(argv[3]), &us, sizeof(us)) != sizeof(us);
	}
	if (argc != 2)
		return 2;
	connect_in_vain();
	return strcmp(argv[1], "fork") ? exec_many() : fork_many();
}
