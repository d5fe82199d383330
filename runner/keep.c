/*
 * keep.c - see keep.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/keep.h"
#include "runner/print_scenario.h"
#include "runner/report/terminal.h"

enum {
	PATH_SIZE = 4096,
	NAME_MAX_LEN = 200
};

void keep_name(const char *id, char *buf, size_t size)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._=,-";

	while (*id == '.' || *id == '/')
		id++;
	snprintf(buf, size, "%.*s", NAME_MAX_LEN, id);
	for (char *s = buf; *s; s++)
		if (!strchr(plain, *s))
			*s = '_';
	/* Two long ids must not share a directory. */
	if (strlen(id) > NAME_MAX_LEN)
		snprintf(buf + strlen(buf), size - strlen(buf), "-%08x",
		         (unsigned)plan_hash_string(id));
}

void keep_path(const char *out, const struct keep_id *id, char *buf,
               size_t size)
{
	char name[KEEP_NAME_SIZE];
	size_t n;

	keep_name(id->id, name, sizeof(name));
	n = (size_t)snprintf(buf, size, "%s/%s", out, name);
	if (id->shares_name && n < size)
		n += (size_t)snprintf(buf + n, size - n, "-%08x",
		                      (unsigned)plan_hash_string(id->id));
	if (id->round && n < size)
		snprintf(buf + n, size - n, "-%u", id->round);
}

int make_dirs(const char *path)
{
	char buf[PATH_SIZE];

	if (strlen(path) >= sizeof(buf))
		return -ENAMETOOLONG;
	strcpy(buf, path);
	for (char *s = buf + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(buf, 0777) < 0 && errno != EEXIST) {
			int err = errno;

			if (access(buf, F_OK) < 0)
				return -err;
		}
		*s = '/';
	}
	return mkdir(buf, 0777) < 0 && errno != EEXIST ? -errno : 0;
}

static bool is_kept(const char *name)
{
	const char *dot = strrchr(name, '.');

	return !strcmp(name, "trace") || !strcmp(name, "report.txt") ||
	       !strcmp(name, "_scenario.yaml") ||
	       (dot && (!strcmp(dot, ".stdout") || !strcmp(dot, ".stderr")));
}

/* Of a run with more instances, or a trace: it would seem to be of this one. */
static void remove_kept(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (is_kept(e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static FILE *open_in(const char *dir, const char *name, const char *suffix)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	return fopen(path, "we");
}

/* 0 or -errno, of whatever was written too. */
static int close_written(FILE *f)
{
	int err = ferror(f) ? errno : 0;

	if (fclose(f) && !err)
		err = errno;
	return -err;
}

static int write_capture(const char *dir, const char *name, const char *suffix,
                         const struct capture *c)
{
	FILE *f = open_in(dir, name, suffix);

	if (!f)
		return -errno;
	if (c->len)
		fwrite(c->data, 1, c->len, f);
	if (c->lost)
		fprintf(f, "\n[%llu more bytes were not kept]\n",
		        (unsigned long long)c->lost);
	return close_written(f);
}

static int copy_file(const char *from, const char *dir, const char *name)
{
	char to[PATH_SIZE];
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	ssize_t n = 1;
	int r = 0;

	snprintf(to, sizeof(to), "%s/%s", dir, name);
	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out < 0)
		r = -errno;
	while (r == 0 && n > 0) {
		n = sendfile(out, in, NULL, 1 << 30);
		if (n < 0)
			r = -errno;
	}
	if (out >= 0 && close(out) < 0 && r == 0)
		r = -errno;
	close(in);
	return r;
}

static int write_texts(const char *dir, const struct case_report *c,
                       const struct scenario *s,
                       const struct session_result *result)
{
	FILE *f = open_in(dir, "report", ".txt");
	int r;

	if (!f)
		return -errno;
	fprintf(f, "%s\n", c->id);
	terminal_details(f, false, c);
	r = close_written(f);
	if (r < 0)
		return r;
	f = open_in(dir, "_scenario", ".yaml");
	if (!f)
		return -errno;
	fprintf(f, "# seed %llu\n# %s\n", (unsigned long long)c->seed,
	        c->repeat ? c->repeat : "");
	print_scenario(f, c->id, s, result->plan);
	return close_written(f);
}

/* "client", or "client-3" of several instances. */
static void file_name(const struct scenario *s,
                      const struct session_result *result, size_t i, char *buf,
                      size_t size)
{
	const struct instance_result *p = &result->instances[i];
	const char *name = s->programs[p->program].name;

	if (session_n_instances(result, p->program) > 1)
		snprintf(buf, size, "%s-%u", name, p->number);
	else
		snprintf(buf, size, "%s", name);
}

int keep_case(const char *dir, const struct case_report *c,
              const struct scenario *s, const struct session_result *result,
              const char *trace_path)
{
	int first = make_dirs(dir), r;

	if (first < 0)
		return first;
	remove_kept(dir);
	first = write_texts(dir, c, s, result);
	for (size_t i = 0; i < result->n_instances; i++) {
		const struct instance_result *p = &result->instances[i];
		char name[256];

		file_name(s, result, i, name, sizeof(name));
		r = write_capture(dir, name, ".stdout", &p->out);
		first = first ? first : r;
		r = write_capture(dir, name, ".stderr", &p->err);
		first = first ? first : r;
	}
	if (trace_path && access(trace_path, R_OK) == 0) {
		r = copy_file(trace_path, dir, "trace");
		first = first ? first : r;
	}
	return first;
}
