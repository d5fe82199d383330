/*
 * list_print.c - a list as an aligned table, as JSON, as Markdown.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "runner/list.h"

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

/* The last column is not padded: no line ends in blanks. */
static void print_cell(FILE *out, const char *s, size_t width, bool last)
{
	if (last)
		fprintf(out, "%s\n", s);
	else
		fprintf(out, "%-*s  ", (int)width, s);
}

int list_print_text(const struct list *l, FILE *out)
{
	size_t width[LIST_MAX_COLUMNS], n = n_columns(l);
	char head[64];

	for (size_t j = 0; j < n; j++) {
		width[j] = strlen(l->columns[j].head);
		for (size_t i = 0; i < l->n_rows; i++)
			if (strlen(l->rows[i][j]) > width[j])
				width[j] = strlen(l->rows[i][j]);
	}
	for (size_t j = 0; j < n; j++) {
		size_t k = 0;

		for (const char *s = l->columns[j].head;
		     *s && k < sizeof(head) - 1; s++)
			head[k++] = (char)toupper((unsigned char)*s);
		head[k] = '\0';
		print_cell(out, head, width[j], j + 1 == n);
	}
	for (size_t i = 0; i < l->n_rows; i++)
		for (size_t j = 0; j < n; j++)
			print_cell(out, l->rows[i][j], width[j], j + 1 == n);
	return result(out);
}

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
