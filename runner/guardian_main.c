/*
 * guardian_main.c - the guardian's own process.
 *
 * One thread, one loop over two descriptors: the socket to `fault` and a
 * signalfd for SIGCHLD.  Every other signal stays blocked, so nothing but
 * SIGKILL ends it before its work is done; its programs get back the mask that
 * `fault` was started with.  It allocates little and touches no file but /proc
 * and its temporary directories.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/guardian.h"
#include "runner/guardian_wire.h"
#include "runner/tree.h"

struct keeper {
	int control;
	int signals;
	bool terminal;     /* programs are started as we were, else anew */
	sigset_t mask;     /* of the programs */
	void (*chld)(int); /* what `fault` was given for SIGCHLD */
	bool closed[3];    /* `fault` was started without it */
	pid_t fault_group;
	pid_t *programs; /* started, end not seen yet */
	size_t n_programs, cap_programs;
	char **dirs;
	size_t n_dirs;
};

/* A program as it came in: everything points into one private mapping. */
struct packed {
	char *data;
	size_t size;
	char **argv, **env;
	const char *dir;
};

static void answer(struct keeper *k, const struct wire_answer *a)
{
	ssize_t n;

	do
		n = send(k->control, a, sizeof(*a), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* It is waited for: better gone, with all that was started. */
	if (n < 0)
		shutdown(k->control, SHUT_RDWR);
}

/* ---- ends ---------------------------------------------------------------- */

static bool forget(struct keeper *k, pid_t pid)
{
	for (size_t i = 0; i < k->n_programs; i++) {
		if (k->programs[i] == pid) {
			k->programs[i] = k->programs[--k->n_programs];
			return true;
		}
	}
	return false;
}

static bool known(const struct keeper *k, pid_t pid)
{
	for (size_t i = 0; i < k->n_programs; i++)
		if (k->programs[i] == pid)
			return true;
	return false;
}

static void ended(void *context, pid_t pid, int status)
{
	struct keeper *k = context;

	if (forget(k, pid))
		answer(k, &(struct wire_answer){.type = WIRE_EXITED,
		                                .pid = pid,
		                                .value = status});
}

static void reap(struct keeper *k)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(k->signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (!WIFSTOPPED(status))
			ended(k, pid, status);
		else if (known(k, pid))
			answer(k, &(struct wire_answer){.type = WIRE_STOPPED,
			                                .pid = pid,
			                                .value = status});
	}
}

/* ---- starting a program -------------------------------------------------- */

static void packed_release(struct packed *p)
{
	free(p->argv);
	free(p->env);
	if (p->data)
		munmap(p->data, p->size);
}

/* n strings from *s on, as a NULL-terminated array; NULL without memory. */
static char **string_array(char **s, size_t n)
{
	char **v = calloc(n + 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++) {
		v[i] = *s;
		*s += strlen(*s) + 1;
	}
	return v;
}

static int unpack(const struct wire_request *q, int fd, struct packed *ret)
{
	char *s;

	*ret = (struct packed){.size = q->size};
	s = mmap(NULL, q->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (s == MAP_FAILED)
		return -errno;
	ret->data = s;
	ret->dir = *s ? s : NULL;
	s += strlen(s) + 1;
	ret->argv = string_array(&s, q->n_argv);
	ret->env = string_array(&s, q->n_env);
	return ret->argv && ret->env ? 0 : -ENOMEM;
}

struct child_failure {
	int32_t err, step;
};

static void take_terminal(void)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty >= 0)
		tcsetpgrp(tty, getpid()); /* SIGTTOU is blocked here */
}

/*
 * `exec` hands on what it got, as env(1) does.  A scenario must not depend on
 * who started `fault`: a shell's background job ignores SIGINT, some CI runners
 * ignore SIGPIPE.
 */
static void reset_signals(const struct keeper *k)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG && !k->terminal; sig++)
		signal(sig, SIG_DFL); /* fails for some: they have no other */
	if (k->terminal)
		signal(SIGCHLD, k->chld);
	sigprocmask(SIG_SETMASK, k->terminal ? &k->mask : &none, NULL);
}

/* What was closed stays so for `exec`. */
static int set_stdio(const struct keeper *k, const int *fds)
{
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return errno;
	for (int i = 0; i < 3; i++)
		if (k->terminal && k->closed[i])
			close(i);
	return 0;
}

static _Noreturn void child(const struct keeper *k, const struct packed *p,
                            enum guardian_group group, const int *fds,
                            int report)
{
	struct child_failure f = {.step = STEP_DIR};

	setpgid(0, group == GROUP_OURS ? k->fault_group : 0);
	if (group == GROUP_FOREGROUND)
		take_terminal();
	/* They came by SCM_RIGHTS, all above 2: guardian_main() filled 0-2. */
	f.err = set_stdio(k, fds + 1);
	if (f.err) {
		f.step = STEP_FORK;
	} else if (p->dir && chdir(p->dir) < 0) {
		f.err = errno;
	} else {
		f.step = STEP_EXEC;
		reset_signals(k);
		environ = p->env; /* the PATH to search is the program's */
		execvp(p->argv[0], p->argv);
		f.err = errno;
	}
	(void)!write(report, &f, sizeof(f));
	_exit(127);
}

