/*
 * test_tables.c - the .def tables say what they mean, row by row.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "plan/tables.h"

static void every_call_is_named_after_its_symbol(void **state)
{
	(void)state;
	assert_null(fault_calls[FAULT_CALL_NONE].symbol);
#define CALL(symbol_, ...)                                                     \
	assert_string_equal(fault_calls[FAULT_CALL_##symbol_].symbol, #symbol_);
#define TWIN(id, symbol_, ...)                                                 \
	assert_string_equal(fault_calls[FAULT_CALL_##id].symbol, #symbol_);
#define NOTE(symbol_, hook)                                                    \
	assert_string_equal(fault_calls[FAULT_CALL_##symbol_].symbol, #symbol_);
#define STUB(symbol_)         NOTE(symbol_, NONE)
#define VARIADIC(symbol_, by) NOTE(symbol_, NONE)
#include "plan/calls.def"
}

static void no_symbol_has_two_rows_but_twins_of_other_families(void **state)
{
	(void)state;
	for (int i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];
		const int twin = fault_call_twins[i];

		for (int j = 1; j < i; j++)
			if (j != twin)
				assert_string_not_equal(row->symbol,
				                        fault_calls[j].symbol);
		if (!twin)
			continue;
		assert_int_equal(fault_call_twins[twin], i);
		assert_string_equal(row->symbol, fault_calls[twin].symbol);
		assert_int_not_equal(row->family, fault_calls[twin].family);
		assert_int_not_equal(row->fd, fault_calls[twin].fd);
	}
}

static bool is_argument(const struct fault_call_row *row, int index)
{
	return index >= -1 && index < row->arity;
}

static void arguments_of_a_call_are_among_its_parameters(void **state)
{
	(void)state;
	for (int i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];

		assert_true(is_argument(row, row->fd));
		assert_true(is_argument(row, row->flags));
		if (row->shape.kind == SHAPE_NONE)
			continue;
		assert_true(is_argument(row, row->shape.ptr));
		assert_true(is_argument(row, row->shape.len));
	}
}

static void calls_that_move_bytes_have_a_direction_and_a_shape(void **state)
{
	(void)state;
	for (int i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];
		bool io = row->effect == EFFECT_IO;

		assert_int_equal(io, row->shape.kind != SHAPE_NONE);
		assert_int_equal(io || row->effect == EFFECT_DPRINTF,
		                 fault_families[row->family].direction !=
		                         DIRECTION_NONE);
	}
}

static void
calls_that_take_faults_belong_to_a_family_of_the_language(void **state)
{
	(void)state;
	for (int i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *row = &fault_calls[i];

		if (row->kind == FAULT_INJECT)
			assert_string_not_equal(
				fault_families[row->family].word, "");
	}
}

static void states_and_roles_all_have_a_name_of_their_own(void **state)
{
	(void)state;
	for (int i = 0; i < N_STATES; i++) {
		assert_non_null(fault_state_names[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(fault_state_names[i],
			                        fault_state_names[j]);
	}
	for (int i = 0; i < N_ROLES; i++)
		assert_non_null(fault_role_names[i]);
	for (int i = 0; i < N_GATES; i++)
		assert_non_null(fault_gate_names[i]);
	for (int i = 0; i < N_ACTIONS; i++)
		assert_true(*fault_actions[i].word &&
		            *fault_actions[i].meaning);
	for (int i = 0; i < N_VERDICTS; i++)
		assert_true(*fault_verdicts[i].word && *fault_verdicts[i].rule);
}

/* The call that a row is found by. */
static enum fault_call call_of(const struct fault_errno_row *row)
{
	for (int i = 1; i < N_CALLS; i++) {
		if (fault_calls[i].family == row->family &&
		    (!*row->symbol ||
		     !strcmp(row->symbol, fault_calls[i].symbol)))
			return (enum fault_call)i;
	}
	return FAULT_CALL_NONE;
}

