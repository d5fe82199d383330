/*
 * test_arming.c - arming from outside (arming.h, segments_attach): groups, who
 * is waited for and who is not, and a run that somebody wrote over.
 *
 * Processes are real ones, forked, that answer the bell as plan/run.h says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan_maker.h"
#include "engine/engine.h"
#include "runner/arming.h"
#include "runner/clock.h"
#include "runner/cmd.h"
#include "tests/mortal.h"

enum {
	MAX_CHILDREN = 4,
	ROUNDS = 20000
};

/* What parent and children tell each other beside the run. */
struct shared {
	_Atomic uint32_t saw_armed; /* + 1: what the helper read */
	_Atomic uint32_t settled;   /* the generation that was waited for */
	_Atomic uint32_t lives;
	_Atomic bool astray;
};

struct bench {
	struct plan_maker maker;
	const struct fault_plan *plan;
	struct segments s;
	pid_t children[MAX_CHILDREN];
	size_t n_children;
	struct shared *shared;
	char ids[32];
};

static struct plan_rule *named(struct bench *b, const char *name)
{
	struct plan_rule *r = plan_maker_rule(&b->maker, 0);

	r->name_off = plan_maker_string(&b->maker, name);
	return r;
}

/* Rules 0 and 2 are the group "outage", 1 is "other", 3 has no name. */
static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const char *call;

	assert_non_null(b);
	plan_maker_init(&b->maker, 1);
	plan_maker_class(&b->maker, FAULT_CALL_recv, PER_CONNECTION);
	named(b, "outage")->flags = 0;
	named(b, "other");
	named(b, "outage")->flags = 0;
	plan_maker_rule(&b->maker, 0);
	b->plan = plan_maker_finish(&b->maker);
	assert_int_equal(segments_create(b->plan, b->plan->size, &b->s, &call),
	                 0);
	snprintf(b->ids, sizeof(b->ids), "%d:%d", b->s.plan_id, b->s.run_id);
	b->shared = mmap(NULL, sizeof(*b->shared), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(b->shared != MAP_FAILED);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < b->n_children; i++) {
		kill(b->children[i], SIGKILL);
		waitpid(b->children[i], NULL, 0);
	}
	munmap(b->shared, sizeof(*b->shared));
	if (b->s.run)
		segments_release(&b->s);
	free(b);
	return 0;
}

static uint32_t armed(const struct bench *b, uint32_t rule)
{
	return atomic_load(&segments_rule(&b->s, rule)->armed);
}

static int64_t within_ms(int64_t ms)
{
	return now_ns() + ms * NS_PER_MS;
}

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* ---- processes of the run ------------------------------------------------ */

/* A forked process with a slot; it runs life() and never returns. */
static struct fault_process *
process(struct bench *b, void (*life)(struct bench *, struct fault_process *))
{
	uint32_t slot = atomic_fetch_add(&b->s.run->used_processes, 1);
	struct fault_process *p = segments_process(&b->s, slot);
	pid_t pid = fork();

	assert_true(pid >= 0 && b->n_children < MAX_CHILDREN);
	if (pid == 0) {
		life(b, p);
		for (;;)
			pause();
	}
	b->children[b->n_children++] = pid;
	strcpy(p->name, "child");
	atomic_store(&p->pid, (uint32_t)pid);
	atomic_store(&p->status, PROCESS_ATTACHED);
	return p;
}

static void does_nothing(struct bench *b, struct fault_process *p)
{
	(void)b;
	(void)p;
}

/* Steps c to e of plan/run.h. */
static uint32_t accord(struct bench *b, struct fault_process *p)
{
	uint32_t generation = atomic_load(&b->s.run->generation);

	atomic_store(&b->shared->saw_armed, armed(b, 0) + 1);
	atomic_store(&p->acked, generation);
	futex(&p->acked, FUTEX_WAKE, INT32_MAX);
	return generation;
}

static void answers(struct bench *b, struct fault_process *p)
{
	for (;;) {
		uint32_t heard = atomic_load(&p->bell);

		accord(b, p);
		futex(&p->bell, FUTEX_WAIT, heard);
	}
}

static void dies_when_it_is_rung(struct bench *b, struct fault_process *p)
{
	(void)b;
	futex(&p->bell, FUTEX_WAIT, 0);
	_exit(0);
}

/* ---- names --------------------------------------------------------------- */

