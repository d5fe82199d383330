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
static void read_endpoint(struct lang *l, const struct node *n, void *field);
static void read_at_once(struct lang *l, const struct node *n, void *field);

enum {
	MAX_AT_ONCE = 1000 /* of `count` */
};

enum program_key {
	KEY_RUN,
	KEY_LISTEN,
	KEY_CONNECT,
	KEY_ENV,
	KEY_DIR,
	KEY_STDIN,
	KEY_ATTACH,
	KEY_READY,
	KEY_STOP,
	KEY_GRACE,
	KEY_STEPS,
	KEY_ACCEPT,
	KEY_STARTED,
	KEY_COUNT,
	KEY_REPEAT,
	N_KEYS
};

#define KEY(word, read, field)                                                 \
	{                                                                      \
		word, read, offsetof(struct program, field)                    \
	}
static const struct key keys[N_KEYS] = {
	[KEY_RUN] = KEY("run", read_argv, argv),
	[KEY_LISTEN] = KEY("listen", read_endpoint, address),
	[KEY_CONNECT] = KEY("connect", read_endpoint, address),
	[KEY_ENV] = KEY("env", read_env, env),
	[KEY_DIR] = KEY("dir", read_text, dir),
	[KEY_STDIN] = KEY("stdin", read_text, stdin_file),
	[KEY_ATTACH] = KEY("attach", read_bool, attach),
	[KEY_READY] = KEY("ready", read_ready, ready),
	[KEY_STOP] = KEY("stop", read_signal, stop_signal),
	[KEY_GRACE] = KEY("grace", read_duration, grace_ns),
	[KEY_STEPS] = {"steps", NULL, 0}, /* scripts_read() */
	[KEY_ACCEPT] = KEY("accept", read_bool, accept),
	[KEY_STARTED] = KEY("started", read_bool, started),
	[KEY_COUNT] = KEY("count", read_at_once, count),
	[KEY_REPEAT] = KEY("repeat", read_count, repeat),
};
#undef KEY
const struct key_table program_keys = {keys, N_KEYS, IN_PROGRAM, NULL};

/* What a key says of the kind of program that has it. */
static const struct {
	unsigned kinds; /* bits of enum program_kind; 0: any */
	const char *why;
} belongs[N_KEYS] = {
#define RUN      (1u << PROGRAM_RUN)
#define LISTEN   (1u << PROGRAM_LISTEN)
#define CONNECT  (1u << PROGRAM_CONNECT)
#define SCRIPTED (LISTEN | CONNECT)
	[KEY_ENV] = {RUN, "a scripted program has no environment"},
	[KEY_DIR] = {RUN, "a scripted program has no folder"},
	[KEY_STDIN] = {RUN, "`{send: {file: PATH}}` sends a file"},
	[KEY_ATTACH] = {RUN, "no fault can reach a scripted program"},
	[KEY_READY] = {RUN, "a scripted program is ready when it listens"},
	[KEY_STOP] = {RUN, "a scripted program takes no signals"},
	[KEY_GRACE] = {RUN, "a scripted program ends when it is told"},
	[KEY_STEPS] = {SCRIPTED, "what it does is for the program to say; "
                                 "those of the timeline stand at the top"},
	[KEY_ACCEPT] = {LISTEN, "only who listens can accept"},
#undef RUN
#undef LISTEN
#undef CONNECT
#undef SCRIPTED
};

