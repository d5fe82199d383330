/*
 * steps.c - STEP of the language: of the timeline and of scripts.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/steps.h"
#include "lang/units.h"

enum {
	MAX_STEPS = 10000, /* of one timeline or script, repeated ones once */
	MAX_NESTING = 8,   /* of `repeat` */
};

/* What may stand beside the word of a step. */
enum {
	WITHIN = 1,
	STEPS = 2,
	RATE = 4,
};

typedef void step_value(struct step_reader *r, const struct node *n,
                        struct step *step);
static step_value read_wait, read_repeat, read_program, read_signal_to,
	read_rule, read_run, read_send, read_recv;

#define ANYWHERE (ON_TIMELINE | IN_SCRIPT)
static const struct row {
	const char *word;
	unsigned places;
	step_value *read; /* NULL: the word alone */
	unsigned beside;
	const char *example;
} rows[N_STEP_KINDS] = {
	/* and STEP_WAIT_TIME, of the same word */
	[STEP_WAIT_EVENT] = {"wait", ANYWHERE, read_wait, WITHIN,
                             "{wait: 500ms}"},
	[STEP_REPEAT] = {"repeat", ANYWHERE, read_repeat, STEPS,
                         "{repeat: 3, steps: [STEP, …]}"},
	[STEP_START] = {"start", ON_TIMELINE, read_program, 0,
                        "{start: PROGRAM}"},
	[STEP_STOP] = {"stop", ON_TIMELINE, read_program, 0, "{stop: PROGRAM}"},
	[STEP_SIGNAL] = {"signal", ON_TIMELINE, read_signal_to, 0,
                         "{signal: {PROGRAM: HUP}}"},
	[STEP_ARM] = {"arm", ON_TIMELINE, read_rule, 0, "{arm: RULE}"},
	[STEP_DISARM] = {"disarm", ON_TIMELINE, read_rule, 0, "{disarm: RULE}"},
	[STEP_RUN] = {"run", ON_TIMELINE, read_run, 0, "{run: COMMAND}"},
	[STEP_SEND] = {"send", IN_SCRIPT, read_send, RATE, "{send: TEXT}"},
	[STEP_RECV] = {"recv", IN_SCRIPT, read_recv, WITHIN, "{recv: TEXT}"},
	[STEP_CLOSE] = {"close", IN_SCRIPT, NULL, 0, "close"},
	[STEP_RESET] = {"reset", IN_SCRIPT, NULL, 0, "reset"},
	[STEP_HALF_CLOSE] = {"half_close", IN_SCRIPT, NULL, 0, "half_close"},
	[STEP_ECHO] = {"echo", IN_SCRIPT, NULL, 0, "echo"},
	[STEP_DRAIN] = {"drain", IN_SCRIPT, NULL, 0, "drain"},
};

static const struct {
	const char *word;
	unsigned beside;
} besides[] = {{"within", WITHIN}, {"steps", STEPS}, {"rate", RATE}};
enum {
	N_BESIDES = sizeof(besides) / sizeof(besides[0])
};

static unsigned find_beside(const char *word)
{
	for (size_t i = 0; i < N_BESIDES; i++) {
		if (!strcmp(besides[i].word, word))
			return besides[i].beside;
	}
	return 0;
}

static void unknown_step(const struct step_reader *r, struct mark at,
                         const char *word)
{
	const char *words[N_STEP_KINDS + N_BESIDES], *hint;
	struct arena_text list = {0};
	size_t n = 0;

	if (not_yet(r->l, at, IN_STEP, word) ||
	    other_tools(r->l, at, IN_STEP, word))
		return;
	for (size_t i = 0; i < N_STEP_KINDS; i++) {
		if (!rows[i].word || !(rows[i].places & r->place))
			continue;
		arena_text_adds(r->l->arena, &list, n ? ", " : "there are ");
		arena_text_adds(r->l->arena, &list, rows[i].word);
		words[n++] = rows[i].word;
	}
	for (size_t i = 0; i < N_BESIDES; i++)
		words[n++] = besides[i].word;
	hint = did_you_mean(r->l, word, words, n);
	lang_error(r->l, at, hint ? hint : list.s, "unknown step `%s`", word);
}

