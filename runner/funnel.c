/*
 * funnel.c - see funnel.h.
 *
 * One pass over the trace: each call goes through the stages of the rule until
 * one refuses it; what was refused is remembered as "seen", a few values each.
 *
 * A rule without a call is about connections (`exhaust`: about processes). Each
 * of them is told once, with the call that came furthest.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "runner/funnel.h"
#include "runner/judge.h"
#include "runner/replay.h"
#include "runner/which.h"

enum {
	MAX_SEEN = 8,
	SEEN_SIZE = 48,
	MAX_EXPLAINED = 20,
	MAX_KEYS = 1 << 16
};

/* The which-keys, in the order in which they are told. */
enum stage {
	STAGE_CALL,
	STAGE_PROGRAM,
	STAGE_ROLE,
	STAGE_PORT,
	STAGE_PEER,
	STAGE_HOST,
	STAGE_PROCESS,
	STAGE_CONNECTION,
	STAGE_STATE,
	N_STAGES
};

static const char *const seen_words[N_STAGES] = {
	[STAGE_CALL] = "calls",        [STAGE_PROGRAM] = "programs",
	[STAGE_ROLE] = "roles",        [STAGE_PORT] = "ports",
	[STAGE_PEER] = "peers",        [STAGE_HOST] = "hosts",
	[STAGE_PROCESS] = "processes", [STAGE_CONNECTION] = "connections",
	[STAGE_STATE] = "states",
};

struct seen {
	char v[MAX_SEEN][SEEN_SIZE];
	size_t n;
	bool more;
};

struct funnel {
	const struct scenario *s;
	const struct rule *rule;
	uint64_t passed[N_STAGES];
	struct seen seen[N_STAGES];
	/* Of a rule without a call: how many stages each of its things passed.
	 */
	uint8_t *reached;
	/* How far the when-keys came, over all keys of `per`. */
	uint32_t *counts;
	uint32_t n_max, turn_max;
	bool hidden; /* transfers that it means may be stdio's own, unseen */
	uint64_t bytes_max;
};

/* What a rule without a call acts on: processes, or connections. */
static bool acts_on_processes(const struct rule *r)
{
	return !which_has_calls(r->calls) && r->n_actions &&
	       r->actions[0].kind == ACTION_EXHAUST;
}

/* ---- stages -------------------------------------------------------------- */

static bool is_given(const struct rule *r, enum stage stage)
{
	switch (stage) {
	case STAGE_CALL:
		return true;
	case STAGE_PROGRAM:
		return r->programs != UINT64_MAX;
	case STAGE_ROLE:
		return r->roles != 0;
	case STAGE_PORT:
		return r->port != 0;
	case STAGE_PEER:
		return r->peer.family != 0;
	case STAGE_HOST:
		return r->host && *r->host;
	case STAGE_PROCESS:
		return r->process && *r->process;
	case STAGE_CONNECTION:
		return r->connection.first != 0;
	case STAGE_STATE:
		return r->states != 0;
	case N_STAGES:
		break;
	}
	return false;
}

/* The program wrote it: it may have no end. */
static void host_text(const struct fault_record *r, char *buf, size_t size)
{
	if (r->flags & RECORD_NAME)
		snprintf(buf, size, "%.*s", (int)(size - 1), r->name);
	else
		snprintf(buf, size, "?");
}

static bool host_matches(const char *want, const struct fault_record *r)
{
	char host[sizeof(r->name) + 1];

	host_text(r, host, sizeof(host));
	return r->flags & RECORD_NAME && engine_host_matches(want, host);
}

static bool peer_matches(const struct rule *r, const struct replay_call *c)
{
	const struct plan_class want = {.programs = UINT64_MAX,
	                                .peer = r->peer};

	return which_socket(&want, c);
}

static bool matches(const struct rule *r, enum stage stage,
                    const struct replay_call *c)
{
	switch (stage) {
	case STAGE_CALL:
		if (which_has_calls(r->calls))
			return which_has_call(r->calls, c->call);
		return acts_on_processes(r) || c->r->connection;
	case STAGE_PROGRAM:
		return c->program < 64 && (r->programs >> c->program & 1);
	case STAGE_ROLE:
		return r->roles & ROLE_BIT(c->role);
	case STAGE_PORT:
		return c->port == r->port;
	case STAGE_PEER:
		return peer_matches(r, c);
	case STAGE_HOST:
		return host_matches(r->host, c->r);
	case STAGE_PROCESS:
		return c->process && strcmp(c->process->name, r->process) == 0;
	case STAGE_CONNECTION:
		return engine_pick(&r->connection, c->r->connection, 0);
	case STAGE_STATE:
		return r->states & STATE_BIT(c->state);
	case N_STAGES:
		break;
	}
	return true;
}

