/*
 * session_start.c - starting one program of a session.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/env.h"
#include "runner/clock.h"
#include "runner/launch.h"
#include "runner/peer_hand.h"
#include "runner/reach.h"
#include "runner/session_internal.h"

enum {
	OUR_FILES = 64, /* beside the programs' output: ports, files */
	MAX_FILES = 1 << 18
};

static bool sets_path(const struct program *p)
{
	for (size_t i = 0; i < p->n_env; i++)
		if (strcmp(p->env[i].name, "PATH") == 0)
			return true;
	return false;
}

/* The reason that reach_program() gives, as an end of the session. */
static bool refuse(struct session *s, size_t i, const struct reach_report *r)
{
	const struct program *p = &s->scenario->programs[i];
	bool missing = reach_is_missing(r->reach);
	bool named = *r->interpreter; /* a script's, which it is about */

	if (missing || r->reach == REACH_NOT_EXECUTABLE ||
	    r->reach == REACH_NOEXEC) {
		if (missing && sets_path(p))
			return true; /* exec looks in another PATH */
		s->result->start_errno = missing ? ENOENT : EACCES;
		session_end(s, SESSION_NOT_STARTED, i, "%s: %s%s%s", p->argv[0],
		            named ? r->interpreter : "", named ? ": " : "",
		            reach_reason(r->reach));
		return false;
	}
	if (!p->attach)
		return true;
	if (r->reach == REACH_UNKNOWN) {
		session_end(s, SESSION_ENVIRONMENT, i,
		            "can %s be reached by the library? %s", r->path,
		            reach_reason(r->reach));
		return false;
	}
	session_end(s, SESSION_ENVIRONMENT, i,
	            "%s cannot be reached by the library: %s",
	            *r->path ? r->path : p->argv[0], reach_reason(r->reach));
	return false;
}

/*
 * Two descriptors for the output of each instance.  The guardian is there
 * already: programs keep the limit that `fault` was started with.
 */
static bool has_files(struct session *s)
{
	rlim_t needed = OUR_FILES;
	struct rlimit limit;

	for (size_t i = 0; i < s->scenario->n_programs; i++)
		needed += 2 * (rlim_t)s->scenario->programs[i].count;
	if (s->options->passthrough || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur >= needed)
		return true;
	if (limit.rlim_max < needed) {
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "so many programs at once need %llu descriptors, "
		            "and no more than %llu are allowed here "
		            "(`ulimit -Hn`)",
		            (unsigned long long)needed,
		            (unsigned long long)limit.rlim_max);
		return false;
	}
	limit.rlim_cur =
		limit.rlim_max < MAX_FILES ? limit.rlim_max : MAX_FILES;
	setrlimit(RLIMIT_NOFILE, &limit); /* else the streams will not open */
	return true;
}

bool session_check_programs(struct session *s)
{
	struct reach_report *r = malloc(sizeof(*r));
	bool ok = r && has_files(s);

	for (size_t i = 0; ok && i < s->scenario->n_programs; i++) {
		const struct program *p = &s->scenario->programs[i];

		if (s->options->passthrough && i != s->options->only)
			continue;
		if (p->kind == PROGRAM_RUN &&
		    reach_program(p->argv[0], p->dir, r) != REACH_OK)
			ok = refuse(s, i, r);
	}
	if (!r)
		session_end(s, SESSION_ENVIRONMENT, s->scenario->n_programs,
		            "out of memory");
	free(r);
	return ok;
}

/* No record at all of it. */
static int never_seen(const struct program *p, const struct instance_result *r,
                      const char *library, char **ret)
{
	if (r->exited && WIFEXITED(r->status) &&
	    WEXITSTATUS(r->status) == FAULT_EXIT_ATTACH)
		return asprintf(
			ret,
			"the library refused to run in %s: it is of "
			"another version than this `fault`, or it "
			"cannot attach the shared memory of the run, or "
			"a rule has `caller` and stacks cannot be taken "
			"there: no libgcc_s.so.1, or glibc before 2.35 "
			"(%s)",
			p->argv[0], library);
	return asprintf(ret,
	                "the library did not attach to %s: something on the "
	                "way to it removed LD_PRELOAD or forbade shared memory "
	                "(another IPC namespace); `fault doctor %s` says more",
	                p->argv[0], p->argv[0]);
}

