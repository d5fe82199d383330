/*
 * unreached.c - see unreached.h; proc(5), ld.so(8).
 *
 * An exec is told before it is made: a process that still has the run's memory
 * mapped has its old image (or its parent's, after vfork), and of that only
 * what an exec does not change is taken.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan/env.h"
#include "runner/unreached.h"

enum {
	PATH_SIZE = PATH_MAX + 64,
	MAX_FILE = 8 << 20 /* an environment has a quarter of a stack's limit */
};

static void name_of(char *buf, uint32_t pid, const char *name)
{
	snprintf(buf, PATH_SIZE, "/proc/%u/%s", pid, name);
}

static FILE *open_file(uint32_t pid, const char *name)
{
	char path[PATH_SIZE];

	name_of(path, pid, name);
	return fopen(path, "re");
}

/* ---- what an exec does not change ---------------------------------------- */

static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) || stat(b, &sb) ||
	       (sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}

static void look_at_place(uint32_t pid, const char *library,
                          struct unreached *u)
{
	char path[PATH_SIZE], in_root[PATH_MAX];

	name_of(path, pid, "ns/ipc");
	u->ipc |= !same_file(path, "/proc/self/ns/ipc");
	if ((size_t)snprintf(in_root, sizeof(in_root), "root%s", library) >=
	    sizeof(in_root))
		return;
	name_of(path, pid, "root");
	if (same_file(path, "/"))
		return;
	name_of(path, pid, in_root);
	u->root = access(path, F_OK) && errno == ENOENT;
}

/* Field 3 and the last one, the code that wait(2) would tell. */
static void look_at_end(uint32_t pid, struct unreached *u)
{
	FILE *f = open_file(pid, "stat");
	char line[2048] = "", *at;
	int code;

	u->alive = f && fgets(line, sizeof(line), f);
	if (f)
		fclose(f);
	at = strrchr(line, ')');
	u->sleeps = at && at[2] == 'S'; /* ld.so and constructors do not */
	if (!at || !strchr("ZX", at[2]))
		return;
	u->alive = false;
	at = strrchr(line, ' ');
	code = at ? atoi(at + 1) : 0;
	u->signal = (uint8_t)(code & 0x7f);
}

/* How many filters; before Linux 5.9, whether there are any. */
static int n_filters(uint32_t pid)
{
	FILE *f = open_file(pid, "status");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Seccomp: %d", &n) != 1)
			(void)sscanf(line, "Seccomp_filters: %d", &n);
	if (f)
		fclose(f);
	return n;
}

/* ---- the new image ------------------------------------------------------- */

/* False: the old image is still there, or it has attached by now. */
static bool look_at_maps(uint32_t pid, const struct unreached_run *run,
                         struct unreached *u)
{
	FILE *f = open_file(pid, "maps");
	char line[PATH_MAX + 128];
	bool has_run = false;
	size_t n = 0;

	u->loaded = false;
	for (; f && fgets(line, sizeof(line), f); n++) {
		unsigned long inode = 0;

		if (strstr(line, " /SYSV") &&
		    sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1)
			has_run |= inode == (unsigned)run->run_id;
		u->loaded |= strstr(line, run->library) != NULL;
	}
	if (!f)
		u->hidden |= errno == EACCES || errno == EPERM;
	else
		fclose(f);
	return n && !has_run;
}

static void look_at_entry(const char *entry, const struct unreached_run *run,
                          struct unreached *u)
{
	char shm[64];

	snprintf(shm, sizeof(shm), FAULT_ENV_SHM "=%d:%d", run->plan_id,
	         run->run_id);
	u->same_run |= !strcmp(entry, shm);
	u->preload |= !strncmp(entry, "LD_PRELOAD=", 11) &&
	              strstr(entry, run->library);
}

static void look_at_environment(uint32_t pid, const struct unreached_run *run,
                                struct unreached *u)
{
	FILE *f = open_file(pid, "environ");
	char *entry = NULL;
	size_t size = 0, n = 0;
	ssize_t len;

	u->environment = f != NULL;
	u->preload = u->same_run = false;
	while (f && n < MAX_FILE && (len = getdelim(&entry, &size, 0, f)) > 0) {
		look_at_entry(entry, run, u);
		n += (size_t)len;
	}
	free(entry);
	if (f)
		fclose(f);
}

static void look_at_file(uint32_t pid, struct unreached *u)
{
	char path[PATH_SIZE];
	int fd;

	name_of(path, pid, "exe");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	u->reach = (uint8_t)reach_image(fd);
	close(fd);
}

/*
 * False: nothing is left to be read, it is about to end.  A program of the
 * other word size has other words here: it has a reason of its own.
 */
static bool look_at_auxv(uint32_t pid, struct unreached *u)
{
	FILE *f = open_file(pid, "auxv");
	unsigned long pair[2];
	size_t n = 0;

	for (; f && fread(pair, sizeof(pair), 1, f) == 1 && pair[0] != AT_NULL;
	     n++)
		if (pair[0] == AT_SECURE)
			u->secure = pair[1] != 0;
	if (f)
		fclose(f);
	return n > 0;
}

void unreached_look(uint32_t pid, const struct unreached_run *run,
                    struct unreached *u)
{
	struct unreached image;

