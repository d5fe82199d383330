/*
 * fdinfo.c - see fdinfo.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fdinfo.h"
#include "next.h"

#include "poison.h"

static int open_fdinfo(int epfd)
{
	char path[] = "/proc/self/fdinfo/0000000000";
	char *end = path + sizeof(path) - 1;
	char *to = path + sizeof("/proc/self/fdinfo/") - 1;
	char digits[10];
	int n = 0;

	do
		digits[n++] = (char)('0' + epfd % 10);
	while ((epfd /= 10) > 0 && n < 10);
	while (n && to < end)
		*to++ = digits[--n];
	*to = 0;
	return open(path, O_RDONLY | O_CLOEXEC);
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

/* Each name in a directory, which is open as dir. */
typedef void entry_visit(int dir, const char *name, const void *context);

static bool each_entry(const char *path, entry_visit *visit,
                       const void *context)
{
	char buf[2048] __attribute__((aligned(8)));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return false;
	while ((n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(buf + at);

			if (*d->d_name != '.')
				visit(dir, d->d_name, context);
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

static void visit_number(int dir, const char *name, const void *context)
{
	const struct fd_visit *v = context;
	int fd = (int)number(&name, 10);

	if (fd != dir)
		v->visit(fd, v->context);
}

bool fdinfo_each_fd(fdinfo_fd_visit *visit, void *context)
{
	const struct fd_visit v = {visit, context};

	return each_entry("/proc/self/fd", visit_number, &v);
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

static void visit_epoll(int dir, const char *name, const void *context)
{
	const struct target_visit *v = context;

	if (is_epoll(dir, name))
		each_of((int)number(&name, 10), v->visit, v->context);
}

void fdinfo_each_target(fdinfo_visit *visit, void *context)
{
	const struct target_visit v = {visit, context};

	each_entry("/proc/self/fd", visit_epoll, &v);
}

static void count_one(int dir, const char *name, const void *context)
{
	(void)dir;
	(void)name;
	++**(int *const *)context;
}

int fdinfo_threads(void)
{
	int n = 0, *p = &n;

	each_entry("/proc/self/task", count_one, &p);
	return n;
}
