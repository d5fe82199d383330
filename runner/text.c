/*
 * text.c - see text.h.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "runner/text.h"

static ptrdiff_t find_regex(const char *expression, const char *data,
                            size_t len, size_t from)
{
	regmatch_t m = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)len};
	ptrdiff_t r = -ENOENT;
	regex_t re;

	if (regcomp(&re, expression, REG_EXTENDED | REG_NEWLINE))
		return -EINVAL;
	if (regexec(&re, data, 1, &m, REG_STARTEND) == 0)
		r = m.rm_eo;
	regfree(&re);
	return r;
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
