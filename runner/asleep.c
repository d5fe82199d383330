/*
 * asleep.c - see asleep.h.
 *
 * One look at every thread is no moment: while the last is looked at, the first
 * may have been woken by it.  So there are two looks, and a thread that slept
 * at both and was not switched to in between has slept all the time from one to
 * the other; then all of them slept at the end of the first.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/asleep.h"

enum {
	MAX_DEPTH = 400,
	STATUS_SIZE = 4096
};

/* One look: who is there, and how often each has been switched to. */
struct look {
	uint64_t hash;
	bool awake;
};

/* FNV-1a, by words. */
static void mix(struct look *l, uint64_t v)
{
	l->hash = (l->hash ^ v) * 0x100000001b3ULL;
}

/* The number behind "\nNAME:\t" in proc_pid_status(5), 0: not there. */
static uint64_t number(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static char state_of(const char *status)
{
	static const char name[] = "\nState:\t";
	const char *at = strstr(status, name);

	return at ? at[sizeof(name) - 1] : 0;
}

/* A file of a thread, at most STATUS_SIZE - 1 bytes. */
static bool read_file(pid_t pid, const char *tid, const char *name, char *buf)
{
	char path[320];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", (int)pid, tid,
	         name);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(buf, 1, STATUS_SIZE - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n > 0;
}

/*
 * Whatever its state says: who prepares to sleep, and looks once more whether
 * there is a reason not to, is in state S while it runs, may do a lot there
 * (wait4(2) reaps), and may even lose the processor over it.  The kernel waits
 * for such a one to sleep or to go on before it says in which call it is:
 * proc_pid_syscall(5).
 */
static bool is_running(pid_t pid, const char *tid)
{
	char text[STATUS_SIZE];

	/* Not told (of a program that is not dumpable): the state holds. */
	return read_file(pid, tid, "syscall", text) &&
	       !strncmp(text, "running", 7);
}

static void look_at_thread(struct look *l, pid_t pid, const char *tid,
                           bool root)
{
	char status[STATUS_SIZE];
	uint64_t voluntary, forced;
	char state;

	if (!read_file(pid, tid, "status", status)) {
		l->awake = true;
		return;
	}
	state = state_of(status);
	if (state == 'Z')
		/* The first thread of several may end before the others. */
		l->awake |= root && number(status, "\nThreads:\t") <= 1;
	else
		l->awake |= !state || !strchr("STt", state);
	l->awake |= number(status, "\nCoreDumping:\t") != 0;
	voluntary = number(status, "\nvoluntary_ctxt_switches:\t");
	forced = number(status, "\nnonvoluntary_ctxt_switches:\t");
	if (!l->awake && state != 'Z')
		l->awake = is_running(pid, tid);
	mix(l, strtoull(tid, NULL, 10));
	mix(l, voluntary);
	mix(l, forced);
}

static void look_at(struct look *l, pid_t pid, int depth);

static void look_at_children(struct look *l, pid_t pid, const char *tid,
                             int depth)
{
	char path[320];
	int child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid,
	         tid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (!l->awake && fscanf(f, "%d", &child) == 1)
		look_at(l, child, depth + 1);
	fclose(f);
}

static void look_at(struct look *l, pid_t pid, int depth)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = depth > MAX_DEPTH ? NULL : opendir(path);
	if (!d) {
		l->awake = true;
		return;
	}
	while (!l->awake && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		look_at_thread(l, pid, e->d_name, depth == 0);
		look_at_children(l, pid, e->d_name, depth);
	}
	closedir(d);
}

static struct look look_at_all(const pid_t *pids, size_t n)
{
	struct look l = {.hash = 0xcbf29ce484222325ULL};

	for (size_t i = 0; i < n && !l.awake; i++)
		look_at(&l, pids[i], 0);
	return l;
}

bool all_asleep(const pid_t *pids, size_t n)
{
	struct look first = look_at_all(pids, n), second;

	if (first.awake)
		return false;
	second = look_at_all(pids, n);
	return !second.awake && second.hash == first.hash;
}
