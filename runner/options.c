/*
 * options.c - the parser behind options.h.  No allocation, no global state.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/diag.h"
#include "runner/cmd.h"
#include "runner/options.h"

enum {
	MAX_WORDS = 64,
	MAX_LISTED = 12
};

struct options options_start(const struct command_help *help, int argc,
                             char **argv)
{
	return (struct options){
		.help = help,
		.argc = argc,
		.argv = argv,
		.index = 1,
		.usage_exit = EXIT_USAGE,
	};
}

/* "", if there is no room for all of them. */
static void list_words(const char *const *words, size_t n, char *buf,
                       size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
		                       i        ? ", "
		                       : n == 1 ? ", there is "
		                                : ", there are ",
		                       words[i]);
	if (at >= size)
		buf[0] = '\0';
}

const char *options_suggest(const char *word, const char *const *words,
                            size_t n, char *buf, size_t size)
{
	const char *near = diag_nearest(word, words, n);

	buf[0] = '\0';
	if (near)
		snprintf(buf, size, ", did you mean `%s`?", near);
	else if (n <= MAX_LISTED)
		list_words(words, n, buf, size);
	return buf;
}

int options_error(struct options *o, const char *format, ...)
{
	const char *space = *o->help->name ? " " : "";
	va_list args;

	fprintf(stderr, "fault%s%s: ", space, o->help->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry `fault%s%s --help`.\n", space, o->help->name);
	o->exit_code = o->usage_exit;
	return OPTION_EXIT;
}

static void print_option(const struct option_spec *s)
{
	char left[80];
	int n = 0;
	int size = (int)sizeof(left);

	n = snprintf(left, sizeof(left), "  %c%c%s", s->letter ? '-' : ' ',
	             s->letter ? s->letter : ' ',
	             s->letter && s->name ? ", " : (s->name ? "  " : ""));
	if (s->name && n < size)
		n += snprintf(left + n, (size_t)(size - n), "--%s", s->name);
	if (s->argument && n < size)
		n += snprintf(left + n, (size_t)(size - n), "%s%s",
		              s->name ? "=" : " ", s->argument);
	if (n > 26)
		printf("%s\n%-28s%s\n", left, "", s->help);
	else
		printf("%-28s%s\n", left, s->help);
}

void options_print_help(const struct command_help *help)
{
	printf("Usage: fault%s%s %s\n\n%s\n", *help->name ? " " : "",
	       help->name, help->usage, help->about);
	printf("\nOptions:\n");
	for (size_t i = 0; i < help->n_specs; i++)
		print_option(&help->specs[i]);
	printf("%-28s%s\n", "  -h, --help", "this text");
	if (help->notes)
		printf("\n%s\n", help->notes);
}

static int give_help(struct options *o)
{
	options_print_help(o->help);
	o->exit_code = EXIT_PASSED;
	return OPTION_EXIT;
}

static int unknown_name(struct options *o, const char *name, size_t len)
{
	const char *words[MAX_WORDS];
	char word[64], suggestion[96];
	size_t n = 0;

	for (size_t i = 0; i < o->help->n_specs && n < MAX_WORDS - 1; i++)
		if (o->help->specs[i].name)
			words[n++] = o->help->specs[i].name;
	words[n++] = "help";
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), name);
	const char *near = diag_nearest(word, words, n);
	suggestion[0] = '\0';
	if (near)
		snprintf(suggestion, sizeof(suggestion),
		         ", did you mean `--%s`?", near);
	return options_error(o, "unknown option `--%s`%s", word, suggestion);
}

/* The option called name[0 .. len), or the only one that begins so. */
static const struct option_spec *find_name(const struct options *o,
                                           const char *name, size_t len,
                                           bool *ret_ambiguous)
{
	const struct option_spec *found = NULL;

	*ret_ambiguous = false;
	for (size_t i = 0; i < o->help->n_specs; i++) {
		const struct option_spec *s = &o->help->specs[i];

		if (!s->name || strncmp(s->name, name, len) != 0)
			continue;
		if (s->name[len] == '\0') {
			*ret_ambiguous = false;
			return s;
		}
		*ret_ambiguous = found != NULL;
		found = s;
	}
	return found;
}

static int long_option(struct options *o, char *name)
{
	size_t len = strcspn(name, "=");
	char *value = name[len] ? name + len + 1 : NULL;
	bool ambiguous;
	const struct option_spec *s;

	if (len == 4 && strncmp(name, "help", 4) == 0)
		return give_help(o);
	s = len ? find_name(o, name, len, &ambiguous) : NULL;
	if (!s)
		return unknown_name(o, name, len);
	if (ambiguous)
		return options_error(o, "`--%s` could be several options",
		                     name);
	if (!s->argument && value)
		return options_error(o, "`--%s` takes no value", s->name);
	if (s->argument && !value) {
		if (o->index >= o->argc)
			return options_error(o, "`--%s` needs a value: %s",
			                     s->name, s->argument);
		value = o->argv[o->index++];
	}
	o->value = value;
	return s->id;
}

static int short_option(struct options *o)
{
	char letter = *o->cluster++;
	const struct option_spec *s = NULL;

	for (size_t i = 0; i < o->help->n_specs; i++)
		if (o->help->specs[i].letter == letter)
			s = &o->help->specs[i];
	if (!s && letter == 'h')
		return give_help(o);
	if (!s)
		return options_error(o, "unknown option `-%c`", letter);
	o->value = NULL;
	if (!s->argument)
		return s->id;
	if (*o->cluster)
		o->value = o->cluster;
	else if (o->index < o->argc)
		o->value = o->argv[o->index++];
	else
		return options_error(o, "`-%c` needs a value: %s", letter,
		                     s->argument);
	o->cluster = NULL;
	return s->id;
}

int options_next(struct options *o)
{
	char *arg;

	if (o->cluster && *o->cluster)
		return short_option(o);
	if (o->index >= o->argc)
		return OPTION_DONE;
	arg = o->argv[o->index++];
	if (o->only_operands || arg[0] != '-' || arg[1] == '\0') {
		if (o->operands_last)
			o->only_operands = true;
		o->value = arg;
		return OPTION_OPERAND;
	}
	if (strcmp(arg, "--") == 0) {
		o->only_operands = true;
		return options_next(o);
	}
	if (arg[1] == '-')
		return long_option(o, arg + 2);
	o->cluster = arg + 1;
	return short_option(o);
}

int parse_u64(const char *s, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, s[0] == '0' && (s[1] | 32) == 'x' ? 16 : 10);
	if (errno || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}
