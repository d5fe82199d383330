/*
 * diag.c - collecting diagnostics, and finding the word that was meant.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/diag.h"
#include "lang/lang.h"
#include "lang/utf8.h"

enum {
	MAX_KEPT = 200,      /* diagnostics */
	EXCERPT_BEFORE = 44, /* bytes of a long line before the column */
	EXCERPT_BYTES = 69,  /* in all: with its number 80 columns */
	MAX_WORD = 48,       /* longer words are not compared */
	MAX_CHOICES = 12     /* more are not listed in a line */
};

static void diag_release(struct diag *d)
{
	free(d->file);
	free(d->message);
	free(d->hint);
	free(d->excerpt);
}

void diag_list_release(struct diag_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		diag_release(&l->v[i]);
	free(l->v);
	*l = (struct diag_list){0};
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool known(const struct diag_list *l, const struct diag *d)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct diag *o = &l->v[i];

		if (o->line == d->line && o->column == d->column &&
		    same(o->message, d->message) && same(o->file, d->file))
			return true;
	}
	return false;
}

static bool in_character(const char *text)
{
	return (*text & 0xc0) == 0x80;
}

/* Would a terminal do something?  C1, U+0080 to U+009F, is control as well. */
static bool is_control(const char *text, size_t left)
{
	unsigned char c = (unsigned char)*text;

	return c < 0x20 || c == 0x7f ||
	       (c == 0xc2 && left > 1 && (unsigned char)text[1] < 0xa0);
}

/*
 * A copy of len bytes with control bytes, and what is no UTF-8, as \xNN.
 * ret_caret: characters written before offset `at`.
 */
static char *escape(const char *text, size_t len, size_t at,
                    unsigned *ret_caret)
{
	char *out = malloc(len * 4 + 1), *p = out;
	size_t whole = 0; /* end of the last good character */

	if (!out)
		return NULL;
	*ret_caret = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool odd = is_control(text + i, len - i);

		if (c >= 0x80 && i >= whole && !odd) {
			size_t n = utf8_length(text + i, len - i);

			whole = i + n;
			odd = !n;
		}
		if (odd)
			p += sprintf(p, "\\x%02x", c);
		else
			*p++ = (char)c;
		if (i < at && (odd || !in_character(text + i)))
			*ret_caret += odd ? 4 : 1;
	}
	*p = '\0';
	return out;
}

/* What is said quotes the input, too. */
static char *escape_all(const char *text)
{
	unsigned caret;

	return escape(text, strlen(text), 0, &caret);
}

static void add_excerpt(struct diag *d, const struct source *s)
{
	struct mark at = {d->line, d->column, s};
	size_t end, begin = source_line(s, at.line, &end);
	size_t offset = source_offset(s, at);

	if (begin >= end)
		return;
	if (end > begin + EXCERPT_BYTES && offset > begin + EXCERPT_BEFORE) {
		begin = offset - EXCERPT_BEFORE;
		if (begin + EXCERPT_BYTES > end)
			begin = end - EXCERPT_BYTES;
		while (begin < offset && in_character(s->text + begin))
			begin++;
	}
	if (end > begin + EXCERPT_BYTES) {
		end = begin + EXCERPT_BYTES;
		while (end > offset && in_character(s->text + end))
			end--;
	}
	d->excerpt =
		escape(s->text + begin, end - begin, offset - begin, &d->caret);
}

static bool grow(struct diag_list *l)
{
	size_t cap = l->cap ? l->cap * 2 : 8;
	struct diag *v;

	if (l->n < l->cap)
		return true;
	v = realloc(l->v, cap * sizeof(*v));
	if (!v)
		return false;
	l->v = v;
	l->cap = cap;
	return true;
}

void diag_add(struct diag_list *l, const struct source *source,
              const char *path, struct mark at, enum diag_kind kind,
              const char *hint, const char *message)
{
	struct diag d = {.line = at.line, .column = at.column, .kind = kind};

	if (l->n >= MAX_KEPT) {
		l->n_errors += kind == DIAG_ERROR;
		return;
	}
	d.file = escape_all(path);
	d.message = escape_all(message);
	d.hint = hint ? escape_all(hint) : NULL;
	if (source && at.line)
		add_excerpt(&d, source);
	if (known(l, &d)) {
		diag_release(&d);
		return;
	}
	l->n_errors += kind == DIAG_ERROR;
	if (d.file && d.message && grow(l)) {
		l->v[l->n++] = d;
		return;
	}
	l->machine = true;
	diag_release(&d);
}

