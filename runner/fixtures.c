/*
 * fixtures.c - see fixtures.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/command.h"
#include "runner/fixtures.h"
#include "runner/machine.h"

#define TEARDOWN_NS (10 * NS_PER_S)
#define KILLED_NS   (5 * NS_PER_S)

enum {
	/* automake's words, of setup only */
	STATUS_SKIP = 77,
	STATUS_HARD_ERROR = 99
};

/* Takes text, NULL: there was no memory for it. */
static void find(struct fixtures *f, enum finding_kind kind,
                 const struct source_loc *loc, char *text)
{
	judgement_add(&f->report->findings, kind, -1, loc, "%s",
	              text ? text : "out of memory");
	free(text);
}

/* ---- needs --------------------------------------------------------------- */

static bool is_command(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* As execvp(3) looks for it; an empty part is where `fault` was started. */
static bool is_in_path(const char *name)
{
	const char *path = getenv("PATH");

	for (const char *s = path ? path : "/bin:/usr/bin"; s;) {
		size_t len = strcspn(s, ":");
		char file[PATH_MAX];

		if (snprintf(file, sizeof(file), "%.*s/%s", len ? (int)len : 1,
		             len ? s : ".", name) < (int)sizeof(file) &&
		    is_command(file))
			return true;
		s = s[len] ? s + len + 1 : NULL;
	}
	return false;
}

/* Why it has to be skipped (to be freed), NULL: all is there. */
static char *missing_need(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_needs; i++) {
		const char *name = s->needs[i];
		bool path = strchr(name, '/') != NULL;
		char *text;

		if (path ? is_command(name) : is_in_path(name))
			continue;
		if (asprintf(&text, "needs %s, which is %s", name,
		             !path                ? "not in PATH"
		             : access(name, F_OK) ? "not there"
		                                  : "no executable file") < 0)
			return strdup("a command that it needs is missing");
		return text;
	}
	return NULL;
}

/* ---- files --------------------------------------------------------------- */

/*
 * The folders of path below tmp, and tmp, for everybody to read, whatever the
 * umask: programs may drop their privileges.
 */
static int make_folders(const char *path, const char *tmp)
{
	size_t from = strlen(tmp);
	char folder[PATH_MAX];

	if (strlen(path) >= sizeof(folder))
		return -ENAMETOOLONG;
	strcpy(folder, path);
	for (char *s = folder + from; (s = strchr(s, '/')); *s++ = '/') {
		*s = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (chmod(folder, 0755) < 0)
			return -errno;
	}
	return 0;
}

static int write_file(const struct fixture_file *file, const char *tmp)
{
	size_t len = strlen(file->body);
	int r = make_folders(file->path, tmp);
	int fd;

	if (r < 0)
		return r;
	fd = open(file->path,
	          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644) < 0)
		r = -errno;
	for (const char *s = file->body; len && r == 0;) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static bool write_files(struct fixtures *f, const char *tmp)
{
	for (size_t i = 0; i < f->scenario->n_files; i++) {
		const struct fixture_file *file = &f->scenario->files[i];
		int r = write_file(file, tmp);
		char *text;

		if (r == 0)
			continue;
		if (asprintf(&text, "files: cannot write %s: %s", file->path,
		             strerror(-r)) < 0)
			text = NULL;
		find(f, FINDING_ENVIRONMENT, &file->loc, text);
		return false;
	}
	return true;
}

/* ---- one command --------------------------------------------------------- */

enum wait_end {
	WAIT_ENDED,
	WAIT_TIME,
	WAIT_SIGNAL,
	WAIT_LOST /* the guardian is gone */
};

static int timeout_ms(int64_t deadline)
{
	int64_t ns = deadline - now_ns();

	if (!deadline)
		return -1;
	if (ns <= 0)
		return 0;
	ns = (ns + NS_PER_MS - 1) / NS_PER_MS;
	return ns > INT_MAX ? INT_MAX : (int)ns;
}

/* deadline: absolute, 0 = none.  signals: do they end the waiting? */
static enum wait_end await(struct fixtures *f, struct command_process *p,
                           int64_t deadline, bool signals)
{
	for (;;) {
		struct pollfd fds[] = {
			{guardian_fd(f->guardian), POLLIN, 0},
			{signals ? f->interrupt->fd : -1, POLLIN, 0},
		};
		struct guardian_event e;
		bool keyboard;
		int r;

		while ((r = guardian_next(f->guardian, &e)) == 1)
			command_take(p, &e);
		if (p->exited)
			return WAIT_ENDED;
		if (r < 0)
			return WAIT_LOST;
		if (signals && interrupt_next(f->interrupt, &keyboard))
			return WAIT_SIGNAL;
		if (deadline && now_ns() >= deadline)
			return WAIT_TIME;
		poll(fds, 2, timeout_ms(deadline));
	}
}

/* Starts it and waits; one that does not end by itself is killed. */
static enum wait_end run(struct fixtures *f, const struct command *c,
                         int64_t deadline, struct command_process *p)
{
	int r = command_start(f->guardian, c, NULL, p);
	enum wait_end end;

	if (r < 0)
		return r == -EPIPE ? WAIT_LOST : WAIT_ENDED;
	end = await(f, p, deadline, true);
	if (end == WAIT_TIME || end == WAIT_SIGNAL) {
		command_kill(f->guardian, p);
		await(f, p, now_ns() + KILLED_NS, false);
	}
	return end;
}

/* One that was killed because its time was over. */
static void find_late(struct fixtures *f, const struct command_process *p,
                      const char *what, const char *said)
{
	struct judgement *j = &f->report->findings;
	size_t before = j->n;

	find(f, FINDING_FAIL, &p->command->loc, command_says(p, what, said));
	/* A busy machine may be why. */
	if (j->n > before)
		j->v[before].timing = true;
}

