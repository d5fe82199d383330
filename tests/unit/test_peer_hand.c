/*
 * test_peer_hand.c - scripted programs on their way to their process
 * (peer_hand.h).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/peer_hand.h"

static char file_name[] = "f.yaml", name[] = "s", rule[] = "outage",
	    path[] = "/x/y", has[] = "ready", bytes[] = "a\0b", deep[] = "deep",
	    ere[] = "a|b";
#define AT                                                                     \
	{                                                                      \
		file_name, 7, 3                                                \
	}

static struct text_match texts[] = {{.text = has, .loc = {file_name, 9, 9}}};
static struct step inner[] = {
	{.kind = STEP_WAIT_EVENT,
         .loc = AT,
         .event = {.kind = EVENT_HIT,
                   .rule = rule,
                   .path = path,
                   .has = {texts, 1}}},
	{.kind = STEP_SEND, .loc = AT, .bytes = bytes, .n_bytes = 3},
	{.kind = STEP_RECV, .loc = AT, .text = {.text = deep}},
};
static struct step outer[] = {
	{.kind = STEP_REPEAT,
         .loc = AT,
         .times = 3,
         .steps = inner,
         .n_steps = 3},
	{.kind = STEP_RECV, .loc = AT, .text = {.text = ere, .regex = true}},
};
static struct script scripts[] = {
	{.connections = {.first = 2, .last = 5, .step = 1},
         .steps = {outer, 2}},
};
static const struct program program = {
	.name = name,
	.loc = AT,
	.kind = PROGRAM_LISTEN,
	.address = {.port = 4711},
	.scripts = scripts,
	.n_scripts = 1,
};

static void check_inner(const struct step *s)
{
	assert_ptr_not_equal(s, inner);
	assert_string_equal(s[0].event.rule, rule);
	assert_string_equal(s[0].event.path, path);
	assert_string_equal(s[0].event.has.v[0].text, has);
	assert_int_equal(s[0].event.has.v[0].loc.column, 9);
	assert_ptr_not_equal(s[1].bytes, bytes);
	assert_memory_equal(s[1].bytes, bytes, 3);
	assert_string_equal(s[2].text.text, deep);
}

static void a_program_arrives_as_it_was(void **state)
{
	struct program got;
	const struct step *s;
	uint64_t seed = 0;
	void *memory;
	int fd = peer_hand_over(&program, 77);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(peer_take_over(fd, &got, &seed, &memory), 0);
	close(fd);
	assert_int_equal(seed, 77);
	assert_string_equal(got.name, "s");
	assert_ptr_not_equal(got.name, name);
	assert_string_equal(got.loc.file, file_name);
	assert_int_equal(got.address.port, 4711);
	assert_int_equal(got.scripts[0].connections.last, 5);
	s = got.scripts[0].steps.v;
	assert_ptr_not_equal(s, outer);
	assert_int_equal(s[0].times, 3);
	assert_string_equal(s[1].text.text, ere);
	assert_true(s[1].text.regex);
	assert_string_equal(s[1].loc.file, file_name);
	assert_ptr_not_equal(s[1].loc.file, file_name);
	assert_int_equal(s[1].loc.line, 7);
	check_inner(s[0].steps);
	free(memory);
	/* And what was handed over is untouched. */
	assert_ptr_equal(inner[1].bytes, bytes);
	assert_ptr_equal(outer[0].steps, inner);
}

static void what_is_cut_off_is_refused(void **state)
{
	struct program got;
	uint64_t seed;
	void *memory;
	char all[65536];
	int fd = peer_hand_over(&program, 0);
	ssize_t n = read(fd, all, sizeof(all));

	(void)state;
	assert_true(n > 0 && n < (ssize_t)sizeof(all));
	close(fd);
	for (ssize_t cut = 0; cut < n; cut += 8) {
		int p[2];

		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		assert_int_equal(write(p[1], all, (size_t)cut), cut);
		close(p[1]);
		assert_int_equal(peer_take_over(p[0], &got, &seed, &memory),
		                 -EINVAL);
		close(p[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_arrives_as_it_was),
		cmocka_unit_test(what_is_cut_off_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
