/*
 * file.c - suite_load(): the one place of the language that opens a file.
 *
 * Without stdio, whose buffers come from the target's own allocator.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/suite.h"
#include "lang/trust.h"

static int refuse(struct diag_list *diags, const char *path, int r,
                  const char *hint, const char *why)
{
	char message[TRUST_WHY_SIZE + 32];

	diags->machine |= diag_of_machine(r);
	snprintf(message, sizeof(message), "cannot be read: %s", why);
	diag_add(diags, NULL, path, (struct mark){0}, DIAG_ERROR, hint,
	         message);
	return r;
}

/* What trusted_open() says of a file. */
static const char *reason(int r, const char *why)
{
	const char *text;

	if (*why)
		return why;
	text = strerrordesc_np(-r);
	return text ? text : "unknown error";
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

/* Up to one byte more than is allowed, so that too much is seen. */
static int read_all(int fd, char **ret_text, size_t *ret_len)
{
	char *text = malloc(MAX_TEXT + 1);
	int r;

	if (!text)
		return -ENOMEM;
	r = read_up_to(fd, text, MAX_TEXT + 1, ret_len);
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}

int suite_load(const char *path, const struct suite_vars *vars,
               struct suite **ret_suite, struct diag_list *diags)
{
	char why[TRUST_WHY_SIZE], *text = NULL;
	const char *hint;
	struct file_id id;
	struct stat st;
	size_t len = 0;
	int fd, r;

	if (!strcmp(path, "-"))
		return refuse(diags, path, -EINVAL, NULL,
		              "a scenario is a file, not standard input");
	if (!*path)
		return refuse(diags, "(nothing)", -ENOENT, NULL,
		              "the path is empty");
	fd = trusted_open(path, &st, why, &hint);
	if (fd < 0)
		return refuse(diags, path, fd, hint, reason(fd, why));
	r = read_all(fd, &text, &len);
	close(fd);
	if (r < 0)
		return refuse(diags, path, r, NULL, reason(r, ""));
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
                       int r, const char *why, const char *hint)
{
	l->diags->machine |= diag_of_machine(r);
	lang_error(l, n->at, r == -ENOENT ? near(l, path, n->text) : hint,
	           "`%s` cannot be read: %s", path, reason(r, why));
	return false;
}

bool part_open(struct lang *l, const struct node *n, const char *path,
               struct file_text *ret)
{
	char why[TRUST_WHY_SIZE];
	const char *hint;
	struct stat st;
	int fd = trusted_open(path, &st, why, &hint);

	if (fd < 0)
		return unreadable(l, n, path, fd, why, hint);
	close(fd);
	*ret = (struct file_text){
		.id = {st.st_dev, st.st_ino},
		.len = st.st_size > MAX_TEXT ? MAX_TEXT + 1
	                                     : (size_t)st.st_size,
	};
	return true;
}

/*
 * Opened again, as no descriptor may be open while the arena, which may jump
 * away, is asked for memory.
 */
bool part_read(struct lang *l, const struct node *n, const char *path,
               struct file_text *file)
{
	char *text = arena_alloc(l->arena, file->len + 1);
	char why[TRUST_WHY_SIZE];
	const char *hint;
	struct stat st;
	int fd = trusted_open(path, &st, why, &hint), r = fd;

	file->text = text;
	if (fd >= 0) {
		bool same = st.st_dev == file->id.device &&
		            st.st_ino == file->id.inode;

		r = same ? read_up_to(fd, text, file->len, &file->len)
		         : -ESTALE;
		close(fd);
	}
	return r >= 0 || unreadable(l, n, path, r, why, hint);
}
