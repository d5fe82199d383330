/*
 * fixtures.c - what is there before anything starts: `hosts`, `files`, `setup`
 * and `teardown`.
 */
#include <string.h>

#include "lang/expand.h"
#include "lang/model.h"
#include "lang/rule.h"
#include "lang/units.h"

enum {
	MAX_HOST = 253,      /* bytes of a name, RFC 1035 */
	MAX_FILES = 1000,    /* the most keys of a map, too */
	MAX_COMMANDS = 1000, /* of one list */
};

/* --- hosts -----------------------------------------------------------------*/

static bool is_host(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return strlen(s) <= MAX_HOST && *s != '.' && *s != '-' &&
	       !strstr(s, "..") && strspn(s, letters) == strlen(s);
}

static void read_addresses(struct lang *l, const struct node *n,
                           struct host_entry *host)
{
	size_t len = list_len(n);

	if (!len || len > PLAN_MAX_ANSWERS) {
		lang_error(l, n->at,
		           len ? NULL
		               : "a name without one is `call: resolve, "
		                 "inject: {error: EAI_NODATA}`",
		           len ? "more than %d addresses"
		               : "an empty list of addresses (at most %d)",
		           PLAN_MAX_ANSWERS);
		return;
	}
	host->addrs = arena_array(l->arena, len, sizeof(*host->addrs));
	for (size_t i = 0; i < len; i++) {
		const struct node *item = list_item(n, i);
		struct plan_addr *addr = &host->addrs[host->n_addrs];
		size_t errors = l->n_errors;

		read_address(l, item, addr);
		if (l->n_errors != errors)
			continue;
		if (addr->port || strchr(item->text, '/'))
			lang_error(l, item->at, NULL,
			           "a name has addresses, no %s",
			           addr->port ? "ports" : "blocks of them");
		else
			host->n_addrs++;
	}
}

void hosts_read(struct lang *l, const struct node *n, struct scenario *s)
{
	if (n->kind != NODE_MAP) {
		lang_error(l, n->at, "write `{api.test: [127.0.0.1]}`",
		           "expected names with addresses, not %s",
		           node_kind_word(n));
		return;
	}
	s->hosts = arena_array(l->arena, n->n, sizeof(*s->hosts));
	for (size_t i = 0; i < n->n; i++) {
		const struct node *key = n->pairs[i].key;
		const char *name = need_text(l, key);
		struct host_entry *host = &s->hosts[s->n_hosts];
		struct plan_addr addr;
		struct refusal why;
		size_t errors = l->n_errors;

		if (!name)
			continue;
		*host = (struct host_entry){
			.name = arena_strdup(l->arena, name),
			.loc = locate(l, key->at),
		};
		if (units_address(name, &addr, &why) == 0)
			lang_error(l, key->at,
			           "write `NAME: [IP, …]`, as in `{api.test: "
			           "[127.0.0.1]}`",
			           "`%s` is an address: nobody resolves it",
			           name);
		else if (!is_host(name))
			lang_error(l, key->at, NULL, "`%s` is no host's name",
			           name);
		read_addresses(l, n->pairs[i].value, host);
		s->n_hosts += l->n_errors == errors;
	}
}

/* --- files -----------------------------------------------------------------*/

/* Is there a `..` among its parts? */
static bool goes_up(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strcspn(p, "/") == 2 && !strncmp(p, "..", 2))
			return true;
	}
	return false;
}

/* The part of an absolute path that is below tmp, NULL if it is elsewhere. */
static const char *below(const char *path, const char *tmp)
{
	size_t len = strlen(tmp);

	if (strncmp(path, tmp, len) != 0 || path[len] != '/')
		return NULL;
	path += len;
	return path + strspn(path, "/");
}

