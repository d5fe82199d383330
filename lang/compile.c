/*
 * compile.c - a scenario's rules as a plan (plan/plan.h).
 *
 * Order in the blob: head, programs, rules, classes, buckets, rule indexes of
 * the classes, inverse tables, answers, hosts and theirs, callers, strings.
 * Sizes are counted first, then everything is written into one piece of memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/model.h"

/* A plan under construction; all but the blob lives in the arena. */
struct compiler {
	struct arena *arena;
	const struct scenario *s;
	const struct plan_options *options;
	struct plan_class *classes;
	size_t n_classes;
	uint32_t *by_hash; /* classes: index + 1, 0 = empty */
	size_t n_by_hash;
	uint16_t buckets[PLAN_BUCKETS];
	uint16_t *class_of;   /* rule -> class */
	uint32_t inverses[3]; /* offset of the table of a distribution, or 0 */
	uint32_t answers_off; /* of the next rule that has some */
	uint32_t addrs_off;   /* of the first host's addresses */
	struct plan_caller *callers;
	size_t n_callers;
	struct arena_text strings;
	void *blob;
	size_t size;
};

static uint32_t add_string(struct compiler *c, const char *s)
{
	size_t off = c->strings.len;

	if (!s || !*s)
		return 0;
	arena_text_add(c->arena, &c->strings, s, strlen(s) + 1);
	return (uint32_t)off;
}

static bool reads(const struct compiler *c, uint32_t a, const char *s)
{
	return !strcmp(c->strings.s + a, s ? s : "");
}

/* Index + 1 of what the rule's `caller` says; rules that say the same share it.
 */
static uint32_t add_caller(struct compiler *c, const struct rule *r)
{
	size_t i = 0;

	if (!r->caller_module)
		return 0;
	while (i < c->n_callers &&
	       (!reads(c, c->callers[i].module_off, r->caller_module) ||
	        !reads(c, c->callers[i].symbol_off, r->caller_symbol)))
		i++;
	if (i == c->n_callers) {
		c->callers = arena_grow(c->arena, c->callers, c->n_callers,
		                        sizeof(*c->callers));
		c->callers[c->n_callers++] = (struct plan_caller){
			.module_off = add_string(c, r->caller_module),
			.symbol_off = add_string(c, r->caller_symbol)};
	}
	return (uint32_t)i + 1;
}

/* What a rule without `call` acts on. */
static enum fault_per self_per(const struct rule *r)
{
	return r->actions[0].kind == ACTION_EXHAUST ? PER_PROCESS
	                                            : PER_CONNECTION;
}

/* The default of its families; a connection's count if any has one. */
static enum fault_per rule_per(const struct rule *r, unsigned families)
{
	enum fault_per per = PER_PROGRAM;

	if (!families)
		return self_per(r);
	if (r->per != PER_DEFAULT)
		return r->per;
	for (unsigned i = 0; i < N_FAMILIES; i++) {
		if (families >> i & 1 &&
		    fault_families[i].per == PER_CONNECTION)
			per = PER_CONNECTION;
	}
	return per;
}

static void make_class(struct compiler *c, const struct rule *r,
                       struct plan_class *ret)
{
	unsigned families = 0;

	for (unsigned i = 1; i < N_CALLS; i++) {
		if (r->calls[i / 64] >> (i % 64) & 1)
			families |= 1u << fault_calls[i].family;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->calls, r->calls, sizeof(ret->calls));
	ret->programs = r->programs;
	ret->connection = r->connection;
	ret->peer = r->peer;
	ret->families = (uint16_t)families;
	ret->states = r->states;
	ret->port = r->port;
	ret->roles = r->roles;
	ret->per = (uint8_t)rule_per(r, families);
	ret->process_off = add_string(c, r->process);
	ret->host_off = add_string(c, r->host);
}

static bool same_string(const struct compiler *c, uint32_t a, uint32_t b)
{
	if (!a || !b)
		return a == b;
	return !strcmp(c->strings.s + a, c->strings.s + b);
}

/* All but the rules and the strings, which are compared by content. */
static bool same_class(const struct compiler *c, const struct plan_class *a,
                       const struct plan_class *b)
{
	return !memcmp(a, b, offsetof(struct plan_class, process_off)) &&
	       same_string(c, a->process_off, b->process_off) &&
	       a->caller == b->caller &&
	       same_string(c, a->host_off, b->host_off);
}

static size_t hash_class(const struct plan_class *a)
{
	const unsigned char *p = (const unsigned char *)a;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < offsetof(struct plan_class, process_off); i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return (size_t)(h ^ h >> 32);
}

