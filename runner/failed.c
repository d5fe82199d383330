/*
 * failed.c - see failed.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/failed.h"
#include "runner/keep.h"

enum {
	PATH_SIZE = 4096
};

/* Where it is, or belongs: the list is in order. */
static size_t find(const struct failed *f, const char *id, bool *ret_found)
{
	size_t low = 0, high = f->n;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(f->v[middle], id);

		*ret_found = order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

bool failed_has(const struct failed *f, const char *id)
{
	bool found;

	find(f, id, &found);
	return found;
}

/* Makes room at i for its copy.  Without memory nothing changes. */
static void insert(struct failed *f, size_t i, const char *id)
{
	char *copy = strdup(id);

	if (copy && f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		char **v = realloc(f->v, cap * sizeof(*v));

		if (v) {
			f->v = v;
			f->cap = cap;
		}
	}
	if (!copy || f->n == f->cap) {
		free(copy);
		return;
	}
	memmove(&f->v[i + 1], &f->v[i], (f->n - i) * sizeof(*f->v));
	f->v[i] = copy;
	f->n++;
}

void failed_note(struct failed *f, const char *id, bool failed)
{
	bool found;
	size_t i = find(f, id, &found);

	if (found && !failed) {
		free(f->v[i]);
		f->n--;
		memmove(&f->v[i], &f->v[i + 1], (f->n - i) * sizeof(*f->v));
	} else if (!found && failed) {
		insert(f, i, id);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whoever wrote the file need not have written it in order. */
static void put_in_order(struct failed *f)
{
	size_t n = 0;

	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), by_name);
	for (size_t i = 0; i < f->n; i++)
		if (n && !strcmp(f->v[n - 1], f->v[i]))
			free(f->v[i]);
		else
			f->v[n++] = f->v[i];
	f->n = n;
}

int failed_load(struct failed *f, const char *out)
{
	char path[PATH_SIZE], *line = NULL;
	size_t size = 0;
	FILE *file;
	int r = 0, fd;

	*f = (struct failed){0};
	snprintf(path, sizeof(path), "%s/.failed", out);
	/* Nobody need write to a FIFO of that name. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			insert(f, f->n, line);
	}
	if (ferror(file)) /* a folder of that name */
		r = -errno;
	put_in_order(f);
	free(line);
	fclose(file);
	return r;
}

int failed_save(const struct failed *f, const char *out)
{
	char path[PATH_SIZE], fresh[PATH_SIZE + 16];
	FILE *file;
	int r = 0;

	snprintf(path, sizeof(path), "%s/.failed", out);
	if (f->n == 0)
		return unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR
		               ? -errno
		               : 0;
	r = make_dirs(out);
	if (r < 0)
		return r;
	snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	file = fopen(fresh, "we");
	if (!file)
		return -errno;
	for (size_t i = 0; i < f->n; i++)
		fprintf(file, "%s\n", f->v[i]);
	if (fclose(file) || rename(fresh, path) < 0) {
		r = -errno;
		unlink(fresh);
	}
	return r;
}

void failed_release(struct failed *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
	free(f->v);
	*f = (struct failed){0};
}
