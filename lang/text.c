/*
 * text.c - TEXT (a substring or /ERE/) and CMD of the language.
 */
#include <regex.h>
#include <string.h>

#include "lang/expand.h"
#include "lang/keys.h"
#include "lang/model.h"

enum {
	MAX_ERE = 1024,     /* bytes */
	MAX_REPEATS = 1000, /* product of all {m,n} */
	MAX_WORK = 5000,    /* bytes times repeats */
	MAX_TEXTS = 100,    /* of one list */
};

/*
 * glibc compiles a{m,n} by copying a: a few nested ones take all memory.
 * The product of the upper bounds.
 */
static uint64_t repeats(const char *ere)
{
	uint64_t product = 1;

	for (const char *p = ere; *p && product <= MAX_REPEATS; p++) {
		uint64_t n = 0, last = 0;

		if (*p == '\\' && p[1]) {
			p++;
			continue;
		}
		if (*p != '{')
			continue;
		for (p++; (*p >= '0' && *p <= '9') || *p == ','; p++) {
			n = *p == ',' ? 0 : n * 10 + (uint64_t)(*p - '0');
			last = n > last ? n : last;
			if (last > MAX_REPEATS)
				return last;
		}
		product *= last ? last : 1;
		p--;
	}
	return product;
}

static void check_ere(struct lang *l, struct mark at, const char *ere)
{
	char why[128];
	regex_t regex;
	int r;

	if (strlen(ere) > MAX_ERE || repeats(ere) > MAX_REPEATS ||
	    repeats(ere) * strlen(ere) > MAX_WORK) {
		lang_error(l, at, NULL, "the expression is too large");
		return;
	}
	r = regcomp(&regex, ere, REG_EXTENDED | REG_NOSUB);
	if (r == REG_ESPACE)
		arena_fail(l->arena);
	if (r) {
		regerror(r, NULL, why, sizeof(why));
		lang_error(l, at, NULL, "`/%s/` is no regular expression: %s",
		           ere, why);
		return;
	}
	regfree(&regex);
}

/*
 * \r, \n and \t of an ERE are what they are elsewhere: POSIX leaves them
 * undefined, and glibc takes the letter.
 */
static char *control_characters(struct lang *l, const char *s, size_t len)
{
	static const char letters[] = "rnt", characters[] = "\r\n\t";
	char *ere = arena_strndup(l->arena, s, len);
	size_t n = 0;

	for (const char *p = ere; *p; p++) {
		const char *letter = strchr(letters, p[0] == '\\' ? p[1] : 0);

		if (p[0] != '\\' || !p[1]) {
			ere[n++] = *p;
		} else if (letter && *letter) {
			ere[n++] = characters[letter - letters];
			p++;
		} else {
			ere[n++] = *p++;
			ere[n++] = *p;
		}
	}
	ere[n] = '\0';
	return ere;
}

bool text_read(struct lang *l, const struct node *n, struct text_match *ret)
{
	const char *s = need_text(l, n);
	size_t len = s ? strlen(s) : 0, errors = l->n_errors;

	if (!s)
		return false;
	*ret = (struct text_match){
		.text = arena_strdup(l->arena, s),
		.loc = locate(l, n->at),
	};
	if (len < 2 || *s != '/' || s[len - 1] != '/')
		return true;
	ret->regex = true;
	ret->text = control_characters(l, s + 1, len - 2);
	if (len == 2)
		lang_error(l, n->at, NULL,
		           "nothing stands between the slashes");
	else
		check_ere(l, n->at, ret->text);
	return l->n_errors == errors;
}

void read_text_list(struct lang *l, const struct node *n, void *field)
{
	struct text_list *list = field;
	size_t len = list_len(n);

	if (!len || len > MAX_TEXTS) {
		lang_error(l, n->at, NULL, "%s list of texts",
		           len ? "too long a" : "an empty");
		return;
	}
	list->v = arena_array(l->arena, len, sizeof(*list->v));
	for (size_t i = 0; i < len; i++) {
		if (text_read(l, list_item(n, i), &list->v[list->n]))
			list->n++;
	}
}

