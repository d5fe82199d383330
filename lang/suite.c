/*
 * suite.c - a file of the language: read, its cases found, all of it checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/suite.h"

enum {
	MAX_CASES = 4096,
	MAX_NODES = 100000,    /* of a file with its parts */
	MAX_CHECKED = 4 << 20, /* nodes of cases that loading checks */
};

/* Of a case's name, which goes into ids. */
#define CASE_LETTERS                                                           \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

static const struct key keys[] = {
	[TOP_VERSION] = {"version", NULL, 0},
	[TOP_NAME] = {"name", NULL, 0},
	[TOP_ABOUT] = {"about", NULL, 0},
	[TOP_TAGS] = {"tags", NULL, 0},
	[TOP_TODO] = {"todo", NULL, 0},
	[TOP_NEEDS] = {"needs", NULL, 0},
	[TOP_LIMIT] = {"limit", NULL, 0},
	[TOP_ALONE] = {"alone", NULL, 0},
	[TOP_USE] = {"use", NULL, 0},
	[TOP_VARS] = {"vars", NULL, 0},
	[TOP_MATRIX] = {"matrix", NULL, 0},
	[TOP_CASES] = {"cases", NULL, 0},
	[TOP_HOSTS] = {"hosts", NULL, 0},
	[TOP_FILES] = {"files", NULL, 0},
	[TOP_SETUP] = {"setup", NULL, 0},
	[TOP_TEARDOWN] = {"teardown", NULL, 0},
	[TOP_PROGRAMS] = {"programs", NULL, 0},
	[TOP_FAULTS] = {"faults", NULL, 0},
	[TOP_STEPS] = {"steps", NULL, 0},
	[TOP_EXPECT] = {"expect", NULL, 0},
};
const struct key_table top_keys = {keys, N_TOP_KEYS, IN_TOP, NULL};

struct load {
	const char *text, *path;
	size_t len;
	const struct file_id *id; /* NULL: it is in memory only */
	const struct suite_vars *vars;
	struct suite *suite;
	struct scenario *trial; /* of the check, freed also when we jump */
	struct diag_list *diags;
};

/* Of the file and of each part. */
static void check_version(struct lang *l, const struct document *d)
{
	const struct node *version;

	if (!d->top || d->top->kind != NODE_MAP)
		return;
	version = node_get(d->top, "version");
	if (!version && l->n_errors)
		return; /* it may be there, misspelt */
	if (!version)
		lang_error(l, d->top->at, "begin with `version: 1`",
		           "no `version`");
	else if (version->kind != NODE_SCALAR || strcmp(version->text, "1"))
		lang_error(l, version->at, "write `version: 1`",
		           "a version of the language that is not known here");
}

/* The plain value of a variable; what is in it is replaced at its use. */
static const char *variable_value(struct lang *l, const struct node *n)
{
	if (n->kind == NODE_SCALAR)
		return n->text;
	lang_error(l, n->at, NULL, "expected one value, not %s",
	           node_kind_word(n));
	return NULL;
}

static bool check_names(struct lang *l, const struct given *given)
{
	size_t errors = l->n_errors;

	if (given->value->kind != NODE_MAP) {
		lang_error(l, given->value->at, NULL,
		           "expected names and values, not %s",
		           node_kind_word(given->value));
		return false;
	}
	for (size_t i = 0; i < given->value->n; i++) {
		const struct node *key = given->value->pairs[i].key;

		if (!expand_is_name(key->text))
			lang_error(l, key->at, NULL,
			           "`%s` is no name of a variable", key->text);
		else if (expand_is_runtime(key->text))
			lang_error(l, key->at, NULL,
			           "`${%s}` is given by fault itself",
			           key->text);
	}
	return l->n_errors == errors;
}

