/*
 * events.c - see events.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/arming.h"
#include "runner/clock.h"
#include "runner/events.h"
#include "runner/quote.h"
#include "runner/session_internal.h"
#include "runner/text.h"

/* Files report nothing: so often they are looked at. */
#define FILE_NS (20 * NS_PER_MS)
/* Hits and calls are in shared memory that wakes nobody. */
#define COUNT_NS (10 * NS_PER_MS)
/* What a program did last may still be on its way to us. */
#define BEHIND_NS (500 * NS_PER_MS)
/* A file may change twice within one tick of its clock. */
#define FRESH_NS (100 * NS_PER_MS)

enum {
	LINE_BYTES = 120
};

/* ---- programs ------------------------------------------------------------ */

/* All of it is over, and nothing starts it again but a step. */
static bool has_ended(const struct session *s, size_t program)
{
	return session_n_instances(s->result, program) &&
	       !session_is_running(s, program);
}

static enum event_state look_at_ready(const struct session *s, size_t program)
{
	const struct instance_result *last = NULL;

	for (size_t i = 0; i < s->result->n_instances; i++)
		if (s->result->instances[i].program == program)
			last = &s->result->instances[i];
	if (last && last->ready && session_has_begun(s, program))
		return EVENT_CAME;
	return last && has_ended(s, program) ? EVENT_NEVER : EVENT_NOT_YET;
}

/* Programs that are gone, but what is below them may still write. */
static bool is_mute(const struct session *s, size_t program)
{
	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == program && (r->out.fd >= 0 || r->err.fd >= 0))
			return false;
	}
	return has_ended(s, program);
}

static bool has_all(const struct capture *c, const struct text_list *has)
{
	return !text_missing(has, c->data, c->len);
}

static enum event_state look_at_output(const struct session *s,
                                       const struct event *e,
                                       struct event_look *look)
{
	bool found = false;
	uint64_t n = 1; /* so that the first look is one */

	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == e->program)
			n += r->out.len + r->err.len;
	}
	for (size_t i = 0; n != look->output && i < s->result->n_instances;
	     i++) {
		const struct instance_result *r = &s->result->instances[i];

		found |= r->program == e->program &&
		         (has_all(&r->out, &e->has) ||
		          has_all(&r->err, &e->has));
	}
	look->output = n;
	if (found)
		return EVENT_CAME;
	return is_mute(s, e->program) ? EVENT_NEVER : EVENT_NOT_YET;
}

/* ---- files --------------------------------------------------------------- */

static bool is_unchanged(const struct event_look *look, const struct stat *st)
{
	return look->was_there && look->size == st->st_size &&
	       look->changed.tv_sec == st->st_mtim.tv_sec &&
	       look->changed.tv_nsec == st->st_mtim.tv_nsec;
}

static bool is_fresh(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - st->st_mtim.tv_sec) * NS_PER_S + now.tv_nsec -
	               st->st_mtim.tv_nsec <
	       FRESH_NS;
}

static enum event_state look_at_file(const struct event *e,
                                     struct event_look *look)
{
	struct stat st;
	bool again;

	if (look->looked_ns && now_ns() < look->looked_ns + FILE_NS)
		return EVENT_NOT_YET;
	look->looked_ns = now_ns();
	if (stat(e->path, &st) < 0) {
		look->was_there = false;
		return EVENT_NOT_YET;
	}
	again = !is_unchanged(look, &st) || is_fresh(&st);
	look->was_there = true;
	look->size = st.st_size;
	look->changed = st.st_mtim;
	if (!e->has.n)
		return EVENT_CAME;
	return again && text_is_in_file(&e->has, e->path) ? EVENT_CAME
	                                                  : EVENT_NOT_YET;
}

/* ---- counts -------------------------------------------------------------- */

static uint64_t count_of(const struct session *s, const struct event *e)
{
	struct arming_group group = {0};

	if (e->kind == EVENT_CALL)
		return call_watches_count(&s->calls, e);
	arming_look(&s->segments, s->result->plan, e->rule, &group);
	return group.hits;
}

static bool is_long_over(const struct session *s, size_t program)
{
	for (size_t i = 0; i < s->result->n_instances; i++)
		if (s->result->instances[i].program == program &&
		    s->result->instances[i].ended_ns > now_ns() - BEHIND_NS)
			return false;
	return has_ended(s, program);
}

/*
 * A plain number is the N-th of them, and there may be more by the time that we
 * look.  Only a range has an upper end.
 */
static enum event_state look_at_count(const struct session *s,
                                      const struct event *e)
{
	int64_t n = (int64_t)count_of(s, e);

	if (n < e->count.min)
		return e->kind == EVENT_CALL && is_long_over(s, e->program)
		               ? EVENT_NEVER
		               : EVENT_NOT_YET;
	return e->count.min == e->count.max || n <= e->count.max ? EVENT_CAME
	                                                         : EVENT_NEVER;
}

enum event_state event_look(const struct session *s, const struct event *e,
                            struct event_look *look)
{
	switch (e->kind) {
	case EVENT_EXIT:
		return has_ended(s, e->program) ? EVENT_CAME : EVENT_NOT_YET;
	case EVENT_READY:
		return look_at_ready(s, e->program);
	case EVENT_OUTPUT:
		return look_at_output(s, e, look);
	case EVENT_FILE:
		return look_at_file(e, look);
	case EVENT_HIT:
	case EVENT_CALL:
		return look_at_count(s, e);
	}
	return EVENT_NEVER;
}

