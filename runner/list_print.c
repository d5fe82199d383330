/*
 * list_print.c - a list as an aligned table, as JSON, as Markdown.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "runner/list.h"
#include "runner/report/terminal.h"

static size_t n_columns(const struct list *l)
{
	size_t n = 0;

	while (n < LIST_MAX_COLUMNS && l->columns[n].head)
		n++;
	return n;
}

static int result(FILE *out)
{
	return fflush(out) || ferror(out) ? -EIO : 0;
}

/* ---- a table that fits --------------------------------------------------- */

static size_t longest_word(const char *s)
{
	size_t max = 0, len;

	for (; *s; s += len + (s[len] == ' ')) {
		len = strcspn(s, " ");
		if (len > max)
			max = len;
	}
	return max;
}

static void grow(size_t *at_least, size_t n)
{
	if (n > *at_least)
		*at_least = n;
}

/*
 * Columns as wide as their cells; where the lines would be longer than limit
 * (0: no limit), the widest are narrowed down to their longest words.
 */
static void column_widths(const struct list *l, size_t n, size_t limit,
                          size_t *width)
{
	size_t least[LIST_MAX_COLUMNS], total = 2 * n - 2;

	for (size_t j = 0; j < n; j++) {
		width[j] = least[j] = strlen(l->columns[j].head);
		for (size_t i = 0; i < l->n_rows; i++) {
			grow(&width[j], strlen(l->rows[i][j]));
			grow(&least[j], longest_word(l->rows[i][j]));
		}
		total += width[j];
	}
	for (; limit && total > limit; total--) {
		size_t widest = n;

		for (size_t j = 0; j < n; j++)
			if (width[j] > least[j] &&
			    (widest == n || width[j] > width[widest]))
				widest = j;
		if (widest == n)
			return;
		width[widest]--;
	}
}

/* How much of s goes into this line: whole words. */
static size_t line_len(const char *s, size_t width)
{
	size_t len = strlen(s);

	if (len <= width)
		return len;
	for (len = width; len && s[len] != ' '; len--)
		;
	return len ? len : strcspn(s, " ");
}

/* One row, on as many lines as its cells need; no line ends in blanks. */
static void print_row(FILE *out, char *const *cells, const size_t *width,
                      size_t n)
{
	const char *rest[LIST_MAX_COLUMNS];
	bool more = true;

	for (size_t j = 0; j < n; j++)
		rest[j] = cells[j];
	while (more) {
		size_t blanks = 0;

		more = false;
		for (size_t j = 0; j < n; j++) {
			size_t len = line_len(rest[j], width[j]);

			if (len)
				fprintf(out, "%*s%.*s", (int)blanks, "",
				        (int)len, rest[j]);
			blanks = (len ? 0 : blanks) + width[j] - len + 2;
			rest[j] += len + (rest[j][len] == ' ');
			more |= *rest[j] != '\0';
		}
		fputc('\n', out);
	}
}

int list_print_text(const struct list *l, FILE *out)
{
	size_t width[LIST_MAX_COLUMNS], n = n_columns(l);
	char heads[LIST_MAX_COLUMNS][32];
	char *cells[LIST_MAX_COLUMNS];

	column_widths(l, n, terminal_width(out), width);
	for (size_t j = 0; j < n; j++) {
		snprintf(heads[j], sizeof(heads[j]), "%s", l->columns[j].head);
		for (char *s = heads[j]; *s; s++)
			*s = (char)toupper((unsigned char)*s);
		cells[j] = heads[j];
	}
	print_row(out, cells, width, n);
	for (size_t i = 0; i < l->n_rows; i++)
		print_row(out, l->rows[i], width, n);
	return result(out);
}

/* ---- for programs and for the docs --------------------------------------- */

static json_t *json_words(const char *s)
{
	json_t *array = json_array();
	size_t len;

	for (; *s && strcmp(s, "-"); s += len + (s[len] == ' ')) {
		len = strcspn(s, " ");
		json_array_append_new(array, json_stringn(s, len));
	}
	return array;
}

static json_t *json_cell(enum list_cell kind, const char *s)
{
	switch (kind) {
	case CELL_WORDS:
		return json_words(s);
	case CELL_BOOL:
		return json_boolean(!strcmp(s, "yes"));
	case CELL_TEXT:
		break;
	}
	return json_string(s);
}

int list_print_json(const struct list *l, FILE *out)
{
	size_t n = n_columns(l);
	json_t *array = json_array();
	int rc;

	for (size_t i = 0; i < l->n_rows; i++) {
		json_t *row = json_object();

		for (size_t j = 0; j < n; j++)
			json_object_set_new(
				row, l->columns[j].head,
				json_cell(l->columns[j].kind, l->rows[i][j]));
		json_array_append_new(array, row);
	}
	rc = json_array_size(array) == l->n_rows ? 0 : -ENOMEM;
	if (!rc && json_dumpf(array, out, JSON_INDENT(2)))
		rc = -EIO;
	json_decref(array);
	fputc('\n', out);
	return rc ? rc : result(out);
}

/* A `|` in a cell would end it. */
static void print_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '|')
			fputc('\\', out);
		fputc(*s, out);
	}
}

int list_print_markdown(const struct list *l, FILE *out)
{
	size_t n = n_columns(l);

	for (size_t j = 0; j < n; j++)
		fprintf(out, "| %s ", l->columns[j].head);
	fputs("|\n", out);
	for (size_t j = 0; j < n; j++)
		fputs("|---", out);
	fputs("|\n", out);
	for (size_t i = 0; i < l->n_rows; i++) {
		for (size_t j = 0; j < n; j++) {
			fputs("| ", out);
			if (!j)
				fprintf(out, "`%s`", l->rows[i][j]);
			else
				print_escaped(out, l->rows[i][j]);
			fputc(' ', out);
		}
		fputs("|\n", out);
	}
	return result(out);
}
