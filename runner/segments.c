/*
 * segments.c - see segments.h.
 */
#include <errno.h>
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

static void remember_layout(struct segments *s)
{
	const struct fault_run *r = s->run;

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
	remember_layout(&s);
	*ret = s;
	return 0;
}

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