static void read_vars(struct lang *l, struct variant *s)
{
	const struct node *map = s->given[TOP_VARS].value;

	if (!map || !check_names(l, &s->given[TOP_VARS]))
		return;
	s->vars = arena_array(l->arena, map->n, sizeof(*s->vars));
	for (size_t i = 0; i < map->n; i++) {
		const char *value = variable_value(l, map->pairs[i].value);

		if (value)
			s->vars[s->n_vars++] = (struct binding){
				map->pairs[i].key->text, value,
				map->pairs[i].value->at.source};
	}
}

/* Two cases of the same id could not be told apart. */
static bool has_value(const struct axis *axis, const char *value)
{
	for (size_t i = 0; i < axis->n; i++) {
		if (!strcmp(axis->values[i], value))
			return true;
	}
	return false;
}

static void read_axis(struct lang *l, const struct pair *p, struct axis *ret)
{
	size_t len = list_len(p->value);

	*ret = (struct axis){.name = p->key->text};
	if (!len || len > MAX_CASES) {
		lang_error(l, p->value->at, NULL, "%s list of values",
		           len ? "too long a" : "an empty");
		return;
	}
	ret->values = arena_array(l->arena, len, sizeof(*ret->values));
	for (size_t i = 0; i < len; i++) {
		const struct node *item = list_item(p->value, i);
		const char *value = variable_value(l, item);

		if (value && has_value(ret, value))
			lang_error(l, item->at, NULL, "`%s` stands there twice",
			           value);
		else if (value)
			ret->values[ret->n++] = value;
	}
}

static void read_matrix(struct lang *l, struct variant *s)
{
	const struct node *map = s->given[TOP_MATRIX].value;
	const struct node *vars = s->given[TOP_VARS].value;

	if (!map || !check_names(l, &s->given[TOP_MATRIX]))
		return;
	s->axes = arena_array(l->arena, map->n, sizeof(*s->axes));
	for (size_t i = 0; i < map->n; i++) {
		const struct pair *p = &map->pairs[i];

		if (vars && vars->kind == NODE_MAP &&
		    node_get(vars, p->key->text))
			lang_error(l, p->key->at, NULL,
			           "`%s` is also in `vars`", p->key->text);
		read_axis(l, p, &s->axes[s->n_axes++]);
	}
}

/* Asks once for each name; what is known stays with the suite. */
struct asking {
	struct suite *s;
	const struct suite_vars *vars;
	struct binding *asked; /* value NULL: not known outside */
	size_t n;
};

static const char *ask(struct asking *q, const char *name, size_t len)
{
	struct arena *a = &q->s->arena;
	const char *value, *copy;

	for (size_t i = 0; i < q->n; i++) {
		if (strlen(q->asked[i].name) == len &&
		    !strncmp(q->asked[i].name, name, len))
			return q->asked[i].value;
	}
	copy = arena_strndup(a, name, len);
	value = q->vars->lookup(q->vars->context, copy);
	value = value ? arena_strdup(a, value) : NULL;
	q->asked = arena_grow(a, q->asked, q->n, sizeof(*q->asked));
	q->asked[q->n++] = (struct binding){copy, value, NULL};
	return value;
}

static void ask_name(void *context, const char *name, size_t len)
{
	struct asking *q = context;

	/* Thousands of names are no scenario: the rest stays unknown. */
	if (q->n < 1000)
		ask(q, name, len);
}

static void ask_tree(struct asking *q, const struct node *n)
{
	if (n->kind == NODE_SCALAR)
		expand_names(n->text, ask_name, q);
	for (size_t i = 0; n->kind == NODE_LIST && i < n->n; i++)
		ask_tree(q, n->items[i]);
	for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++) {
		ask_tree(q, n->pairs[i].key);
		ask_tree(q, n->pairs[i].value);
	}
}

/* `--var` pins a key of the matrix to one value. */
static void pin(struct asking *q, struct variant *variant)
{
	for (size_t i = 0; i < variant->n_axes; i++) {
		struct axis *axis = &variant->axes[i];
		const char *value = ask(q, axis->name, strlen(axis->name));

		if (!value)
			continue;
		axis->n = 1;
		axis->values =
			arena_array(&q->s->arena, 1, sizeof(*axis->values));
		axis->values[0] = value;
	}
}

