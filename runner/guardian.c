/*
 * guardian.c - the side of `fault`: requests, answers, queued events.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/guardian.h"
#include "runner/guardian_wire.h"
#include "runner/machine.h"
#include "runner/tree.h"

struct guardian {
	pid_t pid;
	int fd;
	char **dirs; /* in case that the guardian is killed */
	size_t n_dirs;
	struct guardian_event *queue;
	size_t n_queue, cap;
	bool lost; /* there was no memory for an event */
};

static void close_files(const struct guardian_files *f)
{
	if (f->control >= 0)
		close(f->control);
	if (f->signals >= 0)
		close(f->signals);
	if (f->null >= 0)
		close(f->null);
}

/* Above 2, should `fault` have been started without them; -1 is kept. */
static int above_stdio(int fd)
{
	int r = fd;

	if (fd >= 0 && fd <= 2) {
		r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		close(fd);
	}
	return r;
}

/* ret_fd: our end of the socket.  0, or -errno with nothing open. */
static int open_files(int *ret_fd, struct guardian_files *f)
{
	sigset_t chld;
	int pair[2], r;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*f = (struct guardian_files){above_stdio(pair[1]), -1, -1};
	*ret_fd = pair[0];
	if (f->control >= 0)
		f->signals = above_stdio(
			signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK));
	if (f->signals >= 0)
		f->null = above_stdio(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (f->null >= 0)
		return 0;
	r = -errno;
	close_files(f);
	close(*ret_fd);
	return r;
}

int guardian_start(bool terminal, struct guardian **ret)
{
	struct guardian *g = calloc(1, sizeof(*g));
	struct guardian_files files;
	sigset_t all, before;
	int r = g ? open_files(&g->fd, &files) : -ENOMEM;

	if (r < 0) {
		free(g);
		return r;
	}
	/* Should somebody kill the guardian, its orphans come to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1L);
	/* No signal may find the guardian between fork and its own mask. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	g->pid = fork();
	if (g->pid == 0) {
		close(g->fd);
		guardian_main(&files, terminal, &before);
	}
	r = g->pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	close_files(&files);
	if (r < 0) {
		close(g->fd);
		free(g);
		return r;
	}
	*ret = g;
	return 0;
}

/* The guardian did not end by itself: its work is ours. */
static void take_over(struct guardian *g)
{
	size_t killed;

	tree_kill(NULL, NULL, &killed);
	for (size_t i = 0; i < g->n_dirs; i++)
		tree_remove(g->dirs[i]);
}

void guardian_stop(struct guardian *g)
{
	int status = 0;
	pid_t r;

	if (!g)
		return;
	close(g->fd);
	do
		r = waitpid(g->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0 || status != 0)
		take_over(g);
	for (size_t i = 0; i < g->n_dirs; i++)
		free(g->dirs[i]);
	free(g->dirs);
	free(g->queue);
	free(g);
}

int guardian_fd(const struct guardian *g)
{
	return g->fd;
}

static void enqueue(struct guardian *g, const struct wire_answer *a)
{
	if (g->n_queue == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct guardian_event *v;

		v = realloc(g->queue, cap * sizeof(*v));
		if (!v) {
			machine_failed(-ENOMEM, "keeping the end of a program");
			g->lost = true;
			return;
		}
		g->queue = v;
		g->cap = cap;
	}
	g->queue[g->n_queue++] = (struct guardian_event){
		.kind = a->type == WIRE_STOPPED ? GUARDIAN_STOPPED
	                                        : GUARDIAN_EXITED,
		.pid = a->pid,
		.status = a->value,
	};
}

/* 1 with an answer, 0: none now, -EPIPE. */
static int receive(struct guardian *g, int flags, struct wire_answer *ret)
{
	ssize_t n;

	do
		n = recv(g->fd, ret, sizeof(*ret), flags);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*ret))
		return 1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	return -EPIPE;
}

static int send_request(struct guardian *g, const struct wire_request *q,
                        const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int[WIRE_N_FDS]))];
	} control = {0};
	struct iovec iov = {.iov_len = sizeof(*q)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct wire_request copy = *q;
	ssize_t n;

	iov.iov_base = &copy;
	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(g->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		return -EPIPE;
	n = -errno;
	machine_failed((int)n, "asking the guardian");
	return (int)n;
}

static int ask(struct guardian *g, const struct wire_request *q, const int *fds,
               size_t n_fds, struct wire_answer *ret)
{
	int r = send_request(g, q, fds, n_fds);

	while (r == 0) {
		r = receive(g, 0, ret);
		if (r == 1 && ret->type == q->type)
			return 0;
		if (r == 1) {
			enqueue(g, ret);
			r = 0;
		}
	}
	return r;
}

static int write_string(int fd, const char *s, uint64_t *size)
{
	size_t len = strlen(s) + 1;

	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s += n;
		len -= (size_t)n;
		*size += (uint64_t)n;
	}
	return 0;
}

