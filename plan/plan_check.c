/*
 * plan_check.c - is this blob a plan that can be used without a further look?
 *
 * Everything that engine, shim and runner read without checking is checked
 * here, once, when a process attaches.  Reads nothing outside the blob and
 * trusts no field before it has seen it; async-signal-safe.  The order
 * matters: header, strings, programs, then classes with their rule lists, then
 * rules, whose class is known to be sound.
 */
#include <limits.h>

#include "plan.h"

enum {
	KNOWN_PLAN_FLAGS = PLAN_TRACE | PLAN_STACKS | PLAN_TIMED,
	KNOWN_RULE_FLAGS = PLAN_RULE_ARMED | PLAN_RULE_FORCE,
	ALL_STATES = (STATE_BIT(N_STATES) - 1) & ~STATE_BIT(STATE_NONE),
	ALL_ROLES = (ROLE_BIT(N_ROLES) - 1) & ~ROLE_BIT(ROLE_NONE),
	MAX_SIGNAL = 64,
};

/* Flags that an action kind may have. */
static const uint8_t action_flags[N_ACTIONS] = {
	[ACTION_ERROR] = PLAN_ACTION_EAI,
	[ACTION_DELAY] = PLAN_ACTION_INVERSE,
	[ACTION_SHORT] = PLAN_ACTION_RATIO,
	[ACTION_EOF] = PLAN_ACTION_HALF,
};

/* n elements at off, aligned, behind the header and inside the blob. */
static bool holds(const struct fault_plan *p, uint32_t off, uint64_t n,
                  size_t element_len, size_t align)
{
	return off % align == 0 && off >= sizeof(*p) && off <= p->size &&
	       n * element_len <= p->size - off;
}

static bool is_string(const struct fault_plan *p, uint32_t off)
{
	return off < p->strings_len;
}

static bool absent(const struct plan_pick *pick)
{
	return !pick->first && !pick->ratio;
}

static bool pick_is_sound(const struct plan_pick *pick)
{
	if (!pick->first)
		return true;
	return !pick->ratio && pick->step && pick->first <= pick->last;
}

static const char *check_header(const struct fault_plan *p, size_t len)
{
	if ((uintptr_t)p % _Alignof(struct fault_plan))
		return "the plan's memory is not aligned";
	if (len < sizeof(*p))
		return "the plan is shorter than its header";
	if (p->magic != PLAN_MAGIC)
		return "this is no plan of fault";
	if (p->version != PLAN_VERSION)
		return "the plan has another version";
	if (p->size < sizeof(*p) || p->size > len || p->size > PLAN_MAX_SIZE)
		return "the plan has an impossible size";
	if (p->flags & ~(uint32_t)KNOWN_PLAN_FLAGS)
		return "the plan has unknown flags";
	if (!p->n_programs || p->n_programs > PLAN_MAX_PROGRAMS)
		return "the plan has an impossible number of programs";
	if (p->n_rules > PLAN_MAX_RULES || p->n_classes > p->n_rules)
		return "the plan has an impossible number of rules";
	if (p->n_hosts > PLAN_MAX_HOSTS)
		return "the plan has an impossible number of hosts";
	if (p->n_callers > PLAN_MAX_CALLERS)
		return "the plan has an impossible number of callers";
	return NULL;
}

/* The last byte ends every string that begins inside. */
static const char *check_strings(const struct fault_plan *p)
{
	if (!p->strings_len || !holds(p, p->strings_off, p->strings_len, 1, 1))
		return "the plan's strings are outside of it";
	if (*plan_string(p, 0) || *plan_string(p, p->strings_len - 1))
		return "the plan's strings have no end";
	if (!is_string(p, p->source_off))
		return "the plan's source is no string of it";
	return NULL;
}

static const char *check_arrays(const struct fault_plan *p)
{
	if (!holds(p, p->programs_off, p->n_programs,
	           sizeof(struct plan_program), _Alignof(struct plan_program)))
		return "the plan's programs are outside of it";
	if (!holds(p, p->classes_off, p->n_classes, sizeof(struct plan_class),
	           _Alignof(struct plan_class)))
		return "the plan's classes are outside of it";
	if (!holds(p, p->rules_off, p->n_rules, sizeof(struct plan_rule),
	           _Alignof(struct plan_rule)))
		return "the plan's rules are outside of it";
	if (!holds(p, p->buckets_off, PLAN_BUCKETS, sizeof(uint16_t),
	           _Alignof(uint16_t)))
		return "the plan's buckets are outside of it";
	if (p->n_hosts &&
	    !holds(p, p->hosts_off, p->n_hosts, sizeof(struct plan_host),
	           _Alignof(struct plan_host)))
		return "the plan's hosts are outside of it";
	if (p->n_callers &&
	    !holds(p, p->callers_off, p->n_callers, sizeof(struct plan_caller),
	           _Alignof(struct plan_caller)))
		return "the plan's callers are outside of it";
	return NULL;
}

