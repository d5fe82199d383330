/*
 * selection.c - see selection.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/selection.h"
#include "runner/suite_files.h"

bool selection_matches(const char *path, const char *id)
{
	size_t len = strlen(path);

	if (strncmp(id, path, len) != 0)
		return false;
	return id[len] == '\0' || id[len] == '[' ||
	       strncmp(id + len, "::", 2) == 0;
}

static bool add_case(struct selection *s, const struct suite *suite,
                     const char *file, size_t index)
{
	struct selected_case *v = realloc(s->v, (s->n + 1) * sizeof(*v));

	if (!v)
		return false;
	s->v = v;
	v[s->n++] = (struct selected_case){suite, file, index};
	return true;
}

static bool keep_suite(struct selection *s, struct suite *suite,
                       const char *file)
{
	struct suite **suites;
	char **files;

	suites = realloc(s->suites, (s->n_suites + 1) * sizeof(*suites));
	if (suites)
		s->suites = suites;
	files = realloc(s->files, (s->n_suites + 1) * sizeof(*files));
	if (files)
		s->files = files;
	if (!suites || !files)
		return false;
	suites[s->n_suites] = suite;
	files[s->n_suites] = strdup(file);
	return files[s->n_suites++] != NULL;
}

/* The cases of one file; path is FILE, FILE::CASE or an id. */
static void add_file(struct selection *s, const char *file, const char *path,
                     const struct suite_vars *vars, struct diag_list *diags)
{
	struct suite *suite;

	if (suite_load(file, vars, &suite, diags) < 0) {
		s->n_errors++;
		return;
	}
	if (!keep_suite(s, suite, file)) {
		suite_free(suite);
		s->n_errors++;
		return;
	}
	for (size_t i = 0; i < suite_n_cases(suite); i++)
		if (selection_matches(path, suite_case_id(suite, i)))
			add_case(s, suite, s->files[s->n_suites - 1], i);
}

/* Where the name of the file ends in FILE::CASE[...]. */
static char *file_part(const char *path)
{
	const char *end = strstr(path, "::");

	if (access(path, F_OK) == 0)
		return strdup(path);
	if (!end)
		end = strchr(path, '[');
	return end ? strndup(path, (size_t)(end - path)) : strdup(path);
}

void selection_add(struct selection *s, const char *path,
                   const struct suite_vars *vars, struct diag_list *diags)
{
	struct suite_files files = {0};
	char *file = file_part(path);
	int r = file ? suite_files_add(&files, file) : -ENOMEM;

	if (r < 0) {
		fprintf(stderr, "fault: %s: %s\n", file ? file : path,
		        strerror(-r));
		s->missing = true;
	}
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		bool same = strcmp(files.v[i], file) == 0;

		add_file(s, files.v[i], same ? path : files.v[i], vars, diags);
	}
	suite_files_release(&files);
	free(file);
}

void selection_release(struct selection *s)
{
	for (size_t i = 0; i < s->n_suites; i++) {
		suite_free(s->suites[i]);
		free(s->files[i]);
	}
	free(s->suites);
	free(s->files);
	free(s->v);
	*s = (struct selection){0};
}
