/*
 * not_yet.c - what the grammar has and this build does not: THE list.
 *
 * The language is a contract; a row here is a promise.  Building the thing
 * means to delete its row.
 */
#include <string.h>

#include "lang/keys.h"

static const struct {
	unsigned places;
	const char *word;
} rows[] = {
	/* families without rows, calls that are not wrapped (a row of
           calls.def comes before this) */
	{AS_CALL, "getnameinfo"},
};

void not_yet_available(struct lang *l, struct mark at, const char *what)
{
	lang_error(l, at, NULL, "%s is not yet available", what);
}

bool not_yet(struct lang *l, struct mark at, enum place place, const char *word)
{
	bool found = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].places & place && !strcmp(rows[i].word, word))
			found = true;
	}
	/* actions.def marks its own. */
	for (size_t i = 0; place == AS_ACTION && i < N_ACTIONS; i++) {
		if (!fault_actions[i].ready &&
		    !strcmp(fault_actions[i].word, word))
			found = true;
	}
	if (found)
		not_yet_available(l, at, arena_printf(l->arena, "`%s`", word));
	return found;
}
