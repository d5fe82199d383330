/*
 * utf8.c - is it a text at all?  Asked before libyaml is, so that the answer
 * has a line and a column.
 */
#include <string.h>

#include "lang/utf8.h"

/* Length of the character at p, 0 if it is not UTF-8; its code point. */
static size_t character(const unsigned char *p, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = 1u + (*p >= 0xc2) + (*p >= 0xe0) + (*p >= 0xf0);
	uint32_t c;

	if ((*p >= 0x80 && *p < 0xc2) || *p >= 0xf5 || n > left)
		return 0;
	c = n == 1 ? *p : *p & (0x7fu >> n); /* the bits behind the length */
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

size_t utf8_length(const char *p, size_t len)
{
	uint32_t c;

	return character((const unsigned char *)p, len, &c);
}

/* The characters that YAML 1.1 allows. */
static bool printable(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0x7f) ||
	       c == 0x85 || (c >= 0xa0 && c < 0xfffe && c != 0xfeff) ||
	       c >= 0x10000;
}

bool utf8_check(struct lang *l)
{
	const struct source *s = l->source;
	const unsigned char *p = (const unsigned char *)s->text;
	size_t i = 0, n;

	if (s->len >= 2 &&
	    (!memcmp(p, "\xff\xfe", 2) || !memcmp(p, "\xfe\xff", 2))) {
		lang_error(l, (struct mark){1, 1, s}, "save it as UTF-8",
		           "the file is UTF-16");
		return false;
	}
	for (; i < s->len; i += n) {
		uint32_t c = 0;

		n = character(p + i, s->len - i, &c);
		if (n && printable(c))
			continue;
		if (n)
			lang_error(l, source_mark(s, i), NULL,
			           "not a text: a character U+%04X", c);
		else
			lang_error(l, source_mark(s, i), "save it as UTF-8",
			           "not a text in UTF-8: a byte 0x%02X", p[i]);
		return false;
	}
	return true;
}
