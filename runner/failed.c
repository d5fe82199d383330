/*
 * failed.c - see failed.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/failed.h"
#include "runner/keep.h"

enum {
	PATH_SIZE = 4096
};

static size_t find(const struct failed *f, const char *id)
{
	size_t i = 0;

	while (i < f->n && strcmp(f->v[i], id) != 0)
		i++;
	return i;
}

bool failed_has(const struct failed *f, const char *id)
{
	return find(f, id) < f->n;
}

void failed_note(struct failed *f, const char *id, bool failed)
{
	size_t i = find(f, id);
	char **v;

	if (i < f->n && !failed) {
		free(f->v[i]);
		f->n--;
		memmove(&f->v[i], &f->v[i + 1], (f->n - i) * sizeof(*f->v));
	} else if (i == f->n && failed) {
		v = realloc(f->v, (f->n + 1) * sizeof(*v));
		if (!v)
			return;
		f->v = v;
		v[f->n] = strdup(id);
		f->n += v[f->n] != NULL;
	}
}

int failed_load(struct failed *f, const char *out)
{
	char path[PATH_SIZE], *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	*f = (struct failed){0};
	snprintf(path, sizeof(path), "%s/.failed", out);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while ((len = getline(&line, &size, file)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			failed_note(f, line, true);
	}
	free(line);
	fclose(file);
	return 0;
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