static uint16_t add_class(struct compiler *c, const struct plan_class *new)
{
	c->classes = arena_grow(c->arena, c->classes, c->n_classes,
	                        sizeof(*c->classes));
	c->classes[c->n_classes] = *new;
	return (uint16_t)c->n_classes++;
}

/*
 * The class of a rule, shared with those that select the same.  One with
 * `turn` or `bytes`, or without `call`, has its own: its cell keeps the mark.
 */
static uint16_t class_for(struct compiler *c, const struct rule *r)
{
	uint32_t caller = add_caller(c, r);
	size_t strings = c->strings.len, i;
	struct plan_class new;

	make_class(c, r, &new);
	new.caller = caller;
	if (r->turn.step || r->turn.ratio || r->bytes_unit || !new.families)
		return add_class(c, &new);
	for (i = hash_class(&new) % c->n_by_hash; c->by_hash[i];
	     i = (i + 1) % c->n_by_hash) {
		uint16_t known = (uint16_t)(c->by_hash[i] - 1);

		if (!same_class(c, &c->classes[known], &new))
			continue;
		if (c->classes[known].n_rules == PLAN_MAX_CLASS_RULES)
			break; /* one more of the same, in its place */
		c->strings.len = strings; /* nobody needs them twice */
		return known;
	}
	c->by_hash[i] = (uint32_t)c->n_classes + 1;
	return add_class(c, &new);
}

static void make_classes(struct compiler *c)
{
	size_t n = c->s->n_rules;

	c->n_by_hash = n * 2 + 1;
	c->by_hash = arena_array(c->arena, c->n_by_hash, sizeof(*c->by_hash));
	c->class_of = arena_array(c->arena, n, sizeof(*c->class_of));
	for (size_t i = 0; i < n; i++) {
		c->class_of[i] = class_for(c, &c->s->rules[i]);
		c->classes[c->class_of[i]].n_rules++;
	}
}

/* Each class at the head of its list: from the last, so that they rise. */
static void make_buckets(struct compiler *c)
{
	for (size_t i = c->n_classes; i-- > 0;) {
		struct plan_class *class = &c->classes[i];
		uint16_t *head = &c->buckets[plan_bucket(class->port)];

		class->next = *head;
		*head = (uint16_t)(i + 1);
	}
}

static uint32_t limited(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void write_action(struct compiler *c, const struct rule_action *a,
                         struct plan_action *ret)
{
	*ret = (struct plan_action){
		.kind = (uint8_t)a->kind,
		.err = (int16_t)a->err,
		.value = a->value,
		.jitter_ns = a->jitter_ns,
		.table_off = c->inverses[a->distribution],
	};
	ret->flags = (uint8_t)((a->half ? PLAN_ACTION_HALF : 0) |
	                       (a->eai ? PLAN_ACTION_EAI : 0) |
	                       (a->ratio ? PLAN_ACTION_RATIO : 0) |
	                       (ret->table_off ? PLAN_ACTION_INVERSE : 0));
	if (!a->n_answers)
		return;
	ret->value = a->n_answers;
	ret->table_off = c->answers_off;
	c->answers_off += (uint32_t)(a->n_answers * sizeof(*a->answers));
}

static void write_rule(struct compiler *c, size_t i, struct plan_rule *ret)
{
	const struct rule *r = &c->s->rules[i];

	*ret = (struct plan_rule){
		.name_off = add_string(c, r->name),
		.text_off = add_string(c, r->text),
		.line = r->loc.line,
		.column = r->loc.column,
		.class_index = c->class_of[i],
		.after_rule = (uint16_t)(r->after_rule + 1),
		.flags = (uint16_t)((r->armed ? PLAN_RULE_ARMED : 0) |
	                            (r->force ? PLAN_RULE_FORCE : 0)),
		.n_actions = (uint16_t)r->n_actions,
		.nth = r->nth,
		.turn = r->turn,
		.bytes = r->bytes,
		.bytes_unit = r->bytes_unit,
		.seen = r->seen,
		.age_ns = r->age_ns,
		.idle_ns = r->idle_ns,
		.after_ns = r->after_ns,
		.for_ns = r->for_ns,
		.times = r->times,
		.hits_min = limited(r->hits.min),
		.hits_max = limited(r->hits.max),
	};
	for (size_t a = 0; a < r->n_actions; a++)
		write_action(c, &r->actions[a], &ret->actions[a]);
}

/* Classes are compared and shared before this is known of all their rules. */
static void mark_traits(struct compiler *c, const struct plan_rule *rules)
{
	for (size_t i = 0; i < c->s->n_rules; i++) {
		struct plan_class *class = &c->classes[c->class_of[i]];

		class->families |= (uint16_t)plan_rule_traits(class, &rules[i]);
	}
}

static bool rule_is_timed(const struct rule *r)
{
	return r->after_ns || r->after_rule >= 0 || r->for_ns || r->age_ns ||
	       r->idle_ns;
}

static uint32_t plan_flags(const struct compiler *c)
{
	uint32_t flags = (c->options->trace ? PLAN_TRACE : 0) |
	                 (c->options->stacks ? PLAN_STACKS : 0);

	for (size_t i = 0; i < c->s->n_rules; i++) {
		if (rule_is_timed(&c->s->rules[i]))
			flags |= PLAN_TIMED;
	}
	return flags;
}

/* Places n bytes behind what is there, aligned for anything. */
static uint32_t place(size_t *size, size_t n)
{
	size_t at = (*size + 7) / 8 * 8;

	*size = at + n;
	return (uint32_t)at;
}

/* Addresses of all answers, one list behind the other in rule order. */
static size_t answers_len(const struct scenario *s)
{
	size_t len = 0;

	for (size_t i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];

		for (size_t a = 0; a < r->n_actions; a++)
			len += r->actions[a].n_answers *
			       sizeof(*r->actions[a].answers);
	}
	return len;
}