/* A command while it is split. */
struct split {
	struct lang *l;
	struct mark at;
	char **argv;
	size_t n;
	struct arena_text word;
	bool in_word; /* "" is a word */
	bool quoted;  /* part of it was: it is no operator */
};

/* Words with which a shell would do something. */
static bool is_operator(const char *word)
{
	static const char *const operators[] = {
		"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "&>",
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!strcmp(word, operators[i]))
			return true;
	}
	return false;
}

static void add_argument(struct split *s, const char *raw)
{
	const char *word = expand_text(s->l, s->at, raw);

	s->argv = arena_grow(s->l->arena, s->argv, s->n, sizeof(char *));
	s->argv[s->n++] = arena_strdup(s->l->arena, word ? word : "");
}

static void end_word(struct split *s)
{
	const char *raw = s->word.s ? s->word.s : "";

	if (!s->in_word)
		return;
	if (!s->quoted && is_operator(raw))
		lang_error(s->l, s->at, "write [sh, -c, \"…\"]",
		           "`%s` needs a shell, and there is none", raw);
	add_argument(s, raw);
	s->word = (struct arena_text){0};
	s->in_word = s->quoted = false;
}

/* A ${...} is taken whole; returns what is behind it. */
static const char *take_variable(struct split *s, const char *p)
{
	const char *end = strchr(p, '}');
	size_t len = end ? (size_t)(end + 1 - p) : strlen(p);

	arena_text_add(s->l->arena, &s->word, p, len);
	return p + len;
}

/* What stands in quotes, up to the closing one; NULL if there is none. */
static const char *take_quoted(struct split *s, const char *p, char quote)
{
	s->quoted = true;
	while (*p && *p != quote) {
		if (!strncmp(p, "${", 2)) {
			p = take_variable(s, p);
			continue;
		}
		if (quote == '"' && *p == '\\' && p[1] &&
		    strchr("\"\\$`", p[1]))
			p++;
		arena_text_add(s->l->arena, &s->word, p++, 1);
	}
	return *p ? p + 1 : NULL;
}

static bool split(struct split *s, const char *p)
{
	while (*p) {
		char c = *p;

		if (c == ' ' || c == '\t' || c == '\n') {
			end_word(s);
			p++;
			continue;
		}
		s->in_word = true;
		if (c == '\'' || c == '"') {
			p = take_quoted(s, p + 1, c);
			if (!p) {
				lang_error(s->l, s->at, NULL,
				           "a quote (%c) without its end", c);
				return false;
			}
		} else if (!strncmp(p, "${", 2)) {
			p = take_variable(s, p);
		} else {
			s->quoted |= c == '\\';
			p += c == '\\' && p[1];
			arena_text_add(s->l->arena, &s->word, p++, 1);
		}
	}
	end_word(s);
	return true;
}

static bool read_words(struct split *s, const struct node *n)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];

		if (item->kind != NODE_SCALAR) {
			lang_error(s->l, item->at, NULL,
			           "expected an argument, not %s",
			           node_kind_word(item));
			return false;
		}
		s->at = item->at;
		add_argument(s, item->text);
	}
	return true;
}

char **command_read(struct lang *l, const struct node *n)
{
	struct split s = {.l = l, .at = n->at};
	size_t errors = l->n_errors;
	bool ok = false;

	if (n->kind == NODE_MAP)
		lang_error(l, n->at, "quote it",
		           "expected a command, not a map");
	else if (n->kind == NODE_LIST)
		ok = read_words(&s, n);
	else
		ok = split(&s, n->text);
	if (ok && l->n_errors == errors && (!s.n || !*s.argv[0]))
		lang_error(l, n->at, NULL, "no command stands here");
	if (l->n_errors != errors)
		return NULL;
	s.argv = arena_grow(l->arena, s.argv, s.n, sizeof(char *));
	s.argv[s.n] = NULL;
	return s.argv;
}
