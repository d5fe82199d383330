/*
 * listening.c - see listening.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/listening.h"
#include "runner/machine.h"

enum {
	TCP_LISTEN_STATE = 0x0a,
	MAX_LISTENERS = 4096,
	MAX_TREE_DEPTH = 32
};

struct inodes {
	unsigned long v[MAX_LISTENERS];
	size_t n;
};

static void read_listeners(const char *path, struct inodes *l)
{
	FILE *f = fopen(path, "re");
	char line[512];

	if (!f) {
		if (machine_is_short(-errno))
			machine_failed(-errno, "looking who listens");
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		unsigned long inode;
		unsigned state;

		if (sscanf(line, " %*[^:]: %*s %*s %x %*s %*s %*s %*s %*s %lu",
		           &state, &inode) == 2 &&
		    state == TCP_LISTEN_STATE && l->n < MAX_LISTENERS)
			l->v[l->n++] = inode;
	}
	fclose(f);
}

static bool has_inode(const struct inodes *l, unsigned long inode)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == inode)
			return true;
	return false;
}

static bool process_has_one(pid_t pid, const struct inodes *l)
{
	char path[320], target[64];
	unsigned long inode;
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = sscanf(target, "socket:[%lu]", &inode) == 1 &&
		        has_inode(l, inode);
	}
	if (d)
		closedir(d);
	return found;
}

static bool tree_has_one(pid_t pid, const struct inodes *l, int depth)
{
	char path[64];
	bool found;
	int child;
	FILE *f;

	if (depth > MAX_TREE_DEPTH)
		return false;
	found = process_has_one(pid, l);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = found ? NULL : fopen(path, "re");
	if (!f)
		return found;
	while (!found && fscanf(f, "%d", &child) == 1)
		found = tree_has_one(child, l, depth + 1);
	fclose(f);
	return found;
}

bool tree_listens(pid_t pid)
{
	struct inodes *l = malloc(sizeof(*l));
	bool found;

	if (!l) {
		machine_failed(-ENOMEM, "looking who listens");
		return false;
	}
	l->n = 0;
	read_listeners("/proc/net/tcp", l);
	read_listeners("/proc/net/tcp6", l);
	found = l->n > 0 && tree_has_one(pid, l, 0);
	free(l);
	return found;
}