/* The path below ${tmp}; NULL after a complaint. */
static const char *file_name(struct lang *l, const struct node *key,
                             const char *tmp)
{
	const char *path = need_text(l, key), *name = path;

	if (!path)
		return NULL;
	if (*path == '/')
		name = below(path, tmp);
	if (!name) {
		lang_error(l, key->at,
		           "a relative path is below `${tmp}`; `setup` can "
		           "make others",
		           "`%s` is not below `${tmp}`", path);
		return NULL;
	}
	if (goes_up(name)) {
		lang_error(l, key->at, NULL, "`%s` leads out of `${tmp}`",
		           path);
		return NULL;
	}
	if (!*name || name[strlen(name) - 1] == '/') {
		lang_error(l, key->at, "folders are made for their files",
		           "`%s` is a folder, not a file", path);
		return NULL;
	}
	return name;
}

/* A file is in the way of another: `a` of `a/b`, or the same one. */
static bool in_the_way(const char *a, const char *b)
{
	size_t len = strlen(a);

	return !strncmp(a, b, len) && (!b[len] || b[len] == '/');
}

static void check_unique(struct lang *l, const struct node *key,
                         const struct scenario *s, const char *path)
{
	for (size_t i = 0; i < s->n_files; i++) {
		const char *other = s->files[i].path;

		if (!in_the_way(other, path) && !in_the_way(path, other))
			continue;
		lang_error(l, key->at,
		           arena_printf(l->arena, "first in line %u",
		                        s->files[i].loc.line),
		           strcmp(path, other) ? "`%s` and another are a "
		                                 "file and a folder at once"
		                               : "`%s` stands there twice",
		           key->text);
		return;
	}
}

void files_read(struct lang *l, const struct node *n, struct scenario *s)
{
	const char *tmp;

	if (n->kind != NODE_MAP) {
		lang_error(l, n->at, "write `{PATH: TEXT}`",
		           "expected files by path, not %s", node_kind_word(n));
		return;
	}
	tmp = expand_text(l, n->at, "${tmp}");
	if (!tmp)
		return;
	s->files = arena_array(l->arena, n->n, sizeof(*s->files));
	for (size_t i = 0; i < n->n && i < MAX_FILES; i++) {
		const struct node *key = n->pairs[i].key;
		const char *body = expand_node(l, n->pairs[i].value);
		const char *name = file_name(l, key, tmp);
		char *path;

		if (!name || !body)
			continue;
		path = arena_printf(l->arena, "%s/%s", tmp, name);
		check_unique(l, key, s, path);
		s->files[s->n_files++] = (struct fixture_file){
			.path = path,
			.name = path + strlen(tmp) + 1,
			.body = arena_strdup(l->arena, body),
			.loc = locate(l, key->at),
		};
	}
}

void read_path(struct lang *l, const struct node *n, void *field)
{
	const char *s = need_text(l, n), *tmp;

	if (!s)
		return;
	tmp = *s == '/' ? "" : expand_text(l, n->at, "${tmp}/");
	if (tmp)
		*(char **)field = arena_printf(l->arena, "%s%s", tmp, s);
}

/* --- setup and teardown ----------------------------------------------------*/

void commands_read(struct lang *l, const struct node *n, struct command **ret,
                   size_t *ret_n)
{
	struct command *v;

	if (n->kind != NODE_LIST) {
		lang_error(l, n->at,
		           n->kind == NODE_SCALAR && *n->text
		                   ? arena_printf(l->arena, "write `[\"%s\"]`",
		                                  n->text)
		                   : NULL,
		           "expected a list of commands, not %s",
		           n->kind == NODE_SCALAR && !*n->text
		                   ? "nothing"
		                   : node_kind_word(n));
		return;
	}
	if (n->n > MAX_COMMANDS) {
		lang_error(l, n->at, NULL, "more than %d commands",
		           MAX_COMMANDS);
		return;
	}
	v = arena_array(l->arena, n->n, sizeof(*v));
	for (size_t i = 0; i < n->n; i++) {
		v[i].argv = command_read(l, n->items[i]);
		v[i].loc = locate(l, n->items[i]->at);
	}
	*ret = v;
	*ret_n = n->n;
}
