/*
 * parts.c - `use`: the files that a suite is made of.
 *
 * Each is read once, and counts once in a scenario, however many use it: what
 * it brings lies below the first that asks for it.  Paths are relative to the
 * file that they stand in.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/suite.h"

enum {
	MAX_PARTS = 64
};

/* What is being read, from the suite's file on. */
struct chain {
	const struct document *document;
	const struct chain *before;
};

/* The folder of a path: up to its last slash, "" if there is none. */
static const char *folder_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_strndup(a, path, (size_t)(slash + 1 - path)) : "";
}

static const char *join(struct arena *a, const char *folder, const char *path)
{
	return *path == '/' ? path : arena_printf(a, "%s%s", folder, path);
}

static bool too_large(struct lang *l, size_t len)
{
	if (len <= MAX_TEXT)
		return false;
	lang_error(l, (struct mark){0}, NULL, "the file is larger than 1 MiB");
	return true;
}

/* Parses a text; its complaints name it. */
static void parse(struct lang *l, struct document *d, const char *text,
                  size_t len)
{
	const struct source *before = l->source;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3; /* a mark of byte order is no column */
		len -= 3;
	}
	l->source = &d->source;
	if (!too_large(l, len)) {
		source_init(&d->source, l->arena, d->source.path,
		            arena_strndup(l->arena, text, len), len);
		d->top = yaml_parse(l);
	}
	l->source = before;
}

static struct document *add(struct suite *s, const char *path,
                            const struct file_id *id)
{
	struct document *d = arena_alloc(&s->arena, sizeof(*d));

	d->source.path = path;
	d->id = id ? *id : (struct file_id){0};
	s->documents = arena_grow(&s->arena, s->documents, s->n_documents,
	                          sizeof(struct document *));
	s->documents[s->n_documents++] = d;
	return d;
}

static struct document *find(const struct suite *s, const struct file_id *id)
{
	for (size_t i = 0; i < s->n_documents; i++) {
		const struct file_id *other = &s->documents[i]->id;

		if (other->device == id->device && other->inode == id->inode)
			return s->documents[i];
	}
	return NULL;
}

/* "`_a.yaml` uses itself, over `_b.yaml`" */
static bool is_circle(struct lang *l, const struct node *n,
                      const struct document *d, const struct chain *chain)
{
	const char *over = NULL;

	for (; chain; chain = chain->before) {
		if (chain->document == d)
			break;
		over = chain->document->source.path;
	}
	if (chain)
		lang_error(l, n->at,
		           over ? arena_printf(l->arena, "over `%s`", over)
		                : NULL,
		           "`%s` uses itself", d->source.path);
	return chain != NULL;
}

static void read_used(struct lang *l, struct suite *s, struct document *d,
                      const struct node *value, const struct chain *chain,
                      struct uses *ret);

/* What a part may not have, and what it uses itself. */
static void read_part(struct lang *l, struct suite *s, struct document *d,
                      const struct chain *chain)
{
	const struct chain here = {d, chain};
	const struct node *cases, *use;

	if (!d->top)
		return;
	if (d->top->kind != NODE_MAP) {
		lang_error(l, d->top->at, NULL,
		           "expected keys and values, not %s",
		           node_kind_word(d->top));
		d->top = NULL;
		return;
	}
	cases = node_get(d->top, "cases");
	if (cases)
		lang_error(l, cases->at,
		           "put what is common into a part of its own",
		           "a file that is used cannot have `cases`");
	use = node_get(d->top, "use");
	if (use)
		read_used(l, s, d, use, &here, &d->uses);
}

/* The document of one entry of `use` in d; NULL after a complaint. */
static struct document *read_one(struct lang *l, struct suite *s,
                                 const struct document *d, const struct node *n,
                                 const struct chain *chain)
{
	struct document *part;
	struct file_text file;
	const char *path;

	if (n->kind == NODE_SCALAR && strstr(n->text, "${")) {
		lang_error(l, n->at,
		           "paths are relative to the file that they stand in",
		           "`use` has no variables");
		return NULL;
	}
	if (!need_text(l, n))
		return NULL;
	path = join(l->arena, folder_of(l->arena, d->source.path), n->text);
	if (!part_open(l, n, path, &file))
		return NULL;
	part = find(s, &file.id);
	if (part)
		return is_circle(l, n, part, chain) ? NULL : part;
	if (s->n_documents > MAX_PARTS) {
		lang_error(l, n->at, NULL, "more than %d files are used",
		           MAX_PARTS);
		return NULL;
	}
	part = add(s, path, &file.id);
	part->source.folder = folder_of(
		l->arena,
		join(l->arena, d->source.folder ? d->source.folder : "",
	             n->text));
	if (part_read(l, n, path, &file))
		parse(l, part, file.text, file.len);
	read_part(l, s, part, chain);
	return part;
}

/* All that `use` names in d, or in one of its cases. */
static void read_used(struct lang *l, struct suite *s, struct document *d,
                      const struct node *value, const struct chain *chain,
                      struct uses *ret)
{
	if (!s->documents[0]->id.inode) {
		lang_error(l, value->at, NULL, "`use` needs a file to be in");
		return;
	}
	if (!list_len(value))
		lang_error(l, value->at, NULL, "an empty list of files");
	ret->v = arena_array(l->arena, list_len(value), sizeof(*ret->v));
	for (size_t i = 0; i < list_len(value); i++) {
		struct document *part =
			read_one(l, s, d, list_item(value, i), chain);

		if (part)
			ret->v[ret->n++] = part;
	}
}

bool suite_read(struct lang *l, struct suite *s, const char *text, size_t len,
                const char *path, const struct file_id *id)
{
	struct document *d = add(s, path, id);
	const struct chain chain = {d, NULL};
	const struct node *use;

	l->source = &d->source;
	parse(l, d, text, len);
	if (!d->top)
		return false;
	use = d->top->kind == NODE_MAP ? node_get(d->top, "use") : NULL;
	if (use)
		read_used(l, s, d, use, &chain, &d->uses);
	return true;
}

void case_read_uses(struct lang *l, struct suite *s, const struct node *map,
                    struct uses *ret)
{
	const struct chain chain = {s->documents[0], NULL};
	const struct node *use = node_get(map, "use");

	if (use)
		read_used(l, s, s->documents[0], use, &chain, ret);
}

struct node *document_lay(struct arena *a, struct document *d,
                          struct node *under, unsigned round)
{
	if (d->laid == round || !d->top)
		return under;
	d->laid = round;
	under = uses_lay(a, &d->uses, under, round);
	return tops_merge(a, under, d->top);
}

struct node *uses_lay(struct arena *a, const struct uses *uses,
                      struct node *under, unsigned round)
{
	for (size_t i = 0; i < uses->n; i++)
		under = document_lay(a, uses->v[i], under, round);
	return under;
}
