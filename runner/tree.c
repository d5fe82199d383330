/*
 * tree.c - see tree.h.
 *
 * Killing races with forking: each pass kills all that it finds and the loop
 * ends only when a pass finds nobody.  A killed process can no longer fork, so
 * every pass that finds somebody makes progress.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/machine.h"
#include "runner/tree.h"

enum {
	MAX_DEPTH = 400,
	GIVE_UP_S = 10,
	MAX_ROUNDS = 32
};

struct pass {
	size_t found;
	pid_t *killed; /* pids that were killed and not reaped yet */
	size_t n_killed, cap;
	size_t total;
	bool blind; /* there was no memory or descriptor to look somewhere */
};

static bool was_killed(const struct pass *p, pid_t pid)
{
	for (size_t i = 0; i < p->n_killed; i++)
		if (p->killed[i] == pid)
			return true;
	return false;
}

static void note_killed(struct pass *p, pid_t pid)
{
	if (p->n_killed == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		pid_t *v = realloc(p->killed, cap * sizeof(*v));

		if (!v)
			return; /* it is counted twice at worst */
		p->killed = v;
		p->cap = cap;
	}
	p->killed[p->n_killed++] = pid;
	p->total++;
}

/* 'Z' for one that is dead and waits for us, 0 when it is gone. */
static char process_state(pid_t pid)
{
	char path[64], buf[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	const char *end = strrchr(buf, ')');

	return end && end[1] ? end[2] : 0;
}

static void kill_below(struct pass *p, pid_t pid, int depth);

static void kill_one(struct pass *p, pid_t pid, int depth)
{
	char state = process_state(pid);

	kill_below(p, pid, depth + 1);
	p->found++;
	if (state == 'Z' || state == 'X' || state == 0)
		return;
	if (kill(pid, SIGKILL) == 0 && !was_killed(p, pid))
		note_killed(p, pid);
}

/* The children of one thread, from its list in /proc. */
static void kill_listed(struct pass *p, pid_t pid, const char *tid, int depth)
{
	char path[320];
	FILE *f;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, tid);
	f = fopen(path, "re");
	if (!f) {
		p->blind |= machine_is_short(-errno);
		return;
	}
	while (fscanf(f, "%d", &child) == 1)
		kill_one(p, child, depth);
	fclose(f);
}

static void kill_below(struct pass *p, pid_t pid, int depth)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	if (depth > MAX_DEPTH)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d) {
		p->blind |= machine_is_short(-errno);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			kill_listed(p, pid, e->d_name, depth);
	closedir(d);
}

/* False: there is no child, so nobody below us at all. */
static bool reap_all(void (*reaped)(void *, pid_t, int), void *context)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (reaped)
			reaped(context, pid, status);
	return pid == 0 || errno != ECHILD;
}

int tree_kill(void (*reaped)(void *context, pid_t pid, int status),
              void *context, size_t *ret_killed)
{
	int64_t give_up = now_ns() + GIVE_UP_S * NS_PER_S;
	struct pass pass = {0};
	sigset_t chld;
	int r = 0;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		pass.found = 0;
		pass.blind = false;
		kill_below(&pass, getpid(), 0);
		if (!reap_all(reaped, context) ||
		    (pass.found == 0 && !pass.blind))
			break;
		if (now_ns() > give_up) {
			r = -ETIMEDOUT;
			break;
		}
		/* A grandchild's death sends us nothing until it is ours. */
		sigtimedwait(&chld, NULL,
		             &(struct timespec){.tv_nsec = NS_PER_MS});
	}
	free(pass.killed);
	*ret_killed = pass.total;
	return r;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)!remove(path);
	return 0;
}

/* A program may have made a directory unreadable or unwritable. */
static int open_up(const char *path, const struct stat *st, int type,
                   struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_D || type == FTW_DNR)
		(void)!chmod(path, 0700);
	return 0;
}

int tree_remove(const char *path)
{
	const int flags = FTW_PHYS | FTW_MOUNT;
	int r = 0;

	/*
	 * One that was unreadable is entered in the next round only; and there
	 * may be memory then, if there was none.
	 */
	for (int round = 0; round < MAX_ROUNDS; round++) {
		r = -ENOTEMPTY;
		if (nftw(path, remove_one, 16, flags | FTW_DEPTH) < 0 &&
		    errno != ENOENT)
			r = -errno;
		if (r != -ENOTEMPTY && !machine_is_short(r))
			return r;
		if (access(path, F_OK) < 0)
			return 0;
		nftw(path, open_up, 16, flags);
	}
	return r;
}
