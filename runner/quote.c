/*
 * quote.c - see quote.h.
 */
#include <stdbool.h>
#include <string.h>

#include "lang/utf8.h"
#include "runner/quote.h"

void quote_word(FILE *f, const char *s)
{
	if (*s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                       "0123456789_./:=,+-")]) {
		fputs(s, f);
		return;
	}
	fputc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			fputc(*s, f);
	}
	fputc('\'', f);
}

void quote_words(FILE *f, char *const *argv)
{
	for (size_t i = 0; argv[i]; i++) {
		if (i)
			fputc(' ', f);
		quote_word(f, argv[i]);
	}
}

/* Not what a terminal, or YAML, takes for text. */
static bool is_odd(const unsigned char *p, size_t n)
{
	switch (n) {
	case 0:
		return true;
	case 1:
		return (*p < 0x20 && *p != '\t') || *p == 0x7f;
	case 2: /* U+0080..U+009F */
		return p[0] == 0xc2 && p[1] < 0xa0;
	case 3: /* U+FFFE, U+FFFF */
		return p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
	default:
		return false;
	}
}

void quote_line(FILE *f, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		size_t n = utf8_length((const char *)p, (size_t)(end - p));
		bool odd = is_odd(p, n);

		for (n += !n; n; n--, p++)
			if (odd)
				fprintf(f, "\\x%02x", *p);
			else
				fputc(*p, f);
	}
}
