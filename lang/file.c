/*
 * file.c - suite_load(): the one place of the language that opens a file.
 *
 * Without stdio, whose buffers come from the target's own allocator.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/suite.h"

static int refuse(struct diag_list *diags, const char *path, int r,
                  const char *why)
{
	char message[160];

	snprintf(message, sizeof(message), "cannot be read: %s", why);
	diag_add(diags, NULL, path, (struct mark){0}, DIAG_ERROR, NULL,
	         message);
	return r;
}

static int refuse_errno(struct diag_list *diags, const char *path, int err)
{
	const char *why = strerrordesc_np(err);

	return refuse(diags, path, -err, why ? why : "unknown error");
}

static int read_up_to(int fd, char *text, size_t most, size_t *ret_len)
{
	ssize_t n;

	*ret_len = 0;
	while (*ret_len < most) {
		n = read(fd, text + *ret_len, most - *ret_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*ret_len += (size_t)n;
	}
	return 0;
}

static int read_file(const char *path, char *text, size_t most, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_up_to(fd, text, most, ret_len);

	if (fd >= 0)
		close(fd);
	return r;
}

/* Up to one byte more than is allowed, so that too much is seen. */
static int read_all(const char *path, char **ret_text, size_t *ret_len)
{
	char *text = malloc(MAX_TEXT + 1);
	int r;

	if (!text)
		return -ENOMEM;
	r = read_file(path, text, MAX_TEXT + 1, ret_len);
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}

int suite_load(const char *path, const struct suite_vars *vars,
               struct suite **ret_suite, struct diag_list *diags)
{
	struct file_id id;
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int r;

	if (!strcmp(path, "-"))
		return refuse(diags, path, -EINVAL,
		              "a scenario is a file, not standard input");
	if (!*path)
		return refuse(diags, "(nothing)", -ENOENT, "the path is empty");
	if (stat(path, &st) < 0)
		return refuse_errno(diags, path, errno);
	if (S_ISDIR(st.st_mode))
		return refuse_errno(diags, path, EISDIR);
	if (!S_ISREG(st.st_mode)) /* opening a FIFO may wait for ever */
		return refuse(diags, path, -EINVAL, "it is no regular file");
	r = read_all(path, &text, &len);
	if (r < 0)
		return refuse_errno(diags, path, -r);
	id = (struct file_id){st.st_dev, st.st_ino};
	r = suite_parse_file(ARENA_BUDGET, text, len, path, &id, vars,
	                     ret_suite, diags);
	free(text);
	return r;
}

/* ---- parts --------------------------------------------------------------- */

/* "did you mean `_common.yaml`?": what is often left out of a name. */
static const char *near(struct lang *l, const char *path, const char *used)
{
	static const char *const ways[][2] = {
		{"_", ""}, {"", ".yaml"}, {"_", ".yaml"}};
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash + 1 - path) : 0;
	const char *name = path + folder;
	struct stat st;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *file =
			arena_printf(l->arena, "%.*s%s%s%s", folder, path,
		                     ways[i][0], name, ways[i][1]);

		if (stat(file, &st) < 0)
			continue;
		return arena_printf(l->arena, "did you mean `%.*s%s`?",
		                    (int)(strlen(used) - strlen(name)), used,
		                    file + folder);
	}
	return "paths are relative to the file that they stand in";
}

static bool unreadable(struct lang *l, const struct node *n, const char *path,
                       int err)
{
	const char *why = strerrordesc_np(err);

	lang_error(l, n->at, err == ENOENT ? near(l, path, n->text) : NULL,
	           "`%s` cannot be read: %s", path,
	           why ? why : "unknown error");
	return false;
}

bool part_open(struct lang *l, const struct node *n, const char *path,
               struct file_text *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return unreadable(l, n, path, errno);
	if (S_ISDIR(st.st_mode))
		return unreadable(l, n, path, EISDIR);
	if (!S_ISREG(st.st_mode)) {
		lang_error(l, n->at, NULL, "`%s` is no regular file", path);
		return false;
	}
	*ret = (struct file_text){
		.id = {st.st_dev, st.st_ino},
		.len = st.st_size > MAX_TEXT ? MAX_TEXT + 1
	                                     : (size_t)st.st_size,
	};
	return true;
}

bool part_read(struct lang *l, const struct node *n, const char *path,
               struct file_text *file)
{
	/* In the arena: nothing is lost when memory ends meanwhile. */
	char *text = arena_alloc(l->arena, file->len + 1);
	int r = read_file(path, text, file->len, &file->len);

	file->text = text;
	return r == 0 || unreadable(l, n, path, -r);
}
