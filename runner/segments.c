/*
 * segments.c - see segments.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "runner/segments.h"

/* Created, attached and already marked for removal; NULL with errno. */
static void *create(size_t size, int *ret_id, const char **ret_call)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0666);
	void *memory;

	*ret_call = "shmget";
	if (id < 0)
		return NULL;
	memory = shmat(id, NULL, 0);

	int err = errno;

	shmctl(id, IPC_RMID, NULL);
	*ret_call = "shmat";
	errno = err;
	if (memory == (void *)-1)
		return NULL;
	*ret_id = id;
	return memory;
}

void segments_remember(struct segments *s, const struct fault_run *r)
{
	s->n = (struct fault_run_size){
		.n_processes = r->n_processes,
		.n_socks = r->n_socks,
		.n_watches = r->n_watches,
		.n_cells = r->n_cells,
		.n_records = r->n_records,
	};
	s->n_programs = r->n_programs;
	s->n_rules = r->n_rules;
	s->programs_off = r->programs_off;
	s->rules_off = r->rules_off;
	s->processes_off = r->processes_off;
	s->records_off = r->records_off;
	memcpy(s->head, r, sizeof(s->head));
}

bool segments_intact(const struct segments *s)
{
	return memcmp(s->head, s->run, sizeof(s->head)) == 0;
}

int segments_create(const void *plan, size_t plan_len, struct segments *ret,
                    const char **ret_call)
{
	struct segments s = {0};

	s.run_len = fault_run_bytes(plan, &fault_run_default);
	s.plan_memory = create(plan_len, &s.plan_id, ret_call);
	if (!s.plan_memory)
		return -errno;
	s.run = create(s.run_len, &s.run_id, ret_call);
	if (!s.run) {
		int err = errno;

		shmdt(s.plan_memory);
		return -err;
	}
	memcpy(s.plan_memory, plan, plan_len);
	fault_run_init(s.run, plan, &fault_run_default);
	segments_remember(&s, s.run);
	*ret = s;
	return 0;
}

/* ---- somebody else's ----------------------------------------------------- */

/* Decimal, up to the byte `until`, which *ret_end then points to. */
static bool parse_id(const char *s, char until, const char **ret_end, int *ret)
{
	char *end;
	long id;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	id = strtol(s, &end, 10);
	*ret = (int)id;
	*ret_end = end;
	return !errno && id <= INT_MAX && *end == until;
}

/* "PLAN:RUN" of plan/env.h. */
static bool parse_ids(const char *ids, int *ret_plan, int *ret_run)
{
	return parse_id(ids, ':', &ids, ret_plan) &&
	       parse_id(ids + 1, '\0', &ids, ret_run);
}

/* 0, -ENOENT when it is not there (any more), or -errno. */
static int attach(int id, int flags, void **ret, size_t *ret_len)
{
	struct shmid_ds ds;
	void *memory = shmat(id, NULL, flags);
	int err;

	if (memory == (void *)-1)
		return errno == EINVAL || errno == EIDRM ? -ENOENT : -errno;
	if (shmctl(id, IPC_STAT, &ds)) {
		err = -errno;
		shmdt(memory);
		return err;
	}
	*ret = memory;
	*ret_len = ds.shm_segsz;
	return 0;
}

/* Copied before it is checked: a program could still write to it. */
static int copy_plan(int id, struct fault_plan **ret, const char **ret_why)
{
	void *memory;
	size_t len;
	int r = attach(id, SHM_RDONLY, &memory, &len);

	if (r < 0)
		return r;

	struct fault_plan *plan = len <= PLAN_MAX_SIZE ? malloc(len) : NULL;

	if (plan)
		memcpy(plan, memory, len);
	shmdt(memory);
	*ret_why = plan ? plan_check(plan, len) : "the plan is too large";
	if (*ret_why) {
		free(plan);
		return -EBADMSG;
	}
	*ret = plan;
	return 0;
}

static int attach_run(struct segments *s, const struct fault_plan *plan,
                      const char **ret_why)
{
	struct fault_run head;
	void *memory;
	size_t len;
	int r = attach(s->run_id, 0, &memory, &len);

	if (r < 0)
		return r;
	s->run = memory;
	s->run_len = len;
	*ret_why = "the run is shorter than its header";
	if (len >= sizeof(head)) {
		memcpy(&head, memory, sizeof(head));
		*ret_why = fault_run_check(&head, len, plan);
	}
	if (*ret_why) {
		shmdt(memory);
		return -EBADMSG;
	}
	segments_remember(s, &head);
	return 0;
}

int segments_attach(const char *ids, struct segments *ret,
                    struct fault_plan **ret_plan, const char **ret_why)
{
	struct segments s = {0};
	struct fault_plan *plan;
	int r;

	*ret_why = NULL;
	if (!parse_ids(ids, &s.plan_id, &s.run_id))
		return -EINVAL;
	r = copy_plan(s.plan_id, &plan, ret_why);
	if (r < 0)
		return r;
	r = attach_run(&s, plan, ret_why);
	if (r < 0) {
		free(plan);
		return r;
	}
	*ret = s;
	*ret_plan = plan;
	return 0;
}

/* ---- of both kinds ------------------------------------------------------- */

void segments_release(struct segments *s)
{
	if (s->plan_memory)
		shmdt(s->plan_memory);
	if (s->run)
		shmdt(s->run);
	*s = (struct segments){0};
}

static void *element(const struct segments *s, uint64_t off, size_t size,
                     uint32_t i, uint32_t n)
{
	return i < n ? (char *)s->run + off + i * size : NULL;
}

struct fault_program_state *segments_program(const struct segments *s,
                                             uint32_t i)
{
	return element(s, s->programs_off, sizeof(struct fault_program_state),
	               i, s->n_programs);
}

struct fault_rule_state *segments_rule(const struct segments *s, uint32_t i)
{
	return element(s, s->rules_off, sizeof(struct fault_rule_state), i,
	               s->n_rules);
}

struct fault_process *segments_process(const struct segments *s, uint32_t i)
{
	return element(s, s->processes_off, sizeof(struct fault_process), i,
	               s->n.n_processes);
}

struct fault_record *segments_record(const struct segments *s, uint64_t ticket)
{
	return element(s, s->records_off, sizeof(struct fault_record),
	               (uint32_t)(ticket % s->n.n_records), s->n.n_records);
}
