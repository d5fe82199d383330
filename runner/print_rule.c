/*
 * print_rule.c - a rule of `faults`, and an entry of `calls` or `order`, as
 * maps in one line.
 */
#include <string.h>

#include "lang/keys.h"
#include "runner/print_parts.h"
#include "runner/print_yaml.h"

static bool has_any_call(const uint64_t *calls)
{
	for (unsigned i = 0; i < PLAN_CALL_WORDS; i++) {
		if (calls[i])
			return true;
	}
	return false;
}

void print_programs(FILE *out, bool *first, const struct scenario *s,
                    uint64_t programs)
{
	const char *names[PLAN_MAX_PROGRAMS];
	size_t n = 0;

	if (programs == UINT64_MAX)
		return;
	for (size_t i = 0; i < s->n_programs; i++)
		if (programs >> i & 1)
			names[n++] = s->programs[i].name;
	yaml_flow_key(out, first, "in");
	yaml_words(out, names, n);
}

void print_calls(FILE *out, bool *first, const uint64_t *calls)
{
	const char *words[N_CALLS];

	if (!has_any_call(calls))
		return;
	yaml_flow_key(out, first, "call");
	yaml_words(out, words, lang_call_words(calls, words));
}

/* The words of a set of bits; nothing of an empty one, which is any. */
static void print_bits(FILE *out, bool *first, const char *key, unsigned bits,
                       const char *const *names, unsigned n_names)
{
	const char *words[32];
	size_t n = 0;

	for (unsigned i = 0; i < n_names; i++)
		if (bits >> i & 1)
			words[n++] = names[i];
	if (!n)
		return;
	yaml_flow_key(out, first, key);
	yaml_words(out, words, n);
}

void print_roles(FILE *out, bool *first, uint8_t roles)
{
	print_bits(out, first, "role", roles, fault_role_names, N_ROLES);
}

void print_pick(FILE *out, bool *first, const char *key,
                const struct plan_pick *pick)
{
	if (!pick->first && !pick->ratio)
		return;
	yaml_flow_key(out, first, key);
	yaml_pick(out, pick);
}

static void print_text(FILE *out, bool *first, const char *key, const char *s)
{
	if (!s)
		return;
	yaml_flow_key(out, first, key);
	yaml_text(out, s);
}

static void print_value(FILE *out, bool *first, const char *key, uint64_t v,
                        yaml_value *print)
{
	if (!v)
		return;
	yaml_flow_key(out, first, key);
	print(out, v);
}

static void print_peer(FILE *out, bool *first, const struct plan_addr *peer)
{
	if (!peer->family)
		return;
	yaml_flow_key(out, first, "peer");
	yaml_address(out, peer);
}

/* MODULE[!SYMBOL] */
static void print_caller(FILE *out, bool *first, const struct rule *r)
{
	if (!r->caller_module)
		return;
	yaml_flow_key(out, first, "caller");
	fprintf(out, "\"%s%s%s\"", r->caller_module,
	        r->caller_symbol ? "!" : "",
	        r->caller_symbol ? r->caller_symbol : "");
}

/* SIZE, or PICK of SIZE. */
static void print_bytes(FILE *out, bool *first, const struct rule *r)
{
	const struct plan_pick *p = &r->bytes;

	if (!r->bytes_unit)
		return;
	yaml_flow_key(out, first, "bytes");
	if (p->first != 1 || p->last != 1 || p->step != 1) {
		yaml_pick(out, p);
		fputs(" of ", out);
	}
	yaml_size(out, r->bytes_unit);
}

/* --- actions ---------------------------------------------------------------*/

static void print_rate(FILE *out, uint64_t v)
{
	yaml_size(out, v);
	fputs("/s", out);
}

static void print_signal(FILE *out, uint64_t v)
{
	fputs(signal_name((int)v), out);
}

static void print_answers(FILE *out, const struct rule_action *a)
{
	for (size_t i = 0; i < a->n_answers; i++) {
		fputs(i ? ", " : "[", out);
		yaml_address(out, &a->answers[i]);
	}
	fputs("]", out);
}

/* How a number behind the action's word is written; NULL: it is none. */
static yaml_value *const values[N_ACTIONS] = {
	[ACTION_DELAY] = yaml_duration, [ACTION_SHORT] = yaml_size,
	[ACTION_RATE] = print_rate,     [ACTION_CORRUPT] = yaml_size,
	[ACTION_STALL] = yaml_duration, [ACTION_BACKLOG] = yaml_number,
	[ACTION_KILL] = print_signal,
};

/* The word alone says it all. */
static bool is_word(const struct rule_action *a)
{
	return a->kind == ACTION_RESET || a->kind == ACTION_PASS ||
	       (a->kind == ACTION_EOF && !a->half) ||
	       (a->kind == ACTION_STALL && !a->value);
}

static void print_jitter(FILE *out, const struct rule_action *a)
{
	static const char *const shapes[] = {"uniform", "normal", "pareto"};

	if (!a->jitter_ns)
		return;
	fputs(", jitter: ", out);
	yaml_duration(out, a->jitter_ns);
	if (a->distribution)
		fprintf(out, ", distribution: %s", shapes[a->distribution]);
}

