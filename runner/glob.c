/*
 * glob.c - see glob.h: all places of the pattern that the text so far may have
 * come to, one byte after another.  Nothing is tried twice.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/glob.h"

bool glob_has_wildcard(const char *s)
{
	return strpbrk(s, "*?") != NULL;
}

/* Adds place i, and those that are reached from it without a byte. */
static void enter(const char *p, size_t i, bool *at)
{
	while (!at[i]) {
		at[i] = true;
		if (p[i] != '*')
			return;
		/* No folder at all in between. */
		if (p[i + 1] == '*' && p[i + 2] == '/' &&
		    (i == 0 || p[i - 1] == '/'))
			enter(p, i + 3, at);
		i += p[i + 1] == '*' ? 2 : 1;
	}
}

/* The star at place i takes a byte: it may take more, or end. */
static void stay(const char *p, size_t i, bool *at)
{
	at[i] = true;
	enter(p, i + (p[i + 1] == '*' ? 2 : 1), at);
}

static bool is_any(const char *p, char c, bool as_path)
{
	return !as_path || c != '/' || (p[0] == '*' && p[1] == '*');
}

bool glob_match(const char *pattern, const char *text, size_t len, bool as_path)
{
	size_t n = strlen(pattern) + 1;
	bool *at = calloc(2 * n, sizeof(*at)), *next = at + n;
	bool found;

	if (!at)
		return false;
	enter(pattern, 0, at);
	for (size_t k = 0; k < len; k++) {
		memset(next, 0, n * sizeof(*next));
		for (size_t i = 0; i + 1 < n; i++) {
			const char *p = pattern + i;

			if (!at[i])
				continue;
			if (*p == '*' && is_any(p, text[k], as_path))
				stay(pattern, i, next);
			else if (*p == text[k] ||
			         (*p == '?' && is_any(p, text[k], as_path)))
				enter(pattern, i + 1, next);
		}
		memcpy(at, next, n * sizeof(*at));
	}
	found = at[n - 1];
	free(at);
	return found;
}
