/*
 * event.c - EVENT of the language: what a step can wait for.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/steps.h"

/* What may stand beside the word of an event. */
enum {
	HAS = 1,
	COUNT = 2,
	CALL_KEYS = 4, /* in, role, connection */
};

static const struct row {
	const char *word;
	unsigned places;
	unsigned beside;
	const char *example;
} rows[] = {
	[EVENT_EXIT] = {"exit", ON_TIMELINE, 0, "{exit: PROGRAM}"},
	[EVENT_READY] = {"ready", ON_TIMELINE, 0, "{ready: PROGRAM}"},
	[EVENT_OUTPUT] = {"output", ON_TIMELINE, HAS,
                          "{output: PROGRAM, has: TEXT}"},
	[EVENT_FILE] = {"file", ON_TIMELINE | IN_SCRIPT, HAS,
                        "{file: PATH, has: TEXT}"},
	[EVENT_HIT] = {"hit", ON_TIMELINE | IN_SCRIPT, COUNT,
                       "{hit: RULE, count: 1}"},
	[EVENT_CALL] = {"call", ON_TIMELINE, COUNT | CALL_KEYS,
                        "{call: accept, in: PROGRAM, count: 2}"},
};
enum {
	N_EVENTS = sizeof(rows) / sizeof(rows[0])
};

static const struct {
	const char *word;
	unsigned beside;
} besides[] = {
	{"has", HAS},        {"count", COUNT},          {"in", CALL_KEYS},
	{"role", CALL_KEYS}, {"connection", CALL_KEYS},
};
enum {
	N_BESIDES = sizeof(besides) / sizeof(besides[0])
};

static const struct row *find_event(const char *word)
{
	for (size_t i = 0; i < N_EVENTS; i++) {
		if (!strcmp(rows[i].word, word))
			return &rows[i];
	}
	return NULL;
}

static unsigned find_beside(const char *word)
{
	for (size_t i = 0; i < N_BESIDES; i++) {
		if (!strcmp(besides[i].word, word))
			return besides[i].beside;
	}
	return 0;
}

static void unknown_event(const struct step_reader *r, const struct node *map,
                          const struct node *key)
{
	const char *words[N_EVENTS + N_BESIDES];
	size_t n = 0;

	if (!strcmp(key->text, "within")) {
		lang_error(r->l, key->at, "write `{wait: {…}, within: 5s}`",
		           "`within` stands beside `wait`, not in its event");
		return;
	}
	for (size_t i = 0; i < N_EVENTS; i++) {
		if (!node_get(map, rows[i].word))
			continue;
		lang_error(r->l, key->at,
		           arena_printf(r->l->arena, "write `%s`",
		                        rows[i].example),
		           "`%s` does not go with `%s`", key->text,
		           rows[i].word);
		return;
	}
	for (size_t i = 0; i < N_EVENTS; i++)
		if (rows[i].places & r->place)
			words[n++] = rows[i].word;
	for (size_t i = 0; i < N_BESIDES; i++)
		words[n++] = besides[i].word;
	unknown_word(r->l, key->at, IN_EVENT, "event", key->text, words, n);
}

/* The pair that says what kind of event it is; NULL after a complaint. */
static const struct pair *find_kind(const struct step_reader *r,
                                    const struct node *map)
{
	const struct pair *found = NULL;

	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];

		if (find_beside(p->key->text))
			continue;
		if (!find_event(p->key->text)) {
			unknown_event(r, map, p->key);
			return NULL;
		}
		if (found) {
			lang_error(r->l, p->key->at,
			           "one step for each, one behind the other",
			           "`%s` and `%s`: a step waits for one event",
			           found->key->text, p->key->text);
			return NULL;
		}
		found = p;
	}
	if (!found)
		lang_error(r->l, map->at, "write `{ready: PROGRAM}`",
		           "no event stands here");
	return found;
}

void beside_wrong(const struct step_reader *r, const struct node *key,
                  const char *word, const char *example)
{
	lang_error(r->l, key->at,
	           arena_printf(r->l->arena, "write `%s`", example),
	           "`%s` does not go with `%s`", key->text, word);
}

/* What stands beside the event, and does it belong there? */
static bool check_besides(const struct step_reader *r, const struct node *map,
                          const struct row *row)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->pairs[i].key;
		unsigned beside = find_beside(key->text);

		if (!beside || beside & row->beside)
			continue;
		beside_wrong(r, key, row->word, row->example);
		return false;
	}
	return true;
}

static void read_program(const struct step_reader *r, const struct node *n,
                         struct event *e)
{
	int p = need_program(r->l, n, r->s);

	if (p < 0)
		return;
	e->program = (size_t)p;
	if (e->kind == EVENT_OUTPUT && r->s->programs[p].kind != PROGRAM_RUN)
		lang_error(r->l, n->at,
		           "`recv` in its own steps waits for data",
		           "`%s` is scripted, and writes no output",
		           r->s->programs[p].name);
}