static void rules_of_one_name_are_a_group(void **state)
{
	struct bench *b = *state;
	struct arming_group group;
	const char *names[4];

	assert_int_equal(arming_names(b->plan, names), 2);
	assert_string_equal(names[0], "outage");
	assert_string_equal(names[1], "other");
	atomic_store(&segments_rule(&b->s, 0)->hits, 2);
	atomic_store(&segments_rule(&b->s, 1)->hits, 7);
	atomic_store(&segments_rule(&b->s, 2)->hits, UINT32_MAX);
	assert_true(arming_look(&b->s, b->plan, "outage", &group));
	assert_int_equal(group.n_rules, 2);
	assert_int_equal(group.hits, 2ULL + UINT32_MAX);
	assert_false(group.armed);
	assert_true(arming_set(&b->s, b->plan, "outage", true));
	assert_int_equal(armed(b, 0), 1);
	assert_int_equal(armed(b, 2), 1);
	assert_true(arming_look(&b->s, b->plan, "outage", &group));
	assert_true(group.armed);
	engine_arm_rule(segments_rule(&b->s, 2), false);
	assert_true(arming_look(&b->s, b->plan, "outage", &group));
	assert_true(group.armed); /* one of them is */
	assert_true(arming_set(&b->s, b->plan, "other", false));
	assert_int_equal(armed(b, 1), 0);
	assert_int_equal(armed(b, 0), 1);
}

static void a_rule_without_a_name_has_none(void **state)
{
	struct bench *b = *state;
	struct arming_group group;

	assert_false(arming_set(&b->s, b->plan, "", false));
	assert_false(arming_look(&b->s, b->plan, "outag", &group));
	assert_false(arming_set(&b->s, b->plan, "outages", true));
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(armed(b, i), i % 2);
}

/* ---- waiting ------------------------------------------------------------- */

static void who_has_no_helper_is_not_waited_for(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, does_nothing);
	uint32_t generation = arming_ring(&b->s);

	assert_int_equal(generation, 1);
	assert_int_equal(atomic_load(&p->bell), 1);
	assert_int_equal(arming_wait(&b->s, generation, within_ms(0)), 0);
}

static void who_has_one_has_seen_it_when_the_wait_ends(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, answers);

	atomic_store(&p->listens, 1);
	for (uint32_t i = 1; i <= 100; i++) {
		uint32_t generation;

		arming_set(&b->s, b->plan, "outage", i % 2);
		generation = arming_ring(&b->s);
		assert_int_equal(generation, i);
		assert_int_equal(
			arming_wait(&b->s, generation, within_ms(10000)), 0);
		assert_int_equal(atomic_load(&p->acked), i);
		assert_int_equal(atomic_load(&b->shared->saw_armed), i % 2 + 1);
	}
}

static void who_does_not_answer_is_named(void **state)
{
	struct bench *b = *state;
	struct fault_process *mute = process(b, does_nothing);
	struct fault_process *good = process(b, answers);
	char text[128] = "", want[64];
	FILE *out = fmemopen(text, sizeof(text), "w");
	uint32_t generation;

	atomic_store(&mute->listens, 1);
	atomic_store(&good->listens, 1);
	memcpy(mute->name, "\033[1m", 4);
	generation = arming_ring(&b->s);
	assert_int_equal(arming_wait(&b->s, generation, within_ms(50)),
	                 -ETIMEDOUT);
	/* It answers in its own time. */
	while (atomic_load(&good->acked) != generation)
		futex(&good->acked, FUTEX_WAIT, 0);
	arming_print_debtors(&b->s, generation, out);
	fclose(out);
	snprintf(want, sizeof(want), "%d (?[1md)", (int)b->children[0]);
	assert_string_equal(text, want);
}

static void the_dead_are_not_waited_for(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, does_nothing);
	siginfo_t info;

	atomic_store(&p->listens, 1);
	assert_true(arming_owes(&b->s, 0, 1));
	atomic_store(&p->status, PROCESS_EXITED);
	assert_false(arming_owes(&b->s, 0, 1));
	atomic_store(&p->status, PROCESS_ATTACHED);
	/* Killed, and its parent has not asked yet. */
	kill(b->children[0], SIGKILL);
	waitid(P_PID, (id_t)b->children[0], &info, WEXITED | WNOWAIT);
	assert_false(arming_owes(&b->s, 0, 1));
	waitpid(b->children[0], NULL, 0);
	b->n_children = 0;
	assert_false(arming_owes(&b->s, 0, 1));
}

static void a_later_image_of_the_process_speaks_for_it(void **state)
{
	struct bench *b = *state;
	struct fault_process *before = process(b, does_nothing);
	struct fault_process *after = segments_process(&b->s, 1);

	atomic_store(&before->listens, 1);
	assert_true(arming_owes(&b->s, 0, 1));
	atomic_store(&after->pid, atomic_load(&before->pid));
	atomic_store(&after->listens, 1);
	atomic_store(&b->s.run->used_processes, 2);
	assert_false(arming_owes(&b->s, 0, 1));
	assert_true(arming_owes(&b->s, 1, 1));
}

