/*
 * service_stream.c - services of one long stream: echo, source, and what a
 * sink has of them; contract in service.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "pattern.h"
#include "service.h"

#define PLURAL(n) ((n) == 1 ? "" : "s")

/* ---- sending ---- */

static size_t next_len(const struct session *s)
{
	uint64_t left = s->size - s->n_made;

	return left < SESSION_CHUNK ? (size_t)left : SESSION_CHUNK;
}

/* A new chunk is made only when the one before is sent. */
void stream_make(struct session *s)
{
	size_t len = next_len(s);

	pattern_fill(s->out, len, s->n_made, s->size);
	s->out_end = len;
	s->n_made += len;
}

/*
 * An echo client keeps within its window: whole chunks, so that an echo that
 * trickles in does not make it send in trickles too.
 */
void stream_make_in_window(struct session *s)
{
	if (s->n_made + next_len(s) <= s->received + s->window)
		stream_make(s);
}

bool stream_is_made(const struct session *s)
{
	return s->n_made == s->size;
}

/* ---- verifying ---- */

/* The bytes in s->in are the next part of the stream, or say why not. */
void stream_verify(struct session *s, size_t len, char *text)
{
	size_t good = pattern_match(s->in, len, s->received);
	uint64_t offset = s->received + good;
	unsigned char want;

	if (s->complete) {
		snprintf(text, SESSION_TEXT,
		         "bytes after the end of the stream, which was at "
		         "%" PRIu64,
		         s->received);
		return;
	}
	if (good == len)
		return;
	want = pattern_byte(offset);
	s->complete = s->in[good] == (want | PATTERN_END_MARK);
	if (s->complete && good == len - 1)
		return;
	if (s->complete)
		snprintf(text, SESSION_TEXT,
		         "bytes after the end of the stream, which was at "
		         "%" PRIu64,
		         offset + 1);
	else
		snprintf(text, SESSION_TEXT,
		         "byte 0x%02x at offset %" PRIu64
		         " should have been 0x%02x",
		         s->in[good], offset, want);
}

/* After the bytes were verified; received does not have them yet. */
static void verify_size(struct session *s, uint64_t received)
{
	if (s->size == 0 || s->failure[0] != '\0')
		return;
	if (received > s->size || (s->complete && received < s->size))
		snprintf(s->failure, sizeof(s->failure),
		         "a stream of %s%" PRIu64 " byte%s instead of %" PRIu64,
		         s->complete ? "" : "at least ", received,
		         PLURAL(received), s->size);
}

void stream_verify_end(struct session *s, char *text)
{
	if (s->complete || text[0] != '\0')
		return;
	if (s->size > 0)
		snprintf(text, SESSION_TEXT,
		         "end of file after %" PRIu64 " of %" PRIu64 " bytes",
		         s->received, s->size);
	else
		snprintf(text, SESSION_TEXT,
		         "end of file after %" PRIu64
		         " byte%s, in the middle of the stream",
		         s->received, PLURAL(s->received));
}

void stream_received(struct session *s, size_t len)
{
	stream_verify(s, len, s->failure);
	verify_size(s, s->received + len);
}

void stream_input_end(struct session *s)
{
	stream_verify_end(s, s->failure);
}

/* ---- echo ---- */

size_t echo_room(struct session *s, unsigned char **ret_bytes)
{
	*ret_bytes = s->out + s->out_end;
	return sizeof(s->out) - s->out_end;
}

void echo_received(struct session *s, size_t len)
{
	s->out_end += len;
}

bool echo_is_complete(const struct session *s)
{
	return s->input_ended;
}
