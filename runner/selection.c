/*
 * selection.c - see selection.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/glob.h"
#include "runner/selection.h"
#include "runner/suite_files.h"

static bool glob_means(const char *pattern, const char *id)
{
	return glob_match(pattern, id, strlen(id), true) ||
	       glob_match(pattern, id, case_id_len(id), true) ||
	       glob_match(pattern, id, case_id_file_len(id), true);
}

/* Does FILE, FILE::CASE, a whole id or a glob of these mean this one? */
static bool means(const char *path, const char *id)
{
	if (case_id_is_meant(path, id))
		return true;
	return glob_has_wildcard(path) && glob_means(path, id);
}

const char *selection_plain_name(const char *file)
{
	while (strncmp(file, "./", 2) == 0)
		file += 2 + strspn(file + 2, "/");
	return *file ? file : ".";
}

static bool add_case(struct selection *s, const struct suite *suite,
                     const char *file, size_t index)
{
	struct selected_case *v = realloc(s->v, (s->n + 1) * sizeof(*v));

	if (!v)
		return false;
	s->v = v;
	v[s->n++] = (struct selected_case){
		.suite = suite, .file = file, .index = index};
	return true;
}

/* Takes the suite; false: no memory, it is freed. */
static bool keep_suite(struct selection *s, struct suite *suite,
                       const char *file)
{
	char *copy = strdup(file), **files;
	struct suite **suites;

	suites = realloc(s->suites, (s->n_suites + 1) * sizeof(*suites));
	if (suites)
		s->suites = suites;
	files = realloc(s->files, (s->n_suites + 1) * sizeof(*files));
	if (files)
		s->files = files;
	if (!suites || !files || !copy) {
		suite_free(suite);
		free(copy);
		return false;
	}
	suites[s->n_suites] = suite;
	files[s->n_suites++] = copy;
	return true;
}

/* The cases of one file that path means; NULL with what is wrong counted. */
static const struct suite *add_file(struct selection *s, const char *file,
                                    const char *path,
                                    const struct suite_vars *vars,
                                    struct diag_list *diags)
{
	struct suite *suite;

	if (suite_load(file, vars, &suite, diags) < 0) {
		s->n_errors++;
		return NULL;
	}
	if (!keep_suite(s, suite, file)) {
		diag_no_memory(diags, file);
		s->n_errors++;
		return NULL;
	}
	for (size_t i = 0; i < suite_n_cases(suite); i++)
		if (means(path, suite_case_id(suite, i)) &&
		    !add_case(s, suite, s->files[s->n_suites - 1], i)) {
			diag_no_memory(diags, file);
			s->n_errors++;
		}
	return suite;
}

/* What an id of this file could have been meant: with [...] and without. */
static void print_unknown(const struct suite *suite, const char *path)
{
	size_t n = suite_n_cases(suite);
	char **words = calloc(2 * n + 1, sizeof(*words));
	const char *near = NULL;

	for (size_t i = 0; words && i < n; i++) {
		const char *id = suite_case_id(suite, i);

		words[2 * i] = strdup(id);
		words[2 * i + 1] = strndup(id, case_id_len(id));
		if (!words[2 * i] || !words[2 * i + 1])
			n = i;
	}
	if (words)
		near = diag_nearest(path, (const char *const *)words, 2 * n);
	fprintf(stderr, "fault: %s: there is no such case", path);
	if (near)
		fprintf(stderr, ", did you mean `%s`?\n", near);
	else
		fprintf(stderr, "; --list prints those that there are\n");
	for (size_t i = 0; words && i < 2 * n; i++)
		free(words[i]);
	free(words);
}

/* Where the name of the file ends in FILE::CASE[...]. */
static char *file_part(const char *path)
{
	return access(path, F_OK) == 0 ? strdup(path)
	                               : strndup(path, case_id_file_len(path));
}

