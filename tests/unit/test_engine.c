/*
 * test_engine.c - the pure pieces: picks, draws, matching, amounts, gates.
 * Counting is in test_engine_calls.c, threads in test_engine_threads.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/engine.h"
#include "plan_maker.h"

#define LENGTH(a_) (sizeof(a_) / sizeof(a_[0]))

static struct plan_maker maker;

/* --- picks ---------------------------------------------------------------- */

struct pick_row {
	const char *text;
	struct plan_pick pick;
	uint64_t numbers; /* bit n: n is in it */
};

#define N(n_)            (1ULL << (n_))
#define NUMBERS_FROM(n_) (~0ULL << (n_))

static const struct pick_row pick_rows[] = {
	{"absent", {0, 0, 0, 0}, NUMBERS_FROM(0)},
	{"3", {3, 3, 1, 0}, N(3)},
	{"2..5", {2, 5, 1, 0}, N(2) | N(3) | N(4) | N(5)},
	{"3+", {3, UINT32_MAX, 1, 0}, NUMBERS_FROM(3)},
	{"3..9+2", {3, 9, 2, 0}, N(3) | N(5) | N(7) | N(9)},
	{"3..10+3", {3, 10, 3, 0}, N(3) | N(6) | N(9)},
	{"1..2+100", {1, 2, 100, 0}, N(1)},
	{"100%", {0, 0, 0, UINT32_MAX}, NUMBERS_FROM(0)},
};

static void every_form_of_pick_contains_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(pick_rows); i++) {
		const struct pick_row *row = &pick_rows[i];

		for (uint32_t n = 1; n < 64; n++) {
			bool is = engine_pick(&row->pick, n, UINT64_MAX);

			if (is != (row->numbers >> n & 1))
				fail_msg("%s: %u", row->text, n);
		}
	}
}

static void
the_next_element_of_a_pick_is_the_first_one_that_it_contains(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(pick_rows); i++) {
		const struct pick_row *row = &pick_rows[i];

		for (uint32_t n = 1; n < 50; n++) {
			uint32_t want = n;

			while (want < 64 && !(row->numbers >> want & 1))
				want++;
			if (want == 64)
				want = UINT32_MAX;
			assert_int_equal(engine_pick_next(&row->pick, n), want);
		}
	}
}

static void picks_near_the_end_of_the_numbers_do_not_wrap(void **state)
{
	const struct plan_pick far = PICK(3, UINT32_MAX, UINT32_MAX - 1);
	const struct plan_pick last = PICK_ONE(UINT32_MAX - 1);

	(void)state;
	assert_int_equal(engine_pick_next(&far, 4), UINT32_MAX);
	assert_int_equal(engine_pick_next(&last, 5), UINT32_MAX - 1);
	assert_int_equal(engine_pick_next(&last, UINT32_MAX), UINT32_MAX);
	assert_false(engine_pick(&last, UINT32_MAX, 0));
}

static void a_per_cent_pick_compares_the_draw_with_its_ratio(void **state)
{
	const struct plan_pick half = PICK_PERCENT(50);

	(void)state;
	assert_true(engine_pick(&half, 9, 0));
	assert_true(engine_pick(&half, 9, 0x7fffffffffffffffULL));
	assert_false(engine_pick(&half, 9, 0x8000000000000000ULL));
	assert_int_equal(engine_pick_next(&half, 9), 9);
}

/* --- draws ---------------------------------------------------------------- */

static void a_draw_is_the_same_each_time_it_is_asked_for(void **state)
{
	(void)state;
	/* Pinned: another value changes what every seed means. */
	assert_true(engine_hash(1, 2, 3, 4, 5, 6) == 0xb8eb517f9f25f302ULL);
}

static void a_draw_depends_on_each_of_its_inputs(void **state)
{
	uint64_t draws[] = {
		engine_hash(0, 0, 0, 0, 0, 0), engine_hash(1, 0, 0, 0, 0, 0),
		engine_hash(0, 1, 0, 0, 0, 0), engine_hash(0, 0, 1, 0, 0, 0),
		engine_hash(0, 0, 0, 1, 0, 0), engine_hash(0, 0, 0, 0, 1, 0),
		engine_hash(0, 0, 0, 0, 0, 1),
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(draws); i++) {
		for (size_t j = 0; j < i; j++)
			assert_true(draws[i] != draws[j]);
	}
}

/* 3 sigma of 100,000 draws of 10 % is 285. */
static void
draws_of_neighbouring_ordinals_are_as_frequent_as_the_per_cent(void **state)
{
	static const double per_cents[] = {1, 10, 50, 90};

	(void)state;
	for (size_t i = 0; i < LENGTH(per_cents); i++) {
		const struct plan_pick pick = PICK_PERCENT(per_cents[i]);
		double want = per_cents[i] * 1000, n = 0;

		for (uint32_t ordinal = 1; ordinal <= 100000; ordinal++) {
			uint64_t draw = engine_hash(42, 0, 9, 1, ordinal, 1);

			n += engine_pick(&pick, ordinal, draw);
		}
		assert_true(n > want - 500 && n < want + 500);
	}
}

