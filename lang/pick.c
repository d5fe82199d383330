/*
 * pick.c - PICK and ADDR of the language.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lang/units.h"

static int refuse(struct refusal *why, const char *reason)
{
	why->reason = reason;
	return -EINVAL;
}

/* A number of a pick, from 1; moves *p behind it. */
static int ordinal(const char **p, uint32_t *ret, struct refusal *why)
{
	uint64_t n = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return refuse(why, "is not a pick, such as 3, 2..5, 3+ or 10%");
	if (*s == '0' && s[1] >= '0' && s[1] <= '9')
		return refuse(why, "begins with a zero, as an octal number");
	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (uint64_t)(*s - '0');
		if (n >= UINT32_MAX)
			return refuse(why, "is too large");
	}
	if (!n)
		return refuse(why, "is zero: counting begins at 1");
	*ret = (uint32_t)n;
	*p = s;
	return 0;
}

/* "..5" behind the first. */
static int last_of_pick(const char **p, struct plan_pick *pick,
                        struct refusal *why)
{
	int r;

	*p += 2;
	if (!**p) {
		snprintf(why->proposal, sizeof(why->proposal), "%u+",
		         pick->first);
		return refuse(why, "has no end");
	}
	r = ordinal(p, &pick->last, why);
	if (r < 0)
		return r;
	if (pick->last < pick->first)
		return refuse(why, "begins behind its end");
	return 0;
}

int units_pick(const char *s, struct plan_pick *ret, struct refusal *why)
{
	struct plan_pick pick = {.step = 1};
	const char *p = s;
	int r;

	*why = (struct refusal){0};
	if (*s && s[strlen(s) - 1] == '%') {
		pick.step = 0;
		r = units_ratio(s, &pick.ratio, why);
		if (r == 0)
			*ret = pick;
		return r;
	}
	r = ordinal(&p, &pick.first, why);
	if (r < 0)
		return r;
	pick.last = pick.first;
	if (!strncmp(p, "..", 2)) {
		r = last_of_pick(&p, &pick, why);
		if (r < 0)
			return r;
	} else if (*p == '+') {
		pick.last = UINT32_MAX;
	}
	if (*p == '+' && *++p) {
		r = ordinal(&p, &pick.step, why);
		if (r < 0)
			return r;
	} else if (p[-1] == '+' && strstr(s, "..")) {
		return refuse(why, "has no step behind the +");
	}
	if (*p)
		return refuse(why, "is not a pick, such as 3, 2..5, 3+ or 10%");
	*ret = pick;
	return 0;
}

static int number(const char *s, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (!*s || strlen(s) > 5 || strspn(s, "0123456789") != strlen(s))
		return -EINVAL;
	for (; *s; s++)
		n = n * 10 + (unsigned)(*s - '0');
	if (n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* Cuts ":port" off a copy of the address, and the brackets. */
static int cut_port(char *s, char **ret_host, struct plan_addr *ret,
                    struct refusal *why)
{
	char *port = NULL, *close = strchr(s, ']');
	unsigned n;

	if (*s == '[') {
		if (!close)
			return refuse(why, "has no closing bracket");
		if (close[1] && close[1] != ':')
			return refuse(why, "is not an address");
		if (close[1])
			port = close + 2;
		*close = '\0';
		s++;
	} else if (strchr(s, ':') && strchr(s, ':') == strrchr(s, ':')) {
		port = strchr(s, ':');
		*port++ = '\0';
	}
	*ret_host = s;
	if (!port)
		return 0;
	if (number(port, UINT16_MAX, &n) < 0 || !n)
		return refuse(why, "has a port that is none");
	ret->port = (uint16_t)n;
	return 0;
}

/* Bits behind the prefix do not count: cleared, so that equals are equal. */
static void mask(struct plan_addr *a)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits =
			a->prefix_len > i * 8 ? a->prefix_len - i * 8 : 0;

		if (bits < 8)
			a->bytes[i] &= (uint8_t)(0xff00u >> bits);
	}
}

int units_address(const char *s, struct plan_addr *ret, struct refusal *why)
{
	struct plan_addr a = {0};
	char copy[UNITS_PROPOSAL], *host, *slash;
	unsigned prefix_len;
	int r;

	*why = (struct refusal){0};
	if (strlen(s) >= sizeof(copy))
		return refuse(why, "is not an address");
	strcpy(copy, s);
	r = cut_port(copy, &host, &a, why);
	if (r < 0)
		return r;
	slash = strchr(host, '/');
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, host, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, host, a.bytes) == 1)
		a.family = 6;
	else
		return refuse(why, "is not an address");
	prefix_len = a.family == 4 ? 32 : 128;
	if (slash && number(slash, prefix_len, &prefix_len) < 0)
		return refuse(why, "has a prefix length that is none");
	a.prefix_len = (uint8_t)prefix_len;
	mask(&a);
	*ret = a;
	return 0;
}
