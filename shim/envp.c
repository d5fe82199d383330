/*
 * envp.c - see envp.h.
 */
#include <string.h>

#include "envp.h"
#include "plan/env.h"

#include "poison.h"

struct envp_kept envp_kept;

/* ---- names and values ---------------------------------------------------- */

const char *envp_value(const char *entry, const char *name)
{
	while (*name && *entry == *name) {
		entry++;
		name++;
	}
	return *name ? NULL : entry;
}

/* Have both the same name?  What is overwritten may have no '='. */
static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b && *a != '=') {
		a++;
		b++;
	}
	return *a == '=' && *b == '=';
}

/* ---- LD_PRELOAD: entries between spaces and colons (ld.so(8)) -------------
 */

static size_t entry_len(const char *at)
{
	return strcspn(at, " :");
}

static const char *base_name(const char *entry, size_t *len)
{
	const char *base = entry;

	for (size_t i = 0; i < *len; i++)
		if (entry[i] == '/')
			base = entry + i + 1;
	*len -= (size_t)(base - entry);
	return base;
}

bool envp_has_library(const char *value)
{
	const size_t wanted = strlen(envp_kept.library);

	for (;;) {
		size_t len = entry_len(value);
		const char *next = value + len;
		const char *base = base_name(value, &len);

		if (len == wanted && !memcmp(base, envp_kept.library, len))
			return true;
		if (!*next)
			return false;
		value = next + 1;
	}
}

size_t envp_preload_place(const char *value, size_t len)
{
	size_t place = 0, at = 0;

	while (at < len) {
		size_t n = entry_len(value + at), base_len = n;
		const char *base = base_name(value + at, &base_len);

		at += n + 1;
		if (envp_value(base, "libasan.so") ||
		    envp_value(base, "libclang_rt.asan"))
			place = at < len ? at : len;
	}
	return place;
}

/* ---- looking ------------------------------------------------------------- */

static bool is_there(char *const *envp, const char *kept)
{
	for (; *envp; envp++)
		if (same_name(*envp, kept))
			return true;
	return false;
}

/* It says which run, and is none of ours. */
static bool names_another_run(const char *entry)
{
	static const char *const names[] = {
		FAULT_ENV_SHM "=",
		FAULT_ENV_SCENARIO "=",
		FAULT_ENV_INJECT "=",
	};
	bool names_one = false;

	if (entry[0] != 'F')
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		names_one |= envp_value(entry, names[i]) != NULL;
	for (size_t i = 1; names_one && i < envp_kept.n; i++)
		names_one = strcmp(entry, envp_kept.vars[i]) != 0;
	return names_one;
}

struct envp_need envp_look(char *const *envp)
{
	static char *const none[] = {NULL};
	const struct envp_need others = {.other = true};
	struct envp_need need = {0};
	const char *preload = NULL;

	if (!envp)
		envp = none;
	for (; envp[need.n]; need.n++) {
		const char *value = envp_value(envp[need.n], ENVP_PRELOAD);

		if (names_another_run(envp[need.n]))
			return others;
		if (!value)
			continue;
		preload = value;
		need.at = need.n;
	}
	for (size_t i = 1; i < envp_kept.n; i++)
		need.n_new += !is_there(envp, envp_kept.vars[i]);
	if (!preload) {
		need.n_new++;
	} else if (!envp_has_library(preload)) {
		need.merge = true;
		need.preload_len = strlen(preload);
		need.bytes = strlen(envp_kept.vars[0]) + need.preload_len + 2;
	}
	if (need.n_new || need.merge)
		need.bytes += (need.n + need.n_new + 1) * sizeof(char *);
	return need;
}

/* ---- copying ------------------------------------------------------------- */

static char *put(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

/* LD_PRELOAD=ours:theirs, or with ours behind a run-time library of ASan. */
static void merge(const struct envp_need *need, const char *theirs, char *to)
{
	const char *ours = envp_kept.vars[0] + strlen(ENVP_PRELOAD);
	const size_t place = envp_preload_place(theirs, need->preload_len);
	const size_t rest = need->preload_len - place;

	to = put(to, ENVP_PRELOAD, strlen(ENVP_PRELOAD));
	to = put(to, theirs, place);
	if (place && theirs[place - 1] != ':' && theirs[place - 1] != ' ')
		*to++ = ':';
	to = put(to, ours, strlen(ours));
	if (rest) {
		*to++ = ':';
		to = put(to, theirs + place, rest);
	}
	*to = '\0';
}

char **envp_copy(const struct envp_need *need, char *const *envp, void *memory)
{
	const size_t most = need->n + need->n_new;
	char **copy = memory;
	char *text = (char *)(copy + most + 1);
	size_t n = 0;

	for (; n < need->n && envp[n]; n++)
		copy[n] = envp[n];
	if (need->merge && need->at < n) {
		merge(need, envp_value(copy[need->at], ENVP_PRELOAD), text);
		copy[need->at] = text;
	}
	copy[n] = NULL;
	for (size_t i = 0; i < envp_kept.n && n < most; i++) {
		if (is_there(copy, envp_kept.vars[i]))
			continue;
		/* Of libc's prototype; nobody writes to it. */
		memcpy(&copy[n++], &envp_kept.vars[i], sizeof(char *));
		copy[n] = NULL;
	}
	return copy;
}
