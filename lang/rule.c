/*
 * rule.c - one entry of `faults`: keys to fields.
 */
#include <errno.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/units.h"

static void read_states(struct lang *l, const struct node *n, void *field);
static void read_per(struct lang *l, const struct node *n, void *field);
static void read_host(struct lang *l, const struct node *n, void *field);
static bool unknown_rule_key(struct lang *l, const struct pair *p);

static const struct key keys[] = {
#define K(word_, read_, field_)                                                \
	[RULE_KEY_##word_] = {#word_, read_,                                   \
	                      offsetof(struct rule_form, rule.field_)},
	RULE_KEYS(K)
#undef K
};

static const char *const words[] = {
#define K(word_, read_, field_) #word_,
	RULE_KEYS(K)
#undef K
};

const struct key_table rule_keys = {keys, N_RULE_KEYS, IN_RULE,
                                    unknown_rule_key};

const char *const *lang_rule_keys(size_t *ret_n)
{
	*ret_n = N_RULE_KEYS;
	return words;
}

/* Actions stand in `inject`; people put them beside `call`. */
static bool unknown_rule_key(struct lang *l, const struct pair *p)
{
	const char *word = p->key->text, *nearest,
		   *all[N_RULE_KEYS + N_ACTIONS];
	const struct fault_action_row *action = action_find(word);
	size_t n_actions;
	const char *const *actions = action_words(&n_actions);

	if (action && not_yet(l, p->key->at, AS_ACTION, word))
		return true;
	if (action) {
		lang_error(l, p->key->at,
		           action->value == VALUE_NONE
		                   ? arena_printf(l->arena,
		                                  "write `inject: %s`", word)
		                   : arena_printf(l->arena,
		                                  "write `inject: {%s: …}`",
		                                  word),
		           "`%s` is an action, not a key", word);
		return true;
	}
	if (not_yet(l, p->key->at, IN_RULE, word) ||
	    other_tools(l, p->key->at, IN_RULE, word))
		return true;
	memcpy(all, words, sizeof(words));
	memcpy(all + N_RULE_KEYS, actions, n_actions * sizeof(*actions));
	nearest = diag_nearest(word, all, N_RULE_KEYS + n_actions);
	if (!nearest || !action_find(nearest))
		return false;
	lang_error(l, p->key->at, did_you_mean(l, word, &nearest, 1),
	           "unknown action `%s`", word);
	return true;
}

static void read_states(struct lang *l, const struct node *n, void *field)
{
	uint16_t *states = field;

	for (size_t i = 0; i < list_len(n); i++) {
		int w = need_word(l, list_item(n, i), IN_RULE, "state",
		                  fault_state_names + 1, N_STATES - 1);

		if (w >= 0)
			*states |= (uint16_t)STATE_BIT(w + 1);
	}
}

static void read_per(struct lang *l, const struct node *n, void *field)
{
	static const char *const pers[] = {"connection", "process", "program",
	                                   "run"};
	int w = need_word(l, n, IN_RULE, "`per`", pers, 4);

	if (w >= 0)
		*(enum fault_per *)field = (enum fault_per)(w + PER_CONNECTION);
}

char *plain_host(struct arena *a, const char *name)
{
	char *host = arena_strdup(a, name);
	size_t len = strlen(host);

	/* Of the root; two of them are of no name, and stay. */
	if (len > 1 && host[len - 1] == '.' && host[len - 2] != '.')
		host[len - 1] = '\0';
	for (char *p = host; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 'a' - 'A') : *p;
	return host;
}

static void read_host(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n);
	struct plan_addr addr;
	struct refusal why;

	if (!s)
		return;
	if (units_address(s, &addr, &why) == 0) {
		lang_error(l, n->at, "`peer` is for addresses",
		           "`%s` is an address: nobody resolves it", s);
		return;
	}
	*(char **)field = plain_host(l->arena, s);
}

/*
 * MODULE[!SYMBOL].  A module is known by the last part of its path, a symbol by
 * its name as the linker has it.
 */
