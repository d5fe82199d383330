/*
 * message.h - what the reference programs say on stderr.
 *
 * One line per event, the program's name first, and for a failed call the
 * call, the peer, strerror's text and the errno's name:
 *
 *	server: recv from 127.0.0.1:4711: Connection reset by peer (ECONNRESET)
 *
 * Locking model: one fprintf per line on the unbuffered stderr; not for signal
 * handlers.
 */
#ifndef REFERENCE_MESSAGE_H
#define REFERENCE_MESSAGE_H

/* The name before the colon; a string that lives as long as the program. */
void message_program(const char *name);

/* A line of text; the newline is added here. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A call that failed: call ("recv from", "socket"), what it was about (an
 * address, or NULL) and a positive errno.
 */
void message_call(const char *call, const char *object, int err);

#endif
