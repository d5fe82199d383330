/*
 * print_trace.c - one record, one line; and the counting behind it.
 *
 * Counts are kept per socket (its serial: shared by dups and forks, never
 * reused) and per program, so that each family can be counted by its default
 * `per`.  The memory grows with the number of sockets seen, not with records.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lang/utf8.h"
#include "runner/keyed.h"
#include "runner/print_trace.h"

/* ---- context ----------------------------------------------------------- */

void trace_context_init(struct trace_context *c, const struct fault_plan *plan,
                        uint64_t start_ns)
{
	*c = (struct trace_context){.plan = plan, .start_ns = start_ns};
}

void trace_context_release(struct trace_context *c)
{
	free(c->processes);
	*c = (struct trace_context){0};
}

void trace_clean(char *s)
{
	size_t left = strlen(s);

	while (left) {
		unsigned char c = (unsigned char)*s;
		size_t n = c < 0x80 ? 1 : utf8_length(s, left);

		if (c < 0x20 || c == 0x7f || !n ||
		    (c == 0xc2 && (unsigned char)s[1] < 0xa0)) {
			n = n ? n : 1;
			memset(s, '?', n);
		}
		s += n;
		left -= n;
	}
}

void trace_process_clean(struct trace_process *p)
{
	p->name[sizeof(p->name) - 1] = '\0';
	p->what[sizeof(p->what) - 1] = '\0';
	trace_clean(p->name);
	trace_clean(p->what);
}

int trace_context_set(struct trace_context *c, uint16_t slot,
                      const struct trace_process *p)
{
	if (slot >= c->n_processes) {
		size_t n = (size_t)slot + 16;
		struct trace_process *v = realloc(c->processes, n * sizeof(*v));

		if (!v)
			return -ENOMEM;
		memset(v + c->n_processes, 0,
		       (n - c->n_processes) * sizeof(*v));
		c->processes = v;
		c->n_processes = n;
	}
	c->processes[slot] = *p;
	trace_process_clean(&c->processes[slot]);
	return 0;
}

static const struct trace_process *process_of(const struct trace_context *c,
                                              uint16_t slot)
{
	return slot < c->n_processes && c->processes[slot].pid
	               ? &c->processes[slot]
	               : NULL;
}

const char *trace_context_name(const struct trace_context *c, uint16_t slot)
{
	const struct trace_process *p = process_of(c, slot);

	if (!p)
		return "?";
	if (c->plan && p->program < c->plan->n_programs) {
		const char *name = plan_string(
			c->plan, plan_programs(c->plan)[p->program].name_off);

		if (*name)
			return name;
	}
	return *p->name ? p->name : "?";
}

/* ---- counting ---------------------------------------------------------- */

struct socket_count {
	uint64_t serial; /* the key */
	uint32_t calls[N_FAMILIES];
	uint32_t turn[3]; /* by enum fault_direction */
	uint64_t bytes[3];
	enum fault_direction last;
};

/* A record that was taken while its call was under way. */
struct unfinished {
	uint64_t ticket; /* the key */
	struct fault_record record;
};

struct trace_printer {
	struct keyed sockets, unfinished;
	uint32_t programs[PLAN_MAX_PROGRAMS][N_FAMILIES];
};

struct trace_printer *trace_printer_new(void)
{
	struct trace_printer *p = calloc(1, sizeof(*p));

	if (p) {
		p->sockets = KEYED_OF(struct socket_count);
		p->unfinished = KEYED_OF(struct unfinished);
	}
	return p;
}

void trace_printer_free(struct trace_printer *p)
{
	if (!p)
		return;
	keyed_release(&p->sockets);
	keyed_release(&p->unfinished);
	free(p);
}

static enum fault_record_state state_of(const struct fault_record *r)
{
	return (enum fault_record_state)(
		atomic_load_explicit(&r->state, memory_order_relaxed) & 7);
}

static bool is_open(const struct fault_record *r)
{
	return state_of(r) == RECORD_ENTERED || state_of(r) == RECORD_TAKEN;
}

static bool known_call(const struct fault_record *r)
{
	return r->call > FAULT_CALL_NONE && r->call < N_CALLS;
}