static void read_caller(struct lang *l, const struct node *n, struct rule *rule)
{
	const char *s = need_text(l, n), *bang, *slash;

	if (!s)
		return;
	bang = strchr(s, '!');
	slash = strrchr(s, '/');
	if (slash)
		lang_error(
			l, n->at,
			arena_printf(l->arena, "write `%s`", slash + 1),
			"`caller` takes the name of a file, without folders");
	else if (s[strcspn(s, "*?[\"\\ \t")])
		lang_error(l, n->at, "write the whole name: `libpq.so.5`",
		           "`%s` is not the name of a module", s);
	else if (bang == s || (bang && (!bang[1] || strchr(bang + 1, '!'))))
		lang_error(l, n->at,
		           "write `libpq.so.5` or `libpq.so.5!PQexec`",
		           "`%s` is not MODULE or MODULE!SYMBOL", s);
	else {
		rule->caller_module = arena_strndup(
			l->arena, s, bang ? (size_t)(bang - s) : strlen(s));
		rule->caller_symbol =
			bang ? arena_strdup(l->arena, bang + 1) : NULL;
	}
}

/* SIZE, or PICK of SIZE. */
static void read_bytes(struct lang *l, const struct node *n, struct rule *rule)
{
	const char *s = need_text(l, n), *of;
	struct node part = *n;

	if (!s)
		return;
	of = strstr(s, " of ");
	rule->bytes = (struct plan_pick){.first = 1, .last = 1, .step = 1};
	if (of) {
		part.text = arena_strndup(l->arena, s, (size_t)(of - s));
		read_pick(l, &part, &rule->bytes);
	}
	part.text = of ? of + 4 : s;
	read_size(l, &part, &rule->bytes_unit);
}

/* DUR since the program's start, or the name of a rule. */
static void read_after(struct lang *l, const struct node *n,
                       struct rule_form *f)
{
	const char *s = need_text(l, n);
	struct refusal why;

	if (!s)
		return;
	if (units_duration(s, &f->rule.after_ns, &why) == 0 ||
	    (*s >= '0' && *s <= '9'))
		read_duration(l, n, &f->rule.after_ns);
	else
		f->after = s;
}

static void warn_order(struct lang *l, const struct rule_form *f)
{
	static const enum rule_key timed[] = {RULE_KEY_after, RULE_KEY_for,
	                                      RULE_KEY_age, RULE_KEY_idle};
	const struct given *per = &f->given[RULE_KEY_per];

	if (per->key && f->rule.per == PER_RUN)
		lang_note(l, per->key->at,
		          "`per: run` depends on the order of connections: not "
		          "repeatable");
	for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++) {
		const struct given *g = &f->given[timed[i]];

		if (g->key && !f->after)
			lang_note(l, g->key->at,
			          "`%s` depends on time: not repeatable",
			          g->key->text);
	}
}

/* What the table could not read by itself; errors: before this rule. */
static void read_rest(struct lang *l, struct rule_form *f,
                      const struct scenario *s, struct mark at, size_t errors)
{
	const struct given *given = f->given;

	if (given[RULE_KEY_in].key)
		f->rule.programs = read_programs(l, given[RULE_KEY_in].value, s,
		                                 "no fault can reach it");
	if (given[RULE_KEY_call].key)
		f->n_words =
			read_calls(l, given[RULE_KEY_call].value, &f->words);
	if (given[RULE_KEY_caller].key)
		read_caller(l, given[RULE_KEY_caller].value, &f->rule);
	if (given[RULE_KEY_bytes].key)
		read_bytes(l, given[RULE_KEY_bytes].value, &f->rule);
	if (given[RULE_KEY_after].key)
		read_after(l, given[RULE_KEY_after].value, f);
	if (given[RULE_KEY_inject].key)
		actions_read(l, given[RULE_KEY_inject].value, &f->rule);
	else if (l->n_errors == errors)
		lang_error(l, at, NULL, "a rule without an action (`inject`)");
}

static void rule_read(struct lang *l, const struct node *n,
                      const struct scenario *s, struct rule_form *f)
{
	size_t errors = l->n_errors;

	*f = (struct rule_form){0};
	f->rule = (struct rule){
		.name = arena_strdup(l->arena, ""),
		.loc = locate(l, n->at),
		.armed = true,
		.hits = {1, INT64_MAX},
		.programs = UINT64_MAX,
		.after_rule = -1,
	};
	if (!read_map(l, n, &rule_keys, f, f->given))
		return;
	read_rest(l, f, s, n->at, errors);
	if (l->n_errors != errors)
		return;
	if (f->given[RULE_KEY_call].key)
		rule_check(l, f);
	else
		rule_check_self(l, f);
	call_words_merge(f->words, f->n_words, f->rule.calls);
	f->rule.text = rule_text(l, f);
	warn_order(l, f);
}

