/*
 * command.c - see command.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/capture.h"
#include "runner/clock.h"
#include "runner/command.h"
#include "runner/launch.h"
#include "runner/machine.h"
#include "runner/quote.h"

enum {
	TAIL_LINES = 20,
	TAIL_BYTES = 4096
};

/* ---- its life ------------------------------------------------------------ */

/* Appended to: a command may open /dev/stderr anew. */
static int open_output(void)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	if (!tmp || tmp[0] != '/')
		tmp = "/tmp";
	fd = open(tmp, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0) /* a file system that has no such files */
		fd = memfd_create("fault-output", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int spawn(struct guardian *g, const struct segments *s,
                 struct command_process *p, int in)
{
	enum guardian_step step;
	struct guardian_program program = {
		.argv = p->command->argv,
		.in = in,
		.out = p->output,
		.err = p->output,
		.group = GROUP_OWN,
	};
	char **env = launch_command_environment(s);
	int r = -ENOMEM;

	program.env = env;
	if (env)
		r = guardian_spawn(g, &program, &p->pid, &step);
	launch_free(env);
	return r;
}

int command_start(struct guardian *g, const struct command *c,
                  const struct segments *s, struct command_process *p)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int r = in < 0 ? -errno : 0;

	*p = (struct command_process){.command = c, .output = -1};
	p->started_ns = now_ns();
	if (r == 0)
		r = p->output = open_output();
	if (r >= 0)
		r = spawn(g, s, p, in);
	if (in >= 0)
		close(in);
	if (r < 0)
		p->start_errno = -r;
	p->started = r == 0;
	return r;
}

bool command_take(struct command_process *p, const struct guardian_event *e)
{
	if (!p->started || p->exited || e->pid != p->pid)
		return false;
	if (e->kind == GUARDIAN_EXITED) {
		p->exited = true;
		p->status = e->status;
		p->ended_ns = now_ns();
	}
	return true;
}

void command_kill(struct guardian *g, struct command_process *p)
{
	if (!p->started || p->exited || p->killed)
		return;
	p->killed = true;
	guardian_signal(g, p->pid, SIGKILL, true);
}

void command_release(struct command_process *p)
{
	if (p->command && p->output >= 0)
		close(p->output);
	*p = (struct command_process){.output = -1};
}

/* ---- what it said -------------------------------------------------------- */

/* The end of it, at most TAIL_BYTES. */
static size_t read_output(const struct command_process *p, char *buf)
{
	off_t end = p->output < 0 ? 0 : lseek(p->output, 0, SEEK_END);
	off_t from = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
	ssize_t n = end > 0 ? pread(p->output, buf, TAIL_BYTES, from) : 0;

	return n > 0 ? (size_t)n : 0;
}

static void print_output(FILE *f, const struct command_process *p)
{
	char buf[TAIL_BYTES];
	struct capture c = {.data = buf, .len = read_output(p, buf)};
	size_t len;
	const char *s = capture_tail(&c, TAIL_LINES, TAIL_BYTES, &len);
	const char *end = s + len;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((nl ? nl : end) - s);

		fputs("\n| ", f);
		quote_line(f, s, n);
		s += n + (nl != NULL);
	}
}

static void print_end(FILE *f, const struct command_process *p)
{
	if (!p->started)
		fputs(strerror(p->start_errno), f);
	else if (!p->exited)
		fputs("did not end", f);
	else if (WIFSIGNALED(p->status))
		fprintf(f, "killed by SIG%s, expected exit status 0",
		        sigabbrev_np(WTERMSIG(p->status)));
	else
		fprintf(f, "exit status %d, expected 0",
		        WEXITSTATUS(p->status));
}

static void print_head(FILE *f, const struct command *c, const char *what)
{
	fprintf(f, "%s `", what);
	quote_words(f, c->argv);
	fputs("`: ", f);
}

bool command_is_well(const struct command_process *p)
{
	return p->exited && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0;
}

bool command_not_possible(const struct command_process *p)
{
	return !p->started && machine_is_short(-p->start_errno);
}

char *command_failed(const struct command_process *p, const char *what)
{
	return command_is_well(p) ? NULL : command_says(p, what, NULL);
}

char *command_says(const struct command_process *p, const char *what,
                   const char *said)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print_head(f, p->command, what);
	if (said)
		fputs(said, f);
	else
		print_end(f, p);
	print_output(f, p);
	fclose(f);
	return text;
}

char *command_last_line(const struct command_process *p)
{
	char buf[TAIL_BYTES];
	size_t len = read_output(p, buf), from;
	char *text = NULL;
	size_t size;
	FILE *f;

	while (len && strchr(" \t\r\n", buf[len - 1]))
		len--;
	for (from = len; from && buf[from - 1] != '\n'; from--)
		;
	if (from == len)
		return NULL;
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	quote_line(f, buf + from, len - from);
	fclose(f);
	return text;
}
