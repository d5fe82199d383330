/*
 * service.h - what is spoken over a connection, without the kernel.
 *
 * A session is the state machine of one connection: a loop puts in the bytes
 * it received and takes out the bytes to send, and does all system calls
 * itself.  So every I/O style drives the same four services, and a style can
 * only differ in how it waits and which calls it uses.
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

struct service {
	const char *name;
	const char *about;
	bool returns_input; /* sends what it received */
	bool sends_stream;  /* sends a stream of the session's size */
	bool verifies;      /* what it receives has to be such a stream */
};

enum service_id {
	SERVICE_ECHO_SERVER,
	SERVICE_SOURCE_SERVER,
	SERVICE_ECHO_CLIENT,
	SERVICE_SOURCE_CLIENT,
	N_SERVICES,
};

extern const struct service services[N_SERVICES];

struct session {
	const struct service *service;
	uint64_t size;                /* of the stream; 0: not known */
	uint64_t window;              /* most bytes sent and not yet echoed */
	uint64_t n_made;              /* bytes of our stream made so far */
	uint64_t received;            /* bytes */
	uint64_t sent;                /* bytes */
	uint64_t n_receives, n_sends; /* calls that moved something */
	bool complete;                /* the end mark was received */
	bool input_ended;             /* end of file was received */
	bool half_closed;             /* and we have sent ours */
	size_t out_start; /* out[out_start..out_end) waits to be sent */
	size_t out_end;
	unsigned char in[SESSION_CHUNK];
	unsigned char out[SESSION_CHUNK];
	char failure[160]; /* empty: none */
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

#endif
