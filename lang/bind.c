/*
 * bind.c - one case of a suite, with its ${...} filled in: a scenario.
 */
#include <errno.h>
#include <string.h>

#include "lang/rule.h"
#include "lang/steps.h"
#include "lang/suite.h"

void suite_scope(const struct suite *s, size_t i, struct arena *a,
                 const struct suite_vars *run, struct scope *ret)
{
	const struct suite_case *c = &s->cases[i];
	const struct variant *variant = c->variant;
	size_t n = 0;
	struct binding *v =
		arena_array(a, s->n_outside + variant->n_axes + variant->n_vars,
	                    sizeof(*v));

	for (size_t k = 0; k < s->n_outside; k++)
		v[n++] = s->outside[k];
	for (size_t k = 0; k < variant->n_axes; k++)
		v[n++] = (struct binding){variant->axes[k].name,
		                          suite_axis_value(c, k), NULL};
	for (size_t k = 0; k < variant->n_vars; k++)
		v[n++] = variant->vars[k];
	*ret = (struct scope){v, n, run, s->here};
}

struct bind {
	const struct suite *suite;
	size_t i;
	const struct suite_vars *vars;
	bool warnings;
	struct scenario *s;
	struct diag_list *diags;
};

/* No `,` and no leading `!`: --tag a,!b */
static bool is_tag(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-.";

	return strspn(s, letters) == strlen(s);
}

static void read_tags(struct lang *l, const struct node *n, struct scenario *s)
{
	s->tags = arena_array(l->arena, list_len(n), sizeof(*s->tags));
	for (size_t i = 0; i < list_len(n); i++) {
		const struct node *item = list_item(n, i);
		const char *tag = need_text(l, item);

		if (tag && !is_tag(tag))
			lang_error(l, item->at, NULL,
			           "`%s` is no tag: letters, digits, `_`, `-` "
			           "and `.`",
			           tag);
		else if (tag)
			s->tags[s->n_tags++] = arena_strdup(l->arena, tag);
	}
}

/* Why it fails, for whom it may concern. */
static void read_todo(struct lang *l, const struct node *n, struct scenario *s)
{
	const char *reason = need_text(l, n);

	if (reason && (!strcmp(reason, "true") || !strcmp(reason, "yes")))
		lang_error(l, n->at, "write what is missing",
		           "`todo` wants the reason, not `%s`", reason);
	else if (reason && !strcmp(reason, "false"))
		lang_error(l, n->at, "leave it out",
		           "`todo` wants the reason, not `false`");
	else if (reason)
		s->todo = arena_strdup(l->arena, reason);
}

/* Commands, as execvp(3) looks them up: without arguments. */
static void read_needs(struct lang *l, const struct node *n, struct scenario *s)
{
	if (!list_len(n))
		lang_error(l, n->at, NULL, "an empty list of commands");
	s->needs = arena_array(l->arena, list_len(n), sizeof(*s->needs));
	for (size_t i = 0; i < list_len(n); i++) {
		const struct node *item = list_item(n, i);
		const char *command = need_text(l, item);

		if (command && command[strcspn(command, " \t\n")])
			lang_error(l, item->at,
			           arena_printf(l->arena, "write `[%.*s]`",
			                        (int)strcspn(command, " \t\n"),
			                        command),
			           "`%s` is more than the name of a command",
			           command);
		else if (command)
			s->needs[s->n_needs++] =
				arena_strdup(l->arena, command);
	}
}

static void read_faults(struct lang *l, const struct node *n,
                        struct scenario *s)
{
	bool attached = !s->n_programs;

	if (n->kind != NODE_LIST) {
		lang_error(l, n->at, "write `[{call: recv, inject: reset}]`",
		           "expected a list of rules, not %s",
		           n->kind == NODE_SCALAR && !*n->text
		                   ? "nothing"
		                   : node_kind_word(n));
		return;
	}
	for (size_t i = 0; i < s->n_programs; i++)
		attached |= s->programs[i].attach;
	if (!attached && n->n)
		lang_error(l, n->at, NULL,
		           "every program is scripted or has `attach: "
		           "false`: no fault can reach one");
	rules_read(l, n, s);
}