/* The row of a word that may stand here; NULL after a complaint. */
static const struct row *find_step(const struct step_reader *r, struct mark at,
                                   const char *word)
{
	const struct row *row = NULL;

	for (size_t i = 0; i < N_STEP_KINDS; i++) {
		if (rows[i].word && !strcmp(rows[i].word, word))
			row = &rows[i];
	}
	if (!row) {
		unknown_step(r, at, word);
	} else if (!(row->places & r->place)) {
		if (r->place == IN_SCRIPT)
			lang_error(r->l, at,
			           "it belongs into `steps` at the top",
			           "`%s` is a step of the timeline, not of a "
			           "script",
			           word);
		else
			lang_error(r->l, at,
			           "it belongs into `steps` of a program with "
			           "`listen` or `connect`",
			           "`%s` is a step of a script, not of the "
			           "timeline",
			           word);
		row = NULL;
	}
	return row;
}

static void write_example(const struct step_reader *r, struct mark at,
                          const struct row *row, const char *what)
{
	lang_error(r->l, at,
	           arena_printf(r->l->arena, "write `%s`", row->example),
	           "`%s` %s", row->word, what);
}

/* --- the values ------------------------------------------------------------*/

/* DUR means ..DUR. */
static void read_within(struct lang *l, const struct node *n, struct step *step)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (!s)
		return;
	step->has_within = true;
	if (units_duration_range(s, &step->within_ns, &why) < 0)
		refused(l, n, s, &why);
	else if (!step->within_ns.max)
		lang_error(l, n->at, NULL, "`%s` is zero", s);
	else if (!strstr(s, ".."))
		step->within_ns.min = INT64_MIN;
}

static void read_wait(struct step_reader *r, const struct node *n,
                      struct step *step)
{
	const char *s;

	if (n->kind != NODE_SCALAR) {
		event_read(r, n, &step->event);
		return;
	}
	s = need_text(r->l, n);
	if (!s)
		return;
	if (*s < '0' || *s > '9') {
		event_read(r, n, &step->event); /* says what is wrong */
		return;
	}
	step->kind = STEP_WAIT_TIME;
	read_duration(r->l, n, &step->time_ns);
}

static bool list_read(struct step_reader *r, const struct node *n,
                      struct step_list *ret);

static void read_repeat(struct step_reader *r, const struct node *n,
                        struct step *step)
{
	const char *s = need_text(r->l, n);

	if (!s || !strcmp(s, "forever"))
		return;
	if (*s < '0' || *s > '9')
		lang_error(r->l, n->at, "write `3`, or `forever`",
		           "`%s` is no number of times", s);
	else
		read_count(r->l, n, &step->times);
}

static void read_repeated(struct step_reader *r, const struct node *n,
                          struct step *step)
{
	struct step_list list = {0};

	if (r->depth == MAX_NESTING) {
		lang_error(r->l, n->at, NULL,
		           "`repeat` in `repeat` more than %d deep",
		           MAX_NESTING);
		return;
	}
	r->depth++;
	list_read(r, n, &list);
	r->depth--;
	step->steps = list.v;
	step->n_steps = list.n;
}

static void read_program(struct step_reader *r, const struct node *n,
                         struct step *step)
{
	int p;

	if (n->kind == NODE_LIST) {
		lang_error(r->l, n->at, "one step for each",
		           "expected one program, not a list");
		return;
	}
	p = need_program(r->l, n, r->s);
	step->program = p < 0 ? 0 : (size_t)p;
}

/* {PROGRAM: SIG} */
static void read_signal_to(struct step_reader *r, const struct node *n,
                           struct step *step)
{
	int p;

	if (n->kind != NODE_MAP || n->n != 1) {
		write_example(r, n->at, &rows[STEP_SIGNAL],
		              n->kind == NODE_MAP && n->n > 1
		                      ? "is for one program"
		                      : "needs a program and a signal");
		return;
	}
	p = need_program(r->l, n->pairs[0].key, r->s);
	read_signal(r->l, n->pairs[0].value, &step->signal);
	if (p < 0)
		return;
	step->program = (size_t)p;
	if (r->s->programs[p].kind != PROGRAM_RUN)
		lang_error(r->l, n->pairs[0].key->at, "`stop` ends it",
		           "`%s` is scripted, and takes no signals",
		           r->s->programs[p].name);
}