char *session_unattached_reason(const struct session *s, size_t i)
{
	const struct instance_result *result = &s->result->instances[i];
	const struct program *p = &s->scenario->programs[result->program];
	struct reach_report *r = malloc(sizeof(*r));
	const struct observed_process *seen;
	enum reach reach = REACH_UNKNOWN;
	char *text = NULL, *lost = NULL;
	int n;

	seen = observe_process(&s->observe, (uint32_t)result->pid);
	if (r)
		reach = reach_program(p->argv[0], p->dir, r);
	if (observe_full(&s->observe))
		n = asprintf(&text,
		             "the library did not attach to %s: the run has "
		             "had %u processes, and no more can be followed; "
		             "a script that starts others counts with each "
		             "of them",
		             p->argv[0], s->segments.n.n_processes);
	else if (seen && seen->failed)
		n = asprintf(&text, "the library could not attach to %s: %s",
		             p->name[0] ? p->name : p->argv[0], seen->what);
	else if (seen &&
	         session_lost_reason(s, seen, &lost) != UNREACHED_UNKNOWN &&
	         lost)
		n = asprintf(&text,
		             "the library did not attach to what %s executed: "
		             "%s",
		             p->argv[0], lost);
	else if (reach != REACH_OK && reach != REACH_UNKNOWN)
		n = asprintf(&text,
		             "the library did not attach to %s: it is %s",
		             r->path, reach_reason(r->reach));
	else if (seen)
		n = asprintf(&text,
		             "%s replaced itself (exec) by a program that the "
		             "library did not attach to; %s",
		             p->argv[0],
		             lost ? lost : "nothing of it shows why");
	else
		n = never_seen(p, result, s->options->library, &text);
	free(lost);
	free(r);
	return n < 0 ? NULL : text;
}

/* ---- the terminal -------------------------------------------------------- */

/*
 * With the terminal on stdin and stdout the program gets a group of its own
 * and the foreground, so that ^C and ^Z are its own affair.  In a pipeline the
 * others of our group need the foreground too: it joins them.
 */
