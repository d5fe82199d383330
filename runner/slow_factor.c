/*
 * slow_factor.c - see slow_factor.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "runner/slow_factor.h"

#define LEAST 0.01
#define MOST  1000.0

int parse_slow_factor(const char *text, double *ret)
{
	char *end;
	double v;

	/* Digits only: no sign, space, hexadecimal, infinity. */
	if ((*text < '0' || *text > '9') && *text != '.')
		return -EINVAL;
	errno = 0;
	v = strtod(text, &end);
	if (errno || *end || text[1] == 'x' || text[1] == 'X' || v < LEAST ||
	    v > MOST)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int64_t slowed_ns(int64_t ns, double factor)
{
	double v = (double)ns * factor;

	return v >= (double)INT64_MAX ? INT64_MAX : (int64_t)v;
}

static void slow_steps(struct step *v, size_t n, double factor)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].has_within)
			v[i].within_ns.max =
				slowed_ns(v[i].within_ns.max, factor);
		slow_steps(v[i].steps, v[i].n_steps, factor);
	}
}

void slow_down(struct scenario *s, double factor)
{
	s->limit_ns = slowed_ns(s->limit_ns, factor);
	slow_steps(s->steps.v, s->steps.n, factor);
	for (size_t i = 0; i < s->n_programs; i++) {
		struct program *p = &s->programs[i];

		p->grace_ns = slowed_ns(p->grace_ns, factor);
		for (size_t k = 0; k < p->n_scripts; k++)
			slow_steps(p->scripts[k].steps.v, p->scripts[k].steps.n,
			           factor);
	}
}