static const char *program_name(const struct funnel *f, uint32_t i)
{
	return i < f->s->n_programs ? f->s->programs[i].name : "?";
}

static void address_text(const struct replay_socket *s, char *buf, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?";

	if (s && s->has_address)
		inet_ntop(s->ipv6 ? AF_INET6 : AF_INET, s->address, address,
		          sizeof(address));
	snprintf(buf, size, "%s", address);
}

/* The value of a call that a stage compares. */
static void value_text(const struct funnel *f, enum stage stage,
                       const struct replay_call *c, char *buf, size_t size)
{
	buf[0] = '\0';
	switch (stage) {
	case STAGE_CALL:
		snprintf(buf, size, "%s", fault_calls[c->call].symbol);
		break;
	case STAGE_PROGRAM:
		snprintf(buf, size, "%s", program_name(f, c->program));
		break;
	case STAGE_ROLE:
		snprintf(buf, size, "%s", fault_role_names[c->role]);
		break;
	case STAGE_PORT:
		snprintf(buf, size, "%u", c->port);
		break;
	case STAGE_PEER:
		address_text(c->socket, buf, size);
		break;
	case STAGE_HOST:
		host_text(c->r, buf, size);
		trace_clean(buf);
		break;
	case STAGE_PROCESS:
		snprintf(buf, size, "%s", c->process ? c->process->name : "?");
		break;
	case STAGE_CONNECTION:
		snprintf(buf, size, "%u", c->r->connection);
		break;
	case STAGE_STATE:
		snprintf(buf, size, "%s", fault_state_names[c->state]);
		break;
	case N_STAGES:
		break;
	}
}

/* What the rule wants of a stage. */
static void wanted_programs(const struct funnel *f, char *buf, size_t size)
{
	size_t at = (size_t)snprintf(buf, size, "in");

	for (size_t i = 0; i < f->s->n_programs && i < 64 && at < size; i++)
		if (f->rule->programs >> i & 1)
			at += (size_t)snprintf(buf + at, size - at, " %s",
			                       f->s->programs[i].name);
}

static void wanted_calls(const struct rule *r, char *buf, size_t size)
{
	if (which_has_calls(r->calls))
		which_calls_text(r->calls, buf, size);
	else
		snprintf(buf, size, "%s",
		         acts_on_processes(r) ? "processes" : "connections");
}

static void wanted_text(const struct funnel *f, enum stage stage, char *buf,
                        size_t size)
{
	char text[64];

	switch (stage) {
	case STAGE_CALL:
		wanted_calls(f->rule, buf, size);
		break;
	case STAGE_PROGRAM:
		wanted_programs(f, buf, size);
		break;
	case STAGE_ROLE:
		which_bits_text("role", f->rule->roles, fault_role_names,
		                N_ROLES, buf, size);
		break;
	case STAGE_PORT:
		snprintf(buf, size, "port %u", f->rule->port);
		break;
	case STAGE_PEER:
		which_address_text(&f->rule->peer, text, sizeof(text));
		snprintf(buf, size, "peer %s", text);
		break;
	case STAGE_HOST:
		snprintf(buf, size, "host %s", f->rule->host);
		break;
	case STAGE_PROCESS:
		snprintf(buf, size, "process %s", f->rule->process);
		break;
	case STAGE_CONNECTION:
		which_pick_text(&f->rule->connection, text, sizeof(text));
		snprintf(buf, size, "connection %s", text);
		break;
	case STAGE_STATE:
		which_bits_text("state", f->rule->states, fault_state_names,
		                N_STATES, buf, size);
		break;
	case N_STAGES:
		break;
	}
}

/* ---- the pass ------------------------------------------------------------ */

static void note_seen(struct seen *s, const char *value)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], value) == 0)
			return;
	if (s->n == MAX_SEEN)
		s->more = true;
	else
		snprintf(s->v[s->n++], SEEN_SIZE, "%s", value);
}

