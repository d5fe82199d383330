/*
 * oneline.c - the one-line form of rules: "recv:reset:nth=3; accept:…".
 *
 * Becomes the tree that the same rule has in YAML; what the words mean is not
 * known here, only which of them are actions and which keys take lists.
 */
#include <string.h>

#include "lang/rule.h"

/* One item between colons, offsets into the text. */
struct item {
	size_t begin, equals, end; /* equals == end: no value */
};

struct line {
	struct lang *l;
	const char *text;
	size_t len;
	struct node *map;     /* of this rule */
	struct node *actions; /* a list */
};

static struct mark mark_of(const struct line *o, size_t offset)
{
	return source_mark(o->l->source, offset);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t digits(const struct line *o, size_t i)
{
	size_t n = 0;

	while (i + n < o->len && o->text[i + n] >= '0' && o->text[i + n] <= '9')
		n++;
	return n;
}

/*
 * Where the item that begins at i ends.  The colon of an address is none: of
 * all that is in brackets, and of the port behind them or behind peer=1.2.3.4.
 */
static size_t item_end(const struct line *o, size_t i)
{
	bool peer = o->len - i > 5 && !strncmp(o->text + i, "peer=", 5);
	size_t begin = i, n;
	unsigned depth = 0;

	for (; i < o->len; i++) {
		char c = o->text[i];

		if (c == '[')
			depth++;
		if (c == ']' && depth)
			depth--;
		if (depth || (c != ':' && c != ';'))
			continue;
		n = c == ':' ? digits(o, i + 1) : 0;
		if (n && i > begin &&
		    (o->text[i - 1] == ']' ||
		     (peer && memchr(o->text + begin, '.', i - begin))))
			continue;
		break;
	}
	return i;
}

static char *copy(const struct line *o, size_t begin, size_t end)
{
	return arena_strndup(o->l->arena, o->text + begin, end - begin);
}

static struct node *scalar(const struct line *o, size_t begin, size_t end)
{
	while (begin < end && blank(o->text[begin]))
		begin++;
	while (end > begin && blank(o->text[end - 1]))
		end--;
	return node_scalar(o->l->arena, mark_of(o, begin), copy(o, begin, end));
}

/* "a,b" is a list, for the keys that take one. */
static struct node *value_node(const struct line *o, const char *key,
                               size_t begin, size_t end)
{
	static const char *const lists[] = {"call", "in", "role", "state",
	                                    "answer"};
	struct node *list = NULL;
	size_t comma = begin;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!strcmp(key, lists[i]) &&
		    memchr(o->text + begin, ',', end - begin))
			list = node_new(o->l->arena, NODE_LIST,
			                mark_of(o, begin));
	}
	if (!list)
		return scalar(o, begin, end);
	while (begin <= end) {
		for (comma = begin; comma < end && o->text[comma] != ',';)
			comma++;
		node_add_item(o->l->arena, list, scalar(o, begin, comma));
		begin = comma + 1;
	}
	return list;
}

static void add_key(struct line *o, struct node *key, struct node *value)
{
	if (node_get(o->map, key->text))
		lang_error(o->l, key->at, NULL, "`%s` stands there twice",
		           key->text);
	else
		node_add_pair(o->l->arena, o->map, key, value);
}

/* delay=200ms, and what belongs to it: jitter=50ms */
static void add_action_value(struct line *o, struct node *key,
                             struct node *value)
{
	struct arena *a = o->l->arena;
	struct node *map;

	if (action_find(key->text)) {
		map = node_new(a, NODE_MAP, key->at);
		node_add_item(a, o->actions, map);
	} else if (!o->actions->n) {
		lang_error(o->l, key->at, NULL, "`%s` stands behind an action",
		           key->text);
		return;
	} else {
		map = o->actions->items[o->actions->n - 1];
		if (map->kind != NODE_MAP || node_get(map, key->text)) {
			lang_error(o->l, key->at, NULL,
			           map->kind == NODE_MAP
			                   ? "`%s` stands there twice"
			                   : "`%s` needs a `delay` before it",
			           key->text);
			return;
		}
	}
	node_add_pair(a, map, key, value);
}

