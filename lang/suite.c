/*
 * suite.c - a file of the language: read, its cases found, all of it checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/suite.h"

enum {
	MAX_TEXT = 1 << 20,
	MAX_CASES = 4096,
	MAX_CHECKED = 4 << 20, /* nodes times cases that loading checks */
};

static const struct key keys[] = {
	[TOP_VERSION] = {"version", NULL, 0},
	[TOP_NAME] = {"name", NULL, 0},
	[TOP_ABOUT] = {"about", NULL, 0},
	[TOP_TAGS] = {"tags", NULL, 0},
	[TOP_TODO] = {"todo", NULL, 0},
	[TOP_NEEDS] = {"needs", NULL, 0},
	[TOP_LIMIT] = {"limit", NULL, 0},
	[TOP_ALONE] = {"alone", NULL, 0},
	[TOP_VARS] = {"vars", NULL, 0},
	[TOP_MATRIX] = {"matrix", NULL, 0},
	[TOP_HOSTS] = {"hosts", NULL, 0},
	[TOP_FILES] = {"files", NULL, 0},
	[TOP_SETUP] = {"setup", NULL, 0},
	[TOP_TEARDOWN] = {"teardown", NULL, 0},
	[TOP_PROGRAMS] = {"programs", NULL, 0},
	[TOP_FAULTS] = {"faults", NULL, 0},
	[TOP_STEPS] = {"steps", NULL, 0},
	[TOP_EXPECT] = {"expect", NULL, 0},
};
static const struct key_table table = {keys, N_TOP_KEYS, IN_TOP, NULL};

struct load {
	const char *text, *path;
	size_t len, budget;
	const struct suite_vars *vars;
	struct suite *suite;
	struct scenario *trial; /* of the check, freed also when we jump */
	struct diag_list *diags;
};

