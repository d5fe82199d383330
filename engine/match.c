/*
 * match.c - the *which* keys that are known when a socket changes, and the
 * host of a call (engine.h).
 */
#include <string.h>

#include "engine/engine.h"

/* comm holds 15 characters. */
enum {
	COMM_LEN = 15
};

static bool same_comm(const char *want, const char *comm)
{
	for (int i = 0; i < COMM_LEN; i++) {
		if (want[i] != comm[i])
			return false;
		if (!want[i])
			break;
	}
	return true;
}

/* As IPv6, IPv4 mapped: so that ::ffff:10.0.0.1 is 10.0.0.1. */
static unsigned widen(const struct plan_addr *a, uint8_t *ret_bytes)
{
	if (a->family == 6) {
		memcpy(ret_bytes, a->bytes, 16);
		return a->prefix_len;
	}
	memset(ret_bytes, 0, 10);
	ret_bytes[10] = ret_bytes[11] = 0xff;
	memcpy(ret_bytes + 12, a->bytes, 4);
	return a->prefix_len + 96u;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned n_bits)
{
	unsigned rest = n_bits % 8;

	if (memcmp(a, b, n_bits / 8))
		return false;
	return !rest || !((a[n_bits / 8] ^ b[n_bits / 8]) >> (8 - rest));
}

static bool peer_matches(const struct plan_addr *want,
                         const struct engine_socket *s)
{
	uint8_t a[16], b[16];
	unsigned n_bits;

	if (!want->family && !want->port)
		return true;
	if (!s->peer.family)
		return false;
	if (want->port && want->port != s->peer.port)
		return false;
	if (!want->family)
		return true;
	n_bits = widen(want, a);
	widen(&s->peer, b);
	return same_prefix(a, b, n_bits);
}

static bool program_matches(const struct plan_class *c, uint32_t program)
{
	return c->programs >> program & 1;
}

bool engine_class_matches(const struct fault_plan *plan,
                          const struct plan_class *c,
                          const struct engine_socket *s)
{
	const char *comm = plan_string(plan, c->process_off);

	return program_matches(c, s->program) &&
	       (!c->roles || c->roles & ROLE_BIT(s->role)) &&
	       (!c->port || c->port == s->port) && peer_matches(&c->peer, s) &&
	       (!*comm || !s->process || same_comm(comm, s->process));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

bool engine_host_matches(const char *want, const char *host)
{
	if (!host)
		return false;
	while (*want && *want == lower(*host)) {
		want++;
		host++;
	}
	return !*want && (!*host || (*host == '.' && !host[1]));
}

uint32_t engine_program_families(const struct fault_plan *plan,
                                 uint32_t program)
{
	uint32_t families = 0;

	for (uint32_t i = 0; i < plan->n_classes; i++) {
		const struct plan_class *c = &plan_classes(plan)[i];

		if (program_matches(c, program))
			families |= c->families;
	}
	return families;
}
