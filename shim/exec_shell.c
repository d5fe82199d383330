/*
 * exec_shell.c - system and popen (exec.h).
 *
 * libc starts their shell with `environ`, by functions of its own inside: the
 * shell is out of reach when `environ` lacks us.  What it starts is not: the
 * command is preceded by an `export`, on the same line, so that what the shell
 * says of lines stays true.  It shows in the shell's own arguments (ps), and
 * where bash is the shell in what it quotes of a command that it does not
 * understand.
 *
 * Both return, and both may be cancelled: nothing is held, the text is on the
 * stack.  One that does not fit there is left alone.
 */
#include <stdint.h>
#include <string.h>

#include "envp.h"
#include "exec.h"
#include "notes.h"

#include "poison.h"

enum {
	ON_STACK = 8192
};

typedef int run_shell(const char *);
typedef FILE *open_shell(const char *, const char *);

/* Text that is counted only while `to` is NULL. */
struct text {
	char *to;
	size_t len;
};

static void put(struct text *t, const char *from, size_t len)
{
	if (t->to)
		memcpy(t->to + t->len, from, len);
	t->len += len;
}

/* Between apostrophes only an apostrophe means something. */
static void put_quoted(struct text *t, const char *value)
{
	put(t, "'", 1);
	for (; *value; value++) {
		if (*value == '\'')
			put(t, "'\\'", 3);
		put(t, value, 1);
	}
	put(t, "'", 1);
}

/* The length of a name that a shell can export, 0: it cannot. */
static size_t name_len(const char *entry)
{
	size_t len = strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "abcdefghijklmnopqrstuvwxyz0123456789_");

	return entry[len] == '=' ? len : 0;
}

/* Is this entry of a copy one that was put back or merged? */
static bool is_news(const struct envp_need *need, char *const *copy,
                    const char *entry)
{
	const uintptr_t offset = (uintptr_t)entry - (uintptr_t)copy;

	for (size_t i = 0; i < envp_kept.n; i++)
		if (entry == envp_kept.vars[i])
			return true;
	return offset < need->bytes;
}

static void put_variables(struct text *t, const struct envp_need *need,
                          char *const *copy)
{
	put(t, "export", 6);
	for (char *const *v = copy; *v; v++) {
		size_t len = is_news(need, copy, *v) ? name_len(*v) : 0;

		if (!len)
			continue;
		put(t, " ", 1);
		put(t, *v, len + 1);
		put_quoted(t, *v + len + 1);
	}
	put(t, "; ", 2);
}

static void put_command(struct text *t, const struct envp_need *need,
                        char *const *copy, const char *command)
{
	put_variables(t, need, copy);
	put(t, command, strlen(command) + 1);
}

/* The command with its prefix, or as it is; in a frame of the caller's. */
#define TELL(command)                                                          \
	do {                                                                   \
		char *const *envp = *envp_kept.environ;                        \
		const struct envp_need need = envp_look(envp);                 \
		struct text text = {0};                                        \
                                                                               \
		if (!need.bytes || need.bytes > ON_STACK)                      \
			break;                                                 \
		envp = envp_copy(&need, envp, __builtin_alloca(need.bytes));   \
		put_command(&text, &need, envp, command);                      \
		if (text.len > ON_STACK)                                       \
			break;                                                 \
		text = (struct text){.to = __builtin_alloca(text.len)};        \
		put_command(&text, &need, envp, command);                      \
		(command) = text.to;                                           \
	} while (0)

int with_system(const char *command)
{
	/* NULL asks whether there is a shell. */
	if (command)
		TELL(command);
	return ((run_shell *)note_system.next)(command);
}

FILE *with_popen(const char *command, const char *mode)
{
	TELL(command);
	return ((open_shell *)note_popen.next)(command, mode);
}
