/*
 * session_ready.c - who is ready; START: programs in file order, each when the
 * one before is ready.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/clock.h"
#include "runner/listening.h"
#include "runner/session_internal.h"
#include "runner/text.h"

#define MUTE_NS (100 * NS_PER_MS)

static bool said(const struct session *s, const struct instance_result *r)
{
	const struct text_match *t =
		&s->scenario->programs[r->program].ready_text;

	return text_find(t, r->out.data, r->out.len, 0) >= 0 ||
	       text_find(t, r->err.data, r->err.len, 0) >= 0;
}

bool session_listens(const struct session *s, const struct instance_result *r)
{
	return session_has_library(s, r->program)
	               ? observe_listens(&s->observe, (uint32_t)r->pid)
	               : tree_listens(r->pid);
}

static bool is_ready(const struct session *s, const struct instance_result *r)
{
	if (!session_is_service(s, r->program))
		return true;
	if (s->scenario->programs[r->program].ready == READY_TEXT)
		return said(s, r);
	return session_listens(s, r);
}

/* It can not become ready any more, though nobody expected that. */
static void not_ready(struct session *s, size_t i)
{
	const struct instance_result *r = &s->result->instances[i];
	const struct program *p = &s->scenario->programs[r->program];
	char how[64], name[256];

	session_instance_name(s->scenario, s->result, i, name, sizeof(name));
	session_end(s, SESSION_NOT_READY, r->program,
	            "%s %s before it was ready (%s)%s", name,
	            session_how_ended(r->status, how, sizeof(how)),
	            p->ready == READY_TEXT ? p->ready_text.text : "listening",
	            WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0
	                    ? "; if it goes into the background, give it the "
	                      "option that keeps it in the foreground"
	                    : "");
}

static void say_mute(struct session *s, size_t i)
{
	size_t program = s->result->instances[i].program;
	char name[256];

	session_instance_name(s->scenario, s->result, i, name, sizeof(name));
	session_end(s, SESSION_NOT_READY, program,
	            "%s closed its output before it said `%s`", name,
	            s->scenario->programs[program].ready_text.text);
}

/* One that ends closes its output too, and how it ended says more. */
static bool is_mute(const struct session *s, struct instance_result *r)
{
	if (s->scenario->programs[r->program].ready != READY_TEXT ||
	    r->out.fd >= 0 || r->err.fd >= 0)
		return false;
	if (!r->mute_ns)
		r->mute_ns = now_ns();
	return now_ns() > r->mute_ns + MUTE_NS;
}

static void check_ready(struct session *s, size_t i)
{
	struct instance_result *r = &s->result->instances[i];

	if (!r->started || r->ready)
		return;
	r->ready = is_ready(s, r);
	if (r->ready || r->by_step)
		return;
	if (r->exited && !session_may_end_early(s, r->program))
		not_ready(s, i);
	else if (!r->exited && is_mute(s, r))
		say_mute(s, i);
}

void session_check_ready(struct session *s)
{
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (s->phase < PHASE_STOP)
			check_ready(s, i);
}

bool session_has_begun(const struct session *s, size_t program)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == program && !r->ready && !r->exited)
			return false;
	}
	return session_n_instances(s->result, program) > 0;
}

static bool starts_by_itself(const struct session *s, size_t program)
{
	if (s->options->passthrough)
		return program == s->options->only;
	return s->scenario->programs[program].started;
}

void session_start_phase(struct session *s)
{
	size_t n = s->scenario->n_programs;

	for (; s->phase == PHASE_START && s->at < n; s->at++) {
		if (!starts_by_itself(s, s->at))
			continue;
		if (!session_n_instances(s->result, s->at) &&
		    !session_start_program(s, s->at))
			return;
		session_check_ready(s);
		if (!session_has_begun(s, s->at))
			return;
	}
	if (s->phase == PHASE_START)
		s->phase = PHASE_RUN;
}
