/*
 * session_ready.c - START: programs in file order, each when the one before is
 * ready.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/listening.h"
#include "runner/session_internal.h"
#include "runner/text.h"

static bool said(const struct session *s, size_t i)
{
	const struct text_match *t = &s->scenario->programs[i].ready_text;
	const struct program_result *r = &s->result->programs[i];

	return text_find(t, r->out.data, r->out.len, 0) >= 0 ||
	       text_find(t, r->err.data, r->err.len, 0) >= 0;
}

static bool is_ready(const struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];

	switch (p->ready) {
	case READY_NONE:
		return true;
	case READY_LISTENING:
		return p->attach ? s->observe.programs[i].listening
		                 : tree_listens(s->result->programs[i].pid);
	case READY_TEXT:
		return said(s, i);
	}
	return false;
}

static void describe_end(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "was killed by SIG%s",
		         sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(buf, size, "exited with status %d",
		         WEXITSTATUS(status));
}

/* It can not become ready any more, though nobody expected that. */
static void not_ready(struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];
	const struct program_result *r = &s->result->programs[i];
	char how[64];

	describe_end(r->status, how, sizeof(how));
	session_end(s, SESSION_NOT_READY, i, "%s %s before it was ready (%s)%s",
	            p->name, how,
	            p->ready == READY_LISTENING ? "listening"
	                                        : p->ready_text.text,
	            WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0
	                    ? "; if it goes into the background, give it the "
	                      "option that keeps it in the foreground"
	                    : "");
}

static bool is_mute(const struct session *s, size_t i)
{
	const struct program_result *r = &s->result->programs[i];

	return s->scenario->programs[i].ready == READY_TEXT && r->out.fd < 0 &&
	       r->err.fd < 0;
}

void session_start_phase(struct session *s)
{
	size_t n = s->scenario->n_programs;

	while (s->phase == PHASE_START && s->at < n) {
		struct program_result *r = &s->result->programs[s->at];

		if (s->options->passthrough && s->at != s->options->only) {
			s->at++;
			continue;
		}
		if (!r->started && !session_start_program(s, s->at))
			return;
		r->ready = r->ready || is_ready(s, s->at);
		if (!r->ready && r->exited && !session_may_end_early(s, s->at))
			not_ready(s, s->at);
		else if (!r->ready && !r->exited && is_mute(s, s->at))
			session_end(
				s, SESSION_NOT_READY, s->at,
				"%s closed its output before it said `%s`",
				s->scenario->programs[s->at].name,
				s->scenario->programs[s->at].ready_text.text);
		if (!r->ready && !r->exited)
			return;
		s->at++;
	}
	if (s->phase == PHASE_START)
		s->phase = PHASE_RUN;
}
