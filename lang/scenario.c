/*
 * scenario.c - the life of a struct scenario, and rules from a command line.
 *
 * A scenario and all that hangs on it lives in one arena behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/model.h"
#include "lang/rule.h"

struct scenario *scenario_new(void)
{
	struct scenario_box *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	arena_init(&box->arena, ARENA_BUDGET);
	box->scenario.limit_ns = 30000000000;
	box->scenario.name = box->scenario.about = box->nothing;
	return &box->scenario;
}

struct arena *scenario_arena(struct scenario *s)
{
	return &((struct scenario_box *)s)->arena;
}

void scenario_free(struct scenario *s)
{
	struct scenario_box *box = (struct scenario_box *)s;

	if (!box)
		return;
	arena_release(&box->arena);
	free(box);
}

struct add_rules {
	struct scenario *s;
	const char *text, *origin;
	struct diag_list *diags;
};

static int add_rules(void *context)
{
	struct add_rules *job = context;
	struct arena *a = scenario_arena(job->s);
	struct source source;
	struct lang l = {
		.arena = a,
		.source = &source,
		.path = arena_strdup(a, job->origin),
		.diags = job->diags,
		.warnings = true,
	};
	struct node *list;

	source_init(&source, a, l.path, job->text, strlen(job->text));
	list = oneline_parse(&l);
	return list && rules_read(&l, list, job->s) ? 0 : -EINVAL;
}

int scenario_add_rules(struct scenario *s, const char *text, const char *origin,
                       struct diag_list *diags)
{
	struct add_rules job = {s, text, origin, diags};
	size_t n = s->n_rules;
	int r = arena_try(scenario_arena(s), add_rules, &job);

	if (r == -ENOMEM)
		diag_no_memory(diags, origin);
	if (r < 0)
		s->n_rules = n;
	return r;
}

struct add_program {
	struct scenario *s;
	const char *name;
	char *const *argv;
};

static int add_program(void *context)
{
	struct add_program *job = context;
	struct scenario *s = job->s;
	struct arena *a = scenario_arena(s);
	struct program *p;
	size_t n = 0;

	while (job->argv[n])
		n++;
	s->programs = arena_grow(a, s->programs, s->n_programs, sizeof(*p));
	p = &s->programs[s->n_programs];
	program_init(p, arena_strdup(a, job->name));
	p->argv = arena_array(a, n + 1, sizeof(*p->argv));
	for (size_t i = 0; i < n; i++)
		p->argv[i] = arena_strdup(a, job->argv[i]);
	s->n_programs++;
	return 0;
}

int scenario_add_program(struct scenario *s, const char *name,
                         char *const *argv)
{
	struct add_program job = {s, name, argv};

	if (s->n_programs == PLAN_MAX_PROGRAMS)
		return -E2BIG;
	return arena_try(scenario_arena(s), add_program, &job);
}
