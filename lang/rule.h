/*
 * rule.h - between the files that make a struct rule: keys (rule.c), actions
 * (action.c), what is impossible (rule_check.c), its one-line form
 * (rule_text.c) and the way from there (oneline.c).
 */
#ifndef FAULT_LANG_RULE_H
#define FAULT_LANG_RULE_H

#include "lang/keys.h"
#include "lang/scenario.h"

/* RULE of the grammar: key, reader, field. */
#define RULE_KEYS(K)                                                                                           \
	K(name, read_text, name)                                                                               \
	K(call, NULL, calls)                                                                                   \
	K(inject, NULL, actions)                                                                               \
	K(in, NULL, programs)                                                                                  \
	K(role, read_roles, roles)                                                                             \
	K(port, read_port, port)                                                                               \
	K(peer, read_address, peer)                                                                            \
	K(host, read_host, host)                                                                               \
	K(connection, read_pick, connection)                                                                   \
	K(state, read_states, states)                                                                          \
	K(caller, NULL, caller_module)                                         	K(process, read_text, process)                                         \
	K(nth, read_pick, nth)                                                 \
	K(turn, read_pick, turn)                                               \
	K(bytes, NULL, bytes)                                                  \
	K(per, read_per, per)                                                  \
	K(seen, read_size, seen)                                               \
	K(age, read_duration, age_ns)                                          \
	K(idle, read_duration, idle_ns)                                        \
	K(after, NULL, after_ns)                                               \
	K(for, read_duration, for_ns)                                          \
	K(times, read_count, times)                                            \
	K(hits, read_range, hits)                                              \
	K(armed, read_bool, armed)                                             \
	K(force, read_bool, force)

enum rule_key {
#define K(word, read, field) RULE_KEY_##word,
	RULE_KEYS(K)
#undef K
	N_RULE_KEYS
};

/* One word of `call`: a family or a symbol. */
struct call_word {
	const char *word;
	struct mark at;
	enum fault_family family;
	uint64_t calls[PLAN_CALL_WORDS];
};

/* A rule while it is read. */
struct rule_form {
	struct rule rule;
	struct given given[N_RULE_KEYS];
	struct call_word *words;
	size_t n_words;
	const char *after; /* name of a rule that is looked up later */
};

/*
 * Reads rules and appends them to s, all or (after complaints) none.  list
 * is a NODE_LIST of maps.
 */
bool rules_read(struct lang *l, const struct node *list, struct scenario *s);

/*
 * The keys that select calls, for all that names some: rules, events,
 * expectations.
 */
/* Words of `call`, of which so many are understood. */
size_t read_calls(struct lang *l, const struct node *n,
                  struct call_word **ret_words);
/* Adds the calls of n words to a set of PLAN_CALL_WORDS. */
void call_words_merge(const struct call_word *words, size_t n, uint64_t *calls);
void read_roles(struct lang *l, const struct node *n, void *field);
/*
 * `in`: bits of programs, one or a list.  why: what is so of a program that the
 * library is not in ("no fault can reach it").
 */
uint64_t read_programs(struct lang *l, const struct node *n,
                       const struct scenario *s, const char *why);
/* The index of the program that is named; -1 after a complaint. */
int need_program(struct lang *l, const struct node *n,
                 const struct scenario *s);
/* The same without: -1 if there is none. */
int program_find(const struct scenario *s, const char *name);

/* Does a family or a call that takes faults begin with it, up to a comma? */
bool rule_is_call(const char *call);

/* action.c */
void actions_read(struct lang *l, const struct node *n, struct rule *rule);
/* Words of actions and of their parameters. */
const struct fault_action_row *action_find(const char *word);
bool action_is_parameter(const char *word);
const char *const *action_words(size_t *ret_n);
/* An errno's name, or an EAI_ code's (negative); 0 after a complaint. */
int need_errno(struct lang *l, const struct node *n);
/* Every errno name. */
const char *const *errno_words(struct lang *l, size_t *ret_n);

/* rule_check.c: complains about what can never happen. */
void rule_check(struct lang *l, struct rule_form *f);
/* Of it: can the calls have what the keys select them by? */
void rule_check_which(struct lang *l, const struct rule_form *f);
/* The same for a rule without `call`. */
void rule_check_self(struct lang *l, struct rule_form *f);

/* rule_text.c */
char *rule_text(struct lang *l, const struct rule_form *f);

/* oneline.c: the tree of "recv:reset:nth=3; …", a list; NULL: complaint. */
struct node *oneline_parse(struct lang *l);

#endif
