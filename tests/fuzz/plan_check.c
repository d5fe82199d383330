/*
 * plan_check.c - fuzzed: a compiled plan.  What plan_check() accepts must be
 * safe for all that the engine and the printers do with it: the library in the
 * programs reads it without a further look.
 *
 * An input is a plan that the language makes, with words of it changed, or all
 * of its bytes.  What tells a plan from other bytes, and its size, are put
 * right, so that the fuzzer comes past them.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "plan/run.h"
#include "tests/fuzz/fuzz.h"

enum {
	MOST_LOOKS = 200000 /* so much work is one input worth, by classes */
};

static const struct fault_run_size small = {
	.n_processes = 4,
	.n_socks = 4,
	.n_watches = 64,
	.n_cells = 64,
	.n_records = 0,
};

struct trial {
	const struct fault_plan *plan;
	struct fault_run *run;
	uint8_t seed;
	uint32_t looks;
};

static void read_actions(const struct trial *t, const struct engine_call *call,
                         const struct plan_rule *rule, uint64_t draw)
{
	const struct engine_facts facts[] = {
		{0},
		{.nonblocking = true, .timeout = true, .peek_promised = true},
		{.handler = true, .handler_norestart = true, .over = true},
		{.whole = true, .no_buffer = true, .at_end = true},
	};

	for (uint32_t i = 0; i < rule->n_actions; i++) {
		const struct plan_action *a = &rule->actions[i];

		for (size_t f = 0; f < sizeof(facts) / sizeof(facts[0]); f++)
			(void)engine_gate(call, rule, a, &facts[f]);
		if (a->kind == ACTION_DELAY)
			(void)engine_delay(t->plan, a, draw);
		if (a->kind == ACTION_SHORT)
			must(engine_short(a, call->want) <= call->want,
			     "a short count that is longer");
		(void)engine_late_outcome(rule, a);
		for (uint64_t k = 0; a->kind == ACTION_ANSWER && k < a->value;
		     k++) {
			const struct plan_addr *v =
				plan_at(t->plan, a->table_off);

			must(v[k].family == 4 || v[k].family == 6,
			     "an answer is no address");
		}
	}
	(void)strlen(plan_string(t->plan, rule->name_off));
	(void)strlen(plan_string(t->plan, rule->text_off));
}

static void claim(struct trial *t, const struct engine_call *call,
                  struct engine_choice *choice)
{
	const struct plan_rule *rule;

	must((uint32_t)choice->rule < t->plan->n_rules, "no such rule");
	rule = &plan_rules(t->plan)[choice->rule];
	read_actions(t, call, rule, choice->draw);
	(void)engine_noise(t->plan, call, (uint32_t)choice->rule, 7);
	if (t->seed & 1)
		engine_gated(t->run, choice, (enum fault_gate)1);
	if (t->seed & 2)
		engine_look_next(t->plan, t->run, call, choice);
	if (choice->rule < 0)
		engine_count(t->plan, t->run, call);
	else if (engine_take(t->plan, t->run, call, choice) && t->seed & 4)
		engine_withdraw(t->run, choice, (enum fault_gate)1);
}

static void make_call(struct trial *t, struct engine_call *call)
{
	struct engine_choice choice;

	t->looks += t->plan->n_classes + 1;
	call->callers = engine_callers(t->plan, t->run, call);
	(void)engine_quiet(t->run, call->first_watch,
	                   1u << fault_calls[call->call].family);
	engine_look(t->plan, t->run, call, &choice);
	if (choice.rule >= 0)
		claim(t, call, &choice);
	else
		engine_count(t->plan, t->run, call);
	call->offset += 512;
	call->turn++;
	call->now_ns += 1000000;
}

/* All calls, and what happens without one, on a socket of this kind. */
static void use_socket(struct trial *t, uint32_t program, enum fault_role role,
                       enum fault_state state, uint32_t ordinal)
{
	struct engine_facts facts = {0};
	struct engine_choice choice;
	struct engine_socket s = {
		.program = program,
		.process = "comm",
		.role = role,
		.port = (uint16_t)(t->seed & 8 ? 80 : t->seed * 257),
		.peer = {.family = t->seed & 16 ? 6 : 4, .port = 80},
	};
	struct engine_call call = {.program = program,
	                           .connection = ordinal,
	                           .role = role,
	                           .state = state,
	                           .want = 1000,
	                           .seen = 4096,
	                           .turn = 1,
	                           .host = "example.org",
	                           .now_ns = 1ULL << 40,
	                           .opened_ns = 1};
	uint32_t n = 0;

	s.families =
		engine_watch(t->plan, t->run, &s, ordinal, &call.first_watch);
	for (unsigned c = 1; c < N_CALLS && t->looks < MOST_LOOKS; c++) {
		call.call = (enum fault_call)c;
		call.direction =
			fault_families[fault_calls[c].family].direction;
		make_call(t, &call);
	}
	call.call = FAULT_CALL_NONE;
	(void)engine_self_when(t->plan, t->run, &call);
	while (n++ < 4 &&
	       engine_self_take(t->plan, t->run, &call, &facts, &choice))
		read_actions(t, &call, &plan_rules(t->plan)[choice.rule],
		             choice.draw);
}

static void use_program(struct trial *t, uint32_t program)
{
	(void)plan_string(t->plan, plan_programs(t->plan)[program].name_off);
	(void)engine_program_families(t->plan, program);
	(void)engine_lasting_alive(t->plan, t->run, program);
	(void)engine_may_be_armed(t->plan, t->run, program);
	for (unsigned role = 0; role < N_ROLES; role++)
		for (unsigned state = 0; state < N_STATES; state++)
			use_socket(t, program, (enum fault_role)role,
			           (enum fault_state)state, state);
}

