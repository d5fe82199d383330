/*
 * keys.h - maps of the language, read by table: key, type, where it goes.
 *
 * A reader gets the node behind its key and the field it fills; it complains
 * by itself, the caller sees l->n_errors.  A field that was not understood
 * keeps its default.
 */
#ifndef FAULT_LANG_KEYS_H
#define FAULT_LANG_KEYS_H

#include "lang/scenario.h"
#include "lang/lang.h"

/* Where a word stands: what is not yet there, or another tool's, by place. */
enum place {
	IN_TOP = 1,
	IN_PROGRAM = 2,
	IN_RULE = 4,
	IN_EXPECT = 8,       /* beside the programs */
	IN_EXPECTATION = 16, /* of one program */
	AS_ACTION = 32,
	AS_CALL = 64,
	AS_ERRNO = 128,
	IN_CALL = 256, /* an entry of `calls` or `order` */
	IN_FILE = 512, /* of `files` in `expect` */
	IN_STEP = 1024,
	IN_EVENT = 2048,
};

typedef void key_reader(struct lang *l, const struct node *value, void *field);

struct key {
	const char *word;
	key_reader *read; /* NULL: the caller looks at `given` */
	size_t offset;    /* of the field */
};

struct given {
	const struct node *key, *value; /* NULL: not given */
};

/*
 * Reads a map into object.  given, if not NULL, has one entry per key of the
 * table.  unknown, if not NULL, is asked first about a key that is not in the
 * table and returns true when it has complained.
 */
struct key_table {
	const struct key *keys;
	size_t n;
	enum place place;
	bool (*unknown)(struct lang *l, const struct pair *p);
};
bool read_map(struct lang *l, const struct node *map,
              const struct key_table *table, void *object, struct given *given);

/*
 * A word that is none: not yet available, another tool's, or unknown with the
 * nearest of n words.  what names the kind: "key", "action".
 */
void unknown_word(struct lang *l, struct mark at, enum place place,
                  const char *what, const char *word, const char *const *words,
                  size_t n);

/* not_yet.c, other_tools.c: complains and returns true if it is one. */
bool not_yet(struct lang *l, struct mark at, enum place place,
             const char *word);
bool other_tools(struct lang *l, struct mark at, enum place place,
                 const char *word);
/* Says it of something that has no word of its own. */
void not_yet_available(struct lang *l, struct mark at, const char *what);

/* Is the node a list?  The n-th of its items, or the node itself. */
size_t list_len(const struct node *n);
const struct node *list_item(const struct node *n, size_t i);

/* Readers; the field's type is named. */
void read_text(struct lang *l, const struct node *n, void *field); /* char * */
void read_bool(struct lang *l, const struct node *n, void *field); /* bool */
void read_flag(struct lang *l, const struct node *n, void *field); /* int */
void read_duration(struct lang *l, const struct node *n,
                   void *field); /* uint64_t, int64_t ns, not zero */
void read_size(struct lang *l, const struct node *n,
               void *field); /* uint64_t bytes, not zero */
void read_rate(struct lang *l, const struct node *n,
               void *field); /* uint64_t bytes/s, not zero */
void read_count(struct lang *l, const struct node *n,
                void *field); /* uint32_t, not zero */
void read_port(struct lang *l, const struct node *n,
               void *field); /* uint16_t */
void read_range(struct lang *l, const struct node *n,
                void *field); /* struct range of counts */
void read_size_range(struct lang *l, const struct node *n,
                     void *field); /* struct range of bytes */
void read_elapsed(struct lang *l, const struct node *n,
                  void *field); /* struct range of ns, no single value */
void read_pick(struct lang *l, const struct node *n,
               void *field); /* struct plan_pick */
void read_address(struct lang *l, const struct node *n,
                  void *field); /* struct plan_addr */
void read_signal(struct lang *l, const struct node *n, void *field); /* int */

/* A quantity that is none: "`5` has no unit, did you mean `5ms`?" */
struct refusal;
void refused(struct lang *l, const struct node *n, const char *s,
             const struct refusal *why);

/* A place for the model, and back. */
struct source_loc locate(const struct lang *l, struct mark at);
struct mark place_of(const struct lang *l, const struct source_loc *loc);

/* A text that may not be empty; NULL after a complaint. */
const char *need_text(struct lang *l, const struct node *n);
/* The index of a word, -1 after a complaint ("unknown role `x`, …"). */
int need_word(struct lang *l, const struct node *n, enum place place,
              const char *what, const char *const *words, size_t n_words);

/* signals.c: "TERM", "SIGTERM"; 0 if it is none.  NULL for none. */
int signal_number(const char *name);
const char *signal_name(int number);

#endif
