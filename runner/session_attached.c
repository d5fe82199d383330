/*
 * session_attached.c - is the library in every process that it belongs in?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/clock.h"
#include "runner/session_internal.h"

#define ATTACH_NS (10 * NS_PER_S) /* a program attaches in its first ms */
#define YOUNG_NS  (500 * NS_PER_MS)

/* The exec failed, or a signal came before the new image could attach. */
static bool never_became(const struct instance_result *r,
                         const struct observed_process *p)
{
	if (!r->exited)
		return false;
	if (WIFSIGNALED(r->status))
		return r->ended_ns - p->exec_ns < YOUNG_NS;
	return WEXITSTATUS(r->status) == 126 || WEXITSTATUS(r->status) == 127;
}

/* We ended it before a busy machine let it come as far as that. */
static bool had_no_time(const struct instance_result *r)
{
	return r->exited && (r->stopped || r->killed || r->signals) &&
	       r->ended_ns - r->started_ns < ATTACH_NS;
}

static bool is_attached(const struct session *s, size_t i)
{
	const struct instance_result *r = &s->result->instances[i];
	const struct observed_process *p;

	p = observe_process(&s->observe, (uint32_t)r->pid);
	if (!p)
		return had_no_time(r);
	if (p->failed)
		return false;
	return !observe_lost_image(p) || never_became(r, p);
}

static void say_unattached(struct session *s, size_t i)
{
	char *why = session_unattached_reason(s, i);

	session_end(s, SESSION_ENVIRONMENT, s->result->instances[i].program,
	            "%s", why ? why : "not attached");
	free(why);
}

/* It is over, or has had the time: then the library must be in it. */
static bool is_due(const struct instance_result *r,
                   const struct observed_process *p, bool over)
{
	return r->exited || (p && (over || p->failed)) ||
	       now_ns() > r->started_ns + ATTACH_NS;
}

void session_check_attached(struct session *s)
{
	bool over = s->limit_ns && now_ns() >= s->limit_ns;

	for (size_t i = 0; i < s->result->n_instances; i++) {
		struct instance_result *r = &s->result->instances[i];
		const struct observed_process *p;

		if (!r->started || r->vetted ||
		    !session_has_library(s, r->program))
			continue;
		p = observe_process(&s->observe, (uint32_t)r->pid);
		if (!is_due(r, p, over))
			continue;
		if (!is_attached(s, i))
			say_unattached(s, i);
		else
			r->vetted = r->exited;
	}
}

/* The instance that the process belongs to, NULL: nobody knows. */
static const struct instance_result *owner(const struct session *s,
                                           const struct observed_process *p)
{
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (s->result->instances[i].started &&
		    (uint32_t)s->result->instances[i].pid == p->root &&
		    s->result->instances[i].program == p->program)
			return &s->result->instances[i];
	return NULL;
}

/* One of our signals may have come between its exec and its attach. */
static bool may_be_ended(const struct session *s,
                         const struct observed_process *p)
{
	const struct instance_result *r = owner(s, p);

	if (!r || (!r->stopped && !r->killed && !r->signals && !s->forwarded &&
	           !s->result->n_left))
		return false;
	return (r->exited ? r->ended_ns : now_ns()) - p->exec_ns < YOUNG_NS;
}

static bool is_unattached(const struct session *s,
                          const struct observed_process *p)
{
	return p->failed || (observe_lost_image(p) && !may_be_ended(s, p));
}

static struct unreached_run run_of(const struct session *s)
{
	return (struct unreached_run){s->options->library, s->segments.plan_id,
	                              s->segments.run_id};
}

/*
 * Looks until it is over: what a process is shows while it lives, and the later
 * the surer.  The first time as soon as its exec is told, as it may not live
 * long.  True: no more.
 */
static bool look(const struct session *s, struct observed_process *p,
                 int64_t now)
{
	const struct unreached_run run = run_of(s);

	if (!observe_lost_image(p))
		return true;
	if (now < p->seen.next_ns)
		return false;
	unreached_look(p->pid, &run, &p->seen);
	p->seen.settled |=
		p->seen.image && p->seen.alive && now - p->exec_ns > YOUNG_NS;
	p->seen.next_ns = now + (now - p->exec_ns);
	return !p->seen.alive || now - p->exec_ns > ATTACH_NS;
}

void session_look_at_pending(struct session *s)
{
	struct observe *o = &s->observe;
	int64_t now = o->n_pending ? now_ns() : 0;
	size_t n = 0;

	for (size_t i = 0; i < o->n_pending; i++)
		if (!look(s, &o->processes[o->pending[i]], now))
			o->pending[n++] = o->pending[i];
	o->n_pending = n;
}

enum unreached_why session_lost_reason(const struct session *s,
                                       const struct observed_process *p,
                                       char **ret)
{
	const char *dir = s->scenario->programs[p->program].dir;
	char path[sizeof(p->path)];
	enum reach reach;
	enum unreached_why why = unreached_why(&p->seen, p->path, dir, &reach);

	snprintf(path, sizeof(path), "%s", p->path);
	trace_clean(path);
	*ret = unreached_text(why, reach, &p->seen, path);
	return why;
}

/* It is over, and nothing says that it would not have been reached. */
static bool is_harmless(enum unreached_why why)
{
	return why == UNREACHED_KILLED || why == UNREACHED_GONE;
}

/* The first is kept, but rather one that matters. */
static void keep_note(struct session *s, char *text, bool harmless)
{
	struct session_result *r = s->result;

	if (r->unattached && (harmless || r->unattached_matters)) {
		free(text);
		return;
	}
	free(r->unattached);
	r->unattached = text;
	r->unattached_matters = !harmless;
}

static void note_unattached(struct session *s, const struct observed_process *p)
{
	const char *name = s->scenario->programs[p->program].name;
	enum unreached_why why = UNREACHED_UNKNOWN;
	char *reason = NULL, *text = NULL;
	bool harmless;

	if (!p->failed)
		why = session_lost_reason(s, p, &reason);
	harmless = is_harmless(why);
	if (why != UNREACHED_KILLED &&
	    asprintf(&text, "%s%sits process %u was not reached: %s", name,
	             *name ? ": " : "", p->pid, reason ? reason : p->what) < 0)
		text = NULL;
	free(reason);
	if (text && !harmless && !s->observe.programs[p->program].sockets)
		session_end(s, SESSION_ENVIRONMENT, p->program, "%s", text);
	if (text)
		keep_note(s, text, harmless);
}

void session_note_unattached(struct session *s)
{
	/* All of them are over: also one that was seen for the last time. */
	for (size_t i = 0; i < s->observe.n_pending; i++)
		s->observe.processes[s->observe.pending[i]].seen.next_ns = 0;
	session_look_at_pending(s);
	for (size_t i = 0; i < s->observe.n_processes; i++) {
		const struct observed_process *p = &s->observe.processes[i];

		/* The roots: session_check_attached(). */
		if (p->program < s->scenario->n_programs && p->pid != p->root &&
		    is_unattached(s, p))
			note_unattached(s, p);
	}
}
