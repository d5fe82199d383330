/*
 * service.c - echo and source, both ends; contract in service.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "service.h"

#define PLURAL(n) ((n) == 1 ? "" : "s")

const struct service services[N_SERVICES] = {
	[SERVICE_ECHO_SERVER] =
		{
			.name = "echo",
			.about = "sends back what it receives, to end of file",
			.returns_input = true,
		},
	[SERVICE_SOURCE_SERVER] =
		{
			.name = "source",
			.about = "sends a stream, half-closes, drains to end "
				 "of file",
			.sends_stream = true,
		},
	[SERVICE_ECHO_CLIENT] =
		{
			.name = "echo",
			.about = "sends a stream and verifies that it comes "
				 "back",
			.sends_stream = true,
			.verifies = true,
		},
	[SERVICE_SOURCE_CLIENT] =
		{
			.name = "source",
			.about =
				"reads a stream to end of file and verifies it",
			.verifies = true,
		},
};

void session_init(struct session *s, const struct service *service,
                  uint64_t size, uint64_t window)
{
	memset(s, 0, sizeof(*s));
	s->service = service;
	s->size = size;
	s->window = window;
}

static bool sends_anything(const struct session *s)
{
	return s->service->returns_input || s->service->sends_stream;
}

/* Nothing will be added to the output any more. */
static bool output_complete(const struct session *s)
{
	if (s->service->returns_input)
		return s->input_ended;
	return s->n_made == s->size;
}

/*
 * A new chunk is made only when the one before is sent.  An echo client also
 * keeps within its window: whole chunks, so that an echo that trickles in does
 * not make it send in trickles too.
 */
static void make_output(struct session *s)
{
	uint64_t left = s->size - s->n_made;
	size_t len = left < SESSION_CHUNK ? (size_t)left : SESSION_CHUNK;

	if (!s->service->sends_stream || s->out_end > 0 || len == 0)
		return;
	if (s->service->verifies && s->n_made + len > s->received + s->window)
		return;
	pattern_fill(s->out, len, s->n_made, s->size);
	s->out_end = len;
	s->n_made += len;
}

size_t session_room(struct session *s, unsigned char **ret_bytes)
{
	if (s->input_ended)
		return 0;
	if (s->service->returns_input) {
		*ret_bytes = s->out + s->out_end;
		return sizeof(s->out) - s->out_end;
	}
	*ret_bytes = s->in;
	return sizeof(s->in);
}

/* The bytes in s->in are the next part of the stream, or say why not. */
static void verify(struct session *s, size_t len)
{
	size_t good = pattern_match(s->in, len, s->received);
	uint64_t offset = s->received + good;
	unsigned char want;

	if (s->complete) {
		snprintf(s->failure, sizeof(s->failure),
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
		snprintf(s->failure, sizeof(s->failure),
		         "bytes after the end of the stream, which was at "
		         "%" PRIu64,
		         offset + 1);
	else
		snprintf(s->failure, sizeof(s->failure),
		         "byte 0x%02x at offset %" PRIu64
		         " should have been 0x%02x",
		         s->in[good], offset, want);
}

static void verify_size(struct session *s)
{
	if (s->size == 0 || s->failure[0] != '\0')
		return;
	if (s->received > s->size || (s->complete && s->received < s->size))
		snprintf(s->failure, sizeof(s->failure),
		         "a stream of %s%" PRIu64 " byte%s instead of %" PRIu64,
		         s->complete ? "" : "at least ", s->received,
		         PLURAL(s->received), s->size);
}

void session_received(struct session *s, size_t len)
{
	if (s->service->returns_input)
		s->out_end += len;
	else if (s->service->verifies)
		verify(s, len);
	s->received += len;
	s->n_receives++;
	if (s->service->verifies)
		verify_size(s);
}

void session_input_end(struct session *s)
{
	s->input_ended = true;
	if (!s->service->verifies || s->complete || s->failure[0] != '\0')
		return;
	if (s->size > 0)
		snprintf(s->failure, sizeof(s->failure),
		         "end of file after %" PRIu64 " of %" PRIu64 " bytes",
		         s->received, s->size);
	else
		snprintf(s->failure, sizeof(s->failure),
		         "end of file after %" PRIu64
		         " byte%s, in the middle of the stream",
		         s->received, PLURAL(s->received));
}

size_t session_output(struct session *s, const unsigned char **ret_bytes)
{
	make_output(s);
	*ret_bytes = s->out + s->out_start;
	return s->out_end - s->out_start;
}

void session_sent(struct session *s, size_t len)
{
	s->sent += len;
	s->n_sends++;
	s->out_start += len;
	if (s->out_start == s->out_end) {
		s->out_start = 0;
		s->out_end = 0;
	}
}

bool session_owes_half_close(const struct session *s)
{
	return sends_anything(s) && !s->half_closed && output_complete(s) &&
	       s->out_start == s->out_end;
}

void session_half_closed(struct session *s)
{
	s->half_closed = true;
}

bool session_finished(const struct session *s)
{
	return s->input_ended && (s->half_closed || !sends_anything(s));
}

const char *session_failure(const struct session *s)
{
	return s->failure[0] != '\0' ? s->failure : NULL;
}