static void print_action(FILE *out, const struct rule_action *a)
{
	const char *word = fault_actions[a->kind].word;

	if (is_word(a)) {
		fputs(word, out);
		return;
	}
	fprintf(out, "{%s: ", word);
	if (a->kind == ACTION_ERROR)
		fputs(fault_errno_name(a->err), out);
	else if (a->kind == ACTION_ANSWER)
		print_answers(out, a);
	else if (a->kind == ACTION_EOF)
		fputs("half", out);
	else if (a->kind == ACTION_EXHAUST)
		fputs("descriptors", out);
	else if (a->ratio)
		yaml_ratio(out, (uint32_t)a->value);
	else if (values[a->kind])
		values[a->kind](out, a->value);
	print_jitter(out, a);
	fputc('}', out);
}

static void print_actions(FILE *out, bool *first, const struct rule *r)
{
	yaml_flow_key(out, first, "inject");
	fputs(r->n_actions == 1 ? "" : "[", out);
	for (size_t i = 0; i < r->n_actions; i++) {
		fputs(i ? ", " : "", out);
		print_action(out, &r->actions[i]);
	}
	fputs(r->n_actions == 1 ? "" : "]", out);
}

/* --- a rule ----------------------------------------------------------------*/

static void print_which(FILE *out, bool *first, const struct scenario *s,
                        const struct rule *r)
{
	print_programs(out, first, s, r->programs);
	print_calls(out, first, r->calls);
	print_roles(out, first, r->roles);
	print_value(out, first, "port", r->port, yaml_number);
	print_peer(out, first, &r->peer);
	print_text(out, first, "host", r->host);
	print_pick(out, first, "connection", &r->connection);
	print_bits(out, first, "state", r->states, fault_state_names, N_STATES);
	print_caller(out, first, r);
	print_text(out, first, "process", r->process);
}

static void print_when(FILE *out, bool *first, const struct scenario *s,
                       const struct rule *r)
{
	static const char *const pers[] = {[PER_CONNECTION] = "connection",
	                                   [PER_PROCESS] = "process",
	                                   [PER_PROGRAM] = "program",
	                                   [PER_RUN] = "run"};

	print_pick(out, first, "nth", &r->nth);
	print_pick(out, first, "turn", &r->turn);
	print_bytes(out, first, r);
	if (r->per != PER_DEFAULT) {
		yaml_flow_key(out, first, "per");
		fputs(pers[r->per], out);
	}
	print_value(out, first, "seen", r->seen, yaml_size);
	print_value(out, first, "age", r->age_ns, yaml_duration);
	print_value(out, first, "idle", r->idle_ns, yaml_duration);
	print_value(out, first, "after", r->after_ns, yaml_duration);
	if (r->after_rule >= 0)
		print_text(out, first, "after", s->rules[r->after_rule].name);
	print_value(out, first, "for", r->for_ns, yaml_duration);
}

static bool is_default_count(const struct range *r)
{
	return r->min == 1 && r->max == INT64_MAX;
}

void print_rule(FILE *out, const struct scenario *s, const struct rule *r)
{
	bool first = true;

	fputc('{', out);
	print_text(out, &first, "name", *r->name ? r->name : NULL);
	if (!r->armed) {
		yaml_flow_key(out, &first, "armed");
		fputs("false", out);
	}
	print_which(out, &first, s, r);
	print_when(out, &first, s, r);
	print_actions(out, &first, r);
	print_value(out, &first, "times", r->times, yaml_number);
	if (!is_default_count(&r->hits)) {
		yaml_flow_key(out, &first, "hits");
		yaml_range(out, &r->hits, yaml_number);
	}
	if (r->force) {
		yaml_flow_key(out, &first, "force");
		fputs("true", out);
	}
	fputc('}', out);
}

void print_call_expect(FILE *out, const struct scenario *s,
                       const struct call_expect *e)
{
	bool first = true;

	fputc('{', out);
	print_programs(out, &first, s, e->programs);
	print_calls(out, &first, e->calls);
	print_roles(out, &first, e->roles);
	print_value(out, &first, "port", e->port, yaml_number);
	print_peer(out, &first, &e->peer);
	print_pick(out, &first, "connection", &e->connection);
	print_pick(out, &first, "nth", &e->nth);
	if (e->has_result) {
		yaml_flow_key(out, &first, "result");
		fputs(e->err ? fault_errno_name(e->err) : "ok", out);
	}
	if (!is_default_count(&e->count)) {
		yaml_flow_key(out, &first, "count");
		yaml_range(out, &e->count, yaml_number);
	}
	if (e->has_gap) {
		yaml_flow_key(out, &first, "gap");
		yaml_range(out, &e->gap_ns, yaml_duration);
	}
	if (e->has_bytes) {
		yaml_flow_key(out, &first, "bytes");
		yaml_range(out, &e->bytes, yaml_size);
	}
	fputc('}', out);
}
