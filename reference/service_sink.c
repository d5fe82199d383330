/*
 * service_sink.c - the client sends a stream and the server judges it;
 * contract in service.h.
 *
 * A send that succeeded proves nothing: the bytes may wait in a buffer that a
 * reset throws away.  So the server verifies each byte and, after end of file,
 * says "ok SIZE" or "bad: WHY" in a line, and only that line tells the client
 * that all has arrived.  Of a stream that is wrong the server reads the rest
 * as well: closing with unread bytes would be a reset, and the verdict lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "service.h"

/* ---- server ---- */

void sink_received(struct session *s, size_t len)
{
	if (s->remark[0] == '\0')
		stream_verify(s, len, s->remark);
}

void sink_input_end(struct session *s)
{
	stream_verify_end(s, s->remark);
}

void sink_make_verdict(struct session *s)
{
	int len;

	if (!s->input_ended || s->n_made > 0)
		return;
	if (s->remark[0] == '\0')
		len = snprintf((char *)s->out, sizeof(s->out),
		               "ok %" PRIu64 "\n", s->received);
	else
		len = snprintf((char *)s->out, sizeof(s->out), "bad: %s\n",
		               s->remark);
	s->out_end = (size_t)len;
	s->n_made = 1;
}

bool sink_has_judged(const struct session *s)
{
	return s->n_made > 0;
}

/* ---- client ---- */

size_t verdict_room(struct session *s, unsigned char **ret_bytes)
{
	*ret_bytes = s->in + s->in_len;
	return SESSION_TEXT - s->in_len;
}

/* A whole line, without its end. */
static void judge(struct session *s, const char *line)
{
	char want[32];

	snprintf(want, sizeof(want), "ok %" PRIu64, s->size);
	s->complete = true;
	if (strcmp(line, want) != 0)
		snprintf(s->failure, sizeof(s->failure),
		         "the verdict on %" PRIu64 " bytes is '%.80s'", s->size,
		         line);
}

void verdict_received(struct session *s, size_t len)
{
	unsigned char *end;

	s->in_len += len;
	end = memchr(s->in, '\n', s->in_len);
	if (s->complete || (end && end != s->in + s->in_len - 1)) {
		snprintf(s->failure, sizeof(s->failure),
		         "bytes after the verdict");
	} else if (end) {
		*end = '\0';
		judge(s, (const char *)s->in);
	} else if (s->in_len >= SESSION_TEXT - 1) {
		snprintf(s->failure, sizeof(s->failure),
		         "a verdict without an end");
	}
}

void verdict_input_end(struct session *s)
{
	if (!s->complete)
		snprintf(s->failure, sizeof(s->failure),
		         "end of file after %" PRIu64
		         " bytes were sent, without a verdict",
		         s->sent);
}
