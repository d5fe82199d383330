/*
 * file.c - suite_load(): the one place of the language that opens a file.
 *
 * Through stdio: inside libfault.so, open, read and close would be its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lang/model.h"

enum {
	MAX_TEXT = 1 << 20
};

static int refuse(struct diag_list *diags, const char *path, int r,
                  const char *why)
{
	char message[160];

	snprintf(message, sizeof(message), "cannot be read: %s", why);
	diag_add(diags, NULL, path, (struct mark){0, 0}, false, NULL, message);
	return r;
}

static int refuse_errno(struct diag_list *diags, const char *path, int err)
{
	const char *why = strerrordesc_np(err);

	return refuse(diags, path, -err, why ? why : "unknown error");
}

/* Up to one byte more than is allowed, so that too much is seen. */
static int read_all(const char *path, char **ret_text, size_t *ret_len)
{
	char *text = malloc(MAX_TEXT + 1);
	FILE *f;
	int r = 0;

	if (!text)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f) {
		r = -errno;
		free(text);
		return r;
	}
	*ret_len = fread(text, 1, MAX_TEXT + 1, f);
	if (ferror(f))
		r = -EIO;
	fclose(f);
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
