/*
 * keys.c - maps by table, and the readers of the simple types.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/keys.h"
#include "lang/units.h"

size_t list_len(const struct node *n)
{
	return n->kind == NODE_LIST ? n->n : 1;
}

const struct node *list_item(const struct node *n, size_t i)
{
	return n->kind == NODE_LIST ? n->items[i] : n;
}

struct source_loc locate(const struct lang *l, struct mark at)
{
	const char *path = l->path;

	for (size_t i = 0; at.source && i < l->n_files; i++) {
		if (l->files[i].source == at.source)
			path = l->files[i].path;
	}
	return (struct source_loc){path, at.line, at.column};
}

struct mark place_of(const struct lang *l, const struct source_loc *loc)
{
	struct mark at = {loc->line, loc->column, NULL};

	for (size_t i = 0; i < l->n_files; i++) {
		if (l->files[i].path == loc->file)
			at.source = l->files[i].source;
	}
	return at;
}

/* Where what may stand there is printed, as there is no room for it here. */
static const char *where_listed(enum place place)
{
	static const struct {
		enum place place;
		const char *hint;
	} rows[] = {
		{IN_RULE, "`fault list keys` prints what there is"},
		{AS_ACTION, "`fault list actions` prints what there is"},
		{AS_CALL, "`fault list calls` prints what there is"},
		{AS_ERRNO, "`fault list errnos` prints what there is"},
		{IN_TOP, "fault-scenario(5) names them all"},
		{IN_PROGRAM, "fault-scenario(5) names them all"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].place == place)
			return rows[i].hint;
	return NULL;
}

void unknown_word(struct lang *l, struct mark at, enum place place,
                  const char *what, const char *word, const char *const *words,
                  size_t n)
{
	const char *hint;

	if (not_yet(l, at, place, word) || other_tools(l, at, place, word))
		return;
	if (place == AS_ACTION && fault_errno_number(word)) {
		lang_error(l, at,
		           arena_printf(l->arena, "write `{error: %s}`", word),
		           "`%s` is an errno, not an action", word);
		return;
	}
	hint = did_you_mean_or_all(l, word, words, n);
	lang_error(l, at, hint ? hint : where_listed(place), "unknown %s `%s`",
	           what, word);
}

static void unknown_key(struct lang *l, const struct pair *p,
                        const struct key_table *table)
{
	const char **words;

	if (table->unknown && table->unknown(l, p))
		return;
	words = arena_array(l->arena, table->n, sizeof(*words));
	for (size_t i = 0; i < table->n; i++)
		words[i] = table->keys[i].word;
	unknown_word(l, p->key->at, table->place, "key", p->key->text, words,
	             table->n);
}

static const struct key *find(const struct key_table *table, const char *word)
{
	for (size_t i = 0; i < table->n; i++) {
		if (!strcmp(table->keys[i].word, word))
			return &table->keys[i];
	}
	return NULL;
}

bool read_map(struct lang *l, const struct node *map,
              const struct key_table *table, void *object, struct given *given)
{
	if (map->kind != NODE_MAP) {
		lang_error(l, map->at, NULL, "expected keys and values, not %s",
		           map->kind == NODE_SCALAR && !*map->text
		                   ? "nothing"
		                   : node_kind_word(map));
		return false;
	}
	for (size_t i = 0; i < map->n && !too_many_errors(l); i++) {
		const struct pair *p = &map->pairs[i];
		const struct key *key = find(table, p->key->text);

		if (!key) {
			unknown_key(l, p, table);
			continue;
		}
		if (given)
			given[key - table->keys] =
				(struct given){p->key, p->value};
		if (key->read)
			key->read(l, p->value, (char *)object + key->offset);
	}
	return true;
}

const char *need_text(struct lang *l, const struct node *n)
{
	const char *s = expand_node(l, n);

	if (s && !*s) {
		lang_error(l, n->at, NULL, "nothing stands here");
		return NULL;
	}
	return s;
}

int need_word(struct lang *l, const struct node *n, enum place place,
              const char *what, const char *const *words, size_t n_words)
{
	const char *s = need_text(l, n);

	for (size_t i = 0; s && i < n_words; i++) {
		if (!strcmp(words[i], s))
			return (int)i;
	}
	if (s)
		unknown_word(l, n->at, place, what, s, words, n_words);
	return -1;
}

/* "`5` has no unit, did you mean `5ms`?" */
void refused(struct lang *l, const struct node *n, const char *s,
             const struct refusal *why)
{
	const char *hint = NULL;

	if (why->proposal[0])
		hint = arena_printf(l->arena, "did you mean `%s`?",
		                    why->proposal);
	lang_error(l, n->at, hint, "`%s` %s", s, why->reason);
}

void read_text(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n);

	if (s)
		*(char **)field = arena_strdup(l->arena, s);
}