/* What `nth` counts over: connections, processes, programs, the run. */
static uint32_t count_key(const struct rule *r, const struct replay_call *c)
{
	enum fault_per per = r->per;

	if (per == PER_DEFAULT)
		per = fault_families[fault_calls[c->call].family].per;
	switch (per) {
	case PER_CONNECTION:
		return c->r->serial % MAX_KEYS;
	case PER_PROCESS:
		return c->r->process;
	case PER_PROGRAM:
		return c->program % MAX_KEYS;
	case PER_DEFAULT:
	case PER_RUN:
		break;
	}
	return 0;
}

static void note_when(struct funnel *f, const struct replay_call *c)
{
	enum fault_direction d =
		fault_families[fault_calls[c->call].family].direction;
	uint32_t *n = &f->counts[count_key(f->rule, c)];
	bool connected = d == DIRECTION_NONE || c->r->connection;

	if (c->counted && connected && ++*n > f->n_max)
		f->n_max = *n;
	if (!c->socket || d == DIRECTION_NONE)
		return;
	if (c->socket->turns[d == DIRECTION_TX] > f->turn_max)
		f->turn_max = c->socket->turns[d == DIRECTION_TX];
	if (c->socket->bytes[d == DIRECTION_TX] > f->bytes_max)
		f->bytes_max = c->socket->bytes[d == DIRECTION_TX];
}

/* Of the calls that were not meant those are told that could have been. */
static bool is_told(const struct rule *r, const struct replay_call *c)
{
	return which_has_calls(r->calls) && c->call != FAULT_CALL_NONE &&
	       fault_calls[c->call].kind == FAULT_INJECT &&
	       matches(r, STAGE_PROGRAM, c);
}

/* True: this call is the first of its thing that passes the stage. */
static bool is_first(struct funnel *f, const struct replay_call *c,
                     enum stage stage)
{
	uint32_t key = acts_on_processes(f->rule)
	                       ? c->r->process
	                       : c->r->serial * 64 + c->program % 64;
	uint8_t *reached = &f->reached[key % MAX_KEYS];

	if (which_has_calls(f->rule->calls))
		return true;
	if (*reached > stage)
		return false;
	*reached = (uint8_t)(stage + 1);
	return true;
}

/* Is the socket one that the rule means, and was given to stdio? */
static bool is_hidden(const struct rule *r, const struct replay_call *c)
{
	if (!c->socket || !c->socket->is_standard)
		return false;
	for (enum stage stage = STAGE_PROGRAM; stage <= STAGE_PEER; stage++)
		if (is_given(r, stage) && !matches(r, stage, c))
			return false;
	return true;
}

static void pass(struct funnel *f, const struct replay_call *c)
{
	char value[SEEN_SIZE];

	f->hidden |= is_hidden(f->rule, c);
	for (enum stage stage = 0; stage < N_STAGES; stage++) {
		if (!is_given(f->rule, stage))
			continue;
		if (!matches(f->rule, stage, c)) {
			if (stage == STAGE_CALL && !is_told(f->rule, c))
				return;
			value_text(f, stage, c, value, sizeof(value));
			note_seen(&f->seen[stage], value);
			return;
		}
		if (is_first(f, c, stage))
			f->passed[stage]++;
	}
	note_when(f, c);
}

/* ---- the telling --------------------------------------------------------- */

static void tell_seen(FILE *out, enum stage stage, const struct seen *s,
                      const struct rule *r)
{
	if (s->n == 0) {
		if (stage == STAGE_CALL)
			fputs(which_has_calls(r->calls)
			              ? "; no calls of TCP sockets were seen"
			              : "; none was seen",
			      out);
		return;
	}
	fprintf(out, "; %s seen: ", seen_words[stage]);
	for (size_t i = 0; i < s->n; i++)
		fprintf(out, "%s%s", i ? ", " : "", s->v[i]);
	if (s->more)
		fputs(", ...", out);
}

/* True: all which-keys let something through. */
static bool tell_which(FILE *out, const struct funnel *f)
{
	char want[256] = "";

	for (enum stage stage = 0; stage < N_STAGES; stage++) {
		if (!is_given(f->rule, stage))
			continue;
		wanted_text(f, stage, want, sizeof(want));
		fprintf(out, "%s%s%s %llu", stage ? " -> " : "", want,
		        f->passed[stage] ? "" : ":",
		        (unsigned long long)f->passed[stage]);
		if (f->passed[stage] == 0) {
			tell_seen(out, stage, &f->seen[stage], f->rule);
			return false;
		}
	}
	return true;
}

