/*
 * out_lock.c - see out_lock.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runner/keep.h"
#include "runner/out_lock.h"

enum {
	MAX_TRIES = 100
};

/* proc_locks(5): "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF". */
static pid_t holder_of(int fd)
{
	FILE *f = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];
	pid_t found = 0;

	if (!f || fstat(fd, &st) < 0)
		memset(&st, 0, sizeof(st));
	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned major, minor;
		unsigned long inode;
		int pid;

		if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%lu", &pid,
		           &major, &minor, &inode) == 4 &&
		    inode == st.st_ino && major == major(st.st_dev) &&
		    minor == minor(st.st_dev) && pid > 0)
			found = pid;
	}
	if (f)
		fclose(f);
	return found;
}

/*
 * The length of the longest part of the path that is there.  Without memory all
 * of it counts as there: what was not made here must not be taken away.
 */
static size_t existing(const char *path)
{
	char *part = strdup(path);
	size_t len = strlen(path);

	while (part && len && access(part, F_OK) < 0) {
		while (len && part[len - 1] == '/')
			len--;
		while (len && part[len - 1] != '/')
			len--;
		part[len] = '\0';
	}
	free(part);
	return len;
}

/* Has it been removed since, by the one who had it? */
static bool is_gone(int fd, const char *path)
{
	struct stat ours, now;

	return fstat(fd, &ours) == 0 &&
	       (stat(path, &now) < 0 || now.st_ino != ours.st_ino ||
	        now.st_dev != ours.st_dev);
}

/* 1: once more. */
static int try_take(struct out_lock *l)
{
	if (make_dirs(l->path) < 0)
		return 0;
	l->fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->fd < 0)
		return errno == ENOENT;
	if (flock(l->fd, LOCK_EX | LOCK_NB) == 0) {
		if (!is_gone(l->fd, l->path))
			return 0;
	} else if (errno == EWOULDBLOCK) {
		l->holder = holder_of(l->fd);
		close(l->fd);
		l->fd = -1;
		return -EWOULDBLOCK;
	}
	close(l->fd);
	l->fd = -1;
	return 1;
}

int out_lock_take(struct out_lock *l, const char *out)
{
	int r = 1;

	*l = (struct out_lock){.path = strdup(out), .fd = -1};
	if (!l->path)
		return 0;
	l->existed = existing(out);
	for (int i = 0; r > 0 && i < MAX_TRIES; i++)
		r = try_take(l);
	if (r < 0) {
		free(l->path);
		l->path = NULL;
	}
	return r < 0 ? r : 0;
}

void out_lock_forget(struct out_lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void out_lock_release(struct out_lock *l)
{
	size_t len = l->path ? strlen(l->path) : 0;
	int saved = errno; /* why stdout could not be written, perhaps */

	/* rmdir(2) leaves what is not empty. */
	while (len > l->existed && rmdir(l->path) == 0) {
		while (len && l->path[len - 1] == '/')
			len--;
		while (len && l->path[len - 1] != '/')
			len--;
		l->path[len] = '\0';
	}
	free(l->path);
	l->path = NULL;
	out_lock_forget(l);
	errno = saved;
}