/* --- matching ------------------------------------------------------------- */

static const struct plan_addr loopback = {
	.family = 4, .prefix_len = 32, .port = 80, .bytes = {127, 0, 0, 1}};
static const struct plan_addr mapped_loopback = {
	.family = 6,
	.prefix_len = 128,
	.port = 80,
	.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
static const struct plan_addr documentation = {
	.family = 6,
	.prefix_len = 128,
	.port = 443,
	.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

struct match_row {
	const char *text;
	struct plan_class c;
	struct engine_socket s;
	bool matches;
};

#define ADDR4(len_, port_, ...)                                                \
	{                                                                      \
		.family = 4, .prefix_len = (len_), .port = (port_), .bytes = { \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct match_row match_rows[] = {
	{"anything", {.programs = 1}, {0}, true},
	{"another program", {.programs = 2}, {.program = 0}, false},
	{"program 63", {.programs = 1ULL << 63}, {.program = 63}, true},
	{"role", {.programs = 1, .roles = 2}, {.role = ROLE_CLIENT}, true},
	{"other role",
         {.programs = 1, .roles = 4},
         {.role = ROLE_CLIENT},
         false},
	{"no role yet", {.programs = 1, .roles = 8}, {0}, false},
	{"port", {.programs = 1, .port = 80}, {.port = 80}, true},
	{"other port", {.programs = 1, .port = 80}, {.port = 81}, false},
	{"no port yet", {.programs = 1, .port = 80}, {0}, false},
	{"comm",
         {.programs = 1, .process_off = 1},
         {.process = "worker"},
         true},
	{"other comm",
         {.programs = 1, .process_off = 1},
         {.process = "works"},
         false},
	{"longer comm",
         {.programs = 1, .process_off = 1},
         {.process = "worker2"},
         false},
	{"comm unknown", {.programs = 1, .process_off = 1}, {0}, true},
	{"comm cut off by the kernel",
         {.programs = 1, .process_off = 8},
         {.process = "a-very-long-nam"},
         true},
};

static void each_selector_compares_what_is_known(void **state)
{
	const struct fault_plan *plan;

	(void)state;
	plan_maker_init(&maker, 64);
	assert_int_equal(plan_maker_string(&maker, "worker"), 1);
	assert_int_equal(plan_maker_string(&maker, "a-very-long-name"), 8);
	plan = plan_maker_finish(&maker);
	for (size_t i = 0; i < LENGTH(match_rows); i++) {
		const struct match_row *row = &match_rows[i];

		if (engine_class_matches(plan, &row->c, &row->s) !=
		    row->matches)
			fail_msg("%s", row->text);
	}
}

struct peer_row {
	const char *text;
	struct plan_addr want;
	const struct plan_addr *peer;
	bool matches;
};

static const struct peer_row peer_rows[] = {
	{"address", ADDR4(32, 0, 127, 0, 0, 1), &loopback, true},
	{"other", ADDR4(32, 0, 127, 0, 0, 2), &loopback, false},
	{"/8", ADDR4(8, 0, 127), &loopback, true},
	{"/31 of .0", ADDR4(31, 0, 127, 0, 0, 0), &loopback, true},
	{"/31 of .2", ADDR4(31, 0, 127, 0, 0, 2), &loopback, false},
	{"/0", ADDR4(0, 0, 0), &loopback, true},
	{"port", ADDR4(8, 80, 127), &loopback, true},
	{"other port", ADDR4(8, 81, 127), &loopback, false},
	{"a mapped peer", ADDR4(32, 0, 127, 0, 0, 1), &mapped_loopback, true},
	{"other mapped", ADDR4(32, 0, 127, 0, 0, 2), &mapped_loopback, false},
	{"IPv4 /0, IPv6 peer", ADDR4(0, 0, 0), &documentation, false},
	{"a mapped class",
         {.family = 6,
          .prefix_len = 104,
          .bytes = {[10] = 0xff, [11] = 0xff, [12] = 127}},
         &loopback,
         true},
	{"2001:db8::/32",
         {.family = 6, .prefix_len = 32, .bytes = {0x20, 1, 0x0d, 0xb8}},
         &documentation,
         true},
	{"2001:db9::/32",
         {.family = 6, .prefix_len = 32, .bytes = {0x20, 1, 0x0d, 0xb9}},
         &documentation,
         false},
};

static void a_peer_is_compared_by_prefix_in_one_address_space(void **state)
{
	const struct fault_plan *plan;

	(void)state;
	plan_maker_init(&maker, 1);
	plan = plan_maker_finish(&maker);
	for (size_t i = 0; i < LENGTH(peer_rows); i++) {
		const struct peer_row *row = &peer_rows[i];
		const struct plan_class c = {.programs = 1, .peer = row->want};
		const struct engine_socket s = {.role = ROLE_CLIENT,
		                                .peer = *row->peer};

		if (engine_class_matches(plan, &c, &s) != row->matches)
			fail_msg("%s", row->text);
	}
}

static void a_socket_without_a_peer_matches_no_peer(void **state)
{
	const struct plan_class c = {.programs = 1, .peer = loopback};
	const struct engine_socket s = {.role = ROLE_CLIENT};
	const struct fault_plan *plan;

	(void)state;
	plan_maker_init(&maker, 1);
	plan = plan_maker_finish(&maker);
	assert_false(engine_class_matches(plan, &c, &s));
}

static void the_families_of_a_program_are_those_of_its_classes(void **state)
{
	const struct fault_plan *plan;

	(void)state;
	plan_maker_init(&maker, 2);
	plan_maker_class(&maker, FAULT_CALL_socket, PER_PROGRAM)->programs = 1;
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0);
	plan_maker_rule(&maker, 1);
	plan = plan_maker_finish(&maker);
	assert_int_equal(engine_program_families(plan, 0),
	                 1u << FAMILY_SOCKET | 1u << FAMILY_RECV);
	assert_int_equal(engine_program_families(plan, 1), 1u << FAMILY_RECV);
}

/* --- amounts -------------------------------------------------------------- */

static void a_short_action_moves_at_least_one_byte_and_at_most_all(void **state)
{
	static const struct {
		uint8_t flags;
		uint64_t value, want, moved;
	} rows[] = {
		{0, 1, 100, 1},
		{0, 100, 100, 100},
		{0, 200, 100, 100},
		{0, 5, 0, 0},
		{0, 5, 1, 1},
		{PLAN_ACTION_RATIO, 1u << 31, 100, 50},
		{PLAN_ACTION_RATIO, 1u << 31, 1, 1},
		{PLAN_ACTION_RATIO, 1, 100, 1},
		{PLAN_ACTION_RATIO, 1ULL << 32, 100, 100},
		{PLAN_ACTION_RATIO, UINT32_MAX, 100, 100},
		{PLAN_ACTION_RATIO, 1u << 30, UINT64_MAX, UINT64_MAX / 4},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct plan_action a = {.kind = ACTION_SHORT,
		                              .flags = rows[i].flags,
		                              .value = rows[i].value};

		assert_int_equal(engine_short(&a, rows[i].want), rows[i].moved);
	}
}

static void
a_uniform_jitter_stays_within_its_bounds_and_reaches_them(void **state)
{
	const struct plan_action a = {
		.kind = ACTION_DELAY, .value = 1000, .jitter_ns = 10};
	uint32_t seen[21] = {0};

	(void)state;
	for (uint32_t i = 0; i < 21000; i++) {
		uint64_t ns =
			engine_delay(NULL, &a, engine_hash(1, 0, 0, 0, i, 0));

		assert_in_range(ns, 990, 1010);
		seen[ns - 990]++;
	}
	for (size_t i = 0; i < LENGTH(seen); i++)
		assert_in_range(seen[i], 850, 1150);
	assert_int_equal(engine_delay(NULL, &a, 0), 990);
	assert_int_equal(engine_delay(NULL, &a, UINT64_MAX), 1010);
}

/* How many of 4096 bytes get the same under another seed, connection, rule? */
static unsigned noise_in_common(uint64_t seed, uint32_t connection,
                                uint32_t rule)
{
	static struct plan_maker one, other;
	const struct engine_call a = {.connection = 1, .role = ROLE_CLIENT};
	const struct engine_call b = {.connection = connection,
	                              .role = ROLE_CLIENT};
	const struct fault_plan *p, *q;
	unsigned same = 0;

	plan_maker_init(&one, 1);
	plan_maker_init(&other, 1);
	one.seed = 1;
	other.seed = seed;
	p = plan_maker_finish(&one);
	q = plan_maker_finish(&other);
	for (uint64_t i = 0; i < 4096; i++) {
		assert_int_not_equal(engine_noise(p, &a, 0, i), 0);
		same += engine_noise(p, &a, 0, i) ==
		        engine_noise(q, &b, rule, i);
	}
	return same;
}

static void noise_belongs_to_seed_connection_rule_and_byte(void **state)
{
	(void)state;
	assert_int_equal(noise_in_common(1, 1, 0), 4096);
	/* 16 by chance */
	assert_in_range(noise_in_common(2, 1, 0), 0, 48);
	assert_in_range(noise_in_common(1, 2, 0), 0, 48);
	assert_in_range(noise_in_common(1, 1, 1), 0, 48);
}

static void a_delay_is_never_negative_and_never_overflows(void **state)
{
	const struct plan_action less = {
		.kind = ACTION_DELAY, .value = 5, .jitter_ns = 10};
	const struct plan_action huge = {.kind = ACTION_DELAY,
	                                 .value = INT64_MAX,
	                                 .jitter_ns = INT64_MAX};
	const struct plan_action plain = {.kind = ACTION_DELAY, .value = 7};

	(void)state;
	assert_int_equal(engine_delay(NULL, &less, 0), 0);
	assert_true(engine_delay(NULL, &huge, UINT64_MAX) <= INT64_MAX);
	assert_int_equal(engine_delay(NULL, &plain, 12345), 7);
}

/* A straight line from -1 to +1 jitter: between its points, too. */
static void a_distribution_is_read_from_its_table_of_quantiles(void **state)
{
	const struct fault_plan *plan;
	struct plan_action *a;

	(void)state;
	plan_maker_init(&maker, 1);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	a = &plan_maker_rule(&maker, 0)->actions[0];
	a->kind = ACTION_DELAY;
	a->flags = PLAN_ACTION_INVERSE;
	a->value = 1000000;
	a->jitter_ns = 65536;
	for (int i = 0; i < PLAN_INVERSE_LEN; i++)
		maker.inverse[i] = (i - 128) * 512;
	plan = plan_maker_finish(&maker);
	a = &maker.rules[0].actions[0];
	a->table_off = maker.inverse_off;
	assert_int_equal(engine_delay(plan, a, 0), 1000000 - 65536);
	assert_int_equal(engine_delay(plan, a, 1ULL << 63), 1000000);
	assert_int_equal(engine_delay(plan, a, (1ULL << 63) + (1ULL << 55)),
	                 1000000 + 256);
	assert_int_equal(engine_delay(plan, a, UINT64_MAX), 1000000 + 65535);
}

/* --- gates ---------------------------------------------------------------- */

struct gate_row {
	const char *text;
	enum fault_call call;
	enum fault_state state;
	uint64_t want;
	enum fault_action_kind kind;
	int err; /* or the value of short */
	struct engine_facts facts;
	enum fault_gate gate;
	enum fault_gate forced;
};

#define RECV         FAULT_CALL_recv, STATE_ESTABLISHED, 100
#define SEND         FAULT_CALL_send, STATE_ESTABLISHED, 100
#define ACCEPT       FAULT_CALL_accept, STATE_LISTEN, 0
#define CONNECT      FAULT_CALL_connect, STATE_NEW, 0
#define SELF(state_) FAULT_CALL_NONE, STATE_##state_, 0
#define FACTS(...)                                                             \
	{                                                                      \
		__VA_ARGS__                                                    \
	}

static const struct gate_row gate_rows[] = {
	{"G1: no handler", RECV, ACTION_ERROR, EINTR, FACTS(0), GATE_G1, 0},
	{"G1: handler restarts", RECV, ACTION_ERROR, EINTR,
         FACTS(.handler = true), GATE_G1, 0},
	{"G1: handler interrupts", RECV, ACTION_ERROR, EINTR,
         FACTS(.handler = true, .handler_norestart = true), 0, 0},
	{"G1: with a time-out any handler does", RECV, ACTION_ERROR, EINTR,
         FACTS(.handler = true, .timeout = true), 0, 0},
	{"G1: time-out without handler", RECV, ACTION_ERROR, EINTR,
         FACTS(.timeout = true), GATE_G1, 0},
	{"G1: cannot block", RECV, ACTION_ERROR, EINTR,
         FACTS(.handler = true, .handler_norestart = true, .nonblocking = true),
         GATE_G1, 0},
	{"G1: connect", CONNECT, ACTION_ERROR, EINTR, FACTS(0), GATE_G1, 0},
	{"G1: accept", ACCEPT, ACTION_ERROR, EINTR,
         FACTS(.handler_norestart = true), 0, 0},
	{"G1: send", SEND, ACTION_ERROR, EINTR, FACTS(0), GATE_G1, 0},
	{"G2: blocking", RECV, ACTION_ERROR, EAGAIN, FACTS(0), GATE_G2, 0},
	{"G2: non-blocking", RECV, ACTION_ERROR, EAGAIN,
         FACTS(.nonblocking = true), 0, 0},
	{"G2: time-out", SEND, ACTION_ERROR, EAGAIN, FACTS(.timeout = true), 0,
         0},
	{"G2: accept", ACCEPT, ACTION_ERROR, EAGAIN, FACTS(0), GATE_G2, 0},
	{"G4: blocking send", SEND, ACTION_SHORT, 10, FACTS(0), GATE_G4, 0},
	{"G4: handler", SEND, ACTION_SHORT, 10, FACTS(.handler = true), 0, 0},
	{"G4: time-out", SEND, ACTION_SHORT, 10, FACTS(.timeout = true), 0, 0},
	{"G4: non-blocking", SEND, ACTION_SHORT, 10, FACTS(.nonblocking = true),
         0, 0},
	{"G5: short recv", RECV, ACTION_SHORT, 10, FACTS(0), 0, 0},
	{"G5: promised", RECV, ACTION_SHORT, 10, FACTS(.peek_promised = true),
         GATE_G5, 0},
	{"G5: EAGAIN after a promise", RECV, ACTION_ERROR, EAGAIN,
         FACTS(.peek_promised = true, .nonblocking = true), GATE_G5, 0},
	{"G5: a reset may come", RECV, ACTION_ERROR, ECONNRESET,
         FACTS(.peek_promised = true), 0, 0},
	{"length: one byte", FAULT_CALL_recv, STATE_ESTABLISHED, 1,
         ACTION_SHORT, 1, FACTS(0), GATE_LENGTH, 0},
	{"length: asks for less", RECV, ACTION_SHORT, 100, FACTS(0),
         GATE_LENGTH, 0},
	{"state: recv on a reset socket", FAULT_CALL_recv, STATE_RESET, 9,
         ACTION_ERROR, ECONNRESET, FACTS(0), GATE_STATE, 0},
	{"state: refused when connected", FAULT_CALL_connect, STATE_ESTABLISHED,
         0, ACTION_ERROR, ECONNREFUSED, FACTS(0), GATE_STATE, 0},
	{"state: refused when new", CONNECT, ACTION_ERROR, ECONNREFUSED,
         FACTS(0), 0, 0},
	{"state: any", FAULT_CALL_socket, STATE_NONE, 0, ACTION_ERROR, ENFILE,
         FACTS(0), 0, 0},
	{"state: no such pair", RECV, ACTION_ERROR, EADDRINUSE, FACTS(0),
         GATE_STATE, 0},
	{"state: tier C", FAULT_CALL_close, STATE_ESTABLISHED, 0, ACTION_ERROR,
         EIO, FACTS(0), GATE_STATE, 0},
	{"reset: open", RECV, ACTION_RESET, 0, FACTS(0), 0, 0},
	{"reset: half-closed", FAULT_CALL_close, STATE_CLOSE_WAIT, 0,
         ACTION_RESET, 0, FACTS(0), 0, 0},
	{"reset: new", FAULT_CALL_close, STATE_NEW, 0, ACTION_RESET, 0,
         FACTS(0), GATE_STATE, 0},
	{"reset: twice", FAULT_CALL_send, STATE_RESET, 9, ACTION_RESET, 0,
         FACTS(0), GATE_STATE, 0},
	{"reset: accept", ACCEPT, ACTION_RESET, 0, FACTS(0), 0, 0},
	{"delay: blocking", RECV, ACTION_DELAY, 0, FACTS(0), 0, 0},
	{"delay: recv", RECV, ACTION_DELAY, 0, FACTS(.nonblocking = true), 0,
         0},
	{"delay: connect", CONNECT, ACTION_DELAY, 0, FACTS(.nonblocking = true),
         0, 0},
	{"delay: close", FAULT_CALL_close, STATE_ESTABLISHED, 0, ACTION_DELAY,
         0, FACTS(.nonblocking = true), 0, 0},
	{"eof: open", RECV, ACTION_EOF, 0, FACTS(0), 0, 0},
	{"eof: on send", SEND, ACTION_EOF, 0, FACTS(0), 0, 0},
	{"eof: after our own", FAULT_CALL_recv, STATE_FIN_WAIT, 9, ACTION_EOF,
         0, FACTS(0), 0, 0},
	{"eof: twice", FAULT_CALL_recv, STATE_CLOSE_WAIT, 9, ACTION_EOF, 0,
         FACTS(0), GATE_STATE, 0},
	{"eof: both have closed", FAULT_CALL_send, STATE_LAST_ACK, 9,
         ACTION_EOF, 0, FACTS(0), GATE_STATE, 0},
	{"eof: reset", FAULT_CALL_recv, STATE_RESET, 9, ACTION_EOF, 0, FACTS(0),
         GATE_STATE, 0},
	{"stall: blocking", RECV, ACTION_STALL, 0, FACTS(0), 0, 0},
	{"stall: non-blocking", SEND, ACTION_STALL, 0,
         FACTS(.nonblocking = true), 0, 0},
	{"stall: half-closed", FAULT_CALL_send, STATE_CLOSE_WAIT, 9,
         ACTION_STALL, 0, FACTS(0), 0, 0},
	{"stall: reset", FAULT_CALL_recv, STATE_RESET, 9, ACTION_STALL, 0,
         FACTS(0), GATE_STATE, 0},
	{"stall: accept", ACCEPT, ACTION_STALL, 0, FACTS(0), 0, 0},
	{"stall: accept without listen", FAULT_CALL_accept, STATE_BOUND, 0,
         ACTION_STALL, 0, FACTS(0), GATE_STATE, 0},
	{"stall: connect", CONNECT, ACTION_STALL, 0, FACTS(0), 0, 0},
	{"stall: connect again after a refusal", FAULT_CALL_connect,
         STATE_REFUSED, 0, ACTION_STALL, 0, FACTS(0), 0, 0},
	{"stall: connect while connecting", FAULT_CALL_connect, STATE_SYN_SENT,
         0, ACTION_STALL, 0, FACTS(0), GATE_STATE, 0},
	{"stall: connect when connected", FAULT_CALL_connect, STATE_ESTABLISHED,
         0, ACTION_STALL, 0, FACTS(0), GATE_STATE, 0},
	{"rate: open", SEND, ACTION_RATE, 9, FACTS(.nonblocking = true), 0, 0},
	{"rate: new", FAULT_CALL_send, STATE_NEW, 9, ACTION_RATE, 9, FACTS(0),
         GATE_STATE, 0},
	{"corrupt: open", RECV, ACTION_CORRUPT, 1, FACTS(0), 0, 0},
	{"corrupt: reset", FAULT_CALL_recv, STATE_RESET, 9, ACTION_CORRUPT, 1,
         FACTS(0), GATE_STATE, 0},
	{"corrupt: sendfile", FAULT_CALL_sendfile, STATE_ESTABLISHED, 9,
         ACTION_CORRUPT, 1, FACTS(0), GATE_DATA, GATE_DATA},
	{"short: sendfile", FAULT_CALL_sendfile, STATE_ESTABLISHED, 9,
         ACTION_SHORT, 1, FACTS(.nonblocking = true), 0, 0},
	{"over: reset", RECV, ACTION_RESET, 0,
         FACTS(.over = true, .at_end = true), GATE_OVER, GATE_OVER},
	{"over: reset of what has just ended", RECV, ACTION_RESET, 0,
         FACTS(.at_end = true), 0, 0},
	{"over: close", FAULT_CALL_close, STATE_LAST_ACK, 0, ACTION_RESET, 0,
         FACTS(.over = true), GATE_OVER, GATE_OVER},
	{"over: an errno by reset", RECV, ACTION_ERROR, ECONNRESET,
         FACTS(.over = true), GATE_OVER, GATE_OVER},
	{"over: EPIPE", SEND, ACTION_ERROR, EPIPE, FACTS(.over = true),
         GATE_OVER, GATE_OVER},
	{"over: an errno by another name", RECV, ACTION_ERROR, ETIMEDOUT,
         FACTS(.over = true), GATE_OVER, GATE_OVER},
	{"over: an errno alone", RECV, ACTION_ERROR, ENOMEM,
         FACTS(.over = true, .at_end = true), 0, 0},
	{"over: eof before data", RECV, ACTION_EOF, 0, FACTS(.over = true), 0,
         0},
	{"end: eof", RECV, ACTION_EOF, 0, FACTS(.at_end = true), 0, 0},
	{"end: eof after our own", FAULT_CALL_recv, STATE_FIN_WAIT, 9,
         ACTION_EOF, 0, FACTS(.at_end = true), GATE_OVER, GATE_OVER},
	{"end: short", RECV, ACTION_SHORT, 1, FACTS(.at_end = true), GATE_OVER,
         GATE_OVER},
	{"end: rate", RECV, ACTION_RATE, 1, FACTS(.at_end = true), GATE_OVER,
         GATE_OVER},
	{"end: corrupt", RECV, ACTION_CORRUPT, 1, FACTS(.at_end = true),
         GATE_OVER, GATE_OVER},
	{"end: delay", RECV, ACTION_DELAY, 1, FACTS(.at_end = true), 0, 0},
	{"end: stall of a FIN", RECV, ACTION_STALL, 0, FACTS(.at_end = true), 0,
         0},
	{"end: stall after a FIN", FAULT_CALL_recv, STATE_CLOSE_WAIT, 9,
         ACTION_STALL, 0, FACTS(0), GATE_OVER, GATE_OVER},
	{"end: corrupt on send", SEND, ACTION_CORRUPT, 1, FACTS(.at_end = true),
         0, 0},
	{"own end: delay", FAULT_CALL_send, STATE_FIN_WAIT, 9, ACTION_DELAY, 1,
         FACTS(0), GATE_OVER, GATE_OVER},
	{"own end: delay of what is received", FAULT_CALL_recv, STATE_FIN_WAIT,
         9, ACTION_DELAY, 1, FACTS(0), 0, 0},
	{"own end: stall", FAULT_CALL_send, STATE_FIN_WAIT, 9, ACTION_STALL, 0,
         FACTS(0), GATE_OVER, GATE_OVER},
	{"own end: rate", FAULT_CALL_send, STATE_LAST_ACK, 9, ACTION_RATE, 9,
         FACTS(0), GATE_OVER, GATE_OVER},
	{"own end: corrupt", FAULT_CALL_send, STATE_FIN_WAIT, 9, ACTION_CORRUPT,
         1, FACTS(0), GATE_OVER, GATE_OVER},
	{"own end: short", FAULT_CALL_send, STATE_FIN_WAIT, 9, ACTION_SHORT, 1,
         FACTS(.nonblocking = true), GATE_OVER, GATE_OVER},
	{"own end: what is received", FAULT_CALL_recv, STATE_FIN_WAIT, 9,
         ACTION_CORRUPT, 1, FACTS(0), 0, 0},
	{"own end: reset", FAULT_CALL_send, STATE_FIN_WAIT, 9, ACTION_RESET, 0,
         FACTS(0), 0, 0},
	{"exhaust: accept", ACCEPT, ACTION_EXHAUST, 0, FACTS(0), 0, 0},
	{"exhaust: socket", FAULT_CALL_socket, STATE_NONE, 0, ACTION_EXHAUST, 0,
         FACTS(0), 0, 0},
	{"backlog: listen", FAULT_CALL_listen, STATE_BOUND, 0, ACTION_BACKLOG,
         1, FACTS(0), 0, 0},
	{"nobody calls: reset", SELF(ESTABLISHED), ACTION_RESET, 0, FACTS(0), 0,
         0},
	{"nobody calls: reset twice", SELF(RESET), ACTION_RESET, 0, FACTS(0),
         GATE_STATE, 0},
	{"nobody calls: eof", SELF(FIN_WAIT), ACTION_EOF, 0, FACTS(0), 0, 0},
	{"nobody calls: eof twice", SELF(CLOSE_WAIT), ACTION_EOF, 0, FACTS(0),
         GATE_STATE, 0},
	{"nobody calls: stall", SELF(CLOSE_WAIT), ACTION_STALL, 0, FACTS(0), 0,
         0},
	{"nobody calls: stall, both have closed", SELF(LAST_ACK), ACTION_STALL,
         0, FACTS(0), GATE_OVER, GATE_OVER},
	{"nobody calls: reset of what is over", SELF(ESTABLISHED), ACTION_RESET,
         0, FACTS(.over = true), GATE_OVER, GATE_OVER},
	{"nobody calls: kill", SELF(RESET), ACTION_KILL, 9, FACTS(0), 0, 0},
	{"nobody calls: exhaust", SELF(NONE), ACTION_EXHAUST, 0, FACTS(0), 0,
         0},
	{"kill: always", RECV, ACTION_KILL, 9, FACTS(0), 0, 0},
	{"pass: always", RECV, ACTION_PASS, 0, FACTS(0), 0, 0},
};

static struct plan_rule rule_with(struct plan_action action, bool force)
{
	return (struct plan_rule){.flags = force ? PLAN_RULE_FORCE : 0,
	                          .n_actions = 1,
	                          .actions = {action}};
}

static void check_gate(const struct gate_row *row, bool force)
{
	const struct engine_call call = {
		.call = row->call, .state = row->state, .want = row->want};
	const struct plan_action action = {.kind = (uint8_t)row->kind,
	                                   .err = (int16_t)row->err,
	                                   .value = (uint64_t)row->err};
	const struct plan_rule rule = rule_with(action, force);
	enum fault_gate gate =
		engine_gate(&call, &rule, &rule.actions[0], &row->facts);

	if (gate != (force ? row->forced : row->gate))
		fail_msg("%s: %s", row->text, fault_gate_names[gate]);
}

static void each_gate_is_shut_when_the_kernel_could_not_do_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(gate_rows); i++)
		check_gate(&gate_rows[i], false);
}

static void
force_opens_every_gate_but_those_of_what_can_not_be_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(gate_rows); i++)
		check_gate(&gate_rows[i], true);
}

