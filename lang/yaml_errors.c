/*
 * yaml_errors.c - YAML's traps by name.
 *
 * libyaml says "did not find expected ',' or ']'"; what the writer needs to
 * hear is "quote it".
 */
#include <string.h>

#include "lang/yaml_errors.h"

struct trouble {
	struct lang *l;
	const yaml_parser_t *parser;
	struct mark at;
	size_t offset;     /* of at */
	size_t begin, end; /* of the line */
};

static struct mark mark_of(const struct trouble *t, const yaml_mark_t *mark)
{
	struct cursor cursor = {0};

	return source_mark_chars(t->l->source, &cursor, mark->line,
	                         mark->column);
}

static char byte_at(const struct trouble *t, size_t offset)
{
	return offset < t->l->source->len ? t->l->source->text[offset] : '\0';
}

static bool says(const char *text, const char *part)
{
	return text && strstr(text, part);
}

static bool is_tab(struct trouble *t)
{
	for (size_t i = t->begin; i < t->end; i++) {
		if (byte_at(t, i) == '\t') {
			lang_error(t->l, source_mark(t->l->source, i),
			           "YAML wants spaces",
			           "a tab in the indentation");
			return true;
		}
		if (byte_at(t, i) != ' ')
			break;
	}
	return false;
}

/* [--port, ${port}]: the { begins a map there. */
static bool is_variable(struct trouble *t)
{
	const char *text = t->l->source->text;
	size_t brace = t->offset, begin, len;

	while (brace > t->begin && byte_at(t, brace) != '{')
		brace--;
	if (byte_at(t, brace) != '{' || brace == 0 ||
	    byte_at(t, brace - 1) != '$')
		return false;
	begin = brace - 1;
	while (begin > t->begin && !strchr(" [{,", text[begin - 1]))
		begin--;
	len = brace - begin;
	while (begin + len < t->end && text[begin + len] != '}')
		len++;
	lang_error(t->l, source_mark(t->l->source, begin),
	           arena_printf(t->l->arena, "quote it: \"%.*s}\"", (int)len,
	                        text + begin),
	           "`${` in [..] or {..} begins a map to YAML");
	return true;
}

static size_t count(const char *s, size_t len, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == c;
	return n;
}

/*
 * As far as its line tells.  A single quote is one only where a value begins:
 * in the middle of a text it is an apostrophe.
 */
static bool is_quoted(const struct trouble *t, size_t offset)
{
	char quote = '\0';

	for (size_t i = t->begin; i < offset; i++) {
		char c = byte_at(t, i);

		if (quote)
			quote = c == quote ? '\0' : quote;
		else if ((c == '"' || c == '\'') && i > t->begin &&
		         strchr(" [{,", byte_at(t, i - 1)))
			quote = c;
	}
	return quote != '\0';
}

/* peer: [::1]:80 */
static bool is_address(struct trouble *t)
{
	const char *text = t->l->source->text;

	for (size_t i = t->begin; i < t->end; i++) {
		size_t n = 1;

		if (byte_at(t, i) != '[' || is_quoted(t, i))
			continue;
		while (i + n < t->end && memchr("0123456789abcdefABCDEF:.",
		                                byte_at(t, i + n), 24))
			n++;
		if (byte_at(t, i + n) != ']' || count(text + i, n, ':') < 2)
			continue;
		n++;
		if (byte_at(t, i + n) == ':')
			n += 1 + strspn(text + i + n + 1, "0123456789");
		lang_error(t->l, source_mark(t->l->source, i),
		           arena_printf(t->l->arena, "quote it: \"%.*s\"",
		                        (int)n, text + i),
		           "an address in brackets is a list to YAML");
		return true;
	}
	return false;
}

static bool is_tag(struct trouble *t)
{
	if (!says(t->parser->context, "tag") &&
	    !says(t->parser->problem, "undefined tag handle"))
		return false;
	lang_error(t->l, mark_of(t, &t->parser->context_mark), "quote it",
	           "what begins with `!` is a tag to YAML");
	return true;
}

static bool is_alias(struct trouble *t)
{
	bool alias = says(t->parser->context, "an alias");

	if (!alias && !says(t->parser->context, "an anchor"))
		return false;
	lang_error(t->l, mark_of(t, &t->parser->context_mark), "quote it",
	           "what begins with `%c` is %s to YAML", alias ? '*' : '&',
	           alias ? "an alias" : "an anchor");
	return true;
}

static bool is_open_quote(struct trouble *t)
{
	if (!says(t->parser->context, "quoted scalar") ||
	    !says(t->parser->problem, "unexpected"))
		return false;
	lang_error(t->l, mark_of(t, &t->parser->context_mark), NULL,
	           "a quote without its end");
	return true;
}

/* [a, b without its ]: the text ends first. */
static bool is_open_bracket(struct trouble *t)
{
	if (!says(t->parser->context, "flow") || t->offset < t->l->source->len)
		return false;
	lang_error(t->l, mark_of(t, &t->parser->context_mark), NULL,
	           "a bracket without its end");
	return true;
}

/* What else libyaml says, and what helps mostly. */
static const struct {
	const char *problem, *message, *hint;
} rows[] = {
	{"mapping values are not allowed", "a `: ` in the middle of a text",
         "quote the text"},
	{"could not find expected ':'", "a key without its `:`", NULL},
	{"cannot start any token", "a text cannot begin so", "quote it"},
	{"expected node content", "a text cannot begin so", "quote it"},
	{"unknown escape character", "an unknown escape in a quoted text",
         "single quotes take \\ as it is"},
	{"expected ',' or ']'", "a list that goes wrong here",
         "quote a text with []{},: in it"},
	{"expected ',' or '}'", "a map that goes wrong here",
         "quote a text with []{},: in it"},
	{"did not find expected key", "neither a key nor the end of the map",
         "is the indentation right?"},
	{"expected '-' indicator", "neither `- ` nor the end of the list",
         "is the indentation right?"},
	{"block sequence entries are not allowed", "a list cannot begin here",
         NULL},
	{"did not find expected <document start>",
         "something behind the end of the scenario", NULL},
};

void yaml_error(struct lang *l, const yaml_parser_t *parser)
{
	struct trouble t = {.l = l, .parser = parser};
	const char *problem = parser->problem ? parser->problem : "?";

	t.at = mark_of(&t, &parser->problem_mark);
	t.offset = source_offset(l->source, t.at);
	t.begin = source_line(l->source, t.at.line, &t.end);
	if (is_tab(&t) || is_variable(&t) || is_tag(&t) || is_alias(&t) ||
	    is_address(&t) || is_open_quote(&t) || is_open_bracket(&t))
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (says(problem, rows[i].problem)) {
			lang_error(l, t.at, rows[i].hint, "%s",
			           rows[i].message);
			return;
		}
	}
	lang_error(l, t.at, NULL, "not YAML: %s", problem);
}