void program_init(struct program *p, char *name)
{
	*p = (struct program){
		.name = name,
		.kind = PROGRAM_RUN,
		.accept = true,
		.started = true,
		.count = 1,
		.repeat = 1,
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
	/* As a text nobody would ever write it, and the limit would pass. */
	if (n->kind == NODE_SCALAR && n->plain &&
	    (!strcmp(n->text, "true") || !strcmp(n->text, "false"))) {
		lang_error(l, n->at, "write `listening`, or the text in quotes",
		           "`ready` is a sign to wait for, not `%s`", n->text);
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

/* PORT, or ADDR with one: it is one address, and not chosen by the kernel. */
static void read_endpoint(struct lang *l, const struct node *n, void *field)
{
	struct plan_addr *address = field;
	size_t errors = l->n_errors;
	const char *s = n->kind == NODE_SCALAR ? need_text(l, n) : "";

	if (!s)
		return;
	if (*s && strspn(s, "0123456789") == strlen(s)) {
		read_port(l, n, &address->port);
		return;
	}
	if (*s == '*' || !strncmp(s, "localhost", 9)) {
		lang_error(l, n->at,
		           *s == '*' ? "write \"0.0.0.0:${port}\""
		                     : "write \"127.0.0.1:${port}\"",
		           "`%s` is not an address", s);
		return;
	}
	read_address(l, n, address);
	if (l->n_errors != errors)
		return;
	if (strchr(s, '/'))
		lang_error(l, n->at, NULL,
		           "`%s` is a block of addresses, not one", s);
	else if (!address->port)
		lang_error(l, n->at,
		           arena_printf(l->arena,
		                        strchr(s, ':') && *s != '['
		                                ? "write \"[%s]:${port}\""
		                                : "write \"%s:${port}\"",
		                        s),
		           "`%s` is without a port", s);
}

static void read_at_once(struct lang *l, const struct node *n, void *field)
{
	uint32_t count = 1;

	read_count(l, n, &count);
	if (count > MAX_AT_ONCE)
		lang_error(l, n->at, "`repeat` is for one after the other",
		           "more than %d at once", MAX_AT_ONCE);
	*(uint32_t *)field = count;
}

/* Which of run, listen, connect; false after a complaint. */
static bool find_kind(struct lang *l, const struct given *given,
                      const struct node *key, struct program *p)
{
	static const struct {
		enum program_key key;
		enum program_kind kind;
	} kinds[] = {
		{KEY_RUN, PROGRAM_RUN},
		{KEY_LISTEN, PROGRAM_LISTEN},
		{KEY_CONNECT, PROGRAM_CONNECT},
	};
	const struct node *found = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct node *k = given[kinds[i].key].key;

		if (k && found) {
			lang_error(l, k->at, NULL,
			           "`%s` and `%s` exclude each other",
			           found->text, k->text);
			return false;
		}
		if (k) {
			found = k;
			p->kind = kinds[i].kind;
		}
	}
	if (!found)
		lang_error(l, key->at,
		           "a command, a port to serve, or an address to "
		           "connect to",
		           "`%s` has none of `run`, `listen` and `connect`",
		           key->text);
	return found != NULL;
}

/* Keys that the kind of program cannot have. */
static void check_kind(struct lang *l, const struct given *given,
                       const struct program *p)
{
	static const char *const words[] = {
		[PROGRAM_RUN] = "run",
		[PROGRAM_LISTEN] = "listen",
		[PROGRAM_CONNECT] = "connect",
	};

	for (size_t i = 0; i < N_KEYS; i++) {
		if (given[i].key && belongs[i].kinds &&
		    !(belongs[i].kinds >> p->kind & 1))
			lang_error(l, given[i].key->at, belongs[i].why,
			           "`%s` does not go with `%s`", keys[i].word,
			           words[p->kind]);
	}
}

static void check_counts(struct lang *l, const struct given *given,
                         const struct program *p)
{
	const struct given *steps = &given[KEY_STEPS];

	if (!p->accept && steps->key && p->kind == PROGRAM_LISTEN)
		lang_error(l, steps->key->at, NULL,
		           "`accept: false` leaves no connection that could "
		           "have `steps`");
	if (p->kind == PROGRAM_LISTEN && p->count > 1)
		lang_error(l, given[KEY_COUNT].key->at,
		           "it serves any number of connections",
		           "`count`: an address is listened to once");
	if (p->repeat > 1 &&
	    (p->kind == PROGRAM_LISTEN || p->ready != READY_NONE))
		lang_error(l, given[KEY_REPEAT].key->at,
		           "steps can `stop` and `start` it",
		           "`repeat` is for jobs: a service ends when it is "
		           "stopped");
}

static void read_program(struct lang *l, const struct pair *p,
                         struct program *ret)
{
	struct given given[N_KEYS] = {0};
	size_t errors = l->n_errors;

	program_init(ret, arena_strdup(l->arena, p->key->text));
	ret->loc = locate(l, p->key->at);
	check_name(l, p->key);
	if (p->value->kind == NODE_SCALAR && *p->value->text) {
		lang_error(l, p->value->at, "write `{run: COMMAND}`",
		           "a program is keys and values, not a text");
		return;
	}
	if (!read_map(l, p->value, &program_keys, ret, given))
		return;
	/* A key that is none may have been meant to be the one. */
	if (l->n_errors != errors && !given[KEY_RUN].key &&
	    !given[KEY_LISTEN].key && !given[KEY_CONNECT].key)
		return;
	if (!find_kind(l, given, p->key, ret))
		return;
	check_kind(l, given, ret);
	check_counts(l, given, ret);
	if (ret->kind != PROGRAM_RUN)
		ret->attach = false;
	if (ret->kind == PROGRAM_LISTEN)
		ret->ready = READY_LISTENING;
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