static const char *check_programs(const struct fault_plan *p)
{
	for (uint32_t i = 0; i < p->n_programs; i++) {
		const struct plan_program *program = &plan_programs(p)[i];

		if (!is_string(p, program->name_off))
			return "a program's name is no string of the plan";
		if (program->name_hash !=
		    plan_hash_string(plan_string(p, program->name_off)))
			return "a program's hash is not that of its name";
	}
	return NULL;
}

/* --- classes -------------------------------------------------------------- */

/* Calls that rules may select; their families must be the ones named. */
static const char *check_calls(const struct plan_class *c)
{
	uint32_t families = 0;

	for (unsigned call = 0; call < PLAN_CALL_WORDS * 64; call++) {
		if (!plan_class_has_call(c, call))
			continue;
		if (call == FAULT_CALL_NONE || call >= N_CALLS ||
		    fault_calls[call].kind != FAULT_INJECT)
			return "a class selects a call that takes no faults";
		families |= 1u << fault_calls[call].family;
	}
	/* The traits are known when the rules are: check_traits(). */
	if (families != (c->families & ~PLAN_TRAITS))
		return "a class's families are not those of its calls";
	return NULL;
}

/* One rule, and it acts on connections or on processes. */
static const char *check_self(const struct plan_class *c)
{
	if (!plan_class_is_self(c))
		return NULL;
	if (c->n_rules != 1)
		return "a rule without a call shares its class";
	if (c->caller)
		return "a rule without a call has a caller";
	if (c->per != PER_CONNECTION && c->per != PER_PROCESS)
		return "a rule without a call acts on nothing";
	return NULL;
}

static bool peer_is_sound(const struct plan_addr *a)
{
	switch (a->family) {
	case 0:
		return !a->prefix_len;
	case 4:
		return a->prefix_len <= 32;
	case 6:
		return a->prefix_len <= 128;
	default:
		return false;
	}
}

static bool programs_are_sound(const struct fault_plan *p, uint64_t programs)
{
	if (programs == UINT64_MAX || p->n_programs == 64)
		return programs != 0;
	return programs && programs < 1ULL << p->n_programs;
}

static const char *check_selectors(const struct fault_plan *p,
                                   const struct plan_class *c)
{
	if (!programs_are_sound(p, c->programs))
		return "a class is for a program that is not there";
	if (!pick_is_sound(&c->connection))
		return "a class has an impossible pick of connections";
	if (!peer_is_sound(&c->peer))
		return "a class has an impossible peer";
	if (c->states & ~ALL_STATES || c->roles & ~ALL_ROLES)
		return "a class has unknown states or roles";
	if (c->per < PER_CONNECTION || c->per > PER_RUN)
		return "a class does not say what it counts over";
	if (!is_string(p, c->process_off) || !is_string(p, c->host_off))
		return "a class names no string of the plan";
	if (c->caller > p->n_callers)
		return "a class has a caller that is not there";
	return check_calls(c);
}

/*
 * Its rules, in file order, say that they are of this class: so none is in
 * another one's list, and none twice in this.
 */
static const char *check_list(const struct fault_plan *p, uint32_t index)
{
	const struct plan_class *c = &plan_classes(p)[index];
	const uint16_t *rules;

	if (!c->n_rules || c->n_rules > PLAN_MAX_CLASS_RULES)
		return "a class has no rule, or more than 32";
	if (!holds(p, c->rules_off, c->n_rules, sizeof(*rules),
	           _Alignof(uint16_t)))
		return "a class's rules are outside of the plan";
	rules = plan_at(p, c->rules_off);
	for (uint32_t i = 0; i < c->n_rules; i++) {
		if (rules[i] >= p->n_rules)
			return "a class has a rule that is not there";
		if (i && rules[i] <= rules[i - 1])
			return "a class's rules are not in file order";
		if (plan_rules(p)[rules[i]].class_index != index)
			return "a rule is in the list of another's class";
	}
	return NULL;
}