bool trace_counts(const struct fault_record *r)
{
	enum fault_family family;

	if (!known_call(r) || fault_calls[r->call].kind != FAULT_INJECT)
		return false;
	family = fault_calls[r->call].family;
	if (r->flags & RECORD_PEEK || is_open(r))
		return false;
	/* One that was held when it was made has its hit with its end. */
	if (r->flags & RECORD_UNCOUNTED && !r->rule)
		return false;
	switch (family) {
	case FAMILY_SEND:
		return r->want && (r->rule || r->result > 0);
	case FAMILY_RECV:
		return r->want && (r->rule || r->result >= 0);
	case FAMILY_ACCEPT:
		return r->rule || r->result >= 0;
	case FAMILY_SOCKET:
	case FAMILY_BIND:
	case FAMILY_LISTEN:
	case FAMILY_CONNECT:
	case FAMILY_SHUTDOWN:
	case FAMILY_CLOSE:
	case FAMILY_POLL:
	case FAMILY_OPTION:
	case FAMILY_RESOLVE:
		return true;
	case FAMILY_TABLE:
	case N_FAMILIES:
		break;
	}
	return false;
}

bool trace_repeats(const struct fault_record *r)
{
	return known_call(r) && r->flags & RECORD_UNCOUNTED && !r->rule &&
	       !is_open(r) && fault_calls[r->call].family != FAMILY_RESOLVE;
}

/* Refused because a fault holds back what there is. */
static bool is_held(const struct fault_record *r)
{
	return r->result == -1 && (r->err == EAGAIN || r->err == EALREADY);
}

static void count_transfer(struct socket_count *s, const struct fault_record *r,
                           enum fault_direction d, struct trace_count *ret)
{
	const struct fault_call_row *row = &fault_calls[r->call];

	/* Only bytes make a turn begin; an end of file is of the next one. */
	ret->turn = s->turn[d] + (s->last != d);
	ret->from = ret->to = s->bytes[d];
	if (r->result <= 0)
		return;
	s->turn[d] = ret->turn;
	s->last = d;
	/* sendmmsg and recvmmsg return a number of messages. */
	if (row->shape.kind != SHAPE_MMSG)
		ret->to = s->bytes[d] += (uint32_t)r->result;
}

/* Where calls of this record's family are counted, NULL: nowhere. */
static uint32_t *counter_of(struct trace_printer *p,
                            const struct trace_context *c,
                            const struct fault_record *r,
                            struct socket_count *s)
{
	const struct trace_process *process = process_of(c, r->process);
	enum fault_family f = fault_calls[r->call].family;

	if (fault_families[f].per == PER_CONNECTION)
		return s ? &s->calls[f] : NULL;
	return process && process->program < PLAN_MAX_PROGRAMS
	               ? &p->programs[process->program][f]
	               : NULL;
}

struct trace_count trace_count(struct trace_printer *p,
                               const struct trace_context *c,
                               const struct fault_record *r)
{
	struct trace_count ret = {0};
	enum fault_direction d;
	struct socket_count *s;
	enum fault_family f;
	uint32_t *counter;

	if (!known_call(r) || fault_calls[r->call].kind != FAULT_INJECT)
		return ret;
	f = fault_calls[r->call].family;
	ret.again = trace_repeats(r);
	if (!ret.again && !trace_counts(r))
		return ret;
	ret.held = ret.again && is_held(r);
	if (ret.held)
		return ret;
	/* NULL: no socket, or no memory; then it is not counted. */
	s = r->serial ? keyed_add(&p->sockets, r->serial) : NULL;
	counter = counter_of(p, c, r, s);
	if (counter && !ret.again)
		++*counter;
	ret.nth = counter ? *counter : 0;
	d = fault_families[f].direction;
	if (s && d != DIRECTION_NONE)
		count_transfer(s, r, d, &ret);
	return ret;
}

/* ---- text -------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size, len; /* len: what it needs, may pass size */
};