static bool is_key(const char *word)
{
	size_t n;
	const char *const *keys = lang_rule_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(keys[i], word))
			return true;
	}
	return false;
}

/* A word without a value that is no call: an action. */
static void add_word(struct line *o, struct node *word)
{
	size_t n;
	const char *const *words = action_words(&n);

	if (action_find(word->text))
		node_add_item(o->l->arena, o->actions, word);
	else if (is_key(word->text))
		lang_error(
			o->l, word->at,
			arena_printf(o->l->arena, "write `%s=…`", word->text),
			"`%s` needs a value", word->text);
	else if (fault_errno_number(word->text))
		lang_error(o->l, word->at,
		           arena_printf(o->l->arena, "write `error=%s`",
		                        word->text),
		           "`%s` is an errno, not an action", word->text);
	else
		unknown_word(o->l, word->at, AS_ACTION, "action", word->text,
		             words, n);
}

static void add_item(struct line *o, const struct item *i, bool first)
{
	struct node *word = scalar(o, i->begin, i->equals), *value;

	if (!*word->text) {
		lang_error(o->l, word->at,
		           "an IPv6 address stands in brackets: peer=[::1]",
		           "nothing stands between two colons");
		return;
	}
	if (strchr(word->text, ' ') && !strchr(word->text, ',')) {
		lang_error(o->l, word->at, "as in recv:reset:nth=3",
		           "`%s`: words are separated by colons", word->text);
		return;
	}
	if (i->equals < i->end) {
		value = value_node(o, word->text, i->equals + 1, i->end);
		if (action_find(word->text) || action_is_parameter(word->text))
			add_action_value(o, word, value);
		else
			add_key(o, word, value);
	} else if (!action_find(word->text) &&
	           (first ||
	            (!node_get(o->map, "call") && rule_is_call(word->text)))) {
		value = value_node(o, "call", i->begin, i->end);
		add_key(o, node_scalar(o->l->arena, word->at, "call"), value);
	} else {
		add_word(o, word);
	}
}

/* The rule in [begin, end) of the text. */
static void read_line(struct line *o, size_t begin, size_t end)
{
	struct arena *a = o->l->arena;
	struct node *inject;
	bool first = true;

	o->map = node_new(a, NODE_MAP, mark_of(o, begin));
	o->actions = node_new(a, NODE_LIST, o->map->at);
	while (begin <= end) {
		struct item i = {.begin = begin};
		const char *equals;

		while (i.begin < end && blank(o->text[i.begin]))
			i.begin++;
		i.end = item_end(o, i.begin);
		equals = memchr(o->text + i.begin, '=', i.end - i.begin);
		i.equals = equals ? (size_t)(equals - o->text) : i.end;
		add_item(o, &i, first);
		first = false;
		begin = i.end + 1;
	}
	if (!o->actions->n)
		return;
	inject = o->actions->n > 1 ? o->actions : o->actions->items[0];
	add_key(o, node_scalar(a, inject->at, "inject"), inject);
}

struct node *oneline_parse(struct lang *l)
{
	struct line o = {
		.l = l, .text = l->source->text, .len = l->source->len};
	struct node *list =
		node_new(l->arena, NODE_LIST, (struct mark){1, 1, l->source});
	size_t errors = l->n_errors, begin = 0;

	while (begin < o.len) {
		size_t end;

		while (begin < o.len &&
		       (blank(o.text[begin]) || o.text[begin] == ';'))
			begin++;
		if (begin == o.len)
			break;
		for (end = item_end(&o, begin);
		     end < o.len && o.text[end] == ':';)
			end = item_end(&o, end + 1);
		read_line(&o, begin, end);
		node_add_item(l->arena, list, o.map);
		begin = end;
	}
	if (!list->n && l->n_errors == errors)
		lang_error(l, list->at, "write `recv:reset:nth=3`",
		           "no rule stands here");
	return l->n_errors == errors ? list : NULL;
}
