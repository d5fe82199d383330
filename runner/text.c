/*
 * text.c - see text.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/diag.h"
#include "runner/machine.h"
#include "runner/text.h"

/* What regexec(3) means by it, unless it says that there was no memory. */
static ptrdiff_t without_memory(int error, ptrdiff_t r)
{
	if (error != REG_ESPACE)
		return r;
	machine_failed(-ENOMEM, "looking for a text");
	return -ENOMEM;
}

static ptrdiff_t find_regex(const char *expression, const char *data,
                            size_t len, size_t from)
{
	regmatch_t m = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)len};
	ptrdiff_t r = -ENOENT;
	regex_t re;
	int error = regcomp(&re, expression, REG_EXTENDED | REG_NEWLINE);

	if (error)
		return without_memory(error, -EINVAL);
	errno = 0;
	error = regexec(&re, data, 1, &m, REG_STARTEND);
	/* glibc's says REG_NOMATCH for everything, whatever POSIX says. */
	if (error && errno == ENOMEM)
		error = REG_ESPACE;
	if (error == 0)
		r = m.rm_eo;
	regfree(&re);
	return without_memory(error, r);
}

ptrdiff_t text_find(const struct text_match *t, const char *data, size_t len,
                    size_t from)
{
	const char *at;

	if (!data)
		data = "";
	if (t->regex)
		return find_regex(t->text, data, len, from);
	at = memmem(data + from, len - from, t->text, strlen(t->text));
	return at ? at - data + (ptrdiff_t)strlen(t->text) : -ENOENT;
}

const struct text_match *text_missing(const struct text_list *l,
                                      const char *data, size_t len)
{
	size_t from = 0;

	for (size_t i = 0; i < l->n; i++) {
		ptrdiff_t end = text_find(&l->v[i], data, len, from);

		if (end < 0)
			return &l->v[i];
		from = (size_t)end;
	}
	return NULL;
}

const struct text_match *text_present(const struct text_list *l,
                                      const char *data, size_t len)
{
	for (size_t i = 0; i < l->n; i++)
		if (text_find(&l->v[i], data, len, 0) >= 0)
			return &l->v[i];
	return NULL;
}

/* What there is of it; NULL: no regular file, or no memory. */
static char *read_file(int fd, size_t *ret_len)
{
	struct stat st;
	char *data = NULL;
	size_t size = TEXT_FILE_MAX, len = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	if (st.st_size < TEXT_FILE_MAX)
		size = (size_t)st.st_size;
	data = malloc(size + 1);
	if (!data)
		machine_failed(-ENOMEM, "looking into a file");
	while (data && len < size && n > 0) {
		n = read(fd, data + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return data;
}

bool text_is_in_file(const struct text_list *l, const char *path)
{
	/* O_NONBLOCK: a FIFO would wait for who writes. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	char *data;
	bool found;

	if (fd < 0 && diag_of_machine(-errno))
		machine_failed(-errno, "looking into a file");
	data = fd < 0 ? NULL : read_file(fd, &len);
	found = data && !text_missing(l, data, len);
	free(data);
	if (fd >= 0)
		close(fd);
	return found;
}

static void range_of(const struct range *r, double unit, const char *word,
                     char *buf, size_t size)
{
	char low[32] = "", high[32] = "";

	if (r->min != INT64_MIN)
		snprintf(low, sizeof(low), "%g%s", (double)r->min / unit, word);
	if (r->max != INT64_MAX)
		snprintf(high, sizeof(high), "%g%s", (double)r->max / unit,
		         word);
	if (r->min == r->max)
		snprintf(buf, size, "%s", low);
	else
		snprintf(buf, size, "%s..%s", low, high);
}

void text_range(const struct range *r, double unit, char *buf, size_t size)
{
	range_of(r, unit, "", buf, size);
}

void text_durations(const struct range *r, char *buf, size_t size)
{
	range_of(r, 1e9, "s", buf, size);
}
