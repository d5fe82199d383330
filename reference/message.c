/*
 * message.c - diagnostics of the reference programs; contract in message.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "message.h"

static const char *program = "reference";

void message_program(const char *name)
{
	program = name;
}

void message(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", program, text);
}

void message_call(const char *call, const char *object, int err)
{
	const char *what = strerrordesc_np(err);
	const char *name = strerrorname_np(err);

	message("%s%s%s: %s (%s)", call, object ? " " : "",
	        object ? object : "", what ? what : "unknown error",
	        name ? name : "?");
}
