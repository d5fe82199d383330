/*
 * plan_maker.c - see plan_maker.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_maker.h"

void plan_maker_init(struct plan_maker *m, uint32_t n_programs)
{
	memset(m, 0, sizeof(*m));
	m->n_programs = n_programs;
	m->strings_len = 1;
}

void plan_maker_select(struct plan_class *c, enum fault_call call)
{
	c->calls[call / 64] |= 1ULL << (call % 64);
	c->families |= (uint16_t)(1u << fault_calls[call].family);
}

struct plan_class *plan_maker_class(struct plan_maker *m, enum fault_call call,
                                    enum fault_per per)
{
	struct plan_class *c = &m->classes[m->n_classes++];

	c->programs = UINT64_MAX;
	c->per = (uint8_t)per;
	if (call != FAULT_CALL_NONE)
		plan_maker_select(c, call);
	return c;
}

struct plan_rule *plan_maker_rule(struct plan_maker *m, uint32_t class_index)
{
	struct plan_rule *r = &m->rules[m->n_rules++];

	r->class_index = (uint16_t)class_index;
	r->flags = PLAN_RULE_ARMED;
	r->hits_min = 1;
	r->hits_max = UINT32_MAX;
	r->n_actions = 1;
	r->actions[0].kind = ACTION_RESET;
	return r;
}

uint32_t plan_maker_string(struct plan_maker *m, const char *s)
{
	uint32_t off = m->strings_len;

	memcpy(m->strings + off, s, strlen(s) + 1);
	m->strings_len += (uint32_t)strlen(s) + 1;
	return off;
}

static uint32_t put(struct plan_maker *m, uint32_t *end, const void *from,
                    size_t len)
{
	uint32_t off = (*end + 7) / 8 * 8;

	if (off + len > sizeof(m->blob))
		abort();
	memcpy(m->blob + off, from, len);
	*end = off + (uint32_t)len;
	return off;
}

static void put_lists(struct plan_maker *m, uint32_t *end)
{
	for (uint32_t i = 0; i < m->n_classes; i++) {
		struct plan_class *c = &m->classes[i];
		uint16_t list[MAKER_RULES];

		c->n_rules = 0;
		for (uint16_t r = 0; r < m->n_rules; r++) {
			if (m->rules[r].class_index == i)
				list[c->n_rules++] = r;
		}
		c->rules_off = put(m, end, list, c->n_rules * sizeof(*list));
	}
}

static void put_programs(struct plan_maker *m, struct fault_plan *head,
                         uint32_t *end)
{
	struct plan_program programs[PLAN_MAX_PROGRAMS] = {0};
	char name[16];

	for (uint32_t i = 0; i < m->n_programs; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		programs[i].name_off = plan_maker_string(m, name);
		programs[i].name_hash = plan_hash_string(name);
	}
	head->programs_off =
		put(m, end, programs, m->n_programs * sizeof(*programs));
}

static void put_rules(struct plan_maker *m, struct fault_plan *head,
                      uint32_t *end)
{
	for (uint32_t i = 0; i < m->n_rules; i++) {
		const struct plan_rule *r = &m->rules[i];

		if (r->actions[0].flags & PLAN_ACTION_INVERSE)
			m->rules[i].actions[0].table_off = m->inverse_off;
		if (r->actions[0].kind == ACTION_ANSWER)
			m->rules[i].actions[0].table_off = m->answers_off;
		if (r->age_ns || r->idle_ns || r->after_ns || r->for_ns)
			head->flags |= PLAN_TIMED;
	}
	head->rules_off = put(m, end, m->rules, m->n_rules * sizeof(*m->rules));
}

static void mark_lasting(struct plan_maker *m)
{
	for (uint32_t i = 0; i < m->n_rules; i++) {
		struct plan_class *c = &m->classes[m->rules[i].class_index];

		c->families |= (uint16_t)plan_rule_traits(c, &m->rules[i]);
	}
}

static void put_buckets(struct plan_maker *m, struct fault_plan *head,
                        uint32_t *end)
{
	uint16_t buckets[PLAN_BUCKETS] = {0};

	for (uint32_t i = m->n_classes; i-- > 0;) {
		uint16_t *first = &buckets[plan_bucket(m->classes[i].port)];

		m->classes[i].next = *first;
		*first = (uint16_t)(i + 1);
	}
	head->buckets_off = put(m, end, buckets, sizeof(buckets));
}

static void put_host(struct plan_maker *m, struct fault_plan *head,
                     uint32_t *end)
{
	if (!m->host.name_off)
		return;
	m->host.addrs_off = m->answers_off;
	head->n_hosts = 1;
	head->hosts_off = put(m, end, &m->host, sizeof(m->host));
}

static void put_callers(struct plan_maker *m, struct fault_plan *head,
                        uint32_t *end)
{
	while (head->n_callers < 3 && m->callers[head->n_callers].module_off)
		head->n_callers++;
	head->callers_off = put(m, end, m->callers, sizeof(m->callers));
}

const struct fault_plan *plan_maker_finish(struct plan_maker *m)
{
	struct fault_plan head = {
		.magic = PLAN_MAGIC,
		.version = PLAN_VERSION,
		.seed = m->seed,
		.n_programs = m->n_programs,
		.n_rules = m->n_rules,
		.n_classes = m->n_classes,
	};
	uint32_t end = sizeof(head);
	const char *wrong;

	mark_lasting(m);
	put_programs(m, &head, &end);
	m->inverse_off = put(m, &end, m->inverse, sizeof(m->inverse));
	m->answers_off = put(m, &end, m->answers, sizeof(m->answers));
	put_rules(m, &head, &end);
	put_host(m, &head, &end);
	put_callers(m, &head, &end);
	put_lists(m, &end);
	put_buckets(m, &head, &end);
	head.classes_off =
		put(m, &end, m->classes, m->n_classes * sizeof(*m->classes));
	head.strings_off = put(m, &end, m->strings, m->strings_len);
	head.strings_len = m->strings_len;
	head.size = end;
	memcpy(m->blob, &head, sizeof(head));
	wrong = plan_check(m->blob, end);
	if (wrong) {
		fprintf(stderr, "plan_maker: %s\n", wrong);
		abort();
	}
	return (const struct fault_plan *)m->blob;
}

struct fault_run *plan_maker_run(const struct fault_plan *plan,
                                 const struct fault_run_size *size)
{
	size_t len = fault_run_bytes(plan, size);
	void *mem = aligned_alloc(64, (len + 63) / 64 * 64);

	if (!mem)
		abort();
	memset(mem, 0, len);
	fault_run_init(mem, plan, size);
	return mem;
}

void plan_maker_free_run(struct fault_run *run)
{
	free(run);
}
