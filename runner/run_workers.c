/*
 * run_workers.c - see run_workers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/run_workers.h"
#include "runner/tree.h"

/* Until an idle worker and its guardian have ended: ten to kill, and some. */
#define END_NS (20 * NS_PER_S)

enum {
	MAX_REPORT = 1 << 28,
	FIRST_ROOM = 4096,
	EXIT_UNTOLD = 12 /* of a worker: its report could not be told */
};

struct order {
	uint64_t seed;
	uint64_t index;
	uint64_t round; /* no padding, which would be sent too */
};

/* ---- inside of a worker -------------------------------------------------- */

/* All of it; false: the other end is gone. */
static bool transfer(int fd, void *data, size_t len, bool out)
{
	char *at = data;

	while (len) {
		ssize_t n = out ? send(fd, at, len, MSG_NOSIGNAL)
		                : recv(fd, at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool answer(int fd, const struct case_report *r)
{
	size_t len;
	char *data = case_report_pack(r, &len);
	uint64_t head = len;
	bool ok = data && transfer(fd, &head, sizeof(head), true) &&
	          transfer(fd, data, len, true);

	free(data);
	return ok;
}

/* Its exit code. */
static int work(const struct workers *w, int fd)
{
	int code = 0;
	struct run_place place;
	struct order o;
	int r = run_place_open(&place, w->settings);

	while (transfer(fd, &o, sizeof(o), false)) {
		struct case_report report = {.outcome = OUTCOME_ENVIRONMENT};
		bool ok;

		if (r == 0) {
			run_case(&place, &w->cases[o.index], o.seed,
			         (unsigned)o.round, &report);
		} else {
			report.broken = true;
			case_report_find(&report, FINDING_ENVIRONMENT, NULL,
			                 "cannot start: %s", strerror(-r));
		}
		ok = answer(fd, &report);
		case_report_release(&report);
		if (!ok) {
			code = EXIT_UNTOLD;
			break;
		}
	}
	if (r == 0)
		run_place_close(&place);
	return code;
}

static _Noreturn void worker_main(struct workers *w, int fd, pid_t parent)
{
	prctl(PR_SET_NAME, "fault-worker");
	prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);
	out_lock_forget(w->lock);
	/* The others' ends must close when `fault` closes them. */
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].pid)
			close(w->v[i].fd);
	signal(SIGTTOU, w->terminal_output);
	sigprocmask(SIG_SETMASK, &w->mask, NULL);
	_exit(work(w, fd));
}

/* ---- outside ------------------------------------------------------------- */

int workers_open(struct workers *w, size_t n, const struct selected_case *cases,
                 const struct run_settings *settings, struct out_lock *lock)
{
	*w = (struct workers){
		.cases = cases, .settings = settings, .lock = lock, .n = n};
	w->v = calloc(n, sizeof(*w->v));
	if (!w->v)
		return -ENOMEM;
	sigprocmask(SIG_SETMASK, NULL, &w->mask);
	w->terminal_output = signal(SIGTTOU, SIG_IGN);
	/* Should a worker and its guardian be killed, the rest comes to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1L);
	return 0;
}

static int fork_worker(struct workers *w, struct worker *v)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* What is in our buffers must not be written twice. */
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		worker_main(w, pair[1], parent);
	}
	if (pid < 0) {
		int err = errno;

		close(pair[0]);
		close(pair[1]);
		return -err;
	}
	close(pair[1]);
	v->pid = pid;
	v->fd = pair[0];
	return 0;
}

/* Its status, as of wait(2); flags are WNOHANG for one that cannot be killed.
 */
static int bury(struct worker *v, int flags)
{
	int status = 0;
	pid_t r;

	close(v->fd);
	do
		r = waitpid(v->pid, &status, flags);
	while (r < 0 && errno == EINTR);
	free(v->data);
	*v = (struct worker){0};
	return status;
}

int workers_start(struct workers *w, size_t i, size_t index, uint64_t seed,
                  unsigned round)
{
	struct worker *v = &w->v[i];
	struct order o = {.seed = seed, .index = index, .round = round};

	/* One that died while it was idle is replaced, too. */
	for (int tries = 0; tries < 2; tries++) {
		int r = v->pid ? 0 : fork_worker(w, v);

		if (r < 0)
			return r;
		if (transfer(v->fd, &o, sizeof(o), true)) {
			v->busy = true;
			v->len = 0;
			return 0;
		}
		bury(v, 0);
	}
	return -EPIPE;
}

/*
 * Its end instead of its report.  Its guardian has the socket as well: that
 * has closed, so the guardian has cleaned up and ended.
 */