static void unknown_rule(struct lang *l, const struct node *n, const char *name,
                         const struct scenario *s)
{
	const char **names =
		arena_array(l->arena, s->n_rules + 1, sizeof(*names));
	const char *hint;
	size_t n_names = 0;

	for (size_t i = 0; i < s->n_rules; i++) {
		if (*s->rules[i].name)
			names[n_names++] = s->rules[i].name;
	}
	hint = did_you_mean_or_all(l, name, names, n_names);
	if (!hint && !n_names)
		hint = "give the rule a `name`";
	lang_error(l, n->at, hint, "`%s` is the name of no rule", name);
}

char *rule_name_read(struct lang *l, const struct node *n,
                     const struct scenario *s)
{
	const char *name = need_text(l, n);

	if (!name)
		return NULL;
	for (size_t i = 0; i < s->n_rules; i++) {
		if (!strcmp(s->rules[i].name, name))
			return arena_strdup(l->arena, name);
	}
	/* Rules with mistakes in them are not there. */
	if (!l->n_errors || s->n_rules)
		unknown_rule(l, n, name, s);
	return NULL;
}

static void read_rule(struct step_reader *r, const struct node *n,
                      struct step *step)
{
	step->rule = rule_name_read(r->l, n, r->s);
}

static void read_run(struct step_reader *r, const struct node *n,
                     struct step *step)
{
	step->run.argv = command_read(r->l, n);
	step->run.loc = locate(r->l, n->at);
}

/* {size: SIZE} or {file: PATH} */
static void read_send_map(struct step_reader *r, const struct node *n,
                          struct step *step)
{
	static const char hint[] =
		"write a text, `{size: 64KiB}` or `{file: PATH}`";
	const struct pair *p = n->pairs;

	if (!n->n)
		lang_error(r->l, n->at, hint, "nothing to send");
	else if (n->n == 1 && !strcmp(p->key->text, "size"))
		read_size(r->l, p->value, &step->size);
	else if (n->n == 1 && !strcmp(p->key->text, "file"))
		read_path(r->l, p->value, &step->file);
	else if (node_get(n, "rate"))
		lang_error(r->l, p->key->at, "write `{send: …, rate: 64KiB/s}`",
		           "`rate` stands beside `send`, not in it");
	else
		lang_error(r->l, p->key->at, hint, "`%s` cannot be sent",
		           p->key->text);
}

/* Is there an escape \x80 to \xff in the line, behind the node's begin? */
static bool has_high_escape(const struct lang *l, const struct node *n)
{
	const struct source *source = n->at.source ? n->at.source : l->source;
	size_t end, i = source_offset(source, n->at);

	source_line(source, n->at.line, &end);
	for (bool quoted = source->text[i] == '"'; quoted && i + 2 < end; i++) {
		if (!strncmp(source->text + i, "\\x", 2) &&
		    strchr("89abcdefABCDEF", source->text[i + 2]))
			return true;
	}
	return false;
}

/* YAML's \xff is a character: two bytes in UTF-8, where one was meant. */
static void warn_bytes(struct lang *l, const struct node *n, const char *s)
{
	while (*s && (unsigned char)*s < 0x80)
		s++;
	if (*s && has_high_escape(l, n))
		lang_warn(l, n->at, "`{send: {file: PATH}}` sends any bytes",
		          "`\\x80` and above are characters to YAML, of two "
		          "bytes each");
}

/* What is no text where it can be received. */
static void warn_word(struct lang *l, const struct node *n, const char *s)
{
	const char *hint = NULL;
	uint64_t size;

	if (parse_size(s, &size) == 0)
		hint = arena_printf(l->arena, "write `{size: %s}`", s);
	else if (!strcmp(s, "eof"))
		hint = "`half_close` ends what is sent";
	else if (!strcmp(s, "reset"))
		hint = "the step is `reset`";
	if (n->plain && hint)
		lang_warn(l, n->at, hint,
		          "`%s` is sent as these %zu characters", s, strlen(s));
}

static void read_send(struct step_reader *r, const struct node *n,
                      struct step *step)
{
	const char *s;

