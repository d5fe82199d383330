/*
 * units.c - durations, sizes, rates, counts and ranges.
 *
 * Not strtod: its decimal point is the locale's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lang/units.h"

struct unit {
	const char *word;
	uint64_t scale;
};

static const struct unit durations[] = {
	{"ns", 1},         {"us", 1000},       {"ms", 1000000},
	{"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

static const struct unit sizes[] = {
	{"B", 1},
	{"KB", 1000},
	{"kB", 1000},
	{"MB", 1000000},
	{"GB", 1000000000},
	{"TB", 1000000000000},
	{"KiB", 1ULL << 10},
	{"MiB", 1ULL << 20},
	{"GiB", 1ULL << 30},
	{"TiB", 1ULL << 40},
};

#define LENGTH(v) (sizeof(v) / sizeof((v)[0]))

const char *units_of_duration(size_t i)
{
	return i < LENGTH(durations) ? durations[i].word : NULL;
}

const char *units_of_size(size_t i)
{
	return i < LENGTH(sizes) ? sizes[i].word : NULL;
}

static int refuse(struct refusal *why, const char *reason)
{
	why->reason = reason;
	return -EINVAL;
}

__attribute__((format(printf, 3, 4))) static int
propose(struct refusal *why, const char *reason, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(why->proposal, sizeof(why->proposal), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(why->proposal))
		why->proposal[0] = '\0';
	return refuse(why, reason);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

typedef int value_parser(const char *s, uint64_t *ret, struct refusal *why);

/*
 * 1..3 where one value is meant: proposes its end, with what is missing there,
 * or its beginning when it has no end.  0: it is none.
 */
static int refuse_range(const char *s, value_parser *parse, const char *reason,
                        struct refusal *why)
{
	const char *dots = strstr(s, ".."), *end;
	struct refusal of_end = {0};
	char first[UNITS_PROPOSAL];
	uint64_t v;

	if (!dots || !is_digit(dots == s ? s[2] : s[0]))
		return 0;
	snprintf(first, sizeof(first), "%.*s", (int)(dots - s), s);
	end = dots[2] ? dots + 2 : first;
	if (!parse || strstr(end, ".."))
		return refuse(why, reason);
	if (parse(end, &v, &of_end) == 0)
		return propose(why, reason, "%s", end);
	return propose(why, reason, "%s", of_end.proposal);
}

/* A decimal number: whole + part / parts. */
struct decimal {
	uint64_t whole, part, parts;
};

/* Reads digits[.digits]; ret_end is what follows. */
static int read_decimal(const char *s, struct decimal *ret,
                        const char **ret_end, struct refusal *why)
{
	struct decimal d = {0, 0, 1};
	const char *p = s;

	if (*p == '-' && is_digit(p[1]))
		return refuse(why, "is negative");
	if (!is_digit(*p))
		return refuse(why, "is not a number");
	if (*p == '0' && is_digit(p[1]))
		return propose(why, "begins with a zero, as an octal number",
		               "%s", p + strspn(p, "0"));
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, (uint64_t)(*p - '0'),
		                           &d.whole))
			return refuse(why, "is too large");
	}
	if (*p == '.' && is_digit(p[1])) {
		for (p++; is_digit(*p); p++) {
			if (d.parts >= 1000000)
				return refuse(why, "has too many decimals");
			d.part = d.part * 10 + (uint64_t)(*p - '0');
			d.parts *= 10;
		}
	}
	*ret = d;
	*ret_end = p;
	return 0;
}

/* d * scale, exactly. */
static int scale_up(const struct decimal *d, uint64_t scale, uint64_t *ret,
                    struct refusal *why)
{
	uint64_t whole, part = d->part * scale; /* < 10^6 * 3.6 * 10^12 */

	if (part % d->parts)
		return refuse(why, "has too many decimals");
	if (__builtin_mul_overflow(d->whole, scale, &whole) ||
	    __builtin_add_overflow(whole, part / d->parts, &whole) ||
	    whole > INT64_MAX)
		return refuse(why, "is too large");
	*ret = whole;
	return 0;
}

static bool same_letters(const char *a, const char *b)
{
	while (*a && *b && (*a | 0x20) == (*b | 0x20))
		a++, b++;
	return !*a && !*b;
}