static size_t addrs_len(const struct scenario *s)
{
	size_t len = 0;

	for (size_t i = 0; i < s->n_hosts; i++)
		len += s->hosts[i].n_addrs * sizeof(*s->hosts[i].addrs);
	return len;
}

static void layout(struct compiler *c, struct fault_plan *head)
{
	const struct scenario *s = c->s;
	size_t size = sizeof(*head);
	uint32_t lists;

	head->n_programs = s->n_programs ? (uint32_t)s->n_programs : 1;
	head->n_rules = (uint32_t)s->n_rules;
	head->n_classes = (uint32_t)c->n_classes;
	head->programs_off =
		place(&size, head->n_programs * sizeof(struct plan_program));
	head->rules_off = place(&size, s->n_rules * sizeof(struct plan_rule));
	head->classes_off =
		place(&size, c->n_classes * sizeof(struct plan_class));
	head->buckets_off = place(&size, sizeof(c->buckets));
	lists = place(&size, s->n_rules * sizeof(uint16_t));
	for (size_t i = 0; i < c->n_classes; i++) {
		c->classes[i].rules_off = lists;
		lists += c->classes[i].n_rules * (uint32_t)sizeof(uint16_t);
	}
	for (size_t i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];

		for (size_t a = 0; a < r->n_actions; a++) {
			int d = r->actions[a].distribution;

			if (d && !c->inverses[d])
				c->inverses[d] =
					place(&size, PLAN_INVERSE_LEN *
				                             sizeof(int32_t));
		}
	}
	c->answers_off = place(&size, answers_len(s));
	head->n_hosts = (uint32_t)s->n_hosts;
	head->hosts_off = place(&size, s->n_hosts * sizeof(struct plan_host));
	c->addrs_off = place(&size, addrs_len(s));
	head->n_callers = (uint32_t)c->n_callers;
	head->callers_off = place(&size, c->n_callers * sizeof(*c->callers));
	head->strings_off = place(&size, 0);
	c->size = size;
}

static struct plan_program *make_programs(struct compiler *c, uint32_t n)
{
	struct plan_program *v = arena_array(c->arena, n, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		const char *name = "";

		if (i < c->s->n_programs && c->s->programs[i].name)
			name = c->s->programs[i].name;
		v[i].name_off = add_string(c, name);
		v[i].name_hash = plan_hash_string(name);
	}
	return v;
}

static struct plan_host *make_hosts(struct compiler *c)
{
	struct plan_host *v = arena_array(c->arena, c->s->n_hosts, sizeof(*v));
	uint32_t off = c->addrs_off;

	for (size_t i = 0; i < c->s->n_hosts; i++) {
		const struct host_entry *h = &c->s->hosts[i];

		v[i].name_off = add_string(c, plain_host(c->arena, h->name));
		v[i].addrs_off = off;
		v[i].n_addrs = (uint32_t)h->n_addrs;
		off += (uint32_t)(h->n_addrs * sizeof(*h->addrs));
	}
	return v;
}

static void put(struct compiler *c, uint32_t off, const void *from, size_t len)
{
	if (len)
		memcpy((char *)c->blob + off, from, len);
}