void session_take_terminal(struct session *s)
{
	s->tty = -1;
	s->group = GROUP_OWN;
	if (!s->options->passthrough || !isatty(STDIN_FILENO) ||
	    tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	if (isatty(STDOUT_FILENO)) {
		s->group = GROUP_FOREGROUND;
		s->tty = STDIN_FILENO;
	} else {
		s->group = GROUP_OURS;
	}
}

void session_give_back_terminal(struct session *s)
{
	const struct session_result *r = s->result;

	/* Not if a shell has taken it meanwhile.  SIGTTOU is ignored. */
	if (s->tty >= 0 && r->n_instances &&
	    tcgetpgrp(s->tty) == r->instances[0].pid)
		tcsetpgrp(s->tty, getpgrp());
}

/* ---- start --------------------------------------------------------------- */

struct streams {
	int in, out, err;
};

/* What a program has said before counts too: all of it has a bound. */
static size_t capture_size(const struct session *s, size_t program)
{
	const struct program *p = &s->scenario->programs[program];
	uint64_t n = session_n_instances(s->result, program);
	uint64_t all = (uint64_t)(p->count ? p->count : 1) *
	               (p->repeat ? p->repeat : 1);
	uint64_t size = CAPTURE_MAX / (all > n ? all : n);

	return size < CAPTURE_MIN ? CAPTURE_MIN : (size_t)size;
}

static const char *stdin_of(const struct program *p)
{
	return p->stdin_file ? p->stdin_file : "/dev/null";
}

/* A FIFO that nobody writes into is at its end: nothing here waits for it. */
static int open_stdin(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* 0 or -errno; f->in < 0: of what it reads. */
static int open_streams(struct session *s, struct instance_result *r,
                        struct streams *f)
{
	const struct program *p = &s->scenario->programs[r->program];
	size_t size = capture_size(s, r->program);
	int err;

	if (s->options->passthrough) {
		*f = (struct streams){STDIN_FILENO, STDOUT_FILENO,
		                      STDERR_FILENO};
		return 0;
	}
	f->in = p->kind == PROGRAM_RUN ? open_stdin(stdin_of(p))
	                               : peer_hand_over(p, s->options->seed);
	if (f->in < 0)
		return f->in;
	err = capture_open(&r->out, size, &f->out);
	return err < 0 ? err : capture_open(&r->err, size, &f->err);
}

static void close_streams(const struct session *s, const struct streams *f)
{
	if (s->options->passthrough)
		return;
	if (f->in >= 0)
		close(f->in);
	if (f->out >= 0)
		close(f->out);
	if (f->err >= 0)
		close(f->err);
}

static void say_not_started(struct session *s, size_t i, int err,
                            enum guardian_step step)
{
	const struct program *p = &s->scenario->programs[i];

	s->result->start_errno = -err;
	if (err == -EPIPE && step == STEP_NONE)
		session_end(s, SESSION_ENVIRONMENT, i, "the guardian is gone");
	else if (step == STEP_DIR)
		session_end(s, SESSION_NOT_STARTED, i, "%s: dir %s: %s",
		            p->name, p->dir, strerror(-err));
	else if (step == STEP_EXEC)
		session_end(s, SESSION_NOT_STARTED, i, "%s: %s",
		            p->argv ? p->argv[0] : p->name, strerror(-err));
	else
		session_end(s, SESSION_ENVIRONMENT, i, "cannot start %s: %s",
		            p->argv ? p->argv[0] : p->name, strerror(-err));
}

static int needs_asan(const struct program *p, bool *ret)
{
	struct reach_report *r;

	*ret = false;
	if (p->kind != PROGRAM_RUN)
		return 0;
	r = malloc(sizeof(*r));
	if (!r || reach_program(p->argv[0], p->dir, r) == REACH_UNKNOWN) {
		free(r);
		return -ENOMEM;
	}
	*ret = *r->asan;
	free(r);
	return 0;
}

static char exe[] = "/proc/self/exe", peer_word[] = "peer", from_stdin[] = "-";

static int spawn(struct session *s, struct instance_result *result,
                 const struct streams *f, enum guardian_step *ret_step)
{
	size_t i = result->program;
	const struct program *p = &s->scenario->programs[i];
	/* The guardian's own executable: this one, whatever its path is. */
	char *peer[] = {exe, peer_word, from_stdin, p->name, NULL};
	const char *library = p->attach ? s->options->library : NULL;
	struct guardian_program g = {
		.argv = p->kind == PROGRAM_RUN ? p->argv : peer,
		.dir = p->dir,
		.in = f->in,
		.out = f->out,
		.err = f->err,
		.group = s->group,
	};
	char **env;
	bool asan;
	int r = needs_asan(p, &asan);

	*ret_step = STEP_FORK;
	if (r)
		return r;
	env = launch_environment(p, i, library, asan, &s->segments);
	g.env = env;
	r = env ? guardian_spawn(s->guardian, &g, &result->pid, ret_step)
	        : -ENOMEM;
	launch_free(env);
	return r;
}

static struct instance_result *add_instance(struct session *s, size_t program)
{
	struct session_result *r = s->result;
	struct instance_result *v;

	/* Grows by doubling: at the powers of two. */
	if (!(r->n_instances & (r->n_instances - 1))) {
		size_t cap = r->n_instances ? 2 * r->n_instances : 1;

		v = realloc(r->instances, cap * sizeof(*v));
		if (!v)
			return NULL;
		r->instances = v;
	}
	v = &r->instances[r->n_instances];
	*v = (struct instance_result){
		.program = program,
		.number = session_n_instances(r, program) + 1,
		.out.fd = -1,
		.err.fd = -1,
	};
	r->n_instances++;
	return v;
}

/* `after` counts from the first of those that run at once. */
static void note_start(struct session *s, struct instance_result *r)
{
	struct fault_program_state *state =
		segments_program(&s->segments, (uint32_t)r->program);

	r->started_ns = now_ns();
	if (state && !session_is_running(s, r->program))
		atomic_store(&state->started_ns, (uint64_t)r->started_ns);
}

static void say_no_streams(struct session *s, size_t i, bool no_input, int err)
{
	const struct program *p = &s->scenario->programs[i];

	if (err == -EMFILE || err == -ENFILE) {
		session_end(s, SESSION_ENVIRONMENT, i,
		            "%s: no descriptors are left for its output "
		            "(`ulimit -n`)",
		            p->name);
		return;
	}
	if (!no_input || p->kind != PROGRAM_RUN) {
		session_end(s, SESSION_ENVIRONMENT, i, "cannot start %s: %s",
		            p->name, strerror(-err));
		return;
	}
	s->result->start_errno = -err;
	session_end(s, SESSION_NOT_STARTED, i, "%s: stdin %s: %s%s", p->name,
	            stdin_of(p), strerror(-err),
	            err == -ENOENT && s->scenario->n_files
	                    ? "; those of `files` are at ${tmp}/NAME"
	                    : "");
}

bool session_start_instance(struct session *s, size_t program, uint32_t turns)
{
	struct instance_result *r = add_instance(s, program);
	struct streams f = {-1, -1, -1};
	enum guardian_step step = STEP_NONE;
	int err = r ? open_streams(s, r, &f) : -ENOMEM;

	if (err < 0) {
		say_no_streams(s, program, r && f.in < 0, err);
		close_streams(s, &f);
		return false;
	}
	r->turns = turns;
	note_start(s, r);
	err = spawn(s, r, &f, &step);
	close_streams(s, &f);
	if (err < 0) {
		say_not_started(s, program, err, step);
		return false;
	}
	r->started = true;
	return true;
}

bool session_start_program(struct session *s, size_t i)
{
	const struct program *p = &s->scenario->programs[i];
	uint32_t turns = p->repeat ? p->repeat - 1 : 0;
	uint32_t n = p->count && !s->options->passthrough ? p->count : 1;

	if (s->options->passthrough)
		turns = 0;
	while (n-- > 0)
		if (!session_start_instance(s, i, turns))
			return false;
	return true;
}
