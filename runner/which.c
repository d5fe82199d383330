/*
 * which.c - see which.h.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "runner/which.h"

/* What the engine needs of a plan: where its strings are, of which "" is one.
 */
static const struct {
	struct fault_plan plan;
	char strings[8];
} bare = {.plan.strings_off = sizeof(struct fault_plan)};

bool which_socket(const struct plan_class *want, const struct replay_call *c)
{
	struct engine_socket s = {
		.program = c->program, .role = c->role, .port = c->port};

	if (c->program >= PLAN_MAX_PROGRAMS)
		return false;
	if (c->socket && c->socket->has_address) {
		s.peer.family = c->socket->ipv6 ? 6 : 4;
		s.peer.port = c->socket->remote_port;
		memcpy(s.peer.bytes, c->socket->address, sizeof(s.peer.bytes));
	}
	return engine_class_matches(&bare.plan, want, &s);
}

bool which_has_calls(const uint64_t calls[PLAN_CALL_WORDS])
{
	for (size_t i = 0; i < PLAN_CALL_WORDS; i++)
		if (calls[i])
			return true;
	return false;
}

bool which_has_call(const uint64_t calls[PLAN_CALL_WORDS], enum fault_call call)
{
	return calls[call / 64] >> (call % 64) & 1;
}

/* ---- texts --------------------------------------------------------------- */

void which_calls_text(const uint64_t calls[PLAN_CALL_WORDS], char *buf,
                      size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned f = 0; f < FAMILY_TABLE; f++) {
		size_t n = 0, all = 0;
		const char *symbol = "";

		for (unsigned c = 1; c < N_CALLS; c++) {
			if (fault_calls[c].family != (enum fault_family)f ||
			    fault_calls[c].kind != FAULT_INJECT)
				continue;
			all++;
			if (!which_has_call(calls, (enum fault_call)c))
				continue;
			n++;
			symbol = fault_calls[c].symbol;
		}
		if (n && at < size)
			at += (size_t)snprintf(
				buf + at, size - at, "%s%s", at ? "," : "",
				n == 1 && all > 1 ? symbol
						  : fault_families[f].word);
	}
}

void which_pick_text(const struct plan_pick *p, char *buf, size_t size)
{
	if (p->first == 0)
		snprintf(buf, size, "%.3g%%", p->ratio * 100.0 / UINT32_MAX);
	else if (p->first == p->last)
		snprintf(buf, size, "%u", p->first);
	else if (p->last == UINT32_MAX)
		snprintf(buf, size, "%u+", p->first);
	else
		snprintf(buf, size, "%u..%u", p->first, p->last);
	if (p->step > 1 && p->first)
		snprintf(buf + strlen(buf), size - strlen(buf), "%s%u",
		         p->last == UINT32_MAX ? "" : "+", p->step);
}

void which_bits_text(const char *word, unsigned bits, const char *const *names,
                     size_t n, char *buf, size_t size)
{
	size_t at = (size_t)snprintf(buf, size, "%s", word);

	for (size_t i = 0; i < n && at < size; i++)
		if (bits >> i & 1)
			at += (size_t)snprintf(buf + at, size - at, "%s%s",
			                       at ? " " : "", names[i]);
}

void which_address_text(const struct plan_addr *a, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";
	bool ipv6 = a->family == 6;
	size_t at;

	if (a->family)
		inet_ntop(ipv6 ? AF_INET6 : AF_INET, a->bytes, text,
		          sizeof(text));
	at = (size_t)snprintf(buf, size, ipv6 && a->port ? "[%s]" : "%s", text);
	if (a->family && a->prefix_len < (ipv6 ? 128 : 32) && at < size)
		at += (size_t)snprintf(buf + at, size - at, "/%u",
		                       a->prefix_len);
	if (a->port && at < size)
		snprintf(buf + at, size - at, ":%u", a->port);
}
