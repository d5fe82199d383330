/*
 * cmd_list.c - `fault list`: the tables, for people, programs and the docs.
 */
#include <stdio.h>
#include <string.h>

#include "runner/cmd.h"
#include "runner/list.h"
#include "runner/options.h"

enum {
	OPT_JSON = 1,
	OPT_MARKDOWN
};

static const struct option_spec specs[] = {
	{OPT_JSON, 0, "json", NULL, "an array of objects, for programs"},
	{OPT_MARKDOWN, 0, "markdown", NULL,
         "docs/reference: calls, errnos, actions, language"},
};

static const struct command_help help = {
	"list",
	"[OPTION]... TABLE [CALL|FAMILY]",
	"Print what can be said in a rule, and what each word means.\n\n"
	"Tables:\n"
	"  keys      the words of a rule\n"
	"  actions   what can happen to a call\n"
	"  calls     the calls that are reached\n"
	"  families  how these are grouped, and what is counted per what\n"
	"  errnos    which call can fail how, and when\n"
	"  ways      how a failure is made real\n"
	"  gates     why a fault is held back\n"
	"  states    of a socket\n"
	"  verdicts  what a program can be blamed for\n"
	"  schema    the whole language, as a JSON Schema for editors\n\n"
	"calls, errnos and actions take a call or a family too: `fault list\n"
	"errnos recv`.  On a terminal wide tables are folded; a pipe gets one\n"
	"line for each row.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	NULL};

/* A page of the reference: its title and the lists on it. */
struct page {
	const char *name, *title;
	const char *lists[6];
};

static const struct page pages[] = {
	{"calls", "Calls and families", {"calls", "families"}},
	{"errnos",
         "Errnos, gates and states",
         {"errnos", "ways", "gates", "states"}},
	{"actions", "Actions and verdicts", {"actions", "verdicts"}},
	{"language",
         "The words of a rule",
         {"keys", "families", "actions", "states", "verdicts"}},
};

static int print_page(const char *name)
{
	const struct page *page = NULL;
	int rc = 0;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(pages[i].name, name))
			page = &pages[i];
	if (!page) {
		fprintf(stderr,
		        "fault list: there is no page `%s`; pages are calls, "
		        "errnos, actions, language\n",
		        name);
		return EXIT_USAGE;
	}
	printf("<!-- made by `fault list %s --markdown`: do not edit -->\n\n"
	       "# %s\n",
	       name, page->title);
	for (size_t i = 0; page->lists[i] && !rc; i++) {
		const struct list_kind *kind = list_kind_find(page->lists[i]);
		struct list l = {0};

		printf("\n## %s\n\n%s\n\n", kind->title, kind->about);
		rc = kind->fill(&l, NULL);
		if (!rc)
			rc = list_print_markdown(&l, stdout);
		list_release(&l);
	}
	return rc ? EXIT_ENVIRONMENT : EXIT_PASSED;
}

static int print_list(const struct list_kind *kind, const char *only, bool json)
{
	struct list l = {0};
	int rc = kind->fill(&l, only);

	if (!rc)
		rc = json ? list_print_json(&l, stdout)
		          : list_print_text(&l, stdout);
	if (!rc && !l.n_rows && !json)
		fprintf(stderr, "fault list: no %s for `%s`\n", kind->name,
		        only);
	list_release(&l);
	if (rc)
		fprintf(stderr, "fault list: %s\n", strerror(-rc));
	return rc ? EXIT_ENVIRONMENT : EXIT_PASSED;
}

static int which_list(struct options *o)
{
	char names[256] = "";
	size_t len = 0;

	for (const struct list_kind *k = list_kinds; k->name; k++)
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		                        "%s, ", k->name);
	options_error(o, "which table? %sschema", names);
	return o->exit_code;
}

static int unknown_list(struct options *o, const char *name)
{
	const char *words[16];
	char suggestion[256];
	size_t n = 0;

	for (const struct list_kind *k = list_kinds; k->name && n < 15; k++)
		words[n++] = k->name;
	words[n++] = "schema";
	options_error(o, "no list `%s`%s", name,
	              options_suggest(name, words, n, suggestion,
	                              sizeof(suggestion)));
	return o->exit_code;
}

static int print_schema(struct options *o, size_t n_words)
{
	int r;

	if (n_words > 1) {
		options_error(o, "`schema` takes nothing more");
		return o->exit_code;
	}
	r = list_schema(stdout);
	if (r)
		fprintf(stderr, "fault list: %s\n", strerror(-r));
	return r ? EXIT_ENVIRONMENT : EXIT_PASSED;
}

static int check_only(struct options *o, const struct list_kind *kind,
                      const char *only)
{
	const char *words[LIST_MAX_WORDS];
	char suggestion[256];
	size_t n;

	if (!kind->filtered)
		options_error(o, "`%s` takes nothing more", kind->name);
	else if (!list_known(only, words, &n))
		options_error(o, "`%s` is neither a call nor a family%s", only,
		              options_suggest(only, words, n, suggestion,
		                              sizeof(suggestion)));
	else
		return 0;
	return o->exit_code;
}

int cmd_list(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	const char *operands[2] = {NULL, NULL};
	const struct list_kind *kind;
	bool json = false, markdown = false;
	size_t n = 0;
	int id;

	while ((id = options_next(&o)) != OPTION_DONE) {
		if (id == OPT_JSON)
			json = true;
		else if (id == OPT_MARKDOWN)
			markdown = true;
		else if (id == OPTION_OPERAND && n < 2)
			operands[n++] = o.value;
		else if (id == OPTION_OPERAND)
			options_error(&o, "too many words: `%s`", o.value);
		if (id == OPTION_EXIT || n > 2 || o.exit_code)
			return o.exit_code;
	}
	if (!n)
		return which_list(&o);
	if (!markdown && !strcmp(operands[0], "schema"))
		return print_schema(&o, n);
	if (markdown)
		return print_page(operands[0]);
	kind = list_kind_find(operands[0]);
	if (!kind)
		return unknown_list(&o, operands[0]);
	if (n == 2 && check_only(&o, kind, operands[1]))
		return o.exit_code;
	return print_list(kind, operands[1], json);
}
