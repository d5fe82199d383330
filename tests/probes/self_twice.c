/*
 * self_twice.c - two threads in which rules without `call` act at once, and a
 * fork in the midst of it (tests/e2e/self_twice.sh): the child keeps nothing
 * that belongs to them.
 *
 * The rule is `reset:age=50ms:role=accepted`. A library below ours lets no
 * helper thread be made, so that those who wait act; and it makes a reset take
 * long enough to be seen at work.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "table.h"

enum {
	PATIENCE_MS = 4000,
	HIGH = 100, /* descriptors of the library */
};

static _Atomic bool done;

/* Sleeps where the library cannot act. */
static void rest(void)
{
	const struct timespec ms = {0, 1000000};

	nanosleep(&ms, NULL);
}

static bool is_socket(int fd)
{
	char path[32], text[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, text, sizeof(text)) > 6 &&
	       !memcmp(text, "socket", 6);
}

static int private_sockets(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	int n = 0;

	while ((d = readdir(dir)))
		n += atoi(d->d_name) >= HIGH && is_socket(atoi(d->d_name));
	closedir(dir);
	return n;
}

static bool await_private(int n)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (private_sockets() == n)
			return true;
		rest();
	}
	return false;
}

static void *wait_often(void *fd)
{
	struct pollfd p = {.fd = (int)(intptr_t)fd, .events = POLLPRI};

	while (!done)
		poll(&p, 1, 5);
	return NULL;
}

static int at_once(void)
{
	pthread_t threads[2];
	struct pair a, b;
	int status;
	pid_t pid;

	a = make_pair();
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, wait_often,
		                   (void *)(intptr_t)a.accepted))
			die("pthread_create");
	WANT(await_private(1), true);
	b = make_pair();
	WANT(await_private(2), true);
	pid = fork();
	if (!pid)
		_exit(private_sockets());
	WANT(waitpid(pid, &status, 0), pid);
	WANT(WEXITSTATUS(status), 0);
	WANT(await_private(0), true);
	done = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	WANT(recv(a.accepted, (char[1]){0}, 1, 0), -1);
	WANT(recv(b.accepted, (char[1]){0}, 1, 0), -1);
	return 0;
}

static const struct probe_case cases[] = {
	{"at-once", at_once},
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(*cases), argc, argv);
}