static int quantity(const char *s, const struct unit *units, size_t n,
                    const char *base, uint64_t *ret, struct refusal *why)
{
	struct decimal d;
	const char *word;
	int r = read_decimal(s, &d, &word, why);

	if (r < 0)
		return r;
	if (!*word)
		return propose(why, "has no unit", "%s%s", s, base);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(word, units[i].word))
			return scale_up(&d, units[i].scale, ret, why);
	}
	for (size_t i = 0; i < n; i++) {
		if (same_letters(word, units[i].word))
			return propose(why, "has an unknown unit", "%.*s%s",
			               (int)(word - s), s, units[i].word);
	}
	return refuse(why, "has an unknown unit");
}

/* What other tools and languages write; 12:30 is 750 in YAML 1.1. */
static void propose_duration(const char *s, struct refusal *why)
{
	static const char *const words[][2] = {
		{"sec", "s"},        {"secs", "s"},    {"second", "s"},
		{"seconds", "s"},    {"min", "m"},     {"mins", "m"},
		{"minute", "m"},     {"minutes", "m"}, {"hour", "h"},
		{"hours", "h"},      {"msec", "ms"},   {"usec", "us"},
		{"\xc2\xb5s", "us"},
	};
	size_t len = strspn(s, "0123456789.");
	const char *word = s + len + strspn(s + len, " ");

	if (*word == ':' && is_digit(word[1]) &&
	    strspn(word + 1, "0123456789") == strlen(word + 1) && len < 6 &&
	    strlen(word) < 6) {
		unsigned minutes = 0, seconds = 0;

		for (const char *p = s; is_digit(*p); p++)
			minutes = minutes * 10 + (unsigned)(*p - '0');
		for (const char *p = word + 1; *p; p++)
			seconds = seconds * 10 + (unsigned)(*p - '0');
		propose(why, why->reason, "%us", minutes * 60 + seconds);
	}
	for (size_t i = 0; i < LENGTH(words); i++) {
		if (!strcmp(word, words[i][0]))
			propose(why, why->reason, "%.*s%s", (int)len, s,
			        words[i][1]);
	}
	for (size_t i = 0; i < LENGTH(durations) && s[len] == ' '; i++) {
		if (!strcmp(word, durations[i].word))
			propose(why, "has a space before its unit", "%.*s%s",
			        (int)len, s, word);
	}
}

int units_duration(const char *s, uint64_t *ret_ns, struct refusal *why)
{
	int r;

	*why = (struct refusal){0};
	r = refuse_range(s, units_duration, "is a range, not a duration", why);
	if (r < 0)
		return r;
	r = quantity(s, durations, LENGTH(durations), "ms", ret_ns, why);
	if (r < 0 && !why->proposal[0])
		propose_duration(s, why);
	else if (r < 0 && s[strspn(s, "0123456789.")] == '\0')
		propose(why, why->reason, "%ss` or `%sms", s, s);
	return r;
}

int units_size(const char *s, uint64_t *ret_bytes, struct refusal *why)
{
	size_t len = strspn(s, "0123456789.");
	int r;

	*why = (struct refusal){0};
	r = refuse_range(s, units_size, "is a range, not a size", why);
	if (r < 0)
		return r;
	r = quantity(s, sizes, LENGTH(sizes), "B", ret_bytes, why);
	if (r == 0 || why->proposal[0] || !len)
		return r;
	if (s[len] == ' ')
		return propose(why, "has a space before its unit", "%.*s%s",
		               (int)len, s, s + len + strspn(s + len, " "));
	if (s[len] && strchr("kKMGT", s[len]) &&
	    (!s[len + 1] || !strcmp(s + len + 1, "i")))
		return propose(why, why->reason, "%.*s%c%sB", (int)len, s,
		               s[len] == 'k' ? 'K' : s[len], s + len + 1);
	return r;
}

