/*
 * print_yaml.c - see print_yaml.h.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "lang/utf8.h"
#include "runner/print_yaml.h"

/* The character at s, 0 bytes long if it is no UTF-8. */
static size_t character(const char *s, uint32_t *ret)
{
	size_t n = utf8_length(s, strnlen(s, 4));
	uint32_t c = (unsigned char)*s;

	if (n > 1)
		c &= 0x7fu >> n; /* the bits behind the length */
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3fu);
	*ret = c;
	return n;
}

/* May it stand in a quoted text as it is?  Line breaks of YAML may not. */
static bool is_plain(uint32_t c)
{
	return (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') ||
	       (c >= 0xa0 && c < 0xd800 && c != 0x2028 && c != 0x2029) ||
	       (c >= 0xe000 && c < 0xfffe && c != 0xfeff) || c >= 0x10000;
}

static void print_escape(FILE *out, uint32_t c)
{
	static const char letters[] = "\"\"\\\\\nn\rr\tt";

	for (const char *p = letters; *p; p += 2) {
		if ((uint32_t)*p == c) {
			fprintf(out, "\\%c", p[1]);
			return;
		}
	}
	if (c < 0x100)
		fprintf(out, "\\x%02" PRIx32, c);
	else
		fprintf(out, "\\u%04" PRIx32, c);
}

/* Between the quotes. */
static void print_characters(FILE *out, const char *s, bool variables)
{
	while (*s) {
		uint32_t c;
		size_t n = character(s, &c);

		if (variables && !strncmp(s, "${", 2))
			fputc('$', out);
		if (n && is_plain(c))
			fwrite(s, 1, n, out);
		else
			print_escape(out, c);
		s += n ? n : 1;
	}
}

void yaml_text(FILE *out, const char *s)
{
	fputc('"', out);
	print_characters(out, s, true);
	fputc('"', out);
}

void yaml_key(FILE *out, const char *s)
{
	fputc('"', out);
	print_characters(out, s, false);
	fputc('"', out);
}

void yaml_texts(FILE *out, char *const *v, size_t n)
{
	fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		yaml_text(out, v[i]);
	}
	fputc(']', out);
}

void yaml_match(FILE *out, const struct text_match *t)
{
	fputs(t->regex ? "\"/" : "\"", out);
	print_characters(out, t->text, true);
	fputs(t->regex ? "/\"" : "\"", out);
}

void yaml_matches(FILE *out, const struct text_list *l)
{
	fputs(l->n == 1 ? "" : "[", out);
	for (size_t i = 0; i < l->n; i++) {
		fputs(i ? ", " : "", out);
		yaml_match(out, &l->v[i]);
	}
	fputs(l->n == 1 ? "" : "]", out);
}

struct unit {
	const char *word;
	uint64_t scale;
};

/* In the largest unit that divides it; the last one always does. */
static void print_quantity(FILE *out, const struct unit *units, uint64_t v)
{
	while (units->scale > 1 && (!v || v % units->scale))
		units++;
	fprintf(out, "%" PRIu64 "%s", v / units->scale, units->word);
}

void yaml_duration(FILE *out, uint64_t ns)
{
	static const struct unit units[] = {
		{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

	print_quantity(out, units, ns);
}

void yaml_size(FILE *out, uint64_t bytes)
{
	static const struct unit units[] = {
		{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

	print_quantity(out, units, bytes);
}

void yaml_number(FILE *out, uint64_t value)
{
	fprintf(out, "%" PRIu64, value);
}

/*
 * A part was made of a percentage with six decimals at most, by
 * parts * 2^32 / 10^8, rounded down; this is the way back.
 */
void yaml_ratio(FILE *out, uint32_t ratio)
{
	const uint64_t all = 100000000;
	uint64_t parts = ((uint64_t)ratio * all + UINT32_MAX) >> 32;
	uint64_t decimals = parts % (all / 100);
	int digits = 6;

	fprintf(out, "%" PRIu64, parts / (all / 100));
	for (; decimals && decimals % 10 == 0; digits--)
		decimals /= 10;
	if (decimals)
		fprintf(out, ".%0*" PRIu64, digits, decimals);
	fputc('%', out);
}

void yaml_pick(FILE *out, const struct plan_pick *p)
{
	if (p->ratio) {
		yaml_ratio(out, p->ratio);
		return;
	}
	fprintf(out, "%u", p->first);
	if (p->last == UINT32_MAX)
		fputc('+', out);
	else if (p->last != p->first || p->step != 1)
		fprintf(out, "..%u%s", p->last, p->step != 1 ? "+" : "");
	if (p->step != 1)
		fprintf(out, "%u", p->step);
}

void yaml_address(FILE *out, const struct plan_addr *a)
{
	int family = a->family == 4 ? AF_INET : AF_INET6;
	unsigned whole = a->family == 4 ? 32 : 128;
	bool brackets = a->family == 6 && a->port;
	char host[INET6_ADDRSTRLEN];

	if (!a->family || !inet_ntop(family, a->bytes, host, sizeof(host))) {
		fprintf(out, "%u", a->port); /* of 127.0.0.1 */
		return;
	}
	fprintf(out, "\"%s%s", brackets ? "[" : "", host);
	if (a->prefix_len != whole)
		fprintf(out, "/%u", a->prefix_len);
	fputs(brackets ? "]" : "", out);
	if (a->port)
		fprintf(out, ":%u", a->port);
	fputc('"', out);
}

void yaml_range(FILE *out, const struct range *r, yaml_value *print)
{
	if (r->min == r->max) {
		print(out, (uint64_t)r->min);
		return;
	}
	if (r->min != INT64_MIN)
		print(out, (uint64_t)r->min);
	fputs("..", out);
	if (r->max != INT64_MAX)
		print(out, (uint64_t)r->max);
}

void yaml_flow_key(FILE *out, bool *first, const char *key)
{
	fprintf(out, "%s%s: ", *first ? "" : ", ", key);
	*first = false;
}

void yaml_words(FILE *out, const char *const *v, size_t n)
{
	fputs(n == 1 ? "" : "[", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? ", " : "", v[i]);
	fputs(n == 1 ? "" : "]", out);
}
