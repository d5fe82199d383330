/*
 * conditions.c - see conditions.h.
 *
 * Each of them reads what the kernel tells, or tries the call.  One that is
 * not needed is false only when somebody would want to know.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "plan/env.h"
#include "plan/run.h"
#include "runner/conditions.h"

enum {
	FILES_LEAST = 64,    /* some twenty of ours, two for each program */
	PROCESSES_LEAST = 64 /* a program may be a tree */
};

static bool say(bool works, char *why, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static bool say(bool works, char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return works;
}

/* The first number of a file, or otherwise. */
static unsigned long long number_in(const char *path,
                                    unsigned long long otherwise)
{
	unsigned long long n = otherwise;
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%llu", &n) != 1)
		n = otherwise;
	if (f)
		fclose(f);
	return n;
}

/* A field of the status of `fault`: each condition is looked at in a child. */
static int status_field(const char *name)
{
	char line[512], path[64];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)getppid());
	f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			n = atoi(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return n;
}

/* ---- libc and kernel ----------------------------------------------------- */

static bool glibc(char *why, size_t size)
{
	const char *version = gnu_get_libc_version();
	int major = 0, minor = 0;

	if (sscanf(version, "%d.%d", &major, &minor) == 2 &&
	    (major > 2 || minor >= 35))
		return say(true, why, size, "%s; 2.34 is needed", version);
	return say(true, why, size,
	           "%s; 2.34 is needed, `caller` and stacks need 2.35",
	           version);
}

static bool stacks(char *why, size_t size)
{
	if (!dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL))
		return say(false, why, size,
		           "no libgcc_s.so.1; rules with `caller` are refused, "
		           "install it (Debian: libgcc-s1)");
	return true;
}

static void add_if(bool missing, const char *name, char *list, size_t size)
{
	size_t len = strlen(list);

	if (missing)
		snprintf(list + len, size - len, "%s%s", len ? ", " : "", name);
}

/* With arguments that the kernel refuses, if it has the call at all. */
static bool refused(long nr, long a, long b, long c)
{
	return syscall(nr, a, b, c, 0, 0, 0) < 0 &&
	       (errno == ENOSYS || errno == EPERM);
}

static bool kernel(char *why, size_t size)
{
	struct utsname u;
	char list[128] = "";

	add_if(refused(SYS_close_range, 1, 0, 0), "close_range", list,
	       sizeof(list));
	add_if(refused(SYS_epoll_pwait2, -1, 0, 0), "epoll_pwait2", list,
	       sizeof(list));
	add_if(refused(SYS_io_uring_setup, 0, 0, 0), "io_uring_setup", list,
	       sizeof(list));
	return say(true, why, size, "Linux %s%s%s%s",
	           uname(&u) ? "?" : u.release,
	           *list ? "; programs do not get " : "", list,
	           *list ? ", as without `fault`" : "");
}

static bool filter(char *why, size_t size)
{
	bool on = status_field("Seccomp") == 2;
	bool fixed = status_field("NoNewPrivs") == 1;

	return say(true, why, size, "%s%s",
	           on ? "on (a container?), and allows what `fault` uses"
	              : "none",
	           fixed ? "; no_new_privs: setuid programs gain nothing, and "
	                   "are reached"
	                 : "");
}

static bool clock_source(char *why, size_t size)
{
	char name[64] = "?";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/"
	                "current_clocksource",
	                "re");

	if (f && fscanf(f, "%63s", name) != 1)
		strcpy(name, "?");
	if (f)
		fclose(f);
	if (!strcmp(name, "hpet") || !strcmp(name, "acpi_pm"))
		return say(false, why, size,
		           "%s: the time is a system call, records of a trace "
		           "take microseconds",
		           name);
	return say(true, why, size, "%s", name);
}

static bool processors(char *why, size_t size)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return say(false, why, size, "%m; give `fault run` -j");
	return say(true, why, size, "%d, so many scenarios run at a time",
	           CPU_COUNT(&set));
}

/* ---- limits -------------------------------------------------------------- */

static unsigned long long run_bytes(void)
{
	return fault_run_default.n_records * sizeof(struct fault_record) +
	       fault_run_default.n_socks * sizeof(struct fault_sock);
}

static bool shared_memory(char *why, size_t size)
{
	unsigned long long max = number_in("/proc/sys/kernel/shmmax", ~0ULL);
	unsigned long long pages = number_in("/proc/sys/kernel/shmall", ~0ULL);
	unsigned long long ids = number_in("/proc/sys/kernel/shmmni", ~0ULL);
	unsigned long long need = run_bytes(), page = 4096, runs;

	if (max < need)
		return say(false, why, size,
		           "a run takes %llu MiB in one piece, allowed are "
		           "%llu; raise kernel.shmmax",
		           need >> 20, max >> 20);
	runs = pages / (need / page + 1);
	runs = runs < ids / 2 ? runs : ids / 2;
	return say(runs > 0, why, size,
	           "%llu MiB a run, room for %llu at once (kernel.shmall, "
	           "kernel.shmmni)",
	           need >> 20, runs);
}

static bool descriptors(char *why, size_t size)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return say(false, why, size, "%m");
	return say(r.rlim_max >= FILES_LEAST, why, size,
	           "%llu, up to %llu may be asked for%s",
	           (unsigned long long)r.rlim_cur,
	           (unsigned long long)r.rlim_max,
	           r.rlim_max < FILES_LEAST
	                   ? ": too few for `fault` itself; `ulimit -Hn`"
	                   : "");
}