/* Of a glob: the folder below which all of it is. */
static char *glob_base(const char *path)
{
	const char *slash = path + strcspn(path, "*?");

	while (slash > path && *slash != '/')
		slash--;
	if (*slash != '/')
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/*
 * The part of the glob that means files must mean this one.  Others are not
 * even read: their mistakes are not of this run.
 */
static bool file_wanted(const char *pattern, const char *file)
{
	char *front = strndup(pattern, case_id_file_len(pattern));
	bool wanted = front && glob_match(front, file, strlen(file), true);

	free(front);
	return wanted;
}

static void add_glob(struct selection *s, const char *path,
                     const struct suite_vars *vars, struct diag_list *diags)
{
	struct suite_files files = {0};
	char *base = glob_base(path);
	int r = base ? suite_files_add(&files, base) : -ENOMEM;

	if (r < 0) {
		fprintf(stderr, "fault: %s: %s\n", base ? base : path,
		        strerror(-r));
		diags->machine |= diag_of_machine(r);
		s->missing = true;
	}
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		const char *name = selection_plain_name(files.v[i]);

		if (file_wanted(path, name))
			add_file(s, name, path, vars, diags);
	}
	suite_files_release(&files);
	free(base);
}

/* A file or a folder, and what follows it: "", "::CASE", "[io=epoll]". */
static void add_named(struct selection *s, const char *file, const char *rest,
                      const struct suite_vars *vars, struct diag_list *diags)
{
	size_t n_before = s->n, n_errors = s->n_errors;
	const struct suite *suite = NULL;
	struct suite_files files = {0};
	int r = suite_files_add(&files, file);
	char *path;

	if (r < 0 && !s->may_be_gone)
		fprintf(stderr, "fault: %s: %s\n", file, strerror(-r));
	diags->machine |= diag_of_machine(r);
	s->missing |= r < 0 && !s->may_be_gone;
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		const char *name = selection_plain_name(files.v[i]);

		if (asprintf(&path, "%s%s", name, rest) < 0) {
			diag_no_memory(diags, name);
			s->n_errors++;
			break;
		}
		suite = add_file(s, name, path, vars, diags);
		if (suite && s->n == n_before && *rest && files.n == 1 &&
		    !glob_has_wildcard(rest) && !s->may_be_gone) {
			print_unknown(suite, path);
			s->missing = true;
		}
		free(path);
	}
	if (r == 0 && files.n > 1 && *rest && s->n == n_before &&
	    s->n_errors == n_errors && !glob_has_wildcard(rest)) {
		fprintf(stderr, "fault: %s%s: no file has this case\n", file,
		        rest);
		s->missing = true;
	}
	suite_files_release(&files);
}

void selection_add(struct selection *s, const char *path,
                   const struct suite_vars *vars, struct diag_list *diags)
{
	char *file;

	path = selection_plain_name(path);
	file = file_part(path);
	if (!file) {
		diag_no_memory(diags, path);
		s->n_errors++;
		return;
	}
	if (access(file, F_OK) < 0 && glob_has_wildcard(file))
		add_glob(s, path, vars, diags);
	else
		add_named(s, file, path + strlen(file), vars, diags);
	free(file);
}

static const char *id_of(const struct selected_case *c)
{
	return suite_case_id(c->suite, c->index);
}

static int by_id(const void *a, const void *b, void *context)
{
	const struct selection *s = context;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	int order = strcmp(id_of(&s->v[i]), id_of(&s->v[k]));

	return order ? order : (i > k) - (i < k);
}

void selection_unique(struct selection *s)
{
	size_t *order = calloc(s->n + 1, sizeof(*order)), n = 0;

	if (!order)
		return;
	for (size_t i = 0; i < s->n; i++)
		order[i] = i;
	qsort_r(order, s->n, sizeof(*order), by_id, s);
	/* Of equal ones the first in the list comes first. */
	for (size_t i = s->n; i-- > 1;)
		if (!strcmp(id_of(&s->v[order[i]]), id_of(&s->v[order[i - 1]])))
			s->v[order[i]].suite = NULL;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].suite)
			s->v[n++] = s->v[i];
	s->n = n;
	free(order);
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