/* `--var` wins over `vars`. */
static void ask_outside(struct suite *s, const struct suite_vars *vars)
{
	struct asking q = {.s = s, .vars = vars};

	if (!vars || !vars->lookup)
		return;
	for (size_t i = 0; i < s->n_documents; i++) {
		if (s->documents[i]->top)
			ask_tree(&q, s->documents[i]->top);
	}
	for (size_t i = 0; i < s->n_variants; i++)
		pin(&q, &s->variants[i]);
	s->outside = arena_array(&s->arena, q.n, sizeof(*s->outside));
	for (size_t i = 0; i < q.n; i++) {
		if (q.asked[i].value)
			s->outside[s->n_outside++] = q.asked[i];
	}
}

const char *suite_axis_value(const struct suite_case *c, size_t k)
{
	const struct variant *v = c->variant;
	size_t i = c->index;

	for (size_t later = v->n_axes; --later > k;)
		i /= v->axes[later].n;
	return v->axes[k].values[i % v->axes[k].n];
}

/* An id is one line, whatever the value: control bytes as \xNN. */
static void add_value(struct suite *s, struct arena_text *t, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c < 0x20 || c == 0x7f)
			arena_text_adds(&s->arena, t,
			                arena_printf(&s->arena, "\\x%02x", c));
		else
			arena_text_add(&s->arena, t, value, 1);
	}
}

/* "FILE::CASE[io=epoll,b=2]" */
static const char *case_id(struct suite *s, const struct suite_case *c)
{
	const struct variant *v = c->variant;
	struct arena_text t = {0};

	arena_text_adds(&s->arena, &t, s->documents[0]->source.path);
	if (v->name) {
		arena_text_adds(&s->arena, &t, "::");
		arena_text_adds(&s->arena, &t, v->name);
	}
	for (size_t k = 0; k < v->n_axes; k++) {
		arena_text_adds(&s->arena, &t, k ? "," : "[");
		arena_text_adds(&s->arena, &t, v->axes[k].name);
		arena_text_adds(&s->arena, &t, "=");
		add_value(s, &t, suite_axis_value(c, k));
	}
	if (v->n_axes)
		arena_text_adds(&s->arena, &t, "]");
	return t.s ? t.s : "";
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* `name`, else the file's. */
static const char *case_name(struct lang *l, struct suite *s, size_t i)
{
	const struct given *given = s->cases[i].variant->given;
	struct scope scope;
	const char *name = NULL;

	if (given[TOP_NAME].key) {
		suite_scope(s, i, &s->arena, NULL, &scope);
		l->scope = &scope;
		name = need_text(l, given[TOP_NAME].value);
		l->scope = NULL;
	}
	return name ? name : last_part(s->documents[0]->source.path);
}

/* How many cases its matrix makes; 0 after a complaint. */
static size_t count_cases(struct lang *l, const struct variant *v, size_t most)
{
	size_t n = 1;

	for (size_t k = 0; k < v->n_axes; k++) {
		if (!v->axes[k].n)
			return 0; /* complained about */
		if (n <= MAX_CASES)
			n *= v->axes[k].n;
	}
	if (n <= most)
		return n;
	lang_error(l, v->n_axes ? v->given[TOP_MATRIX].key->at : v->top->at,
	           NULL, "more than %d cases", MAX_CASES);
	return 0;
}

static void make_cases(struct lang *l, struct suite *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_variants; i++) {
		s->variants[i].n_cases =
			count_cases(l, &s->variants[i], MAX_CASES - n);
		if (!s->variants[i].n_cases)
			return;
		n += s->variants[i].n_cases;
	}
	s->cases = arena_array(l->arena, n, sizeof(*s->cases));
	for (size_t i = 0; i < s->n_variants; i++) {
		for (size_t k = 0; k < s->variants[i].n_cases; k++)
			s->cases[s->n_cases++] = (struct suite_case){
				.variant = &s->variants[i], .index = k};
	}
	for (size_t i = 0; i < n; i++) {
		s->cases[i].id = case_id(s, &s->cases[i]);
		s->cases[i].name = case_name(l, s, i);
	}
}