static bool process_limit(char *why, size_t size)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NPROC, &r) || r.rlim_cur >= PROCESSES_LEAST)
		return true;
	return say(false, why, size,
	           "%llu for all that this user runs; programs may not "
	           "start, see `ulimit -u`",
	           (unsigned long long)r.rlim_cur);
}

static bool address_space(char *why, size_t size)
{
	struct rlimit r;
	unsigned long long need = 2 * run_bytes();

	if (getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY)
		return say(true, why, size, "no limit");
	return say(r.rlim_cur > need, why, size,
	           "%llu MiB a process; the library takes some %llu of them "
	           "(`ulimit -v`)",
	           (unsigned long long)r.rlim_cur >> 20, need >> 20);
}

/* ---- files --------------------------------------------------------------- */

static bool temporary(char *why, size_t size)
{
	const char *dir = getenv("TMPDIR");
	struct statvfs fs;

	dir = dir && *dir ? dir : "/tmp";
	if (access(dir, W_OK | X_OK) || statvfs(dir, &fs))
		return say(false, why, size,
		           "%.100s: %m; every run has a folder there, set "
		           "TMPDIR to one that can be written",
		           dir);
	if (fs.f_flag & ST_RDONLY || fs.f_bavail == 0)
		return say(false, why, size,
		           "%.100s is full or read-only; set TMPDIR", dir);
	return say(true, why, size, "%.100s%s", dir,
	           fs.f_flag & ST_NOEXEC
	                   ? "; noexec: programs in it cannot be started"
	                   : "");
}

static bool proc(char *why, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	         (int)getpid());
	if (access("/proc/self/fd", R_OK | X_OK))
		return say(false, why, size,
		           "/proc/self/fd: %m; mount proc, inherited sockets "
		           "are found there");
	if (access(path, R_OK))
		return say(false, why, size,
		           "%s: %m; the kernel needs CONFIG_PROC_CHILDREN",
		           path);
	/* hidepid: not even that there is another one. */
	if (geteuid() && access("/proc/1", F_OK))
		return say(
			true, why, size,
			"hidepid: why another user's process was not reached "
			"cannot be told");
	return true;
}

/* ---- network ------------------------------------------------------------- */

static bool ipv6(char *why, size_t size)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
	                         .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return say(
			false, why, size,
			"%m; programs that use ::1 do not work here, with or "
			"without `fault`");
	return true;
}

static bool ports(char *why, size_t size)
{
	unsigned low = 0, high = 0;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (!f || fscanf(f, "%u %u", &low, &high) != 2)
		high = 0;
	if (f)
		fclose(f);
	if (!high)
		return say(false, why, size,
		           "the automatic ones are not told (no /proc/sys): "
		           "another program may take a port of ours first");
	/* launch_vars.c: 10000 to 65000 without these. */
	if (low <= 10000 && high >= 65000)
		return say(false, why, size,
		           "%u to %u are automatic: another program may take a "
		           "port of ours first; see ip_local_port_range",
		           low, high);
	return say(true, why, size,
	           "${port}: of 10000 to 65000 those that are not automatic "
	           "(%u to %u)",
	           low, high);
}

/* ---- the environment that we were started in ----------------------------- */

static bool preload(char *why, size_t size)
{
	const char *value = getenv("LD_PRELOAD");

	if (!value || !*value)
		return say(true, why, size, "none");
	if (strstr(value, "libfault"))
		return say(false, why, size,
		           "LD_PRELOAD=%.120s has libfault already: unset it, "
		           "`fault` brings its own",
		           value);
	return say(false, why, size,
	           "LD_PRELOAD=%.100s: ours comes before it, so that it sees "
	           "what ours passes on",
	           value);
}

static bool variables(char *why, size_t size)
{
	static const char *const names[] = {FAULT_ENV_SHM, FAULT_ENV_PROGRAM,
	                                    FAULT_ENV_SCENARIO,
	                                    FAULT_ENV_INJECT, FAULT_ENV_SEED};
	char list[128] = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_if(getenv(names[i]) != NULL, names[i], list, sizeof(list));
	if (!*list)
		return say(true, why, size, "none is set");
	return say(false, why, size,
	           "%s set: for the library alone, or by a run above this; "
	           "`fault` does not pass them on",
	           list);
}

static bool tracer(char *why, size_t size)
{
	int pid = status_field("TracerPid");

	if (!pid)
		return say(true, why, size,
		           "none; ptrace is not used, whatever yama says");
	return say(false, why, size,
	           "process %d (strace, gdb) traces this one: all is slower, "
	           "`ready` and `within` may need longer",
	           pid);
}

const struct probe conditions[] = {
	{"glibc", "version", true, glibc},
	{"kernel", "version", false, kernel},
	{"memory", "System V shared memory", true, shared_memory},
	{"files", "descriptors", true, descriptors},
	{"processes", "their number", false, process_limit},
	{"space", "address space", false, address_space},
	{"tmp", "folders of runs", true, temporary},
	{"proc", "what the kernel tells of processes", true, proc},
	{"ipv6", "connections over ::1", false, ipv6},
	{"ports", "free ones", false, ports},
	{"stacks", "rules with `caller`", false, stacks},
	{"filter", "seccomp", false, filter},
	{"clock", "time source", false, clock_source},
	{"processors", "at hand", false, processors},
	{"preload", "other preloaded libraries", false, preload},
	{"variables", "FAULT_ variables", false, variables},
	{"tracer", "a debugger", false, tracer},
	{0}};