static void read_fixtures(struct lang *l, const struct given *given,
                          struct scenario *s)
{
	if (given[TOP_HOSTS].key)
		hosts_read(l, given[TOP_HOSTS].value, s);
	if (given[TOP_FILES].key)
		files_read(l, given[TOP_FILES].value, s);
	if (given[TOP_SETUP].key)
		commands_read(l, given[TOP_SETUP].value, &s->setup,
		              &s->n_setup);
	if (given[TOP_TEARDOWN].key)
		commands_read(l, given[TOP_TEARDOWN].value, &s->teardown,
		              &s->n_teardown);
}

/* Behind the rules, which steps name. */
static void read_steps(struct lang *l, const struct given *given,
                       struct scenario *s)
{
	static const enum top_key keys[] = {TOP_HOSTS, TOP_FILES, TOP_SETUP,
	                                    TOP_TEARDOWN, TOP_STEPS};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct node *key = given[keys[i]].key;

		if (key && !given[TOP_PROGRAMS].key)
			lang_error(l, key->at, NULL,
			           "`%s` is for scenarios with `programs`",
			           key->text);
	}
	if (!given[TOP_PROGRAMS].key)
		return;
	scripts_read(l, given[TOP_PROGRAMS].value, s);
	if (given[TOP_STEPS].key)
		timeline_read(l, given[TOP_STEPS].value, s);
	started_check(l, s);
}

/* The keys that stand alone, then programs before what names them. */
static void read_all(struct lang *l, const struct given *given,
                     struct scenario *s)
{
	if (given[TOP_NAME].key)
		read_text(l, given[TOP_NAME].value, &s->name);
	if (given[TOP_ABOUT].key)
		read_text(l, given[TOP_ABOUT].value, &s->about);
	if (given[TOP_TAGS].key)
		read_tags(l, given[TOP_TAGS].value, s);
	if (given[TOP_TODO].key)
		read_todo(l, given[TOP_TODO].value, s);
	if (given[TOP_NEEDS].key)
		read_needs(l, given[TOP_NEEDS].value, s);
	if (given[TOP_LIMIT].key)
		read_duration(l, given[TOP_LIMIT].value, &s->limit_ns);
	if (given[TOP_ALONE].key)
		read_bool(l, given[TOP_ALONE].value, &s->alone);
	read_fixtures(l, given, s);
	if (given[TOP_PROGRAMS].key)
		programs_read(l, given[TOP_PROGRAMS].value, s);
	if (given[TOP_FAULTS].key)
		read_faults(l, given[TOP_FAULTS].value, s);
	read_steps(l, given, s);
	if (given[TOP_EXPECT].key)
		expect_read(l, given[TOP_EXPECT].value, s);
}

/* The paths of all documents, as the scenario keeps them. */
static void keep_files(const struct suite *s, struct lang *l)
{
	struct source_file *files =
		arena_array(l->arena, s->n_documents, sizeof(*files));

	for (size_t i = 0; i < s->n_documents; i++) {
		const struct source *source = &s->documents[i]->source;

		files[i] = (struct source_file){
			source, arena_strdup(l->arena, source->path)};
	}
	l->source = files[0].source;
	l->path = files[0].path;
	l->files = files;
	l->n_files = s->n_documents;
}

static int bind_case(void *context)
{
	struct bind *b = context;
	struct arena *a = scenario_arena(b->s);
	const struct suite_case *c = &b->suite->cases[b->i];
	struct scope scope;
	struct lang l = {
		.arena = a,
		.diags = b->diags,
		.warnings = b->warnings,
		.scope = &scope,
	};

	keep_files(b->suite, &l);
	suite_scope(b->suite, b->i, a, b->vars, &scope);
	b->s->name = arena_strdup(a, c->name);
	read_all(&l, c->variant->given, b->s);
	return l.n_errors ? -EINVAL : 0;
}

int suite_bind_quietly(const struct suite *s, size_t i,
                       const struct suite_vars *vars, bool warnings,
                       struct scenario **ret_scenario, struct diag_list *diags)
{
	struct bind b = {s, i, vars, warnings, scenario_new(), diags};
	int r;

	r = b.s ? arena_try(scenario_arena(b.s), bind_case, &b) : -ENOMEM;
	if (r == -ENOMEM)
		diag_no_memory(diags, s->documents[0]->source.path);
	if (r < 0)
		scenario_free(b.s);
	else
		*ret_scenario = b.s;
	return r;
}

int suite_bind(const struct suite *s, size_t i, const struct suite_vars *vars,
               struct scenario **ret_scenario, struct diag_list *diags)
{
	return suite_bind_quietly(s, i, vars, true, ret_scenario, diags);
}