	if (n->kind == NODE_MAP) {
		read_send_map(r, n, step);
		return;
	}
	s = need_text(r->l, n);
	if (!s)
		return;
	step->n_bytes = strlen(s);
	step->bytes = arena_strndup(r->l->arena, s, step->n_bytes);
	warn_word(r->l, n, s);
	warn_bytes(r->l, n, s);
}

/*
 * Is it a size, or meant to be one?  "200 OK" and "5 apples" are texts.
 */
static bool is_size(struct lang *l, const struct node *n, const char *s,
                    struct step *step)
{
	struct refusal why;

	if (units_size(s, &step->size, &why) == 0) {
		if (!step->size)
			lang_error(l, n->at, NULL, "`%s` is zero", s);
		return true;
	}
	if (*s < '0' || *s > '9' || !why.proposal[0] || strchr(s, ' '))
		return false;
	lang_error(l, n->at,
	           arena_printf(l->arena,
	                        "did you mean `%s`?  The text is `/%s/`",
	                        why.proposal, s),
	           "`%s` %s", s, why.reason);
	return true;
}

static void read_recv(struct step_reader *r, const struct node *n,
                      struct step *step)
{
	const char *s;

	if (n->kind == NODE_LIST) {
		lang_error(r->l, n->at, "one `recv` for each",
		           "expected one text, not a list");
		return;
	}
	s = need_text(r->l, n);
	if (!s)
		return;
	if (!strcmp(s, "eof"))
		step->recv = RECV_EOF;
	else if (!strcmp(s, "reset"))
		step->recv = RECV_RESET;
	else if (is_size(r->l, n, s, step))
		step->recv = RECV_SIZE;
	else if (text_read(r->l, n, &step->text))
		warn_bytes(r->l, n, s);
}

/* --- a step ----------------------------------------------------------------*/

/* The pair that says what kind of step it is; NULL after a complaint. */
static const struct pair *find_kind(const struct step_reader *r,
                                    const struct node *map,
                                    const struct row **ret_row)
{
	const struct pair *found = NULL;

	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];

		if (find_beside(p->key->text))
			continue;
		if (found) {
			lang_error(r->l, p->key->at,
			           "each is an entry of the list of its own",
			           "`%s` and `%s`: two steps in one",
			           found->key->text, p->key->text);
			return NULL;
		}
		*ret_row = find_step(r, p->key->at, p->key->text);
		if (!*ret_row)
			return NULL;
		found = p;
	}
	if (!found && map->n)
		lang_error(r->l, map->pairs[0].key->at, NULL,
		           "`%s` stands beside a step, and there is none",
		           map->pairs[0].key->text);
	else if (!found)
		lang_error(r->l, map->at, NULL, "no step stands here");
	return found;
}

static bool check_besides(const struct step_reader *r, const struct node *map,
                          const struct row *row, const struct step *step)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->pairs[i].key;
		unsigned beside = find_beside(key->text);

		if (beside == WITHIN && step->kind == STEP_WAIT_TIME) {
			lang_error(r->l, key->at, NULL,
			           "`within` is for events: a time comes by "
			           "itself");
			return false;
		}
		if (!beside || beside & row->beside)
			continue;
		beside_wrong(r, key, row->word, row->example);
		return false;
	}
	return true;
}

static void read_besides(struct step_reader *r, const struct node *map,
                         const struct row *row, struct step *step)
{
	const struct node *within = node_get(map, "within");
	const struct node *steps = node_get(map, "steps");
	const struct node *rate = node_get(map, "rate");

	if (within)
		read_within(r->l, within, step);
	if (rate)
		read_rate(r->l, rate, &step->rate);
	if (steps)
		read_repeated(r, steps, step);
	else if (row->beside & STEPS)
		write_example(r, map->at, row, "needs `steps`");
}

static void read_step_map(struct step_reader *r, const struct node *n,
                          struct step *step)
{
	const struct row *row = NULL;
	const struct pair *kind = find_kind(r, n, &row);

	if (!kind)
		return;
	step->kind = (enum step_kind)(row - rows);
	if (row->read)
		row->read(r, kind->value, step);
	else
		write_example(r, kind->value->at, row, "takes no value");
	if (check_besides(r, n, row, step))
		read_besides(r, n, row, step);
}