static void every_errno_row_is_found_by_its_call_and_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_fault_errnos; i++) {
		const struct fault_errno_row *row = &fault_errnos[i];
		enum fault_call call = call_of(row);

		assert_int_not_equal(call, FAULT_CALL_NONE);
		assert_ptr_equal(fault_errno_find(call, row->err), row);
		assert_non_null(fault_errno_name(row->err));
		assert_true(row->tier >= TIER_A && row->tier <= TIER_C);
		assert_true(*row->when && *row->after);
	}
}

static void an_errno_that_a_call_cannot_give_has_no_row(void **state)
{
	(void)state;
	assert_null(fault_errno_find(FAULT_CALL_recv, EADDRINUSE));
	assert_null(fault_errno_find(FAULT_CALL_getsockopt, EDOM));
	assert_non_null(fault_errno_find(FAULT_CALL_setsockopt, EDOM));
	assert_null(fault_errno_find(FAULT_CALL_recv, 0));
	assert_null(fault_errno_find(FAULT_CALL_recv, EAI_AGAIN));
	assert_null(fault_errno_find(FAULT_CALL_gethostbyname, EAI_SERVICE));
	assert_non_null(fault_errno_find(FAULT_CALL_getaddrinfo, EAI_SERVICE));
}

/* 41 and 58 are holes: EWOULDBLOCK and EDEADLOCK have other numbers. */
static void every_errno_of_linux_has_a_name_and_the_way_back(void **state)
{
	(void)state;
	for (int err = 1; err <= EHWPOISON; err++) {
		const char *name = fault_errno_name(err);

		if (err == 41 || err == 58) {
			assert_null(name);
			continue;
		}
		assert_non_null(name);
		assert_string_equal(name, strerrorname_np(err));
		assert_int_equal(fault_errno_number(name), err);
	}
}

static void second_names_of_an_errno_are_known(void **state)
{
	(void)state;
	assert_int_equal(fault_errno_number("EWOULDBLOCK"), EAGAIN);
	assert_int_equal(fault_errno_number("ENOTSUP"), EOPNOTSUPP);
	assert_int_equal(fault_errno_number("EDEADLOCK"), EDEADLK);
	assert_string_equal(fault_errno_name(EAGAIN), "EAGAIN");
}

static void
what_the_resolver_says_has_a_name_and_a_negative_number(void **state)
{
	(void)state;
	assert_int_equal(fault_errno_number("EAI_AGAIN"), EAI_AGAIN);
	assert_string_equal(fault_errno_name(EAI_SYSTEM), "EAI_SYSTEM");
	assert_true(EAI_AGAIN < 0);
	assert_null(fault_errno_name(EAI_CANCELED));
}

static void what_is_no_errno_has_no_name_and_no_number(void **state)
{
	static const char *const words[] = {"",        "E",          "ECONN",
	                                    "EPIPES",  "epipe",      " EPIPE",
	                                    "SIGPIPE", "ECONNRESETX"};

	(void)state;
	assert_null(fault_errno_name(0));
	assert_null(fault_errno_name(-EPIPE));
	assert_null(fault_errno_name(EHWPOISON + 1));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(fault_errno_number(words[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_named_after_its_symbol),
		cmocka_unit_test(
			no_symbol_has_two_rows_but_twins_of_other_families),
		cmocka_unit_test(arguments_of_a_call_are_among_its_parameters),
		cmocka_unit_test(
			calls_that_move_bytes_have_a_direction_and_a_shape),
		cmocka_unit_test(
			calls_that_take_faults_belong_to_a_family_of_the_language),
		cmocka_unit_test(states_and_roles_all_have_a_name_of_their_own),
		cmocka_unit_test(
			every_errno_row_is_found_by_its_call_and_number),
		cmocka_unit_test(an_errno_that_a_call_cannot_give_has_no_row),
		cmocka_unit_test(
			every_errno_of_linux_has_a_name_and_the_way_back),
		cmocka_unit_test(second_names_of_an_errno_are_known),
		cmocka_unit_test(
			what_the_resolver_says_has_a_name_and_a_negative_number),
		cmocka_unit_test(what_is_no_errno_has_no_name_and_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
