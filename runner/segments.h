/*
 * segments.h - the two shared memory segments of one run.
 *
 * Both are marked for removal as soon as they are attached here: nothing is
 * left behind however `fault` ends, and while `fault` lives its programs can
 * attach them by their ids, whatever user, root or descriptors they have.
 * Programs write to the run segment: the layout is remembered here, and what
 * is read there is checked against it, never against the segment's own words.
 */
#ifndef FAULT_RUNNER_SEGMENTS_H
#define FAULT_RUNNER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "plan/run.h"

struct segments {
	int plan_id, run_id;
	void *plan_memory; /* the programs' copy of the plan, or NULL */
	struct fault_run *run;
	uint64_t run_len;
	/* Private: as fault_run_init() laid it out. */
	struct fault_run_size n;
	uint32_t n_programs, n_rules;
	uint64_t programs_off, rules_off, processes_off, records_off;
	unsigned char head[offsetof(struct fault_run, used_processes)];
};

/*
 * plan: plan_len bytes that passed plan_check().  0, or -errno with ret_call
 * naming the system call that failed.
 */
int segments_create(const void *plan, size_t plan_len, struct segments *ret,
                    const char **ret_call);

/*
 * The segments that another `fault` made: ids is its FAULT_SHM (plan/env.h).
 * What lies there may have been written by anybody: the plan is copied before
 * it is checked and belongs to the caller (free()), who also releases ret;
 * plan_memory is NULL.
 *
 * 0; -EINVAL: ids is not PLAN:RUN; -ENOENT: there are no such segments (any
 * more), or not in this IPC namespace; -EBADMSG: they are no run, and ret_why
 * says why; other -errno of shmat(2) and shmctl(2).
 */
int segments_attach(const char *ids, struct segments *ret,
                    struct fault_plan **ret_plan, const char **ret_why);

/*
 * Where things lie in a run that was checked, or is ours and nobody else has it
 * yet.  r: its first part, a copy of it unless it is ours.
 */
void segments_remember(struct segments *s, const struct fault_run *r);

/* Detaches; for good when no other process has them. */
void segments_release(struct segments *s);

/* Element i of an array of the run, NULL when there is none. */
struct fault_program_state *segments_program(const struct segments *s,
                                             uint32_t i);
struct fault_rule_state *segments_rule(const struct segments *s, uint32_t i);
struct fault_process *segments_process(const struct segments *s, uint32_t i);

/* Is the constant part of the run as it was?  false: something wrote over it.
 */
bool segments_intact(const struct segments *s);

/* The slot of a ticket. */
struct fault_record *segments_record(const struct segments *s, uint64_t ticket);

#endif