static const char *check_classes(const struct fault_plan *p)
{
	uint64_t n_listed = 0;

	for (uint32_t i = 0; i < p->n_classes; i++) {
		const struct plan_class *c = &plan_classes(p)[i];
		const char *wrong = check_selectors(p, c);

		if (!wrong)
			wrong = check_list(p, i);
		if (!wrong)
			wrong = check_self(c);
		if (wrong)
			return wrong;
		n_listed += c->n_rules;
	}
	return n_listed == p->n_rules ? NULL : "a rule is in no class";
}

/*
 * Each class is in the bucket of its port, and nowhere else: the lists rise, so
 * they end, and together they are as long as there are classes.
 */
static const char *check_buckets(const struct fault_plan *p)
{
	uint32_t n_listed = 0;

	for (uint32_t b = 0; b < PLAN_BUCKETS; b++) {
		uint32_t last = 0;

		for (uint32_t i = plan_buckets(p)[b]; i;
		     i = plan_classes(p)[i - 1].next) {
			if (i > p->n_classes || i <= last)
				return "a bucket has a class that is not there";
			if (plan_bucket(plan_classes(p)[i - 1].port) != b)
				return "a class is in another port's bucket";
			last = i;
			n_listed++;
		}
	}
	return n_listed == p->n_classes ? NULL : "a class is in no bucket";
}

/* --- rules ---------------------------------------------------------------- */

static bool err_is_sound(const struct plan_action *a)
{
	if (!(a->flags & PLAN_ACTION_EAI) != (a->err > 0))
		return false;
	return a->err && fault_errno_name(a->err);
}

static bool value_is_sound(const struct plan_action *a)
{
	if (a->flags & PLAN_ACTION_RATIO)
		return a->value && a->value <= 1ULL << 32;
	switch (fault_actions[a->kind].value) {
	case VALUE_ERRNO:
		return err_is_sound(a);
	case VALUE_SIGNAL:
		return a->value && a->value <= MAX_SIGNAL;
	case VALUE_INT:
		return a->value <= INT_MAX;
	case VALUE_SIZE:
	case VALUE_RATE:
		return a->value != 0;
	case VALUE_DUR:
		return a->value <= INT64_MAX && a->jitter_ns <= INT64_MAX;
	case VALUE_NONE:
	case VALUE_WORD:
	case VALUE_LIST:
		break;
	}
	return true;
}

/* Whole addresses, at least one: what a resolver can answer. */
static bool answer_is_sound(const struct fault_plan *p, uint32_t off,
                            uint64_t n)
{
	const struct plan_addr *v;

	if (!n || n > PLAN_MAX_ANSWERS ||
	    !holds(p, off, n, sizeof(*v), _Alignof(struct plan_addr)))
		return false;
	v = plan_at(p, off);
	for (uint64_t i = 0; i < n; i++) {
		if (v[i].port || (v[i].family != 4 && v[i].family != 6) ||
		    v[i].prefix_len != (v[i].family == 4 ? 32 : 128))
			return false;
	}
	return true;
}

static const char *check_action(const struct fault_plan *p,
                                const struct plan_action *a)
{
	if (a->kind >= N_ACTIONS)
		return "a rule has an unknown action";
	if (a->flags & ~action_flags[a->kind])
		return "an action has flags that are not for it";
	if (a->flags & PLAN_ACTION_INVERSE &&
	    !holds(p, a->table_off, PLAN_INVERSE_LEN, sizeof(int32_t),
	           _Alignof(int32_t)))
		return "a distribution is outside of the plan";
	if (a->kind == ACTION_ANSWER &&
	    !answer_is_sound(p, a->table_off, a->value))
		return "an answer is no list of addresses of the plan";
	if (!value_is_sound(a))
		return "an action has an impossible value";
	return NULL;
}

static const char *check_events(const struct fault_plan *p,
                                const struct plan_rule *r)
{
	if (!pick_is_sound(&r->nth) || !pick_is_sound(&r->turn) ||
	    !pick_is_sound(&r->bytes))
		return "a rule has an impossible pick";
	if (!r->bytes_unit && !absent(&r->bytes))
		return "a rule picks from blocks of no size";
	if ((r->bytes_unit || !absent(&r->turn)) &&
	    plan_classes(p)[r->class_index].n_rules != 1)
		return "a rule with turn or bytes shares its class";
	if ((r->age_ns || r->idle_ns || r->after_ns || r->for_ns) &&
	    !(p->flags & PLAN_TIMED))
		return "a rule needs the clock, and the plan does not say so";
	return NULL;
}

