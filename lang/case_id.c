/*
 * case_id.c - the parts of "FILE::CASE[io=epoll]", and what is meant by some.
 */
#include <string.h>

#include "lang/scenario.h"

size_t case_id_len(const char *id)
{
	/* A value may have `::` in it, as ::1 has. */
	return strcspn(id, "[");
}

size_t case_id_file_len(const char *id)
{
	const char *end = strstr(id, "::");
	size_t len = case_id_len(id);

	return end && end < id + len ? (size_t)(end - id) : len;
}

bool case_id_is_meant(const char *path, const char *id)
{
	size_t len = strlen(path);

	return strncmp(id, path, len) == 0 &&
	       (id[len] == '\0' || id[len] == '[' ||
	        strncmp(id + len, "::", 2) == 0);
}
