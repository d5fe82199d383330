/*
 * launch.c - see launch.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/env.h"
#include "runner/launch.h"

/* ---- the library --------------------------------------------------------- */

static bool usable(const char *path)
{
	return path[0] == '/' && access(path, R_OK) == 0;
}

/* Folder of our own executable, without the last slash. */
static int own_folder(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	char *slash = strrchr(buf, '/');

	if (slash)
		*slash = '\0';
	return 0;
}

static int find_library(char *buf, size_t size)
{
	static const char *const beside[] = {
		"/libfault.so",
		"/../lib/fault/libfault.so",
		"/../lib64/fault/libfault.so",
	};
	static const char *const fixed[] = {
#ifdef FAULT_LIBDIR
		FAULT_LIBDIR "/fault/libfault.so",
#endif
		"/usr/local/lib/fault/libfault.so",
		"/usr/lib/fault/libfault.so",
	};
	const char *given = getenv("FAULT_LIBRARY");
	char folder[PATH_MAX];

	if (given && *given) {
		snprintf(buf, size, "%s", given);
		if (!realpath(given, folder))
			return -ENOENT;
		snprintf(buf, size, "%s", folder);
		return 0;
	}
	for (size_t i = 0; i < 3 && own_folder(folder, sizeof(folder)) == 0;
	     i++) {
		snprintf(buf, size, "%s%s", folder, beside[i]);
		if (usable(buf))
			return 0;
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		snprintf(buf, size, "%s", fixed[i]);
		if (usable(buf))
			return 0;
	}
	return -ENOENT;
}

bool launch_library(char *buf, size_t size)
{
	char path[PATH_MAX];

	if (find_library(path, sizeof(path)) < 0)
		snprintf(buf, size,
		         "libfault.so is not there (looked last at %s); set "
		         "FAULT_LIBRARY to its path",
		         path);
	else if (strpbrk(path, " :"))
		snprintf(buf, size,
		         "%s: LD_PRELOAD cannot name a path with a space or a "
		         "colon; move it, or set FAULT_LIBRARY",
		         path);
	else
		return snprintf(buf, size, "%s", path) < (int)size;
	return false;
}

/* ---- the environment ----------------------------------------------------- */

struct environment {
	char **v;
	size_t n, cap;
	bool failed;
};

static size_t name_len(const char *entry)
{
	return strcspn(entry, "=");
}

/* Takes entry ("NAME=value", malloc'ed); it replaces one of its name. */
static void put(struct environment *e, char *entry)
{
	size_t len = entry ? name_len(entry) : 0;

	for (size_t i = 0; entry && i < e->n; i++) {
		if (name_len(e->v[i]) == len &&
		    strncmp(e->v[i], entry, len) == 0) {
			free(e->v[i]);
			e->v[i] = entry;
			return;
		}
	}
	if (entry && e->n + 1 >= e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 64;
		char **v = realloc(e->v, cap * sizeof(*v));

		if (v) {
			e->v = v;
			e->cap = cap;
		}
	}
	if (!entry || e->n + 1 >= e->cap) {
		free(entry);
		e->failed = true;
		return;
	}
	e->v[e->n++] = entry;
	e->v[e->n] = NULL;
}

static void __attribute__((format(printf, 2, 3)))
putf(struct environment *e, const char *format, ...)
{
	char *entry = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&entry, format, args) < 0)
		entry = NULL;
	va_end(args);
	put(e, entry);
}

static const char *get(const struct environment *e, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < e->n; i++)
		if (name_len(e->v[i]) == len &&
		    strncmp(e->v[i], name, len) == 0)
			return e->v[i] + len + 1;
	return "";
}

/* The bare library's variables of the caller would be a second plan. */
static bool ours(const char *entry)
{
	static const char *const names[] = {
		FAULT_ENV_SHM "=",      FAULT_ENV_PROGRAM "=",
		FAULT_ENV_SCENARIO "=", FAULT_ENV_INJECT "=",
		FAULT_ENV_SEED "=",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* For programs that answer shim/attach_asan.c's question themselves. */
static void put_asan(struct environment *e)
{
	char *before = strdup(get(e, "ASAN_OPTIONS"));

	if (before)
		putf(e, "ASAN_OPTIONS=%s%sverify_asan_link_order=0", before,
		     *before ? ":" : "");
	else
		e->failed = true;
	free(before);
}

static void put_library(struct environment *e, size_t index,
                        const char *library, bool asan,
                        const struct segments *s)
{
	char *before = strdup(get(e, "LD_PRELOAD"));

	if (!before) {
		e->failed = true;
		return;
	}
	putf(e, "LD_PRELOAD=%s%s%s", library, *before ? ":" : "", before);
	if (asan)
		put_asan(e);
	putf(e, FAULT_ENV_SHM "=%d:%d", s->plan_id, s->run_id);
	putf(e, FAULT_ENV_PROGRAM "=%zu", index);
	free(before);
}

static void put_inherited(struct environment *e)
{
	for (char **v = environ; v && *v; v++)
		if (!ours(*v) && strchr(*v, '='))
			put(e, strdup(*v));
}

static char **finished(struct environment *e)
{
	if (!e->v)
		put(e, strdup("PATH=/usr/bin:/bin"));
	if (e->failed) {
		launch_free(e->v);
		return NULL;
	}
	return e->v;
}

/* It may look at the run, and has plain sockets though `fault` has not. */
static void put_scripted(struct environment *e, const struct segments *s)
{
	putf(e, FAULT_ENV_SHM "=%d:%d", s->plan_id, s->run_id);
	for (size_t i = 0; i < e->n; i++) {
		if (strncmp(e->v[i], "LD_PRELOAD=", 11) != 0)
			continue;
		free(e->v[i]);
		e->v[i] = e->v[--e->n];
		e->v[e->n] = NULL;
		return;
	}
}

char **launch_environment(const struct program *p, size_t index,
                          const char *library, bool asan,
                          const struct segments *s)
{
	struct environment e = {0};

	put_inherited(&e);
	for (size_t i = 0; i < p->n_env; i++)
		putf(&e, "%s=%s", p->env[i].name, p->env[i].value);
	if (library)
		put_library(&e, index, library, asan, s);
	else if (p->kind != PROGRAM_RUN)
		put_scripted(&e, s);
	return finished(&e);
}

char **launch_command_environment(const struct segments *s)
{
	struct environment e = {0};

	put_inherited(&e);
	if (s)
		putf(&e, FAULT_ENV_SHM "=%d:%d", s->plan_id, s->run_id);
	return finished(&e);
}

void launch_free(char **strings)
{
	for (char **v = strings; v && *v; v++)
		free(*v);
	free(strings);
}
