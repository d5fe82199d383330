/*
 * session_attached.c - is the library in every process that it belongs in
 * (decisions.md 10)?
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "runner/clock.h"
#include "runner/session_internal.h"

#define ATTACH_NS (10 * NS_PER_S) /* a program attaches in its first ms */
#define YOUNG_NS  (500 * NS_PER_MS)

/* The exec failed, or a signal came before the new image could attach. */
static bool never_became(const struct program_result *r,
                         const struct observed_process *p)
{
	if (!r->exited)
		return false;
	if (WIFSIGNALED(r->status))
		return r->ended_ns - p->exec_ns < YOUNG_NS;
	return WEXITSTATUS(r->status) == 126 || WEXITSTATUS(r->status) == 127;
}

static bool is_attached(const struct session *s, size_t i)
{
	const struct program_result *r = &s->result->programs[i];
	const struct observed_process *p;

	p = observe_process(&s->observe, (uint32_t)r->pid);
	if (!p || p->failed)
		return false;
	return !observe_lost_image(p) || never_became(r, p);
}

static void say_unattached(struct session *s, size_t i)
{
	char *why = session_unattached_reason(s, i);

	session_end(s, SESSION_ENVIRONMENT, i, "%s",
	            why ? why : "not attached");
	free(why);
}

/*
 * When a program has ended, or had ten seconds, or when the limit has come, the
 * library must be in it.
 */
void session_check_attached(struct session *s)
{
	bool over = s->limit_ns && now_ns() >= s->limit_ns;

	for (size_t i = 0; i < s->result->n_programs; i++) {
		const struct program_result *r = &s->result->programs[i];
		const struct observed_process *p;

		if (!r->started || !s->scenario->programs[i].attach)
			continue;
		p = observe_process(&s->observe, (uint32_t)r->pid);
		if ((r->exited || over || (p && p->failed) ||
		     now_ns() > r->started_ns + ATTACH_NS) &&
		    !is_attached(s, i))
			say_unattached(s, i);
	}
}

/* One of our signals may have come between its exec and its attach. */
static bool may_be_ended(const struct session *s,
                         const struct observed_process *p)
{
	const struct program_result *r = &s->result->programs[p->program];

	if (!r->stopped && !r->killed && !s->forwarded && !s->result->n_left)
		return false;
	return (r->exited ? r->ended_ns : now_ns()) - p->exec_ns < YOUNG_NS;
}

static bool is_unattached(const struct session *s,
                          const struct observed_process *p)
{
	return p->failed || (observe_lost_image(p) && !may_be_ended(s, p));
}

/* Processes below the programs, which go on without us (decisions.md 10). */
void session_note_unattached(struct session *s)
{
	for (size_t i = 0; i < s->observe.n_processes; i++) {
		const struct observed_process *p = &s->observe.processes[i];
		const struct program *owner;

		if (p->program >= s->scenario->n_programs ||
		    (pid_t)p->pid == s->result->programs[p->program].pid ||
		    !is_unattached(s, p))
			continue;
		owner = &s->scenario->programs[p->program];
		if (!s->result->unattached &&
		    asprintf(&s->result->unattached,
		             "%s: its process %u was not reached: %s",
		             owner->name, p->pid,
		             p->failed ? p->what
		                       : "it executed a program that the "
		                         "library did not attach to") < 0)
			s->result->unattached = NULL;
		if (!s->observe.programs[p->program].sockets &&
		    s->result->unattached)
			session_end(s, SESSION_ENVIRONMENT, p->program, "%s",
			            s->result->unattached);
	}
}