/* The end of its sending side is there already; what follows a close is not. */
static void an_end_is_not_put_before_the_same_end(void **state)
{
	const struct engine_call call = {
		.call = FAULT_CALL_recv, .state = STATE_ESTABLISHED, .want = 9};
	const struct plan_rule half =
		rule_with((struct plan_action){.kind = ACTION_EOF,
	                                       .flags = PLAN_ACTION_HALF},
	                  true);
	struct engine_facts facts = {.at_end = true};

	(void)state;
	assert_int_equal(engine_gate(&call, &half, &half.actions[0], &facts),
	                 GATE_OVER);
	facts.at_end = false;
	assert_int_equal(engine_gate(&call, &half, &half.actions[0], &facts),
	                 GATE_NONE);
}

/* Before the call it is the socket that waits; behind it, the program. */
static void a_delay_behind_the_call_is_not_for_an_event_loop(void **state)
{
	static const struct {
		enum fault_call call;
		bool nonblocking;
		enum fault_gate gate;
	} rows[] = {
		{FAULT_CALL_recv, true, GATE_LOOP},
		{FAULT_CALL_send, true, GATE_LOOP},
		{FAULT_CALL_accept, true, GATE_LOOP},
		{FAULT_CALL_connect, true, GATE_LOOP},
		{FAULT_CALL_close, true, GATE_NONE},
		{FAULT_CALL_recv, false, GATE_NONE},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct engine_call call = {.call = rows[i].call,
		                                 .state = STATE_ESTABLISHED};
		const struct engine_facts facts = {.nonblocking =
		                                           rows[i].nonblocking};
		struct plan_rule rule = {.n_actions = 2,
		                         .actions = {{.kind = ACTION_PASS},
		                                     {.kind = ACTION_DELAY}}};

		assert_int_equal(
			engine_gate(&call, &rule, &rule.actions[1], &facts),
			rows[i].gate);
		rule.flags = PLAN_RULE_FORCE;
		assert_int_equal(
			engine_gate(&call, &rule, &rule.actions[1], &facts),
			rows[i].gate);
		rule.actions[0].kind = ACTION_DELAY;
		rule.actions[1].kind = ACTION_PASS;
		assert_int_equal(
			engine_gate(&call, &rule, &rule.actions[0], &facts),
			GATE_NONE);
	}
}