/*
 * Binds each case with stand-ins, so that a mistake is found before anything
 * runs.  Of very many cases the last are left to their own suite_bind().
 */
static int check_cases(struct load *job)
{
	struct suite *s = job->suite;
	uint64_t nodes = 0;
	int r = 0;

	for (size_t i = 0; i < s->n_cases && r == 0; i++) {
		nodes += s->cases[i].variant->top->weight;
		if (i && nodes > MAX_CHECKED)
			break;
		r = suite_bind_quietly(s, i, NULL, false, &job->trial,
		                       job->diags);
		if (r == 0)
			scenario_free(job->trial);
		job->trial = NULL;
	}
	return r;
}

static void read_variant(struct lang *l, const struct suite *s,
                         struct variant *v)
{
	bool part = *last_part(s->documents[0]->source.path) == '_';

	if (v->top->weight > MAX_NODES) {
		lang_error(l, v->top->at, NULL,
		           "with the files that are used it has more than %d "
		           "nodes",
		           MAX_NODES);
		return;
	}
	if (!read_map(l, v->top, &top_keys, v, v->given))
		return;
	read_vars(l, v);
	read_matrix(l, v);
	if (!v->given[TOP_PROGRAMS].key && !v->given[TOP_FAULTS].key && !part &&
	    !l->n_errors)
		lang_error(l, v->top->at, NULL,
		           "neither `programs` nor `faults`: nothing to do");
}

/* What a case may not have. */
static bool check_case(struct lang *l, const struct pair *p)
{
	const struct node *map = p->value;
	size_t errors = l->n_errors;

	if (!*p->key->text ||
	    strspn(p->key->text, CASE_LETTERS) != strlen(p->key->text))
		lang_error(l, p->key->at, NULL,
		           "`%s` is no name of a case: letters, digits, `_`, "
		           "`-` and `.`",
		           p->key->text);
	if (map->kind != NODE_MAP) {
		lang_error(l, map->at,
		           arena_printf(l->arena, "the file as it is: `%s: {}`",
		                        p->key->text),
		           "expected keys and values, not %s",
		           map->kind == NODE_SCALAR && !*map->text
		                   ? "nothing"
		                   : node_kind_word(map));
		return false;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct node *key = map->pairs[i].key;

		if (!strcmp(key->text, "cases"))
			lang_error(l, key->at, "`matrix` multiplies them",
			           "`cases` in a case");
		if (!strcmp(key->text, "version"))
			lang_error(l, key->at, NULL,
			           "`version` stands once, at the top of the "
			           "file");
	}
	return l->n_errors == errors;
}

/* The file with what it uses, and over it a case, if it is one. */
static struct node *lay(struct lang *l, struct suite *s, const struct pair *p,
                        unsigned round)
{
	struct mark top = s->documents[0]->top->at;
	struct node *tree = node_new(l->arena, NODE_MAP, top);
	struct uses uses = {0};

	tree = document_lay(l->arena, s->documents[0], tree, round);
	if (p) {
		case_read_uses(l, s, p->value, &uses);
		tree = uses_lay(l->arena, &uses, tree, round);
		tree = tops_merge(l->arena, tree, p->value);
	}
	tree->at = top;
	return tree;
}