static void check_version(struct lang *l, const struct suite *s)
{
	const struct given *version = &s->given[TOP_VERSION];

	if (!version->key && l->n_errors)
		return; /* it may be there, misspelt */
	if (!version->key)
		lang_error(l, s->top->at, "begin with `version: 1`",
		           "no `version`");
	else if (version->value->kind != NODE_SCALAR ||
	         strcmp(version->value->text, "1"))
		lang_error(l, version->value->at, "write `version: 1`",
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

static void read_vars(struct lang *l, struct suite *s)
{
	const struct node *map = s->given[TOP_VARS].value;

	if (!map || !check_names(l, &s->given[TOP_VARS]))
		return;
	s->vars = arena_array(l->arena, map->n, sizeof(*s->vars));
	for (size_t i = 0; i < map->n; i++) {
		const char *value = variable_value(l, map->pairs[i].value);

		if (value)
			s->vars[s->n_vars++] = (struct binding){
				map->pairs[i].key->text, value};
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

static void read_matrix(struct lang *l, struct suite *s)
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
	q->asked[q->n++] = (struct binding){copy, value};
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
	for (size_t i = 0; n->kind == NODE_MAP && i < n->n; i++)
		ask_tree(q, n->pairs[i].value);
}

/*
 * `--var` wins over `vars`, and pins a key of the matrix to one value.
 */
static void ask_outside(struct suite *s, const struct suite_vars *vars)
{
	struct asking q = {.s = s, .vars = vars};

	if (!vars || !vars->lookup)
		return;
	ask_tree(&q, s->top);
	for (size_t i = 0; i < s->n_axes; i++) {
		struct axis *axis = &s->axes[i];
		const char *value = ask(&q, axis->name, strlen(axis->name));

		if (!value)
			continue;
		axis->n = 1;
		axis->values[0] = value;
	}
	s->outside = arena_array(&s->arena, q.n, sizeof(*s->outside));
	for (size_t i = 0; i < q.n; i++) {
		if (q.asked[i].value)
			s->outside[s->n_outside++] = q.asked[i];
	}
}

size_t suite_axis_index(const struct suite *s, size_t i, size_t k)
{
	for (size_t later = s->n_axes; --later > k;)
		i /= s->axes[later].n;
	return i % s->axes[k].n;
}

/* "FILE[io=epoll,b=2]" */
static const char *case_id(struct suite *s, size_t i)
{
	struct arena_text t = {0};

	arena_text_adds(&s->arena, &t, s->source.path);
	for (size_t k = 0; k < s->n_axes; k++) {
		const struct axis *axis = &s->axes[k];

		arena_text_adds(&s->arena, &t, k ? "," : "[");
		arena_text_adds(&s->arena, &t, axis->name);
		arena_text_adds(&s->arena, &t, "=");
		arena_text_adds(&s->arena, &t,
		                axis->values[suite_axis_index(s, i, k)]);
	}
	if (s->n_axes)
		arena_text_adds(&s->arena, &t, "]");
	return t.s ? t.s : "";
}

/* `name`, else the file's. */
static const char *case_name(struct lang *l, struct suite *s, size_t i)
{
	const char *slash = strrchr(s->source.path, '/');
	struct scope scope;
	const char *name = NULL;

	if (s->given[TOP_NAME].key) {
		suite_scope(s, i, &s->arena, NULL, &scope);
		l->scope = &scope;
		name = need_text(l, s->given[TOP_NAME].value);
		l->scope = NULL;
	}
	if (name)
		return name;
	return slash ? slash + 1 : s->source.path;
}

static void make_cases(struct lang *l, struct suite *s)
{
	size_t n = 1;

	for (size_t k = 0; k < s->n_axes; k++) {
		if (!s->axes[k].n)
			return; /* complained about */
		n *= s->axes[k].n;
		if (n > MAX_CASES) {
			lang_error(l, s->given[TOP_MATRIX].key->at, NULL,
			           "more than %d cases", MAX_CASES);
			return;
		}
	}
	s->cases = arena_array(l->arena, n, sizeof(*s->cases));
	for (size_t i = 0; i < n; i++) {
		s->cases[i].id = case_id(s, i);
		s->cases[i].name = case_name(l, s, i);
	}
	s->n_cases = n;
}

/*
 * Binds each case with stand-ins, so that a mistake is found before anything
 * runs.  Of very many cases the last are left to their own suite_bind().
 */
static int check_cases(struct load *job)
{
	struct suite *s = job->suite;
	int r = 0;

	for (size_t i = 0; i < s->n_cases && r == 0; i++) {
		if (i && s->top->weight * (uint64_t)i > MAX_CHECKED)
			break;
		r = suite_bind_quietly(s, i, NULL, false, &job->trial,
		                       job->diags);
		if (r == 0)
			scenario_free(job->trial);
		job->trial = NULL;
	}
	return r;
}

static void read_top(struct lang *l, struct suite *s)
{
	if (!read_map(l, s->top, &table, s, s->given))
		return;
	check_version(l, s);
	read_vars(l, s);
	read_matrix(l, s);
	if (!s->given[TOP_PROGRAMS].key && !s->given[TOP_FAULTS].key &&
	    !l->n_errors)
		lang_error(l, s->top->at, NULL,
		           "neither `programs` nor `faults`: nothing to do");
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
		.source = &s->source,
		.diags = job->diags,
	};
	const char *path = arena_strdup(&s->arena, job->path);
	bool too_large = job->len > MAX_TEXT;

	if (job->len >= 3 && !memcmp(job->text, "\xef\xbb\xbf", 3)) {
		job->text += 3; /* a mark of byte order is no column */
		job->len -= 3;
	}

	s->here = folder_of(&s->arena, path);
	source_init(
		&s->source, &s->arena, path,
		arena_strndup(&s->arena, job->text, too_large ? 0 : job->len),
		too_large ? 0 : job->len);
	if (too_large) {
		lang_error(&l, (struct mark){0}, NULL,
		           "the file is larger than 1 MiB");
		return -EINVAL;
	}
	s->top = yaml_parse(&l);
	if (!s->top)
		return -EINVAL;
	read_top(&l, s);
	ask_outside(s, job->vars);
	if (!l.n_errors)
		make_cases(&l, s);
	if (l.n_errors) {
		/* What else is wrong is said at once, if it can be. */
		if (!s->n_cases && s->top->kind == NODE_MAP)
			make_cases(&l, s);
		check_cases(job);
		return -EINVAL;
	}
	return check_cases(job);
}

int suite_parse_within(size_t budget, const char *text, size_t len,
                       const char *path, const struct suite_vars *vars,
                       struct suite **ret_suite, struct diag_list *diags)
{
	struct load job = {
		.text = text,
		.path = path,
		.len = len,
		.vars = vars,
		.suite = calloc(1, sizeof(struct suite)),
		.diags = diags,
	};
	size_t first = diags->n;
	int r;

	if (!job.suite)
		return -ENOMEM;
	arena_init(&job.suite->arena, budget);
	r = arena_try(&job.suite->arena, load, &job);
	scenario_free(job.trial);
	if (r == -ENOMEM)
		diag_add(diags, NULL, path, (struct mark){0}, false, NULL,
		         "out of memory");
	diag_sort(diags, first);
	if (r < 0) {
		suite_free(job.suite);
		return r;
	}
	*ret_suite = job.suite;
	return 0;
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
	return s->given[TOP_PROGRAMS].key != NULL;
}
