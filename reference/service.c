/*
 * service.c - the table of services, and what all sessions have in common;
 * contract in service.h.
 */
#include <string.h>

#include "service.h"

const struct service services[N_SERVICES] = {
	[SERVICE_ECHO_SERVER] =
		{
			.name = "echo",
			.about = "sends back what it receives, to end of file",
			.room = echo_room,
			.received = echo_received,
			.complete = echo_is_complete,
		},
	[SERVICE_ECHO_CLIENT] =
		{
			.name = "echo",
			.about = "sends a stream and verifies that it comes "
				 "back",
			.received = stream_received,
			.input_end = stream_input_end,
			.make = stream_make_in_window,
			.complete = stream_is_made,
		},
	[SERVICE_SOURCE_SERVER] =
		{
			.name = "source",
			.about = "sends a stream, half-closes, drains to end "
				 "of file",
			.make = stream_make,
			.complete = stream_is_made,
		},
	[SERVICE_SOURCE_CLIENT] =
		{
			.name = "source",
			.about =
				"reads a stream to end of file and verifies it",
			.silent = true,
			.received = stream_received,
			.input_end = stream_input_end,
		},
	[SERVICE_SINK_SERVER] =
		{
			.name = "sink",
			.about = "verifies a stream to end of file and "
				 "answers with its verdict",
			.received = sink_received,
			.input_end = sink_input_end,
			.make = sink_make_verdict,
			.complete = sink_has_judged,
		},
	[SERVICE_SINK_CLIENT] =
		{
			.name = "sink",
			.about = "sends a stream, half-closes, reads the "
				 "verdict",
			.room = verdict_room,
			.received = verdict_received,
			.input_end = verdict_input_end,
			.make = stream_make,
			.complete = stream_is_made,
		},
	[SERVICE_LINE_SERVER] =
		{
			.name = "line",
			.about = "answers each line with a line, to end of "
				 "file",
			.room = line_room,
			.received = line_received,
			.input_end = line_server_input_end,
			.make = line_make_answer,
			.complete = line_all_answered,
		},
	[SERVICE_LINE_CLIENT] =
		{
			.name = "line",
			.about = "sends lines, each after the answer to the "
				 "one before, and half-closes",
			.room = line_room,
			.received = line_client_received,
			.input_end = line_client_input_end,
			.make = line_make_request,
			.complete = line_all_asked,
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

size_t session_room(struct session *s, unsigned char **ret_bytes)
{
	if (s->input_ended)
		return 0;
	if (s->service->room)
		return s->service->room(s, ret_bytes);
	*ret_bytes = s->in;
	return sizeof(s->in);
}

void session_received(struct session *s, size_t len)
{
	if (s->service->received)
		s->service->received(s, len);
	s->received += len;
	s->n_receives++;
}

void session_input_end(struct session *s)
{
	s->input_ended = true;
	if (s->service->input_end)
		s->service->input_end(s);
}

size_t session_output(struct session *s, const unsigned char **ret_bytes)
{
	if (s->out_end == 0 && s->service->make)
		s->service->make(s);
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
	return !s->service->silent && !s->half_closed &&
	       s->out_start == s->out_end && s->service->complete(s);
}

void session_half_closed(struct session *s)
{
	s->half_closed = true;
}

bool session_finished(const struct session *s)
{
	return s->input_ended && (s->half_closed || s->service->silent);
}

const char *session_failure(const struct session *s)
{
	return s->failure[0] != '\0' ? s->failure : NULL;
}

const char *session_remark(const struct session *s)
{
	return s->remark[0] != '\0' ? s->remark : NULL;
}