int units_rate(const char *s, uint64_t *ret_bytes_s, struct refusal *why)
{
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	bool per_second = slash && !strcmp(slash, "/s");
	char size[UNITS_PROPOSAL];
	struct refusal of_size;
	uint64_t bytes;
	int r;

	*why = (struct refusal){0};
	r = refuse_range(s, units_rate, "is a range, not a rate", why);
	if (r < 0)
		return r;
	if (len >= sizeof(size))
		return refuse(why, "is too long");
	memcpy(size, s, len);
	size[len] = '\0';
	r = units_size(size, &bytes, &of_size);
	if (r == 0 && per_second) {
		*ret_bytes_s = bytes;
		return 0;
	}
	refuse(why, per_second ? of_size.reason : "is not per second");
	/* With both mended; only what is valid is proposed. */
	if (r == 0)
		return propose(why, why->reason, "%s/s", size);
	if (*of_size.proposal)
		return propose(why, why->reason, "%s/s", of_size.proposal);
	return r;
}

int units_count(const char *s, uint64_t *ret, struct refusal *why)
{
	struct decimal d;
	const char *end;
	int r;

	*why = (struct refusal){0};
	r = refuse_range(s, NULL, "is a range, not a number", why);
	if (r < 0)
		return r;
	r = read_decimal(s, &d, &end, why);
	if (r < 0)
		return r;
	if (*end || d.parts > 1)
		return refuse(why, "is not a whole number");
	if (d.whole > INT64_MAX)
		return refuse(why, "is too large");
	*ret = d.whole;
	return 0;
}

/* a, a..b, a.., ..b */
static int range_of(const char *s, value_parser *parse, struct range *ret,
                    struct refusal *why)
{
	const char *dots = strstr(s, "..");
	struct range range = {INT64_MIN, INT64_MAX};
	char first[UNITS_PROPOSAL];
	uint64_t v;
	int r = 0;

	*why = (struct refusal){0};
	if (dots && !strcmp(s, ".."))
		return refuse(why, "has no end");
	if (dots && (size_t)(dots - s) >= sizeof(first))
		return refuse(why, "is too long");
	if (!dots) {
		r = parse(s, &v, why);
		range.min = range.max = r < 0 ? 0 : (int64_t)v;
	} else if (dots > s) {
		memcpy(first, s, (size_t)(dots - s));
		first[dots - s] = '\0';
		r = parse(first, &v, why);
		range.min = r < 0 ? 0 : (int64_t)v;
	}
	if (r == 0 && dots && dots[2]) {
		r = parse(dots + 2, &v, why);
		range.max = r < 0 ? 0 : (int64_t)v;
	}
	if (r < 0) {
		if (dots) /* the proposal was for one end only */
			why->proposal[0] = '\0';
		return r;
	}
	if (range.min > range.max)
		return refuse(why, "begins behind its end");
	*ret = range;
	return 0;
}

int units_range(const char *s, struct range *ret, struct refusal *why)
{
	return range_of(s, units_count, ret, why);
}

int units_size_range(const char *s, struct range *ret, struct refusal *why)
{
	return range_of(s, units_size, ret, why);
}

int units_duration_range(const char *s, struct range *ret_ns,
                         struct refusal *why)
{
	return range_of(s, units_duration, ret_ns, why);
}

int units_ratio(const char *s, uint32_t *ret, struct refusal *why)
{
	struct decimal d;
	const char *end;
	uint64_t parts;
	int r;

	*why = (struct refusal){0};
	r = refuse_range(s, NULL, "is a range, not a percentage", why);
	if (r < 0)
		return r;
	r = read_decimal(s, &d, &end, why);
	if (r < 0)
		return r;
	if (strcmp(end, "%"))
		return refuse(why, "is not a percentage");
	if (d.whole > 100 || (d.whole == 100 && d.part))
		return refuse(why, "is more than 100%");
	parts = d.whole * 1000000 + d.part * (1000000 / d.parts);
	if (!parts)
		return refuse(why, "is zero");
	parts = (parts << 32) / 100000000;
	*ret = parts > UINT32_MAX ? UINT32_MAX : parts ? (uint32_t)parts : 1;
	return 0;
}

int parse_duration(const char *s, int64_t *ret_ns)
{
	struct refusal why;
	uint64_t ns;
	int r = units_duration(s, &ns, &why);

	if (r == 0)
		*ret_ns = (int64_t)ns;
	return r;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	struct refusal why;

	return units_size(s, ret_bytes, &why);
}

int parse_range(const char *s, struct range *ret)
{
	struct refusal why;

	return units_range(s, ret, &why);
}

int parse_duration_range(const char *s, struct range *ret_ns)
{
	struct refusal why;

	return units_duration_range(s, ret_ns, &why);
}