/* The file itself, or each of its cases. */
static void make_variants(struct lang *l, struct suite *s)
{
	struct node *top = s->documents[0]->top;
	const struct node *cases =
		top->kind == NODE_MAP ? node_get(top, "cases") : NULL;
	size_t n = cases ? cases->n : 1;

	if (cases && (cases->kind != NODE_MAP || !n || n > MAX_CASES)) {
		lang_error(l, cases->at, "write `NAME: {…}`",
		           "expected up to %d cases by name, not %s", MAX_CASES,
		           n > MAX_CASES              ? "more"
		           : cases->kind == NODE_LIST ? "a list"
		                                      : "nothing");
		cases = NULL;
		n = 1;
	}
	s->variants = arena_array(l->arena, n, sizeof(*s->variants));
	for (size_t i = 0; i < n; i++) {
		const struct pair *p = cases ? &cases->pairs[i] : NULL;
		struct variant *v = &s->variants[s->n_variants];

		if (p && !check_case(l, p))
			continue;
		v->name = p ? p->key->text : NULL;
		v->top = top->kind == NODE_MAP ? lay(l, s, p, (unsigned)i + 1)
		                               : top;
		read_variant(l, s, v);
		s->n_variants++;
	}
}

static void read_top(struct lang *l, struct suite *s)
{
	make_variants(l, s);
	for (size_t i = 0; i < s->n_documents; i++)
		check_version(l, s->documents[i]);
}

static const char *folder_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/"
	                     : arena_strndup(a, path, (size_t)(slash - path));
}

static int load(void *context)
{
	struct load *job = context;
	struct suite *s = job->suite;
	struct lang l = {
		.arena = &s->arena,
		.diags = job->diags,
	};
	const char *path = arena_strdup(&s->arena, job->path);

	s->here = folder_of(&s->arena, path);
	if (!suite_read(&l, s, job->text, job->len, path, job->id))
		return -EINVAL;
	read_top(&l, s);
	ask_outside(s, job->vars);
	if (!l.n_errors)
		make_cases(&l, s);
	if (l.n_errors) {
		/* What else is wrong is said at once, if it can be. */
		if (!s->n_cases && s->documents[0]->top->kind == NODE_MAP)
			make_cases(&l, s);
		check_cases(job);
		return -EINVAL;
	}
	return check_cases(job);
}

int suite_parse_file(size_t budget, const char *text, size_t len,
                     const char *path, const struct file_id *id,
                     const struct suite_vars *vars, struct suite **ret_suite,
                     struct diag_list *diags)
{
	struct load job = {
		.text = text,
		.path = path,
		.len = len,
		.id = id,
		.vars = vars,
		.suite = calloc(1, sizeof(struct suite)),
		.diags = diags,
	};
	size_t first = diags->n;
	int r;

	if (!job.suite) {
		diag_no_memory(diags, path);
		return -ENOMEM;
	}
	arena_init(&job.suite->arena, budget);
	r = arena_try(&job.suite->arena, load, &job);
	scenario_free(job.trial);
	if (r == -ENOMEM)
		diag_no_memory(diags, path);
	diag_sort(diags, first);
	if (r < 0) {
		suite_free(job.suite);
		return r;
	}
	*ret_suite = job.suite;
	return 0;
}

int suite_parse_within(size_t budget, const char *text, size_t len,
                       const char *path, const struct suite_vars *vars,
                       struct suite **ret_suite, struct diag_list *diags)
{
	return suite_parse_file(budget, text, len, path, NULL, vars, ret_suite,
	                        diags);
}

int suite_parse(const char *text, size_t len, const char *path,
                const struct suite_vars *vars, struct suite **ret_suite,
                struct diag_list *diags)
{
	return suite_parse_within(ARENA_BUDGET, text, len, path, vars,
	                          ret_suite, diags);
}

void suite_free(struct suite *s)
{
	if (!s)
		return;
	arena_release(&s->arena);
	free(s);
}

size_t suite_n_cases(const struct suite *s)
{
	return s->n_cases;
}

const char *suite_case_id(const struct suite *s, size_t i)
{
	return s->cases[i].id;
}

const char *suite_case_name(const struct suite *s, size_t i)
{
	return s->cases[i].name;
}

bool suite_has_programs(const struct suite *s)
{
	for (size_t i = 0; i < s->n_variants; i++) {
		if (s->variants[i].given[TOP_PROGRAMS].key)
			return true;
	}
	return false;
}