static void lost(struct fixtures *f, const struct command *c)
{
	const char *why = machine_failure();

	find(f, FINDING_ENVIRONMENT, &c->loc,
	     strdup(why ? why
	                : "the guardian was killed; so were the commands"));
}

/* ---- setup --------------------------------------------------------------- */

static bool exited_with(const struct command_process *p, int status)
{
	return p->exited && WIFEXITED(p->status) &&
	       WEXITSTATUS(p->status) == status;
}

static enum fixtures_end skip(struct fixtures *f,
                              const struct command_process *p)
{
	f->report->reason = command_last_line(p);
	if (!f->report->reason)
		f->report->reason = command_says(p, "setup", "exit status 77");
	return FIXTURES_SKIPPED;
}

static enum fixtures_end judge_setup(struct fixtures *f,
                                     const struct command_process *p)
{
	const struct source_loc *loc = &p->command->loc;
	char *text;

	if (exited_with(p, 0))
		return FIXTURES_READY;
	if (exited_with(p, STATUS_SKIP))
		return skip(f, p);
	if (exited_with(p, STATUS_HARD_ERROR)) {
		text = command_says(p, "setup",
		                    "exit status 99: it cannot be done here");
		find(f, FINDING_ENVIRONMENT, loc, text);
	} else {
		find(f, p->started ? FINDING_FAIL : FINDING_ENVIRONMENT, loc,
		     command_failed(p, "setup"));
	}
	return FIXTURES_FAILED;
}

static enum fixtures_end set_up_with(struct fixtures *f,
                                     const struct command *c, int64_t deadline)
{
	struct command_process p;
	enum fixtures_end end = FIXTURES_FAILED;
	char limit[64];

	snprintf(limit, sizeof(limit), "hang: the limit of %g s passed",
	         (double)f->scenario->limit_ns / NS_PER_S);
	switch (run(f, c, deadline, &p)) {
	case WAIT_ENDED:
		end = judge_setup(f, &p);
		break;
	case WAIT_SIGNAL:
		end = FIXTURES_INTERRUPTED;
		break;
	case WAIT_TIME:
		find_late(f, &p, "setup", limit);
		break;
	case WAIT_LOST:
		lost(f, c);
		break;
	}
	command_release(&p);
	return end;
}

static enum fixtures_end run_setup(struct fixtures *f, int64_t start)
{
	const struct scenario *s = f->scenario;
	int64_t deadline = s->limit_ns ? start + s->limit_ns : 0;
	enum fixtures_end end = FIXTURES_READY;

	for (size_t i = 0; i < s->n_setup && end == FIXTURES_READY; i++)
		end = set_up_with(f, &s->setup[i], deadline);
	return end;
}

static enum fixtures_end begin(struct fixtures *f, const char *tmp,
                               int64_t start)
{
	const struct scenario *s = f->scenario;
	int r = 0;

	f->report->reason = missing_need(s);
	if (f->report->reason)
		return FIXTURES_SKIPPED;
	if (!write_files(f, tmp))
		return FIXTURES_FAILED;
	if (s->n_setup || s->n_teardown)
		r = guardian_start(false, &f->guardian);
	if (r < 0) {
		case_report_find(f->report, FINDING_ENVIRONMENT, NULL,
		                 "cannot start a guardian: %s", strerror(-r));
		return FIXTURES_FAILED;
	}
	f->begun = true;
	return run_setup(f, start);
}

enum fixtures_end fixtures_set_up(struct fixtures *f, const struct scenario *s,
                                  const char *tmp, struct interrupt *i,
                                  struct case_report *report)
{
	int64_t start = now_ns();
	enum fixtures_end end;

	*f = (struct fixtures){.scenario = s, .interrupt = i, .report = report};
	end = begin(f, tmp, start);
	f->setup_ns = f->time_ns = now_ns() - start;
	return end;
}

/* ---- teardown ------------------------------------------------------------ */

/* What the scenario itself did matters more, and stays the last. */
static void put_first(struct judgement *j, size_t n_before)
{
	struct finding last;

	if (j->n <= n_before || n_before == 0)
		return;
	last = j->v[j->n - 1];
	memmove(j->v + 1, j->v, (j->n - 1) * sizeof(*j->v));
	j->v[0] = last;
}

/* Of one that did not do well in teardown. */
static enum finding_kind kind_of(const struct command_process *p)
{
	return command_not_possible(p) ? FINDING_ENVIRONMENT : FINDING_FAIL;
}

/* False: there is no going on. */
static bool tear_down_with(struct fixtures *f, const struct command *c)
{
	size_t n_before = f->report->findings.n;
	struct command_process p;
	bool go_on = false;

	switch (run(f, c, now_ns() + TEARDOWN_NS, &p)) {
	case WAIT_ENDED:
		go_on = true;
		if (!command_is_well(&p))
			find(f, kind_of(&p), &c->loc,
			     command_failed(&p, "teardown"));
		break;
	case WAIT_TIME:
		go_on = true;
		find_late(f, &p, "teardown", "did not end within 10 s, killed");
		break;
	case WAIT_SIGNAL:
		f->interrupted = true;
		break;
	case WAIT_LOST:
		lost(f, c);
		break;
	}
	put_first(&f->report->findings, n_before);
	command_release(&p);
	return go_on;
}

void fixtures_tear_down(struct fixtures *f)
{
	const struct scenario *s = f->scenario;
	int64_t start = now_ns();

	for (size_t i = 0; f->begun && i < s->n_teardown; i++)
		if (!tear_down_with(f, &s->teardown[i]))
			break;
	guardian_stop(f->guardian);
	f->guardian = NULL;
	f->begun = false;
	f->time_ns += now_ns() - start;
}
