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
 * Both return, and system may be cancelled: the text is in a mapping that goes
 * with the thread then.  Not on the stack, which may be PTHREAD_STACK_MIN.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "envp.h"
#include "exec.h"
#include "notes.h"

#include "poison.h"

enum {
	ONE_ARGUMENT = 32 * 4096, /* MAX_ARG_STRLEN, with its NUL */
	QUOTED = 4,               /* an apostrophe becomes so many */
};

typedef int run_shell(const char *);
typedef FILE *open_shell(const char *, const char *);

/* The mapping of a command that is being told: the copy, then the text. */
struct told {
	size_t size;
	char *const *copy;
	char *text;
	size_t len;
};

static pthread_key_t of_thread;
static bool has_key;

static void put(struct told *t, const char *from, size_t len)
{
	memcpy(t->text + t->len, from, len);
	t->len += len;
}

/* Between apostrophes only an apostrophe means something. */
static void put_quoted(struct told *t, const char *value)
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

/* false: there is none that a shell could export. */
static bool put_variables(struct told *t, const struct envp_need *need)
{
	bool any = false;

	put(t, "export", 6);
	for (char *const *v = t->copy; *v; v++) {
		size_t len = is_news(need, t->copy, *v) ? name_len(*v) : 0;

		if (!len)
			continue;
		any = true;
		put(t, " ", 1);
		put(t, *v, len + 1);
		put_quoted(t, *v + len + 1);
	}
	put(t, "; ", 2);
	return any;
}

/* What the export may take at most. */
static size_t most(const struct envp_need *need)
{
	size_t bytes = need->preload_len + sizeof("export :; ");

	for (size_t i = 0; i < envp_kept.n; i++)
		bytes += strlen(envp_kept.vars[i]) + sizeof(" ''");
	return bytes * QUOTED;
}

static struct told *map_told(const struct envp_need *need, size_t command_len)
{
	const size_t size = sizeof(struct told) + need->bytes + most(need) +
	                    command_len + 1;
	struct told *t = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED)
		return NULL;
	t->size = size;
	return t;
}

static void unmap_told(void *memory)
{
	struct told *t = memory;

	munmap(t, t->size);
}

/* The command with what is missing before it; NULL: it stays as it is. */
static struct told *tell(const char *command)
{
	char *const *envp = *envp_kept.environ;
	const struct envp_need need = envp_look(envp);
	const size_t len = strlen(command);
	struct told *t;

	/* The shell takes options for options, also behind its -c. */
	if (!need.bytes || *command == '-' || *command == '+')
		return NULL;
	t = map_told(&need, len);
	if (!t)
		return NULL;
	t->copy = envp_copy(&need, envp, t + 1);
	t->text = (char *)(t + 1) + need.bytes;
	if (put_variables(t, &need) && t->len + len < ONE_ARGUMENT) {
		put(t, command, len + 1);
		return t;
	}
	unmap_told(t);
	return NULL;
}

/* It is the thread's until forget(): with a NULL command libc is asked. */
static struct told *remember(const char *command)
{
	int saved = errno;
	struct told *t = command ? tell(command) : NULL;

	if (t && has_key)
		pthread_setspecific(of_thread, t);
	errno = saved;
	return t;
}

static void forget(struct told *t)
{
	int saved = errno;

	if (t && has_key)
		pthread_setspecific(of_thread, NULL);
	if (t)
		unmap_told(t);
	errno = saved;
}

void exec_shell_prepare(void)
{
	has_key = pthread_key_create(&of_thread, unmap_told) == 0;
}

int with_system(const char *command)
{
	struct told *t = remember(command);
	int result = ((run_shell *)note_system.next)(t ? t->text : command);

	forget(t);
	return result;
}

FILE *with_popen(const char *command, const char *mode)
{
	struct told *t = remember(command);
	FILE *result =
		((open_shell *)note_popen.next)(t ? t->text : command, mode);

	forget(t);
	return result;
}