bool diag_of_machine(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

void diag_no_memory(struct diag_list *l, const char *path)
{
	l->machine = true;
	diag_add(l, NULL, path, (struct mark){0}, DIAG_ERROR, NULL,
	         "out of memory");
}

/* Each file's together. */
static bool before(const struct diag *a, const struct diag *b)
{
	int order = a->file == b->file ? 0 : strcmp(a->file, b->file);

	if (order)
		return order < 0;
	return a->line < b->line ||
	       (a->line == b->line && a->column < b->column);
}

void diag_sort(struct diag_list *l, size_t from)
{
	for (size_t i = from; i < l->n; i++) {
		struct diag d = l->v[i];
		size_t j = i;

		for (; j > from && before(&d, &l->v[j - 1]); j--)
			l->v[j] = l->v[j - 1];
		l->v[j] = d;
	}
}

__attribute__((format(printf, 5, 0))) static void
report(struct lang *l, struct mark at, enum diag_kind kind, const char *hint,
       const char *format, va_list args)
{
	const struct source *source = at.source ? at.source : l->source;
	char message[1024]; /* cut: a sentence about one scalar */

	vsnprintf(message, sizeof(message), format, args);
	diag_add(l->diags, source, source->path, at, kind, hint, message);
}

void lang_error(struct lang *l, struct mark at, const char *hint,
                const char *format, ...)
{
	va_list args;

	l->n_errors++;
	va_start(args, format);
	report(l, at, DIAG_ERROR, hint, format, args);
	va_end(args);
}

void lang_warn(struct lang *l, struct mark at, const char *hint,
               const char *format, ...)
{
	va_list args;

	if (!l->warnings)
		return;
	va_start(args, format);
	report(l, at, DIAG_WARNING, hint, format, args);
	va_end(args);
}

void lang_note(struct lang *l, struct mark at, const char *format, ...)
{
	va_list args;

	if (!l->warnings)
		return;
	va_start(args, format);
	report(l, at, DIAG_NOTE, NULL, format, args);
	va_end(args);
}

size_t diag_format(const struct diag *d, char *buf, size_t size)
{
	static const char *const words[] = {[DIAG_ERROR] = "",
	                                    [DIAG_WARNING] = "warning: ",
	                                    [DIAG_NOTE] = "note: "};
	const char *hint = d->hint ? d->hint : "";
	char place[32] = "";
	int n;

	if (d->line)
		snprintf(place, sizeof(place), "%u:%u: ", d->line, d->column);
	if (d->excerpt)
		n = snprintf(buf, size,
		             "%s:%s%s%s%s%s\n%7u | %s\n        | %*s^\n",
		             d->file, place, words[d->kind], d->message,
		             *hint ? ", " : "", hint, d->line, d->excerpt,
		             (int)d->caret, "");
	else
		n = snprintf(buf, size, "%s:%s%s%s%s%s\n", d->file,
		             d->line ? place : " ", words[d->kind], d->message,
		             *hint ? ", " : "", hint);
	return n < 0 ? 0 : (size_t)n;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned cost(char a, char b)
{
	return lower(a) == lower(b) ? 0 : 2;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap two neighbours. */
unsigned diag_distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned row[3][MAX_WORD + 1];
	unsigned *older = row[0], *old = row[1], *now = row[2];

	if (na > MAX_WORD || nb > MAX_WORD)
		return UINT32_MAX;
	for (unsigned j = 0; j <= nb; j++)
		old[j] = older[j] = j * 2;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *spare = older;

		now[0] = i * 2;
		for (unsigned j = 1; j <= nb; j++) {
			now[j] = least(old[j], now[j - 1]) + 2;
			now[j] = least(now[j],
			               old[j - 1] + cost(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && !cost(a[i - 1], b[j - 2]) &&
			    !cost(a[i - 2], b[j - 1]))
				now[j] = least(now[j], older[j - 2] + 2);
		}
		older = old;
		old = now;
		now = spare;
	}
	return old[nb];
}

/* How far a word may be from what was meant. */
static unsigned tolerance(const char *word)
{
	size_t len = strlen(word);

	if (len <= 4)
		return 2;
	return len <= 8 ? 4 : 6;
}

const char *diag_nearest(const char *word, const char *const *words, size_t n)
{
	unsigned best = tolerance(word) + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = words[i] && *words[i]
		                     ? diag_distance(word, words[i])
		                     : UINT32_MAX;

		/* A word that has nothing left of the other is no guess. */
		if (d < best && d < 2 * strlen(words[i])) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}

bool too_many_errors(const struct lang *l)
{
	return l->n_errors >= MAX_KEPT;
}

char *did_you_mean(struct lang *l, const char *word, const char *const *words,
                   size_t n)
{
	const char *nearest = NULL;

	if (!too_many_errors(l))
		nearest = diag_nearest(word, words, n);
	if (!nearest)
		return NULL;
	return arena_printf(l->arena, "did you mean `%s`?", nearest);
}

char *did_you_mean_or_all(struct lang *l, const char *word,
                          const char *const *words, size_t n)
{
	char *hint = did_you_mean(l, word, words, n);
	struct arena_text list = {0};

	if (hint || n == 0 || n > MAX_CHOICES || too_many_errors(l))
		return hint;
	for (size_t i = 0; i < n; i++) {
		arena_text_adds(l->arena, &list, i ? ", " : "there are ");
		arena_text_adds(l->arena, &list, words[i]);
	}
	return n == 1 ? arena_printf(l->arena, "there is %s", words[0])
	              : list.s;
}