static void use_rest(const struct trial *t)
{
	const struct fault_plan *p = t->plan;

	for (uint32_t i = 0; i < p->n_rules; i++) {
		(void)engine_self_follows(p, i);
		engine_arm(t->run, i, i & 1);
	}
	for (uint32_t i = 0; i < p->n_hosts; i++)
		(void)engine_host_matches(
			plan_string(p, plan_hosts(p)[i].name_off), "x.");
	for (uint32_t i = 0; i < p->n_callers; i++)
		(void)strlen(plan_string(p, plan_callers(p)[i].module_off));
}

static void use(const struct fault_plan *plan, uint8_t seed)
{
	struct trial t = {.plan = plan, .seed = seed};
	size_t len = fault_run_bytes(plan, &small);

	t.run = aligned_alloc(64, (len + 63) / 64 * 64);
	must(t.run, "no memory");
	memset(t.run, 0, len);
	fault_run_init(t.run, plan, &small);
	must(!fault_run_check(t.run, len, plan), "a run that is none: %s",
	     fault_run_check(t.run, len, plan));
	use_rest(&t);
	for (uint32_t i = 0; i < plan->n_programs; i++)
		use_program(&t, i);
	free(t.run);
}

/* ---- the blob ------------------------------------------------------------ */

struct blob {
	unsigned char *v;
	size_t len;
};

/* What is mutated: between them, all that a plan can have. */
static const char *const bases[] = {
	"version: 1\n"
	"hosts: {db.example: [10.0.0.1, '::1'], cache: 10.0.0.2}\n"
	"programs:\n"
	"  a: {run: a}\n"
	"  b: {run: b}\n"
	"faults:\n"
	"  - {call: recv, nth: 3, inject: reset}\n"
	"  - {call: recv, nth: 2+, inject: {short: 1B}}\n"
	"  - {call: recv, bytes: 1KiB, inject: {delay: 50ms, jitter: 10ms,\n"
	"     distribution: normal}}\n"
	"  - {call: send, turn: 2, in: b, inject: {rate: 1KiB/s}}\n"
	"  - {call: resolve, host: x.example, inject: {answer: [1.2.3.4]}}\n"
	"  - {call: connect, port: 80, inject: {error: ECONNREFUSED}}\n",
	"version: 1\n"
	"programs:\n"
	"  a: {run: a}\n"
	"faults:\n"
	"  - {name: x, armed: false, call: connect, peer: 10.0.0.0/8:443,\n"
	"     inject: {delay: 1s}}\n"
	"  - {after: x, call: recv, connection: 50%, inject: {error: "
	"ETIMEDOUT}}\n"
	"  - {state: ESTABLISHED, seen: 4KiB, inject: reset}\n"
	"  - {for: 1s, inject: {exhaust: descriptors}}\n"
	"  - {call: [send, recv], process: abc, caller: libx.so!f, nth: 2..8,\n"
	"     after: 1s, for: 2s, inject: {stall: 1s}, times: 3, hits: 0..}\n"
	"  - {call: getaddrinfo, inject: {error: EAI_AGAIN}}\n",
	"version: 1\n"
	"faults:\n"
	"  - {call: recv, inject: {corrupt: 1B}}\n"
	"  - {call: send, per: run, nth: 1, inject: {error: EPIPE}}\n",
};

enum {
	N_BASES = sizeof(bases) / sizeof(bases[0])
};

static struct blob compiled[N_BASES];

static void compile_bases(void)
{
	struct plan_options options = {.seed = 1, .trace = true};

	for (size_t i = 0; i < N_BASES; i++) {
		struct scenario *s = good_scenario(bases[i]);
		struct diag_list diags = {0};
		void *plan;

		must(!scenario_plan(s, &options, &plan, &compiled[i].len,
		                    &diags),
		     "base %zu cannot be compiled", i);
		compiled[i].v = plan;
		diag_list_release(&diags);
		scenario_free(s);
	}
}

/* One of the bases, with words of it changed, or cut, or longer. */
static struct blob patch(struct bytes *in, const struct blob *base)
{
	struct blob b = {malloc(base->len + 256), base->len};

	must(b.v, "no memory");
	memcpy(b.v, base->v, base->len);
	memset(b.v + b.len, 0, 256);
	while (in->left) {
		uint16_t what = take_u16(in);
		size_t at = (size_t)(what >> 2) * 2 % b.len;
		size_t width = (size_t)1 << (what & 3);
		uint64_t value = take_u64(in);

		if (at + width <= b.len)
			memcpy(b.v + at, &value, width);
		else
			b.len = base->len - 128 + value % 384;
	}
	return b;
}

static struct blob raw(struct bytes *in)
{
	struct blob b = {malloc(in->left + 8), in->left};

	must(b.v, "no memory");
	take_into(in, b.v, b.len);
	return b;
}

/* What tells a plan from other bytes. */
static void put_right(struct blob *b)
{
	struct fault_plan *p = (struct fault_plan *)(void *)b->v;

	if (b->len < sizeof(*p))
		return;
	p->magic = PLAN_MAGIC;
	p->version = PLAN_VERSION;
	p->size = (uint32_t)b->len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t base = take_u8(&in), seed = take_u8(&in);
	struct blob b;
	void *exact;

	if (!compiled[0].v)
		compile_bases();
	b = base < N_BASES ? patch(&in, &compiled[base]) : raw(&in);
	put_right(&b);
	/* Behind its end nothing may be read. */
	exact = malloc(b.len + !b.len);
	must(exact, "no memory");
	memcpy(exact, b.v, b.len);
	free(b.v);
	if (!plan_check(exact, b.len))
		use(exact, seed);
	free(exact);
	return 0;
}
