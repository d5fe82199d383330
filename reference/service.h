/*
 * service.h - what is spoken over a connection, without the kernel.
 *
 * A session is the state machine of one connection: a loop puts in the bytes
 * it received and takes out the bytes to send, and does all system calls
 * itself.  So every I/O style drives the same services, and a style can only
 * differ in how it waits and which calls it uses.
 *
 * The loop's part:
 *
 *	session_room     -> read at most so many bytes there, then
 *	session_received    says how many came (short reads are normal)
 *	session_input_end   once, for end of file
 *	session_output   -> send from there, then
 *	session_sent        says how many were taken (short writes are normal)
 *	session_owes_half_close -> shutdown(SHUT_WR), then session_half_closed
 *
 * until session_finished, or until session_failure has a reason why the
 * stream is not what it should be.
 *
 * Locking model: a session belongs to one thread; nothing is shared.
 */
#ifndef REFERENCE_SERVICE_H
#define REFERENCE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes that one call receives or sends. */
#define SESSION_CHUNK 16384

#define SESSION_TEXT 160

struct session;

/*
 * One end of a service.  The hooks see the session after its core has counted:
 * a row without a hook does what the core does by itself.
 */
struct service {
	const char *name;
	const char *about;

	/* Sends nothing, so it never half-closes: its close is its FIN. */
	bool silent;

	/* Where input goes, in bytes; without: all of session.in. */
	size_t (*room)(struct session *s, unsigned char **ret_bytes);

	/* So many bytes have come, and end of file. */
	void (*received)(struct session *s, size_t len);
	void (*input_end)(struct session *s);

	/* When all is sent that was made: put more into session.out. */
	void (*make)(struct session *s);

	/* Nothing will be made any more. */
	bool (*complete)(const struct session *s);
};

/* Each service has two ends, the server's first. */
enum service_id {
	SERVICE_ECHO_SERVER,
	SERVICE_ECHO_CLIENT,
	SERVICE_SOURCE_SERVER,
	SERVICE_SOURCE_CLIENT,
	SERVICE_SINK_SERVER,
	SERVICE_SINK_CLIENT,
	SERVICE_LINE_SERVER,
	SERVICE_LINE_CLIENT,
	N_SERVICES,
};

extern const struct service services[N_SERVICES];

struct session {
	const struct service *service;
	uint64_t size;   /* of the stream, or how many lines; 0: not known */
	uint64_t window; /* most bytes sent and not yet echoed */
	uint64_t n_made; /* bytes of our stream, or lines, made so far */
	uint64_t n_answered;          /* lines */
	uint64_t received;            /* bytes */
	uint64_t sent;                /* bytes */
	uint64_t n_receives, n_sends; /* calls that moved something */
	bool complete;                /* the end mark was received */
	bool input_ended;             /* end of file was received */
	bool half_closed;             /* and we have sent ours */
	size_t out_start; /* out[out_start..out_end) waits to be sent */
	size_t out_end;
	size_t in_len; /* of a line that is not complete yet */
	unsigned char in[SESSION_CHUNK];
	unsigned char out[SESSION_CHUNK];
	char failure[SESSION_TEXT]; /* empty: none */
	char remark[SESSION_TEXT];  /* empty: none */
};

/*
 * Begin.  size is that of the stream to send or expected (0: unknown, for the
 * source client); window bounds what an echo client has in flight.
 */
void session_init(struct session *s, const struct service *service,
                  uint64_t size, uint64_t window);

/* Room for input, in bytes; 0: read nothing now (back-pressure, or ended). */
size_t session_room(struct session *s, unsigned char **ret_bytes);
void session_received(struct session *s, size_t len);
void session_input_end(struct session *s);

/* Bytes to send now; 0: none until more input came, or none any more. */
size_t session_output(struct session *s, const unsigned char **ret_bytes);
void session_sent(struct session *s, size_t len);

/* All was sent, and the peer has to be told by a FIN. */
bool session_owes_half_close(const struct session *s);
void session_half_closed(struct session *s);

/* Both directions have ended as they should. */
bool session_finished(const struct session *s);

/* What is wrong with the stream, or NULL. */
const char *session_failure(const struct session *s);

/*
 * What was wrong with it although the conversation ended in order, or NULL: a
 * sink tells its client first.
 */
const char *session_remark(const struct session *s);

/* ---- for the services ---- */

/* service_stream.c: verify what is in session.in; text as in session. */
void stream_verify(struct session *s, size_t len, char *text);
void stream_verify_end(struct session *s, char *text);
void stream_make(struct session *s);
bool stream_is_made(const struct session *s);

size_t echo_room(struct session *s, unsigned char **ret_bytes);
void echo_received(struct session *s, size_t len);
bool echo_is_complete(const struct session *s);
void stream_received(struct session *s, size_t len);
void stream_input_end(struct session *s);
void stream_make_in_window(struct session *s);

/* service_sink.c */
void sink_received(struct session *s, size_t len);
void sink_input_end(struct session *s);
void sink_make_verdict(struct session *s);
bool sink_has_judged(const struct session *s);
size_t verdict_room(struct session *s, unsigned char **ret_bytes);
void verdict_received(struct session *s, size_t len);
void verdict_input_end(struct session *s);

/* service_line.c */
size_t line_room(struct session *s, unsigned char **ret_bytes);
void line_received(struct session *s, size_t len);
void line_server_input_end(struct session *s);
void line_make_answer(struct session *s);
bool line_all_answered(const struct session *s);
void line_client_received(struct session *s, size_t len);
void line_client_input_end(struct session *s);
void line_make_request(struct session *s);
bool line_all_asked(const struct session *s);

#endif