/*
 * Of a rule without `call`: actions that need none, and exhausting is what is
 * done to a process.
 */
static const char *check_self_actions(const struct fault_plan *p,
                                      const struct plan_rule *r)
{
	const struct plan_class *c = &plan_classes(p)[r->class_index];

	if (!plan_class_is_self(c))
		return NULL;
	for (uint32_t i = 0; i < r->n_actions; i++) {
		bool process = r->actions[i].kind == ACTION_EXHAUST;

		if (!(fault_actions[r->actions[i].kind].families & ACTION_SELF))
			return "a rule without a call has an action that needs "
			       "one";
		if (process != (c->per == PER_PROCESS))
			return "a rule without a call acts on the wrong thing";
	}
	if (!absent(&r->nth) || !absent(&r->turn) || r->bytes_unit)
		return "a rule without a call counts calls";
	return NULL;
}

static const char *check_rule(const struct fault_plan *p, uint32_t index)
{
	const struct plan_rule *r = &plan_rules(p)[index];
	const char *wrong = NULL;

	if (!is_string(p, r->name_off) || !is_string(p, r->text_off))
		return "a rule's name is no string of the plan";
	if (r->after_rule > p->n_rules || r->after_rule == index + 1)
		return "a rule comes after one that is not there, or itself";
	if (r->flags & ~KNOWN_RULE_FLAGS)
		return "a rule has unknown flags";
	if (r->hits_min > r->hits_max)
		return "a rule expects an impossible number of hits";
	if (!r->n_actions || r->n_actions > PLAN_MAX_ACTIONS)
		return "a rule has an impossible number of actions";
	for (uint32_t i = 0; i < r->n_actions && !wrong; i++)
		wrong = check_action(p, &r->actions[i]);
	if (!wrong)
		wrong = check_self_actions(p, r);
	return wrong ? wrong : check_events(p, r);
}

/* Traits stand in exactly the classes that have such a rule. */
static const char *check_traits(const struct fault_plan *p)
{
	for (uint32_t i = 0; i < p->n_classes; i++) {
		const struct plan_class *c = &plan_classes(p)[i];
		const uint16_t *rules = plan_at(p, c->rules_off);
		uint32_t traits = 0;

		for (uint32_t r = 0; r < c->n_rules; r++)
			traits |= plan_rule_traits(c, &plan_rules(p)[rules[r]]);
		if (traits != (c->families & PLAN_TRAITS))
			return "a class does not say whether its rules last";
	}
	return NULL;
}

static const char *check_rules(const struct fault_plan *p)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < p->n_rules && !wrong; i++)
		wrong = check_rule(p, i);
	return wrong ? wrong : check_traits(p);
}

/* --- callers, hosts
 * ---------------------------------------------------------------- */

static const char *check_callers(const struct fault_plan *p)
{
	for (uint32_t i = 0; i < p->n_callers; i++) {
		const struct plan_caller *c = &plan_callers(p)[i];

		if (!is_string(p, c->module_off) ||
		    !*plan_string(p, c->module_off) ||
		    !is_string(p, c->symbol_off))
			return "a caller's name is no string of the plan";
	}
	return NULL;
}

static const char *check_hosts(const struct fault_plan *p)
{
	for (uint32_t i = 0; i < p->n_hosts; i++) {
		const struct plan_host *h = &plan_hosts(p)[i];

		if (!is_string(p, h->name_off) || !*plan_string(p, h->name_off))
			return "a host's name is no string of the plan";
		if (!answer_is_sound(p, h->addrs_off, h->n_addrs))
			return "a host has no list of addresses of the plan";
	}
	return NULL;
}

const char *plan_check(const void *blob, size_t len)
{
	const struct fault_plan *p = blob;
	const char *wrong = check_header(p, len);

	if (!wrong)
		wrong = check_strings(p);
	if (!wrong)
		wrong = check_arrays(p);
	if (!wrong)
		wrong = check_programs(p);
	if (!wrong)
		wrong = check_classes(p);
	if (!wrong)
		wrong = check_buckets(p);
	if (!wrong)
		wrong = check_rules(p);
	if (!wrong)
		wrong = check_callers(p);
	return wrong ? wrong : check_hosts(p);
}
