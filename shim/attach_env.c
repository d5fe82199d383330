/*
 * attach_env.c - where plan and run come from (plan/env.h): the segments that
 * `fault` made, or, used alone, a scenario that is compiled here.
 *
 * A scenario that is not understood stops the program before main with
 * FAULT_EXIT_ATTACH: nobody runs a test under faults that were not understood.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "attach_alloc.h"
#include "engine/engine.h"
#include "lang/scenario.h"
#include "next.h"
#include "plan/env.h"

enum {
	UNMAPPED_USER = 65534 /* the default of /proc/sys/kernel/overflowuid */
};

/* --- under `fault` -------------------------------------------------------- */

/*
 * Made by root, or by who we are or were started as: that is `fault`, whatever
 * the program has become since.  A creator who has no number in this user
 * namespace cannot be told from another.
 */
static bool own_segment(const struct shmid_ds *ds)
{
	const uid_t creator = ds->shm_perm.cuid;

	return creator == 0 || creator == getuid() || creator == geteuid() ||
	       creator == UNMAPPED_USER;
}

static void *attach_segment(int id, int flags, size_t *ret_len)
{
	struct shmid_ds ds;
	void *p;

	if (shmctl(id, IPC_STAT, &ds) || !own_segment(&ds))
		return NULL;
	p = shmat(id, NULL, flags);
	if (p == (void *)-1)
		return NULL;
	*ret_len = ds.shm_segsz;
	return p;
}

/* Decimal digits up to `end`, no more than most; *text is behind it then. */
static bool read_number(const char **text, char end, uint64_t most,
                        uint64_t *ret)
{
	char *behind;

	if (**text < '0' || **text > '9')
		return false;
	*ret = strtoull(*text, &behind, 10); /* at an overflow the largest */
	if (*behind != end || *ret > most)
		return false;
	*text = behind + 1;
	return true;
}

/* What is no pair of ids is not from `fault`. */
static void attach_segments(const char *ids)
{
	const char *index = getenv(FAULT_ENV_PROGRAM);
	uint64_t plan_id, run_id, program = 0;
	size_t plan_len = 0, run_len = 0;
	const struct fault_plan *plan;
	struct fault_run *run;
	const char *wrong;

	if (!read_number(&ids, ':', INT_MAX, &plan_id) ||
	    !read_number(&ids, '\0', INT_MAX, &run_id) ||
	    (index && !read_number(&index, '\0', UINT32_MAX, &program)))
		return;
	/*
	 * Not there: another IPC namespace; or not ours.  The runner sees an
	 * image that did not attach and says so; the program runs untouched.
	 */
	plan = attach_segment((int)plan_id, SHM_RDONLY, &plan_len);
	run = attach_segment((int)run_id, 0, &run_len);
	if (!plan || !run)
		return;
	wrong = plan_check(plan, plan_len);
	if (!wrong)
		wrong = fault_run_check(run, run_len, plan);
	/* A runner of another version: nothing can be told but this. */
	if (wrong || program >= plan->n_programs)
		_exit(FAULT_EXIT_ATTACH);
	attach_run(plan, run, (uint32_t)program);
}

/* --- alone ---------------------------------------------------------------- */

static void complain(const char *text, size_t len)
{
	ssize_t ignored = next.write(2, text, len);

	(void)ignored;
}

static void stop(const struct diag_list *diags)
{
	char buf[4096];

	for (size_t i = 0; i < diags->n; i++) {
		size_t len;

		if (diags->v[i].kind != DIAG_ERROR)
			continue;
		len = diag_format(&diags->v[i], buf, sizeof(buf));
		complain("libfault: ", 10);
		complain(buf, len < sizeof(buf) ? len : sizeof(buf) - 1);
		break;
	}
	_exit(FAULT_EXIT_ATTACH);
}

static const char *variable(void *context, const char *name)
{
	char full[128];

	(void)context;
	if (!strcmp(name, "seed"))
		return getenv(FAULT_ENV_SEED) ? getenv(FAULT_ENV_SEED) : "0";
	if (snprintf(full, sizeof(full), FAULT_ENV_VAR "%s", name) >=
	    (int)sizeof(full))
		return NULL;
	return getenv(full);
}

static void complain_of(const char *path, const char *what)
{
	complain("libfault: ", 10);
	complain(path, strlen(path));
	complain(what, strlen(what));
}

/* Which of them is meant?  Those that may be are listed, all: it is none. */
static _Noreturn void refuse_cases(const struct suite *suite, const char *path,
                                   bool all)
{
	complain_of(path, all ? ": there is no such case; there are\n"
	                      : ": has several cases, say which\n");
	for (size_t i = 0; i < suite_n_cases(suite); i++) {
		const char *id = suite_case_id(suite, i);

		if (!all && !case_id_is_meant(path, id))
			continue;
		complain("    ", 4);
		complain(id, strlen(id));
		complain("\n", 1);
	}
	_exit(FAULT_EXIT_ATTACH);
}

