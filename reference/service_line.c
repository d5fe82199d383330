/*
 * service_line.c - requests and answers of a line each, several on one
 * connection; contract in service.h.
 *
 * A request is "NUMBER WORD", its answer "NUMBER DROW", the word backwards: so
 * the client knows each byte of an answer, and an answer to another request is
 * none.  The client asks when it has the answer to the request before, and
 * half-closes after the last one; the server then does, too.  Neither may rely
 * on a line coming in one piece, or on one line coming at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "service.h"

/* The longest line with its end. */
#define LINE_ROOM 1024

#define MAX_WORD 500

/* ---- both ends ---- */

/* Bytes up to and with the first end of line; 0: the line is not complete. */
static size_t line_len(const struct session *s)
{
	const unsigned char *end = memchr(s->in, '\n', s->in_len);

	return end ? (size_t)(end - s->in) + 1 : 0;
}

static void drop_line(struct session *s, size_t len)
{
	s->in_len -= len;
	memmove(s->in, s->in + len, s->in_len);
}

/* No more is read while a line waits for its answer. */
size_t line_room(struct session *s, unsigned char **ret_bytes)
{
	*ret_bytes = s->in + s->in_len;
	return line_len(s) > 0 ? 0 : LINE_ROOM - s->in_len;
}

void line_received(struct session *s, size_t len)
{
	s->in_len += len;
	if (s->in_len == LINE_ROOM && line_len(s) == 0)
		snprintf(s->failure, sizeof(s->failure),
		         "a line of more than %d bytes", LINE_ROOM);
}

/* ---- server ---- */

static void reverse(unsigned char *word, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		unsigned char byte = word[i];

		word[i] = word[len - 1 - i];
		word[len - 1 - i] = byte;
	}
}

void line_make_answer(struct session *s)
{
	size_t len = line_len(s);
	const unsigned char *space;
	size_t start;

	if (len == 0)
		return;
	memcpy(s->out, s->in, len);
	drop_line(s, len);
	space = memchr(s->out, ' ', len);
	start = space ? (size_t)(space - s->out) + 1 : 0;
	reverse(s->out + start, len - 1 - start);
	s->out_end = len;
	s->n_answered++;
}

bool line_all_answered(const struct session *s)
{
	return s->input_ended && line_len(s) == 0;
}

void line_server_input_end(struct session *s)
{
	/* What is behind the last end of line was begun and not ended. */
	if (s->in_len > 0 && s->in[s->in_len - 1] != '\n')
		snprintf(s->failure, sizeof(s->failure),
		         "end of file in the middle of a line, after %" PRIu64
		         " answers",
		         s->n_answered);
}

/* ---- client ---- */

/* Words of all lengths from 1 to MAX_WORD, of small letters. */
static size_t make_word(uint64_t number, char *word)
{
	size_t len = (size_t)(number * 37 % MAX_WORD) + 1;

	for (size_t i = 0; i < len; i++)
		word[i] =
			(char)('a' + pattern_byte(number * MAX_WORD + i) % 26);
	word[len] = '\0';
	return len;
}

void line_make_request(struct session *s)
{
	char word[MAX_WORD + 1];

	if (s->n_made == s->size || s->n_made > s->n_answered)
		return;
	s->n_made++;
	make_word(s->n_made, word);
	s->out_end = (size_t)snprintf((char *)s->out, sizeof(s->out),
	                              "%" PRIu64 " %s\n", s->n_made, word);
}

static bool answer_is_right(const struct session *s, size_t len)
{
	char want[MAX_WORD + 32];
	char word[MAX_WORD + 1];
	size_t word_len = make_word(s->n_made, word);
	int want_len;

	reverse((unsigned char *)word, word_len);
	want_len = snprintf(want, sizeof(want), "%" PRIu64 " %s\n", s->n_made,
	                    word);
	return len == (size_t)want_len && memcmp(s->in, want, len) == 0;
}

void line_client_received(struct session *s, size_t len)
{
	size_t answer;

	line_received(s, len);
	answer = line_len(s);
	if (answer == 0 && s->n_answered < s->n_made)
		return;
	if (s->n_answered == s->n_made || answer < s->in_len)
		snprintf(s->failure, sizeof(s->failure),
		         "more than the answer to request %" PRIu64, s->n_made);
	else if (!answer_is_right(s, answer))
		snprintf(s->failure, sizeof(s->failure),
		         "a wrong answer to request %" PRIu64, s->n_made);
	drop_line(s, answer);
	s->n_answered++;
}

bool line_all_asked(const struct session *s)
{
	return s->n_answered == s->size;
}

void line_client_input_end(struct session *s)
{
	if (s->n_answered < s->size)
		snprintf(s->failure, sizeof(s->failure),
		         "end of file after %" PRIu64 " of %" PRIu64 " answers",
		         s->n_answered, s->size);
}