/* dir, arguments, environment: strings one behind the other. */
static int pack(const struct guardian_program *p, struct wire_request *q)
{
	int fd = memfd_create("fault-spawn", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = write_string(fd, p->dir ? p->dir : "", &q->size);
	for (char *const *s = p->argv; *s && r == 0; s++, q->n_argv++)
		r = write_string(fd, *s, &q->size);
	for (char *const *s = p->env; *s && r == 0; s++, q->n_env++)
		r = write_string(fd, *s, &q->size);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int guardian_spawn(struct guardian *g, const struct guardian_program *p,
                   pid_t *ret_pid, enum guardian_step *ret_step)
{
	struct wire_request q = {.type = WIRE_SPAWN, .group = (int)p->group};
	int fds[WIRE_N_FDS] = {pack(p, &q), p->in, p->out, p->err};
	struct wire_answer a;
	int r;

	*ret_step = STEP_NONE;
	if (fds[0] < 0)
		return fds[0];
	r = ask(g, &q, fds, WIRE_N_FDS, &a);
	close(fds[0]);
	if (r < 0)
		return r;
	*ret_step = (enum guardian_step)a.step;
	if (a.value == 0)
		*ret_pid = a.pid;
	return a.value;
}

int guardian_signal(struct guardian *g, pid_t pid, int sig, bool group)
{
	struct wire_request q = {
		.type = WIRE_SIGNAL, .pid = pid, .sig = sig, .group = group};
	struct wire_answer a;
	int r = ask(g, &q, NULL, 0, &a);

	return r < 0 ? r : a.value;
}

int guardian_kill_all(struct guardian *g)
{
	struct wire_answer a;
	const struct wire_request q = {.type = WIRE_KILL_ALL};
	int r = ask(g, &q, NULL, 0, &a);

	/* Nobody else would do it. */
	if (r < 0 && r != -EPIPE)
		r = ask(g, &q, NULL, 0, &a);
	return r < 0 ? r : a.value;
}

static int remember_dir(struct guardian *g, const char *path)
{
	char **v = realloc(g->dirs, (g->n_dirs + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	g->dirs = v;
	v[g->n_dirs] = strdup(path);
	if (!v[g->n_dirs])
		return -ENOMEM;
	g->n_dirs++;
	return 0;
}

/* A name that nobody else has: both know it before there is such a directory.
 */
static int name_dir(char *buf, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	uint64_t number;

	if (!tmp || tmp[0] != '/' || strlen(tmp) > size - 32)
		tmp = "/tmp";
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -errno;
	snprintf(buf, size, "%s/fault.%012" PRIx64, tmp,
	         number & 0xffffffffffffu);
	return 0;
}

int guardian_make_dir(struct guardian *g, char *buf, size_t size)
{
	struct wire_request q = {.type = WIRE_MAKE_DIR};
	struct wire_answer a;
	int r = name_dir(q.path, sizeof(q.path));

	if (r == 0 && strlen(q.path) >= size)
		r = -ENAMETOOLONG;
	if (r == 0)
		r = remember_dir(g, q.path);
	if (r == 0)
		r = ask(g, &q, NULL, 0, &a);
	if (r < 0)
		return r;
	if (a.value < 0) {
		free(g->dirs[--g->n_dirs]);
		return a.value;
	}
	memcpy(buf, q.path, strlen(q.path) + 1);
	return 0;
}

int guardian_clean(struct guardian *g)
{
	struct wire_answer a;
	int r = ask(g, &(struct wire_request){.type = WIRE_CLEAN}, NULL, 0, &a);

	/* Only of what is gone nothing has to be known. */
	for (size_t i = 0; r == 0 && a.value == 0 && i < g->n_dirs; i++)
		free(g->dirs[i]);
	if (r == 0 && a.value == 0)
		g->n_dirs = 0;
	return r < 0 ? r : a.value;
}

int guardian_next(struct guardian *g, struct guardian_event *ret)
{
	struct wire_answer a;
	int r;

	if (g->n_queue == 0) {
		r = receive(g, MSG_DONTWAIT, &a);
		if (r <= 0)
			return r;
		enqueue(g, &a);
	}
	if (g->n_queue == 0) {
		r = g->lost ? -ENOMEM : 0;
		g->lost = false;
		return r;
	}
	*ret = g->queue[0];
	g->n_queue--;
	memmove(g->queue, g->queue + 1, g->n_queue * sizeof(*g->queue));
	return 1;
}
