/*
 * schema_types.c - see schema_types.h.
 *
 * YAML has numbers where the language has texts, so a type that may look like
 * one says so; a variable, ${…}, may stand for every value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/keys.h"
#include "lang/units.h"
#include "plan/tables.h"
#include "runner/schema_types.h"

/* Names of errnos and of the resolver's codes are in this range. */
enum {
	MIN_ERRNO = -16,
	MAX_ERRNO = 256
};

#define NUMBER "[0-9]+"
#define PICK   NUMBER "(\\.\\." NUMBER ")?(\\+(" NUMBER ")?)?|[0-9.]+%"

/* Scalars by pattern; %D, %S: a duration, a size. */
static const struct {
	const char *name, *pattern;
	int least; /* of a number that may stand for it; -1: none may */
	const char *about;
} scalars[] = {
	{"duration", "%D", -1, "200ms, 1.5s, 2m"},
	{"time_range", "(%D)?\\.\\.(%D)?", -1, "..1s, 90ms.., 1s..2s"},
	{"size", "%S", -1, "1B, 64KiB, 1MB"},
	{"size_range", "%S|(%S)?\\.\\.(%S)?", -1, "0B, 1B.., 1KiB..1MiB"},
	{"rate", "%S/s", -1, "64KiB/s"},
	{"share", "[0-9.]+%", -1, "50%"},
	{"count", NUMBER, 1, "a number from 1"},
	{"number", NUMBER, 0, "a number"},
	{"port", NUMBER, 1, "a port"},
	{"range", NUMBER "|(" NUMBER ")?\\.\\.(" NUMBER ")?", 0,
         "3, 1.., ..5, 2..5"},
	{"pick", PICK, 1, "3, 2..5, 3+, 3+2, 3..9+2, 10%"},
	{"bytes", "((" PICK ") of )?%S", -1, "64KiB, 2+ of 1KiB"},
	{"address",
         "\\[?[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(/[0-9]+)?\\]?(/"
         "[0-9]+)?(:[0-9]+)?",
         -1, "127.0.0.1, 10.0.0.0/8, [::1]:80"},
	{"caller", "[^!/*? ]+(![^!/*? ]+)?", -1,
         "libpq.so.5, libpq.so.5!PQexec"},
};

/* Texts, by what JSON has for them. */
static const struct {
	const char *name, *json;
} others[] = {
	{"variable", "{'type': 'string', 'pattern': '\\\\$\\\\{'}"},
	{"text", "{'type': ['string', 'number', 'boolean'], 'minLength': 1}"},
	{"value", "{'type': ['string', 'number', 'boolean', 'null']}"},
	{"boolean",
         "{'anyOf': [{'type': 'boolean'}, {'$ref': '#/$defs/variable'}]}"},
	{"version", "{'enum': [1, '1']}"},
};

/* ---- shapes -------------------------------------------------------------- */

static json_t *reference(const char *name, size_t len)
{
	return json_pack("{s:o}", "$ref",
	                 json_sprintf("#/$defs/%.*s", (int)len, name));
}

/* One alternative: a name, and perhaps * + or : behind it. */
static json_t *alternative(const char *shape, size_t len)
{
	char last = shape[len - 1];
	json_t *to = reference(shape, len - (strchr("*+:", last) != NULL));

	if (last == '*')
		return json_pack("{s:s, s:o}", "type", "array", "items", to);
	if (last == '+')
		return json_pack("{s:s, s:i, s:o}", "type", "array", "minItems",
		                 1, "items", to);
	if (last == ':')
		return json_pack("{s:s, s:o}", "type", "object",
		                 "additionalProperties", to);
	return to;
}

json_t *schema_shape(const char *shape)
{
	json_t *any;

	if (!strchr(shape, '|'))
		return alternative(shape, strlen(shape));
	any = json_array();
	while (any) {
		size_t len = strcspn(shape, "|");

		json_array_append_new(any, alternative(shape, len));
		shape += len;
		if (!*shape)
			break;
		shape++;
	}
	return json_pack("{s:o}", "anyOf", any);
}

/* ---- scalars ------------------------------------------------------------- */

/* "[0-9]+(\.[0-9]+)?(ns|us|…)" */
static void quantity(FILE *out, const char *(*unit)(size_t i))
{
	fputs("[0-9]+(\\.[0-9]+)?(", out);
	for (size_t i = 0; unit(i); i++)
		fprintf(out, "%s%s", i ? "|" : "", unit(i));
	fputc(')', out);
}

/* The pattern over the whole text, its quantities filled in; free() it. */
static char *whole_pattern(const char *pattern)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fputs("^(", out);
	for (const char *p = pattern; *p; p++) {
		if (!strncmp(p, "%D", 2) || !strncmp(p, "%S", 2))
			quantity(out, *++p == 'D' ? units_of_duration
			                          : units_of_size);
		else
			fputc(*p, out);
	}
	fputs(")$", out);
	fclose(out);
	return text;
}

