/*
 * steps.h - between the files that make steps: their words (steps.c), events
 * (event.c), what can never happen (steps_check.c).
 */
#ifndef FAULT_LANG_STEPS_H
#define FAULT_LANG_STEPS_H

#include "lang/keys.h"
#include "lang/scenario.h"

/* Where a step stands: bits, so that a row can be for both. */
enum step_place {
	ON_TIMELINE = 1,
	IN_SCRIPT = 2
};

/* What is carried through a list of steps while it is read. */
struct step_reader {
	struct lang *l;
	const struct scenario *s;
	enum step_place place;
	size_t n_steps; /* so far, with those of `repeat` */
	unsigned depth; /* of `repeat` */
};

/* `steps` at the top, and those of every program; behind programs and faults.
 * map is the value of `programs`. */
void timeline_read(struct lang *l, const struct node *n, struct scenario *s);
void scripts_read(struct lang *l, const struct node *map, struct scenario *s);

/* EVENT; false after a complaint. */
bool event_read(const struct step_reader *r, const struct node *n,
                struct event *ret);

/* Complains about a key beside the word of a step or an event. */
void beside_wrong(const struct step_reader *r, const struct node *key,
                  const char *word, const char *example);

/* A name that rules have; NULL after a complaint. */
char *rule_name_read(struct lang *l, const struct node *n,
                     const struct scenario *s);

/* steps_check.c: complains about steps that can never come. */
void script_check(struct lang *l, const struct step_list *steps);
void timeline_check(struct lang *l, const struct scenario *s);
/* ... and about programs that no step starts; with or without a timeline. */
void started_check(struct lang *l, const struct scenario *s);

#endif
