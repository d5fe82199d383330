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

#include "lang/model.h"

enum {
	MAX_TEXT = 1 << 20
};

static int refuse(struct diag_list *diags, const char *path, int r,
                  const char *why)
{
	char message[160];

	snprintf(message, sizeof(message), "cannot be read: %s", why);
	diag_add(diags, NULL, path, (struct mark){0}, false, NULL, message);
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

/* Up to one byte more than is allowed, so that too much is seen. */
static int read_all(const char *path, char **ret_text, size_t *ret_len)
{
	char *text = malloc(MAX_TEXT + 1);
	int fd, r;

	if (!text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_up_to(fd, text, MAX_TEXT + 1, ret_len);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}

int suite_load(const char *path, const struct suite_vars *vars,
               struct suite **ret_suite, struct diag_list *diags)
{
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
	r = suite_parse(text, len, path, vars, ret_suite, diags);
	free(text);
	return r;
}
