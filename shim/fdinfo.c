/*
 * fdinfo.c - see fdinfo.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdinfo.h"
#include "next.h"

#include "poison.h"

/* DIR, a number, END. */
static int open_numbered(const char *dir, int number, const char *end)
{
	char path[48];
	size_t n = strlen(dir), len = strlen(end);
	char digits[10];
	int left = 0;

	memcpy(path, dir, n);
	do
		digits[left++] = (char)('0' + number % 10);
	while ((number /= 10) > 0 && left < 10);
	while (left)
		path[n++] = digits[--left];
	memcpy(path + n, end, len + 1);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_fdinfo(int epfd)
{
	return open_numbered("/proc/self/fdinfo/", epfd, "");
}

/* Reads lines "tfd: 7 events: 2000001d data: ..." of the set. */
struct fdinfo {
	int fd;
	char buf[2048];
	size_t len, at;
};

static bool next_line(struct fdinfo *f, char *line, size_t room)
{
	size_t n = 0;

	for (;;) {
		if (f->at == f->len) {
			ssize_t got = next.read(f->fd, f->buf, sizeof(f->buf));

			if (got <= 0)
				return false;
			f->len = (size_t)got;
			f->at = 0;
		}
		char c = f->buf[f->at++];

		if (c == '\n')
			break;
		if (n + 1 < room)
			line[n++] = c;
	}
	line[n] = 0;
	return true;
}

static uint64_t number(const char **p, unsigned base)
{
	uint64_t n = 0;

	while (**p == ' ')
		++*p;
	for (;; ++*p) {
		unsigned d;

		if (**p >= '0' && **p <= '9')
			d = (unsigned)(**p - '0');
		else if (base == 16 && **p >= 'a' && **p <= 'f')
			d = (unsigned)(**p - 'a' + 10);
		else
			return n;
		n = n * base + d;
	}
}

static bool skip_word(const char **p, const char *word)
{
	size_t len = strlen(word);

	while (**p == ' ')
		++*p;
	if (memcmp(*p, word, len))
		return false;
	*p += len;
	return true;
}

static bool parse_target(const char *line, struct epoll_target *ret)
{
	if (!skip_word(&line, "tfd:"))
		return false;
	ret->fd = (int)number(&line, 10);
	if (!skip_word(&line, "events:"))
		return false;
	ret->events = (uint32_t)number(&line, 16);
	if (!skip_word(&line, "data:"))
		return false;
	ret->data = number(&line, 16);
	return true;
}

bool fdinfo_target(int epfd, int fd, struct epoll_target *ret)
{
	struct fdinfo f = {.fd = open_fdinfo(epfd)};
	char line[128] = "";
	bool found = false;

	if (f.fd < 0)
		return false;
	while (!found && next_line(&f, line, sizeof(line)))
		found = parse_target(line, ret) && ret->fd == fd;
	next.close(f.fd);
	return found;
}

/* Each name in a directory, which is open as dir; until one says false. */
typedef bool entry_visit(int dir, const char *name, const void *context);

static bool each_entry(const char *path, entry_visit *visit,
                       const void *context)
{
	char buf[2048] __attribute__((aligned(8)));
	bool more = true;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return false;
	while (more && (n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; more && at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);

			if (*d->d_name != '.')
				more = visit(dir, d->d_name, context);
			at += d->d_reclen;
		}
	}
	next.close(dir);
	return true;
}

struct fd_visit {
	fdinfo_fd_visit *visit;
	void *context;
};

static bool visit_number(int dir, const char *name, const void *context)
{
	const struct fd_visit *v = context;
	int fd = (int)number(&name, 10);

	if (fd != dir)
		v->visit(fd, v->context);
	return true;
}

bool fdinfo_each_fd(fdinfo_fd_visit *visit, void *context)
{
	const struct fd_visit v = {visit, context};

	return each_entry("/proc/self/fd", visit_number, &v);
}

int fdinfo_table_size(void)
{
	struct fdinfo f = {
		.fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
	char line[128] = "";
	const char *p;
	int size = 0;

	if (f.fd < 0)
		return 0;
	while (!size && next_line(&f, line, sizeof(line))) {
		p = line;
		if (skip_word(&p, "FDSize:\t"))
			size = (int)number(&p, 10);
	}
	next.close(f.fd);
	return size;
}

static bool is_epoll(int dir, const char *name)
{
	static const char want[] = "anon_inode:[eventpoll]";
	char link[sizeof(want)];

	return readlinkat(dir, name, link, sizeof(link)) ==
	               (ssize_t)sizeof(want) - 1 &&
	       !memcmp(link, want, sizeof(want) - 1);
}

static void each_of(int epfd, fdinfo_visit *visit, void *context)
{
	struct fdinfo f = {.fd = open_fdinfo(epfd)};
	struct epoll_target t;
	char line[128] = "";

	if (f.fd < 0)
		return;
	while (next_line(&f, line, sizeof(line)))
		if (parse_target(line, &t))
			visit(epfd, &t, context);
	next.close(f.fd);
}

struct target_visit {
	fdinfo_visit *visit;
	void *context;
};

static bool visit_epoll(int dir, const char *name, const void *context)
{
	const struct target_visit *v = context;

	if (is_epoll(dir, name))
		each_of((int)number(&name, 10), v->visit, v->context);
	return true;
}

void fdinfo_each_target(fdinfo_visit *visit, void *context)
{
	const struct target_visit v = {visit, context};

	each_entry("/proc/self/fd", visit_epoll, &v);
}

/* --- threads -------------------------------------------------------------- */

static bool is_epoll_wait(uint64_t nr)
{
#ifdef SYS_epoll_wait
	if (nr == SYS_epoll_wait)
		return true;
#endif
	return nr == SYS_epoll_pwait || nr == SYS_epoll_pwait2;
}

/* "232 0x4 ...": the call and its arguments; "running" if in none. */
static int slept_in(int tid)
{
	int fd = open_numbered("/proc/self/task/", tid, "/syscall");
	char line[64];
	const char *p = line;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = next.read(fd, line, sizeof(line) - 1);
	next.close(fd);
	if (n <= 0)
		return -1;
	line[n] = 0;
	if (!is_epoll_wait(number(&p, 10)) || !skip_word(&p, "0x"))
		return -1;
	return (int)number(&p, 16);
}

struct sleeper_visit {
	fdinfo_sleeper_visit *visit;
	const void *context;
};

static bool visit_task(int dir, const char *name, const void *context)
{
	const struct sleeper_visit *v = context;
	int epfd = slept_in((int)number(&name, 10));

	(void)dir;
	return epfd < 0 || v->visit(epfd, v->context);
}

void fdinfo_each_sleeper(fdinfo_sleeper_visit *visit, const void *context)
{
	const struct sleeper_visit v = {visit, context};

	each_entry("/proc/self/task", visit_task, &v);
}

static bool count_one(int dir, const char *name, const void *context)
{
	(void)dir;
	(void)name;
	++**(int *const *)context;
	return true;
}

int fdinfo_threads(void)
{
	int n = 0, *p = &n;

	each_entry("/proc/self/task", count_one, &p);
	return n;
}