/*
 * The modules of `caller` that the library met, where the rule's programs are.
 * True: the rule's is one of them.
 */
static bool find_modules(const struct rule *rule, const char *trace_path,
                         struct seen *ret)
{
	struct trace_reader reader;
	const struct fault_record *r;
	const char *why;
	bool found = false;

	if (trace_reader_open(&reader, trace_path, &why))
		return true;
	while ((r = trace_reader_next(&reader))) {
		const struct trace_context *c = &reader.context;
		char name[sizeof(r->name) + 1];

		if (r->call != RECORD_MODULE || r->process >= c->n_processes ||
		    !(rule->programs >> c->processes[r->process].program % 64 &
		      1))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)sizeof(r->name),
		         r->name);
		found |= !strcmp(name, rule->caller_module);
		trace_clean(name);
		note_seen(ret, name);
	}
	trace_reader_release(&reader);
	return found;
}

/* True: calls were seen to come from there. */
static bool tell_caller(FILE *out, const struct funnel *f,
                        const char *trace_path)
{
	const struct rule *r = f->rule;
	struct seen seen = {0};

	if (!r->caller_module || find_modules(r, trace_path, &seen))
		return true;
	fprintf(out, " -> caller %s%s%s: 0", r->caller_module,
	        r->caller_symbol ? "!" : "",
	        r->caller_symbol ? r->caller_symbol : "");
	for (size_t i = 0; i < seen.n; i++)
		fprintf(out, "%s%s", i ? ", " : "; callers seen: ", seen.v[i]);
	if (seen.more)
		fputs(", ...", out);
	return false;
}

static const char *per_phrase(const struct rule *r)
{
	static const char *const phrases[] = {
		[PER_DEFAULT] = "in one place",
		[PER_CONNECTION] = "on one connection",
		[PER_PROCESS] = "in one process",
		[PER_PROGRAM] = "in one program",
		[PER_RUN] = "in the run",
	};
	enum fault_per per = r->per;

	for (unsigned c = 1; per == PER_DEFAULT && c < N_CALLS; c++)
		if (which_has_call(r->calls, (enum fault_call)c))
			per = fault_families[fault_calls[c].family].per;
	return phrases[per];
}

/* What was moved ends at the mark: calls are cut there, and none came after. */
static void tell_mark(FILE *out, const struct rule *r, uint64_t mark)
{
	bool receives = false, by_itself = r->n_actions > 0;

	for (unsigned c = 1; c < N_CALLS; c++)
		if (which_has_call(r->calls, (enum fault_call)c))
			receives |= fault_calls[c].family == FAMILY_RECV;
	for (size_t i = 0; i < r->n_actions; i++)
		by_itself &= !!(fault_actions[r->actions[i].kind].families &
		                ACTION_SELF);
	fprintf(out,
	        " -> bytes %llu: reached, but no call behind them had anything "
	        "to %s",
	        (unsigned long long)mark, receives ? "receive" : "send");
	if (receives && by_itself)
		fprintf(out,
		        " (without `call`, `seen: %lluB` does not wait for "
		        "one)",
		        (unsigned long long)mark);
}

/* True: the counts came as far as the rule wants. */
static bool tell_when(FILE *out, const struct funnel *f)
{
	const struct rule *r = f->rule;
	uint64_t mark = r->bytes.first * r->bytes_unit;
	char text[64];

	if (r->nth.first > f->n_max) {
		which_pick_text(&r->nth, text, sizeof(text));
		fprintf(out, " -> nth %s: at most %u %s", text, f->n_max,
		        per_phrase(r));
		return false;
	}
	if (r->turn.first > f->turn_max) {
		which_pick_text(&r->turn, text, sizeof(text));
		fprintf(out, " -> turn %s: at most %u on one connection", text,
		        f->turn_max);
		return false;
	}
	if (mark > f->bytes_max) {
		fprintf(out, " -> bytes %llu: at most %llu on one connection",
		        (unsigned long long)mark,
		        (unsigned long long)f->bytes_max);
		return false;
	}
	if (mark && mark == f->bytes_max) {
		tell_mark(out, r, mark);
		return false;
	}
	return true;
}