/* The rules of each class, in file order. */
static void put_lists(struct compiler *c)
{
	uint32_t *next = arena_array(c->arena, c->n_classes, sizeof(*next));

	for (size_t i = 0; i < c->n_classes; i++)
		next[i] = c->classes[i].rules_off;
	for (size_t i = 0; i < c->s->n_rules; i++) {
		uint16_t index = (uint16_t)i;

		put(c, next[c->class_of[i]], &index, sizeof(index));
		next[c->class_of[i]] += (uint32_t)sizeof(index);
	}
}

static void put_answers(struct compiler *c, const struct plan_rule *rules)
{
	for (size_t i = 0; i < c->s->n_rules; i++) {
		const struct rule *r = &c->s->rules[i];

		for (size_t a = 0; a < r->n_actions; a++)
			put(c, rules[i].actions[a].table_off,
			    r->actions[a].answers,
			    r->actions[a].n_answers *
			            sizeof(*r->actions[a].answers));
	}
}

static void put_hosts(struct compiler *c, const struct fault_plan *head,
                      const struct plan_host *hosts)
{
	put(c, head->hosts_off, hosts, head->n_hosts * sizeof(*hosts));
	for (uint32_t i = 0; i < head->n_hosts; i++)
		put(c, hosts[i].addrs_off, c->s->hosts[i].addrs,
		    hosts[i].n_addrs * sizeof(struct plan_addr));
}

/* All sizes and strings are known: the one allocation that is handed out. */
static int write_blob(struct compiler *c, struct fault_plan *head,
                      const struct plan_program *programs,
                      const struct plan_rule *rules,
                      const struct plan_host *hosts)
{
	head->strings_len = (uint32_t)c->strings.len;
	c->size += c->strings.len;
	if (c->size > PLAN_MAX_SIZE)
		return -E2BIG;
	head->size = (uint32_t)c->size;
	c->blob = calloc(1, c->size); /* freed by scenario_plan() if we jump */
	if (!c->blob)
		return -ENOMEM;
	put(c, 0, head, sizeof(*head));
	put(c, head->programs_off, programs,
	    head->n_programs * sizeof(*programs));
	put(c, head->rules_off, rules, head->n_rules * sizeof(*rules));
	put(c, head->classes_off, c->classes,
	    c->n_classes * sizeof(*c->classes));
	put(c, head->buckets_off, c->buckets, sizeof(c->buckets));
	for (int d = 1; d < 3; d++) {
		if (c->inverses[d])
			put(c, c->inverses[d], inverse_table(d),
			    PLAN_INVERSE_LEN * sizeof(int32_t));
	}
	put_answers(c, rules);
	put_hosts(c, head, hosts);
	put(c, head->callers_off, c->callers,
	    c->n_callers * sizeof(*c->callers));
	put(c, head->strings_off, c->strings.s, c->strings.len);
	put_lists(c);
	return 0;
}

static int compile(void *context)
{
	struct compiler *c = context;
	struct fault_plan head = {
		.magic = PLAN_MAGIC,
		.version = PLAN_VERSION,
		.seed = c->options->seed,
	};
	struct plan_program *programs;
	struct plan_rule *rules;
	struct plan_host *hosts;

	arena_text_add(c->arena, &c->strings, "", 1);
	make_classes(c);
	make_buckets(c);
	layout(c, &head);
	head.flags = plan_flags(c);
	head.source_off =
		add_string(c, c->s->n_rules ? c->s->rules[0].loc.file : "");
	programs = make_programs(c, head.n_programs);
	hosts = make_hosts(c);
	rules = arena_array(c->arena, c->s->n_rules, sizeof(*rules));
	for (size_t i = 0; i < c->s->n_rules; i++)
		write_rule(c, i, &rules[i]);
	mark_traits(c, rules);
	return write_blob(c, &head, programs, rules, hosts);
}

int scenario_plan(const struct scenario *s, const struct plan_options *options,
                  void **ret_plan, size_t *ret_len, struct diag_list *diags)
{
	struct arena arena;
	struct compiler c = {.arena = &arena, .s = s, .options = options};
	int r;

	arena_init(&arena, ARENA_BUDGET);
	r = arena_try(&arena, compile, &c);
	if (r == -E2BIG)
		diag_add(diags, NULL, "plan", (struct mark){0}, DIAG_ERROR,
		         NULL, "the rules need more than 64 MiB");
	else if (r == -ENOMEM)
		diag_no_memory(diags, "plan");
	arena_release(&arena);
	if (r < 0) {
		free(c.blob);
		return r;
	}
	*ret_plan = c.blob;
	*ret_len = c.size;
	return 0;
}