	u->looked = true;
	look_at_end(pid, u);
	if (!u->alive)
		return;
	look_at_place(pid, run->library, u);
	/* Those that we have as well let us have the memory. */
	u->filter = n_filters(pid) > n_filters((uint32_t)getpid());
	image = *u;
	if (!look_at_maps(pid, run, &image)) {
		u->hidden = image.hidden;
		return;
	}
	image.image = true;
	image.settled |= image.sleeps;
	look_at_environment(pid, run, &image);
	look_at_file(pid, &image);
	/* What has ended meanwhile had nothing left to be read. */
	if (look_at_auxv(pid, &image))
		*u = image;
	else
		look_at_end(pid, u);
}

/* ---- the reason ---------------------------------------------------------- */

static enum unreached_why why_image(const struct unreached *u)
{
	if (u->secure)
		return UNREACHED_SECURE;
	if (u->environment && !u->preload)
		return UNREACHED_ENVIRONMENT;
	if (u->root)
		return UNREACHED_ROOT;
	if (u->ipc)
		return UNREACHED_IPC;
	if (u->environment && !u->same_run)
		return UNREACHED_OTHER_RUN;
	if (!u->settled)
		return UNREACHED_UNKNOWN;
	if (u->loaded)
		return u->filter ? UNREACHED_FILTER : UNREACHED_REFUSED;
	return u->environment ? UNREACHED_NOT_LOADED : UNREACHED_UNKNOWN;
}

static enum reach reach_path(const char *path, const char *dir)
{
	struct reach_report *r = malloc(sizeof(*r));
	enum reach reach = r ? reach_program(path, dir, r) : REACH_UNKNOWN;

	free(r);
	return reach;
}

/* Is it said by the file, and not that nobody finds it from here? */
static bool is_of_file(enum reach reach)
{
	return reach != REACH_OK && reach != REACH_UNKNOWN &&
	       !reach_is_missing(reach) && reach != REACH_NOT_EXECUTABLE &&
	       reach != REACH_NOEXEC;
}

enum unreached_why unreached_why(const struct unreached *u, const char *path,
                                 const char *dir, enum reach *ret_reach)
{
	enum unreached_why why = u->image ? why_image(u) : UNREACHED_UNKNOWN;
	enum reach found =
		*path && !u->root ? reach_path(path, dir) : REACH_NOT_FOUND;

	*ret_reach = u->image ? (enum reach)u->reach : found;
	if (is_of_file(*ret_reach))
		return UNREACHED_FILE;
	if (u->unkept)
		return (enum unreached_why)u->unkept;
	if (why != UNREACHED_UNKNOWN)
		return why;
	/* Before its exec, or in its first moments. */
	if (u->root)
		return UNREACHED_ROOT;
	if (u->ipc)
		return UNREACHED_IPC;
	if (u->hidden && u->alive)
		return UNREACHED_HIDDEN;
	if (u->signal)
		return UNREACHED_KILLED;
	return u->looked && !u->alive && found == REACH_OK ? UNREACHED_GONE
	                                                   : UNREACHED_UNKNOWN;
}

static const char *const reasons[N_UNREACHED] = {
	[UNREACHED_UNKNOWN] =
		"nothing of it shows why; start it directly, or say `attach: "
		"false`",
	[UNREACHED_SECURE] =
		"it gained privileges when it was executed (setuid, file "
		"capabilities), and ld.so ignores LD_PRELOAD; test a copy "
		"without them",
	[UNREACHED_OTHER_RUN] =
		"its environment names another run (FAULT_SHM, FAULT_SCENARIO "
		"or FAULT_INJECT of another value); unset these",
	[UNREACHED_NO_ROOM] =
		"its environment has no room for LD_PRELOAD and the variables "
		"of the run (E2BIG); make it smaller",
	[UNREACHED_ENVIRONMENT] = "its environment was scrubbed: LD_PRELOAD "
				  "was removed, or names "
				  "another file than the library of this run",
	[UNREACHED_ROOT] =
		"its root (chroot, a container) does not have the library; "
		"copy or bind it there, under the same path",
	[UNREACHED_NOT_LOADED] =
		"ld.so did not load the library, and says on stderr why: may "
		"its user read it, is its glibc older than 2.34?",
	[UNREACHED_IPC] =
		"it is in another IPC namespace (unshare, a container), which "
		"has not the shared memory of the run; start `fault` inside, "
		"or let it keep the namespace",
	[UNREACHED_FILTER] =
		"the library is in it and got no shared memory; a seccomp "
		"filter is on, which has to allow shmat and shmctl",
	[UNREACHED_REFUSED] =
		"the library is in it and got no shared memory: its user or a "
		"security module forbids it, or there is no address space "
		"left (`ulimit -v`)",
	[UNREACHED_HIDDEN] =
		"it belongs to another user, so that nothing of it shows why",
	[UNREACHED_GONE] =
		"it had ended before the library attached: killed, most "
		"likely; its file can be reached",
};

char *unreached_text(enum unreached_why why, enum reach reach,
                     const struct unreached *u, const char *path)
{
	char *text;
	int n;

	if (why == UNREACHED_FILE)
		n = asprintf(&text, "%s%sit is %s", path, *path ? ": " : "",
		             reach_reason(reach));
	else if (why == UNREACHED_KILLED)
		n = asprintf(&text,
		             "%s%sSIG%s ended it before the library could "
		             "attach",
		             path, *path ? ": " : "",
		             sigabbrev_np(u->signal) ? sigabbrev_np(u->signal)
		                                     : "?");
	else
		n = asprintf(&text, "%s%s%s", path, *path ? ": " : "",
		             reasons[why] ? reasons[why] : "not attached");
	return n < 0 ? NULL : text;
}