static void who_dies_meanwhile_ends_the_wait(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, dies_when_it_is_rung);
	int64_t deadline = within_ms(10000);

	atomic_store(&p->listens, 1);
	assert_int_equal(arming_wait(&b->s, arming_ring(&b->s), deadline), 0);
	assert_true(now_ns() < deadline);
}

static void the_generation_may_go_round(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, does_nothing);

	atomic_store(&p->listens, 1);
	atomic_store(&b->s.run->generation, UINT32_MAX - 1);
	atomic_store(&p->acked, UINT32_MAX - 1);
	assert_true(arming_owes(&b->s, 0, arming_ring(&b->s)));
	atomic_store(&p->acked, UINT32_MAX);
	assert_int_equal(arming_ring(&b->s), 0);
	assert_true(arming_owes(&b->s, 0, 0));
	atomic_store(&p->acked, 0);
	assert_false(arming_owes(&b->s, 0, 0));
}

/* ---- at the same moment -------------------------------------------------- */

/* One helper thread, from its start to its end: some rounds of the bell. */
static void live(struct bench *b, struct fault_process *p, int rounds)
{
	atomic_store(&p->listens, 1);
	while (rounds-- > 0) {
		uint32_t heard = atomic_load(&p->bell);
		uint32_t mine = accord(b, p);

		/* What it saw then holds until it has answered again. */
		futex(&p->bell, FUTEX_WAIT, heard);
		if ((int32_t)(mine - atomic_load(&b->shared->settled)) < 0)
			atomic_store(&b->shared->astray, true);
	}
	atomic_store(&p->listens, 0);
	atomic_fetch_add(&b->shared->lives, 1);
}

static void comes_and_goes(struct bench *b, struct fault_process *p)
{
	for (int i = 0;; i++)
		live(b, p, i % 3);
}

static void a_helper_that_starts_just_then_is_not_missed(void **state)
{
	struct bench *b = *state;

	process(b, comes_and_goes);
	for (int i = 0; i < ROUNDS || !atomic_load(&b->shared->lives); i++) {
		uint32_t generation;

		arming_set(&b->s, b->plan, "outage", i % 2);
		generation = arming_ring(&b->s);
		assert_int_equal(
			arming_wait(&b->s, generation, within_ms(10000)), 0);
		atomic_store(&b->shared->settled, generation);
	}
	assert_false(atomic_load(&b->shared->astray));
}

/* ---- a run that is somebody else's --------------------------------------- */

static void a_run_is_found_by_its_ids(void **state)
{
	struct bench *b = *state;
	struct fault_plan *plan;
	struct segments s;
	const char *why;

	assert_int_equal(segments_attach(b->ids, &s, &plan, &why), 0);
	assert_memory_equal(plan, b->plan, b->plan->size);
	assert_true(segments_intact(&s));
	assert_true(arming_set(&s, plan, "outage", true));
	assert_int_equal(armed(b, 2), 1);
	/* What is overwritten from now on misleads nobody. */
	b->s.run->rules_off = 1ULL << 40;
	b->s.run->processes_off = 1ULL << 40;
	atomic_store(&b->s.run->used_processes, UINT32_MAX);
	assert_true(arming_set(&s, plan, "outage", false));
	assert_int_equal(armed(b, 2), 0);
	assert_int_equal(arming_wait(&s, arming_ring(&s), within_ms(0)), 0);
	segments_release(&s);
	free(plan);
}

static void garbage_in_the_slots_is_nobody(void **state)
{
	static const uint32_t pids[] = {0, UINT32_MAX, 0x80000001u};
	struct bench *b = *state;

	atomic_store(&b->s.run->used_processes, 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct fault_process *p = segments_process(&b->s, i);

		memset(p, 0xa5, sizeof(*p));
		atomic_store(&p->acked, 0);
		atomic_store(&p->pid, pids[i]);
	}
	assert_int_equal(arming_wait(&b->s, arming_ring(&b->s), within_ms(0)),
	                 0);
}