static void every_errno_row_passes_in_its_states_and_only_there(void **state)
{
	const struct engine_facts facts = {
		.timeout = true, .handler = true, .handler_norestart = true};

	(void)state;
	for (size_t i = 0; i < n_fault_errnos; i++) {
		const struct fault_errno_row *row = &fault_errnos[i];
		const struct plan_rule rule = rule_with(
			(struct plan_action){.err = (int16_t)row->err}, false);
		struct engine_call call = {0};

		for (unsigned c = 1; c < N_CALLS && !call.call; c++) {
			if (fault_errno_find((enum fault_call)c, row->err) ==
			    row)
				call.call = (enum fault_call)c;
		}
		for (unsigned s = 1; s < N_STATES; s++) {
			bool may = row->tier != TIER_C &&
			           (!row->states || row->states & STATE_BIT(s));

			call.state = (enum fault_state)s;
			assert_int_equal(engine_gate(&call, &rule,
			                             &rule.actions[0],
			                             &facts) == GATE_NONE,
			                 may);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_pick_contains_what_it_says),
		cmocka_unit_test(
			the_next_element_of_a_pick_is_the_first_one_that_it_contains),
		cmocka_unit_test(picks_near_the_end_of_the_numbers_do_not_wrap),
		cmocka_unit_test(
			a_per_cent_pick_compares_the_draw_with_its_ratio),
		cmocka_unit_test(a_draw_is_the_same_each_time_it_is_asked_for),
		cmocka_unit_test(a_draw_depends_on_each_of_its_inputs),
		cmocka_unit_test(
			draws_of_neighbouring_ordinals_are_as_frequent_as_the_per_cent),
		cmocka_unit_test(each_selector_compares_what_is_known),
		cmocka_unit_test(
			a_peer_is_compared_by_prefix_in_one_address_space),
		cmocka_unit_test(a_socket_without_a_peer_matches_no_peer),
		cmocka_unit_test(
			the_families_of_a_program_are_those_of_its_classes),
		cmocka_unit_test(
			a_short_action_moves_at_least_one_byte_and_at_most_all),
		cmocka_unit_test(
			a_uniform_jitter_stays_within_its_bounds_and_reaches_them),
		cmocka_unit_test(
			noise_belongs_to_seed_connection_rule_and_byte),
		cmocka_unit_test(a_delay_is_never_negative_and_never_overflows),
		cmocka_unit_test(
			a_distribution_is_read_from_its_table_of_quantiles),
		cmocka_unit_test(
			each_gate_is_shut_when_the_kernel_could_not_do_it),
		cmocka_unit_test(
			force_opens_every_gate_but_those_of_what_can_not_be_done),
		cmocka_unit_test(an_end_is_not_put_before_the_same_end),
		cmocka_unit_test(
			a_delay_behind_the_call_is_not_for_an_event_loop),
		cmocka_unit_test(
			every_errno_row_passes_in_its_states_and_only_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