int64_t event_interval_ns(const struct event *e)
{
	if (e->kind == EVENT_FILE)
		return FILE_NS;
	return e->kind == EVENT_HIT || e->kind == EVENT_CALL ? COUNT_NS : 0;
}

/* ---- for people ---------------------------------------------------------- */

static const char *name_of(const struct session *s, size_t program)
{
	return program < s->scenario->n_programs
	               ? s->scenario->programs[program].name
	               : "any program";
}

static void print_texts(const struct text_list *has, FILE *out)
{
	for (size_t i = 0; i < has->n; i++) {
		const char *quote = has->v[i].regex ? "/" : "`";

		fprintf(out, "%s%s%s%s", i ? ", then " : "", quote,
		        has->v[i].text, quote);
	}
}

static void print_calls(const struct event *e, FILE *out)
{
	const char *separator = "";
	unsigned n = 0, more = 0;

	for (unsigned i = 1; i < N_CALLS; i++) {
		if (!(e->calls[i / 64] >> (i % 64) & 1))
			continue;
		if (n++ < 3) {
			fprintf(out, "%s%s", separator, fault_calls[i].symbol);
			separator = ", ";
		} else {
			more++;
		}
	}
	if (more)
		fprintf(out, " and %u more", more);
}

static void print_count(const struct range *r, FILE *out)
{
	if (r->min == r->max || r->max == INT64_MAX)
		fprintf(out, "%" PRId64 " ", r->min);
	else if (r->min <= 0)
		fprintf(out, "at most %" PRId64 " ", r->max);
	else
		fprintf(out, "%" PRId64 "..%" PRId64 " ", r->min, r->max);
}

void event_print(const struct session *s, const struct event *e, FILE *out)
{
	switch (e->kind) {
	case EVENT_EXIT:
		fprintf(out, "%s to exit", name_of(s, e->program));
		break;
	case EVENT_READY:
		fprintf(out, "%s to be ready", name_of(s, e->program));
		break;
	case EVENT_OUTPUT:
		print_texts(&e->has, out);
		fprintf(out, " in the output of %s", name_of(s, e->program));
		break;
	case EVENT_FILE:
		if (e->has.n) {
			print_texts(&e->has, out);
			fputs(" in ", out);
		}
		fprintf(out, "the file %s", e->path);
		break;
	case EVENT_HIT:
		print_count(&e->count, out);
		fprintf(out, "hit%s of %s", e->count.min == 1 ? "" : "s",
		        e->rule);
		break;
	case EVENT_CALL:
		print_count(&e->count, out);
		fprintf(out, "call%s of ", e->count.min == 1 ? "" : "s");
		print_calls(e, out);
		fprintf(out, " in %s", name_of(s, e->program));
		break;
	}
}

static void print_program(const struct session *s, size_t program, FILE *out)
{
	const struct instance_result *last = NULL;
	size_t running = 0;
	char how[64];

	for (size_t i = 0; i < s->result->n_instances; i++) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program != program)
			continue;
		last = r;
		running += instance_is_running(r);
	}
	fputs(name_of(s, program), out);
	if (!last)
		fputs(" was not started", out);
	else if (running > 1)
		fprintf(out, " still runs (%zu of them)", running);
	else if (running)
		fputs(last->ready ? " still runs" : " is not ready", out);
	else
		fprintf(out, " %s",
		        session_how_ended(last->status, how, sizeof(how)));
}

static void print_line(const char *line, size_t len, FILE *out)
{
	while (len && line[len - 1] == '\n')
		len--;
	fputc('`', out);
	quote_line(out, line, len);
	fputc('`', out);
}

static void print_output(const struct session *s, size_t program, FILE *out)
{
	const struct capture *c = NULL;
	const char *line;
	size_t len;

	for (size_t i = s->result->n_instances; !c && i-- > 0;) {
		const struct instance_result *r = &s->result->instances[i];

		if (r->program == program && r->err.len)
			c = &r->err;
		if (r->program == program && r->out.len)
			c = &r->out;
	}
	print_program(s, program, out);
	if (!c) {
		fputs(" and has written nothing", out);
		return;
	}
	line = capture_tail(c, 1, LINE_BYTES, &len);
	fputs(", its last line is ", out);
	print_line(line, len, out);
}

static void print_file(const char *path, FILE *out)
{
	struct stat st;

	if (stat(path, &st) < 0)
		fprintf(out, "it is not there (%s)", strerror(errno));
	else
		fprintf(out, "it has %lld bytes without that",
		        (long long)st.st_size);
}

void event_print_seen(const struct session *s, const struct event *e, FILE *out)
{
	switch (e->kind) {
	case EVENT_EXIT:
	case EVENT_READY:
		print_program(s, e->program, out);
		break;
	case EVENT_OUTPUT:
		print_output(s, e->program, out);
		break;
	case EVENT_FILE:
		print_file(e->path, out);
		break;
	case EVENT_HIT:
		fprintf(out, "it has %" PRIu64, count_of(s, e));
		break;
	case EVENT_CALL:
		fprintf(out, "there were %" PRIu64, count_of(s, e));
		if (e->program < s->scenario->n_programs &&
		    !session_is_running(s, e->program)) {
			fputs(", and ", out);
			print_program(s, e->program, out);
		}
		break;
	}
}
