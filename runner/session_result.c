/*
 * session_result.c - what is left of a session (session.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runner/cmd.h"
#include "runner/session.h"

bool program_is_service(const struct program *p)
{
	return p->ready != READY_NONE || p->kind == PROGRAM_LISTEN;
}

uint32_t session_n_instances(const struct session_result *r, size_t program)
{
	uint32_t n = 0;

	for (size_t i = 0; i < r->n_instances; i++)
		n += r->instances[i].program == program;
	return n;
}

void session_instance_name(const struct scenario *s,
                           const struct session_result *r, size_t i, char *buf,
                           size_t size)
{
	const struct instance_result *x = &r->instances[i];
	const struct program *p = &s->programs[x->program];
	uint32_t n = session_n_instances(r, x->program);
	const char *name = p->name && *p->name ? p->name : p->argv[0];

	if (n > 1)
		snprintf(buf, size, "%s (%u of %u)", name, x->number, n);
	else
		snprintf(buf, size, "%s", name);
}

bool session_script_gave_up(const struct instance_result *r)
{
	return r->exited && WIFEXITED(r->status) &&
	       WEXITSTATUS(r->status) == EXIT_ENVIRONMENT;
}

const char *session_how_ended(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "was killed by SIG%s",
		         sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(buf, size, "exited with status %d",
		         WEXITSTATUS(status));
	return buf;
}

void session_result_release(struct session_result *r)
{
	for (size_t i = 0; i < r->n_instances; i++) {
		capture_release(&r->instances[i].out);
		capture_release(&r->instances[i].err);
	}
	free(r->message);
	free(r->unattached);
	free(r->instances);
	free(r->rules);
	free(r->plan);
	*r = (struct session_result){0};
}