/* How many rules have the name; ret_rule: the first of them. */
static size_t count_named(const struct scenario *s, const uint64_t *hashes,
                          const char *name, int *ret_rule)
{
	uint64_t hash = plan_hash_string(name);
	size_t n = 0;

	for (size_t i = 0; i < s->n_rules; i++) {
		if (hashes[i] != hash || strcmp(s->rules[i].name, name))
			continue;
		if (!n++)
			*ret_rule = (int)i;
	}
	return n;
}

/* `after: NAME` of the rules from `first` on; names holds theirs. */
static void resolve_after(struct lang *l, struct scenario *s, size_t first,
                          const struct given *after, const char **names)
{
	uint64_t *hashes = arena_array(l->arena, s->n_rules, sizeof(*hashes));

	for (size_t i = 0; i < s->n_rules; i++)
		hashes[i] = plan_hash_string(s->rules[i].name);
	for (size_t i = first; i < s->n_rules; i++) {
		const char *name = names[i - first];
		size_t found;

		if (!name)
			continue;
		found = count_named(s, hashes, name, &s->rules[i].after_rule);
		if (!found)
			lang_error(l, after[i - first].value->at, NULL,
			           "`%s` is neither a duration nor the name of "
			           "a rule",
			           name);
		if (found > 1)
			lang_error(l, after[i - first].value->at, NULL,
			           "`%s` is the name of %zu rules, `after` "
			           "needs one",
			           name, found);
	}
}

/* A rule that waits for itself, over others, never acts. */
static void check_circles(struct lang *l, const struct scenario *s,
                          size_t first, const struct given *after)
{
	for (size_t i = first; i < s->n_rules; i++) {
		int at = s->rules[i].after_rule;

		for (size_t n = 0; at >= 0 && n < s->n_rules; n++) {
			if ((size_t)at == i) {
				lang_error(l, after[i - first].value->at, NULL,
				           "the rule waits for itself");
				break;
			}
			at = s->rules[at].after_rule;
		}
	}
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Different callers, or one more than there may be. */
static size_t count_callers(const struct scenario *s)
{
	size_t different = 0;

	for (size_t i = 0; i < s->n_rules && different <= PLAN_MAX_CALLERS;
	     i++) {
		const struct rule *r = &s->rules[i];
		size_t j = 0;

		if (!r->caller_module)
			continue;
		while (!same_text(r->caller_module,
		                  s->rules[j].caller_module) ||
		       !same_text(r->caller_symbol, s->rules[j].caller_symbol))
			j++;
		different += j == i;
	}
	return different;
}

/* A call is asked for all of them at once (plan.h). */
static void check_callers(struct lang *l, const struct scenario *s,
                          struct mark at)
{
	if (count_callers(s) > PLAN_MAX_CALLERS)
		lang_error(l, at, NULL, "more than %d different callers",
		           PLAN_MAX_CALLERS);
}

bool rules_read(struct lang *l, const struct node *list, struct scenario *s)
{
	size_t errors = l->n_errors, first = s->n_rules;
	struct given *after = arena_array(l->arena, list->n, sizeof(*after));
	const char **names = arena_array(l->arena, list->n, sizeof(*names));
	struct rule_form f;

	if (list->n > PLAN_MAX_RULES - s->n_rules) {
		lang_error(l, list->at, NULL, "more than %d rules",
		           PLAN_MAX_RULES);
		return false;
	}
	for (size_t i = 0; i < list->n && !too_many_errors(l); i++) {
		rule_read(l, list->items[i], s, &f);
		after[i] = f.given[RULE_KEY_after];
		names[i] = f.after;
		s->rules = arena_grow(l->arena, s->rules, s->n_rules,
		                      sizeof(*s->rules));
		s->rules[s->n_rules++] = f.rule;
	}
	if (l->n_errors == errors)
		resolve_after(l, s, first, after, names);
	if (l->n_errors == errors)
		check_circles(l, s, first, after);
	if (l->n_errors == errors)
		check_callers(l, s, list->at);
	if (l->n_errors != errors)
		s->n_rules = first;
	return l->n_errors == errors;
}
