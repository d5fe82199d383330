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
	MAX_TREE_DEPTH = 32
};

struct inodes {
	unsigned long *v;
	size_t n, cap;
};

/* Without memory it is not there. */
static void add_inode(struct inodes *l, unsigned long inode)
{
	size_t cap = l->cap ? 2 * l->cap : 64;
	unsigned long *v = l->v;

	if (l->n == l->cap) {
		v = realloc(v, cap * sizeof(*v));
		if (!v) {
			machine_failed(-ENOMEM, "looking who listens");
			return;
		}
		l->v = v;
		l->cap = cap;
	}
	v[l->n++] = inode;
}

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
		    state == TCP_LISTEN_STATE)
			add_inode(l, inode);
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

static bool tree_has_one(pid_t pid, const struct inodes *l, int depth);

/* The list of a thread has those alone that it has begun itself. */
static bool children_have_one(pid_t pid, const char *tid,
                              const struct inodes *l, int depth)
{
	char path[320];
	bool found = false;
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fscanf(f, "%d", &child) == 1)
		found = tree_has_one(child, l, depth + 1);
	fclose(f);
	return found;
}

static bool tree_has_one(pid_t pid, const struct inodes *l, int depth)
{
	char path[64];
	struct dirent *e;
	bool found;
	DIR *d;

	if (depth > MAX_TREE_DEPTH)
		return false;
	found = process_has_one(pid, l);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = found ? NULL : opendir(path);
	while (d && !found && (e = readdir(d)))
		if (e->d_name[0] != '.')
			found = children_have_one(pid, e->d_name, l, depth);
	if (d)
		closedir(d);
	return found;
}

bool tree_listens(pid_t pid)
{
	struct inodes l = {0};
	bool found;

	read_listeners("/proc/net/tcp", &l);
	read_listeners("/proc/net/tcp6", &l);
	found = l.n > 0 && tree_has_one(pid, &l, 0);
	free(l.v);
	return found;
}
