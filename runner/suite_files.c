/*
 * suite_files.c - a walk over folders of scenarios, with fts(3).
 *
 * Symbolic links are followed, so that what they lead to is found and refused
 * (lang/trust.h) rather than left out; fts itself refuses cycles.
 */
#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/suite_files.h"

static int add(struct suite_files *f, const char *path)
{
	char **v = realloc(f->v, (f->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	f->v = v;
	v[f->n] = strdup(path);
	return v[f->n++] ? 0 : -ENOMEM;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int visit(struct suite_files *f, FTS *walk, FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_D:
		if (e->fts_level > 0 && e->fts_name[0] == '.')
			fts_set(walk, e, FTS_SKIP);
		break;
	case FTS_F:
	case FTS_SLNONE: /* a link to nothing: an error when it is read */
		if (!strchr("._", e->fts_name[0]) &&
		    !fnmatch("*.yaml", e->fts_name, 0))
			return add(f, e->fts_path);
		break;
	case FTS_DNR:
	case FTS_ERR:
		return -e->fts_errno;
	default:
		break;
	}
	return 0;
}

static int walk_folder(struct suite_files *f, const char *path)
{
	char *root = strdup(path);
	size_t len = strlen(path);
	char *paths[] = {root, NULL};
	FTSENT *e;
	FTS *walk;
	int rc = 0;

	if (!root)
		return -ENOMEM;
	while (len > 1 && root[len - 1] == '/')
		root[--len] = '\0';
	walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	while (walk && !rc && (errno = 0, e = fts_read(walk)))
		rc = visit(f, walk, e);
	if (!rc && errno)
		rc = -errno;
	if (walk)
		fts_close(walk);
	free(root);
	return rc;
}

int suite_files_add(struct suite_files *f, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	return S_ISDIR(st.st_mode) ? walk_folder(f, path) : add(f, path);
}

void suite_files_release(struct suite_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
	free(f->v);
	*f = (struct suite_files){0};
}