/* - close */
static void read_step_word(struct step_reader *r, const struct node *n,
                           struct step *step)
{
	const char *s = need_text(r->l, n);
	const struct row *row = s ? find_step(r, n->at, s) : NULL;

	if (!row)
		return;
	step->kind = (enum step_kind)(row - rows);
	if (row->read)
		write_example(r, n->at, row, "needs a value");
}

static void read_step(struct step_reader *r, const struct node *n,
                      struct step *step)
{
	*step = (struct step){.loc = locate(r->l, n->at)};
	if (n->kind == NODE_SCALAR)
		read_step_word(r, n, step);
	else if (n->kind == NODE_MAP)
		read_step_map(r, n, step);
	else
		lang_error(r->l, n->at, NULL,
		           "expected a step, not a list in a list");
}

static bool list_read(struct step_reader *r, const struct node *n,
                      struct step_list *ret)
{
	if (n->kind != NODE_LIST || !n->n) {
		lang_error(r->l, n->at,
		           r->place == IN_SCRIPT
		                   ? "write `[{recv: TEXT}, {send: TEXT}]`"
		                   : "write `[{wait: 1s}, {arm: RULE}]`",
		           "expected a list of steps, not %s",
		           n->kind == NODE_LIST ? "an empty one"
		           : n->kind == NODE_SCALAR && !*n->text
		                   ? "nothing"
		                   : node_kind_word(n));
		return false;
	}
	if (n->n > MAX_STEPS - r->n_steps) {
		lang_error(r->l, n->at, "`repeat` says it shorter",
		           "more than %d steps", MAX_STEPS);
		return false;
	}
	r->n_steps += n->n;
	ret->v = arena_array(r->l->arena, n->n, sizeof(*ret->v));
	for (size_t i = 0; i < n->n && !too_many_errors(r->l); i++)
		read_step(r, n->items[i], &ret->v[ret->n++]);
	return true;
}

/* --- the lists -------------------------------------------------------------*/

void timeline_read(struct lang *l, const struct node *n, struct scenario *s)
{
	struct step_reader r = {l, s, ON_TIMELINE, 0, 0};
	size_t errors = l->n_errors;

	if (list_read(&r, n, &s->steps) && l->n_errors == errors)
		timeline_check(l, s);
}

static bool is_all(const struct plan_pick *pick)
{
	return pick->first <= 1 && pick->last == UINT32_MAX &&
	       pick->step == 1 && !pick->ratio;
}

static void read_script(struct lang *l, const struct scenario *s,
                        struct program *p, const struct node *n)
{
	struct step_reader r = {l, s, IN_SCRIPT, 0, 0};
	struct script *script = &p->scripts[p->n_scripts++];
	size_t errors = l->n_errors;

	if (list_read(&r, n, &script->steps) && l->n_errors == errors)
		script_check(l, &script->steps);
}

/* [STEP..], or {PICK of connections: [STEP..]} */
static void read_scripts(struct lang *l, const struct scenario *s,
                         struct program *p, const struct node *n)
{
	const struct node *all = NULL;

	if (n->kind != NODE_MAP) {
		p->scripts = arena_array(l->arena, 1, sizeof(*p->scripts));
		read_script(l, s, p, n);
		return;
	}
	if (!n->n)
		lang_error(l, n->at, "write `{1: [STEP, …], 2+: [STEP, …]}`",
		           "no connections, and no steps for them");
	p->scripts = arena_array(l->arena, n->n, sizeof(*p->scripts));
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key;
		struct plan_pick *pick = &p->scripts[p->n_scripts].connections;

		read_pick(l, key, pick);
		if (all)
			lang_error(
				l, key->at, NULL,
				"`%s` never has a connection: `%s` before it "
				"takes them all",
				key->text, all->text);
		if (is_all(pick) && pick->first)
			all = key;
		read_script(l, s, p, n->pairs[i].value);
	}
}

void scripts_read(struct lang *l, const struct node *map, struct scenario *s)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		const struct node *n = map->pairs[i].value;
		struct program *p = &s->programs[i];

		n = n->kind == NODE_MAP ? node_get(n, "steps") : NULL;
		if (n && p->kind != PROGRAM_RUN)
			read_scripts(l, s, p, n);
	}
}
