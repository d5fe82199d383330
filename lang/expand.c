/*
 * expand.c - see expand.h.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/utf8.h"

enum {
	MAX_DEPTH = 8,
	MAX_LEN = 64 << 10
};

/* Names of a run, and what stands in for them when nothing runs. */
static const struct {
	const char *name, *value;
} stand_ins[] = {
	{"port", "1"},         {"host", "127.0.0.1"},
	{"tmp", "/tmp/fault"}, {"here", NULL /* the file's folder */},
	{"seed", "0"},
};
enum {
	N_STAND_INS = sizeof(stand_ins) / sizeof(stand_ins[0])
};

struct expansion {
	struct lang *l;
	struct mark at;
	const struct source *source; /* that the text stands in */
	struct arena_text out;
};

const char *node_kind_word(const struct node *n)
{
	static const char *const words[] = {
		[NODE_SCALAR] = "a text",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a map",
	};

	return words[n->kind];
}

enum {
	NO_STAND_IN = N_STAND_INS
};

static size_t find_stand_in(const char *name)
{
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : strlen(name);

	for (size_t i = 0; i < N_STAND_INS; i++) {
		const char *word = stand_ins[i].name;

		/* ${port.NAME}: as many ports as there are names */
		if (strlen(word) == len && !strncmp(word, name, len) &&
		    (!dot || (dot[1] && !strcmp(word, "port"))))
			return i;
	}
	return NO_STAND_IN;
}

bool expand_is_runtime(const char *name)
{
	return find_stand_in(name) != NO_STAND_IN;
}

static bool name_letter(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
		return true;
	return !first && ((c >= '0' && c <= '9') || c == '.' || c == '-');
}

bool expand_is_name(const char *name)
{
	const char *p = name;

	while (name_letter(*p, p == name))
		p++;
	return p > name && !*p;
}

/* The folder of the file that the text stands in: it may be a part. */
static const char *here_of(const struct expansion *x, const char *here)
{
	const char *folder = x->source ? x->source->folder : NULL;
	char *part;

	if (!folder || !*folder)
		return here;
	part = *folder == '/'
	               ? arena_strdup(x->l->arena, folder)
	               : arena_printf(x->l->arena, "%s/%s", here, folder);
	if (part[1])
		part[strlen(part) - 1] = '\0';
	return part;
}

/* What a run gives, or stands in for it; NULL: it has none. */
static const char *runtime_value(const struct expansion *x, const char *name)
{
	const struct scope *scope = x->l->scope;
	size_t stand_in = find_stand_in(name);
	const char *value = NULL;

	if (stand_in == NO_STAND_IN)
		return NULL;
	if (scope->run && scope->run->lookup)
		value = scope->run->lookup(scope->run->context, name);
	else if (!scope->run)
		value = stand_ins[stand_in].value;
	if (!strcmp(name, "here"))
		value = here_of(x, value ? value : scope->here);
	return value;
}

static const struct binding *find_binding(const struct scope *scope,
                                          const char *name)
{
	for (size_t i = 0; i < scope->n_bindings; i++) {
		if (!strcmp(scope->bindings[i].name, name))
			return &scope->bindings[i];
	}
	return NULL;
}

static void unknown(struct expansion *x, const char *name)
{
	const struct scope *scope = x->l->scope;
	size_t n = 0, most = scope->n_bindings + N_STAND_INS;
	const char **words = arena_array(x->l->arena, most, sizeof(*words));
	const char *hint;

	for (size_t i = 0; i < scope->n_bindings; i++)
		words[n++] = scope->bindings[i].name;
	for (size_t i = 0; i < N_STAND_INS; i++)
		words[n++] = stand_ins[i].name;
	if (expand_is_runtime(name)) {
		lang_error(x->l, x->at,
		           "`fault run` gives one, the library alone does not",
		           "`${%s}` has no value here", name);
		return;
	}
	hint = did_you_mean(x->l, name, words, n);
	if (!hint)
		hint = arena_printf(x->l->arena, "`$${%s}` is left as it is",
		                    name);
	lang_error(x->l, x->at, hint, "unknown variable `${%s}`", name);
}

/*
 * Values come from outside, too.  With this every text of a scenario can be
 * written down in one again.
 */
static bool is_utf8(const char *s)
{
	size_t left = strlen(s), n;

	for (; left; s += n, left -= n) {
		n = utf8_length(s, left);
		if (!n)
			return false;
	}
	return true;
}

static bool expand(struct expansion *x, const char *s, unsigned depth);

/* s is behind a ${; moves it behind the }. */
static bool replace(struct expansion *x, const char **s, unsigned depth)
{
	const struct source *source = x->source;
	const char *end = strchr(*s, '}');
	const struct binding *binding;
	const char *name, *value;
	bool ok;

	if (!end) {
		lang_error(x->l, x->at, "`$${` is left as it is",
		           "`${` without its `}`");
		return false;
	}
	name = arena_strndup(x->l->arena, *s, (size_t)(end - *s));
	*s = end + 1;
	if (!x->l->scope) {
		lang_error(x->l, x->at, "only a file has variables",
		           "`${%s}` in a one-line rule", name);
		return false;
	}
	binding = find_binding(x->l->scope, name);
	value = binding ? binding->value : runtime_value(x, name);
	if (!value) {
		unknown(x, name);
		return false;
	}
	if (!is_utf8(value)) {
		lang_error(x->l, x->at, "a scenario is a text in UTF-8",
		           "the value of `${%s}` is not UTF-8", name);
		return false;
	}
	if (depth >= MAX_DEPTH) {
		lang_error(x->l, x->at, NULL,
		           "`${%s}` goes more than %d variables deep", name,
		           MAX_DEPTH);
		return false;
	}
	x->source = binding ? binding->source : source;
	ok = expand(x, value, depth + 1);
	x->source = source;
	return ok;
}

static bool expand(struct expansion *x, const char *s, unsigned depth)
{
	while (*s) {
		size_t len = strcspn(s, "$");

		arena_text_add(x->l->arena, &x->out, s, len);
		s += len;
		if (!strncmp(s, "$${", 3)) {
			arena_text_adds(x->l->arena, &x->out, "${");
			s += 3;
		} else if (!strncmp(s, "${", 2)) {
			s += 2;
			if (!replace(x, &s, depth))
				return false;
		} else if (*s) {
			arena_text_add(x->l->arena, &x->out, s++, 1);
		}
		if (x->out.len > MAX_LEN) {
			lang_error(x->l, x->at, NULL,
			           "a text grows beyond 64 KiB");
			return false;
		}
	}
	return true;
}

const char *expand_text(struct lang *l, struct mark at, const char *s)
{
	struct expansion x = {.l = l, .at = at, .source = at.source};

	if (!strstr(s, "${"))
		return s;
	if (!expand(&x, s, 0))
		return NULL;
	return x.out.s ? x.out.s : "";
}

const char *expand_node(struct lang *l, const struct node *n)
{
	if (n->kind != NODE_SCALAR) {
		lang_error(l, n->at, NULL, "expected one value, not %s",
		           node_kind_word(n));
		return NULL;
	}
	return expand_text(l, n->at, n->text);
}

void expand_names(const char *s,
                  void (*f)(void *context, const char *name, size_t len),
                  void *context)
{
	while ((s = strstr(s, "${"))) {
		const char *end = strchr(s, '}');

		if (!end)
			return;
		f(context, s + 2, (size_t)(end - s - 2));
		s += 2;
	}
}