static json_t *scalar(const char *pattern, int least, const char *about)
{
	char *whole = whole_pattern(pattern);
	json_t *any = json_pack("[{s:s, s:s*}, {s:s}]", "type", "string",
	                        "pattern", whole, "$ref", "#/$defs/variable");

	free(whole);
	if (least >= 0)
		json_array_append_new(any,
		                      json_pack("{s:s, s:i}", "type", "integer",
		                                "minimum", least));
	return json_pack("{s:s, s:o}", "description", about, "anyOf", any);
}

/* ---- words --------------------------------------------------------------- */

/* A set of words, in the order in which they come. */
static void add_word(json_t *set, const char *word)
{
	json_object_set_new(set, word, json_true());
}

/* A call, and the names that a header makes of it: __read_chk is `read`. */
static void add_symbol(json_t *set, const char *symbol)
{
	static const char *const suffixes[] = {"_chk", "64"};
	const char *plain = symbol + (strncmp(symbol, "__", 2) ? 0 : 2);
	size_t len = strlen(plain);

	add_word(set, symbol);
	add_word(set, plain);
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && !strcmp(plain + len - n, suffixes[i]))
			json_object_setn_new(set, plain, len - n, json_true());
	}
}

static void fill_calls(json_t *set)
{
	for (int i = 0; i < FAMILY_TABLE; i++)
		add_word(set, fault_families[i].word);
	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++) {
		if (fault_calls[i].kind == FAULT_INJECT)
			add_symbol(set, fault_calls[i].symbol);
	}
}

static void fill_errnos(json_t *set)
{
	for (int i = MIN_ERRNO; i < MAX_ERRNO; i++) {
		if (fault_errno_name(i))
			add_word(set, fault_errno_name(i));
	}
}

static void fill_results(json_t *set)
{
	add_word(set, "ok");
	fill_errnos(set);
}

static void fill_signals(json_t *set)
{
	char full[32];

	for (int i = 1; i < 64; i++) {
		if (!signal_name(i))
			continue;
		snprintf(full, sizeof(full), "SIG%s", signal_name(i));
		add_word(set, signal_name(i));
		add_word(set, full);
	}
}

static void fill_roles(json_t *set)
{
	for (int i = 1; i < N_ROLES; i++)
		add_word(set, fault_role_names[i]);
}

static void fill_states(json_t *set)
{
	for (int i = 1; i < N_STATES; i++)
		add_word(set, fault_state_names[i]);
}

static void fill_verdicts(json_t *set)
{
	for (int i = 0; i < N_VERDICTS; i++)
		add_word(set, fault_verdicts[i].word);
}

/* Actions that say everything by their word. */
static void fill_actions(json_t *set)
{
	for (int i = 0; i < N_ACTIONS; i++) {
		if (fault_actions[i].ready &&
		    (fault_actions[i].value == VALUE_NONE || i == ACTION_EOF ||
		     i == ACTION_STALL))
			add_word(set, fault_actions[i].word);
	}
}

static const struct {
	const char *name;
	void (*fill)(json_t *set);
	const char *words; /* or these, separated by blanks */
} enumerations[] = {
	{"call", fill_calls, NULL},
	{"errno", fill_errnos, NULL},
	{"result", fill_results, NULL},
	{"signal", fill_signals, NULL},
	{"role", fill_roles, NULL},
	{"state", fill_states, NULL},
	{"verdict", fill_verdicts, NULL},
	{"action_word", fill_actions, NULL},
	{"per", NULL, "connection process program run"},
	{"distribution", NULL, "uniform normal pareto"},
	{"nonzero", NULL, "nonzero"},
	{"forever", NULL, "forever"},
	{"half", NULL, "half"},
	{"descriptors", NULL, "descriptors"},
	{"script_word", NULL, "close reset half_close echo drain"},
};

static void fill_words(json_t *set, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		json_object_setn_new(set, words, len, json_true());
		words += len + (words[len] == ' ');
	}
}

/* The words, or a variable that stands for one. */
static json_t *enumeration(json_t *set)
{
	json_t *words = json_array();
	const char *word;
	json_t *unused;

	json_object_foreach(set, word, unused)
		json_array_append_new(words, json_string(word));
	json_decref(set);
	return json_pack("{s:[{s:o}, {s:s}]}", "anyOf", "enum", words, "$ref",
	                 "#/$defs/variable");
}

/* ---- all ----------------------------------------------------------------- */

/* Texts with ' for ", which is easier to read in C. */
static json_t *parse(const char *json)
{
	char *text = strdup(json);
	json_t *value;

	for (char *p = text; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	value = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return value;
}

bool schema_add_types(json_t *defs)
{
	int failed = 0;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		failed |= json_object_set_new(defs, others[i].name,
		                              parse(others[i].json));
	for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
		failed |= json_object_set_new(defs, scalars[i].name,
		                              scalar(scalars[i].pattern,
		                                     scalars[i].least,
		                                     scalars[i].about));
	for (size_t i = 0; i < sizeof(enumerations) / sizeof(enumerations[0]);
	     i++) {
		json_t *set = json_object();

		if (enumerations[i].fill)
			enumerations[i].fill(set);
		else
			fill_words(set, enumerations[i].words);
		failed |= json_object_set_new(defs, enumerations[i].name,
		                              enumeration(set));
	}
	return !failed;
}