static void put(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	size_t room = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(room ? t->buf + t->len : NULL, room, format, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

/* Names come from programs: no control byte reaches the terminal. */
static void put_name(struct text *t, const char *s, size_t most)
{
	for (size_t i = 0; i < most && s[i]; i++) {
		unsigned char c = (unsigned char)s[i];

		put(t, "%c", c < 0x20 || c == 0x7f ? '?' : c);
	}
}

/* A host name has no bytes but these (RFC 1123), and a module hardly. */
static void put_host(struct text *t, const struct fault_record *r)
{
	for (size_t i = 0; i < sizeof(r->name) && r->name[i]; i++) {
		char c = r->name[i];

		put(t, "%c", c <= 0x20 || c >= 0x7f ? '?' : c);
	}
}

static void put_address(struct text *t, const struct fault_record *r)
{
	char text[INET6_ADDRSTRLEN];
	bool ipv6 = r->flags & RECORD_IPV6;

	if (!(r->flags & RECORD_ADDRESS) ||
	    !inet_ntop(ipv6 ? AF_INET6 : AF_INET, r->address, text,
	               sizeof(text)))
		return;
	put(t, ipv6 ? " [%s]" : " %s", text);
	if (r->want & 0xffff)
		put(t, ":%u", r->want & 0xffff);
}

static void put_operands(struct text *t, const struct fault_record *r,
                         enum fault_effect effect)
{
	static const char *const how[] = {"RD", "WR", "RDWR"};

	if (effect == EFFECT_IO) {
		put(t, ", %u", r->want);
	} else if (effect == EFFECT_SHUTDOWN) {
		if (r->want < sizeof(how) / sizeof(how[0]))
			put(t, ", %s", how[r->want]);
	} else if (effect == EFFECT_GETSOCKOPT || effect == EFFECT_SETSOCKOPT) {
		put(t, ", option %u", r->want);
	} else if (effect == EFFECT_BIND || effect == EFFECT_LISTEN) {
		if (r->want >> 16)
			put(t, ", port %u", r->want >> 16);
	} else if (effect == EFFECT_FDOPEN && r->want) {
		put(t, ", unseen:%s%s",
		    r->want & RECORD_UNSEEN_RX ? " recv" : "",
		    r->want & RECORD_UNSEEN_TX ? " send" : "");
	} else if (effect == EFFECT_CONNECT && r->flags & RECORD_ADDRESS) {
		put(t, ",");
		put_address(t, r);
	}
}

static void put_arguments(struct text *t, const struct fault_record *r)
{
	const struct fault_call_row *row = &fault_calls[r->call];

	put(t, "%s(", row->symbol);
	if (r->fd >= 0)
		put(t, "fd %d", r->fd);
	if (r->flags & RECORD_NAME)
		put_host(t, r);
	put_operands(t, r, row->effect);
	put(t, r->flags & RECORD_PEEK ? ", peek)" : ")");
}

static void put_result(struct text *t, const struct fault_record *r)
{
	const char *name = r->result < 0 ? fault_errno_name(r->err) : NULL;
	bool resolves = r->call < N_CALLS &&
	                fault_calls[r->call].family == FAMILY_RESOLVE;

	put(t, " = %d", r->result);
	if (resolves && r->result)
		put(t, " %s", fault_errno_name(r->result));
	if (name)
		put(t, " %s", name);
	if (known_call(r) && fault_calls[r->call].effect == EFFECT_GETSOCKOPT &&
	    r->result == 0 && r->err)
		put(t, ": %s", fault_errno_name(r->err));
	if (r->return_ns > r->entry_ns + 1000000)
		put(t, " <%.3f s>", (double)(r->return_ns - r->entry_ns) / 1e9);
}

static void put_socket(struct text *t, const struct fault_record *r)
{
	unsigned role = r->status & 15;

	if (r->connection)
		put(t, "  conn %u", r->connection);
	else if (r->serial)
		put(t, "  socket %u", r->serial);
	if (role && role < N_ROLES)
		put(t, " %s", fault_role_names[role]);
}

static void put_count(struct text *t, const struct fault_record *r,
                      const struct trace_count *n)
{
	unsigned state = r->status >> 4;

	if (n->held)
		put(t, " held");
	if (n->nth)
		put(t, n->again ? " #%u again" : " #%u", n->nth);
	if (n->turn)
		put(t, " turn %u", n->turn);
	if (n->to > n->from)
		put(t, " bytes %llu..%llu", (unsigned long long)n->from,
		    (unsigned long long)n->to);
	if (fault_calls[r->call].effect == EFFECT_ACCEPT)
		put_address(t, r);
	if (state && state < N_STATES)
		put(t, " %s", fault_state_names[state]);
}

static void put_rule(struct text *t, const struct trace_context *c,
                     const struct fault_record *r)
{
	if (!c->plan || r->rule > c->plan->n_rules) {
		put(t, "rule %u", r->rule);
		return;
	}
	put(t, "rule ");
	put_name(
		t,
		plan_string(c->plan, plan_rules(c->plan)[r->rule - 1].text_off),
		1000);
}

static void put_event(struct text *t, const struct trace_context *c,
                      const struct fault_record *r)
{
	const struct trace_process *p = process_of(c, r->process);

	switch ((enum fault_record_event)r->call) {
	case RECORD_ATTACH:
		put(t, "attached to ");
		put_name(t, p ? p->name : "?", sizeof(p->name));
		break;
	case RECORD_EXIT:
		put(t, "exits");
		break;
	case RECORD_FORK:
		put(t, "forked");
		break;
	case RECORD_FAILED:
		put(t, "could not attach: ");
		put_name(t, p ? p->what : "?", sizeof(p->what));
		break;
	case RECORD_RETURN:
		put(t, "... = %d", r->result);
		break;
	case RECORD_GATED:
		put(t, "held back by %s",
		    r->want < N_GATES ? fault_gate_names[r->want] : "a gate");
		break;
	case RECORD_SHADOWED:
		put(t, "was due as well, an earlier rule acted");
		break;
	case RECORD_ESTABLISHED:
		put(t, "established");
		put_address(t, r);
		break;
	case RECORD_MODULE:
		put(t, "calls from ");
		put_host(t, r);
		return;
	case RECORD_SPAWNED:
		put(t, "started %u ", r->want);
		put_host(t, r);
		return;
	case RECORD_OTHER_RUN:
		put(t, "executes with another run's environment");
		return;
	case RECORD_NO_ROOM:
		put(t, "executes without this run's environment: no room");
		return;
	case RECORD_URING:
		put(t, "uses io_uring, unseen");
		return;
	case RECORD_SELF:
		put(t, "%s, by itself",
		    r->want < N_ACTIONS ? fault_actions[r->want].word
		                        : "an action");
		break;
	default:
		put(t, "unknown record %u", r->call);
		return;
	}
	put_socket(t, r);
}

/* ---- calls that return later -------------------------------------------- */

static void remember(struct trace_printer *p, const struct fault_record *r)
{
	struct unfinished *u = keyed_add(
		&p->unfinished,
		atomic_load_explicit(&r->state, memory_order_relaxed) >> 3);

	if (u)
		memcpy(&u->record, r, sizeof(*r));
}

/*
 * The call that r, a RECORD_RETURN, ends: its entry's arguments with r's
 * result.  False when the entry was never seen.
 */
static bool complete(struct trace_printer *p, const struct fault_record *r,
                     struct fault_record *ret)
{
	struct unfinished *u = keyed_find(&p->unfinished, r->caller);
	const struct fault_record *entry;

	if (!u)
		return false;
	entry = &u->record;
	memcpy(ret, r, sizeof(*ret));
	ret->call = entry->call;
	ret->fd = entry->fd;
	ret->flags |= entry->flags;
	if (!ret->want) /* ports are only known at the return */
		ret->want = entry->want;
	ret->caller = entry->caller;
	ret->entry_ns = entry->entry_ns;
	keyed_remove(&p->unfinished, u);
	return true;
}

static void put_call(struct text *t, struct trace_printer *p,
                     const struct trace_context *c,
                     const struct fault_record *r)
{
	struct trace_count n = trace_count(p, c, r);

	put_arguments(t, r);
	if (fault_calls[r->call].kind == FAULT_NOTE)
		return; /* written before the call: there is no result */
	if (is_open(r)) {
		remember(p, r);
		put(t, " ...");
		put_socket(t, r);
		return;
	}
	put_result(t, r);
	put_socket(t, r);
	put_count(t, r, &n);
}

size_t trace_print(struct trace_printer *p, const struct trace_context *c,
                   const struct fault_record *r, char *buf, size_t size)
{
	struct text t = {buf, size, 0};
	const struct trace_process *process = process_of(c, r->process);
	uint64_t at = r->call == RECORD_RETURN ? r->return_ns : r->entry_ns;
	struct fault_record whole;

	if (size)
		*buf = '\0';
	put(&t, "%9.6f ",
	    at > c->start_ns ? (double)(at - c->start_ns) / 1e9 : 0);
	put_name(&t, trace_context_name(c, r->process), 64);
	put(&t, "[%u/%u] ", process ? process->pid : 0, r->tid);
	if (r->call == RECORD_RETURN && complete(p, r, &whole)) {
		put(&t, "... ");
		put_call(&t, p, c, &whole);
	} else if (known_call(r)) {
		put_call(&t, p, c, r);
	} else {
		put_event(&t, c, r);
	}
	if (r->rule) {
		put(&t, "  <- ");
		put_rule(&t, c, r);
	}
	return t.len;
}
