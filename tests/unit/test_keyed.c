/*
 * test_keyed.c - a table by numbers against a plain array (keyed.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "runner/keyed.h"

struct thing {
	uint64_t key;
	uint32_t value;
};

enum {
	N_KEYS = 500,
	N_ROUNDS = 100000
};

/* Far apart, and so that all their low bits are the same. */
static uint64_t number(unsigned i)
{
	return ((uint64_t)i + 1) << 40 | 7;
}

static void check(const struct keyed *k, const uint32_t *values)
{
	size_t n = 0, seen = 0;

	for (unsigned i = 0; i < N_KEYS; i++) {
		const struct thing *t = keyed_find(k, number(i));

		assert_int_equal(t != NULL, values[i] != 0);
		if (t)
			assert_int_equal(t->value, values[i]);
		n += values[i] != 0;
	}
	assert_int_equal(k->n, n);
	for (void *v = NULL; (v = keyed_next(k, v));)
		seen++;
	assert_int_equal(seen, n);
}

static void it_holds_what_was_put_in(void **state)
{
	struct keyed k = KEYED_OF(struct thing);
	uint32_t values[N_KEYS] = {0}, random = 1;

	(void)state;
	for (uint32_t round = 1; round <= N_ROUNDS; round++) {
		unsigned i;
		struct thing *t;

		random = random * 1664525u + 1013904223u;
		i = (random >> 8) % N_KEYS;
		if (values[i] && random & 64) {
			keyed_remove(&k, keyed_find(&k, number(i)));
			values[i] = 0;
		} else {
			t = keyed_add(&k, number(i));
			assert_non_null(t);
			assert_int_equal(t->value, values[i]);
			t->value = values[i] = round;
		}
		if (round % 1000 == 0)
			check(&k, values);
	}
	keyed_release(&k);
}

/* The largest number takes no more than the smallest. */
static void numbers_cost_nothing(void **state)
{
	struct keyed k = KEYED_OF(struct thing);

	(void)state;
	assert_null(keyed_find(&k, 1));
	assert_null(keyed_add(&k, 0));
	assert_non_null(keyed_add(&k, UINT64_MAX));
	assert_non_null(keyed_add(&k, UINT32_MAX));
	assert_true(k.cap <= 16);
	keyed_release(&k);
	assert_null(keyed_next(&k, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_was_put_in),
		cmocka_unit_test(numbers_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