static size_t choose_case(const struct suite *suite, const char *path)
{
	size_t n = 0, chosen = 0;

	for (size_t i = 0; i < suite_n_cases(suite); i++) {
		if (!case_id_is_meant(path, suite_case_id(suite, i)))
			continue;
		chosen = i;
		n++;
	}
	if (n != 1)
		refuse_cases(suite, path, n == 0);
	return chosen;
}

/* Without ::CASE and [...]; a file may have these in its name. */
static const char *file_of(const char *path, char *buf, size_t size)
{
	size_t len = case_id_file_len(path);
	struct stat there;

	if (stat(path, &there) == 0 || len >= size)
		return path;
	memcpy(buf, path, len);
	buf[len] = '\0';
	return buf;
}

static struct scenario *read_scenario(const char *path, struct diag_list *diags)
{
	struct suite_vars vars = {.lookup = variable};
	struct scenario *scenario = NULL;
	struct suite *suite;
	char file[4096];

	if (!path)
		return scenario_new();
	if (suite_load(file_of(path, file, sizeof(file)), &vars, &suite, diags))
		return NULL;
	if (suite_bind(suite, choose_case(suite, path), &vars, &scenario,
	               diags))
		scenario = NULL;
	suite_free(suite);
	return scenario;
}

void attach_refuse_stacks(const char *why)
{
	if (shim.alone) {
		complain("libfault: `caller`: ", 20);
		complain(why, strlen(why));
		complain("\n", 1);
	} else if (atomic_load(
			   &run_programs(shim.run)[shim.program].processes) >
	           1) {
		return;
	}
	_exit(FAULT_EXIT_ATTACH);
}

/* The seed: decimal digits and nothing else, or 0 when not given. */
static int read_seed(uint64_t *ret)
{
	const char *text = getenv(FAULT_ENV_SEED);
	char *end;

	*ret = 0;
	if (!text)
		return 0;
	errno = 0;
	*ret = strtoull(text, &end, 10); /* which takes blanks and signs, too */
	return errno || *text < '0' || *text > '9' || *end ? -EINVAL : 0;
}

/* The plan out of the memory that it was compiled in. */
static void *keep(const void *plan, size_t len)
{
	void *kept = mmap(NULL, len, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (kept == MAP_FAILED)
		return NULL;
	memcpy(kept, plan, len);
	mprotect(kept, len, PROT_READ);
	return kept;
}

/* Which of them is this?  Only `fault` can tell. */
static void refuse_programs(const char *path)
{
	complain_of(path, ": has several programs, run it with `fault run` or "
	                  "`fault exec --as NAME`\n");
	_exit(FAULT_EXIT_ATTACH);
}

static void *compile(const char *path, const char *rules, uint64_t seed)
{
	struct diag_list diags = {0};
	struct plan_options options = {.seed = seed};
	struct scenario *scenario = read_scenario(path, &diags);
	void *plan = NULL;
	size_t len = 0;

	if (scenario && scenario->n_programs > 1)
		refuse_programs(path);
	if (scenario && rules)
		scenario_add_rules(scenario, rules, FAULT_ENV_INJECT, &diags);
	if (!scenario || diags.n_errors ||
	    scenario_plan(scenario, &options, &plan, &len, &diags))
		stop(&diags);
	plan = keep(plan, len);
	attach_alloc_release();
	return plan;
}

/* Shared with the children of fork; an exec starts anew. */
static struct fault_run *own_run(const struct fault_plan *plan)
{
	struct fault_run_size size = fault_run_default;
	uint64_t len;
	void *mem;

	size.n_records = 0;
	len = fault_run_bytes(plan, &size);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
	           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	fault_run_init(mem, plan, &size);
	return mem;
}

static void attach_alone(const char *path, const char *rules)
{
	static const char bad_seed[] =
		"libfault: FAULT_SEED is not a decimal number\n";
	static const char no_memory[] = "libfault: no memory for the run\n";
	const struct fault_plan *plan;
	struct fault_run *run;
	uint64_t seed;

	if (read_seed(&seed)) {
		complain(bad_seed, sizeof(bad_seed) - 1);
		_exit(FAULT_EXIT_ATTACH);
	}
	plan = compile(path, rules, seed);
	run = plan ? own_run(plan) : NULL;
	if (!run) {
		complain(no_memory, sizeof(no_memory) - 1);
		_exit(FAULT_EXIT_ATTACH);
	}
	attach_run(plan, run, 0);
}

/*
 * A library that ld.so loads into a setuid program all the same (it is setuid
 * itself, or named in /etc/ld.so.preload) does nothing that the user who
 * started the program says.
 */
static void refuse_privileges(bool wanted)
{
	static const char text[] =
		"libfault: no faults in a program that runs with more "
		"privileges than its user (setuid, file capabilities)\n";

	if (!wanted)
		return;
	complain(text, sizeof(text) - 1);
	_exit(FAULT_EXIT_ATTACH);
}

void attach_from_environment(void)
{
	const char *ids = getenv(FAULT_ENV_SHM);
	const char *path = getenv(FAULT_ENV_SCENARIO);
	const char *rules = getenv(FAULT_ENV_INJECT);

	if (getauxval(AT_SECURE))
		refuse_privileges(path || rules);
	else if (ids)
		attach_segments(ids);
	else if (path || rules)
		attach_alone(path, rules);
}
