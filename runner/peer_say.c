/*
 * peer_say.c - what went wrong, in one line each.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "runner/peer_internal.h"

enum {
	MAX_SAID = 20,  /* lines; a thousand clients fail alike */
	MAX_SHOWN = 60, /* bytes of a text that was expected */
};

static void print_byte(FILE *f, unsigned char b)
{
	switch (b) {
	case '\r':
		fputs("\\r", f);
		break;
	case '\n':
		fputs("\\n", f);
		break;
	case '\t':
		fputs("\\t", f);
		break;
	case '"':
	case '\\':
		fprintf(f, "\\%c", b);
		break;
	default:
		fprintf(f, b < 0x20 || b > 0x7e ? "\\x%02x" : "%c", b);
	}
}

static void print_bytes(FILE *f, const char *v, size_t n)
{
	fputc('"', f);
	for (size_t i = 0; i < n; i++)
		print_byte(f, (unsigned char)v[i]);
	fputc('"', f);
}

static void print_shown(FILE *f, const char *v, size_t n)
{
	print_bytes(f, v, n < MAX_SHOWN ? n : MAX_SHOWN);
	if (n > MAX_SHOWN)
		fputs("...", f);
}

static void print_recv(FILE *f, const struct step *s)
{
	switch (s->recv) {
	case RECV_TEXT:
		if (s->text.regex)
			fprintf(f, "recv /%s/", s->text.text);
		else
			fputs("recv ", f);
		if (!s->text.regex)
			print_shown(f, s->text.text, strlen(s->text.text));
		break;
	case RECV_SIZE:
		fprintf(f, "recv %" PRIu64 " B", s->size);
		break;
	case RECV_EOF:
		fputs("recv eof", f);
		break;
	case RECV_RESET:
		fputs("recv reset", f);
		break;
	}
}

static void print_send(FILE *f, const struct step *s)
{
	if (s->file)
		fprintf(f, "send file %s", s->file);
	else if (s->bytes)
		fputs("send ", f);
	else
		fprintf(f, "send %" PRIu64 " B", s->size);
	if (!s->file && s->bytes)
		print_shown(f, s->bytes, s->n_bytes);
}

static void print_event(FILE *f, const struct event *e)
{
	if (e->kind == EVENT_FILE)
		fprintf(f, "wait for file %s", e->path);
	else if (e->kind == EVENT_HIT)
		fprintf(f, "wait for hit %s", e->rule);
	else
		fputs("wait for an event", f);
}

static void print_step(FILE *f, const struct step *s)
{
	static const char *const words[N_STEP_KINDS] = {
		[STEP_REPEAT] = "repeat", [STEP_CLOSE] = "close",
		[STEP_RESET] = "reset",   [STEP_HALF_CLOSE] = "half_close",
		[STEP_ECHO] = "echo",     [STEP_DRAIN] = "drain",
	};

	if (s->kind == STEP_RECV)
		print_recv(f, s);
	else if (s->kind == STEP_SEND)
		print_send(f, s);
	else if (s->kind == STEP_WAIT_TIME)
		fprintf(f, "wait %gs", (double)s->time_ns / 1e9);
	else if (s->kind == STEP_WAIT_EVENT)
		print_event(f, &s->event);
	else if (s->kind < N_STEP_KINDS && words[s->kind])
		fputs(words[s->kind], f);
}

static bool begin_line(struct peer *p, const struct source_loc *loc)
{
	p->failed = true;
	if (p->n_said++ >= MAX_SAID) {
		if (p->n_said == MAX_SAID + 1)
			fputs("... and more\n", p->err);
		return false;
	}
	if (loc && loc->file)
		fprintf(p->err, "%s:%u:%u: ", loc->file, loc->line,
		        loc->column);
	return true;
}

static void end_line(struct peer *p)
{
	fputc('\n', p->err);
	fflush(p->err);
}

enum turn say_failed(struct conn *c, const struct step *s, size_t n,
                     const char *format, ...)
{
	struct peer *p = c->peer;
	va_list args;

	if (!begin_line(p, &s->loc))
		return TURN_FAILED;
	if (p->program->kind == PROGRAM_LISTEN)
		fprintf(p->err, "connection %" PRIu32 ": ", c->ordinal);
	fputs("expected ", p->err);
	print_step(p->err, s);
	fputs(", ", p->err);
	va_start(args, format);
	vfprintf(p->err, format, args);
	va_end(args);
	if (n > c->tail_len)
		n = c->tail_len;
	if (n) {
		fputs(": ", p->err);
		print_bytes(p->err, c->tail + c->tail_len - n, n);
	}
	end_line(p);
	return TURN_FAILED;
}

void say_program(struct peer *p, const struct source_loc *loc,
                 const char *format, ...)
{
	va_list args;

	if (!begin_line(p, loc))
		return;
	va_start(args, format);
	vfprintf(p->err, format, args);
	va_end(args);
	end_line(p);
}
