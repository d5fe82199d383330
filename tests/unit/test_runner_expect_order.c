/*
 * test_runner_expect_order.c - is there a choice of calls that is in order?
 * Small cases, and many against all choices, tried one by one
 * (expect_order.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "runner/expect_order.h"

/* Sightings {entry, return, program, waits}, tickets in this order. */
static enum order_answer check(struct order_entry *e, size_t n)
{
	struct sighting chain[8];
	size_t reached;

	for (size_t i = 0; i < n; i++)
		order_sort(&e[i]);
	return order_check(e, n, &reached, chain);
}

#define CALL_OF(program_, ticket_, entry_, return_, waits_)                    \
	{                                                                      \
		entry_, return_, ticket_, program_, waits_                     \
	}

static void one_call_cannot_stand_for_two(void **state)
{
	struct sighting a[] = {CALL_OF(0, 1, 10, 11, false)};
	struct sighting a_again[] = {CALL_OF(0, 1, 10, 11, false)};
	struct sighting b[] = {CALL_OF(1, 2, 5, 20, true)};
	struct order_entry twice[] = {{.v = a, .n = 1}, {.v = a_again, .n = 1}};
	struct order_entry around[] = {
		{.v = a, .n = 1}, {.v = b, .n = 1}, {.v = a_again, .n = 1}};

	(void)state;
	assert_int_equal(check(twice, 2), ORDER_BROKEN);
	assert_int_equal(check(around, 2), ORDER_KEPT);
	assert_int_equal(check(around + 1, 2), ORDER_UNKNOWN);
	/* a, b, a: pair by pair nobody knows, but there is one a only. */
	assert_int_equal(check(around, 3), ORDER_BROKEN);
}

/* Against all choices of calls, tried one by one. */
static bool any_choice(const struct order_entry *e, size_t n, size_t at,
                       const struct sighting *x, bool loosely)
{
	for (size_t i = 0; at < n && i < e[at].n; i++) {
		const struct sighting *y = &e[at].v[i];
		uint64_t m = sighting_moment(y);
		bool ok = !x;

		if (x) {
			uint64_t from = sighting_moment(x);
			bool later = from < m ||
			             (from == m && x->ticket < y->ticket);

			ok = later &&
			     (x->program != y->program || x->return_ns <= m);
			ok |= loosely && x->ticket != y->ticket &&
			      x->entry_ns < y->return_ns && x->return_ns > m;
			if (e[at].has_gap)
				ok &= (int64_t)order_gap(x, y) >=
				              e[at].gap_ns.min &&
				      (int64_t)order_gap(x, y) <=
				              e[at].gap_ns.max;
		}
		if (ok && any_choice(e, n, at + 1, y, loosely))
			return true;
	}
	return at == n;
}

static unsigned draw(unsigned below)
{
	static uint64_t random = 7;

	random = random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(random >> 33) % below;
}

static void draw_entry(struct order_entry *e, struct sighting *v)
{
	static uint64_t ticket;

	*e = (struct order_entry){.v = v, .n = draw(7)};
	for (size_t i = 0; i < e->n; i++) {
		uint64_t from = draw(40);

		v[i] = (struct sighting){from, from + draw(8), ++ticket,
		                         (uint16_t)draw(2), draw(2)};
	}
	e->has_gap = draw(2);
	e->gap_ns.min = (int64_t)draw(12);
	e->gap_ns.max = e->gap_ns.min + (int64_t)draw(8);
	order_sort(e);
}

static void it_finds_a_choice_whenever_there_is_one(void **state)
{
	unsigned answers[4] = {0};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct order_entry e[4];
		struct sighting v[4][8];
		enum order_answer a;
		bool kept;

		for (size_t k = 0; k < 4; k++)
			draw_entry(&e[k], v[k]);
		kept = any_choice(e, 4, 0, NULL, false);
		if (i % 2) /* so few that all of them stay */
			assert_int_equal(order_thin(e, 4) == ORDER_KEPT, kept);
		a = check(e, 4);
		assert_int_equal(a == ORDER_KEPT, kept);
		/* Broken is said only of what no choice can mend. */
		if (!any_choice(e, 4, 0, NULL, true))
			assert_int_equal(a, ORDER_BROKEN);
		else if (!kept)
			assert_int_equal(a, ORDER_UNKNOWN);
		answers[a]++;
	}
	assert_true(answers[ORDER_KEPT] > 500);
	assert_true(answers[ORDER_UNKNOWN] > 100);
	assert_true(answers[ORDER_BROKEN] > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_call_cannot_stand_for_two),
		cmocka_unit_test(it_finds_a_choice_whenever_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