static void what_is_no_run_is_refused(void **state)
{
	static const char *const no_ids[] = {
		"",
		":",
		"1",
		"1:",
		":1",
		"1:2x",
		"x1:2",
		"-1:2",
		"1:-2",
		"1:2:3",
		"99999999999:1",
		"1: 2",
	};
	struct bench *b = *state;
	struct fault_plan *plan;
	struct segments s;
	const char *why;
	char swapped[32];

	for (size_t i = 0; i < sizeof(no_ids) / sizeof(no_ids[0]); i++)
		assert_int_equal(segments_attach(no_ids[i], &s, &plan, &why),
		                 -EINVAL);
	snprintf(swapped, sizeof(swapped), "%d:%d", b->s.run_id, b->s.plan_id);
	assert_int_equal(segments_attach(swapped, &s, &plan, &why), -EBADMSG);
	assert_non_null(why);
	b->s.run->magic++;
	assert_int_equal(segments_attach(b->ids, &s, &plan, &why), -EBADMSG);
	assert_string_equal(why, "this is no run of fault");
	b->s.run->magic--;
	b->s.run->rules_off += 64;
	assert_int_equal(segments_attach(b->ids, &s, &plan, &why), -EBADMSG);
	b->s.run->rules_off -= 64;
	((struct fault_plan *)b->s.plan_memory)->n_rules = 1 << 30;
	assert_int_equal(segments_attach(b->ids, &s, &plan, &why), -EBADMSG);
	segments_release(&b->s);
	assert_int_equal(segments_attach(b->ids, &s, &plan, &why), -ENOENT);
}

/* ---- the commands -------------------------------------------------------- */

static int command(int (*run)(int, char **), const char *words)
{
	char text[128], *argv[8], *rest = text;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", words);
	while (argc < 7 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	argv[argc] = NULL;
	return run(argc, argv);
}

static void the_commands_understand_their_line(void **state)
{
	static const struct {
		int (*run)(int, char **);
		const char *words;
		int code;
	} rows[] = {
		{cmd_arm, "arm", EXIT_USAGE},
		{cmd_arm, "arm nobody", EXIT_USAGE},
		{cmd_arm, "arm other nobody", EXIT_USAGE},
		{cmd_arm, "arm --json other", EXIT_USAGE},
		{cmd_arm, "arm --within 5 other", EXIT_USAGE},
		{cmd_arm, "arm --within=fast other", EXIT_USAGE},
		{cmd_disarm, "disarm", EXIT_USAGE},
		{cmd_hits, "hits outage other", EXIT_USAGE},
		{cmd_hits, "hits nobody", EXIT_USAGE},
		{cmd_hits, "hits --within 1s", EXIT_USAGE},
		{cmd_disarm, "disarm other", EXIT_PASSED},
		{cmd_arm, "arm --within 0s outage other", EXIT_PASSED},
	};
	struct bench *b = *state;

	setenv("FAULT_SHM", b->ids, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(command(rows[i].run, rows[i].words),
		                 rows[i].code);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(armed(b, i), 1);
	/* One ring for each command, however many names it has. */
	assert_int_equal(atomic_load(&b->s.run->generation), 2);
}

static void without_a_run_there_is_nothing_to_arm(void **state)
{
	struct bench *b = *state;

	unsetenv("FAULT_SHM");
	assert_int_equal(command(cmd_arm, "arm outage"), EXIT_USAGE);
	setenv("FAULT_SHM", "what", 1);
	assert_int_equal(command(cmd_disarm, "disarm outage"), EXIT_USAGE);
	setenv("FAULT_SHM", b->ids, 1);
	b->s.run->version++;
	assert_int_equal(command(cmd_hits, "hits"), EXIT_ENVIRONMENT);
	assert_int_equal(command(cmd_arm, "arm outage"), EXIT_ENVIRONMENT);
	segments_release(&b->s);
	assert_int_equal(command(cmd_arm, "arm outage"), EXIT_USAGE);
}

static void a_process_that_does_not_follow_fails_the_command(void **state)
{
	struct bench *b = *state;
	struct fault_process *p = process(b, does_nothing);

	setenv("FAULT_SHM", b->ids, 1);
	atomic_store(&p->listens, 1);
	assert_int_equal(command(cmd_arm, "arm --within 20ms outage"),
	                 EXIT_ENVIRONMENT);
	assert_int_equal(armed(b, 0), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rules_of_one_name_are_a_group),
		TEST(a_rule_without_a_name_has_none),
		TEST(who_has_no_helper_is_not_waited_for),
		TEST(who_has_one_has_seen_it_when_the_wait_ends),
		TEST(who_does_not_answer_is_named),
		TEST(the_dead_are_not_waited_for),
		TEST(a_later_image_of_the_process_speaks_for_it),
		TEST(who_dies_meanwhile_ends_the_wait),
		TEST(the_generation_may_go_round),
		TEST(a_helper_that_starts_just_then_is_not_missed),
		TEST(a_run_is_found_by_its_ids),
		TEST(garbage_in_the_slots_is_nobody),
		TEST(what_is_no_run_is_refused),
		TEST(the_commands_understand_their_line),
		TEST(without_a_run_there_is_nothing_to_arm),
		TEST(a_process_that_does_not_follow_fails_the_command),
	};

	mortal(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