/* The program of `in`, which has to run the library. */
static void read_in(const struct step_reader *r, const struct node *n,
                    struct event *e)
{
	uint64_t program;

	if (n->kind == NODE_LIST) {
		lang_error(r->l, n->at, "without `in` it is any of them",
		           "expected one program, not a list");
		return;
	}
	program = read_programs(r->l, n, r->s, "nobody sees its calls");
	if (program)
		e->program = (size_t)__builtin_ctzll(program);
}

static bool any_attached(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		if (s->programs[i].attach)
			return true;
	}
	return false;
}

static void read_call(const struct step_reader *r, const struct node *map,
                      const struct node *call, struct event *e)
{
	const struct node *in = node_get(map, "in");
	const struct node *role = node_get(map, "role");
	const struct node *connection = node_get(map, "connection");
	struct call_word *words = NULL;
	size_t n_words = read_calls(r->l, call, &words);

	call_words_merge(words, n_words, e->calls);
	if (in)
		read_in(r, in, e);
	else if (!any_attached(r->s))
		lang_error(r->l, map->at, NULL,
		           "no program here runs the library: nobody sees "
		           "its calls");
	if (role)
		read_roles(r->l, role, &e->roles);
	if (connection)
		read_pick(r->l, connection, &e->connection);
}

static void read_event_count(struct lang *l, const struct node *n,
                             struct event *e)
{
	read_range(l, n, &e->count);
	if (e->count.min < 1)
		lang_error(l, n->at,
		           "write `3` or `3..`, from what on it has happened",
		           "`%s` is so from the beginning", n->text);
}

/* What no event at all can be waited for with. */
static void check_has(const struct step_reader *r, const struct pair *kind,
                      const struct node *map, struct event *e)
{
	const struct node *has = node_get(map, "has");

	if (has)
		read_text_list(r->l, has, &e->has);
	else if (e->kind == EVENT_OUTPUT)
		lang_error(r->l, kind->key->at,
		           arena_printf(r->l->arena,
		                        "write `{output: %s, has: TEXT}`",
		                        kind->value->kind == NODE_SCALAR
		                                ? kind->value->text
		                                : "PROGRAM"),
		           "`output` without what it `has`");
}

static void read_kind(const struct step_reader *r, const struct node *map,
                      const struct pair *kind, struct event *e)
{
	switch (e->kind) {
	case EVENT_EXIT:
	case EVENT_READY:
	case EVENT_OUTPUT:
		read_program(r, kind->value, e);
		break;
	case EVENT_FILE:
		read_path(r->l, kind->value, &e->path);
		break;
	case EVENT_HIT:
		e->rule = rule_name_read(r->l, kind->value, r->s);
		break;
	case EVENT_CALL:
		read_call(r, map, kind->value, e);
		break;
	}
}

/* {wait: worker}: a word where a map belongs. */
static void no_event(const struct step_reader *r, const struct node *n)
{
	const char *hint =
		"write `{wait: 500ms}` or `{wait: {ready: PROGRAM}}`";

	if (n->kind == NODE_SCALAR && program_find(r->s, n->text) >= 0)
		hint = arena_printf(r->l->arena,
		                    "write `{wait: {exit: %s}}` or `{wait: "
		                    "{ready: %s}}`",
		                    n->text, n->text);
	if (n->kind == NODE_SCALAR && *n->text)
		lang_error(r->l, n->at, hint,
		           "`%s` is neither a duration nor an event", n->text);
	else
		lang_error(r->l, n->at, hint, "no event stands here");
}

bool event_read(const struct step_reader *r, const struct node *n,
                struct event *ret)
{
	size_t errors = r->l->n_errors;
	const struct node *count;
	const struct pair *kind;
	const struct row *row;

	if (n->kind != NODE_MAP) {
		no_event(r, n);
		return false;
	}
	kind = find_kind(r, n);
	row = kind ? find_event(kind->key->text) : NULL;
	if (!row || !check_besides(r, n, row))
		return false;
	*ret = (struct event){
		.kind = (enum event_kind)(row - rows),
		.loc = locate(r->l, kind->key->at),
		.program = r->s->n_programs,
		.count = {1, INT64_MAX},
	};
	if (!(row->places & r->place)) {
		lang_error(r->l, kind->key->at,
		           "a script waits for `file`, `hit` or a time",
		           "`%s` is an event of the timeline (`steps` at the "
		           "top)",
		           row->word);
		return false;
	}
	read_kind(r, n, kind, ret);
	check_has(r, kind, n, ret);
	count = node_get(n, "count");
	if (count)
		read_event_count(r->l, count, ret);
	return r->l->n_errors == errors;
}