static int gone(struct workers *w, struct worker *v, struct case_report *ret)
{
	bool hung = v->hung, unheard = v->unheard;
	int status = bury(v, hung ? WNOHANG : 0);

	w->crashed = true;
	*ret = (struct case_report){.outcome = OUTCOME_ENVIRONMENT};
	if (unheard ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNTOLD))
		case_report_find(ret, FINDING_ENVIRONMENT, NULL,
		                 "its report could not be told: no memory");
	else if (hung)
		case_report_find(ret, FINDING_ENVIRONMENT, NULL,
		                 "the process of `fault` that ran it did not "
		                 "come to an end long after the limit of the "
		                 "scenario, and was killed");
	else if (WIFSIGNALED(status))
		case_report_find(ret, FINDING_ENVIRONMENT, NULL,
		                 "the process of `fault` that ran it was "
		                 "killed by SIG%s",
		                 sigabbrev_np(WTERMSIG(status)));
	else
		case_report_find(ret, FINDING_ENVIRONMENT, NULL,
		                 "the process of `fault` that ran it ended "
		                 "with exit status %d",
		                 WEXITSTATUS(status));
	return 1;
}

/* The length before a report; 0: it has not come yet. */
static size_t expected_len(const struct worker *v)
{
	uint64_t len;

	if (v->len < sizeof(len))
		return 0;
	memcpy(&len, v->data, sizeof(len));
	return len < MAX_REPORT ? (size_t)len + sizeof(len) : SIZE_MAX;
}

static bool make_room(struct worker *v)
{
	size_t want = expected_len(v), cap;
	char *data;

	if (want == SIZE_MAX)
		return false;
	cap = want > FIRST_ROOM ? want : FIRST_ROOM;
	if (cap <= v->cap)
		return true;
	data = realloc(v->data, cap);
	if (!data)
		return false;
	v->data = data;
	v->cap = cap;
	return true;
}

/* What it says cannot be taken: it has to end, and its guardian to clean up. */
static void stop_listening(struct worker *v)
{
	v->unheard = true;
	kill(v->pid, SIGKILL);
}

static int await_end(struct workers *w, struct worker *v,
                     struct case_report *ret)
{
	char rest[4096];
	ssize_t n;

	do
		n = recv(v->fd, rest, sizeof(rest), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN ? 0 : gone(w, v, ret);
}

int workers_receive(struct workers *w, size_t i, struct case_report *ret)
{
	struct worker *v = &w->v[i];
	ssize_t n = 1;

	for (;;) {
		size_t want = expected_len(v);

		if (want && v->len == want)
			break;
		if (!v->unheard && !make_room(v))
			stop_listening(v);
		if (v->unheard)
			return await_end(w, v, ret);
		/* No byte beyond this report: nothing more was asked for. */
		n = recv(v->fd, v->data + v->len, v->cap - v->len,
		         MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return gone(w, v, ret);
		v->len += (size_t)n;
	}
	if (case_report_unpack(v->data + sizeof(uint64_t),
	                       v->len - sizeof(uint64_t), ret) < 0) {
		stop_listening(v);
		return await_end(w, v, ret);
	}
	v->busy = false;
	return 1;
}

int workers_give_up(struct workers *w, size_t i, struct case_report *ret)
{
	struct worker *v = &w->v[i];

	if (v->hung)
		return gone(w, v, ret);
	v->hung = true;
	kill(v->pid, SIGKILL);
	return 0;
}

void workers_signal(struct workers *w, int sig)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].pid && w->v[i].busy)
			kill(w->v[i].pid, sig);
}

/* An idle worker and its guardian have closed the socket by then. */
static bool has_ended(const struct worker *v, int64_t until)
{
	struct pollfd p = {v->fd, POLLIN, 0};
	int64_t left;

	do {
		left = (until - now_ns()) / NS_PER_MS;
		if (poll(&p, 1, left > 0 ? (int)left : 0) > 0)
			return true;
	} while (left > 0);
	return false;
}

void workers_close(struct workers *w)
{
	int64_t until = now_ns() + END_NS;
	size_t killed;

	/* First all sockets: they end beside each other. */
	for (size_t i = 0; i < w->n; i++) {
		if (!w->v[i].pid)
			continue;
		shutdown(w->v[i].fd, SHUT_WR);
		kill(w->v[i].pid, SIGCONT);
	}
	for (size_t i = 0; i < w->n; i++) {
		bool ended = !w->v[i].pid || has_ended(&w->v[i], until);

		if (!ended)
			kill(w->v[i].pid, SIGKILL);
		w->crashed |= !ended;
		if (w->v[i].pid)
			bury(&w->v[i], ended ? 0 : WNOHANG);
	}
	free(w->v);
	/*
	 * With its guardian killed, too, what a worker had started is ours.
	 * Not otherwise: who was replaced by `fault` (exec) may have children.
	 */
	if (w->crashed)
		tree_kill(NULL, NULL, &killed);
	*w = (struct workers){0};
}