void read_bool(struct lang *l, const struct node *n, void *field)
{
	static const char *const truths[] = {"true", "yes", "on", "y", "1"};
	static const char *const lies[] = {"false", "no", "off", "n", "0"};
	const char *s = need_text(l, n), *hint = NULL;

	if (!s)
		return;
	if (!strcmp(s, "true") || !strcmp(s, "false")) {
		*(bool *)field = *s == 't';
		return;
	}
	for (size_t i = 0; i < 5; i++) {
		if (!strcasecmp(s, truths[i]))
			hint = "write `true`";
		if (!strcasecmp(s, lies[i]))
			hint = "write `false`";
	}
	lang_error(l, n->at, hint, "`%s` is neither `true` nor `false`", s);
}

void read_flag(struct lang *l, const struct node *n, void *field)
{
	bool flag = false;
	size_t errors = l->n_errors;

	read_bool(l, n, &flag);
	if (l->n_errors == errors)
		*(int *)field = flag;
}

/* A quantity that is not zero, through one of the parsers of units.h. */
static bool quantity(struct lang *l, const struct node *n,
                     int (*parse)(const char *, uint64_t *, struct refusal *),
                     uint64_t *ret)
{
	const char *s = need_text(l, n);
	struct refusal why;
	uint64_t v;

	if (!s)
		return false;
	if (parse(s, &v, &why) < 0) {
		refused(l, n, s, &why);
		return false;
	}
	if (!v) {
		lang_error(l, n->at, NULL, "`%s` is zero", s);
		return false;
	}
	*ret = v;
	return true;
}

void read_duration(struct lang *l, const struct node *n, void *field)
{
	quantity(l, n, units_duration, field);
}

void read_size(struct lang *l, const struct node *n, void *field)
{
	quantity(l, n, units_size, field);
}

void read_rate(struct lang *l, const struct node *n, void *field)
{
	quantity(l, n, units_rate, field);
}

void read_count(struct lang *l, const struct node *n, void *field)
{
	uint64_t v;

	if (!quantity(l, n, units_count, &v))
		return;
	if (v >= UINT32_MAX)
		lang_error(l, n->at, NULL, "`%s` is too large", n->text);
	else
		*(uint32_t *)field = (uint32_t)v;
}

void read_port(struct lang *l, const struct node *n, void *field)
{
	uint64_t v;

	if (!quantity(l, n, units_count, &v))
		return;
	if (v > UINT16_MAX)
		lang_error(l, n->at, NULL, "`%s` is no port", n->text);
	else
		*(uint16_t *)field = (uint16_t)v;
}

void read_range(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (s && units_range(s, field, &why) < 0)
		refused(l, n, s, &why);
}

void read_size_range(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (s && units_size_range(s, field, &why) < 0)
		refused(l, n, s, &why);
}

void read_elapsed(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n), *hint = NULL;
	struct range *range = field;
	struct refusal why;

	if (!s)
		return;
	if (units_duration_range(s, range, &why) < 0) {
		if (*why.proposal)
			hint = arena_printf(l->arena, "did you mean `..%s`?",
			                    why.proposal);
		lang_error(l, n->at, hint, "`%s` %s", s, why.reason);
	} else if (range->min == range->max) {
		lang_error(l, n->at, arena_printf(l->arena, "write `..%s`", s),
		           "no program takes `%s` exactly", s);
	}
}

void read_pick(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (s && units_pick(s, field, &why) < 0)
		refused(l, n, s, &why);
}

void read_address(struct lang *l, const struct node *n, void *field)
{
	struct refusal why;
	const char *s;

	if (n->kind != NODE_SCALAR) {
		lang_error(l, n->at, "quote it: \"[::1]:80\"",
		           "an address in brackets is %s to YAML",
		           node_kind_word(n));
		return;
	}
	s = need_text(l, n);
	if (s && units_address(s, field, &why) < 0)
		refused(l, n, s, &why);
}

void read_signal(struct lang *l, const struct node *n, void *field)
{
	const char *words[64], *s = need_text(l, n);
	char *near;
	size_t n_words = 0;
	int number = s ? signal_number(s) : 0;

	if (!s)
		return;
	if (number) {
		*(int *)field = number;
		return;
	}
	for (int i = 1; i < 64; i++) {
		if (signal_name(i))
			words[n_words++] = signal_name(i);
	}
	number = *s >= '0' && *s <= '9' && strlen(s) < 3 ? atoi(s) : 0;
	if (signal_name(number)) {
		lang_error(l, n->at,
		           arena_printf(l->arena, "write `%s`",
		                        signal_name(number)),
		           "`%s` is a number, not a signal's name", s);
		return;
	}
	near = arena_strdup(l->arena, s + (strncasecmp(s, "SIG", 3) ? 0 : 3));
	for (char *c = near; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
	lang_error(l, n->at, did_you_mean(l, near, words, n_words),
	           "unknown signal `%s`", s);
}
