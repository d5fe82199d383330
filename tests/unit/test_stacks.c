/*
 * test_stacks.c - PLAN_STACKS: what a record says of the frames above a call.
 *
 * The program is started again as its own probe, with the library and segments
 * that are made here; it says where it really called from.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/env.h"
#include "plan/trace.h"
#include "plan_maker.h"

#define KEEP __asm__ volatile("" ::: "memory")

enum {
	DEPTH = 9 /* frames of deeper(): more than a record has */
};

static const struct fault_run_size size = {.n_processes = 4,
                                           .n_socks = 16,
                                           .n_watches = 64,
                                           .n_cells = 256,
                                           .n_records = 8192};

/* --- the probe ------------------------------------------------------------ */

static __attribute__((noinline)) int made(int fd)
{
	int r = listen(fd, 1);

	printf("%" PRIxPTR "\n", (uintptr_t)__builtin_return_address(0));
	return r;
}

static __attribute__((noinline)) int deeper(int n, int fd)
{
	int r = n > 1 ? deeper(n - 1, fd) : made(fd);

	KEEP;
	if (n < DEPTH)
		printf("%" PRIxPTR "\n",
		       (uintptr_t)__builtin_return_address(0));
	return r;
}

static int probe(void)
{
	return deeper(DEPTH, socket(AF_INET, SOCK_STREAM, 0));
}

/* --- the test ------------------------------------------------------------- */

static void *segment(size_t len, int *ret_id)
{
	void *p;

	*ret_id = shmget(IPC_PRIVATE, len, 0600);
	assert_true(*ret_id >= 0);
	p = shmat(*ret_id, NULL, 0);
	assert_int_equal(shmctl(*ret_id, IPC_RMID, NULL), 0);
	assert_ptr_not_equal(p, (void *)-1);
	return p;
}

/* The library lies two folders above unit tests. */
static void library(char *buf, size_t len)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(buf, len, "%s/libfault.so", dirname(dirname(dirname(self))));
}

/* Starts the probe; what it says, up to n numbers. */
static size_t say(const char *segments, uint64_t *ret, size_t n)
{
	char path[PATH_MAX], line[64];
	size_t got = 0;
	int fds[2], status;
	FILE *in;
	pid_t pid;

	library(path, sizeof(path));
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[1], 1);
		setenv("LD_PRELOAD", path, 1);
		setenv(FAULT_ENV_SHM, segments, 1);
		setenv(FAULT_ENV_PROGRAM, "0", 1);
		execl("/proc/self/exe", "test_stacks", "probe", NULL);
		_exit(127);
	}
	close(fds[1]);
	in = fdopen(fds[0], "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		if (got < n)
			ret[got++] = strtoull(line, NULL, 16);
	fclose(in);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return got;
}

/* The record of listen. */
static void find(struct fault_run *run, struct fault_record *ret)
{
	uint64_t i = 0;

	while (i < run->head && run_records(run)[i].call != FAULT_CALL_listen)
		i++;
	assert_true(i < run->head);
	*ret = run_records(run)[i];
}

/* The record of listen in a run of a plan with these flags. */
static void traced(uint32_t flags, struct fault_record *ret, uint64_t *where,
                   size_t *n)
{
	static struct plan_maker maker;
	const struct fault_plan *plan;
	struct fault_plan *copy;
	struct fault_run *run;
	char ids[64];
	int plan_id, run_id;

	plan_maker_init(&maker, 1);
	plan = plan_maker_finish(&maker);
	copy = segment(plan->size, &plan_id);
	memcpy(copy, plan, plan->size);
	copy->flags = flags;
	run = segment(fault_run_bytes(copy, &size), &run_id);
	fault_run_init(run, copy, &size);
	snprintf(ids, sizeof(ids), "%d:%d", plan_id, run_id);
	*n = say(ids, where, *n);
	find(run, ret);
	shmdt(run);
	shmdt(copy);
}

static void a_record_has_the_frames_behind_its_caller(void **state)
{
	struct fault_record r;
	uint64_t where[DEPTH + 1] = {0};
	size_t n = DEPTH + 1, n_frames = sizeof(r.frames) / sizeof(r.frames[0]);

	(void)state;
	traced(PLAN_TRACE | PLAN_STACKS, &r, where, &n);
	assert_true(n > n_frames);
	assert_true(r.flags & RECORD_FRAMES);
	assert_true(r.caller != 0);
	for (size_t i = 0; i < n_frames; i++)
		if (r.frames[i] != where[i])
			fail_msg("frame %zu: %" PRIx64 ", not %" PRIx64, i,
			         r.frames[i], where[i]);
}

static void without_the_flag_it_has_none(void **state)
{
	struct fault_record r;
	uint64_t where[1];
	size_t n = 0;

	(void)state;
	traced(PLAN_TRACE, &r, where, &n);
	assert_false(r.flags & RECORD_FRAMES);
	assert_true(r.caller != 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_has_the_frames_behind_its_caller),
		cmocka_unit_test(without_the_flag_it_has_none),
	};

	if (argc == 2 && !strcmp(argv[1], "probe"))
		return probe();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	puts("1..0 # SKIP the frames are the sanitizer's own");
	return 0;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
