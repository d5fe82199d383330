/*
 * expect.c - `expect` of a scenario.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/units.h"

static void read_exit(struct lang *l, const struct node *n, void *field);
static void read_allow(struct lang *l, const struct node *n, void *field);

enum expect_key {
	KEY_EXIT,
	KEY_SIGNAL,
	KEY_ALIVE,
	KEY_TIME,
	KEY_REST
};

#define KEY(word, read, field)                                                 \
	{                                                                      \
		word, read, offsetof(struct expectation, field)                \
	}
static const struct key keys[] = {
	[KEY_EXIT] = KEY("exit", read_exit, exit),
	[KEY_SIGNAL] = KEY("signal", read_signal, signal),
	[KEY_ALIVE] = KEY("alive", read_flag, alive),
	[KEY_TIME] = KEY("time", read_elapsed, time_ns),
	KEY("stdout", read_text_list, out),
	KEY("stderr", read_text_list, err),
	KEY("no_stdout", read_text_list, no_out),
	KEY("no_stderr", read_text_list, no_err),
	KEY("allow", read_allow, allow),
};
#undef KEY
enum {
	N_KEYS = sizeof(keys) / sizeof(keys[0])
};
const struct key_table expectation_keys = {keys, N_KEYS, IN_EXPECTATION, NULL};

/* INT or RANGE, of what exit(3) can give. */
static void read_status(struct lang *l, const struct node *n,
                        struct exit_expect *e)
{
	struct range range = {1, 0};

	read_range(l, n, &range);
	if (range.min > range.max)
		return;
	if (range.min > 255 || (range.max > 255 && range.max != INT64_MAX))
		lang_error(l, n->at, "an exit status is 0..255",
		           "`%s` is no exit status", n->text);
	else
		e->v[e->n++] = range;
}

static void read_exit(struct lang *l, const struct node *n, void *field)
{
	struct exit_expect *e = field;

	e->given = true;
	e->loc = locate(l, n->at);
	if (n->kind == NODE_SCALAR && !strcmp(n->text, "nonzero")) {
		e->nonzero = true;
		return;
	}
	if (!list_len(n))
		lang_error(l, n->at, NULL, "an empty list");
	e->v = arena_array(l->arena, list_len(n), sizeof(*e->v));
	for (size_t i = 0; i < list_len(n); i++)
		read_status(l, list_item(n, i), e);
}

static void read_allow(struct lang *l, const struct node *n, void *field)
{
	const char *words[N_VERDICTS];
	uint32_t *bits = field;

	for (size_t i = 0; i < N_VERDICTS; i++)
		words[i] = fault_verdicts[i].word;
	for (size_t i = 0; i < list_len(n); i++) {
		int w = need_word(l, list_item(n, i), IN_EXPECTATION, "verdict",
		                  words, N_VERDICTS);

		if (w >= 0)
			*bits |= 1u << w;
	}
}

static void allow_all(struct lang *l, const struct pair *p, struct scenario *s);

/* What stands beside the programs. */
static const struct {
	const char *word;
	void (*read)(struct lang *l, const struct pair *p, struct scenario *s);
} others[] = {
	{"calls", expect_calls_read},
	{"order", expect_order_read},
	{"files", expect_files_read},
	{"allow", allow_all},
};
enum {
	N_OTHERS = sizeof(others) / sizeof(others[0])
};

static void unknown_program(struct lang *l, const struct node *key,
                            const struct scenario *s)
{
	const char *names[PLAN_MAX_PROGRAMS + N_OTHERS];
	size_t n = 0;

	for (; n < s->n_programs; n++)
		names[n] = s->programs[n].name;
	for (size_t i = 0; i < N_OTHERS; i++)
		names[n++] = others[i].word;
	lang_error(l, key->at, did_you_mean_or_all(l, key->text, names, n),
	           "`%s` names no program", key->text);
}

/* The expectation of a program, new if there is none yet. */
static struct expectation *expectation_of(struct lang *l, struct scenario *s,
                                          size_t program,
                                          const struct node *key)
{
	struct expectation *e;

	for (size_t i = 0; i < s->n_expects; i++) {
		if (s->expects[i].program == program)
			return &s->expects[i];
	}
	e = &s->expects[s->n_expects++];
	*e = (struct expectation){
		.program = program, .loc = locate(l, key->at), .alive = -1};
	return e;
}

/* One end is expected, not two. */
static void check_end(struct lang *l, const struct given *given)
{
	static const enum expect_key ends[] = {KEY_EXIT, KEY_SIGNAL, KEY_ALIVE};
	const struct node *first = NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct node *key = given[ends[i]].key;

		if (key && first)
			lang_error(l, key->at, NULL,
			           "`%s` and `%s` exclude each other",
			           first->text, key->text);
		else if (key)
			first = key;
	}
}

static void read_expectation(struct lang *l, const struct pair *p, int program,
                             struct scenario *s)
{
	struct expectation *e = expectation_of(l, s, (size_t)program, p->key);
	struct given given[N_KEYS] = {0};

	e->loc = locate(l, p->key->at);
	if (!read_map(l, p->value, &expectation_keys, e, given))
		return;
	check_end(l, given);
	e->has_time = given[KEY_TIME].key != NULL;
	if (e->has_time)
		e->time_loc = locate(l, given[KEY_TIME].value->at);
	if (given[KEY_SIGNAL].key)
		e->signal_loc = locate(l, given[KEY_SIGNAL].value->at);
	if (given[KEY_ALIVE].key)
		e->alive_loc = locate(l, given[KEY_ALIVE].value->at);
}

/* `allow` beside the programs is for each of them. */
static void allow_all(struct lang *l, const struct pair *p, struct scenario *s)
{
	uint32_t allow = 0;

	read_allow(l, p->value, &allow);
	for (size_t i = 0; i < s->n_programs; i++)
		expectation_of(l, s, i, p->key)->allow |= allow;
}

static bool read_other(struct lang *l, const struct pair *p, struct scenario *s)
{
	for (size_t i = 0; i < N_OTHERS; i++) {
		if (strcmp(others[i].word, p->key->text) != 0)
			continue;
		others[i].read(l, p, s);
		return true;
	}
	return false;
}

void expect_read(struct lang *l, const struct node *map, struct scenario *s)
{
	if (map->kind != NODE_MAP) {
		lang_error(l, map->at, "write `PROGRAM: {exit: 0}`",
		           "expected programs by name, not %s",
		           node_kind_word(map));
		return;
	}
	s->expects = arena_array(l->arena, s->n_programs, sizeof(*s->expects));
	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];
		int program = program_find(s, p->key->text);

		if (read_other(l, p, s))
			continue;
		if (program < 0)
			unknown_program(l, p->key, s);
		else
			read_expectation(l, p, program, s);
	}
}
