/*
 * errno_names.c - names of errnos and EAI_ codes, both ways.
 *
 * So that a trace can name what a call returned and a scenario can ask for it
 * by name.  Constant data and look-ups only; async-signal-safe; used on both
 * sides.
 */
#include <errno.h>
#include <netdb.h>

#include "tables.h"

static const struct {
	int err;
	const char *name;
} names[] = {
#define NAME(err_) {err_, #err_},
#include "errno_names.def"
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const char *fault_errno_name(int err)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].err == err)
			return names[i].name;
	}
	return NULL;
}

int fault_errno_number(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (same(names[i].name, name))
			return names[i].err;
	}
	return 0;
}
