/*
 * scenarios.c - what must hold of every scenario that is accepted (fuzz.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/suite.h"
#include "runner/print_scenario.h"
#include "tests/fuzz/fuzz.h"

void check_diags(struct diag_list *diags)
{
	for (size_t i = 0; i < diags->n; i++) {
		size_t len = diag_format(&diags->v[i], NULL, 0);
		char *text = malloc(len + 1);

		must(text, "no memory");
		must(diag_format(&diags->v[i], text, len + 1) == len,
		     "a diagnostic has two lengths");
		must(strlen(text) == len, "a diagnostic has a 0 in it");
		for (size_t k = 0; k < len; k++) {
			unsigned char c = (unsigned char)text[k];

			must(c == '\n' || (c >= 0x20 && c != 0x7f),
			     "a control byte in `%s`", text);
		}
		free(text);
	}
	diag_list_release(diags);
}

static char *print(const struct scenario *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	must(out, "no memory");
	print_scenario(out, "id", s, NULL);
	must(fclose(out) == 0, "no memory");
	return text;
}

static struct scenario *load(const char *text, bool good)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;
	struct scenario *s = NULL;

	if (suite_parse(text, strlen(text), "printed", NULL, &suite, &diags) <
	            0 ||
	    suite_bind(suite, 0, NULL, &s, &diags) < 0) {
		for (size_t i = 0; i < diags.n; i++)
			fprintf(stderr, "%u:%u: %s\n", diags.v[i].line,
			        diags.v[i].column, diags.v[i].message);
		must(!good, "does not load:\n%s", text);
	}
	suite_free(suite);
	diag_list_release(&diags);
	return s;
}

struct scenario *good_scenario(const char *text)
{
	return load(text, true);
}

/* But for where its rules stood and how they were written; NULL: none. */
static void *compile(struct scenario *s, size_t *ret_len)
{
	struct plan_options options = {.seed = 1};
	struct diag_list diags = {0};
	void *plan = NULL;

	for (size_t i = 0; i < s->n_rules; i++) {
		s->rules[i].loc = (struct source_loc){"same", 1, 1};
		s->rules[i].text[0] = '\0';
	}
	if (!scenario_plan(s, &options, &plan, ret_len, &diags))
		must(!plan_check(plan, *ret_len), "an unsound plan: %s",
		     plan_check(plan, *ret_len));
	check_diags(&diags);
	return plan;
}

static void check_plans(struct scenario *a, struct scenario *b,
                        const char *text)
{
	size_t len_a, len_b;
	void *plan_a = compile(a, &len_a);
	void *plan_b = compile(b, &len_b);

	must(!plan_a == !plan_b &&
	             (!plan_a ||
	              (len_a == len_b && !memcmp(plan_a, plan_b, len_a))),
	     "printed and loaded, its faults are others:\n%s", text);
	free(plan_a);
	free(plan_b);
}

void check_scenario(struct scenario *s)
{
	static char name[] = "printed"; /* as load() calls a file without */
	char *first, *second;
	struct scenario *again;

	if (!s->name || !*s->name)
		s->name = name;
	first = print(s);

	/* What is short by anchors may be too long without them. */
	if (strlen(first) <= MAX_TEXT) {
		again = load(first, true);
		second = print(again);
		must(!strcmp(first, second), "printed\n%sand then\n%s", first,
		     second);
		check_plans(s, again, first);
		free(second);
		scenario_free(again);
	}
	free(first);
	scenario_free(s);
}
