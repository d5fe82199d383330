/*
 * program.c - `programs` of a scenario.
 */
#include <signal.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/keys.h"
#include "lang/model.h"
#include "plan/env.h"

static void read_argv(struct lang *l, const struct node *n, void *field);
static void read_env(struct lang *l, const struct node *n, void *field);
static void read_ready(struct lang *l, const struct node *n, void *field);

#define KEY(word, read, field)                                                 \
	{                                                                      \
		word, read, offsetof(struct program, field)                    \
	}
static const struct key keys[] = {
	KEY("run", read_argv, argv),
	KEY("env", read_env, env),
	KEY("dir", read_text, dir),
	KEY("stdin", read_text, stdin_file),
	KEY("attach", read_bool, attach),
	KEY("ready", read_ready, ready),
	KEY("stop", read_signal, stop_signal),
	KEY("grace", read_duration, grace_ns),
};
#undef KEY
static const struct key_table table = {keys, sizeof(keys) / sizeof(keys[0]),
                                       IN_PROGRAM, NULL};

void program_init(struct program *p, char *name)
{
	*p = (struct program){
		.name = name,
		.kind = PROGRAM_RUN,
		.attach = true,
		.stop_signal = SIGTERM,
		.grace_ns = 5000000000,
	};
}

static void read_argv(struct lang *l, const struct node *n, void *field)
{
	*(char ***)field = command_read(l, n);
}

/* The library is told by these what to do: no program may set them. */
static bool is_reserved(const char *name)
{
	static const char *const reserved[] = {
		FAULT_ENV_SHM,    FAULT_ENV_PROGRAM, FAULT_ENV_SCENARIO,
		FAULT_ENV_INJECT, FAULT_ENV_SEED,
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (!strcmp(name, reserved[i]))
			return true;
	}
	return false;
}

static void read_env(struct lang *l, const struct node *n, void *field)
{
	struct program *p = (struct program *)((char *)field -
	                                       offsetof(struct program, env));

	if (n->kind != NODE_MAP) {
		lang_error(l, n->at, "write `{NAME: VALUE}`",
		           "expected names and values, not %s",
		           node_kind_word(n));
		return;
	}
	p->env = arena_array(l->arena, n->n, sizeof(*p->env));
	for (size_t i = 0; i < n->n; i++) {
		const char *name = n->pairs[i].key->text;
		const char *value = expand_node(l, n->pairs[i].value);

		if (!*name || strchr(name, '='))
			lang_error(l, n->pairs[i].key->at, NULL,
			           "`%s` is no name of a variable", name);
		else if (is_reserved(name))
			lang_error(l, n->pairs[i].key->at, NULL,
			           "`%s` is set by fault itself", name);
		else if (value)
			p->env[p->n_env++] = (struct env_entry){
				arena_strdup(l->arena, name),
				arena_strdup(l->arena, value)};
	}
}

static void read_ready(struct lang *l, const struct node *n, void *field)
{
	struct program *p = (struct program *)((char *)field -
	                                       offsetof(struct program, ready));

	if (n->kind == NODE_SCALAR && !strcmp(n->text, "listening")) {
		p->ready = READY_LISTENING;
		return;
	}
	if (text_read(l, n, &p->ready_text))
		p->ready = READY_TEXT;
}

/* Names go into ids, folders, ${port.NAME} and beside the words of expect. */
static void check_name(struct lang *l, const struct node *key)
{
	static const char *const taken[] = {"calls", "order", "files", "allow"};

	if (!expand_is_name(key->text))
		lang_error(l, key->at, NULL,
		           "`%s` is no name: letters, digits, `_`, `-` and `.`",
		           key->text);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (!strcmp(key->text, taken[i]))
			lang_error(l, key->at, NULL,
			           "`%s` is a word of `expect`, no program's "
			           "name",
			           key->text);
	}
}

static void read_program(struct lang *l, const struct pair *p,
                         struct program *ret)
{
	struct given given[sizeof(keys) / sizeof(keys[0])] = {0};
	size_t errors = l->n_errors;

	program_init(ret, arena_strdup(l->arena, p->key->text));
	ret->loc = locate(l, p->key->at);
	check_name(l, p->key);
	if (read_map(l, p->value, &table, ret, given) && !given[0].key &&
	    l->n_errors == errors)
		lang_error(l, p->key->at, NULL, "`%s` has no `run`",
		           p->key->text);
}

void programs_read(struct lang *l, const struct node *map, struct scenario *s)
{
	if (map->kind != NODE_MAP || !map->n) {
		lang_error(l, map->at, "write `NAME: {run: COMMAND}`",
		           "expected programs by name, not %s",
		           map->kind == NODE_LIST ? "a list" : "nothing");
		return;
	}
	if (map->n > PLAN_MAX_PROGRAMS) {
		lang_error(l, map->at, NULL, "more than %d programs",
		           PLAN_MAX_PROGRAMS);
		return;
	}
	s->programs = arena_array(l->arena, map->n, sizeof(*s->programs));
	for (size_t i = 0; i < map->n; i++)
		read_program(l, &map->pairs[i], &s->programs[s->n_programs++]);
}