static void tell_conditions(FILE *out, const struct rule *r,
                            const struct rule_result *result)
{
	const struct {
		const char *word;
		bool given;
	} conditions[] = {
		{"armed", !r->armed || !result->armed},
		{"seen", r->seen != 0},
		{"age", r->age_ns != 0},
		{"idle", r->idle_ns != 0},
		{"after", r->after_ns != 0},
		{"after", r->after_rule >= 0},
		{"nth", r->nth.ratio != 0},
		{"connection", r->connection.ratio != 0},
		{"caller", r->caller_module && *r->caller_module},
	};
	const char *first =
		which_has_calls(r->calls) ? " -> never due: " : " -> ";
	bool any = false;

	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (conditions[i].given) {
			fprintf(out, "%s%s", any ? ", " : first,
			        conditions[i].word);
			any = true;
		}
	if (!any)
		fputs(" -> never due", out);
	else
		fputs(which_has_calls(r->calls) ? " did not hold then"
		                                : " never held",
		      out);
}

static void tell_due(FILE *out, const struct funnel *f,
                     const struct rule_result *r)
{
	if (!f->rule->armed && !r->armings) {
		fputs(" -> it was never armed", out);
		return;
	}
	if (!r->due) {
		tell_conditions(out, f->rule, r);
		return;
	}
	fprintf(out, " -> %u time%s due", r->due, r->due == 1 ? "" : "s");
	if (r->shadowed)
		fprintf(out, ", %u of them an earlier rule acted", r->shadowed);
	for (size_t g = 1; g < N_GATES; g++)
		if (r->gated[g])
			fprintf(out, ", gated by %s", fault_gate_names[g]);
}

/* Is the rule about bytes that are moved? */
static bool is_about_bytes(const struct rule *r)
{
	for (unsigned c = 1; c < N_CALLS; c++)
		if (which_has_call(r->calls, (enum fault_call)c) &&
		    fault_families[fault_calls[c].family].direction !=
		            DIRECTION_NONE)
			return true;
	return !which_has_calls(r->calls) && r->seen;
}

/* One line, to be freed; NULL: the trace cannot be read. */
static char *explain(const char *trace_path, const struct scenario *s,
                     const struct session_result *r, size_t rule)
{
	struct funnel *f = calloc(1, sizeof(*f));
	struct replay replay = {0};
	struct replay_call call;
	char *text = NULL;
	size_t size;
	FILE *out = NULL;

	if (f) {
		f->counts = calloc(MAX_KEYS, sizeof(*f->counts));
		f->reached = calloc(MAX_KEYS, sizeof(*f->reached));
	}
	if (f && f->counts && f->reached &&
	    replay_open(&replay, trace_path) == 0)
		out = open_memstream(&text, &size);
	if (out) {
		f->s = s;
		f->rule = &s->rules[rule];
		while (replay_next(&replay, &call))
			pass(f, &call);
		if (tell_which(out, f) &&
		    (r->rules[rule].due || tell_caller(out, f, trace_path)) &&
		    (r->rules[rule].due || tell_when(out, f)))
			tell_due(out, f, &r->rules[rule]);
		if (f->hidden && is_about_bytes(f->rule))
			fputs("; a socket was descriptor 0, 1 or 2: what stdio "
			      "moves there is not seen",
			      out);
		if (f->rule->programs & r->urings)
			fputs("; the program has set up an io_uring: what goes "
			      "through it is neither seen nor faulted",
			      out);
		if (r->truncated)
			fputs(" (told from the beginning of the trace only)",
			      out);
		fclose(out);
		replay_release(&replay);
	}
	if (f) {
		free(f->counts);
		free(f->reached);
	}
	free(f);
	return text;
}

char **funnels_explain(const char *trace_path, const struct scenario *s,
                       const struct session_result *r)
{
	char **v = calloc(s->n_rules + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < s->n_rules && n < MAX_EXPLAINED; i++) {
		if (!judge_rule_missing(s, r, i))
			continue;
		v[i] = explain(trace_path, s, r, i);
		n++;
	}
	return v;
}

void funnels_free(char **funnels, size_t n)
{
	for (size_t i = 0; funnels && i < n; i++)
		free(funnels[i]);
	free(funnels);
}