/* Before it is started: an end that nobody reports is waited for. */
static int reserve(struct keeper *k)
{
	size_t cap = k->cap_programs ? 2 * k->cap_programs : 16;
	pid_t *v;

	if (k->n_programs < k->cap_programs)
		return 0;
	v = realloc(k->programs, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	k->programs = v;
	k->cap_programs = cap;
	return 0;
}

/* Forks; waits until the exec succeeded (the pipe closes) or did not. */
static void launch(struct keeper *k, const struct packed *p,
                   enum guardian_group group, const int *fds,
                   struct wire_answer *a)
{
	struct child_failure f = {0};
	int report[2];
	ssize_t n;

	a->step = STEP_FORK;
	if (pipe2(report, O_CLOEXEC) < 0) {
		a->value = -errno;
		return;
	}
	a->pid = fork();
	if (a->pid == 0)
		child(k, p, group, fds, report[1]);
	a->value = a->pid < 0 ? -errno : 0;
	close(report[1]);
	if (a->pid > 0) {
		do
			n = read(report[0], &f, sizeof(f));
		while (n < 0 && errno == EINTR);
		a->step = f.step;
		a->value = -f.err;
		if (n == (ssize_t)sizeof(f))
			waitpid(a->pid, NULL, 0);
		else
			k->programs[k->n_programs++] = a->pid;
	}
	close(report[0]);
}

static void spawn(struct keeper *k, const struct wire_request *q,
                  const int *fds, struct wire_answer *a)
{
	struct packed p;

	a->step = STEP_FORK;
	if (fds[WIRE_N_FDS - 1] < 0) {
		a->value = -EMFILE;
		return;
	}
	a->value = unpack(q, fds[0], &p);
	if (a->value == 0)
		a->value = reserve(k);
	if (a->value == 0)
		launch(k, &p, (enum guardian_group)q->group, fds, a);
	packed_release(&p);
}

/* ---- the other requests -------------------------------------------------- */

static void make_dir(struct keeper *k, const struct wire_request *q,
                     struct wire_answer *a)
{
	char **dirs = realloc(k->dirs, (k->n_dirs + 1) * sizeof(*dirs));
	char *path = strdup(q->path);

	if (dirs)
		k->dirs = dirs;
	if (!dirs || !path) {
		a->value = -ENOMEM;
	} else if (mkdir(path, 0700)) {
		a->value = -errno;
	} else {
		chmod(path, 0755); /* programs may drop their privileges */
		k->dirs[k->n_dirs++] = path;
		return;
	}
	free(path);
}

static int clean(struct keeper *k)
{
	size_t left = 0;
	int r = 0;

	for (size_t i = 0; i < k->n_dirs; i++) {
		int one = tree_remove(k->dirs[i]);

		if (one < 0 && one != -ENOENT) {
			r = one; /* once more the next time */
			k->dirs[left++] = k->dirs[i];
		} else {
			free(k->dirs[i]);
		}
	}
	k->n_dirs = left;
	return r;
}

static void kill_all(struct keeper *k, struct wire_answer *a)
{
	size_t killed;
	int r = tree_kill(ended, k, &killed);

	a->value = r < 0 ? r : (int32_t)killed;
}

static void serve(struct keeper *k, const struct wire_request *q,
                  const int *fds)
{
	struct wire_answer a = {.type = q->type};

	switch ((enum wire_type)q->type) {
	case WIRE_SPAWN:
		spawn(k, q, fds, &a);
		break;
	case WIRE_SIGNAL:
		a.value = -ESRCH;
		if (known(k, q->pid))
			a.value = kill(q->group ? -q->pid : q->pid, q->sig) < 0
			                  ? -errno
			                  : 0;
		break;
	case WIRE_KILL_ALL:
		kill_all(k, &a);
		break;
	case WIRE_MAKE_DIR:
		make_dir(k, q, &a);
		break;
	case WIRE_CLEAN:
		a.value = clean(k);
		break;
	case WIRE_EXITED:
	case WIRE_STOPPED:
		return;
	}
	answer(k, &a);
}

/* One request; false when `fault` is gone. */
static bool receive(struct keeper *k)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int[WIRE_N_FDS]))];
	} control;
	struct wire_request q;
	struct iovec iov = {&q, sizeof(q)};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = &control,
	                     .msg_controllen = sizeof(control)};
	int fds[WIRE_N_FDS] = {-1, -1, -1, -1};
	struct cmsghdr *c;
	ssize_t n = recvmsg(k->control, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n != (ssize_t)sizeof(q))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	/* All of them, or as many as there were descriptors for. */
	if (c && c->cmsg_len >= CMSG_LEN(0) &&
	    c->cmsg_len <= CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	serve(k, &q, fds);
	for (int i = 0; i < WIRE_N_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return true;
}

/* ---- its life ------------------------------------------------------------ */

/*
 * Takes 0-2 off the caller's: a reader of our stdout must see its end.  What
 * main() has filled is closed by exec.
 */
static void let_go_of_stdio(struct keeper *k, int null)
{
	for (int i = 0; i < 3; i++) {
		k->closed[i] = fcntl(i, F_GETFD) & FD_CLOEXEC;
		dup2(null, i);
	}
	close(null);
}

_Noreturn void guardian_main(const struct guardian_files *f, bool terminal,
                             const sigset_t *mask)
{
	struct keeper k = {
		.terminal = terminal, .mask = *mask, .fault_group = getpgrp()};
	size_t killed;

	prctl(PR_SET_NAME, "fault-guardian");
	prctl(PR_SET_CHILD_SUBREAPER, 1L);
	k.chld = signal(SIGCHLD, SIG_DFL);
	if (terminal)
		setpgid(0, 0);
	else
		setsid();
	k.control = f->control;
	k.signals = f->signals;
	let_go_of_stdio(&k, f->null);
	for (;;) {
		struct pollfd p[] = {{k.control, POLLIN, 0},
		                     {k.signals, POLLIN, 0}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			reap(&k);
		if (p[0].revents && !receive(&k))
			break;
	}
	tree_kill(NULL, NULL, &killed);
	clean(&k);
	_exit(0);
}
